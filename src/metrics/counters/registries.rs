//! Which registries have a label value of their own, and their histograms, in bounded memory.
//!
//! At most `max` registries have their name; all others share the value [`OTHER`]. When no name is free, a registry
//! takes that of one that is used less ([`Uses::of`]), so that a namespace that invents a hundred registries cannot take
//! the name of one that fails elsewhere, or of one that has been idle for [`HELD`].
//!
//! A registry that lost its name keeps its series and continues with them when it gets its name back, unless memory for
//! it (`max` more registries) runs out. So every event is counted once, and no series goes back.

use std::collections::HashMap;
use std::sync::Arc;

use super::histograms::DurationHistogram;
use super::pairs::{MAX_IDLE, MIN_IDLE_TO_EVICT};
use super::registry_usage::RegistryUsage;
use super::sharded_map::ShardedMap;
use image_pull_model::effect::FailureOutcome;
use image_pull_model::time::Timestamp;

/// The label value of every registry without a name of its own. No registry can have this name: the first part of a
/// reference without a dot or a port belongs to the repository.
pub const OTHER_REGISTRY: &str = "other";
/// Bounds between the clusters of real back-off intervals, in seconds, so that no step straddles one.
const BACKOFF_BUCKETS: [f64; 7] = [15.0, 35.0, 68.0, 128.0, 238.0, 340.0, 600.0];
/// From a blip to a day, in seconds.
const FAILURE_BUCKETS: [f64; 10] = [30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0];

/// The histograms under one label value.
#[derive(Clone, Debug)]
pub struct RegistryHistograms {
    /// Back-off intervals.
    pub backoff_durations: DurationHistogram,
    /// How long failures lasted, in the order of [`Outcome::ALL`].
    pub failure_durations: [Option<DurationHistogram>; FailureOutcome::ALL.len()],
    /// Whether a failure is open.
    has_open_failure: bool,
    last_event: Timestamp,
}

impl RegistryHistograms {
    fn new(now: Timestamp) -> Self {
        Self {
            backoff_durations: DurationHistogram::new(&BACKOFF_BUCKETS, now),
            failure_durations: Default::default(),
            has_open_failure: false,
            last_event: now,
        }
    }

    /// Whether its series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.has_open_failure || now.saturating_duration_since(self.last_event) < MAX_IDLE
    }

    /// The histogram of failures with this outcome.
    pub(super) fn failure_durations_with_outcome(
        &mut self,
        outcome: FailureOutcome,
        now: Timestamp,
    ) -> Option<&mut DurationHistogram> {
        let place = FailureOutcome::ALL.iter().position(|other| *other == outcome)?;
        let histogram = self.failure_durations.get_mut(place)?;
        Some(histogram.get_or_insert_with(|| DurationHistogram::new(&FAILURE_BUCKETS, now)))
    }
}

/// By label value.
pub(super) type HistogramsByRegistry = ShardedMap<RegistryHistograms>;

#[derive(Debug)]
pub(super) struct RegistryTable {
    max: usize,
    /// The registries that have their name, and when each had its last event.
    admitted: HashMap<Arc<str>, Timestamp>,
    histograms: HistogramsByRegistry,
    /// How many entries `histograms` has besides [`OTHER`].
    len: usize,
}

impl RegistryTable {
    pub(super) fn new(max: usize) -> Self {
        Self { max, admitted: HashMap::new(), histograms: HistogramsByRegistry::default(), len: 0 }
    }

    pub(super) fn histograms(&self) -> &HistogramsByRegistry {
        &self.histograms
    }

    /// How many are held in memory besides [`OTHER`].
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a registry is counted under its name, for an event at `now`.
    pub(super) fn try_admit(&mut self, registry: &str, uses: &RegistryUsage, now: Timestamp) -> bool {
        if let Some(last_event) = self.admitted.get_mut(registry) {
            *last_event = now;
            return true;
        }
        let loser = if self.admitted.len() < self.max {
            None
        } else {
            match self.least_used(uses) {
                Some(loser) if uses.weight_of(registry) > uses.weight_of(&loser) || self.is_idle(&loser, uses, now) => {
                    Some(loser)
                }
                _ => return false,
            }
        };
        if self.histograms.get(registry).is_none() && self.len >= 2 * self.max {
            self.evict_idle(loser.as_deref(), now);
            if self.len >= 2 * self.max {
                return false;
            }
        }
        if let Some(loser) = loser {
            self.admitted.remove(&loser);
        }
        self.admitted.insert(registry.into(), now);
        true
    }

    /// The histograms under a label value, for an event at `now`.
    pub(super) fn entry(&mut self, label: &str, now: Timestamp) -> Option<&mut RegistryHistograms> {
        let len = &mut self.len;
        let new = || {
            *len += usize::from(label != OTHER_REGISTRY);
            RegistryHistograms::new(now)
        };
        let histograms = self.histograms.get_or_insert_with(label, new)?;
        histograms.last_event = now;
        Some(histograms)
    }

    /// Notes whether a failure of the registry is open.
    pub(super) fn set_open_failure(&mut self, registry: &str, is_open: bool) {
        if let Some(histograms) = self.histograms.get_mut(registry) {
            histograms.has_open_failure = is_open;
        }
    }

    fn least_used(&self, uses: &RegistryUsage) -> Option<Arc<str>> {
        let least = self
            .admitted
            .iter()
            .min_by_key(|(name, last_event)| (uses.weight_of(name), **last_event, Arc::clone(name)));
        least.map(|(name, _)| Arc::clone(name))
    }

    fn is_idle(&self, name: &str, uses: &RegistryUsage, now: Timestamp) -> bool {
        uses.weight_of(name) == 0
            && self
                .admitted
                .get(name)
                .is_some_and(|last_event| now.saturating_duration_since(*last_event) >= MIN_IDLE_TO_EVICT)
    }

    /// Forgets the histograms of registries without a name that have been idle for long enough.
    fn evict_idle(&mut self, loser: Option<&str>, now: Timestamp) {
        let names = &self.admitted;
        let mut len = 0;
        self.histograms.retain(|name, histograms| {
            if name == OTHER_REGISTRY {
                return true;
            }
            let has_name = names.contains_key(name) && loser != Some(name);
            let keep = has_name || now.saturating_duration_since(histograms.last_event) < MIN_IDLE_TO_EVICT;
            len += usize::from(keep);
            keep
        });
        self.len = len;
    }
}
