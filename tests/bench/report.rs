//! All that a run found out, and the forms in which it is told.

pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod plots;

use crate::decisions::Decision;
use crate::latency::Latency;
use crate::memory::Held;
use crate::page_figures::Figures;
use crate::peers::Kind;
use crate::rounds::Outcome;
use crate::statistics::Spread;
use std::time::Duration;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) versions: Vec<(Kind, String)>,
    pub(crate) took: Duration,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) memory: Vec<Held>,
    pub(crate) pages: Vec<Figures>,
    pub(crate) decisions: Vec<Decision>,
    /// The requests of a first visit and of a later one.
    pub(crate) visits: [Vec<String>; 2],
    /// What a reader of the figures has to know.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// The outcome of a scenario, if it was measured.
    pub(crate) fn outcome(&self, scenario: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.scenario == scenario)
    }

    /// CPU of ours over nginx's.
    pub(crate) fn ratio(&self, scenario: &str) -> Option<Spread> {
        self.outcome(scenario)?.ratio(Kind::Pagefleet, Kind::Nginx)
    }

    /// The line that ends every run.
    pub(crate) fn last_line(&self) -> String {
        let figure = |scenario: &str| self.ratio(scenario).map_or(f64::NAN, |ratio| ratio.median);
        format!(
            "page_proxied_cpu_vs_nginx={:.2} vault_asset_cpu_vs_nginx={:.2} visit_warm_cpu_vs_nginx={:.2}",
            figure("page_proxied"),
            figure("asset_vault"),
            figure("visit_warm")
        )
    }
}

/// Processor, cores, kernel.
pub(crate) fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = rustix::system::uname();
    format!("{model}, {cores} cores, {} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy())
}

#[cfg(test)]
pub(crate) fn example() -> Report {
    use crate::rounds::Sample;
    let sample = |cpu_micros| Sample { cpu_micros, per_second: 1e6 / cpu_micros, requests: 1000, failures: 0 };
    let outcome = |scenario: &str, ours: f64| Outcome {
        scenario: scenario.to_owned(),
        what: "GET /".to_owned(),
        requests_per_unit: 1,
        peers: vec![(Kind::Pagefleet, vec![sample(ours)]), (Kind::Nginx, vec![sample(20.0)])],
    };
    let spread = Spread { median: 0.4, min: 0.3, max: 0.5 };
    let latency = |peer: &str| Latency { peer: peer.to_owned(), p50: spread, p99: spread, added_p99: spread };
    Report {
        machine: "a machine".to_owned(),
        versions: vec![(Kind::Nginx, "nginx/1".to_owned())],
        took: Duration::from_secs(40),
        outcomes: vec![outcome("page_proxied", 27.4), outcome("asset_vault", 14.0), outcome("visit_warm", 14.4)],
        latency: vec![latency("direct"), latency("pagefleet"), latency("nginx")],
        memory: vec![Held {
            peer: Kind::Nginx,
            idle_kib: 1,
            loaded_kib: 2,
            connections: 10_000,
            connected_kib: 3,
            bytes_per_connection: 300.0,
        }],
        pages: Vec::new(),
        decisions: Vec::new(),
        visits: [vec!["/".to_owned()], vec!["/".to_owned()]],
        notes: vec!["a note".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_three_ratios_with_two_digits() {
        let line = "page_proxied_cpu_vs_nginx=1.37 vault_asset_cpu_vs_nginx=0.70 visit_warm_cpu_vs_nginx=0.72";
        assert_eq!(example().last_line(), line);
    }
}
