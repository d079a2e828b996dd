//! The page contract, held by every page's own binary, alone.

use crate::harness::{PATIENCE, Process, binary, wait_until, workspace};
use reqwest::{Client, Response};
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::process::Command;

struct Page {
    name: String,
    check: String,
    process: Process,
    address: SocketAddr,
    client: Client,
    _elsewhere: TempDir,
}

impl Page {
    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    async fn manifest(&self) -> Value {
        self.get("/.well-known/page.json").await.json().await.unwrap()
    }
}

/// Every page of the repository with its first path, started in an empty folder with no other process.
async fn every_page(arguments: &[&str]) -> Vec<Page> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(workspace().join("pages")).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path().join("page.toml")) else { continue };
        let source: toml::Table = text.parse().unwrap();
        let name = source["page"].as_str().unwrap().to_owned();
        let elsewhere = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary(&name));
        command.args(["--listen", "127.0.0.1:0", "--standalone"]).args(arguments).current_dir(elsewhere.path());
        let mut process = Process::start(command.env("PAGEFLEET_SETTLE", "300ms"));
        let address = process.wait_until_listening().await["address"].as_str().unwrap().parse().unwrap();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap();
        let check = source["routes"][0].as_str().unwrap().to_owned();
        pages.push(Page { name, check, process, address, client, _elsewhere: elsewhere });
    }
    assert!(pages.len() >= 3);
    pages
}

