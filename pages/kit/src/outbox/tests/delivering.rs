//! The loop, and commands that can't be delivered for long.

use service_kit::serve::Readiness;

use super::*;

/// Waits until a command has ended.
async fn ended(outbox: &Outbox<Order>, key: Key) -> Outcome {
    let looking = async {
        loop {
            match outbox.find(key).await.unwrap() {
                Some(Outcome::Pending) => tokio::time::sleep(Duration::from_millis(20)).await,
                outcome => return outcome.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap()
}

#[tokio::test]
async fn what_is_pending_is_made_once_when_the_service_is_back_with_two_loops_running() {
    on_both(async |rows: Rows| {
        let (accepting, other, readiness) = (rows.instance().await, rows.instance().await, Readiness::default());
        let keys: Vec<_> = (0..12).map(|_| key()).collect();
        rows.shop.is_in(Mood::Says(503, ""));
        for key in &keys {
            assert_eq!(accepting.submit(*key, mugs(1)).await.unwrap(), Outcome::Pending);
        }
        let loops = [accepting, other.clone()].map(|outbox| tokio::spawn(outbox.run(readiness.clone())));
        rows.shop.is_in(Mood::Works);
        for key in keys {
            assert!(matches!(ended(&other, key).await, Outcome::Done(_)));
        }
        assert_eq!(rows.shop.made(), 12);
        readiness.stop();
        for one in loops {
            one.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_loop_that_is_asked_to_stop_claims_nothing_more_and_finishes_what_it_has_in_hand() {
    on_both(async |rows: Rows| {
        let (outbox, readiness, key) = (rows.instance().await, Readiness::default(), key());
        rows.shop.is_in(Mood::Waits);
        let asked = rows.shop.0.asked.notified();
        let submitting = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.submit(key, mugs(1)).await }
        });
        asked.await;
        submitting.abort();
        readiness.stop();
        let running = tokio::spawn({
            let outbox = outbox.clone();
            async move {
                outbox.clone().run(readiness).await;
                outbox.finish().await;
            }
        });
        let waiting = hand(&outbox, super::key(), &mugs(1)).await;
        outbox.inner.store.put_back(&waiting, 0).await.unwrap();
        rows.shop.is_in(Mood::Works);
        running.await.unwrap();
        let outbox = rows.instance().await;
        assert!(matches!(outbox.find(key).await.unwrap(), Some(Outcome::Done(_))), "the visitor's own try");
        assert_eq!(outbox.find(waiting.key).await.unwrap(), Some(Outcome::Pending), "it is due, and left to others");
    })
    .await;
}

#[tokio::test]
async fn more_commands_than_are_tried_at_a_time_are_left_to_the_loops() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        let all = outbox.inner.in_hand.acquire_many(super::super::IN_HAND).await.unwrap();
        assert_eq!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Pending);
        assert_eq!((rows.shop.calls(key), outbox.inner.store.census(now()).await.unwrap().due), (0, 1));
        drop(all);
        let claimed = outbox.inner.store.claim(now(), 1).await.unwrap().remove(0);
        assert!(matches!(outbox.deliver(claimed).await, Outcome::Done(_)));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_delivered_for_too_long_is_parked_and_may_be_sent_again() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.parking_after(Duration::ZERO).await, key());
        rows.shop.is_in(Mood::Says(503, ""));
        assert_eq!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Parked);
        assert!(outbox.inner.store.claim(later(), 10).await.unwrap().is_empty());
        assert_eq!(outbox.find(key).await.unwrap(), Some(Outcome::Parked));
        rows.shop.is_in(Mood::Works);
        assert!(outbox.submit(key, mugs(2)).await.is_err(), "nobody knows what became of the first");
        assert!(matches!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Done(_)));
        let figures = &outbox.inner.figures;
        let counted = [&figures.accepted, &figures.attempts, &figures.delivered, &figures.parked];
        assert_eq!(counted.map(|counter| counter.get()), [1, 2, 1, 1]);
    })
    .await;
}
