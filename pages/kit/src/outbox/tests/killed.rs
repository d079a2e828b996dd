//! An instance that dies between any two steps, and another one that goes on.

use super::super::delivery::Tried;
use super::*;

#[tokio::test]
async fn a_command_that_was_only_written_is_delivered_by_another_instance() {
    on_both(async |rows: Rows| {
        let key = key();
        drop(hand(&rows.instance().await, key, &mugs(1)).await);
        let heir = rows.instance().await;
        assert!(heir.inner.store.claim(now(), 10).await.unwrap().is_empty(), "the lease has not ended");
        let made = heir.deliver(the_one_claimed(&heir).await).await;
        assert_eq!(made, Outcome::Done(json!({ "number": 0, "mugs": 1 })));
        assert_eq!((rows.shop.made(), rows.shop.calls(key)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_command_that_was_applied_and_not_written_down_is_applied_once() {
    on_both(async |rows: Rows| {
        let (dying, key) = (rows.instance().await, key());
        let in_hand = hand(&dying, key, &mugs(1)).await;
        assert!(matches!(dying.attempt(&in_hand).await, Tried::Applied(_)));
        drop(dying);
        let heir = rows.instance().await;
        let made = heir.deliver(the_one_claimed(&heir).await).await;
        assert_eq!(made, Outcome::Done(json!({ "number": 0, "mugs": 1 })));
        assert_eq!((rows.shop.made(), rows.shop.calls(key)), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_command_whose_call_was_cut_off_is_applied_once() {
    on_both(async |rows: Rows| {
        let (dying, key) = (rows.instance().await, key());
        rows.shop.is_in(Mood::Waits);
        let in_hand = hand(&dying, key, &mugs(1)).await;
        let asked = rows.shop.0.asked.notified();
        tokio::select! {
            tried = dying.attempt(&in_hand) => panic!("answered: {tried:?}"),
            () = asked => {}
        }
        rows.shop.is_in(Mood::Works);
        let heir = rows.instance().await;
        assert!(matches!(heir.deliver(the_one_claimed(&heir).await).await, Outcome::Done(_)));
        assert_eq!(rows.shop.made(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_got_lost_is_asked_for_again() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        rows.shop.is_in(Mood::Forgets);
        assert_eq!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Pending);
        rows.shop.is_in(Mood::Works);
        let made = outbox.deliver(the_one_claimed(&outbox).await).await;
        assert_eq!((made, rows.shop.made()), (Outcome::Done(json!({ "number": 0, "mugs": 1 })), 1));
    })
    .await;
}

#[tokio::test]
async fn who_is_slower_than_its_lease_decides_nothing_but_that_it_was_done() {
    on_both(async |rows: Rows| {
        let (slow, fast, key) = (rows.instance().await, rows.instance().await, key());
        let overtaken = hand(&slow, key, &mugs(1)).await;
        let in_hand = the_one_claimed(&fast).await;
        rows.shop.is_in(Mood::Says(409, "out_of_stock"));
        let tried = slow.attempt(&overtaken).await;
        assert!(matches!(tried, Tried::Refused(_)));
        assert_eq!(slow.settle(&overtaken, tried).await, Outcome::Pending, "the other one decides");
        rows.shop.is_in(Mood::Says(503, ""));
        let tried = slow.attempt(&overtaken).await;
        slow.settle(&overtaken, tried).await;
        assert!(fast.inner.store.claim(now(), 10).await.unwrap().is_empty(), "the other one's lease holds");

        rows.shop.is_in(Mood::Works);
        let tried = slow.attempt(&overtaken).await;
        slow.settle(&overtaken, tried).await;
        assert!(matches!(fast.find(key).await.unwrap(), Some(Outcome::Done(_))));
        rows.shop.is_in(Mood::Says(409, "out_of_stock"));
        let tried = fast.attempt(&in_hand).await;
        assert_eq!(fast.settle(&in_hand, tried).await, Outcome::Pending);
        assert!(matches!(fast.find(key).await.unwrap(), Some(Outcome::Done(_))), "what was made stays made");
    })
    .await;
}
