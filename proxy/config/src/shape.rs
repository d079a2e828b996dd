//! How two route patterns relate: apart, in each other's way, or one inside the other. Pure; a test holds it against
//! `matchit` itself.

use crate::route::Route;

/// A pattern without the names of its parameters. A trailing slash is left out, since it makes no other page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape(Vec<Segment>);

/// Of two that match one text, matchit takes the greater one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `{*name}`: at least one character, slashes too.
    Rest,
    /// `{name}`: at least one character, no slash.
    Parameter,
    Literal(String),
}

/// What a pattern is to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Both can't be in one table.
    Collides,
    /// It takes some of the other's paths, being the more specific one.
    Inside,
    /// The other takes some of its paths.
    Encloses,
}

impl Shape {
    pub(crate) fn of(route: &Route) -> Self {
        let path = &route.as_str()[1..];
        let segments = path.strip_suffix('/').unwrap_or(path).split('/').map(|segment| match segment {
            rest if rest.starts_with("{*") => Segment::Rest,
            parameter if parameter.starts_with('{') => Segment::Parameter,
            literal => Segment::Literal(literal.to_owned()),
        });
        Self(segments.collect())
    }

    /// `/{*rest}`: what no page has.
    pub(crate) fn is_root_catch_all(&self) -> bool {
        self.0 == [Segment::Rest]
    }

    /// What this pattern is to `other`; nothing if no path matches both.
    pub(crate) fn relation(&self, other: &Self) -> Option<Relation> {
        let common = self.0.iter().zip(&other.0).take_while(|(own, other)| own == other).count();
        match (&self.0[common..], &other.0[common..]) {
            ([], [])
            | ([Segment::Rest, ..], [Segment::Parameter, ..])
            | ([Segment::Parameter, ..], [Segment::Rest, ..]) => Some(Relation::Collides),
            (own, other) if overlap(own, other) => {
                Some(if own > other { Relation::Inside } else { Relation::Encloses })
            }
            _ => None,
        }
    }
}

/// Whether some path matches both.
fn overlap(one: &[Segment], other: &[Segment]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([], _) | (_, []) => false,
        ([Segment::Literal(text), ..], [Segment::Literal(other_text), ..]) if text != other_text => false,
        // A parameter is never empty, and `/` is one empty segment.
        ([Segment::Literal(text), ..], [_, ..]) | ([_, ..], [Segment::Literal(text), ..])
            if text.is_empty() && one != other =>
        {
            false
        }
        ([Segment::Rest, ..], _) | (_, [Segment::Rest, ..]) => true,
        ([_, one @ ..], [_, other @ ..]) => overlap(one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(pattern: &str) -> Shape {
        Shape::of(&Route::parse(pattern).unwrap())
    }

    #[test]
    fn a_route_is_inside_another_when_it_takes_some_of_its_paths() {
        for (inner, outer) in [
            ("/checkout/help", "/checkout/{*rest}"),
            ("/checkout/{*rest}", "/{*rest}"),
            ("/checkout/help/", "/checkout/{*rest}"),
            ("/checkout/help/{*rest}", "/checkout/{*rest}"),
            ("/products/special", "/products/{slug}"),
            ("/a/b/{y}", "/a/{x}/c"),
            ("/about", "/{page}"),
        ] {
            assert_eq!(shape(inner).relation(&shape(outer)), Some(Relation::Inside), "{inner} in {outer}");
            assert_eq!(shape(outer).relation(&shape(inner)), Some(Relation::Encloses), "{outer} around {inner}");
        }
    }

    #[test]
    fn routes_without_a_path_in_common_are_apart() {
        for (one, other) in [
            ("/checkout", "/checkout/{*rest}"),
            ("/checkout", "/check"),
            ("/", "/{*rest}"),
            ("/", "/{slug}"),
            ("/", "/a"),
            ("/a/{x}/c", "/a/b/d"),
            ("/a/{x}", "/a/b/c"),
        ] {
            assert_eq!(shape(one).relation(&shape(other)), None, "{one} {other}");
            assert_eq!(shape(other).relation(&shape(one)), None, "{other} {one}");
        }
    }

    #[test]
    fn routes_that_differ_in_names_or_a_trailing_slash_collide() {
        for (one, other) in [
            ("/a", "/a"),
            ("/a", "/a/"),
            ("/a/{x}", "/a/{y}"),
            ("/a/{*x}", "/a/{*y}"),
            ("/a/{x}", "/a/{*y}"),
            ("/", "/"),
        ] {
            assert_eq!(shape(one).relation(&shape(other)), Some(Relation::Collides), "{one} {other}");
        }
    }

    /// All patterns of up to three segments of a few kinds, and the root.
    fn every_pattern() -> Vec<String> {
        let mut patterns = vec![String::new()];
        for start in 0..3 {
            for prefix in patterns.clone().into_iter().filter(|pattern| pattern.matches('/').count() == start) {
                patterns.extend(["a", "ab", "b", "{x}", "{*x}"].map(|segment| format!("{prefix}/{segment}")));
            }
        }
        patterns[0] = "/".to_owned();
        patterns.into_iter().filter(|pattern| Route::parse(pattern).is_ok()).collect()
    }

    #[test]
    fn matchit_refuses_a_pattern_exactly_when_it_collides_with_another() {
        let patterns = every_pattern();
        for one in &patterns {
            for other in &patterns {
                let mut table = matchit::Router::new();
                table.insert(one, ()).unwrap();
                let refused = table.insert(other, ()).is_err();
                let collides = shape(one).relation(&shape(other)) == Some(Relation::Collides);
                assert_eq!(refused, collides, "{one} and {other}");
            }
        }
    }

    #[test]
    fn patterns_that_do_not_collide_two_by_two_are_one_table_in_any_order() {
        for rotation in 0..every_pattern().len() {
            let mut patterns = every_pattern();
            patterns.rotate_left(rotation);
            let mut table = matchit::Router::new();
            let mut taken = Vec::<Shape>::new();
            for pattern in &patterns {
                let new = shape(pattern);
                if taken.iter().all(|taken| taken.relation(&new) != Some(Relation::Collides)) {
                    table.insert(pattern, ()).unwrap();
                    taken.push(new);
                }
            }
        }
    }

    #[test]
    fn the_inner_one_is_the_one_that_matchit_finds() {
        let alone = |pattern: &str| {
            let mut table = matchit::Router::new();
            table.insert(pattern, ()).unwrap();
            table
        };
        let patterns = every_pattern();
        let texts = ["", "/a", "/ab", "/b", "/c"];
        let paths = texts.iter().flat_map(|one| texts.iter().map(move |two| format!("{one}{two}")));
        let paths = paths.flat_map(|start| texts.map(|three| format!("{start}{three}"))).chain(["/".to_owned()]);
        let paths = paths.filter(|path| !path.is_empty()).collect::<Vec<_>>();
        for (one, other) in patterns.iter().flat_map(|one| patterns.iter().map(move |other| (one, other))) {
            let relation = shape(one).relation(&shape(other));
            if relation == Some(Relation::Collides) {
                continue;
            }
            let (only_one, only_other, mut both) = (alone(one), alone(other), matchit::Router::new());
            both.insert(one, Relation::Inside).unwrap();
            both.insert(other, Relation::Encloses).unwrap();
            let shared = paths.iter().filter(|path| only_one.at(path).is_ok() && only_other.at(path).is_ok());
            let mut found = shared.map(|path| *both.at(path).unwrap().value).collect::<Vec<_>>();
            found.dedup();
            assert_eq!(found, Vec::from_iter(relation), "{one} and {other}");
        }
    }
}
