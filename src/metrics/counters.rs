//! Counts what happened: the counters and histograms that live between scrapes, in bounded memory.
//!
//! ```text
//! Effect --> Counters (behind the monitor's lock) --copied in constant time--> Counted --> a scrape
//! ```
//!
//! `pairs` has the counters of each namespace and registry, `registries` the histograms of each registry; both say
//! what is dropped when. `uses` knows which registries fail where.

mod histograms;
mod pairs;
mod registries;
mod registry_usage;
mod sharded_map;
#[cfg(test)]
mod tests;

pub use histograms::{DurationHistogram, encode_histograms};
pub use pairs::{ExemplarCounter, OTHER_NAMESPACE, PairCounters};
pub use registries::{OTHER_REGISTRY, RegistryHistograms};

use pairs::{PairTable, PairsByNamespace};
use registries::{HistogramsByRegistry, RegistryTable};
use registry_usage::RegistryUsage;

use image_pull_model::effect::{FailureEvent, FailureOutcome, FailureSubject};
use image_pull_model::facts::ExceededLimits;
use image_pull_model::time::Timestamp;

/// How much is counted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterLimits {
    /// How many registries have a label value of their own.
    pub max_registries: usize,
    /// How many pairs of namespace and registry have counters of their own.
    pub max_pairs: usize,
}

/// What the informer reports, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEventType {
    /// A pod was listed.
    Listed,
    /// A pod was added or changed.
    Applied,
    /// A pod left the watch.
    Deleted,
}

impl WatchEventType {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Listed, Self::Applied, Self::Deleted];

    /// The value of the label `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Applied => "applied",
            Self::Deleted => "deleted",
        }
    }
}

