//! The report for people: tables with a median and, in brackets, the lowest and the highest round.

use super::Report;
use crate::latency::RATE;
use crate::peers::Kind;
use crate::rounds::{Outcome, Sample};
use crate::statistics::Spread;
use crate::targets;
use std::fmt::Write;

/// The whole report.
pub(crate) fn whole(report: &Report) -> String {
    let mut text = format!("# Pagefleet beside its peers\n\n{}, {} s\n", report.machine, report.took.as_secs());
    for (kind, version) in &report.versions {
        let _ = write!(text, "\n- {}: {version}", kind.name());
    }
    let parts = [
        targets_table(report),
        scenarios(report),
        latency(report),
        memory(report),
        pages(report),
        decisions(report),
        visits(report),
        notes(report),
    ];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let _ = write!(text, "\n\n{}", part.trim_end());
    }
    text + "\n"
}

fn table(title: &str, head: &[String], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = line(&head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("## {title}\n\n{}{rule}{rows}", line(head))
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn told(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("–".to_owned(), |Spread { median, min, max }| {
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    })
}

fn targets_table(report: &Report) -> String {
    let rows = targets::check(report).into_iter().map(|target| {
        let met = if target.met { "yes" } else { "**no**" };
        vec![target.what, target.target, target.measured, met.to_owned()]
    });
    table("Targets", &head(&["what", "target", "measured", "met"]), &rows.collect::<Vec<_>>())
}

fn scenarios(report: &Report) -> String {
    let peers: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| is_in(report, *kind)).collect();
    let columns = |last: &[&str]| -> Vec<String> {
        let names = peers.iter().map(|kind| kind.name());
        std::iter::once("scenario").chain(names).chain(last.iter().copied()).map(str::to_owned).collect()
    };
    let row = |outcome: &Outcome, figure: fn(&Sample) -> f64, digits: usize| {
        let cells = peers.iter().map(|kind| told(outcome.spread(*kind, figure), digits));
        std::iter::once(outcome.scenario.clone()).chain(cells).collect::<Vec<_>>()
    };
    let cpu = report.outcomes.iter().map(|outcome| {
        let mut cells = row(outcome, |sample| sample.cpu_micros, 1);
        cells.push(told(outcome.ratio(Kind::Pagefleet, Kind::Nginx), 2));
        cells
    });
    let rates = report.outcomes.iter().map(|outcome| row(outcome, |sample| sample.per_second, 0));
    let mut text =
        table("CPU for each request (a visit: for each visit), µs", &columns(&["÷ nginx"]), &cpu.collect::<Vec<_>>());
    text += &visit_requests(report, &peers);
    text += "\n";
    text +=
        &table("Requests (visits) a second, closed loop, 64 connections", &columns(&[]), &rates.collect::<Vec<_>>());
    text += &many_pages(report, &peers);
    text += &failures(report);
    text += "\n";
    for outcome in &report.outcomes {
        let _ = writeln!(text, "- `{}`: {}", outcome.scenario, outcome.what);
    }
    text
}

fn is_in(report: &Report, kind: Kind) -> bool {
    report.outcomes.iter().any(|outcome| outcome.peers.iter().any(|(found, _)| *found == kind))
}

/// A visit's CPU by request.
fn visit_requests(report: &Report, peers: &[Kind]) -> String {
    let visits = report.outcomes.iter().filter(|outcome| outcome.requests_per_unit > 1);
    let lines = visits.map(|outcome| {
        let each = peers.iter().filter_map(|kind| {
            let spread = outcome.spread(*kind, |sample| sample.cpu_micros)?;
            Some(format!("{} {:.1}", kind.name(), spread.median / outcome.requests_per_unit as f64))
        });
        format!("\n`{}` for each of its requests, µs: {}\n", outcome.scenario, each.collect::<Vec<_>>().join(", "))
    });
    lines.collect()
}

/// What more pages cost each peer.
fn many_pages(report: &Report, peers: &[Kind]) -> String {
    let few = report.outcome(&format!("many_pages_{}", crate::many_pages::FEW));
    let many = report.outcome(&format!("many_pages_{}", crate::many_pages::MANY));
    let (Some(few), Some(many)) = (few, many) else { return String::new() };
    let ratios = peers.iter().filter_map(|kind| {
        let cpu = |outcome: &Outcome| Some(outcome.spread(*kind, |sample| sample.cpu_micros)?.median);
        Some(format!("{} {:.2}", kind.name(), cpu(many)? / cpu(few)?))
    });
    let (many, few) = (crate::many_pages::MANY, crate::many_pages::FEW);
    format!("\nCPU with {many} pages ÷ with {few}: {}\n", ratios.collect::<Vec<_>>().join(", "))
}

fn failures(report: &Report) -> String {
    let Some(outcome) = report.outcome("during_rollout") else { return String::new() };
    let each = outcome.peers.iter().map(|(kind, samples)| {
        let sum = |figure: fn(&Sample) -> u64| samples.iter().map(figure).sum::<u64>();
        format!("{} {} of {}", kind.name(), sum(|sample| sample.failures), sum(|sample| sample.requests))
    });
    format!("\nRequests that failed in `during_rollout`: {}\n", each.collect::<Vec<_>>().join(", "))
}

fn latency(report: &Report) -> String {
    let rows = report.latency.iter().map(|one| {
        vec![one.peer.clone(), told(Some(one.p50), 2), told(Some(one.p99), 2), told(Some(one.added_p99), 2)]
    });
    let title = format!("Latency of `page_proxied` at {RATE} requests/s, ms, coordinated omission corrected");
    table(&title, &head(&["asked", "p50", "p99", "added p99"]), &rows.collect::<Vec<_>>())
}

fn memory(report: &Report) -> String {
    let rows = report.memory.iter().map(|one| {
        vec![
            one.peer.name().to_owned(),
            format!("{:.1}", one.idle_kib as f64 / 1024.0),
            format!("{:.1}", one.loaded_kib as f64 / 1024.0),
            format!("{:.1}", one.connected_kib as f64 / 1024.0),
            format!("{:.0}", one.bytes_per_connection),
        ]
    });
    let connections = report.memory.first().map_or(0, |one| one.connections);
    let connected = format!("{connections} idle connections, MiB");
    let columns = head(&["peer", "idle, MiB", "under load, MiB", &connected, "bytes for each"]);
    table("Memory (PSS of all its processes; the kernel's buffers are not in it)", &columns, &rows.collect::<Vec<_>>())
}

fn pages(report: &Report) -> String {
    let rows = report.pages.iter().map(|one| {
        vec![
            one.page.clone(),
            format!("{:.2}", one.program_bytes as f64 / 1e6),
            format!("{:.1} / {:.1}", one.idle.pss_kib as f64 / 1024.0, one.idle.rss_kib as f64 / 1024.0),
            told(Some(one.cold_start_millis), 1),
            told(Some(one.cpu_micros), 1),
            told(Some(one.over_hello), 2),
            format!("{}, {:.1} KB", one.path, one.answer_bytes as f64 / 1000.0),
        ]
    });
    let columns =
        ["page", "size, MB", "idle, MiB PSS / RSS", "cold start, ms", "CPU, µs", "÷ hello-world", "asked for"];
    table("Page BFFs", &head(&columns), &rows.collect::<Vec<_>>())
}

fn decisions(report: &Report) -> String {
    let rows =
        report.decisions.iter().map(|one| vec![one.name.clone(), one.pages.clone(), format!("{:.0}", one.nanos)]);
    table("Decisions (criterion)", &head(&["decision", "pages", "ns"]), &rows.collect::<Vec<_>>())
}

fn visits(report: &Report) -> String {
    let mut text = String::new();
    for (name, asks) in ["cold", "warm"].iter().zip(&report.visits).filter(|(_, asks)| !asks.is_empty()) {
        let _ = writeln!(text, "## The requests of a visit, {name}\n");
        for (number, ask) in asks.iter().enumerate() {
            let _ = writeln!(text, "{}. {ask}", number + 1);
        }
        text.push('\n');
    }
    text
}

fn notes(report: &Report) -> String {
    let notes: String = report.notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("## Notes\n\n{notes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_row_for_each_scenario_and_whether_targets_are_met() {
        let text = whole(&super::super::example());
        assert!(text.contains("| page_proxied | 27.4 (27.4–27.4) | 20.0 (20.0–20.0) | 1.37 (1.37–1.37) |"), "{text}");
        assert!(text.contains("| page_proxied, CPU ÷ nginx's | ≤ 1.40 | 1.37 | yes |"));
        assert!(text.contains("| nginx | 0.0 | 0.0 | 0.0 | 300 |"));
        assert!(text.contains("- a note"));
        assert!(!text.contains("## Page BFFs"));
    }
}
