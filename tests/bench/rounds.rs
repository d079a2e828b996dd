//! Rounds: in each, every peer in turn, so that whatever else the machine does meets them all. Each is asked once before
//! it is measured, and whoever answers wrongly, then or under load, ends the run.

use crate::error::Error;
use crate::ground::Ground;
use crate::load::{Counted, Load};
use crate::peers::{Kind, Peer};
use crate::probe::{self, Ask, Expected};
use crate::statistics::Spread;
use crate::usage;
use serde::Serialize;
use std::net::SocketAddr;

pub(crate) const CONNECTIONS: usize = 64;
/// Of the requests of a scenario that is answered from a cache, those that may reach a page: it expires.
const MAY_REACH_A_PAGE: f64 = 0.02;

/// What is asked of every peer.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// In words.
    pub(crate) what: String,
    /// How many requests are one unit that is counted.
    pub(crate) requests_per_unit: usize,
    pub(crate) cells: Vec<Cell>,
}

/// One peer in a scenario.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) peer: Kind,
    pub(crate) pid: u32,
    pub(crate) at: SocketAddr,
    pub(crate) asks: Vec<Ask>,
    pub(crate) expected: Vec<Expected>,
    /// Whether no page is asked once the answers are cached.
    pub(crate) from_cache: bool,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// User and system time for one unit.
    pub(crate) cpu_micros: f64,
    /// Units a second.
    pub(crate) per_second: f64,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
}

/// All measurements of a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) what: String,
    pub(crate) requests_per_unit: usize,
    pub(crate) peers: Vec<(Kind, Vec<Sample>)>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// For ours and nginx.
    pub(crate) rounds: usize,
    /// The first so many are for the other peers too.
    pub(crate) others: usize,
    pub(crate) seconds: u64,
}

impl Effort {
    fn takes(self, peer: Kind, round: usize) -> bool {
        matches!(peer, Kind::Pagefleet | Kind::Nginx) || round < self.others
    }
}

impl Cell {
    pub(crate) fn new(peer: &Peer, asks: Vec<Ask>, expected: Vec<Expected>) -> Self {
        Self { peer: peer.kind, pid: peer.pid(), at: peer.address, asks, expected, from_cache: false }
    }

    /// The same, of which no page hears once the answers are cached.
    pub(crate) fn answered_by_cache(self) -> Self {
        Self { from_cache: self.peer.caches(), ..self }
    }

    /// Asks everything once.
    pub(crate) async fn check(&self, ground: &Ground) -> Result<(), String> {
        for (ask, expected) in self.asks.iter().zip(&self.expected) {
            let answer = probe::ask(&ground.client, self.at, ask).await;
            let checked = answer.and_then(|answer| expected.check(&answer));
            checked.map_err(|reason| format!("GET {}: {reason}", ask.path))?;
        }
        Ok(())
    }

    /// One measurement, without a look at what failed.
    pub(crate) async fn sample(
        &self,
        ground: &Ground,
        units: usize,
        seconds: u64,
    ) -> Result<(Sample, Counted), String> {
        let told = |error: Error| error.to_string();
        let load = Load { at: self.at, asks: &self.asks, connections: CONNECTIONS, seconds };
        let before = usage::cpu(self.pid).map_err(told)?;
        let counted = load.run(&ground.tools.wrk, &ground.folder("")).await?;
        let used = usage::cpu(self.pid).map_err(told)?.saturating_sub(before);
        if counted.requests == 0 {
            return Err("it answered nothing".to_owned());
        }
        let done = counted.requests as f64 / units as f64;
        let sample = Sample {
            cpu_micros: used.as_secs_f64() * 1e6 / done,
            per_second: done * 1e6 / counted.micros as f64,
            requests: counted.requests,
            failures: counted.failures(),
        };
        Ok((sample, counted))
    }
}

