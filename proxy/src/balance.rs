//! Which of several instances gets a request: of those that come first the one with fewer requests in flight of two
//! random choices (power of two choices).

use crate::instance::Instance;
use std::sync::Arc;

/// How far an instance's release is from the one that a visitor should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is that release.
    Wanted,
    /// It is another.
    Other,
    /// It is one that no visitor should get yet.
    Unwanted,
}

/// Chooses among the `candidates` that fit best; those that were `tried` already come after all others.
pub fn choose<'a>(
    candidates: &[&'a Arc<Instance>],
    tried: &[Arc<Instance>],
    fit: impl Fn(&Instance) -> Fit,
) -> Option<&'a Arc<Instance>> {
    if let [only] = candidates {
        return Some(only);
    }
    let rank = |one: &Arc<Instance>| (tried.iter().any(|other| Arc::ptr_eq(one, other)), fit(one));
    let best = candidates.iter().map(|one| rank(one)).min()?;
    let among: Vec<_> = candidates.iter().copied().filter(|one| rank(one) == best).collect();
    match among.as_slice() {
        [] => None,
        [only] => Some(only),
        _ => {
            let first = rand::random_range(0..among.len());
            let second = (first + rand::random_range(1..among.len())) % among.len();
            Some(if among[first].in_flight() <= among[second].in_flight() { among[first] } else { among[second] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::PageId;
    use crate::instance::InFlight;

    fn instance(port: u16) -> Arc<Instance> {
        Arc::new(Instance::new(PageId(0), ([127, 0, 0, 1], port).into()))
    }

    #[test]
    fn the_less_busy_of_two_gets_the_request() {
        let (busy, idle) = (instance(1), instance(2));
        let _request = InFlight::new(Arc::clone(&busy));
        for _ in 0..20 {
            let chosen = choose(&[&busy, &idle], &[], |_| Fit::Wanted).unwrap();
            assert!(Arc::ptr_eq(chosen, &idle));
        }
    }

    #[test]
    fn an_instance_that_failed_is_chosen_again_only_when_it_is_the_last() {
        let (failed, other) = (instance(1), instance(2));
        let tried = [Arc::clone(&failed)];
        assert!(Arc::ptr_eq(choose(&[&failed, &other], &tried, |_| Fit::Wanted).unwrap(), &other));
        assert!(Arc::ptr_eq(choose(&[&failed], &tried, |_| Fit::Wanted).unwrap(), &failed));
        assert!(choose(&[], &tried, |_| Fit::Wanted).is_none());
    }

    #[test]
    fn another_release_is_asked_only_when_none_of_the_wanted_one_is_left() {
        let (old, new) = (instance(1), instance(2));
        let fit = |one: &Instance| if one.address.port() == 1 { Fit::Wanted } else { Fit::Unwanted };
        for _ in 0..20 {
            assert!(Arc::ptr_eq(choose(&[&new, &old], &[], fit).unwrap(), &old));
        }
        assert!(Arc::ptr_eq(choose(&[&new], &[], fit).unwrap(), &new));
        let tried = [Arc::clone(&old)];
        assert!(Arc::ptr_eq(choose(&[&new, &old], &tried, fit).unwrap(), &new));
    }
}
