//! Two real pages on two builds of the bundle, in Chromium: the second is built from a copy of this tree with another
//! colour.

use crate::browser_harness::Browser;
use crate::harness::{Process, Proxy, Setup, binary, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// What the copy changes.
const TOKENS: &str = "shared-assets/bundle/css/tokens.css";
/// The colour of the brand in the two builds, as CSS computes the custom property.
const SPRUCE: &str = "#1f4d3d";
const PLUM: &str = "#6b2450";

/// A page's own program, alone, with the kind of asset URLs it links.
async fn start_page(program: &Path, asset_urls: &str) -> (Process, std::net::SocketAddr) {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--standalone"]).env("PAGEFLEET_ASSET_URLS", asset_urls);
    let mut process = Process::start(&mut command);
    let address = process.wait_until_listening().await["address"].as_str().unwrap().parse().unwrap();
    (process, address)
}

/// Goes to and fro between two pages on two builds of the bundle; each has to have the look of its own build.
async fn assert_each_page_has_its_own_look(proxy: &Proxy, asset_urls: &str) {
    let browser = Browser::at(&proxy.url("")).start().await;
    let looks = async |page: &str, colour: &str, how: &str| {
        browser.wait_for(page).await;
        browser.wait_until_idle().await;
        assert_eq!(browser.style("html", "--spruce").await, colour, "{page} {how}, {asset_urls} URLs");
        let [red, green, blue] = [1, 3, 5].map(|at| u8::from_str_radix(&colour[at..at + 2], 16).unwrap());
        let drawn = browser.style(".logo__mark", "color").await;
        assert_eq!(drawn, format!("rgb({red}, {green}, {blue})"), "{page} {how}, {asset_urls} URLs");
    };
    browser.goto("/").await;
    looks(".hero", SPRUCE, "first").await;
    browser.click(".site-nav a[href='/checkout']").await;
    looks("#basket", PLUM, "first").await;
    browser.back().await;
    looks(".hero", SPRUCE, "by back").await;
    browser.forward().await;
    looks("#basket", PLUM, "by forward").await;
    browser.goto("/").await;
    looks(".hero", SPRUCE, "again").await;
    browser.goto("/checkout").await;
    looks("#basket", PLUM, "again").await;
}

#[tokio::test]
async fn two_pages_on_two_builds_of_the_bundle_each_look_right_with_both_kinds_of_urls() {
    let plum = plum_checkout().await;
    for asset_urls in ["fingerprinted", "stable"] {
        let (_frontpage, at_front) = start_page(&binary("frontpage"), asset_urls).await;
        let (_checkout, at_checkout) = start_page(&plum, asset_urls).await;
        let proxy = Setup::new().page("frontpage", &[at_front]).page("checkout", &[at_checkout]).start().await;
        assert_each_page_has_its_own_look(&proxy, asset_urls).await;
    }
}

/// Release `0.1.0+plum` of `checkout`, with a plum-coloured bundle; built once for all tests.
pub(crate) async fn plum_checkout() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(build_plum_checkout).await.clone()
}

/// Soon, if nothing has changed since the last time.
async fn build_plum_checkout() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("two-builds");
    let (source, target) = (folder.join("source"), folder.join("target"));
    copy_sources(&source).await;
    share_dependencies(&target);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        // Cargo sets these for the tests; build scripts that watch them would run again.
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    // Of the workspace: a page alone has other features, and would build its dependencies anew.
    cargo.args(["build", "--offline", "--workspace", "--bin", "checkout", "--target-dir"]).arg(&target);
    cargo.env("PAGEFLEET_RELEASE", "plum");
    let built = cargo.current_dir(&source).output().await.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/checkout")
}

/// Copies what git knows and what is new. A file that is the same stays as it is, so that cargo finds it unchanged.
async fn copy_sources(to: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace());
    let listed = String::from_utf8(git.output().await.unwrap().stdout).unwrap();
    for name in listed.split_terminator('\0') {
        // A file that was deleted is still listed until that is committed.
        let Ok(mut bytes) = fs::read(workspace().join(name)) else { continue };
        if name == TOKENS {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(&format!("--spruce: {SPRUCE}")), "{TOKENS} has another --spruce");
            bytes = text.replace(SPRUCE, PLUM).into_bytes();
        }
        let file = to.join(name);
        if fs::read(&file).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
}

/// Links the built dependencies from the target folder of this tree: a cold build takes minutes. What belongs to a crate
/// of ours is left out, since cargo would take it for its own and write into it.
fn share_dependencies(target: &Path) {
    let debug = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("debug");
    let ours = our_crates();
    let is_ours = |name: &str| {
        let name = name.strip_prefix("lib").unwrap_or(name).replace('_', "-");
        ours.iter().any(|ours| name.strip_prefix(ours.as_str()).is_some_and(|rest| rest.starts_with(['-', '.'])))
    };
    for folder in ["deps", "build", ".fingerprint"] {
        for entry in fs::read_dir(debug.join(folder)).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let to = target.join("debug").join(folder).join(&name);
            if !is_ours(&name) && !to.exists() {
                share(&entry.path(), &to, folder == ".fingerprint");
            }
        }
    }
}

/// Cargo writes fingerprints in place, so those are copies.
fn share(from: &Path, to: &Path, copy: bool) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap().flatten() {
            share(&entry.path(), &to.join(entry.file_name()), copy);
        }
        return;
    }
    // What another build removes while we look is not needed.
    let Ok(metadata) = fs::metadata(from) else { return };
    let shared = if copy { fs::copy(from, to).map(drop) } else { fs::hard_link(from, to) };
    if shared.is_ok() && copy {
        fs::File::options().write(true).open(to).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    }
}

/// The names of the workspace's crates, programs and tests.
fn our_crates() -> Vec<String> {
    let mut names = vec!["stub-page".to_owned()];
    let mut folders = vec![workspace().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.ends_with("Cargo.toml") {
                let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
                let name = manifest.get("package").and_then(|package| package.get("name"));
                names.extend(name.and_then(toml::Value::as_str).map(str::to_owned));
            }
        }
    }
    names
}
