//! Chance that can be repeated: each thing that is drawn has dice of its own, which a seed and the thing's name decide,
//! so that one more draw here changes nothing there.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

/// The dice of what is called `name`, under `seed`.
pub(super) fn of(seed: u64, name: &str) -> StdRng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name);
    StdRng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn the_same_seed_and_name_throw_the_same_and_others_do_not() {
        let throw = |seed, name| of(seed, name).random::<u64>();
        assert_eq!(throw(7, "faults 0"), throw(7, "faults 0"));
        assert_ne!(throw(7, "faults 0"), throw(7, "faults 1"));
        assert_ne!(throw(7, "faults 0"), throw(8, "faults 0"));
    }
}
