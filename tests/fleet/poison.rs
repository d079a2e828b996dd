//! Pages that send wrong bytes poison nothing: not the vault, not a browser's cache, not a cache in front of us.

use crate::cdn::{Cdn, was_kept};
use crate::harness::{Proxy, Setup, Stub, header, wait_until};
use reqwest::Response;

const CSS: &str = "a{color:red;margin:1px}";
const FAULTS: [&str; 8] = ["missing", "immutable404", "truncated", "short", "html", "html200", "other-type", "flipped"];
/// Pages are replaced in every round; this is how soon the proxy sees it.
const OFTEN: &str = "[health]\ninterval = \"40ms\"";

/// That an answer is the asset, or nothing that is kept without asking again.
async fn assert_harmless(answer: Response, what: &str) {
    let (status, caching) = (answer.status().as_u16(), header(&answer, "cache-control").to_owned());
    // A body that breaks off is no answer at all.
    let Ok(text) = answer.text().await else { return };
    match status {
        200 if text == CSS => {}
        200 => assert!(["private, no-cache", "no-store"].contains(&caching.as_str()), "{what}: {caching}: {text}"),
        _ => assert_eq!(caching, "no-store", "{what}: {status}"),
    }
}

async fn wait_until_admitted(proxy: &Proxy, page: &str) {
    wait_until("the mended release is admitted", async || {
        let instance = proxy.instances(page).await.remove(0);
        (instance["state"] == "healthy" && instance["refused"].is_null() && instance["release"] == "mended")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_fault_of_a_page_is_stored_or_immutable_and_mending_mends_all() {
    let asset = format!("site.css={CSS}");
    for fault in FAULTS {
        let fault = format!("site.css={fault}");
        let mut frontpage = Stub::start("frontpage", &["--asset", &asset, "--fault", &fault]).await;
        let proxy = Setup::new().stub(&frontpage).setting(OFTEN).start().await;
        let path = frontpage.fingerprinted("site.css").await;
        for (url, referer) in [(path.as_str(), "/"), (&path, "/nowhere"), ("/assets/site.css", "/")] {
            assert_harmless(proxy.get_from(url, referer).await, &format!("{fault}: {url} from {referer}")).await;
        }
        let listed = proxy.run(&["vault", "ls"]).await;
        assert!(listed.stdout.is_empty(), "{fault}: {}", String::from_utf8_lossy(&listed.stdout));
        frontpage.replace(&["--release", "mended", "--asset", &asset]).await;
        wait_until_admitted(&proxy, "frontpage").await;
        for url in [path.as_str(), "/assets/site.css"] {
            assert_eq!(proxy.get_from(url, "/").await.text().await.unwrap(), CSS, "{fault}: {url}");
        }
    }
}

#[tokio::test]
async fn wrong_bytes_never_come_to_be_called_unchanged() {
    let asset = format!("site.css={CSS}");
    for fault in FAULTS {
        let fault = format!("site.css={fault}");
        let mut frontpage = Stub::start("frontpage", &["--asset", &asset, "--fault", &fault]).await;
        let proxy = Setup::new().stub(&frontpage).setting(OFTEN).start().await;
        let wrong = proxy.get_from("/assets/site.css", "/").await;
        let may_be_kept = wrong.status() == 200 && header(&wrong, "cache-control") != "no-store";
        let tag = header(&wrong, "etag").to_owned();
        let kept = wrong.text().await.ok().filter(|text| may_be_kept && text != CSS);
        frontpage.replace(&["--release", "mended", "--asset", &asset]).await;
        wait_until_admitted(&proxy, "frontpage").await;
        if kept.is_some() && !tag.is_empty() {
            let request = proxy.request("GET", "/assets/site.css").header("referer", proxy.url("/"));
            let answer = request.header("if-none-match", tag.as_str()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{fault}: a browser keeps {kept:?} for ever under {tag}");
        }
    }
}

#[tokio::test]
async fn a_304_never_crosses_from_one_page_to_another() {
    let old = |text: &'static str| ["--no-manifest", "--dated", "--asset", text];
    let (one, two) = (Stub::start("one", &old("app.js=one")).await, Stub::start("two", &old("app.js=two")).await);
    let file = |stub: &Stub| {
        let (page, address) = (&stub.page, stub.address);
        format!("routes = [\"/{page}\"]\ninstances = [\"{address}\"]\nmanifest = false\nhealth = \"/\"\n")
    };
    for vault in ["vault", "off"] {
        let setting = format!("vault = {vault:?}");
        let setup = Setup::new().setting(&setting).page_file("one", &file(&one)).page_file("two", &file(&two));
        let proxy = setup.start().await;
        for page in ["one", "two"] {
            proxy.wait_for_state(page, "healthy", 1).await;
        }
        let first = proxy.get_from("/assets/app.js", "/one").await;
        let known = [("if-none-match", "etag"), ("if-modified-since", "last-modified")];
        let known = known.map(|(ask, told)| (ask, header(&first, told).to_owned()));
        assert_eq!(first.text().await.unwrap(), "one");
        for (name, value) in known.into_iter().filter(|(_, value)| !value.is_empty()) {
            let request = proxy.request("GET", "/assets/app.js").header("referer", proxy.url("/two"));
            let answer = request.header(name, value.as_str()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{setting}: {name}: {value} is of the other page");
        }
    }
}

#[tokio::test]
async fn an_old_page_is_stored_only_if_its_url_names_its_bytes() {
    let asset = format!("site.css={CSS}");
    for (naming, stored) in [("contract", true), ("vite", false), ("webpack", false)] {
        let frontpage = Stub::start("frontpage", &[]).await;
        let with_manifest = Stub::start("old", &["--naming", naming, "--asset", &asset]).await;
        let (path, _manifest) = (with_manifest.fingerprinted("site.css").await, with_manifest);
        let mut old = Stub::start("old", &["--no-manifest", "--naming", naming, "--asset", &asset]).await;
        let file =
            format!("routes = [\"/{{*rest}}\"]\ninstances = [\"{}\"]\nmanifest = false\nhealth = \"/\"\n", old.address);
        let proxy = Setup::new().stub(&frontpage).page_file("old", &file).start().await;
        proxy.wait_for_state("old", "healthy", 1).await;
        let answer = proxy.get_from(&path, "/about/us").await;
        let caching = if stored { "public, max-age=31536000, immutable" } else { "private, no-cache" };
        assert_eq!(
            (header(&answer, "x-route-reason"), header(&answer, "cache-control")),
            ("referer", caching),
            "{path}"
        );
        assert_eq!(answer.text().await.unwrap(), CSS);
        for fault in FAULTS {
            let other = format!("site.css={CSS}/* {fault} */");
            let fault = format!("site.css={fault}");
            old.replace(&["--no-manifest", "--naming", naming, "--asset", &other, "--fault", &fault]).await;
            assert_harmless(proxy.get_from(&path, "/about/us").await, &format!("{fault}: {path}")).await;
        }
        drop(old);
        let expected = if stored { 200 } else { 503 };
        proxy.wait_for_state("old", "unhealthy", 1).await;
        assert_eq!(proxy.get_from(&path, "/about/us").await.status(), expected, "{path}");
    }
}

#[tokio::test]
async fn with_the_vault_off_nothing_that_is_seen_to_be_wrong_is_immutable() {
    let asset = format!("site.css={CSS}");
    for fault in ["missing", "immutable404", "html200", "other-type"] {
        let fault = format!("site.css={fault}");
        let frontpage = Stub::start("frontpage", &["--asset", &asset, "--fault", &fault]).await;
        let proxy = Setup::new().stub(&frontpage).setting("vault = \"off\"").start().await;
        let answer = proxy.get_from(&frontpage.fingerprinted("site.css").await, "/").await;
        let is_css = header(&answer, "content-type").starts_with("text/css");
        assert!(is_css || !header(&answer, "cache-control").contains("immutable"), "{fault}");
    }
}

#[tokio::test]
async fn a_cdn_in_front_keeps_right_bytes_only() {
    let asset = format!("site.css={CSS}");
    let mut frontpage = Stub::start("frontpage", &["--asset", &asset]).await;
    let proxy = Setup::new().stub(&frontpage).setting(OFTEN).start().await;
    let path = frontpage.fingerprinted("site.css").await;
    for cdn in Cdn::all(&proxy).await {
        // Before the vault has it, so that the fault is what a cache could keep.
        for fault in FAULTS {
            let text = format!("{CSS}/* {} {fault} */", cdn.name);
            let (asset, fault) = (format!("site.css={text}"), format!("site.css={fault}"));
            frontpage.replace(&["--release", "wrong", "--asset", &asset, "--fault", &fault]).await;
            wait_until("the wrong release is let in, being the last", async || {
                (proxy.instances("frontpage").await[0]["ungated"] == true).then_some(())
            })
            .await;
            let path = frontpage.fingerprinted("site.css").await;
            for (url, referer) in [(path.as_str(), "/"), (&path, "/nowhere"), ("/assets/site.css", "/")] {
                let answer = cdn.get_from(url, referer).await;
                assert!(!was_kept(&answer), "{}: {fault}: {url}", cdn.name);
            }
            frontpage.replace(&["--release", "mended", "--asset", &asset]).await;
            wait_until_admitted(&proxy, "frontpage").await;
            for kept in [false, true] {
                let answer = cdn.get_from(&path, "/").await;
                assert_eq!(was_kept(&answer), kept, "{}: {fault}", cdn.name);
                assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (200, text.clone()));
            }
            let stable = cdn.get_from("/assets/site.css", "/").await;
            assert_eq!(stable.text().await.unwrap(), text, "{}: {fault}: the stable URL", cdn.name);
        }
        drop(cdn);
    }
    // The first release was known before all that, and is the same after it.
    assert_eq!(proxy.get_from(&path, "/").await.status(), 200);
}
