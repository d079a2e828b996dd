//! What the outbox costs a command: `cargo test --release -p page-kit -- --ignored --nocapture costs`.

use std::time::Instant;

use super::*;

const COMMANDS: usize = 1000;

#[tokio::test]
#[ignore = "a measurement"]
async fn what_a_command_costs() {
    on_both(async |rows: Rows| {
        let outbox = rows.instance().await;
        let (mut all, mut without) = (Vec::new(), Vec::new());
        for _ in 0..COMMANDS {
            let (key, begun) = (key(), Instant::now());
            assert!(matches!(outbox.submit(key, mugs(1)).await.unwrap(), Outcome::Done(_)));
            all.push(begun.elapsed());
            let begun = Instant::now();
            (outbox.inner.send)(super::key(), mugs(1)).await.unwrap();
            without.push(begun.elapsed());
        }
        let place = if matches!(rows.at, At::File(_)) { "SQLite" } else { "Postgres" };
        println!("{place}: {}; the call alone: {}", told(all), told(without));
    })
    .await;
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort();
    format!("median {:?}, 99 % {:?}", times[COMMANDS / 2], times[COMMANDS * 99 / 100])
}
