//! The vault as its users meet it: what was admitted is there after rollouts, restarts and crashes, whatever the disk does.

use crate::harness::{Proxy, Setup, Stub, fingerprint, header, sha256, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;

async fn reason_and_text(proxy: &Proxy, path: &str, referer: &str) -> (String, String) {
    let answer = proxy.get_from(path, referer).await;
    let reason = format!("{} {}", answer.status().as_u16(), header(&answer, "x-route-reason"));
    (reason, answer.text().await.unwrap())
}

#[tokio::test]
async fn every_decision_is_told_in_a_header_and_counted() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let mut checkout = Stub::start("checkout", &["--asset", "site.css=blue"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    let (red, blue) = (frontpage.fingerprinted("site.css").await, checkout.fingerprinted("site.css").await);
    checkout.replace(&["--release", "2", "--asset", "site.css=green"]).await;
    wait_until("the new release is known", async || {
        (proxy.instances("checkout").await[0]["release"] == "2").then_some(())
    })
    .await;
    for (reason, path, referer, text) in [
        ("referer", red.as_str(), "/", "red"),
        ("fingerprint", &red, "/checkout", "red"),
        ("vault", &blue, "/checkout", "blue"),
        ("referer", "/assets/site.css", "/checkout", "green"),
        ("fallback", "/assets/site.css", "/nowhere", "red"),
    ] {
        let counter = format!("pagefleet_decisions_total{{reason=\"{reason}\"}}");
        let before = proxy.metric(&counter).await;
        let expected = (format!("200 {reason}"), text.to_owned());
        assert_eq!(reason_and_text(&proxy, path, referer).await, expected, "{path} from {referer}");
        wait_until("it is counted", async || (proxy.metric(&counter).await == before + 1).then_some(())).await;
    }
    let unknown = proxy.get_from("/assets/site-0123456789abcdef.css", "/").await;
    assert_eq!((unknown.status().as_u16(), header(&unknown, "x-route-reason")), (404, "unknown"));
}

#[tokio::test]
async fn a_page_opened_before_a_rollout_finds_its_assets_after_it_and_after_a_rollback() {
    let mut frontpage = Stub::start("frontpage", &["--release", "1", "--asset", "site.css=one"]).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    let mut served = vec![frontpage.fingerprinted("site.css").await];
    for (release, text) in [("2", "two"), ("3", "three"), ("1", "one")] {
        frontpage.replace(&["--release", release, "--asset", &format!("site.css={text}")]).await;
        wait_until("the release is known", async || {
            (proxy.instances("frontpage").await[0]["release"] == release).then_some(())
        })
        .await;
        served.push(frontpage.fingerprinted("site.css").await);
        for path in &served {
            let bytes = proxy.get_from(path, "/").await.bytes().await.unwrap();
            assert_eq!(&sha256(&bytes)[..16], fingerprint(path));
        }
    }
}

#[tokio::test]
async fn assets_outlive_a_restart_with_no_page_running() {
    let checkout = Stub::start("checkout", &["--asset", "site.css=blue", "--asset", "empty.css="]).await;
    let proxy = Setup::new().stub(&checkout).start().await;
    let assets = checkout.assets().await;
    drop(checkout);
    let proxy = proxy.restart().await;
    for (name, path) in assets {
        let (reason, text) = reason_and_text(&proxy, &path, "/checkout").await;
        assert_eq!((reason.as_str(), text.as_str()), ("200 vault", if name == "site.css" { "blue" } else { "" }));
    }
    assert_eq!(proxy.get("/checkout").await.status(), 503);
}

#[tokio::test]
async fn the_stable_url_of_a_page_that_is_down_still_gives_its_assets() {
    let checkout = Stub::start("checkout", &["--asset", "site.css=blue"]).await;
    let proxy = Setup::new().stub(&checkout).start().await;
    drop(checkout);
    proxy.wait_for_state("checkout", "unhealthy", 1).await;
    let answer = reason_and_text(&proxy, "/assets/site.css", "/checkout").await;
    assert_eq!(answer, ("200 referer".to_owned(), "blue".to_owned()));
}

#[tokio::test]
async fn all_assets_of_a_release_that_nobody_looked_at_are_found_at_once() {
    let assets: Vec<_> = (0..8).map(|number| format!("part-{number}.js={number}")).collect();
    let arguments: Vec<_> = assets.iter().flat_map(|asset| ["--asset", asset]).collect();
    let mut frontpage = Stub::start("frontpage", &["--asset", "site.css=old"]).await;
    // A long interval: only the unknown fingerprints make the proxy look.
    let proxy = Setup::new().stub(&frontpage).setting("[health]\ninterval = \"10m\"").start().await;
    frontpage.replace(&[&["--release", "2"], arguments.as_slice()].concat()).await;
    let assets = frontpage.assets().await;
    let asked = assets.iter().map(|(_, path)| proxy.get_from(path, "/"));
    let found: Vec<_> =
        futures_util::future::join_all(asked).await.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(found, vec![200; assets.len()]);
}

#[tokio::test]
async fn a_kill_while_filling_leaves_no_bad_entry() {
    let frontpage = Stub::start("frontpage", &["--filler", "60x300000"]).await;
    let mut proxy = Setup::new().stub(&frontpage).start_cold().await;
    let bytes = proxy.vault_folder().join("bytes");
    for at_least in [1, 20, 40] {
        wait_until("it is filling", async || (files_in(&bytes) >= at_least).then_some(())).await;
        proxy.process.kill().await;
        for file in std::fs::read_dir(&bytes).unwrap() {
            let file = file.unwrap();
            let whole = sha256(&std::fs::read(file.path()).unwrap()) == file.file_name().to_str().unwrap();
            assert!(whole, "{} is not its bytes", file.path().display());
        }
        proxy = proxy.restart().await;
    }
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    for (_, path) in frontpage.assets().await {
        let answer = proxy.get_from(&path, "/").await.bytes().await.unwrap();
        assert_eq!(&sha256(&answer)[..16], fingerprint(&path));
    }
    assert_eq!(files_in(&proxy.vault_folder().join("part")), 0);
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn bytes_that_rotted_on_disk_are_fetched_again_not_given_out() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    let path = frontpage.fingerprinted("site.css").await;
    std::fs::write(proxy.vault_folder().join("bytes").join(sha256(b"red")), "bad").unwrap();
    let proxy = proxy.restart().await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    for _ in 0..2 {
        assert_eq!(reason_and_text(&proxy, &path, "/").await.1, "red");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_leaves_the_vault_in_memory_and_is_told() {
    let mut frontpage = Stub::start("frontpage", &["--asset", "site.css=one"]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("vault");
    std::fs::write(&file, "in the way").unwrap();
    let mut proxy = Setup::new().stub(&frontpage).setting(&format!("vault = {file:?}")).start().await;
    let said = proxy
        .process
        .wait_for_line("the vault's folder", |line| line.contains("vault folder").then(|| line.to_owned()));
    assert!(said.await.contains("\"level\":\"ERROR\""));
    assert_eq!(proxy.fleet().await["vault"]["disk_works"], false);
    assert_eq!(proxy.metric("pagefleet_vault{what=\"disk_works\"}").await, 0);
    let old = frontpage.fingerprinted("site.css").await;
    frontpage.replace(&["--release", "2", "--asset", "site.css=two"]).await;
    let new = frontpage.fingerprinted("site.css").await;
    wait_until("the new release serves", async || (proxy.get_from(&new, "/").await.status() == 200).then_some(()))
        .await;
    assert_eq!(reason_and_text(&proxy, &old, "/").await, ("200 vault".to_owned(), "one".to_owned()));
}

/// A file system of 256 KiB, for as long as it lives.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(folder.path());
        let done = mount.output().ok().filter(|done| done.status.success());
        done.map(|_| Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        drop(unmounted);
    }
}

#[tokio::test]
async fn a_full_disk_costs_no_answer_and_is_told_until_all_is_saved() {
    let Some(disk) = TinyDisk::mounted() else {
        eprintln!("SKIPPED: a full disk needs a small file system, which only root may mount");
        return;
    };
    let mut frontpage = Stub::start("frontpage", &["--filler", "1x400000"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=small enough"]).await;
    let folder = disk.0.path().join("vault");
    let proxy = Setup::new().stub(&frontpage).setting(&format!("vault = {folder:?}")).stub(&checkout).start().await;
    // Whichever page came last: one asset is not saved.
    assert_eq!(proxy.fleet().await["vault"]["disk_works"], false);
    let too_large = frontpage.fingerprinted("filler-0.png").await;
    frontpage.replace(&["--release", "2", "--asset", "site.css=also small"]).await;
    wait_until("the small release serves", async || {
        (proxy.instances("frontpage").await[0]["release"] == "2").then_some(())
    })
    .await;
    let bytes = proxy.get_from(&too_large, "/").await.bytes().await.unwrap();
    assert_eq!(&sha256(&bytes)[..16], fingerprint(&too_large));
    assert_eq!(proxy.fleet().await["vault"]["disk_works"], false, "an asset is in memory alone");
    assert!(proxy.process.output().contains("the vault's disk takes nothing more"));
}

#[tokio::test]
async fn with_the_vault_off_every_bundle_request_goes_to_the_page_that_is_showing() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=red"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=blue"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).setting("vault = \"off\"").start().await;
    for (stub, referer) in [(&frontpage, "/"), (&checkout, "/checkout")] {
        for path in ["/assets/site.css".to_owned(), stub.fingerprinted("site.css").await] {
            let before = stub.requests().await;
            assert_eq!(reason_and_text(&proxy, &path, referer).await.0, "200 referer");
            assert_eq!(stub.requests().await, before + 1, "{path} from {referer}");
        }
    }
    assert_eq!(proxy.fleet().await["vault"], Value::Null);
    assert!(!proxy.vault_folder().exists());
}

#[tokio::test]
async fn an_operator_sees_and_removes_entries_by_hand() {
    let frontpage =
        Stub::start("frontpage", &["--release", "1.2", "--asset", "a.css=one", "--asset", "b.css=two"]).await;
    let mut proxy = Setup::new().stub(&frontpage).start().await;
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait().await, Some(0));
    let listed = async || String::from_utf8(proxy.run(&["vault", "ls"]).await.stdout).unwrap();
    let (one, two) = (frontpage.fingerprinted("a.css").await, frontpage.fingerprinted("b.css").await);
    let list = listed().await;
    assert_eq!(list.lines().next().unwrap(), format!("{one} {} 3 0d frontpage 1.2", sha256(b"one")));
    assert_eq!(list.lines().count(), 2);
    assert!(proxy.run(&["vault", "rm", &one]).await.status.success());
    assert!(!listed().await.contains(&one) && listed().await.contains(&two));
    let again = proxy.run(&["vault", "rm", &one]).await;
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains(&one), "the error names the path");
    drop(frontpage);
    let proxy = proxy.start_again().await;
    let answers = [proxy.get_from(&one, "/").await, proxy.get_from(&two, "/").await];
    assert_eq!(answers.map(|answer| answer.status().as_u16()), [404, 200]);
}
