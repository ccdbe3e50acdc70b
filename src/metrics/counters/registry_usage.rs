//! The open failures for each namespace and registry, and the weight of each registry.

use std::collections::HashMap;
use std::sync::Arc;

/// Weight that a namespace adds to its first registry.
const FULL_WEIGHT: u64 = 1 << 32;

/// Open failures by namespace and registry. Bounded by the number of open failures.
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
    /// Returns the weight of a registry: the number of namespaces with open failures of it. The second registry of a
    /// namespace counts half, the third a third, and so on.
    pub(super) fn weight_of(&self, registry: &str) -> u64 {
        self.weights.get(registry).copied().unwrap_or_default()
    }

    pub(super) fn has_open_failure(&self, namespace: &str, registry: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|registries| registries.contains_key(registry))
    }

    pub(super) fn has_open_failure_in(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    pub(super) fn record_start(&mut self, namespace: &str, registry: &str) {
        if let Some(open) = self.namespaces.get_mut(namespace).and_then(|registries| registries.get_mut(registry)) {
            open.count += 1;
            return;
        }
        let registry: Arc<str> = registry.into();
        let registries = self.namespaces.entry(namespace.into()).or_default();
        let weight = FULL_WEIGHT / (registries.len() as u64 + 1);
        registries.insert(Arc::clone(&registry), OpenFailures { count: 1, weight });
        *self.weights.entry(registry).or_default() += weight;
    }

    pub(super) fn record_end(&mut self, namespace: &str, registry: &str) {
        let Some(registries) = self.namespaces.get_mut(namespace) else { return };
        let Some(open) = registries.get_mut(registry) else { return };
        open.count -= 1;
        if open.count > 0 {
            return;
        }
        let weight = open.weight;
        registries.remove(registry);
        if registries.is_empty() {
            self.namespaces.remove(namespace);
        }
        if let Some(votes) = self.weights.get_mut(registry) {
            *votes -= weight;
            if *votes == 0 {
                self.weights.remove(registry);
            }
        }
    }

    /// Returns the number of pairs of namespace and registry with open failures.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(HashMap::len).sum()
    }
}