/// Measures a scenario: first everybody is warmed up, then the rounds, each begun by another peer.
pub(crate) async fn run(scenario: &Scenario, ground: &Ground, effort: Effort) -> Result<Outcome, Error> {
    let mut peers: Vec<(Kind, Vec<Sample>)> = scenario.cells.iter().map(|cell| (cell.peer, Vec::new())).collect();
    for cell in &scenario.cells {
        measure(scenario, cell, ground, 1).await?;
    }
    for round in 0..effort.rounds {
        for turn in 0..scenario.cells.len() {
            let index = (round + turn) % scenario.cells.len();
            let cell = &scenario.cells[index];
            if effort.takes(cell.peer, round) {
                peers[index].1.push(measure(scenario, cell, ground, effort.seconds).await?);
            }
        }
    }
    let Scenario { name, what, requests_per_unit, .. } = scenario;
    Ok(Outcome { scenario: name.clone(), what: what.clone(), requests_per_unit: *requests_per_unit, peers })
}

async fn measure(scenario: &Scenario, cell: &Cell, ground: &Ground, seconds: u64) -> Result<Sample, Error> {
    let wrong = |reason: String| Error::Measurement {
        scenario: scenario.name.clone(),
        peer: cell.peer.name().to_owned(),
        reason,
    };
    cell.check(ground).await.map_err(wrong)?;
    let before = ground.requests().await?;
    let (sample, counted) = cell.sample(ground, scenario.requests_per_unit, seconds).await.map_err(wrong)?;
    let reached = ground.requests().await? - before;
    if counted.failures() > 0 {
        let Counted { requests, broken, refused, .. } = counted;
        return Err(wrong(format!("of {requests} requests {refused} were refused, and {broken} connections broke")));
    }
    if cell.from_cache && reached as f64 > requests_bound(counted.requests) {
        return Err(wrong(format!("{reached} of {} requests reached a page, not the cache", counted.requests)));
    }
    Ok(sample)
}

fn requests_bound(requests: u64) -> f64 {
    // The few that are asked while nothing is cached yet, and all connections' at once when it expires.
    (requests as f64 * MAY_REACH_A_PAGE).max(CONNECTIONS as f64 * 4.0)
}

impl Outcome {
    /// A figure of a peer over all rounds.
    pub(crate) fn spread(&self, peer: Kind, figure: fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.of(peer)?.iter().map(figure))
    }

    /// CPU of one peer over another's, round by round.
    pub(crate) fn ratio(&self, peer: Kind, other: Kind) -> Option<Spread> {
        let (own, others) = (self.of(peer)?, self.of(other)?);
        Spread::of(own.iter().zip(others).map(|(own, other)| own.cpu_micros / other.cpu_micros))
    }

    fn of(&self, peer: Kind) -> Option<&[Sample]> {
        self.peers.iter().find(|(kind, _)| *kind == peer).map(|(_, samples)| samples.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(cpu: [f64; 3]) -> Vec<Sample> {
        cpu.map(|cpu_micros| Sample { cpu_micros, per_second: 1.0, requests: 1, failures: 0 }).to_vec()
    }

    #[test]
    fn the_other_peers_take_part_in_the_first_rounds() {
        let effort = Effort { rounds: 5, others: 4, seconds: 1 };
        assert!(effort.takes(Kind::Nginx, 4) && effort.takes(Kind::Envoy, 3) && !effort.takes(Kind::Envoy, 4));
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() {
        let peers = vec![(Kind::Pagefleet, samples([10.0, 40.0, 12.0])), (Kind::Nginx, samples([10.0, 20.0, 8.0]))];
        let outcome = Outcome { scenario: String::new(), what: String::new(), requests_per_unit: 1, peers };
        let ratio = outcome.ratio(Kind::Pagefleet, Kind::Nginx).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (1.0, 1.5, 2.0));
        assert_eq!(outcome.ratio(Kind::Envoy, Kind::Nginx), None);
        assert_eq!(outcome.spread(Kind::Nginx, |sample| sample.cpu_micros).unwrap().median, 10.0);
    }
}
