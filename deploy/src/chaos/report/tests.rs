use super::*;
use crate::chaos::schedule::Kind;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record(began: u64, ended: u64, outcome: Outcome) -> Record {
    let (page, what) = ("checkout".to_owned(), "GET /checkout".to_owned());
    Record { page, what, began: second(began), ended: second(ended), outcome, request_id: "r1".to_owned() }
}

fn report() -> Report {
    let fault = Fault { at: second(3), lasts: second(2), target: "checkout-1".to_owned(), kind: Kind::Kill };
    Report {
        begun: Timestamp::UNIX_EPOCH,
        seed: 7,
        length: second(60),
        visitors: 6,
        max_outage: second(15),
        records: vec![
            record(0, 1, Outcome::Good),
            record(4, 6, Outcome::NoAnswer("no answer")),
            record(7, 8, Outcome::Good),
        ],
        wrong_bytes: Vec::new(),
        balance: Some(Balance { accepted: 2, made: 2, ..Balance::default() }),
        open: 0,
        faults: vec![Made { fault, from: second(3), to: Some(second(5)), done: true }],
    }
}

#[test]
fn a_run_passes_when_the_orders_are_even_the_bytes_right_and_no_page_was_out_for_too_long() {
    let passed = report();
    assert!(passed.verdict().is_empty());
    let text = passed.whole();
    for line in [
        "# Chaos: passed",
        "orders accepted 2 = made 2 (0 twice, 0 lost, 0 refused with a reason)",
        "| checkout | 3 | 2 | 0 | 0 | 0 | 0 | 0 | 0 | 1 |",
        "| checkout | 4.0 s | 4.0 s | 8.0 s |",
        "| quiet times | 2 | 1000 ms | 1000 ms | 1000 ms | 1000 ms |",
        "faults made: kill -9 1",
        "| 4.00 s | 2.00 s | GET /checkout | no answer | kill -9 at checkout-1 | r1 |",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_run_fails_with_everything_that_is_against_it() {
    let failed = Report {
        balance: Some(Balance { accepted: 1, lost: vec!["k".to_owned()], ..Balance::default() }),
        wrong_bytes: vec!["/assets/site-aa.css".to_owned()],
        open: 1,
        max_outage: second(3),
        ..report()
    };
    let told = failed.verdict().join("\n");
    for part in [
        "orders accepted 1 ≠ made 0",
        "1 accepted orders were still open",
        "wrong bytes",
        "out for 4.0 s, more than 3 s",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert_eq!(Report { balance: None, ..report() }.verdict().len(), 1);
}
