//! What a visitor is told, and how often something is made.

use super::super::SubmitError;
use super::*;

#[tokio::test]
async fn a_command_that_works_is_done_and_can_be_looked_up() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        let made = Outcome::Done(json!({ "number": 0, "mugs": 2 }));
        assert_eq!(outbox.submit(key, mugs(2)).await.unwrap(), made);
        assert_eq!(rows.instance().await.find(key).await.unwrap(), Some(made));
        assert_eq!(outbox.find(super::key()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn one_key_is_one_order_however_many_submit_it_through_two_instances() {
    on_both(async |rows: Rows| {
        let (instances, key) = ([rows.instance().await, rows.instance().await], key());
        let submitting: Vec<_> = (0..16)
            .map(|n: usize| {
                let outbox = instances[n % 2].clone();
                tokio::spawn(async move { outbox.submit(key, mugs(1)).await.unwrap() })
            })
            .collect();
        for submitted in submitting {
            assert_eq!(submitted.await.unwrap(), Outcome::Done(json!({ "number": 0, "mugs": 1 })));
        }
        assert_eq!((rows.shop.made(), rows.shop.calls(key)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_answered_is_pending_and_is_not_sent_again_by_a_resend() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        rows.shop.is_in(Mood::Says(503, "catalog_unavailable"));
        for _ in 0..2 {
            assert_eq!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Pending);
        }
        assert_eq!(rows.shop.calls(key), 1);
    })
    .await;
}

#[tokio::test]
async fn a_visitor_is_told_pending_when_the_service_takes_its_time_and_it_is_made_all_the_same() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        rows.shop.is_in(Mood::Waits);
        assert_eq!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Pending);
        assert_eq!(outbox.find(key).await.unwrap(), Some(Outcome::Pending));
    })
    .await;
}

#[tokio::test]
async fn a_key_in_use_is_refused_for_another_command() {
    on_both(async |rows: Rows| {
        let (outbox, waiting, done) = (rows.instance().await, key(), key());
        outbox.submit(done, mugs(1)).await.unwrap();
        rows.shop.is_in(Mood::Says(503, ""));
        outbox.submit(waiting, mugs(1)).await.unwrap();
        for key in [waiting, done] {
            assert!(matches!(outbox.submit(key, mugs(2)).await, Err(SubmitError::OtherContent)));
        }
        assert_eq!(rows.shop.made(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_refused_may_be_put_right_under_the_same_key() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        rows.shop.is_in(Mood::Says(422, "invalid"));
        let Outcome::Failed(reason) = outbox.submit(key, mugs(99)).await.unwrap() else { panic!("not refused") };
        assert_eq!((reason.status, reason.code.as_str(), reason.message.as_str()), (422, "invalid", "No."));
        assert_eq!(reason.fields["mugs"], "Too many.");
        assert_eq!(rows.instance().await.find(key).await.unwrap(), Some(Outcome::Failed(reason)));
        rows.shop.is_in(Mood::Works);
        let made = outbox.submit(key, mugs(9)).await.unwrap();
        assert_eq!(made, Outcome::Done(json!({ "number": 0, "mugs": 9 })));
    })
    .await;
}

#[tokio::test]
async fn only_refusals_that_cannot_change_are_the_end() {
    on_both(async |rows: Rows| {
        let outbox = rows.instance().await;
        for status in [408, 425, 429, 500, 502, 503, 504, 302] {
            rows.shop.is_in(Mood::Says(status, "any"));
            assert_eq!(outbox.submit(key(), mugs(1)).await.unwrap(), Outcome::Pending, "{status}");
        }
        for status in [400, 401, 403, 404, 409, 410, 413, 422, 451] {
            rows.shop.is_in(Mood::Says(status, "any"));
            let outcome = outbox.submit(key(), mugs(1)).await.unwrap();
            assert!(matches!(outcome, Outcome::Failed(_)), "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_command_that_cannot_be_written_is_not_tried() {
    on_both(async |rows: Rows| {
        let (outbox, key) = (rows.instance().await, key());
        sqlx::query("DROP TABLE outbox").execute(&rows.database().await.pool).await.unwrap();
        assert!(matches!(outbox.submit(key, mugs(1)).await, Err(SubmitError::Database(_))));
        assert_eq!(rows.shop.calls(key), 0);
    })
    .await;
}
