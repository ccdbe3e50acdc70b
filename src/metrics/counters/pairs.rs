//! The counters for each pair of namespace and registry, in bounded memory.
//!
//! Namespaces are created and deleted, so counters that are never removed would grow without bound. Therefore:
//!
//! - Series are exposed while a failure of the pair is open, and for [`MAX_IDLE`] after the last event of the pair.
//! - At most `max` pairs are exposed. At the limit, pairs without an event for [`MIN_IDLE_TO_EVICT`] are evicted.
//!   Without such a pair, new pairs are counted with the namespace [`OTHER_NAMESPACE`].
//! - Up to `max` evicted pairs keep their values in memory, and continue from them when they are admitted again. A
//!   counter that restarted at zero could return to its old value, and `increase()` would miss those events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::sharded_map::ShardedMap;
use image_pull_model::cause::Cause;
use image_pull_model::facts::PodId;
use image_pull_model::failure_event::FailureOutcome;
use image_pull_model::time::Timestamp;

/// Label value of all namespaces beyond the limit. It is not a valid name of a namespace.
pub(crate) const OTHER_NAMESPACE: &str = "_other";
/// Exposure of series after their last event.
pub(super) const MAX_IDLE: Duration = Duration::from_hours(24);
/// Minimum time without an event before a pair is evicted. Exceeds the usual ranges of `rate()`.
pub(super) const MIN_IDLE_TO_EVICT: Duration = Duration::from_hours(1);
/// Maximum number of pairs per namespace when half of all pairs are in use.
const FAIR_SHARE: usize = 8;

/// A counter with its last event as exemplar.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExemplarCounter {
    pub(crate) value: u64,
    /// Pod and time of the last event.
    pub(crate) exemplar: Option<(Arc<PodId>, Timestamp)>,
}

impl ExemplarCounter {
    pub(super) fn increment(&mut self, pod: &Arc<PodId>, now: Timestamp) {
        self.add(1, pod, now);
    }

    /// Adds events. The last is at `now`.
    pub(super) fn add(&mut self, count: u64, pod: &Arc<PodId>, now: Timestamp) {
        self.value = self.value.saturating_add(count);
        self.exemplar = Some((Arc::clone(pod), now));
    }
}

/// The counters of one pair of namespace and registry.
#[derive(Clone, Debug)]
pub(crate) struct PairCounters {
    /// Time at which the counters were zero.
    pub(crate) start: Timestamp,
    pub(crate) started: ExemplarCounter,
    /// Ended failures by outcome, in the order of [`FailureOutcome::ALL`].
    pub(crate) ended: [ExemplarCounter; FailureOutcome::ALL.len()],
    /// Failed attempts, sorted by the name of the cause.
    pub(crate) attempts: Vec<(Cause, ExemplarCounter)>,
    has_open_failure: bool,
    last_event: Timestamp,
    /// Whether the pair counts against the limit. If not, only its values are kept.
    is_admitted: bool,
}

impl PairCounters {
    fn new(now: Timestamp) -> Self {
        Self {
            start: now,
            started: ExemplarCounter::default(),
            ended: Default::default(),
            attempts: Vec::new(),
            has_open_failure: false,
            last_event: now,
            is_admitted: false,
        }
    }

    /// Returns whether the series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.is_admitted && (self.has_open_failure || now.saturating_duration_since(self.last_event) < MAX_IDLE)
    }

    /// Returns the counter of failures with this outcome.
    pub(super) fn ended_with_outcome(&mut self, outcome: FailureOutcome) -> Option<&mut ExemplarCounter> {
        let index = FailureOutcome::ALL.iter().position(|other| *other == outcome)?;
        self.ended.get_mut(index)
    }

    /// Returns the counter of failed attempts with this cause.
    pub(super) fn attempts_with_cause(&mut self, cause: Cause) -> Option<&mut ExemplarCounter> {
        let index = self.attempts.binary_search_by_key(&cause.as_str(), |(cause, _)| cause.as_str());
        let index = index.unwrap_or_else(|index| {
            self.attempts.insert(index, (cause, ExemplarCounter::default()));
            index
        });
        self.attempts.get_mut(index).map(|(_, count)| count)
    }
}

/// Counters by namespace, then by registry.
pub(super) type PairsByNamespace = ShardedMap<BTreeMap<Arc<str>, PairCounters>>;

