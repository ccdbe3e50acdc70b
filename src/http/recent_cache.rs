//! A map of bounded size that keeps what was used recently.

use std::collections::HashMap;
use std::mem;

use super::fingerprint::Fingerprint;

/// Keeps at least the `capacity` entries that were used last, and at most twice as many.
#[derive(Debug)]
pub(super) struct RecentCache<V> {
    capacity: usize,
    newer: HashMap<Fingerprint, V>,
    older: HashMap<Fingerprint, V>,
}

impl<V: Copy> RecentCache<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, newer: HashMap::new(), older: HashMap::new() }
    }

    /// Returns a value, and marks it as used.
    pub(super) fn get(&mut self, key: Fingerprint) -> Option<V> {
        if let Some(value) = self.newer.get(&key) {
            return Some(*value);
        }
        let value = self.older.remove(&key)?;
        self.insert(key, value);
        Some(value)
    }

    pub(super) fn insert(&mut self, key: Fingerprint, value: V) {
        if self.newer.len() >= self.capacity && !self.newer.contains_key(&key) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: Fingerprint) -> Option<V> {
        let older = self.older.remove(&key);
        self.newer.remove(&key).or(older)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, RecentCache};

    fn key(number: u32) -> Fingerprint {
        Fingerprint::unkeyed(&[&number.to_be_bytes()])
    }

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let mut recent = RecentCache::new(10);
        recent.insert(key(0), 0);
        for number in 1..1000 {
            recent.insert(key(number), number);
            assert!(recent.newer.len() + recent.older.len() <= 20);
            assert_eq!(recent.get(key(number.saturating_sub(3))), Some(number.saturating_sub(3)));
            assert_eq!(recent.get(key(0)), Some(0), "{number}");
        }
        assert_eq!(recent.get(key(900)), None);
        assert_eq!(recent.remove(key(0)), Some(0));
        assert_eq!(recent.get(key(0)), None);
    }
}
