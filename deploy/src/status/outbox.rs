//! What pages have accepted and not carried out yet, as one living instance of each says: all of a page's share one outbox.

use reqwest::Client;
use serde_json::Value;

/// Adds `"outbox": {"pending", "parked"}` to each page that has one and can be asked.
pub(super) async fn fill_in(answer: &mut Value, client: &Client) {
    let pages = answer.get_mut("pages").and_then(Value::as_array_mut).into_iter().flatten();
    for page in pages.filter_map(Value::as_object_mut) {
        let addresses: Vec<String> =
            page.get("instances").and_then(Value::as_array).map_or_else(Vec::new, |instances| {
                let healthy = instances.iter().filter(|instance| instance["state"] == "healthy");
                healthy.filter_map(|instance| Some(instance["address"].as_str()?.to_owned())).collect()
            });
        if let Some(outbox) = first_of(&addresses, client).await {
            page.insert("outbox".to_owned(), outbox);
        }
    }
}

async fn first_of(addresses: &[String], client: &Client) -> Option<Value> {
    for address in addresses {
        let url = format!("http://{address}/health/live");
        let Ok(answer) = client.get(url).send().await else { continue };
        if let Ok(Value::Object(mut live)) = answer.json().await {
            return live.remove("outbox");
        }
    }
    None
}

/// A line for each outbox in which something waits.
pub(super) fn lines(answer: &Value) -> String {
    let pages = answer.get("pages").and_then(Value::as_array).into_iter().flatten();
    let waiting = pages.filter_map(|page| {
        let count = |key: &str| page["outbox"][key].as_u64().unwrap_or_default();
        let (pending, parked) = (count("pending"), count("parked"));
        (pending + parked > 0).then(|| {
            let hint = if parked > 0 { ", which somebody has to look at" } else { "" };
            format!(
                "{} has {pending} pending in its outbox, and {parked} parked{hint}\n",
                page["page"].as_str().unwrap_or("-")
            )
        })
    });
    waiting.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_and_what_was_parked_above_all() {
        let page = |name: &str, outbox: Value| serde_json::json!({"page": name, "outbox": outbox});
        let answer = serde_json::json!({"pages": [
            page("checkout", serde_json::json!({"pending": 2, "parked": 1})),
            page("gifts", serde_json::json!({"pending": 0, "parked": 0})),
            {"page": "frontpage"},
        ]});
        let said = "checkout has 2 pending in its outbox, and 1 parked, which somebody has to look at\n";
        assert_eq!(lines(&answer), said);
    }
}