#[derive(Debug)]
pub(super) struct PairTable {
    max: usize,
    namespaces: PairsByNamespace,
    /// Number of admitted pairs, except those of [`OTHER_NAMESPACE`].
    admitted: usize,
    /// Number of evicted pairs in memory.
    evicted: usize,
    /// Earliest time at which another pair can be evicted.
    next_eviction: Timestamp,
}

impl PairTable {
    pub(super) fn new(max: usize) -> Self {
        let nothing_idle_before = Timestamp::default();
        Self {
            max,
            namespaces: PairsByNamespace::default(),
            admitted: 0,
            evicted: 0,
            next_eviction: nothing_idle_before,
        }
    }

    pub(super) fn namespaces(&self) -> &PairsByNamespace {
        &self.namespaces
    }

    /// Returns the number of pairs in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.admitted + self.evicted
    }

    /// Returns whether a pair with an event at `now` may have counters of its own. Evicts idle pairs if necessary.
    pub(super) fn try_admit(&mut self, namespace: &str, registry: &str, now: Timestamp) -> bool {
        let pairs = self.namespaces.get(namespace);
        if pairs.and_then(|pairs| pairs.get(registry)).is_some_and(|pair| pair.is_admitted) {
            return true;
        }
        // A namespace with many registries leaves half of all pairs to other namespaces.
        let own_pairs = pairs.map_or(0, |pairs| pairs.values().filter(|pair| pair.is_admitted).count());
        let limit = if own_pairs < FAIR_SHARE { self.max } else { self.max / 2 };
        self.admitted < limit || self.evict_idle(limit, now)
    }

    /// Returns the counters of a pair with an event at `now`, and admits the pair.
    pub(super) fn entry(&mut self, namespace: &str, registry: &str, now: Timestamp) -> Option<&mut PairCounters> {
        let pairs = self.namespaces.get_or_insert_with(namespace, BTreeMap::new)?;
        if !pairs.contains_key(registry) {
            pairs.insert(registry.into(), PairCounters::new(now));
            self.evicted += 1;
        }
        let pair = pairs.get_mut(registry)?;
        if !pair.is_admitted {
            pair.is_admitted = true;
            self.admitted += usize::from(namespace != OTHER_NAMESPACE);
            self.evicted -= 1;
        }
        pair.last_event = now;
        Some(pair)
    }

    /// Records whether a failure of the pair is open.
    pub(super) fn set_open_failure(&mut self, namespace: &str, registry: &str, is_open: bool, now: Timestamp) {
        let pair = self.namespaces.get(namespace).and_then(|pairs| pairs.get(registry));
        if pair.is_none_or(|pair| pair.has_open_failure == is_open) {
            return;
        }
        if let Some(pair) = self.namespaces.get_mut(namespace).and_then(|pairs| pairs.get_mut(registry)) {
            pair.has_open_failure = is_open;
            pair.last_event = now;
        }
    }

    /// Evicts all idle pairs. Returns whether fewer than `limit` pairs remain admitted.
    fn evict_idle(&mut self, limit: usize, now: Timestamp) -> bool {
        // Ignores `next_eviction` if the clock was set back.
        if now < self.next_eviction && self.next_eviction.saturating_duration_since(now) <= MIN_IDLE_TO_EVICT {
            return self.admitted < limit;
        }
        let mut oldest = now;
        self.namespaces.retain(|namespace, pairs| {
            for pair in pairs.values_mut().filter(|pair| pair.is_admitted && !pair.has_open_failure) {
                if now.saturating_duration_since(pair.last_event) >= MIN_IDLE_TO_EVICT {
                    pair.is_admitted = false;
                    self.admitted -= usize::from(namespace != OTHER_NAMESPACE);
                    self.evicted += 1;
                } else {
                    oldest = oldest.min(pair.last_event);
                }
            }
            true
        });
        self.next_eviction = oldest.saturating_add(MIN_IDLE_TO_EVICT);
        if self.evicted > self.max {
            self.discard_oldest_evicted();
        }
        self.admitted < limit
    }

    /// Discards the older half of the evicted pairs.
    fn discard_oldest_evicted(&mut self) {
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        let mut ages: Vec<Timestamp> = pairs.filter(|pair| !pair.is_admitted).map(|pair| pair.last_event).collect();
        ages.sort_unstable();
        let Some(newest_discarded) = ages.get(ages.len() / 2).copied() else { return };
        self.namespaces.retain(|_, pairs| {
            pairs.retain(|_, pair| pair.is_admitted || pair.last_event > newest_discarded);
            !pairs.is_empty()
        });
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        self.evicted = pairs.filter(|pair| !pair.is_admitted).count();
    }
}
