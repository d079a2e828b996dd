//! The report for programs: every figure, samples included.

use super::Report;
use crate::peers::Kind;
use crate::rounds::Outcome;
use crate::targets;
use serde_json::{Value, json};

/// The whole report.
pub(crate) fn whole(report: &Report) -> Value {
    let versions = report.versions.iter().map(|(kind, version)| (kind.name().to_owned(), json!(version)));
    let [cold, warm] = &report.visits;
    json!({
        "machine": report.machine,
        "versions": Value::Object(versions.collect()),
        "seconds": report.took.as_secs_f64(),
        "targets": targets::check(report),
        "scenarios": report.outcomes.iter().map(scenario).collect::<Vec<_>>(),
        "latency_ms": report.latency,
        "memory": report.memory,
        "pages": report.pages,
        "decisions": report.decisions,
        "visit": {"cold": cold, "warm": warm},
        "notes": report.notes,
    })
}

fn scenario(outcome: &Outcome) -> Value {
    let peers = outcome.peers.iter().map(|(kind, samples)| {
        json!({
            "peer": kind,
            "cpu_micros": outcome.spread(*kind, |sample| sample.cpu_micros),
            "per_second": outcome.spread(*kind, |sample| sample.per_second),
            "cpu_over_nginx": outcome.ratio(*kind, Kind::Nginx),
            "samples": samples,
        })
    });
    json!({
        "scenario": outcome.scenario,
        "what": outcome.what,
        "requests_per_unit": outcome.requests_per_unit,
        "peers": peers.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_medians_and_its_ratio() {
        let whole = whole(&super::super::example());
        let first = &whole["scenarios"][0];
        assert_eq!(first["scenario"], "page_proxied");
        let ratio = first["peers"][0]["cpu_over_nginx"]["median"].as_f64().unwrap();
        assert!((ratio - 1.37).abs() < 1e-9, "{ratio}");
        assert_eq!(whole["versions"]["nginx"], "nginx/1");
        assert!(whole["targets"].as_array().is_some_and(|targets| targets.len() >= 3));
    }
}
