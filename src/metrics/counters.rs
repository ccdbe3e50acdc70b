//! The counters and histograms that are kept between scrapes, in bounded memory.
//!
//! ```text
//! IndexEffect --> Counters (behind the monitor's lock) --copied in constant time--> CountersSnapshot --> scrape
//! ```
//!
//! - `exporter`: counters about the exporter itself.
//! - `pairs`: counters for each pair of namespace and registry.
//! - `registries`: histograms for each registry.
//! - `registry_usage`: how many failures are open for each registry.
//!
//! `pairs` and `registries` document which entries are evicted when a limit is reached.

mod exporter;
mod histograms;
mod pairs;
mod registries;
mod registry_usage;
mod sharded_map;
#[cfg(test)]
mod tests;

pub(crate) use exporter::{EXPORTER_COUNTERS, ExporterCounter, ExporterCounterFamily, ExporterCounters};
pub(crate) use pairs::OTHER_NAMESPACE;
pub(crate) use registries::OTHER_REGISTRY;

pub(crate) use histograms::{ExemplarHistogram, encode_histograms};
pub(crate) use pairs::{ExemplarCounter, PairCounters};

use pairs::{PairTable, PairsByNamespace};
pub(crate) use registries::RegistryHistograms;
use registries::{HistogramsByRegistry, RegistryTable};
use registry_usage::RegistryUsage;

use image_pull_model::effect::{FailureSubject, PullReport};
use image_pull_model::failure_event::{FailureEvent, FailureOutcome};
use image_pull_model::image_wait::{PendingEvent, PendingOutcome};
use image_pull_model::time::Timestamp;

/// Limits on the label values of counters and histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CounterLimits {
    /// Maximum number of registries with a label value of their own.
    pub(crate) max_registries: usize,
    /// Maximum number of pairs of namespace and registry with counters of their own.
    pub(crate) max_pairs: usize,
}

/// All counters and histograms. The monitor updates them under its lock.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) exporter: ExporterCounters,
    /// Start of the counters about the exporter: the start of the process.
    start: Timestamp,
    pairs: PairTable,
    registries: RegistryTable,
    usage: RegistryUsage,
}

/// An immutable copy of all counters and histograms, taken at `now`.
#[derive(Clone, Debug)]
pub(crate) struct CountersSnapshot {
    pub(crate) exporter: ExporterCounters,
    /// Start of the counters about the exporter.
    pub(crate) start: Timestamp,
    now: Timestamp,
    namespaces: PairsByNamespace,
    registries: HistogramsByRegistry,
}

impl Counters {
    pub(crate) fn new(start: Timestamp, limits: CounterLimits) -> Self {
        Self {
            exporter: ExporterCounters::default(),
            start,
            pairs: PairTable::new(limits.max_pairs),
            registries: RegistryTable::new(limits.max_registries),
            usage: RegistryUsage::default(),
        }
    }

    /// Copies all counters in constant time: the copy shares unchanged entries.
    pub(crate) fn snapshot(&self, now: Timestamp) -> CountersSnapshot {
        CountersSnapshot {
            exporter: self.exporter.clone(),
            start: self.start,
            now,
            namespaces: self.pairs.namespaces().clone(),
            registries: self.registries.histograms().clone(),
        }
    }

