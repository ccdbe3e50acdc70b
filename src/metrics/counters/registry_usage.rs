//! Which registries fail in which namespaces now, and how much each registry is used.

use std::collections::HashMap;
use std::sync::Arc;

/// What the first registry of a namespace adds to that registry's use.
const FULL_WEIGHT: u64 = 1 << 32;

/// The open failures by namespace and registry. Its size is bounded by the number of open failures.
#[derive(Debug, Default)]
pub(super) struct RegistryUsage {
    namespaces: HashMap<Arc<str>, HashMap<Arc<str>, OpenFailures>>,
    weights: HashMap<Arc<str>, u64>,
}

#[derive(Debug)]
struct OpenFailures {
    count: u64,
    weight: u64,
}

impl RegistryUsage {
    /// The use of a registry: the number of namespaces in which it fails, where the second registry of a namespace
    /// counts half, the third a third, and so on.
    pub(super) fn weight_of(&self, registry: &str) -> u64 {
        self.weights.get(registry).copied().unwrap_or_default()
    }

    pub(super) fn has_open_failure(&self, namespace: &str, registry: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|uses| uses.contains_key(registry))
    }

    pub(super) fn has_open_failure_in(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    pub(super) fn record_start(&mut self, namespace: &str, registry: &str) {
        if let Some(known) = self.namespaces.get_mut(namespace).and_then(|uses| uses.get_mut(registry)) {
            known.count += 1;
            return;
        }
        let registry: Arc<str> = registry.into();
        let uses = self.namespaces.entry(namespace.into()).or_default();
        let vote = FULL_WEIGHT / (uses.len() as u64 + 1);
        uses.insert(Arc::clone(&registry), OpenFailures { count: 1, weight: vote });
        *self.weights.entry(registry).or_default() += vote;
    }

    pub(super) fn record_end(&mut self, namespace: &str, registry: &str) {
        let Some(uses) = self.namespaces.get_mut(namespace) else { return };
        let Some(known) = uses.get_mut(registry) else { return };
        known.count -= 1;
        if known.count > 0 {
            return;
        }
        let vote = known.weight;
        uses.remove(registry);
        if uses.is_empty() {
            self.namespaces.remove(namespace);
        }
        if let Some(votes) = self.weights.get_mut(registry) {
            *votes -= vote;
            if *votes == 0 {
                self.weights.remove(registry);
            }
        }
    }

    /// How many pairs of namespace and registry have open failures.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(HashMap::len).sum()
    }
}
