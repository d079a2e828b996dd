//! Which of several instances gets a request: the one with fewer requests in flight of two random choices.

use crate::fleet::Instance;
use std::sync::Arc;

/// Chooses among `candidates`, instances that were `tried` already only when there is no other.
pub fn choose<'a>(candidates: &[&'a Arc<Instance>], tried: &[Arc<Instance>]) -> Option<&'a Arc<Instance>> {
    let fresh: Vec<_> =
        candidates.iter().copied().filter(|one| !tried.iter().any(|other| Arc::ptr_eq(one, other))).collect();
    let among = if fresh.is_empty() { candidates } else { &fresh };
    match among {
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
    use crate::fleet::{InFlight, PageId};

    fn instance(port: u16) -> Arc<Instance> {
        Arc::new(Instance::new(PageId(0), ([127, 0, 0, 1], port).into()))
    }

    #[test]
    fn the_less_busy_of_two_gets_the_request() {
        let (busy, idle) = (instance(1), instance(2));
        let _request = InFlight::new(Arc::clone(&busy));
        for _ in 0..20 {
            let chosen = choose(&[&busy, &idle], &[]).unwrap();
            assert!(Arc::ptr_eq(chosen, &idle));
        }
    }

    #[test]
    fn an_instance_that_failed_is_chosen_again_only_when_it_is_the_last() {
        let (failed, other) = (instance(1), instance(2));
        let tried = [Arc::clone(&failed)];
        assert!(Arc::ptr_eq(choose(&[&failed, &other], &tried).unwrap(), &other));
        assert!(Arc::ptr_eq(choose(&[&failed], &tried).unwrap(), &failed));
        assert!(choose(&[], &tried).is_none());
    }
}
