//! Who has which route, found fast: of 3,000 pages only those are compared whose routes begin alike.

use crate::route::Route;
use crate::shape::{Relation, Shape};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The routes of all pages, under what they begin with literally.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(BTreeMap<String, Vec<Claim>>);

/// One route of one page.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) page: String,
    pub(crate) route: Route,
    shape: Shape,
}

/// Two routes of two pages that can't both be, as `one` sees it.
#[derive(Debug)]
pub(crate) struct Meeting<'a> {
    pub(crate) one: (&'a str, &'a Route),
    pub(crate) other: (&'a str, &'a Route),
    relation: Relation,
}

impl Claims {
    pub(crate) fn add(&mut self, page: &str, route: &Route) {
        let claim = Claim { page: page.to_owned(), route: route.clone(), shape: Shape::of(route) };
        self.0.entry(head(route).0.to_owned()).or_default().push(claim);
    }

    pub(crate) fn remove(&mut self, page: &str, route: &Route) {
        let (head, _) = head(route);
        if let Some(claims) = self.0.get_mut(head) {
            claims.retain(|claim| claim.page != page || claim.route != *route);
            if claims.is_empty() {
                self.0.remove(head);
            }
        }
    }

    /// The routes of other pages that stand in the way of this one. One inside the other is in order if the inner one is
    /// in `nested`, or the outer one takes what no page has.
    pub(crate) fn meetings<'a>(
        &'a self,
        page: &'a str,
        route: &'a Route,
        nested: &'a [String],
    ) -> impl Iterator<Item = Meeting<'a>> {
        let shape = Shape::of(route);
        self.near(route).filter(move |claim| claim.page != page).filter_map(move |claim| {
            let relation = shape.relation(&claim.shape)?;
            let (inner, outer) = match relation {
                Relation::Collides => (None, &shape),
                Relation::Inside => (Some(route), &claim.shape),
                Relation::Encloses => (Some(&claim.route), &shape),
            };
            let in_order = |inner: &Route| {
                outer.is_root_catch_all() || nested.iter().any(|pattern| pattern.as_str() == inner.as_str())
            };
            let meeting = Meeting { one: (page, route), other: (&claim.page, &claim.route), relation };
            (!inner.is_some_and(in_order)).then_some(meeting)
        })
    }

    /// The route that can't be in one table with this one, whoever has it. With and without a trailing slash one page
    /// may have both.
    pub(crate) fn collision_within(&self, route: &Route) -> Option<&Route> {
        let shape = Shape::of(route);
        let slash = |route: &Route| route.as_str().ends_with('/');
        let collides = |claim: &&Claim| {
            shape.relation(&claim.shape) == Some(Relation::Collides)
                && (shape != claim.shape || slash(route) == slash(&claim.route))
        };
        self.near(route).find(collides).map(|claim| &claim.route)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every claim that may have a path in common with `route`, and few others.
    fn near<'a>(&'a self, route: &Route) -> impl Iterator<Item = &'a Claim> {
        let (head, literal) = head(route);
        let above = head.match_indices('/').map(|(index, _)| &head[..=index]).filter(|above| above.len() < head.len());
        let above = above.filter_map(|above| self.0.get(above));
        let from_here = self
            .0
            .range::<str, _>((Bound::Included(head), Bound::Unbounded))
            .take_while(move |(key, _)| if literal { key.as_str() == head } else { key.starts_with(head) });
        above.chain(from_here.map(|(_, claims)| claims)).flatten()
    }
}

impl<'a> Meeting<'a> {
    /// The page whose route takes paths of the other's, if one is inside the other.
    pub(crate) fn inner(&self) -> Option<&'a str> {
        match self.relation {
            Relation::Collides => None,
            Relation::Inside => Some(self.one.0),
            Relation::Encloses => Some(self.other.0),
        }
    }

    /// Why `loser`, one of the two, is refused.
    pub(crate) fn reason(&self, loser: &str) -> String {
        let is_one = loser == self.one.0;
        let ((_, own), (page, other)) = if is_one { (self.one, self.other) } else { (self.other, self.one) };
        let (own, other) = (own.as_str(), other.as_str());
        match (self.relation, is_one) {
            (Relation::Collides, _) => format!("route `{own}` collides with `{other}` of page `{page}`"),
            (Relation::Inside, true) | (Relation::Encloses, false) => format!(
                "route `{own}` is inside `{other}` of page `{page}`, and not among the operator's `nested_routes`"
            ),
            (Relation::Encloses, true) | (Relation::Inside, false) => format!(
                "route `{own}` encloses `{other}` of page `{page}`, which is not among the operator's `nested_routes`"
            ),
        }
    }
}

/// What a route begins with, up to the segment of its first parameter; all of it, without a trailing slash, if it has
/// none. And whether it has none.
fn head(route: &Route) -> (&str, bool) {
    let pattern = route.as_str();
    match pattern.find('{') {
        Some(brace) => (&pattern[..pattern[..brace].rfind('/').map_or(0, |slash| slash + 1)], false),
        None => (pattern.strip_suffix('/').filter(|bare| !bare.is_empty()).unwrap_or(pattern), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: [&str; 17] = [
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/ab",
        "/a/b/c",
        "/{x}",
        "/{x}/b",
        "/a/{x}",
        "/a/{x}/",
        "/a/{x}/c",
        "/a/b/{x}",
        "/a/{*x}",
        "/a/b/{*x}",
        "/{*x}",
        "/{x}/{y}",
        "/b/{x}",
    ];

    #[test]
    fn comparing_only_what_begins_alike_finds_all_that_meet() {
        let routes = PATTERNS.map(|pattern| Route::parse(pattern).unwrap());
        let mut claims = Claims::default();
        for route in &routes {
            claims.add(route.as_str(), route);
        }
        for route in &routes {
            let mut found = claims.near(route).map(|claim| claim.route.as_str()).collect::<Vec<_>>();
            found.sort_unstable();
            for other in &routes {
                if Shape::of(route).relation(&Shape::of(other)).is_some() {
                    assert!(found.contains(&other.as_str()), "{} {}", route.as_str(), other.as_str());
                }
            }
            found.dedup();
            let all = claims.near(route).count();
            assert_eq!(found.len(), all, "{} twice", route.as_str());
        }
        for route in &routes {
            claims.remove(route.as_str(), route);
        }
        assert!(claims.is_empty());
    }
}
