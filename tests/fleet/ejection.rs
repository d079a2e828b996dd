//! An instance that passes its checks and fails its visitors is put out for a while, and nobody notices; but never the
//! last one.

use crate::harness::{Proxy, Setup, Stub, wait_until};
use std::path::PathBuf;

const QUICK: &str = "[ejection]\nbase = \"500ms\"";

/// An instance that resets the connections of visitors while the file is there.
async fn breakable(folder: &tempfile::TempDir, name: &str) -> (Stub, PathBuf) {
    let broken = folder.path().join(name);
    let stub = Stub::start("checkout", &["--release", name, "--reset-while", broken.to_str().unwrap()]).await;
    (stub, broken)
}

async fn is_ejected(proxy: &Proxy, stub: &Stub) -> bool {
    proxy.instance("checkout", stub.address).await["ejected"] == true
}

async fn assert_visitors_see_no_error(proxy: &Proxy) {
    let answer = proxy.get("/checkout").await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn an_instance_that_resets_every_connection_is_ejected_unseen_and_comes_back_when_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, broken) = breakable(&folder, "1").await;
    let good = Stub::start("checkout", &["--release", "2"]).await;
    let setup = Setup::new().page("checkout", &[bad.address, good.address]).setting(QUICK);
    let proxy = setup.start().await;
    for round in 0..2 {
        std::fs::write(&broken, "").unwrap();
        wait_until("it is ejected", async || {
            assert_visitors_see_no_error(&proxy).await;
            is_ejected(&proxy, &bad).await.then_some(())
        })
        .await;
        let failed = proxy.metric("pagefleet_failed_attempts_total{page=\"checkout\",release=\"1\"}").await;
        assert!(failed > round, "{failed} attempts failed");
        std::fs::remove_file(&broken).unwrap();
        let before = bad.requests().await;
        wait_until("it has visitors again", async || {
            assert_visitors_see_no_error(&proxy).await;
            (bad.requests().await > before).then_some(())
        })
        .await;
        assert!(!is_ejected(&proxy, &bad).await);
        assert_eq!(proxy.instance("checkout", bad.address).await["state"], "healthy");
    }
}

#[tokio::test]
async fn while_it_is_out_it_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, broken) = breakable(&folder, "1").await;
    let good = Stub::start("checkout", &["--release", "2"]).await;
    let setup = Setup::new().page("checkout", &[bad.address, good.address]).setting("[ejection]\nbase = \"30s\"");
    let proxy = setup.start().await;
    std::fs::write(&broken, "").unwrap();
    wait_until("it is ejected", async || {
        assert_visitors_see_no_error(&proxy).await;
        is_ejected(&proxy, &bad).await.then_some(())
    })
    .await;
    let before = bad.requests().await;
    for _ in 0..50 {
        assert_visitors_see_no_error(&proxy).await;
    }
    assert_eq!(bad.requests().await, before);
}

#[tokio::test]
async fn the_last_instance_of_a_page_is_never_ejected() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, one_broken), (other, other_broken)) = (breakable(&folder, "1").await, breakable(&folder, "2").await);
    let setup = Setup::new().page("checkout", &[one.address, other.address]);
    let proxy = setup.setting("[ejection]\nbase = \"30s\"").start().await;
    std::fs::write(&one_broken, "").unwrap();
    std::fs::write(&other_broken, "").unwrap();
    for _ in 0..50 {
        assert_eq!(proxy.get("/checkout").await.status(), 502);
        let ejected = [is_ejected(&proxy, &one).await, is_ejected(&proxy, &other).await];
        assert_ne!(ejected, [true, true]);
    }
    // Whichever was left is asked at once when it works again.
    std::fs::remove_file(&one_broken).unwrap();
    std::fs::remove_file(&other_broken).unwrap();
    assert_visitors_see_no_error(&proxy).await;
}
