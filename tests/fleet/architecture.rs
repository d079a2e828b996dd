//! The architecture's absences: who must not know whom.

use crate::harness::workspace;
use std::fs;
use std::path::{Path, PathBuf};

fn dependencies(manifest: &Path) -> Vec<String> {
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let tables = ["dependencies", "build-dependencies"].iter().filter_map(|table| manifest.get(*table)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().path().join("Cargo.toml"));
    folders.filter(|manifest| manifest.exists()).collect()
}

fn assert_ours(manifest: &Path, allowed: &[&str]) {
    let ours: Vec<String> =
        ["proxy", "proxy/config", "deploy", "templates", "shared-assets", "shared-assets/bundler", "tests"]
            .iter()
            .map(|folder| workspace().join(folder).join("Cargo.toml"))
            .chain(manifests("pages"))
            .chain(manifests("services"))
            .map(|manifest| {
                let table: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
                table["package"]["name"].as_str().unwrap().to_owned()
            })
            .collect();
    for dependency in dependencies(manifest) {
        let wrong = ours.contains(&dependency) && !allowed.contains(&dependency.as_str());
        assert!(!wrong, "{} must not depend on {dependency}", manifest.display());
    }
}

#[test]
fn pages_know_the_kit_and_the_bundle_but_neither_each_other_nor_the_proxy() {
    for manifest in manifests("pages") {
        let kit = manifest.parent().unwrap().ends_with("kit");
        let allowed: &[&str] = if kit {
            &["service-kit", "shared-assets"]
        } else {
            &["page-kit", "shared-assets", "templates", "asset-bundler"]
        };
        assert_ours(&manifest, allowed);
    }
}

#[test]
fn services_know_their_kit_only() {
    for manifest in manifests("services") {
        assert_ours(&manifest, &["service-kit"]);
    }
}

#[test]
fn proxy_and_fleet_tool_know_the_configuration_and_nothing_else_of_ours() {
    for folder in ["proxy", "deploy"] {
        assert_ours(&workspace().join(folder).join("Cargo.toml"), &["pagefleet-config"]);
    }
    assert_ours(&workspace().join("proxy/config/Cargo.toml"), &[]);
}

#[test]
fn only_the_proxy_depends_on_pingora() {
    for manifest in manifests("pages").into_iter().chain(manifests("services")).chain([
        workspace().join("deploy/Cargo.toml"),
        workspace().join("proxy/config/Cargo.toml"),
        workspace().join("shared-assets/Cargo.toml"),
        workspace().join("templates/Cargo.toml"),
    ]) {
        assert!(dependencies(&manifest).iter().all(|name| !name.starts_with("pingora")), "{}", manifest.display());
    }
}

#[test]
fn the_deciders_do_not_know_pingora() {
    let pure = [
        "asset_decision",
        "asset_url",
        "balance",
        "changes",
        "dns",
        "ejection",
        "fleet",
        "head",
        "health",
        "instance",
        "last_good",
        "manifest",
        "path",
        "referer",
        "retry",
        "routes",
        "settings",
        "shares",
        "trace_context",
        "websocket_frames",
    ];
    for file in pure {
        let text = fs::read_to_string(workspace().join(format!("proxy/src/{file}.rs"))).unwrap();
        assert!(!text.contains("pingora_"), "{file}.rs");
    }
}
