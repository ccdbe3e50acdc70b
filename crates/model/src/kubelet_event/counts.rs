//! The last known counts of Events, in bounded memory.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Maximum number of Events in each of the two generations. An entry takes about 32 bytes.
const MAX_GENERATION: usize = 8192;

/// The count of each Event that was seen lately, by the hash of its uid.
///
/// The counts are in two generations. When the newer one is full, it replaces the older one, so at least the last
/// [`MAX_GENERATION`] Events are known.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    newer: HashMap<u64, u32>,
    older: HashMap<u64, u32>,
}

impl EventCounts {
    /// Records the count of an Event. Returns by how much it grew: 1 if the old count is unknown or was higher, because at least
    /// one more event happened.
    pub(crate) fn growth(&mut self, uid: &str, count: u32) -> u32 {
        match self.record(uid, count) {
            Some(before) if count >= before => count - before,
            Some(_) | None => 1,
        }
    }

    /// Records the count of an Event. Returns the old count, if it is known.
    pub(crate) fn record(&mut self, uid: &str, count: u32) -> Option<u32> {
        let mut hasher = DefaultHasher::new();
        uid.hash(&mut hasher);
        let key = hasher.finish();
        let before = self.newer.get(&key).copied().or_else(|| self.older.remove(&key));
        if self.newer.len() >= MAX_GENERATION && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, count);
        before
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_grows_by_the_difference() {
        let mut counts = EventCounts::default();
        let growths = [1, 1, 4, 5, 2].map(|count| counts.growth("a", count));
        assert_eq!(growths, [1, 0, 3, 1, 1]);
        assert_eq!(counts.growth("b", 65), 1, "the old count is unknown");
        assert_eq!(counts.record("c", 7), None);
        assert_eq!(counts.growth("c", 9), 2);
    }

    #[test]
    fn the_latest_counts_are_known_in_bounded_memory() {
        let mut counts = EventCounts::default();
        for number in 0..10 * MAX_GENERATION {
            assert_eq!(counts.growth(&number.to_string(), 1), 1);
            assert_eq!(counts.growth("often", 3), u32::from(number == 0), "an Event that is seen again is kept");
            assert!(counts.len() <= 2 * MAX_GENERATION);
        }
        let last = (10 * MAX_GENERATION - MAX_GENERATION / 2).to_string();
        assert_eq!(counts.growth(&last, 3), 2);
    }
}
