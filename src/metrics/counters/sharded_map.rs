//! A map that is cloned in constant time: a clone shares all shards that have not changed since.
//!
//! A scrape clones the map under the monitor's lock and reads the clone without the lock. Watch events do not wait
//! for a scrape, even with many entries.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Number of shards. The first change of a shard after a clone copies that shard, `1 / SHARDS` of the map.
const SHARDS: u64 = 64;

type Shard<V> = Arc<BTreeMap<Arc<str>, V>>;

/// A map that is cloned in constant time.
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

    /// Returns all entries in arbitrary order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    fn shard_index(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name) % SHARDS).unwrap_or_default()
    }
}

impl<V: Clone> ShardedMap<V> {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let index = self.shard_index(name);
        let shard = self.shards.get_mut(index).filter(|shard| shard.contains_key(name))?;
        Arc::make_mut(shard).get_mut(name)
    }

    /// Returns the entry of this name. Creates it with `new` if it does not exist.
    pub(super) fn get_or_insert_with(&mut self, name: &str, new: impl FnOnce() -> V) -> Option<&mut V> {
        let index = self.shard_index(name);
        let shard = self.shards.get_mut(index)?;
        if !shard.contains_key(name) {
            Arc::make_mut(shard).insert(name.into(), new());
        }
        Arc::make_mut(shard).get_mut(name)
    }

    /// Removes an entry if `keep` returns false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str, &mut V) -> bool) {
        for shard in self.shards.iter_mut().filter(|shard| !shard.is_empty()) {
            Arc::make_mut(shard).retain(|name, value| keep(name, value));
        }
    }
}
