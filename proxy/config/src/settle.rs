//! Which of the files that changed in one look can be in force together with all that did not change.
//!
//! First all of them are, so that routes can move and swap. Then each one that stands in another page's way gives up its
//! new routes for its last good ones, which may stand in the way of a third. Those that gave up try again, alone and together,
//! until no more fit.

use crate::claims::{Claims, Meeting};
use crate::page_set::Accepted;
use crate::route::Route;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One look being settled.
pub(crate) struct Settling<'a> {
    claims: &'a mut Claims,
    last_good: &'a BTreeMap<String, Accepted>,
    candidates: &'a BTreeMap<String, Accepted>,
    nested: &'a [String],
    /// Candidates that have their new routes, and may still lose them.
    open: BTreeSet<String>,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(
        claims: &'a mut Claims,
        last_good: &'a BTreeMap<String, Accepted>,
        candidates: &'a BTreeMap<String, Accepted>,
        nested: &'a [String],
    ) -> Self {
        Self { claims, last_good, candidates, nested, open: BTreeSet::new() }
    }

    /// The candidates that lost, and why; the claims are those of the others, and of the losers' last good files.
    pub(crate) fn run(mut self) -> BTreeMap<String, String> {
        let mut lost = self.candidates.keys().map(|page| (page.clone(), String::new())).collect::<BTreeMap<_, _>>();
        loop {
            let count = lost.len();
            lost = self.together(lost.into_keys().collect());
            lost.retain(|page, reason| match self.alone(page) {
                Ok(()) => false,
                Err(again) => {
                    *reason = again;
                    true
                }
            });
            if lost.len() == count {
                return lost;
            }
        }
    }

    fn together(&mut self, mut queue: VecDeque<String>) -> BTreeMap<String, String> {
        let mut lost = BTreeMap::new();
        for page in &queue {
            self.advance(page);
        }
        while let Some(page) = queue.pop_front() {
            while let Some((loser, reason)) = self.loser(&page) {
                self.retreat(&loser);
                queue.push_back(loser.clone());
                lost.insert(loser, reason);
            }
        }
        self.open.clear();
        lost
    }

    fn alone(&mut self, page: &str) -> Result<(), String> {
        self.advance(page);
        let lost = self.loser(page);
        if lost.is_some() {
            self.retreat(page);
        }
        self.open.remove(page);
        lost.map_or(Ok(()), |(_, reason)| Err(reason))
    }

    fn advance(&mut self, page: &str) {
        self.open.insert(page.to_owned());
        self.swap_claims(page, self.last_good, self.candidates);
    }

    fn retreat(&mut self, page: &str) {
        self.open.remove(page);
        self.swap_claims(page, self.candidates, self.last_good);
    }

    fn swap_claims(&mut self, page: &str, from: &BTreeMap<String, Accepted>, to: &BTreeMap<String, Accepted>) {
        let (from, to) = (from.get(page), to.get(page));
        from.iter().flat_map(|from| &from.file.routes).for_each(|route| self.claims.remove(page, route));
        to.iter().flat_map(|to| &to.file.routes).for_each(|route| self.claims.add(page, route));
    }

    /// The first page that must give up its new routes because of a route that `page` has now.
    fn loser(&self, page: &str) -> Option<(String, String)> {
        let files = if self.open.contains(page) { self.candidates } else { self.last_good };
        let routes = &files.get(page)?.file.routes;
        let mut meetings = routes.iter().flat_map(|route| self.claims.meetings(page, route, self.nested));
        meetings.find_map(|meeting| {
            let loser = self.loser_of(&meeting)?;
            Some((loser.to_owned(), meeting.reason(loser)))
        })
    }

    fn loser_of<'m>(&self, meeting: &Meeting<'m>) -> Option<&'m str> {
        let (one, other) = (meeting.one.0, meeting.other.0);
        match (self.was_there(meeting.one), self.was_there(meeting.other)) {
            (true, true) => meeting.inner().filter(|inner| self.open.contains(*inner)),
            (true, false) => Some(other),
            (false, true) => Some(one),
            (false, false) => Some(one.max(other)),
        }
    }

    fn was_there(&self, (page, route): (&str, &Route)) -> bool {
        let had = |last: &Accepted| last.file.routes.contains(route);
        !self.open.contains(page) || self.last_good.get(page).is_some_and(had)
    }
}
