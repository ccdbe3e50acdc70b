//! Interning: equal names, images and error texts of thousands of pods share one allocation.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::facts::PodOwner;
use super::image::ImageReference;

/// Minimum number of values at which unused ones are removed.
const MIN_SWEEP_SIZE: usize = 1024;

/// The interners of the index.
#[derive(Debug, Default)]
pub(super) struct Interners {
    pub(super) texts: Interner<str>,
    pub(super) lists: Interner<[String]>,
    pub(super) owners: Interner<PodOwner>,
    pub(super) images: Interner<ImageReference>,
}

/// A set of shared values. Unused values are removed when the set has doubled in size.
#[derive(Debug)]
pub(super) struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// The size at which unused values are removed.
    sweep_at: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: MIN_SWEEP_SIZE }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// Returns the shared value that is equal to `value`, and adds it if it is new.
    pub(super) fn intern<V: Into<Arc<T>> + AsRef<T>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.values.get(value.as_ref()) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = (2 * self.values.len()).max(MIN_SWEEP_SIZE);
        }
        let value = value.into();
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_shared() {
        let mut pool = Interner::<str>::default();
        let (first, second) = (pool.intern("a"), pool.intern("a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &pool.intern("b")));
    }

    #[test]
    fn unused_values_are_dropped() {
        let mut pool = Interner::<str>::default();
        let used = pool.intern("used");
        for number in 0..10 * MIN_SWEEP_SIZE {
            let _ = pool.intern(number.to_string());
        }
        assert!(pool.values.len() <= MIN_SWEEP_SIZE);
        assert!(Arc::ptr_eq(&used, &pool.intern("used")));
    }
}
