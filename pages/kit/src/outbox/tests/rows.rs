//! Claims, versions, and what is counted and forgotten.

use std::collections::BTreeSet;

use super::super::store::Census;
use super::*;

async fn fill(store: &Store, rows: usize) {
    for _ in 0..rows {
        let new = New { key: key(), version: 1, payload: r#"{"mugs":1}"#, now: now() };
        store.insert(&new).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_row_is_claimed_once_however_many_instances_want_it() {
    on_both(async |rows: Rows| {
        const ROWS: usize = 120;
        fill(&rows.store(KIND).await, ROWS).await;
        let mut claiming = Vec::new();
        for _ in 0..3 {
            let store = rows.store(KIND).await;
            claiming.extend((0..4).map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut claimed = Vec::new();
                    loop {
                        let some = store.claim(later(), 7).await.unwrap();
                        assert!(some.len() <= 7);
                        if some.is_empty() {
                            return claimed;
                        }
                        claimed.extend(some.into_iter().map(|hand| hand.key.to_string()));
                    }
                })
            }));
        }
        let mut all = Vec::new();
        for claimed in claiming {
            all.extend(claimed.await.unwrap());
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (ROWS, ROWS));
    })
    .await;
}

#[tokio::test]
async fn a_key_is_written_once_however_many_write_it() {
    on_both(async |rows: Rows| {
        let (store, key) = (rows.store(KIND).await, key());
        let writing: Vec<_> = (0..16)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let new = New { key, version: 1, payload: "{}", now: now() };
                    store.insert(&new).await.unwrap().is_some()
                })
            })
            .collect();
        let mut written = 0;
        for one in writing {
            written += u32::from(one.await.unwrap());
        }
        assert_eq!(written, 1);
    })
    .await;
}

#[tokio::test]
async fn a_release_leaves_what_it_cannot_read_to_the_next_and_the_next_reads_both() {
    on_both(async |rows: Rows| {
        let next = Kind { writes: 2, reads: 2, ..KIND };
        let (old_release, new_release) = (rows.store(KIND).await, rows.store(next).await);
        fill(&old_release, 1).await;
        let new = New { key: key(), version: 2, payload: r#"{"cups":1}"#, now: now() };
        new_release.insert(&new).await.unwrap().unwrap();
        let readable = old_release.claim(later(), 10).await.unwrap();
        assert_eq!(readable.len(), 1);
        old_release.put_back(&readable[0], 0).await.unwrap();
        assert_eq!(new_release.claim(later(), 10).await.unwrap().len(), 2);
        assert_eq!(rows.instance().await.submit(new.key, mugs(1)).await.unwrap(), Outcome::Pending, "a resend");
    })
    .await;
}

#[tokio::test]
async fn what_is_left_to_do_is_counted() {
    on_both(async |rows: Rows| {
        let store = rows.store(KIND).await;
        assert_eq!(store.census(now()).await.unwrap(), Census::default());
        let begun = now();
        fill(&store, 3).await;
        let claimed = store.claim(later(), 1).await.unwrap();
        assert!(store.park(&claimed[0]).await.unwrap());
        let census = store.census(later()).await.unwrap();
        assert_eq!((census.pending, census.parked, census.due), (2, 1, 2));
        assert!((begun..=now()).contains(&census.oldest.unwrap()));
        assert_eq!(store.census(now()).await.unwrap().due, 0, "they are in hand");
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_brought_forward_and_what_is_in_hand_is_not() {
    on_both(async |rows: Rows| {
        let store = rows.store(KIND).await;
        fill(&store, 4).await;
        for hand in &store.claim(later(), 3).await.unwrap() {
            store.put_back(hand, later()).await.unwrap();
        }
        assert_eq!(store.bring_forward(now(), 2).await.unwrap(), 2);
        assert_eq!(store.claim(now(), 10).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_ended_a_week_ago_is_forgotten_and_what_is_open_or_parked_is_not() {
    on_both(async |rows: Rows| {
        let (outbox, done, failed, pending) = (rows.instance().await, key(), key(), key());
        outbox.submit(done, mugs(1)).await.unwrap();
        rows.shop.is_in(Mood::Says(409, "empty_basket"));
        outbox.submit(failed, mugs(1)).await.unwrap();
        rows.shop.is_in(Mood::Says(503, ""));
        outbox.submit(pending, mugs(1)).await.unwrap();
        let parked = hand(&outbox, key(), &mugs(1)).await;
        outbox.inner.store.park(&parked).await.unwrap();
        outbox.forget(now()).await;
        assert!(outbox.find(done).await.unwrap().is_some());
        outbox.forget(now() + 8 * millis(DAY)).await;
        for (key, is_kept) in [(done, false), (failed, false), (pending, true), (parked.key, true)] {
            assert_eq!(outbox.find(key).await.unwrap().is_some(), is_kept);
        }
    })
    .await;
}