/// The counters about the exporter itself: closed sets, all there from the start.
#[derive(Clone, Debug)]
pub struct ExporterCounters {
    /// Events of the watch, by type.
    pub watch_events: Vec<(WatchEventType, u64)>,
    /// New beginnings of the watch, by cause.
    pub watch_restarts: Vec<(&'static str, u64)>,
    /// Lists that were begun.
    pub relists: u64,
    /// Objects that were skipped.
    pub undecodable_objects: u64,
    /// What pods had beyond the limits.
    pub pod_limits_exceeded: ExceededLimits,
    /// Container statuses that were skipped.
    pub duplicate_containers: u64,
    /// Waiting reasons that no table has.
    pub unknown_reasons: u64,
    /// Error texts that no rule matches.
    pub unclassified_messages: u64,
    /// Events counted under the registry [`OTHER`].
    pub registries_beyond_cap: u64,
    /// Events counted under the namespace [`OTHER_NAMESPACE`].
    pub namespaces_beyond_cap: u64,
}

impl ExporterCounters {
    fn new(watch_causes: &[&'static str]) -> Self {
        Self {
            watch_events: WatchEventType::ALL.map(|event| (event, 0)).to_vec(),
            watch_restarts: watch_causes.iter().map(|cause| (*cause, 0)).collect(),
            relists: 0,
            undecodable_objects: 0,
            pod_limits_exceeded: ExceededLimits::default(),
            duplicate_containers: 0,
            unknown_reasons: 0,
            unclassified_messages: 0,
            registries_beyond_cap: 0,
            namespaces_beyond_cap: 0,
        }
    }

    /// Counts an event of the watch.
    pub fn record_watch_event(&mut self, event: WatchEventType) {
        increment(&mut self.watch_events, event);
    }

    /// Counts a new beginning of the watch.
    pub fn record_watch_restart(&mut self, cause: &'static str) {
        increment(&mut self.watch_restarts, cause);
    }
}

fn increment<K: Copy + PartialEq>(counts: &mut [(K, u64)], key: K) {
    if let Some((_, count)) = counts.iter_mut().find(|(other, _)| *other == key) {
        *count += 1;
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Counters {
    /// About the exporter itself.
    pub exporter: ExporterCounters,
    /// Since when everything is counted.
    start: Timestamp,
    pairs: PairTable,
    registries: RegistryTable,
    usage: RegistryUsage,
}

/// A copy of everything counted, as it is at one instant.
#[derive(Clone, Debug)]
pub struct CountersSnapshot {
    /// About the exporter itself.
    pub exporter: ExporterCounters,
    /// Since when that is counted.
    pub start: Timestamp,
    now: Timestamp,
    namespaces: PairsByNamespace,
    registries: HistogramsByRegistry,
}

impl Counters {
    /// Creates counters that count from `start` on. `watch_causes` are the causes that a watch restarts for.
    #[must_use]
    pub fn new(start: Timestamp, limits: CounterLimits, watch_causes: &[&'static str]) -> Self {
        Self {
            exporter: ExporterCounters::new(watch_causes),
            start,
            pairs: PairTable::new(limits.max_pairs),
            registries: RegistryTable::new(limits.max_registries),
            usage: RegistryUsage::default(),
        }
    }

    /// Copies everything, in constant time.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> CountersSnapshot {
        CountersSnapshot {
            exporter: self.exporter.clone(),
            start: self.start,
            now,
            namespaces: self.pairs.namespaces().clone(),
            registries: self.registries.histograms().clone(),
        }
    }

    /// Counts what happened to a failure at `now`.
    pub fn record_failure_event(&mut self, subject: &FailureSubject, event: &FailureEvent, now: Timestamp) {
        let FailureSubject { pod, registry, .. } = subject;
        match event {
            FailureEvent::Started => {
                self.usage.record_start(&pod.namespace, registry);
                let label = self.registry_label(registry, now);
                // What may come later starts at zero now, so that increase() sees the first one.
                let _ = self.registries.entry(label, now);
                if let Some(pair) = self.pair_counters(&pod.namespace, label, now) {
                    pair.started.increment(pod, now);
                }
                self.update_open_failures(subject, now);
            }
            FailureEvent::AttemptFailed(cause) => {
                let label = self.registry_label(registry, now);
                let pair = self.pair_counters(&pod.namespace, label, now);
                if let Some(count) = pair.and_then(|pair| pair.attempts_with_cause(*cause)) {
                    count.increment(pod, now);
                }
            }
            FailureEvent::Unclassified(_) => self.exporter.unclassified_messages += 1,
            FailureEvent::StatusChanged(..) => {}
            FailureEvent::IntervalMeasured(interval) => {
                let label = self.registry_label(registry, now);
                if let Some(histograms) = self.registries.entry(label, now) {
                    histograms.backoff_durations.observe(*interval, pod, now);
                }
            }
            FailureEvent::Ended { outcome, duration: lasted, is_exact: exact, .. } => {
                let label = self.registry_label(registry, now);
                let histograms = self.registries.entry(label, now).filter(|_| *exact);
                if let Some(histogram) =
                    histograms.and_then(|histograms| histograms.failure_durations_with_outcome(*outcome, now))
                {
                    histogram.observe(*lasted, pod, now);
                }
                let pair = self.pair_counters(&pod.namespace, label, now);
                if let Some(count) = pair.and_then(|pair| pair.ended_with_outcome(*outcome)) {
                    count.increment(pod, now);
                }
                self.usage.record_end(&pod.namespace, registry);
                self.update_open_failures(subject, now);
            }
        }
    }

    /// The label value under which a registry is counted.
    fn registry_label<'a>(&mut self, registry: &'a str, now: Timestamp) -> &'a str {
        if self.registries.try_admit(registry, &self.usage, now) {
            return registry;
        }
        self.exporter.registries_beyond_cap += 1;
        OTHER_REGISTRY
    }

    /// The counters for an event: the pair's own, or those of all namespaces beyond the limit.
    fn pair_counters(&mut self, namespace: &str, label: &str, now: Timestamp) -> Option<&mut PairCounters> {
        if self.pairs.try_admit(namespace, label, now) {
            return self.pairs.entry(namespace, label, now);
        }
        self.exporter.namespaces_beyond_cap += 1;
        self.pairs.entry(OTHER_NAMESPACE, label, now)
    }

    /// Notes which series have open failures, so that they are exposed.
    fn update_open_failures(&mut self, subject: &FailureSubject, now: Timestamp) {
        let (namespace, registry) = (&*subject.pod.namespace, &*subject.registry);
        self.registries.set_open_failure(registry, self.usage.weight_of(registry) > 0);
        self.pairs.set_open_failure(namespace, registry, self.usage.has_open_failure(namespace, registry), now);
        self.pairs.set_open_failure(namespace, OTHER_REGISTRY, self.usage.has_open_failure_in(namespace), now);
    }
}

/// The exposed counters of one namespace and registry.
pub type PairRow<'a> = (&'a str, &'a str, &'a PairCounters);

impl CountersSnapshot {
    /// The counters that are exposed, by namespace and registry, in order.
    #[must_use]
    pub fn exposed_pairs(&self) -> Vec<PairRow<'_>> {
        let mut rows: Vec<PairRow<'_>> = self
            .namespaces
            .iter()
            .flat_map(|(namespace, pairs)| pairs.iter().map(|(registry, pair)| (&**namespace, &**registry, pair)))
            .filter(|(_, _, pair)| pair.is_exposed(self.now))
            .collect();
        rows.sort_unstable_by_key(|(namespace, registry, _)| (*namespace, *registry));
        rows
    }

    /// The histograms that are exposed, by registry, in order.
    #[must_use]
    pub fn exposed_registries(&self) -> Vec<(&str, &RegistryHistograms)> {
        let registries = self.registries.iter().filter(|(_, histograms)| histograms.is_exposed(self.now));
        let mut rows: Vec<_> = registries.map(|(registry, histograms)| (&**registry, histograms)).collect();
        rows.sort_unstable_by_key(|(registry, _)| *registry);
        rows
    }
}

/// The outcomes in the order of their names, each with its place in [`Outcome::ALL`].
#[must_use]
pub fn outcomes_by_name() -> [(usize, FailureOutcome); FailureOutcome::ALL.len()] {
    let mut place = 0;
    let mut outcomes = FailureOutcome::ALL.map(|outcome| {
        place += 1;
        (place - 1, outcome)
    });
    outcomes.sort_unstable_by_key(|(_, outcome)| outcome.as_str());
    outcomes
}
