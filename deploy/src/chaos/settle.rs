//! The end of a run, when nothing goes wrong any more: what was accepted is waited for, within a bound, and the orders
//! service is asked what was made.

use super::browser::Browser;
use super::diary::Diary;
use super::html;
use crate::progress;
use reqwest::Client;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long what was accepted may take to be made.
const BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);
/// Events that are asked for at a time.
const EVENTS: usize = 1_000;

#[derive(Deserialize)]
struct Feed {
    events: Vec<Event>,
    next: i64,
}

#[derive(Deserialize)]
struct Event {
    order: Order,
}

#[derive(Deserialize)]
struct Found {
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    key: String,
}

/// Waits until every order that was accepted is made or failed, as its own view says. How many are still open.
pub(super) async fn wait(diary: &Diary, mut browser: Browser) -> usize {
    let begun = Instant::now();
    loop {
        let open = diary.book().open();
        if open.is_empty() || begun.elapsed() > BOUND {
            let waited = begun.elapsed().as_secs_f64();
            progress::step("settled", format_args!("{} orders still open after {waited:.1} s", open.len()));
            return open.len();
        }
        for key in open {
            let page = browser.go(&format!("/checkout/orders/{key}")).await;
            if let Some(told) = page.and_then(|page| html::order(&page.body)) {
                diary.book().seen(&key, told);
            }
        }
        sleep(POLL).await;
    }
}

/// How many orders there are under each of these keys, by the feed and by the keys themselves; none when the service
/// does not tell.
pub(super) async fn made(client: &Client, orders: &str, keys: &[String]) -> Option<BTreeMap<String, usize>> {
    let begun = Instant::now();
    loop {
        match count(client, orders, keys).await {
            Ok(made) => return Some(made),
            Err(error) if begun.elapsed() > BOUND => {
                progress::error(format_args!("the orders service does not tell what was made: {error}"));
                return None;
            }
            Err(_) => sleep(POLL).await,
        }
    }
}

async fn count(client: &Client, orders: &str, keys: &[String]) -> reqwest::Result<BTreeMap<String, usize>> {
    let mut found: Vec<Order> = Vec::new();
    let mut after = 0;
    loop {
        let request = client.get(format!("{orders}/events")).query(&[("after", after), ("limit", EVENTS as i64)]);
        let feed: Feed = request.send().await?.error_for_status()?.json().await?;
        let is_last = feed.events.len() < EVENTS;
        found.extend(feed.events.into_iter().map(|event| event.order));
        after = feed.next;
        if is_last {
            break;
        }
    }
    for key in keys {
        let request = client.get(format!("{orders}/orders")).query(&[("key", key)]);
        let known: Found = request.send().await?.error_for_status()?.json().await?;
        found.extend(known.orders);
    }
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Order { id, key } in found {
        ids.entry(key).or_default().insert(id);
    }
    Ok(ids.into_iter().map(|(key, ids)| (key, ids.len())).collect())
}
