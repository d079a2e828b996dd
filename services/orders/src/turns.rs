//! One at a time for each key: who comes second waits until the first is done, and other keys don't notice.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::OwnedMutexGuard;

type Waiting<K> = HashMap<K, Arc<tokio::sync::Mutex<()>>>;

/// The keys that are in use. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Turns<K: Copy + Eq + Hash> {
    waiting: Arc<Mutex<Waiting<K>>>,
}

/// Holds a key until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<K: Copy + Eq + Hash> {
    turns: Turns<K>,
    key: K,
    held: Option<OwnedMutexGuard<()>>,
}

impl<K: Copy + Eq + Hash> Turns<K> {
    /// Waits until nobody else has this key.
    pub(crate) async fn take(&self, key: K) -> Turn<K> {
        let lock = self.keys().entry(key).or_default().clone();
        // Made before waiting, so that who gives up waiting cleans up too.
        let mut turn = Turn { turns: self.clone(), key, held: None };
        turn.held = Some(lock.lock_owned().await);
        turn
    }

    fn keys(&self) -> MutexGuard<'_, Waiting<K>> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }
}

impl<K: Copy + Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K: Copy + Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut keys = self.turns.keys();
        // Clones are made under this lock, so a count of one means that nobody waits.
        if keys.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_key_is_held_by_one_and_forgotten_after_the_last() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        let _other = turns.take(2).await;
        let mut second = std::pin::pin!(turns.take(1));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut second).await.is_err());
        drop(first);
        drop(second.await);
        assert_eq!(turns.keys().len(), 1);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), turns.take(1)).await.is_err());
        drop(first);
        assert!(turns.keys().is_empty());
    }
}
