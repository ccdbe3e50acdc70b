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
use super::pairs::{EXPOSED, HELD};
use super::shards::ShardedMap;
use super::uses::Uses;
use image_pull_model::effect::Outcome;
use image_pull_model::time::Timestamp;

/// The label value of every registry without a name of its own. No registry can have this name: the first part of a
/// reference without a dot or a port belongs to the repository.
pub const OTHER: &str = "other";
/// Bounds between the clusters of real back-off intervals, in seconds, so that no step straddles one.
const BACKOFF_BUCKETS: [f64; 7] = [15.0, 35.0, 68.0, 128.0, 238.0, 340.0, 600.0];
/// From a blip to a day, in seconds.
const FAILURE_BUCKETS: [f64; 10] = [30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0];

/// The histograms under one label value.
#[derive(Clone, Debug)]
pub struct RegistryHistograms {
    /// Back-off intervals.
    pub backoffs: DurationHistogram,
    /// How long failures lasted, in the order of [`Outcome::ALL`].
    pub failures: [Option<DurationHistogram>; Outcome::ALL.len()],
    /// Whether a failure is open.
    is_open: bool,
    last_event: Timestamp,
}

impl RegistryHistograms {
    fn new(now: Timestamp) -> Self {
        Self {
            backoffs: DurationHistogram::new(&BACKOFF_BUCKETS, now),
            failures: Default::default(),
            is_open: false,
            last_event: now,
        }
    }

    /// Whether its series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.is_open || now.since(self.last_event) < EXPOSED
    }

    /// The histogram of failures with this outcome.
    pub(super) fn failures_of(&mut self, outcome: Outcome, now: Timestamp) -> Option<&mut DurationHistogram> {
        let place = Outcome::ALL.iter().position(|other| *other == outcome)?;
        let histogram = self.failures.get_mut(place)?;
        Some(histogram.get_or_insert_with(|| DurationHistogram::new(&FAILURE_BUCKETS, now)))
    }
}

/// By label value.
pub(super) type ByRegistry = ShardedMap<RegistryHistograms>;

#[derive(Debug)]
pub(super) struct Registries {
    max: usize,
    /// The registries that have their name, and when each had its last event.
    names: HashMap<Arc<str>, Timestamp>,
    histograms: ByRegistry,
    /// How many entries `histograms` has besides [`OTHER`].
    len: usize,
}

impl Registries {
    pub(super) fn new(max: usize) -> Self {
        Self { max, names: HashMap::new(), histograms: ByRegistry::default(), len: 0 }
    }

    pub(super) fn histograms(&self) -> &ByRegistry {
        &self.histograms
    }

    /// How many are held in memory besides [`OTHER`].
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a registry is counted under its name, for an event at `now`.
    pub(super) fn has_name(&mut self, registry: &str, uses: &Uses, now: Timestamp) -> bool {
        if let Some(last_event) = self.names.get_mut(registry) {
            *last_event = now;
            return true;
        }
        let loser = if self.names.len() < self.max {
            None
        } else {
            match self.least_used(uses) {
                Some(loser) if uses.of(registry) > uses.of(&loser) || self.is_idle(&loser, uses, now) => Some(loser),
                _ => return false,
            }
        };
        if self.histograms.get(registry).is_none() && self.len >= 2 * self.max {
            self.forget_idle(loser.as_deref(), now);
            if self.len >= 2 * self.max {
                return false;
            }
        }
        if let Some(loser) = loser {
            self.names.remove(&loser);
        }
        self.names.insert(registry.into(), now);
        true
    }

    /// The histograms under a label value, for an event at `now`.
    pub(super) fn of(&mut self, label: &str, now: Timestamp) -> Option<&mut RegistryHistograms> {
        let len = &mut self.len;
        let new = || {
            *len += usize::from(label != OTHER);
            RegistryHistograms::new(now)
        };
        let histograms = self.histograms.get_or_insert_with(label, new)?;
        histograms.last_event = now;
        Some(histograms)
    }

    /// Notes whether a failure of the registry is open.
    pub(super) fn set_open(&mut self, registry: &str, is_open: bool) {
        if let Some(histograms) = self.histograms.get_mut(registry) {
            histograms.is_open = is_open;
        }
    }

    fn least_used(&self, uses: &Uses) -> Option<Arc<str>> {
        let least = self.names.iter().min_by_key(|(name, last_event)| (uses.of(name), **last_event, Arc::clone(name)));
        least.map(|(name, _)| Arc::clone(name))
    }

    fn is_idle(&self, name: &str, uses: &Uses, now: Timestamp) -> bool {
        uses.of(name) == 0 && self.names.get(name).is_some_and(|last_event| now.since(*last_event) >= HELD)
    }

    /// Forgets the histograms of registries without a name that have been idle for long enough.
    fn forget_idle(&mut self, loser: Option<&str>, now: Timestamp) {
        let names = &self.names;
        let mut len = 0;
        self.histograms.retain(|name, histograms| {
            if name == OTHER {
                return true;
            }
            let has_name = names.contains_key(name) && loser != Some(name);
            let keep = has_name || now.since(histograms.last_event) < HELD;
            len += usize::from(keep);
            keep
        });
        self.len = len;
    }
}