#[tokio::test]
async fn every_page_renders_alone() {
    for page in every_page(&[]).await {
        let response = page.client.get(format!("http://{}{}", page.address, page.check)).header("accept", "text/html");
        let mut response = response.send().await.unwrap();
        if response.status().is_redirection() {
            let to = response.headers()["location"].to_str().unwrap().to_owned();
            response = page.get(&to).await;
        }
        assert_eq!(response.status(), 200, "{}", page.name);
        let headers = response.headers().clone();
        let csp = headers["content-security-policy"].to_str().unwrap();
        assert!(csp.contains("default-src 'self'") && !csp.contains("unsafe"), "{csp}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("x-request-id"));
        let html = response.text().await.unwrap();
        assert!(html.contains("</html>") && html.contains("Tarnwell"), "{}", page.name);
        assert!(!html.contains("style=\"") && !html.contains("<style") && !html.contains(" onclick="), "{}", page.name);
        let manifest = page.manifest().await;
        for asset in manifest["assets"].as_array().unwrap().iter().filter(|asset| asset["name"] == "site.css") {
            assert!(html.contains(asset["path"].as_str().unwrap()), "{}", page.name);
        }
    }
}

#[tokio::test]
async fn every_manifest_is_true_and_every_asset_is_in_the_binary() {
    for page in every_page(&[]).await {
        let manifest = page.manifest().await;
        assert_eq!(manifest["page"], page.name.as_str());
        assert!(!manifest["release"].as_str().unwrap().is_empty());
        let program = std::fs::read(binary(&page.name)).unwrap();
        let assets = manifest["assets"].as_array().unwrap();
        assert!(assets.iter().any(|asset| asset["name"] == "site.css" && asset["preload"] == true), "{}", page.name);
        for asset in assets {
            let (name, path) = (asset["name"].as_str().unwrap(), asset["path"].as_str().unwrap());
            let sha256 = asset["sha256"].as_str().unwrap();
            assert!(path.contains(&sha256[..16]), "{path}");
            for (url, cache_control) in [
                (path.to_owned(), "public, max-age=31536000, immutable"),
                (format!("/assets/{name}"), "private, no-cache"),
            ] {
                let response = page.get(&url).await;
                assert_eq!(response.status(), 200, "{url}");
                assert_eq!(response.headers()["cache-control"], cache_control, "{url}");
                assert_eq!(response.headers()["etag"], format!("\"{}\"", &sha256[..16]), "{url}");
                assert_eq!(
                    response.headers()["content-type"].to_str().unwrap().split(';').next(),
                    asset["type"].as_str()
                );
                let bytes = response.bytes().await.unwrap();
                let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!((digest.as_str(), bytes.len() as u64), (sha256, asset["size"].as_u64().unwrap()), "{url}");
                // Embedded: no folder of the bundle needs to be there when the page runs.
                let embedded = memchr::memmem::find(&program, &bytes).is_some();
                assert!(embedded, "{name} is not in the binary of {}", page.name);
            }
        }
    }
}

#[tokio::test]
async fn what_the_css_asks_for_is_in_the_manifest_under_its_fingerprint() {
    for page in every_page(&[]).await {
        let manifest = page.manifest().await;
        let paths: Vec<_> = manifest["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| asset["path"].as_str().unwrap().to_owned())
            .collect();
        let css = page.get(paths.iter().find(|path| path.ends_with(".css")).unwrap()).await.text().await.unwrap();
        let urls: Vec<_> =
            css.split("url(").skip(1).map(|rest| rest.split(')').next().unwrap().trim_matches(['"', '\''])).collect();
        assert!(urls.iter().any(|url| url.ends_with(".svg")), "the CSS references an image");
        for url in urls.iter().filter(|url| !url.starts_with("data:")) {
            assert!(paths.contains(&(*url).to_owned()), "{url} of {}", page.name);
        }
    }
}

#[tokio::test]
async fn an_asset_is_asked_for_again_by_its_tag_only() {
    for page in every_page(&[]).await {
        let tag = page.get("/assets/site.css").await.headers()["etag"].to_str().unwrap().to_owned();
        for (if_none_match, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let request = page.client.get(format!("http://{}/assets/site.css", page.address));
            let response = request.header("if-none-match", &if_none_match).send().await.unwrap();
            assert_eq!(response.status(), status, "{if_none_match}");
            assert_eq!(response.headers()["etag"], tag.as_str());
            assert_eq!(response.headers()["cache-control"], "private, no-cache");
        }
        let unknown = page.get("/assets/gone-0123456789abcdef.css").await;
        assert_eq!(
            (unknown.status().as_u16(), unknown.headers()["cache-control"].to_str().unwrap()),
            (404, "no-store")
        );
        let posted = page.client.post(format!("http://{}/assets/site.css", page.address)).send().await.unwrap();
        assert_eq!((posted.status().as_u16(), posted.headers().contains_key("allow")), (405, true));
    }
}

#[tokio::test]
async fn stable_urls_are_linked_when_asked_for() {
    for page in every_page(&["--asset-urls", "stable"]).await {
        let mut response = page.get(&page.check).await;
        if response.status().is_redirection() {
            let to = response.headers()["location"].to_str().unwrap().to_owned();
            response = page.get(&to).await;
        }
        assert!(response.text().await.unwrap().contains("href=\"/assets/site.css\""), "{}", page.name);
    }
}

#[tokio::test]
async fn a_page_told_to_end_is_not_ready_at_once_and_finishes() {
    for mut page in every_page(&[]).await {
        assert_eq!(page.get("/health/live").await.status(), 200);
        assert_eq!(page.get("/health/ready").await.status(), 200);
        page.process.signal(Signal::TERM);
        wait_until("the page is not ready", async || (page.get("/health/ready").await.status() == 503).then_some(()))
            .await;
        let response = page.get("/assets/site.css").await;
        assert_eq!((response.status().as_u16(), response.headers()["connection"].to_str().unwrap()), (200, "close"));
        assert_eq!(page.process.wait().await, Some(0), "{}", page.name);
    }
}

#[tokio::test]
async fn a_page_counts_its_own_requests_and_checks_itself() {
    for page in every_page(&[]).await {
        let requests =
            async || page.get("/health/live").await.json::<Value>().await.unwrap()["requests"].as_u64().unwrap();
        let before = requests().await;
        page.get("/assets/site.css").await;
        page.get("/.well-known/page.json").await;
        assert_eq!(requests().await, before + 1, "{}", page.name);
        let check = Command::new(binary(&page.name)).arg("--check").output().await.unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

#[tokio::test]
async fn a_page_without_its_services_names_the_missing_variable() {
    let output = Command::new(binary("checkout"))
        .args(["--listen", "127.0.0.1:0"])
        .env_remove("PAGEFLEET_SERVICE_ORDERS")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("PAGEFLEET_SERVICE_"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn forms_are_protected_from_other_sites() {
    for page in every_page(&[]).await.iter().filter(|page| page.name == "checkout") {
        let post = |headers: &[(&'static str, &str)]| {
            let request =
                page.client.post(format!("http://{}/checkout/lines/x", page.address)).form(&[("quantity", "1")]);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send()
        };
        let own = format!("http://{}", page.address);
        for (headers, refused) in [
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("origin", "http://evil.example")], true),
            (vec![("origin", "null")], true),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("origin", own.as_str())], false),
        ] {
            let status = post(&headers).await.unwrap().status();
            assert_eq!(status == 403, refused, "{headers:?}: {status}");
        }
    }
}
