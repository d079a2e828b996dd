//! What goes wrong when, and with whom: drawn from a seed before anything runs. One fault at a time, sometimes two,
//! never two of one target; between them is quiet, and the last has ended when the time is over.

use super::dice;
use crate::state_file::Kind as Role;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Before the first fault.
const CALM: Duration = Duration::from_secs(2);
/// The quiet before each fault of a lane, in milliseconds. Two lanes: two faults at most.
const QUIET: [Range<u64>; 2] = [1_000..4_000, 5_000..14_000];
/// How long a fault lasts, in milliseconds.
const LASTS: Range<u64> = 2_000..8_000;
/// How late a slow answer is, in milliseconds.
const SLOW: Range<u64> = 1_000..30_000;
/// How long a process that was killed counts as a fault: by then it should be back.
const KILLED: Duration = Duration::from_secs(2);
/// How often each role is hit.
const ROLES: [(Role, u32); 3] = [(Role::Page, 47), (Role::Service, 47), (Role::Proxy, 6)];

/// A process that can be hit.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As the supervisor calls it.
    pub(super) name: String,
    /// What it is.
    pub(super) role: Role,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// From the start of the run.
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) target: String,
    pub(super) kind: Kind,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGKILL to the proxy, which has nobody beside it.
    KillProxy,
    /// SIGSTOP; at the end SIGCONT or, if it does not recover, SIGKILL.
    Stop { recovers: bool },
    /// What stands in front of it spoils its answers.
    Spoil(Spoil),
}

/// How an answer is spoiled. `done`: the request was passed on and what it asked for is done, but its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spoil {
    /// The request is passed on this much later.
    Slow(Duration),
    /// 500.
    Error { done: bool },
    /// The connection is reset.
    Reset { done: bool },
    /// JSON that is none, in place of JSON.
    Garbage,
    /// The first half of the body, then the end of the connection.
    Half,
    /// 100 MB in place of the body.
    Huge,
}