    /// Counts an event of a failure at `now`.
    pub(crate) fn record_failure_event(&mut self, subject: &FailureSubject, event: &FailureEvent, now: Timestamp) {
        let FailureSubject { pod, registry, .. } = subject;
        match event {
            FailureEvent::Started => {
                self.usage.record_start(&pod.namespace, registry);
                let label = self.registry_label(registry, now);
                // Creates the histogram at zero, so that increase() includes the first observation.
                if let Some(histograms) = self.registries.entry(label, now) {
                    let _ = histograms.backoff_durations(now);
                }
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
            FailureEvent::Unclassified(_) => self.exporter.increment(ExporterCounter::UnclassifiedMessages),
            FailureEvent::StatusChanged(..) => {}
            FailureEvent::IntervalMeasured(interval) => {
                let label = self.registry_label(registry, now);
                if let Some(histograms) = self.registries.entry(label, now) {
                    histograms.backoff_durations(now).observe(interval.as_secs_f64(), pod, now);
                }
            }
            FailureEvent::Ended { outcome, duration, is_exact, .. } => {
                let label = self.registry_label(registry, now);
                let histograms = self.registries.entry(label, now).filter(|_| *is_exact);
                let histogram = histograms.and_then(|of| of.failure_durations_with_outcome(*outcome, now));
                if let Some(histogram) = histogram {
                    histogram.observe(duration.as_secs_f64(), pod, now);
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

    /// Counts an event of a pending stretch at `now`. Only stretches whose start and end were observed have a duration.
    pub(crate) fn record_pending_event(&mut self, subject: &FailureSubject, event: &PendingEvent, now: Timestamp) {
        let label = self.registry_label(&subject.registry, now);
        let Some(histograms) = self.registries.entry(label, now) else { return };
        match event {
            // Creates the histograms at zero, so that increase() includes the first observation.
            PendingEvent::Started => {
                let _ = histograms.pending_durations_with_outcome(PendingOutcome::Started, now);
                let _ = histograms.pending_durations_with_outcome(PendingOutcome::Failed, now);
            }
            PendingEvent::Ended { outcome: PendingOutcome::Unknown, .. }
            | PendingEvent::Ended { is_exact: false, .. } => {}
            PendingEvent::Ended { outcome, duration, is_exact: true } => {
                if let Some(histogram) = histograms.pending_durations_with_outcome(*outcome, now) {
                    histogram.observe(duration.as_secs_f64(), &subject.pod, now);
                }
            }
        }
    }

    /// Creates the statistics of pulls at zero for a registry that is pulled from, so that increase() includes the first pull.
    pub(crate) fn prepare_pulls(&mut self, registry: &str, now: Timestamp) {
        let label = self.registry_label(registry, now);
        if let Some(histograms) = self.registries.entry(label, now) {
            let _ = histograms.pulls(now);
        }
    }

    /// Counts the pulls that an Event of the kubelet reports.
    pub(crate) fn record_pull(&mut self, report: &PullReport, now: Timestamp) {
        let label = self.registry_label(&report.subject.registry, now);
        if let Some(histograms) = self.registries.entry(label, now) {
            histograms.pulls(now).record(report, now);
        }
    }

    /// Returns the label value of a registry: its name, or [`OTHER_REGISTRY`] beyond the limit.
    fn registry_label<'a>(&mut self, registry: &'a str, now: Timestamp) -> &'a str {
        if self.registries.try_admit(registry, &self.usage, now) {
            return registry;
        }
        self.exporter.increment(ExporterCounter::RegistriesBeyondCap);
        OTHER_REGISTRY
    }

    /// Returns the counters of a pair, or those of [`OTHER_NAMESPACE`] beyond the limit.
    fn pair_counters(&mut self, namespace: &str, label: &str, now: Timestamp) -> Option<&mut PairCounters> {
        if self.pairs.try_admit(namespace, label, now) {
            return self.pairs.entry(namespace, label, now);
        }
        self.exporter.increment(ExporterCounter::NamespacesBeyondCap);
        self.pairs.entry(OTHER_NAMESPACE, label, now)
    }

    /// Records which series have open failures: these are exposed however old their last event is.
    fn update_open_failures(&mut self, subject: &FailureSubject, now: Timestamp) {
        let (namespace, registry) = (&*subject.pod.namespace, &*subject.registry);
        self.registries.set_open_failure(registry, self.usage.weight_of(registry) > 0);
        self.pairs.set_open_failure(namespace, registry, self.usage.has_open_failure(namespace, registry), now);
        self.pairs.set_open_failure(namespace, OTHER_REGISTRY, self.usage.has_open_failure_in(namespace), now);
    }
}

/// Namespace, registry and their counters.
pub(crate) type PairRow<'a> = (&'a str, &'a str, &'a PairCounters);

impl CountersSnapshot {
    /// Returns the exposed counters, sorted by namespace and registry.
    pub(crate) fn exposed_pairs(&self) -> Vec<PairRow<'_>> {
        let mut rows: Vec<PairRow<'_>> = self
            .namespaces
            .iter()
            .flat_map(|(namespace, pairs)| pairs.iter().map(|(registry, pair)| (&**namespace, &**registry, pair)))
            .filter(|(_, _, pair)| pair.is_exposed(self.now))
            .collect();
        rows.sort_unstable_by_key(|(namespace, registry, _)| (*namespace, *registry));
        rows
    }

    /// Returns the exposed histograms, sorted by registry.
    pub(crate) fn exposed_registries(&self) -> Vec<(&str, &RegistryHistograms)> {
        let registries = self.registries.iter().filter(|(_, histograms)| histograms.is_exposed(self.now));
        let mut rows: Vec<_> = registries.map(|(registry, histograms)| (&**registry, histograms)).collect();
        rows.sort_unstable_by_key(|(registry, _)| *registry);
        rows
    }
}

/// Returns the outcomes sorted by name, each with its index in [`FailureOutcome::ALL`].
pub(crate) fn outcomes_by_name() -> Vec<(usize, FailureOutcome)> {
    let mut outcomes: Vec<_> = FailureOutcome::ALL.iter().copied().enumerate().collect();
    outcomes.sort_unstable_by_key(|(_, outcome)| outcome.as_str());
    outcomes
}
