//! A map by name that is copied in constant time: a copy shares every shard that has not changed since.
//!
//! A scrape takes its copy under the monitor's lock and reads it after the lock is released, so that no watch event
//! waits for it, however many entries there are.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// The first change of a shard after a copy was taken copies the shard: one entry in so many.
const SHARDS: u64 = 64;

type Shard<V> = Arc<BTreeMap<Arc<str>, V>>;

/// A map that is copied in constant time.
#[derive(Clone, Debug)]
pub(super) struct ShardedMap<V> {
    shards: Vec<Shard<V>>,
    hasher: RandomState,
}

impl<V> Default for ShardedMap<V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect(), hasher: RandomState::new() }
    }
}

impl<V> ShardedMap<V> {
    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.shards.get(self.shard_index(name))?.get(name)
    }

    /// Every entry, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    fn shard_index(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name) % SHARDS).unwrap_or_default()
    }
}

impl<V: Clone> ShardedMap<V> {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let place = self.shard_index(name);
        let shard = self.shards.get_mut(place).filter(|shard| shard.contains_key(name))?;
        Arc::make_mut(shard).get_mut(name)
    }

    /// The entry of this name; a new one where there is none.
    pub(super) fn get_or_insert_with(&mut self, name: &str, new: impl FnOnce() -> V) -> Option<&mut V> {
        let place = self.shard_index(name);
        let shard = self.shards.get_mut(place)?;
        if !shard.contains_key(name) {
            Arc::make_mut(shard).insert(name.into(), new());
        }
        Arc::make_mut(shard).get_mut(name)
    }

    /// Changes entries, and drops those for which `keep` returns false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str, &mut V) -> bool) {
        for shard in self.shards.iter_mut().filter(|shard| !shard.is_empty()) {
            Arc::make_mut(shard).retain(|name, value| keep(name, value));
        }
    }
}
