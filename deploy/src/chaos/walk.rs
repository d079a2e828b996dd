//! What a visitor will choose in one visit: drawn from the seed before it begins, so that chance is the same however the
//! site answers.

use super::dice;
use rand::RngExt;
use rand::seq::IndexedRandom;
use std::ops::Range;
use std::time::Duration;

/// Between two pages, in milliseconds.
const THINKS: Range<u64> = 200..1_500;
const WORDS: [&str; 8] = ["tent", "rain", "stove", "down", "lamp", "pack", "wool", "map"];

/// The choices of one visit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Walk {
    /// Which of the products that are shown; counted round.
    pub(super) product: usize,
    /// What is searched for, by some.
    pub(super) search: Option<&'static str>,
    /// Whether the visitor signs in, or up if that is the first time.
    pub(super) signs_in: bool,
    /// Whether the button that places the order is pressed twice.
    pub(super) clicks_twice: bool,
    /// How long the visitor looks at each page; taken round.
    pub(super) thinks: [Duration; 16],
}

impl Walk {
    /// Of a visitor's visit, both numbered.
    pub(super) fn draw(seed: u64, visitor: u16, visit: u32) -> Self {
        let mut dice = dice::of(seed, &format!("visitor {visitor} visit {visit}"));
        let searches = dice.random_bool(0.4);
        Self {
            product: dice.random_range(0..10_000),
            search: WORDS.choose(&mut dice).copied().filter(|_| searches),
            signs_in: dice.random_bool(0.25),
            clicks_twice: dice.random_bool(0.2),
            thinks: std::array::from_fn(|_| Duration::from_millis(dice.random_range(THINKS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_chooses_the_same_under_the_same_seed() {
        assert_eq!(Walk::draw(7, 3, 5), Walk::draw(7, 3, 5));
        for other in [Walk::draw(8, 3, 5), Walk::draw(7, 4, 5), Walk::draw(7, 3, 6)] {
            assert_ne!(Walk::draw(7, 3, 5), other);
        }
    }

    #[test]
    fn some_search_some_sign_in_and_some_click_twice() {
        let walks: Vec<Walk> = (0..200).map(|visit| Walk::draw(7, 1, visit)).collect();
        let some =
            |holds: fn(&Walk) -> bool| (1..walks.len()).contains(&walks.iter().filter(|walk| holds(walk)).count());
        assert!(some(|walk| walk.search.is_some()) && some(|walk| walk.signs_in) && some(|walk| walk.clicks_twice));
    }
}
