//! Envoy: one worker, a static configuration, the page found in a trie of path prefixes rather than in a list of routes.
//! It is written as JSON, which Envoy reads too.

use super::{Setup, write};
use crate::error::Error;
use crate::job::{Job, JobPage};
use crate::pages::Paths;
use serde_json::{Map, Value, json};
use std::process::Command;

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions.filters";
/// Connections to one cluster, requests at once: above anything that is measured.
const PLENTY: u32 = 1_000_000;

pub(super) fn prepare(setup: &Setup, command: &mut Command) -> Result<(), Error> {
    let file = setup.folder.join("envoy.json");
    write(&file, &config(setup).to_string())?;
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(file);
    Ok(())
}

fn config(setup: &Setup) -> Value {
    let manager = json!({
        "@type": format!("{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "site",
        "use_remote_address": true,
        "server_header_transformation": "PASS_THROUGH",
        "route_config": {"virtual_hosts": [{"name": "site", "domains": ["*"], "matcher": matcher(setup)}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": format!("{EXTENSIONS}.http.router.v3.Router"),
            "suppress_envoy_headers": true,
            "dynamic_stats": false,
        }}],
    });
    let listener = json!({
        "name": "site",
        "address": address(setup.listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    });
    let clusters: Vec<_> = setup.job.pages.iter().map(cluster).collect();
    json!({"static_resources": {"listeners": [listener], "clusters": clusters}})
}

fn address(at: std::net::SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}

fn cluster(page: &JobPage) -> Value {
    let endpoints: Vec<_> =
        page.instances.iter().map(|instance| json!({"endpoint": {"address": address(*instance)}})).collect();
    let most =
        json!({"max_connections": PLENTY, "max_pending_requests": PLENTY, "max_requests": PLENTY, "max_retries": 16});
    json!({
        "name": page.name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [most]},
        "load_assignment": {"cluster_name": page.name, "endpoints": [{"lb_endpoints": endpoints}]},
    })
}

/// First whether it is an asset, then the page by the Referer or by the path.
fn matcher(setup: &Setup) -> Value {
    let predicate = json!({"single_predicate": {"input": header(":path"), "value_match": {"prefix": "/assets/"}}});
    json!({
        "matcher_list": {"matchers": [{"predicate": predicate, "on_match": {"matcher": by_referer(setup)}}]},
        "on_no_match": {"matcher": by_path(setup.job)},
    })
}

fn by_referer(setup: &Setup) -> Value {
    let mut map = Map::new();
    for (page, segment) in setup.job.by_referer() {
        let referer = format!("http://{}/{segment}", setup.listen);
        map.insert(referer, route(&page.name, &json!({"prefix": "/assets/"})));
    }
    let otherwise = route(&setup.job.fallback, &json!({"prefix": "/assets/"}));
    if map.is_empty() {
        return json!({"on_no_match": otherwise});
    }
    json!({
        "matcher_tree": {"input": header("referer"), "prefix_match_map": {"map": map}},
        "on_no_match": otherwise,
    })
}

fn by_path(job: &Job) -> Value {
    let mut map = Map::new();
    for page in &job.pages {
        for paths in page.paths() {
            let (prefix, matched) = match paths {
                Paths::One(path) => (path.clone(), json!({"path": path})),
                Paths::Below(prefix) => (prefix.clone(), json!({"prefix": prefix})),
            };
            map.insert(prefix, route(&page.name, &matched));
        }
    }
    json!({"matcher_tree": {"input": header(":path"), "prefix_match_map": {"map": map}}})
}

fn header(name: &str) -> Value {
    let input = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput";
    json!({"name": name, "typed_config": {"@type": input, "header_name": name}})
}

fn route(cluster: &str, matched: &Value) -> Value {
    let kind = "type.googleapis.com/envoy.config.route.v3.Route";
    json!({"action": {"name": "route", "typed_config": {
        "@type": kind, "match": matched, "route": {"cluster": cluster},
    }}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::shop;
    use std::path::Path;

    #[test]
    fn it_routes_by_path_and_assets_by_referer() {
        let (job, listen) = (shop(true), "127.0.0.1:8080".parse().unwrap());
        let config = config(&Setup { job: &job, listen, folder: Path::new("/run/bench") });
        let text = config.to_string();
        for part in ["\"http://127.0.0.1:8080/checkout\"", "\"/products/\"", "\"/checkout/\"", "LEAST_REQUEST"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let clusters = config["static_resources"]["clusters"].as_array().unwrap();
        assert_eq!(clusters.len(), 2);
        assert_eq!(clusters[0]["name"], "checkout");
    }
}
