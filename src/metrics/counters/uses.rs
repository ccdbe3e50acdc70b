//! Which registries fail in which namespaces now, and how much each registry is used.

use std::collections::HashMap;
use std::sync::Arc;

/// What the first registry of a namespace adds to that registry's use.
const WHOLE_VOTE: u64 = 1 << 32;

/// The open failures by namespace and registry. Its size is bounded by the number of open failures.
#[derive(Debug, Default)]
pub(super) struct Uses {
    namespaces: HashMap<Arc<str>, HashMap<Arc<str>, Use>>,
    votes: HashMap<Arc<str>, u64>,
}

#[derive(Debug)]
struct Use {
    open_failures: u64,
    vote: u64,
}

impl Uses {
    /// The use of a registry: the number of namespaces in which it fails, where the second registry of a namespace
    /// counts half, the third a third, and so on.
    pub(super) fn of(&self, registry: &str) -> u64 {
        self.votes.get(registry).copied().unwrap_or_default()
    }

    pub(super) fn is_open(&self, namespace: &str, registry: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|uses| uses.contains_key(registry))
    }

    pub(super) fn is_open_in(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    pub(super) fn failure_begins(&mut self, namespace: &str, registry: &str) {
        if let Some(known) = self.namespaces.get_mut(namespace).and_then(|uses| uses.get_mut(registry)) {
            known.open_failures += 1;
            return;
        }
        let registry: Arc<str> = registry.into();
        let uses = self.namespaces.entry(namespace.into()).or_default();
        let vote = WHOLE_VOTE / (uses.len() as u64 + 1);
        uses.insert(Arc::clone(&registry), Use { open_failures: 1, vote });
        *self.votes.entry(registry).or_default() += vote;
    }

    pub(super) fn failure_ends(&mut self, namespace: &str, registry: &str) {
        let Some(uses) = self.namespaces.get_mut(namespace) else { return };
        let Some(known) = uses.get_mut(registry) else { return };
        known.open_failures -= 1;
        if known.open_failures > 0 {
            return;
        }
        let vote = known.vote;
        uses.remove(registry);
        if uses.is_empty() {
            self.namespaces.remove(namespace);
        }
        if let Some(votes) = self.votes.get_mut(registry) {
            *votes -= vote;
            if *votes == 0 {
                self.votes.remove(registry);
            }
        }
    }

    /// How many pairs of namespace and registry have open failures.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(HashMap::len).sum()
    }
}
