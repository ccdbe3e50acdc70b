//! Keeps what is equal once: thousands of pods that fail alike share their names, images and error texts.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::facts::PodOwner;
use super::image::ImageReference;

/// Below this size a pool is not worth sweeping.
const MIN_SWEEP_SIZE: usize = 1024;

/// Everything that is shared.
#[derive(Debug, Default)]
pub(super) struct Interners {
    pub(super) texts: Interner<str>,
    pub(super) lists: Interner<[String]>,
    pub(super) owners: Interner<PodOwner>,
    pub(super) images: Interner<ImageReference>,
}

/// Values that somebody uses, each once, and some that nobody uses any more.
#[derive(Debug)]
pub(super) struct Interner<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// The size at which to look for what is not used.
    sweep_at: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: MIN_SWEEP_SIZE }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The one that is equal to `value`.
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
