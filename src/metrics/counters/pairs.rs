//! The counters of each pair of namespace and registry, in bounded memory.
//!
//! Namespaces come and go; a counter that stays for each would grow for as long as the process runs. So:
//!
//! - Series are exposed while a failure of the pair is open, and for [`EXPOSED`] after the pair's last event.
//! - At most `max` pairs are exposed. At the limit, those without an event for [`HELD`] are dropped; where there are
//!   none, a new pair is counted under the namespace [`OTHER_NAMESPACE`].
//! - A dropped pair keeps its values while memory for it lasts (`max` pairs), and continues with them when it returns.
//!   A counter that began at zero instead could return with the value it had, and `increase()` would miss that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::sharded_map::ShardedMap;
use image_pull_model::cause::Cause;
use image_pull_model::effect::FailureOutcome;
use image_pull_model::facts::PodId;
use image_pull_model::time::Timestamp;

/// The label value of every namespace beyond the limit. No namespace can have this name.
pub const OTHER_NAMESPACE: &str = "_other";
/// How long series are exposed after the last event.
pub(super) const MAX_IDLE: Duration = Duration::from_hours(24);
/// How long they are exposed at least, whatever the limit: longer than the range of any usual `rate()`.
pub(super) const MIN_IDLE_TO_EVICT: Duration = Duration::from_hours(1);
/// So many pairs a namespace may have when half of all are taken.
const FAIR_SHARE: usize = 8;

/// A counter, with the last event as its exemplar.
#[derive(Clone, Debug, Default)]
pub struct ExemplarCounter {
    /// How many events.
    pub value: u64,
    /// The pod of the last one, and when it was.
    pub exemplar: Option<(Arc<PodId>, Timestamp)>,
}

impl ExemplarCounter {
    pub(super) fn increment(&mut self, pod: &Arc<PodId>, now: Timestamp) {
        self.value += 1;
        self.exemplar = Some((Arc::clone(pod), now));
    }
}

/// The counters of one namespace and registry.
#[derive(Clone, Debug)]
pub struct PairCounters {
    /// Since when they count.
    pub start: Timestamp,
    /// Failures that began or were found.
    pub started: ExemplarCounter,
    /// Failures that ended, in the order of [`Outcome::ALL`].
    pub ended: [ExemplarCounter; FailureOutcome::ALL.len()],
    /// Failed attempts, by the name of the cause.
    pub attempts: Vec<(Cause, ExemplarCounter)>,
    /// Whether a failure is open.
    has_open_failure: bool,
    last_event: Timestamp,
    /// Whether it is exposed, as long as it is not idle.
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

    /// Whether its series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.is_admitted && (self.has_open_failure || now.saturating_duration_since(self.last_event) < MAX_IDLE)
    }

    /// The counter of failures with this outcome.
    pub(super) fn ended_with_outcome(&mut self, outcome: FailureOutcome) -> Option<&mut ExemplarCounter> {
        let place = FailureOutcome::ALL.iter().position(|other| *other == outcome)?;
        self.ended.get_mut(place)
    }

    /// The counter of failed attempts of this cause.
    pub(super) fn attempts_with_cause(&mut self, cause: Cause) -> Option<&mut ExemplarCounter> {
        let place = self.attempts.binary_search_by_key(&cause.as_str(), |(cause, _)| cause.as_str());
        let place = place.unwrap_or_else(|place| {
            self.attempts.insert(place, (cause, ExemplarCounter::default()));
            place
        });
        self.attempts.get_mut(place).map(|(_, count)| count)
    }
}

/// By namespace, then by registry.
pub(super) type PairsByNamespace = ShardedMap<BTreeMap<Arc<str>, PairCounters>>;

#[derive(Debug)]
pub(super) struct PairTable {
    max: usize,
    namespaces: PairsByNamespace,
    /// How many count against the limit: all that are shown but those of [`OTHER_NAMESPACE`].
    admitted: usize,
    /// How many are remembered only.
    evicted: usize,
    /// No pair can be dropped before.
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

    /// How many are held in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.admitted + self.evicted
    }

    /// Whether there are counters for a pair that has an event at `now`, or room for them.
    pub(super) fn try_admit(&mut self, namespace: &str, registry: &str, now: Timestamp) -> bool {
        let pairs = self.namespaces.get(namespace);
        if pairs.and_then(|pairs| pairs.get(registry)).is_some_and(|pair| pair.is_admitted) {
            return true;
        }
        // A crowd of registries in one namespace leaves half of all pairs to other namespaces.
        let own = pairs.map_or(0, |pairs| pairs.values().filter(|pair| pair.is_admitted).count());
        let limit = if own < FAIR_SHARE { self.max } else { self.max / 2 };
        self.admitted < limit || self.evict_idle(limit, now)
    }

    /// The counters of a pair that has an event at `now`.
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

    /// Notes whether a failure of the pair is open.
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

    /// Drops every pair that is idle for long enough. Returns whether fewer than `limit` are shown then.
    fn evict_idle(&mut self, limit: usize, now: Timestamp) -> bool {
        // A clock that was set back must not make this wait for a day that does not come.
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

    /// Forgets the older half of the pairs that are remembered only.
    fn discard_oldest_evicted(&mut self) {
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        let mut ages: Vec<Timestamp> = pairs.filter(|pair| !pair.is_admitted).map(|pair| pair.last_event).collect();
        ages.sort_unstable();
        let Some(newest_forgotten) = ages.get(ages.len() / 2).copied() else { return };
        self.namespaces.retain(|_, pairs| {
            pairs.retain(|_, pair| pair.is_admitted || pair.last_event > newest_forgotten);
            !pairs.is_empty()
        });
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        self.evicted = pairs.filter(|pair| !pair.is_admitted).count();
    }
}
