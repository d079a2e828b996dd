use super::*;

fn limits(total_bytes: u64) -> VaultLimits {
    VaultLimits { total_bytes, ..VaultLimits::default() }
}

fn asset(name: &str, text: &str) -> Verified {
    let sha256 = hex_sha256(text.as_bytes());
    let path = format!("/assets/{name}-{}.css", &sha256[..16]);
    let entry = IndexEntry { path, sha256, size: text.len() as u64, page: "front".into(), release: "1".into() };
    Verified { entry, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

#[tokio::test]
async fn what_was_admitted_is_held_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let asset = asset("a", &"a{color:red}".repeat(100));
    let path = asset.entry.path.clone();
    let vault = Arc::new(Vault::open(folder.path(), limits(1 << 20)));
    vault.admit(vec![asset.clone()], HashSet::new()).await.unwrap();
    drop(vault);
    let vault = Vault::open(folder.path(), limits(1 << 20));
    let held = vault.held(&path).await.unwrap();
    assert_eq!(held.identity.bytes, asset.bytes);
    assert!(held.brotli.as_ref().unwrap().bytes.len() < 100 && held.gzip.as_ref().unwrap().bytes.len() < 100);
    assert!(vault.held("/assets/other-0000000000000000.css").await.is_none());
}

#[tokio::test]
async fn one_fingerprint_never_has_two_contents() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(Vault::open(folder.path(), limits(1 << 20)));
    let first = asset("a", "one");
    vault.admit(vec![first.clone()], HashSet::new()).await.unwrap();
    let mut second = asset("a", "two");
    second.entry.path.clone_from(&first.entry.path);
    let refused = vault.admit(vec![second], HashSet::new()).await.unwrap_err();
    assert!(refused.to_string().contains("other bytes under this fingerprint, from front 1"), "{refused}");
    assert_eq!(vault.held(&first.entry.path).await.unwrap().identity.bytes, "one");
}

#[tokio::test]
async fn the_budget_lets_go_what_is_not_live_and_refuses_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(Vault::open(folder.path(), limits(20)));
    let (live, idle, new) = (asset("live", "0123456789"), asset("idle", "abcdefgh"), asset("new", "ABCDEFGHI"));
    let live_paths = HashSet::from([live.entry.path.clone()]);
    vault.admit(vec![live.clone(), idle.clone()], live_paths.clone()).await.unwrap();
    vault.admit(vec![new.clone()], live_paths.clone()).await.unwrap();
    assert!(vault.has(&live.entry.path) && vault.has(&new.entry.path) && !vault.has(&idle.entry.path));
    let huge = asset("huge", &"x".repeat(11));
    assert_eq!(vault.admit(vec![huge], live_paths).await, Err(VaultError::Full { needed: 11 }));
    assert!(vault.has(&live.entry.path) && vault.has(&new.entry.path));
}

#[tokio::test]
async fn a_folder_that_takes_nothing_leaves_the_vault_in_memory_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    let vault = Arc::new(Vault::open(&blocked, limits(1 << 20)));
    let asset = asset("a", "one");
    vault.admit(vec![asset.clone()], HashSet::new()).await.unwrap();
    assert_eq!(vault.held(&asset.entry.path).await.unwrap().identity.bytes, "one");
    assert!(!vault.status().await.disk_works);
}

#[tokio::test]
async fn retention_counts_from_the_last_live_release() {
    let folder = tempfile::tempdir().unwrap();
    let limits = VaultLimits { keep: Duration::ZERO, ..VaultLimits::default() };
    let vault = Arc::new(Vault::open(folder.path(), limits));
    let (live, gone) = (asset("live", "one"), asset("gone", "two"));
    vault.admit(vec![live.clone(), gone.clone()], HashSet::new()).await.unwrap();
    let an_hour_ago = seconds(SystemTime::now()) - 3600;
    for record in vault.index.load().values() {
        record.last_live.store(an_hour_ago, Ordering::Relaxed);
    }
    vault.tend(&HashSet::from([live.entry.path.clone()]));
    assert!(vault.has(&live.entry.path) && !vault.has(&gone.entry.path));
}

#[tokio::test]
async fn bytes_that_rotted_on_disk_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let asset = asset("a", "one");
    let vault = Arc::new(Vault::open(folder.path(), limits(1 << 20)));
    vault.admit(vec![asset.clone()], HashSet::new()).await.unwrap();
    std::fs::write(folder.path().join("bytes").join(&asset.entry.sha256), "two").unwrap();
    let vault = Vault::open(folder.path(), limits(1 << 20));
    assert!(vault.held(&asset.entry.path).await.is_none());
    assert!(!vault.has(&asset.entry.path));
}