/// The faults of a run that takes `length`, in the order of their begin.
pub(super) fn draw(seed: u64, length: Duration, targets: &[Target]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for (lane, quiet) in QUIET.into_iter().enumerate() {
        let mut dice = dice::of(seed, &format!("faults {lane}"));
        let mut at = CALM;
        loop {
            at += millis(&mut dice, quiet.clone());
            let Some(fault) = one(&mut dice, at, targets) else { break };
            at += fault.lasts;
            if at > length {
                break;
            }
            if !faults.iter().any(|other| other.target == fault.target && other.overlaps(&fault)) {
                faults.push(fault);
            }
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn one(dice: &mut StdRng, at: Duration, targets: &[Target]) -> Option<Fault> {
    let there = |role: Role| targets.iter().any(|target| target.role == role);
    let roles: Vec<_> = ROLES.into_iter().filter(|(role, _)| there(*role)).collect();
    let role = roles.choose_weighted(dice, |(_, weight)| *weight).ok()?.0;
    let of_the_role: Vec<_> = targets.iter().filter(|target| target.role == role).collect();
    let target = of_the_role.choose(dice)?.name.clone();
    let kind = kind(dice, role);
    let lasts = millis(dice, LASTS);
    Some(Fault { at, lasts: if matches!(kind, Kind::Kill | Kind::KillProxy) { KILLED } else { lasts }, target, kind })
}

fn kind(dice: &mut StdRng, role: Role) -> Kind {
    if role == Role::Proxy {
        return Kind::KillProxy;
    }
    let slow = Spoil::Slow(millis(dice, SLOW));
    let (recovers, done) = (dice.random(), dice.random());
    let kinds = [
        (Kind::Kill, 3),
        (Kind::Stop { recovers }, 3),
        (Kind::Spoil(slow), 2),
        (Kind::Spoil(Spoil::Error { done }), 2),
        (Kind::Spoil(Spoil::Reset { done }), 2),
        (Kind::Spoil(Spoil::Garbage), 1),
        (Kind::Spoil(Spoil::Half), 1),
        (Kind::Spoil(Spoil::Huge), if role == Role::Service { 1 } else { 0 }),
    ];
    kinds.choose_weighted(dice, |(_, weight)| *weight).expect("there are kinds, and they weigh something").0
}

fn millis(dice: &mut impl Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(dice.random_range(range))
}

impl Fault {
    fn overlaps(&self, other: &Self) -> bool {
        self.at < other.at + other.lasts && other.at < self.at + self.lasts
    }
}

impl Kind {
    /// The kind alone, to count by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::KillProxy => "kill -9 of the proxy",
            Self::Stop { recovers: true } => "stop, then go on",
            Self::Stop { recovers: false } => "stop, then kill -9",
            Self::Spoil(Spoil::Slow(_)) => "slow",
            Self::Spoil(Spoil::Error { done: false }) => "500",
            Self::Spoil(Spoil::Error { done: true }) => "500 after it was done",
            Self::Spoil(Spoil::Reset { done: false }) => "reset",
            Self::Spoil(Spoil::Reset { done: true }) => "reset after it was done",
            Self::Spoil(Spoil::Garbage) => "garbage JSON",
            Self::Spoil(Spoil::Half) => "half a body",
            Self::Spoil(Spoil::Huge) => "100 MB",
        }
    }
}

/// `slow 12.4 s at catalog`
impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.kind.name())?;
        if self.kind == Kind::KillProxy {
            return Ok(());
        }
        if let Kind::Spoil(Spoil::Slow(by)) = self.kind {
            write!(out, " {:.1} s", by.as_secs_f64())?;
        }
        write!(out, " at {}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn targets() -> Vec<Target> {
        let named = |name: &str, role| Target { name: name.to_owned(), role };
        let pages = ["checkout-1", "checkout-2", "frontpage-1"].map(|name| named(name, Role::Page));
        let others = [("catalog", Role::Service), ("orders", Role::Service), ("proxy", Role::Proxy)];
        pages.into_iter().chain(others.map(|(name, role)| named(name, role))).collect()
    }

    #[test]
    fn a_seed_is_a_schedule() {
        let drawn = draw(7, HOUR, &targets());
        assert_eq!(drawn, draw(7, HOUR, &targets()));
        assert_ne!(drawn, draw(8, HOUR, &targets()));
    }

    #[test]
    fn a_longer_run_begins_like_a_shorter_one() {
        let (short, long) = (draw(7, HOUR / 60, &targets()), draw(7, HOUR, &targets()));
        assert!(short.len() > 5);
        assert_eq!(short, long[..short.len()]);
    }

    #[test]
    fn there_are_never_more_than_two_faults_nor_two_of_one_target_and_the_last_ends_in_time() {
        let faults = draw(7, HOUR, &targets());
        for fault in &faults {
            assert!(fault.at >= CALM && fault.at + fault.lasts <= HOUR, "{fault:?}");
            let others = faults.iter().filter(|other| *other != fault && other.at <= fault.at && other.overlaps(fault));
            let others: Vec<_> = others.collect();
            assert!(others.len() < 2, "{fault:?} {others:?}");
            assert!(others.iter().all(|other| other.target != fault.target), "{fault:?} {others:?}");
        }
    }

    #[test]
    fn everything_happens_the_proxy_is_killed_rarely_and_only_services_send_100_mb() {
        let faults = draw(7, HOUR, &targets());
        let mut kinds: Vec<&str> = faults.iter().map(|fault| fault.kind.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 12, "{kinds:?}");
        let of_the_proxy: Vec<_> = faults.iter().filter(|fault| fault.target == "proxy").collect();
        assert!(!of_the_proxy.is_empty() && of_the_proxy.len() * 8 < faults.len());
        assert!(of_the_proxy.iter().all(|fault| fault.kind == Kind::KillProxy));
        let huge = faults.iter().filter(|fault| fault.kind == Kind::Spoil(Spoil::Huge));
        assert!(huge.map(|fault| fault.target.as_str()).all(|target| ["catalog", "orders"].contains(&target)));
    }

    #[test]
    fn a_fault_is_told_in_a_few_words() {
        let kind = Kind::Spoil(Spoil::Slow(Duration::from_millis(12_430)));
        let fault = Fault { at: CALM, lasts: CALM, target: "catalog".to_owned(), kind };
        assert_eq!(fault.to_string(), "slow 12.4 s at catalog");
    }
}
