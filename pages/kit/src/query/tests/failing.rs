//! A service that is slow, wrong or dead costs visitors little, and gets little of them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_quick_failure_is_repeated_once_and_a_slow_one_is_not() {
    let stock = Stock::that(Does::FailOnce);
    assert_eq!(stock.ask(&stock.query(), "tent").await, Answer::Fresh(2));

    for (does, calls) in [(Does::Fail, 2), (Does::FailAfter(ms(250)), 1), (Does::Garbage, 1), (Does::TooMuch, 1)] {
        let stock = Stock::that(does);
        assert_eq!(stock.ask(&stock.query(), "tent").await, Answer::Unavailable, "{does:?}");
        assert_eq!(stock.calls(), calls, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_call_takes_no_longer_than_one() {
    let stock = Stock::that(Does::FailAfter(ms(200)));
    let waiting = tokio::spawn({
        let (stock, query) = (stock.clone(), stock.query());
        async move { stock.ask(&query, "tent").await }
    });
    sleep(ms(100)).await;
    stock.now(Does::Hang);
    let started = Instant::now();
    assert_eq!(waiting.await.unwrap(), Answer::Unavailable);
    assert_eq!((started.elapsed(), stock.calls()), (ms(900), 2));
}

#[tokio::test(start_paused = true)]
async fn what_just_failed_is_not_tried_again_for_about_a_second() {
    let stock = Stock::that(Does::Garbage);
    let query = stock.query();
    for _ in 0..50 {
        assert_eq!(stock.ask(&query, "tent").await, Answer::Unavailable);
    }
    assert_eq!(stock.calls(), 1);
    advance(ms(749)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Unavailable);
    assert_eq!(stock.calls(), 1);
    stock.now(Does::Answer);
    advance(ms(501)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(2));
}

#[tokio::test(start_paused = true)]
async fn one_question_that_always_fails_takes_nothing_from_the_others() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    for round in 0..20 {
        stock.now(Does::Fail);
        assert_eq!(stock.ask(&query, "cursed").await, Answer::Unavailable);
        stock.now(Does::Answer);
        assert!(stock.ask(&query, &format!("thing-{round}")).await.is_fresh());
        advance(ms(1_250)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_gets_little_more_than_its_usual_calls() {
    let stock = Stock::that(Does::Fail);
    let query = stock.query();
    for number in 0..1_000 {
        assert_eq!(stock.ask(&query, &number.to_string()).await, Answer::Unavailable);
    }
    assert!((1_150..=1_162).contains(&stock.calls()), "{}", stock.calls());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_costs_a_visitor_a_second_at_most_and_mostly_nothing() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    assert_eq!(stock.ask(&query, "known").await, Answer::Fresh(1));
    let lookup: Lookup<Value> = Lookup::new("session", &stock.source);
    stock.now(Does::Hang);
    advance(AGES.fresh).await;

    let (mut longest, mut waited) = (Duration::ZERO, 0);
    for number in 0..600 {
        let started = Instant::now();
        match number % 3 {
            0 => assert!(matches!(stock.ask(&query, "known").await, Answer::Stale(1, _))),
            1 => assert_eq!(stock.ask(&query, &number.to_string()).await, Answer::Unavailable),
            _ => assert_eq!(lookup.ask(stock.request("session")).await, Err(Unavailable)),
        }
        longest = longest.max(started.elapsed());
        waited += u32::from(started.elapsed() > Duration::ZERO);
        sleep(ms(100)).await;
    }
    assert!(longest <= ms(1_000), "{longest:?}");
    assert!(waited <= 40, "{waited} of 600 in a minute");
    assert!(stock.calls() <= 41, "{}", stock.calls());

    stock.now(Does::AnswerAfter(ms(500)));
    let started = Instant::now();
    while !stock.ask(&query, "known").await.is_fresh() {
        sleep(ms(50)).await;
    }
    assert!(started.elapsed() < ms(3_200), "it is noticed soon, although it is slow: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_is_given_at_once_while_its_service_is_left_alone() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    stock.ask(&query, "known").await.of_any_age();
    stock.now(Does::Hang);
    advance(AGES.fresh).await;
    for thing in ["first", "second"] {
        assert_eq!(stock.ask(&query, thing).await, Answer::Unavailable);
    }
    let started = Instant::now();
    assert!(matches!(stock.ask(&query, "known").await, Answer::Stale(1, _)));
    assert_eq!(started.elapsed(), Duration::ZERO);
}
