//! What becomes of a request that the cache can't answer at once: it waits for another's answer, or for what the page says of
//! the one that is kept, or asks the page itself (RFC 9111 section 4, RFC 5861).

use super::directives::Asked;
use super::entry::Entry;
use super::flights::{Flight, Follower, Landing, Turn};
use super::terms::Reuse;
use super::{Key, Outcome, Standing};
use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::request::Request;
use http::{StatusCode, header};
use pingora_http::RequestHeader;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// How often a request looks again because who asked before it has gone, or asked for another variant.
const ROUNDS: usize = 8;

/// What becomes of a request.
pub(super) enum Verdict {
    /// It is answered with this.
    Serve(Arc<Entry>, Outcome),
    /// It is refused.
    Refuse(Answer),
    /// The page is asked, and others may wait for what it says.
    Ask(Option<Flight>),
}

/// A request as the cache sees it.
pub(super) struct Visit<'a> {
    pub(super) head: &'a RequestHeader,
    pub(super) request: &'a Request,
    pub(super) key: Key,
    pub(super) standing: Standing,
    pub(super) asked: Asked,
    /// Whether others may wait for the answer.
    pub(super) is_shareable: bool,
    /// Until when it waits for what somebody else asked.
    pub(super) waits_until: Instant,
}

impl Gateway {
    /// What becomes of a request, of whose key this is kept.
    pub(super) async fn decide_visit(&self, visit: &Visit<'_>, found: Option<Arc<Entry>>) -> Verdict {
        let look_again = || self.cache.find(&visit.key, &visit.standing, &visit.head.headers);
        let mut known = Some(found);
        for _ in 0..ROUNDS {
            let Some(entry) = known.take().unwrap_or_else(look_again) else {
                match self.missed(visit).await {
                    Some(verdict) => return verdict,
                    None => continue,
                }
            };
            return match entry.reuse(&visit.asked) {
                Reuse::Fresh => Verdict::Serve(entry, Outcome::Hit),
                Reuse::Stale => {
                    self.refresh(visit, &entry);
                    Verdict::Serve(entry, Outcome::Stale)
                }
                Reuse::Ask { .. } if visit.asked.only_if_cached => not_cached(),
                Reuse::Ask { may_fall_back } if may_fall_back || entry.has_validator() => {
                    self.validate(visit, entry, may_fall_back).await
                }
                Reuse::Ask { .. } => match self.missed(visit).await {
                    Some(verdict) => verdict,
                    None => continue,
                },
            };
        }
        Verdict::Ask(None)
    }

    /// Nothing is kept that could be used: one asks, the others wait. `None` when it is worth another look.
    async fn missed(&self, visit: &Visit<'_>) -> Option<Verdict> {
        if visit.asked.only_if_cached {
            return Some(not_cached());
        }
        let is_part = visit.head.headers.contains_key(header::RANGE);
        if !visit.is_shareable || is_part {
            return Some(Verdict::Ask(None));
        }
        let follower = match self.cache.flights.join(&visit.key) {
            Turn::Lead(flight) => return Some(Verdict::Ask(Some(flight))),
            Turn::Follow(follower) => follower,
        };
        match timeout_at(visit.waits_until, follower.landed()).await {
            Ok(Landing::Stored(entry)) if visit.takes(&entry) => Some(Verdict::Serve(entry, Outcome::Hit)),
            Ok(Landing::Stored(_) | Landing::Gone) => None,
            Ok(Landing::Uncacheable | Landing::Failed | Landing::Late) | Err(_) => Some(Verdict::Ask(None)),
        }
    }

    /// Asks the page in the background, unless it is being asked, or has just failed.
    fn refresh(&self, visit: &Visit<'_>, entry: &Arc<Entry>) {
        if !self.cache.resting.contains_key(&visit.key)
            && let Turn::Lead(flight) = self.cache.flights.join(&visit.key)
        {
            self.ask_anew(flight, &visit.key, entry, (visit.head, visit.request));
        }
    }

    /// Asks the page whether an answer still holds, and waits for what it says; not for long, if the visitor may get the
    /// answer that is known as well and did not ask for another.
    async fn validate(&self, visit: &Visit<'_>, entry: Arc<Entry>, may_fall_back: bool) -> Verdict {
        let may_be_quick = may_fall_back && !visit.asked.is_choosy();
        if may_be_quick && self.cache.resting.contains_key(&visit.key) {
            return known(entry);
        }
        let or_else = |verdict| if may_fall_back { known(Arc::clone(&entry)) } else { verdict };
        let Some((follower, is_ours)) = self.asked_anew(visit, &entry) else { return or_else(Verdict::Ask(None)) };
        let until = match (may_be_quick, is_ours) {
            (true, _) => Some(Instant::now() + self.live.load().file.cache.stale_wait),
            (false, true) => None,
            (false, false) => Some(visit.waits_until),
        };
        let landing = match until {
            Some(until) => timeout_at(until, follower.landed()).await,
            // It has an end of its own.
            None => Ok(follower.landed().await),
        };
        match landing {
            Ok(Landing::Stored(new)) if visit.takes(&new) => Verdict::Serve(new, Outcome::Revalidated),
            Ok(Landing::Stored(_) | Landing::Uncacheable) => Verdict::Ask(None),
            Ok(Landing::Late) => {
                or_else(Verdict::Refuse(Answer::error(StatusCode::GATEWAY_TIMEOUT, "first-byte-timeout")))
            }
            Ok(Landing::Failed | Landing::Gone) | Err(_) => or_else(Verdict::Ask(None)),
        }
    }

    fn asked_anew(&self, visit: &Visit<'_>, entry: &Arc<Entry>) -> Option<(Follower, bool)> {
        match self.cache.flights.join(&visit.key) {
            Turn::Follow(follower) => Some((follower, false)),
            Turn::Lead(flight) => {
                let follower = flight.follow();
                let is_asked = self.ask_anew(flight, &visit.key, entry, (visit.head, visit.request));
                is_asked.then_some((follower, true))
            }
        }
    }
}

impl Visit<'_> {
    /// Whether an answer that somebody else got just now is one to this request as well.
    fn takes(&self, entry: &Entry) -> bool {
        self.standing.has(entry) && entry.matches(&self.head.headers)
    }
}

fn not_cached() -> Verdict {
    // RFC 9111 section 5.2.1.7.
    Verdict::Refuse(Answer::error(StatusCode::GATEWAY_TIMEOUT, "not-cached"))
}

/// What is known has to do, the page being slow or down.
fn known(entry: Arc<Entry>) -> Verdict {
    let is_fresh = entry.reuse(&Asked::default()) == Reuse::Fresh;
    Verdict::Serve(entry, if is_fresh { Outcome::Hit } else { Outcome::Stale })
}
