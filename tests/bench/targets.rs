//! The targets, and whether a run met them.

use crate::decisions;
use crate::latency::DIRECT;
use crate::peers::Kind;
use crate::report::Report;
use serde::Serialize;

/// A decision may take this long, in nanoseconds.
const DECISION_NANOS: f64 = 1000.0;

/// One target.
#[derive(Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

/// Those that the run measured.
pub(crate) fn check(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    for (name, bound) in [
        ("page_proxied", 1.4),
        ("asset_vault", 0.75),
        ("asset_304", 0.75),
        ("page_from_cache", 0.9),
        ("visit_cold", 0.9),
        ("visit_warm", 0.75),
    ] {
        let what = format!("{name}, CPU ÷ nginx's");
        targets.extend(report.ratio(name).map(|ratio| at_most(what, ratio.median, bound, 2, "")));
    }
    targets.extend(added_p99(report));
    targets.extend(memory(report));
    if let Some((ratio, nanos)) = decisions::worst(&report.decisions) {
        targets.push(at_most("decision at 3,000 pages ÷ at 3, the worst".to_owned(), ratio, 1.2, 2, ""));
        targets.push(at_most("decision, the slowest".to_owned(), nanos, DECISION_NANOS, 0, " ns"));
    }
    for page in &report.pages {
        let name = &page.page;
        let megabytes = |kib: u64| kib as f64 * 1024.0 / 1e6;
        targets.extend([
            at_most(format!("{name}: size, stripped"), page.program_bytes as f64 / 1e6, 6.0, 2, " MB"),
            at_most(format!("{name}: idle memory"), megabytes(page.idle.pss_kib), 12.0, 1, " MB"),
            at_most(format!("{name}: cold start"), page.cold_start_millis.median, 20.0, 1, " ms"),
            at_most(format!("{name}: CPU ÷ hello-world's"), page.over_hello.median, 2.0, 2, ""),
        ]);
    }
    targets
}

fn added_p99(report: &Report) -> Option<Target> {
    let of = |name: &str| report.latency.iter().find(|latency| latency.peer == name && name != DIRECT);
    let ours = of(Kind::Pagefleet.name())?.added_p99.median;
    let others = [Kind::Nginx, Kind::Haproxy].into_iter().filter_map(|kind| of(kind.name()));
    let bound = others.map(|latency| latency.added_p99.median).reduce(f64::max)?;
    Some(at_most("added p99 at a constant rate, the worse of nginx and HAProxy".to_owned(), ours, bound, 2, " ms"))
}

fn memory(report: &Report) -> Option<Target> {
    let of = |kind: Kind| report.memory.iter().find(|held| held.peer == kind);
    let (ours, nginx) = (of(Kind::Pagefleet)?, of(Kind::Nginx)?);
    let what = format!("memory for {} idle connections ÷ nginx's", ours.connections);
    Some(at_most(what, ours.bytes_per_connection / nginx.bytes_per_connection, 1.5, 2, ""))
}

fn at_most(what: String, measured: f64, bound: f64, digits: usize, unit: &str) -> Target {
    Target {
        what,
        target: format!("≤ {bound:.digits$}{unit}"),
        measured: format!("{measured:.digits$}{unit}"),
        met: measured <= bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_bound() {
        let met = at_most("size".to_owned(), 6.0, 6.0, 2, " MB");
        assert!(met.met && met.target == "≤ 6.00 MB" && met.measured == "6.00 MB");
        assert!(!at_most("size".to_owned(), 6.01, 6.0, 2, " MB").met);
    }
}
