//! `cargo fleet status`: what the proxy says of its pages, and which processes the supervisor knows them by.

use crate::error::Error;
use crate::folder::Folder;
use crate::readiness;
use crate::state_file::{self, Fleet, Kind};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

/// Shows the pages of this folder's fleet: releases, instances, states.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As the proxy's `GET /api/fleet`, with pids.
    #[arg(long, env = "PAGEFLEET_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Runs the verb.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let folder = Folder::here()?;
    let fleet = state_file::read(&folder).ok_or_else(|| Error::NoFleet(folder.path().to_owned()))?;
    let mut pages = ask(&fleet).await.map_err(|reason| Error::AdminSilent { admin: fleet.admin, reason })?;
    fill_in_pids(&mut pages, &fleet);
    let text = if options.json { format!("{pages:#}\n") } else { tables(&pages, &fleet) };
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

async fn ask(fleet: &Fleet) -> Result<Value, String> {
    let client = readiness::client().map_err(|error| error.to_string())?;
    let url = format!("http://{}/api/fleet", crate::address::reachable(fleet.admin));
    let answer = client.get(url).send().await.map_err(|_| "no connection".to_owned())?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("status {status}"));
    }
    answer.json().await.map_err(|_| "its answer is not JSON".to_owned())
}

/// The API's shape stays as it is, fields that we don't know included.
fn fill_in_pids(answer: &mut Value, fleet: &Fleet) {
    let pages = answer.get_mut("pages").and_then(Value::as_array_mut).into_iter().flatten();
    let instances = pages.filter_map(|page| page.get_mut("instances").and_then(Value::as_array_mut)).flatten();
    for instance in instances.filter_map(Value::as_object_mut) {
        let address = instance.get("address").and_then(Value::as_str).unwrap_or_default();
        let child = fleet.children.iter().find(|child| child.address.to_string() == address);
        if let Some(pid) = child.and_then(|child| child.pid) {
            instance.insert("pid".to_owned(), pid.into());
        }
    }
}

fn tables(answer: &Value, fleet: &Fleet) -> String {
    let mut rows = vec![["PAGE", "ROUTES", "RELEASE", "INSTANCE", "STATE", "IN-FLIGHT", "PID"].map(str::to_owned)];
    for page in list(answer, "pages") {
        let routes: Vec<String> = list(page, "routes").iter().map(text).collect();
        let (mut name, mut routes) = (field(page, "page"), routes.join(" "));
        if list(page, "instances").is_empty() {
            rows.push([name, routes, dash(), dash(), "no instance".to_owned(), dash(), dash()]);
            continue;
        }
        for instance in list(page, "instances") {
            let [release, address, mut state, in_flight, pid] =
                ["release", "address", "state", "in_flight", "pid"].map(|key| field(instance, key));
            if is_ungated(instance) {
                state.push_str(" (ungated)");
            }
            rows.push([
                std::mem::take(&mut name),
                std::mem::take(&mut routes),
                release,
                address,
                state,
                in_flight,
                pid,
            ]);
        }
    }
    let mut others = vec![["PROCESS", "ADDRESS", "PID", "RESTARTS"].map(str::to_owned)];
    for child in fleet.children.iter().filter(|child| child.kind != Kind::Page) {
        let pid = child.pid.map_or_else(|| "down".to_owned(), |pid| pid.to_string());
        others.push([child.name.clone(), child.address.to_string(), pid, child.restarts.to_string()]);
    }
    format!("{}{}\n{}", aligned(&rows), refusals(answer), aligned(&others))
}

/// A line for each instance that the gate refused, and for each page file that can't be used.
fn refusals(answer: &Value) -> String {
    let mut lines = String::new();
    for page in list(answer, "pages") {
        for instance in list(page, "instances").iter().filter(|instance| instance["refused"].is_string()) {
            let what = if is_ungated(instance) { "let in ungated" } else { "not let in" };
            let [name, address, reason] = [field(page, "page"), field(instance, "address"), field(instance, "refused")];
            lines.push_str(&format!("{name} {address} is {what}: {reason}\n"));
        }
    }
    for file in list(answer, "refused") {
        lines.push_str(&format!("the file of page {} is refused: {}\n", field(file, "page"), field(file, "error")));
    }
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// Whether the instance gets traffic though it was refused, because no other of its page is left.
fn is_ungated(instance: &Value) -> bool {
    instance["ungated"] == true
}

fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn field(value: &Value, key: &str) -> String {
    value.get(key).map_or_else(dash, text)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => dash(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_file::Entry;

    fn fleet() -> Fleet {
        let child = |name: &str, kind, address: &str, pid| Entry {
            name: name.to_owned(),
            kind,
            page: None,
            address: address.parse().unwrap(),
            pid,
            restarts: 1,
        };
        let listen = "127.0.0.1:8080".parse().unwrap();
        let children = vec![
            child("catalog", Kind::Service, "127.0.0.1:21000", None),
            child("checkout-1", Kind::Page, "127.0.0.1:4101", Some(41)),
        ];
        Fleet { listen, admin: listen, supervisor: 1, children }
    }

    fn answer() -> Value {
        serde_json::json!({"pages": [{"page": "checkout", "routes": ["/checkout", "/checkout/{*rest}"], "shares": {},
            "instances": [
                {"address": "127.0.0.1:4101", "release": "0.1.0", "state": "healthy", "in_flight": 0, "since": "x"},
                {"address": "127.0.0.1:4102", "release": null, "state": "joining", "in_flight": 0}]}]})
    }

    #[test]
    fn the_answer_keeps_its_shape_and_gets_the_pids_that_are_known() {
        let mut filled = answer();
        fill_in_pids(&mut filled, &fleet());
        let mut expected = answer();
        expected["pages"][0]["instances"][0]["pid"] = 41.into();
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_page_is_one_block_of_lines_and_services_follow() {
        let mut filled = answer();
        fill_in_pids(&mut filled, &fleet());
        let expected = "\
PAGE      ROUTES                       RELEASE  INSTANCE        STATE    IN-FLIGHT  PID
checkout  /checkout /checkout/{*rest}  0.1.0    127.0.0.1:4101  healthy  0          41
                                       -        127.0.0.1:4102  joining  0          -

PROCESS  ADDRESS          PID   RESTARTS
catalog  127.0.0.1:21000  down  1
";
        assert_eq!(tables(&filled, &fleet()), expected);
    }
    #[test]
    fn what_the_proxy_refused_is_told_under_the_table_with_its_reason() {
        let mut refusing = answer();
        let instances = &mut refusing["pages"][0]["instances"];
        instances[0]["ungated"] = true.into();
        instances[0]["refused"] = "release 0.1.0: /assets/a.css has another hash".into();
        instances[1]["refused"] = "release 0.2.0: /assets/b.css is missing".into();
        refusing["refused"] = serde_json::json!([{"page": "basket", "error": "pages/basket.toml:3: no such key"}]);
        let told = tables(&refusing, &fleet());
        let expected = "
checkout 127.0.0.1:4101 is let in ungated: release 0.1.0: /assets/a.css has another hash
checkout 127.0.0.1:4102 is not let in: release 0.2.0: /assets/b.css is missing
the file of page basket is refused: pages/basket.toml:3: no such key

PROCESS";
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("127.0.0.1:4101  healthy (ungated)  0"), "{told}");
    }

    #[test]
    fn nothing_is_told_under_the_table_when_nothing_was_refused() {
        assert_eq!(refusals(&answer()), "");
    }
}
