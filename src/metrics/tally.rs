//! Counts what happened: the counters and histograms that live between scrapes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Error;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, LabelPair, MetricFamily};
use prometheus_client::encoding::prometheus_protobuf::{self};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::CounterWithExemplar;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;
use prost_types::Timestamp as ProtoTimestamp;

use crate::pull::effect::{FailureEvent, Outcome, Subject};
use crate::pull::time::Timestamp;

/// The label value of every registry beyond the cap.
const OTHER: &str = "other";
/// Bounds between the clusters of real back-off intervals, in seconds, so that no step straddles one.
const BACKOFF_BUCKETS: [f64; 7] = [15.0, 35.0, 68.0, 128.0, 238.0, 340.0, 600.0];
/// From a blip to a day, in seconds.
const FAILURE_BUCKETS: [f64; 10] = [30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0];
/// Resolution of the native histograms: each bucket is at most a tenth wider than the one before.
const NATIVE_FACTOR: f64 = 1.1;
/// More native buckets than this are merged.
const NATIVE_BUCKETS: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempts {
    namespace: String,
    registry: String,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Started {
    namespace: String,
    registry: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    namespace: String,
    registry: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackOffs {
    registry: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Durations {
    registry: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchEvents {
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchRestarts {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExemplarLabels {
    namespace: String,
    pod: String,
}

type ExemplarCounter = CounterWithExemplar<ExemplarLabels>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The counters and histograms, by the names that [`families`](super::families) gives them.
#[derive(Debug)]
pub struct Tally {
    registry: Registry,
    /// Since when everything here is counted: the created timestamp of each counter.
    began: Timestamp,
    /// How many registries get a label value of their own.
    max_registries: usize,
    registries: BTreeSet<String>,
    attempts: Family<Attempts, ExemplarCounter>,
    started: Family<Started, ExemplarCounter>,
    ended: Family<Ended, ExemplarCounter>,
    backoff_durations: Histograms<BackOffs>,
    failure_durations: Histograms<Durations>,
    /// The last exemplar of each bucket, since prometheus-client has none for native histograms.
    exemplars: BTreeMap<SeriesKey, BTreeMap<usize, Exemplar>>,
    /// Events of failures whose registry was beyond the cap.
    beyond_cap: Counter,
    watch_events: Family<WatchEvents, Counter>,
    watch_restarts: Family<WatchRestarts, Counter>,
    relists: Counter,
    undecodable: Counter,
    duplicates: Counter,
    unknown_reasons: Counter,
    unclassified: Counter,
}

/// A series of a histogram: the family's name and the label values.
type SeriesKey = (&'static str, Vec<String>);

const BACKOFF_DURATION: &str = "image_pull_backoff_duration_seconds";
const FAILURE_DURATION: &str = "image_pull_failure_duration_seconds";

/// What the informer told, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A pod was listed.
    Listed,
    /// A pod was added or changed.
    Applied,
    /// A pod left the watch.
    Deleted,
}

impl WatchEvent {
    const ALL: [Self; 3] = [Self::Listed, Self::Applied, Self::Deleted];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Applied => "applied",
            Self::Deleted => "deleted",
        }
    }
}

impl Tally {
    /// Everything at zero, from `began` on. `watch_causes` are those that [`watch_restart`](Self::watch_restart) may be told.
    #[must_use]
    pub fn new(began: Timestamp, max_registries: usize, watch_causes: &[&'static str]) -> Self {
        let mut tally = Self {
            registry: Registry::default(),
            began,
            max_registries,
            registries: BTreeSet::new(),
            attempts: Family::default(),
            started: Family::default(),
            ended: Family::default(),
            backoff_durations: Family::new_with_constructor(backoff_histogram),
            failure_durations: Family::new_with_constructor(failure_histogram),
            exemplars: BTreeMap::new(),
            beyond_cap: Counter::default(),
            watch_events: Family::default(),
            watch_restarts: Family::default(),
            relists: Counter::default(),
            undecodable: Counter::default(),
            duplicates: Counter::default(),
            unknown_reasons: Counter::default(),
            unclassified: Counter::default(),
        };
        tally.register();
        for event in WatchEvent::ALL {
            drop(tally.watch_events.get_or_create(&WatchEvents { r#type: event.as_str() }));
        }
        for cause in watch_causes {
            drop(tally.watch_restarts.get_or_create(&WatchRestarts { cause }));
        }
        tally
    }

    /// Registers under the names of the table, less the `_total` that prometheus-client appends.
    fn register(&mut self) {
        let Self { registry, .. } = self;
        let help = "";
        registry.register("image_pull_failed_attempts", help, self.attempts.clone());
        registry.register("image_pull_failures_started", help, self.started.clone());
        registry.register("image_pull_failures_ended", help, self.ended.clone());
        registry.register(BACKOFF_DURATION, help, self.backoff_durations.clone());
        registry.register(FAILURE_DURATION, help, self.failure_durations.clone());
        registry.register("image_pull_exporter_registries_beyond_cap_events", help, self.beyond_cap.clone());
        registry.register("image_pull_exporter_watch_events", help, self.watch_events.clone());
        registry.register("image_pull_exporter_watch_restarts", help, self.watch_restarts.clone());
        registry.register("image_pull_exporter_relists", help, self.relists.clone());
        registry.register("image_pull_exporter_undecodable_objects", help, self.undecodable.clone());
        registry.register("image_pull_exporter_duplicate_containers", help, self.duplicates.clone());
        registry.register("image_pull_exporter_unknown_reasons", help, self.unknown_reasons.clone());
        registry.register("image_pull_exporter_unclassified_messages", help, self.unclassified.clone());
    }

    /// Counts what happened to a failure at `now`.
    pub fn failure(&mut self, subject: &Subject, event: &FailureEvent, now: Timestamp) {
        let namespace = subject.pod.namespace.clone();
        let registry = self.registry_label(&subject.registry);
        let exemplar = ExemplarLabels { namespace: namespace.clone(), pod: subject.pod.name.clone() };
        let at = Some(std::time::UNIX_EPOCH + unix(now));
        match event {
            FailureEvent::Started => {
                // What may come later starts at zero now, so that increase() sees the first one.
                for outcome in Outcome::ALL {
                    let labels =
                        Ended { namespace: namespace.clone(), registry: registry.clone(), outcome: outcome.as_str() };
                    drop(self.ended.get_or_create(&labels));
                }
                drop(self.backoff_durations.get_or_create(&BackOffs { registry: registry.clone() }));
                let labels = Started { namespace, registry };
                self.started.get_or_create(&labels).inc_by(1, Some(exemplar), at);
            }
            FailureEvent::Attempted(cause) => {
                let labels = Attempts { namespace, registry, cause: cause.as_str() };
                self.attempts.get_or_create(&labels).inc_by(1, Some(exemplar), at);
            }
            FailureEvent::Unclassified(_) => {
                self.unclassified.inc();
            }
            FailureEvent::Turned(..) => {}
            FailureEvent::BackedOff(interval) => {
                let series = (BACKOFF_DURATION, vec![registry.clone()]);
                self.backoff_durations.get_or_create(&BackOffs { registry }).observe(interval.as_secs_f64());
                self.remember(series, &BACKOFF_BUCKETS, *interval, &exemplar, now);
            }
            FailureEvent::Ended { outcome, lasted, exact, .. } => {
                if *exact {
                    let series = (FAILURE_DURATION, vec![registry.clone(), outcome.as_str().to_owned()]);
                    let labels = Durations { registry: registry.clone(), outcome: outcome.as_str() };
                    self.failure_durations.get_or_create(&labels).observe(lasted.as_secs_f64());
                    self.remember(series, &FAILURE_BUCKETS, *lasted, &exemplar, now);
                }
                let labels = Ended { namespace, registry, outcome: outcome.as_str() };
                self.ended.get_or_create(&labels).inc_by(1, Some(exemplar), at);
            }
        }
    }

    /// Counts an event of the watch.
    pub fn watch_event(&self, event: WatchEvent) {
        self.watch_events.get_or_create(&WatchEvents { r#type: event.as_str() }).inc();
    }

    /// Counts a new beginning of the watch. `cause` is a word of a closed set.
    pub fn watch_restart(&self, cause: &'static str) {
        self.watch_restarts.get_or_create(&WatchRestarts { cause }).inc();
    }

    /// Counts the beginning of a list of the whole cluster.
    pub fn relist(&self) {
        self.relists.inc();
    }

    /// Counts an object that was skipped.
    pub fn undecodable(&self) {
        self.undecodable.inc();
    }

    /// Counts a container status that was skipped.
    pub fn duplicate(&self) {
        self.duplicates.inc();
    }

    /// Counts a waiting reason that no table knows.
    pub fn unknown_reason(&self) {
        self.unknown_reasons.inc();
    }

    /// Everything counted, family by family, in the data model of the exposition.
    ///
    /// # Errors
    /// When prometheus-client cannot encode what it holds.
    pub fn collect(&self) -> Result<Vec<MetricFamily>, Error> {
        let mut families = prometheus_protobuf::encode(&self.registry)?;
        let began = proto_timestamp(self.began);
        for family in &mut families {
            // They come out of hash maps; a reader, a diff and gzip want them in order.
            family.metric.sort_by(|a, b| values(&a.label).cmp(values(&b.label)));
            let name = [BACKOFF_DURATION, FAILURE_DURATION].into_iter().find(|name| *name == family.name);
            for metric in &mut family.metric {
                if let Some(counter) = &mut metric.counter {
                    counter.start_timestamp = Some(began);
                }
                let (Some(name), Some(histogram)) = (name, &mut metric.histogram) else { continue };
                let series = (name, values(&metric.label).map(str::to_owned).collect());
                let Some(exemplars) = self.exemplars.get(&series) else { continue };
                for (bucket, exemplar) in exemplars {
                    if let Some(bucket) = histogram.bucket.get_mut(*bucket) {
                        bucket.exemplar = Some(exemplar.clone());
                    }
                }
            }
        }
        Ok(families)
    }

    fn remember(
        &mut self,
        series: SeriesKey,
        bounds: &[f64],
        value: Duration,
        labels: &ExemplarLabels,
        now: Timestamp,
    ) {
        let value = value.as_secs_f64();
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        let label = |name: &str, value: &str| LabelPair { name: name.to_owned(), value: value.to_owned() };
        let exemplar = Exemplar {
            label: vec![label("namespace", &labels.namespace), label("pod", &labels.pod)],
            value,
            timestamp: Some(proto_timestamp(now)),
        };
        self.exemplars.entry(series).or_default().insert(bucket, exemplar);
    }

    /// The registry as a label value: the first so many keep their name.
    fn registry_label(&mut self, registry: &str) -> String {
        if self.registries.contains(registry) {
            return registry.to_owned();
        }
        if self.registries.len() >= self.max_registries {
            self.beyond_cap.inc();
            return OTHER.to_owned();
        }
        self.registries.insert(registry.to_owned());
        registry.to_owned()
    }
}

fn values(labels: &[LabelPair]) -> impl Iterator<Item = &str> {
    labels.iter().map(|label| label.value.as_str())
}

fn backoff_histogram() -> Histogram {
    Histogram::new_classic_and_native(BACKOFF_BUCKETS, native())
}

fn failure_histogram() -> Histogram {
    Histogram::new_classic_and_native(FAILURE_BUCKETS, native())
}

fn native() -> NativeHistogramConfig {
    NativeHistogramConfig::new(NATIVE_FACTOR).max_buckets(NATIVE_BUCKETS)
}

fn unix(at: Timestamp) -> Duration {
    at.since(Timestamp::default())
}

fn proto_timestamp(at: Timestamp) -> ProtoTimestamp {
    let since = unix(at);
    ProtoTimestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}
