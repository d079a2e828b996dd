//! `cargo fleet status`: what the proxy says of its pages, which processes the supervisor knows them by, and what waits in
//! their outboxes.

mod outbox;

use crate::admin::Admin;
use crate::error::Error;
use crate::folder::Folder;
use crate::readiness;
use crate::state_file::{self, Fleet, Kind, Rollout};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

/// Shows the pages of this folder's fleet: releases, shares, instances, states, and rollouts under way.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As the proxy's `GET /api/fleet`, with pids and rollouts.
    #[arg(long, env = "PAGEFLEET_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// Runs the verb.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    let folder = Folder::here()?;
    let fleet = state_file::read(&folder).ok_or_else(|| Error::NoFleet(folder.path().to_owned()))?;
    let admin = Admin::new(readiness::client()?, fleet.admin);
    let answer = admin.fleet_as_is().await;
    let mut pages = answer.map_err(|reason| Error::AdminSilent { admin: fleet.admin, reason })?;
    fill_in(&mut pages, &fleet);
    outbox::fill_in(&mut pages, &readiness::client()?).await;
    let text = if options.json { format!("{pages:#}\n") } else { tables(&pages, &fleet) };
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The API's shape stays as it is, fields that we don't know included; what the supervisor knows is added.
fn fill_in(answer: &mut Value, fleet: &Fleet) {
    let pages = answer.get_mut("pages").and_then(Value::as_array_mut).into_iter().flatten();
    let instances = pages.filter_map(|page| page.get_mut("instances").and_then(Value::as_array_mut)).flatten();
    for instance in instances.filter_map(Value::as_object_mut) {
        let address = instance.get("address").and_then(Value::as_str).unwrap_or_default();
        let child = fleet.children.iter().find(|child| child.address.to_string() == address);
        if let Some(pid) = child.and_then(|child| child.pid) {
            instance.insert("pid".to_owned(), pid.into());
        }
    }
    if let Some(answer) = answer.as_object_mut() {
        let rollouts = serde_json::to_value(&fleet.rollouts).expect("strings and numbers can be written as JSON");
        answer.insert("rollouts".to_owned(), rollouts);
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
            for key in ["ungated", "ejected"].into_iter().filter(|key| is(instance, key)) {
                state.push_str(&format!(" ({key})"));
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
    let notes =
        [rollouts(fleet), shares(answer), troubles(answer), outbox::lines(answer), configuration(answer)].concat();
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    format!("{}{notes}\n{}", aligned(&rows), aligned(&others))
}

/// A line for each rollout that is under way.
fn rollouts(fleet: &Fleet) -> String {
    let line = |rollout: &Rollout| {
        let Rollout { page, step, share, release, since, .. } = rollout;
        let release = release.as_ref().map(|release| format!(" to {release}")).unwrap_or_default();
        format!("rollout of {page}{release}: {step}, {share} % of visitors, since {since}\n")
    };
    fleet.rollouts.iter().map(line).collect()
}

/// A line for each release that gets a percentage of visitors of its own.
fn shares(answer: &Value) -> String {
    let mut lines = String::new();
    for page in list(answer, "pages") {
        for (release, share) in page["shares"].as_object().into_iter().flatten() {
            lines.push_str(&format!("{} {release} gets {share} % of visitors\n", field(page, "page")));
        }
    }
    lines
}

/// A line for each instance that the gate refused or that is not well, and for each page file that can't be used.
fn troubles(answer: &Value) -> String {
    let mut lines = String::new();
    for page in list(answer, "pages") {
        for instance in list(page, "instances") {
            let [name, address, state] = [field(page, "page"), field(instance, "address"), field(instance, "state")];
            if let Some(reason) = instance["refused"].as_str() {
                let what = if is(instance, "ungated") { "let in ungated" } else { "not let in" };
                lines.push_str(&format!("{name} {address} is {what}: {reason}\n"));
            }
            if let Some(problem) = instance["problem"].as_str() {
                let state = if is(instance, "ejected") { "ejected".to_owned() } else { state };
                lines.push_str(&format!("{name} {address} is {state}: {problem}\n"));
            }
        }
    }
    for file in list(answer, "refused") {
        lines.push_str(&format!("the file of page {} is refused: {}\n", field(file, "page"), field(file, "error")));
    }
    lines
}

/// What has become of a `proxy.toml` that was changed.
fn configuration(answer: &Value) -> String {
    let config = &answer["config"];
    let mut lines = String::new();
    if let Some(error) = config["error"].as_str() {
        lines.push_str(&format!("the changed proxy.toml is not used: {error}\n"));
    }
    let waiting: Vec<String> = list(config, "needs_upgrade").iter().map(text).collect();
    if !waiting.is_empty() {
        lines.push_str(&format!(
            "changed in proxy.toml: {}; `cargo fleet upgrade-proxy` applies it\n",
            waiting.join(", ")
        ));
    }
    lines
}

/// Whether the proxy says so of the instance: that it gets traffic though it was refused, because no other of its page is
/// left; that it gets none for a while, because it failed visitors.
fn is(instance: &Value, key: &str) -> bool {
    instance[key] == true
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
mod tests;
