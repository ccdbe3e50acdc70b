//! The registries with a label value of their own, and their histograms, in bounded memory.
//!
//! At most `max` registries are admitted. All others share the label value [`OTHER_REGISTRY`]. At the limit, a new
//! registry replaces an admitted one with a lower weight ([`RegistryUsage::weight_of`]), or one without an event for
//! [`MIN_IDLE_TO_EVICT`]. A namespace that invents a hundred registries cannot replace one that fails elsewhere.
//!
//! A replaced registry keeps its histograms and continues them when it is admitted again. Histograms of up to `max`
//! replaced registries are kept. Every event is counted once, and no series decreases.

use std::collections::HashMap;
use std::sync::Arc;

use super::histograms::ExemplarHistogram;
use super::pairs::{ExemplarCounter, MAX_IDLE, MIN_IDLE_TO_EVICT};
use super::registry_usage::RegistryUsage;
use super::sharded_map::ShardedMap;
use image_pull_model::effect::{PullReport, PullResult};
use image_pull_model::failure_event::FailureOutcome;
use image_pull_model::image_wait::PendingOutcome;
use image_pull_model::time::Timestamp;

/// Label value of all registries beyond the limit. It cannot be a registry: without a dot or a port, the first part of
/// an image reference belongs to the repository.
pub(crate) const OTHER_REGISTRY: &str = "other";
/// Bucket bounds in seconds, between the usual steps of the back-off, so that no step spans a bound.
const BACKOFF_BUCKETS: [f64; 7] = [15.0, 35.0, 68.0, 128.0, 238.0, 340.0, 600.0];
/// Bucket bounds in seconds, up to one day.
const FAILURE_BUCKETS: [f64; 10] = [30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0];

/// Bucket bounds in seconds: from a small image in the local network to a large one behind a long queue.
const PULL_BUCKETS: [f64; 13] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
/// Maximum number of pulls that one Event adds. A kubelet pulls less often between two writes of an Event, so a larger count is not
/// from a kubelet.
const MAX_PULLS_OF_AN_EVENT: u32 = 1000;
/// Bucket bounds in bytes: 1 MiB to 64 GiB.
const SIZE_BUCKETS: [f64; 9] = [
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
    17_179_869_184.0,
    68_719_476_736.0,
];

/// The histograms of one label value. Each is created by the first event that it is about, since most registries never fail.
#[derive(Clone, Debug)]
pub(crate) struct RegistryHistograms {
    pub(crate) backoff_durations: Option<ExemplarHistogram>,
    /// Durations of failures by outcome, in the order of [`FailureOutcome::ALL`].
    pub(crate) failure_durations: [Option<ExemplarHistogram>; FailureOutcome::ALL.len()],
    /// Durations of pending stretches by outcome, in the order of [`PendingOutcome::ALL`].
    pub(crate) pending_durations: [Option<ExemplarHistogram>; PendingOutcome::ALL.len()],
    /// Pulls according to the kubelet's Events.
    pub(crate) pulls: Option<PullStatistics>,
    has_open_failure: bool,
    last_event: Timestamp,
}

impl RegistryHistograms {
    fn new(now: Timestamp) -> Self {
        Self {
            backoff_durations: None,
            failure_durations: Default::default(),
            pending_durations: Default::default(),
            pulls: None,
            has_open_failure: false,
            last_event: now,
        }
    }

    /// Returns whether the series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.has_open_failure || now.saturating_duration_since(self.last_event) < MAX_IDLE
    }

    /// Returns the histogram of back-off intervals.
    pub(super) fn backoff_durations(&mut self, now: Timestamp) -> &mut ExemplarHistogram {
        self.backoff_durations.get_or_insert_with(|| ExemplarHistogram::new(&BACKOFF_BUCKETS, now))
    }

    /// Returns the histogram of pending stretches with this outcome.
    pub(super) fn pending_durations_with_outcome(
        &mut self,
        outcome: PendingOutcome,
        now: Timestamp,
    ) -> Option<&mut ExemplarHistogram> {
        let index = PendingOutcome::ALL.iter().position(|other| *other == outcome)?;
        histogram_at(&mut self.pending_durations, index, &PULL_BUCKETS, now)
    }

    /// Returns the statistics of pulls.
    pub(super) fn pulls(&mut self, now: Timestamp) -> &mut PullStatistics {
        self.pulls.get_or_insert_with(|| PullStatistics::new(now))
    }

    /// Returns the histogram of failures with this outcome.
    pub(super) fn failure_durations_with_outcome(
        &mut self,
        outcome: FailureOutcome,
        now: Timestamp,
    ) -> Option<&mut ExemplarHistogram> {
        let index = FailureOutcome::ALL.iter().position(|other| *other == outcome)?;
        histogram_at(&mut self.failure_durations, index, &FAILURE_BUCKETS, now)
    }
}

