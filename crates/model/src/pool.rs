//! Keeps what is equal once: thousands of pods that fail alike share their names, images and error texts.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use super::facts::Owner;
use super::image::ImageReference;

/// Below this size a pool is not worth sweeping.
const SMALL: usize = 1024;

/// Everything that is shared.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pub(super) texts: Pool<str>,
    pub(super) lists: Pool<[String]>,
    pub(super) owners: Pool<Owner>,
    pub(super) images: Pool<ImageReference>,
}

/// Values that somebody uses, each once, and some that nobody uses any more.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized> {
    known: HashSet<Arc<T>>,
    /// The size at which to look for what is not used.
    full_at: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { known: HashSet::new(), full_at: SMALL }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The one that is equal to `value`.
    pub(super) fn share<V: Into<Arc<T>> + AsRef<T>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.known.get(value.as_ref()) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.full_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.full_at = (2 * self.known.len()).max(SMALL);
        }
        let value = value.into();
        self.known.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut pool = Pool::<str>::default();
        let (first, second) = (pool.share("a"), pool.share("a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &pool.share("b")));
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let mut pool = Pool::<str>::default();
        let used = pool.share("used");
        for number in 0..10 * SMALL {
            let _ = pool.share(number.to_string());
        }
        assert!(pool.known.len() <= SMALL);
        assert!(Arc::ptr_eq(&used, &pool.share("used")));
    }
}
