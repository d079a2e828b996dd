//! Many who ask at once, and requests that have little time.

use super::*;

#[tokio::test(start_paused = true)]
async fn twenty_who_ask_the_same_at_once_are_one_call() {
    let stock = Stock::that(Does::AnswerAfter(ms(300)));
    let query = stock.query();
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let (stock, query) = (stock.clone(), query.clone());
            tokio::spawn(async move { stock.ask(&query, "tent").await })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Answer::Fresh(1));
    }
    assert_eq!(stock.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_does_not_take_the_answer_from_the_others() {
    let stock = Stock::that(Does::AnswerAfter(ms(300)));
    let query = stock.query();
    let first = tokio::spawn({
        let (stock, query) = (stock.clone(), query.clone());
        async move { stock.ask(&query, "tent").await }
    });
    sleep(ms(100)).await;
    first.abort();
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    assert_eq!(stock.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_no_longer_than_the_request_it_is_for_and_says_so() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    let timeout = async |thing: &str, left: u64| {
        let ask = async { query.ask(stock.request(thing)).await.map(|value| value["timeout"].clone()) };
        RequestContext::new().within(ms(left)).scope(ask).await
    };
    assert_eq!(timeout("tent", 400).await, Answer::Fresh(json!("400")));
    assert_eq!(timeout("mug", 5_000).await, Answer::Fresh(json!("1000")), "its own deadline is sooner");
    assert_eq!(timeout("stove", 0).await, Answer::Unavailable);
    assert_eq!(stock.calls(), 2, "without any time nothing goes out");
    assert_eq!(timeout("tent", 0).await, Answer::Fresh(json!("400")), "and what is known is given");
}

#[tokio::test(start_paused = true)]
async fn who_has_little_time_waits_no_longer_and_spoils_nothing_for_the_others() {
    let stock = Stock::that(Does::AnswerAfter(ms(300)));
    let query = stock.query();
    let started = Instant::now();
    let hurried = stock.ask_within(&query, "tent", ms(100));
    let patient = async {
        sleep(ms(50)).await;
        stock.ask(&query, "tent").await
    };
    let hurried = async { (hurried.await, started.elapsed()) };
    let (hurried, patient) = tokio::join!(hurried, patient);
    assert_eq!(hurried, (Answer::Unavailable, ms(100)));
    assert_eq!(patient, Answer::Fresh(2), "asked anew, since the first call ended with its request");
}

#[tokio::test(start_paused = true)]
async fn a_hurried_visitor_gets_what_a_call_brings_in_time_or_what_is_known() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    stock.now(Does::AnswerAfter(ms(300)));
    advance(AGES.fresh).await;
    let patient = tokio::spawn({
        let (stock, query) = (stock.clone(), query.clone());
        async move { stock.ask(&query, "tent").await }
    });
    sleep(ms(10)).await;
    let hurried = stock.ask_within(&query, "tent", ms(100)).await;
    assert_eq!(hurried, Answer::Stale(1, AGES.fresh + ms(110)));
    assert_eq!(patient.await.unwrap(), Answer::Fresh(2));
    assert_eq!(stock.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_with_a_thousand_questions_is_not_all_remembered() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    for number in 0..5_000 {
        assert!(stock.ask(&query, &number.to_string()).await.is_fresh());
    }
    assert!(query.0.memory.len() <= 2_048, "{}", query.0.memory.len());
    assert_eq!(query.0.flights.len(), 0);
}