/// Returns the histogram at an index. Creates it if it does not exist.
fn histogram_at<'a>(
    histograms: &'a mut [Option<ExemplarHistogram>],
    index: usize,
    bounds: &'static [f64],
    now: Timestamp,
) -> Option<&'a mut ExemplarHistogram> {
    Some(histograms.get_mut(index)?.get_or_insert_with(|| ExemplarHistogram::new(bounds, now)))
}

/// The pulls of one label value, according to the kubelet's Events.
#[derive(Clone, Debug)]
pub(crate) struct PullStatistics {
    /// Time at which the counters were zero.
    pub(crate) start: Timestamp,
    pub(crate) pulled: ExemplarCounter,
    pub(crate) failed: ExemplarCounter,
    pub(crate) durations: ExemplarHistogram,
    pub(crate) queue_durations: ExemplarHistogram,
    pub(crate) sizes: ExemplarHistogram,
}

impl PullStatistics {
    fn new(now: Timestamp) -> Self {
        Self {
            start: now,
            pulled: ExemplarCounter::default(),
            failed: ExemplarCounter::default(),
            durations: ExemplarHistogram::new(&PULL_BUCKETS, now),
            queue_durations: ExemplarHistogram::new(&PULL_BUCKETS, now),
            sizes: ExemplarHistogram::new(&SIZE_BUCKETS, now),
        }
    }

    /// Records the pulls of an Event.
    pub(super) fn record(&mut self, report: &PullReport, now: Timestamp) {
        let (pod, count) = (&report.subject.pod, report.count.min(MAX_PULLS_OF_AN_EVENT));
        match report.result {
            PullResult::Failed => self.failed.add(count.into(), pod, now),
            PullResult::Pulled { duration, queued, size } => {
                self.pulled.add(count.into(), pod, now);
                for _ in 0..count {
                    self.durations.observe(duration.as_secs_f64(), pod, now);
                    if let Some(queued) = queued {
                        self.queue_durations.observe(queued.as_secs_f64(), pod, now);
                    }
                    if let Some(size) = size {
                        self.sizes.observe(size as f64, pod, now);
                    }
                }
            }
        }
    }
}

/// Histograms by label value.
pub(super) type HistogramsByRegistry = ShardedMap<RegistryHistograms>;

#[derive(Debug)]
pub(super) struct RegistryTable {
    max: usize,
    /// The registries with a label value of their own, and the time of their last event.
    admitted: HashMap<Arc<str>, Timestamp>,
    histograms: HistogramsByRegistry,
    /// Number of entries of `histograms`, except [`OTHER_REGISTRY`].
    len: usize,
}

impl RegistryTable {
    pub(super) fn new(max: usize) -> Self {
        Self { max, admitted: HashMap::new(), histograms: HistogramsByRegistry::default(), len: 0 }
    }

    pub(super) fn histograms(&self) -> &HistogramsByRegistry {
        &self.histograms
    }

    /// Returns the number of registries in memory, except [`OTHER_REGISTRY`].
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether a registry with an event at `now` has a label value of its own. Replaces another one if necessary.
    pub(super) fn try_admit(&mut self, registry: &str, uses: &RegistryUsage, now: Timestamp) -> bool {
        if let Some(last_event) = self.admitted.get_mut(registry) {
            *last_event = now;
            return true;
        }
        let replaced = if self.admitted.len() < self.max {
            None
        } else {
            match self.least_used(uses) {
                Some(replaced)
                    if uses.weight_of(registry) > uses.weight_of(&replaced) || self.is_idle(&replaced, uses, now) =>
                {
                    Some(replaced)
                }
                _ => return false,
            }
        };
        if self.histograms.get(registry).is_none() && self.len >= 2 * self.max {
            self.evict_idle(replaced.as_deref(), now);
            if self.len >= 2 * self.max {
                return false;
            }
        }
        if let Some(replaced) = replaced {
            self.admitted.remove(&replaced);
        }
        self.admitted.insert(registry.into(), now);
        true
    }

    /// Returns the histograms of a label value with an event at `now`.
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

    /// Records whether a failure of the registry is open.
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

    /// Discards the histograms of idle registries that are not admitted.
    fn evict_idle(&mut self, replaced: Option<&str>, now: Timestamp) {
        let names = &self.admitted;
        let mut len = 0;
        self.histograms.retain(|name, histograms| {
            if name == OTHER_REGISTRY {
                return true;
            }
            let is_admitted = names.contains_key(name) && replaced != Some(name);
            let keep = is_admitted || now.saturating_duration_since(histograms.last_event) < MIN_IDLE_TO_EVICT;
            len += usize::from(keep);
            keep
        });
        self.len = len;
    }
}
