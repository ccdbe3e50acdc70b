//! Counters about the exporter itself. Each is declared once, as a row of the table below.

use std::collections::BTreeMap;

use crate::watch_restart_cause::WatchRestartCause;

/// A counter with its metric family.
pub(crate) struct ExporterCounterFamily {
    pub(crate) counter: ExporterCounter,
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// At most one label.
    pub(crate) labels: &'static [&'static str],
    /// All values of the label; none if there is no label.
    label_values: fn() -> Vec<&'static str>,
}

/// Declares the counters. A row is the help text as a doc comment, the variant, the metric name, and the label with all
/// its values.
macro_rules! exporter_counters {
    ($($(#[doc = $help:literal])+ $counter:ident = $name:literal $({ $label:literal: $values:expr })?,)+) => {
        /// A counter about the exporter itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum ExporterCounter {
            $($(#[doc = $help])+ $counter,)+
        }

        /// Every counter, in the order of the exposition.
        pub(crate) static EXPORTER_COUNTERS: &[ExporterCounterFamily] = &[$(ExporterCounterFamily {
            counter: ExporterCounter::$counter,
            name: $name,
            help: concat!($($help),+).trim_ascii(),
            labels: &[$($label)?],
            label_values: || {
                let none: &[&'static str] = &[];
                [none $(, &$values[..])?].concat()
            },
        }),+];
    };
}

exporter_counters! {
    /// Pod events received from the API server, by type.
    WatchEvents = "image_pull_exporter_watch_events_total" { "type": ["applied", "deleted", "listed"] },
    /// Restarts of the pod watch, by cause. The cause "ended" is normal; all others are errors.
    WatchRestarts = "image_pull_exporter_watch_restarts_total" { "cause": WatchRestartCause::NAMES },
    /// Restarts of the watch of core/v1 Events, by cause. The causes "ended" and "gone" are normal; all others are errors.
    EventWatchRestarts = "image_pull_exporter_event_watch_restarts_total" { "cause": WatchRestartCause::NAMES },
    /// Full lists of pods started: the initial list, and one after each gap in the watch.
    Relists = "image_pull_exporter_relists_total",
    /// Events counted with registry="other" because of --max-registries.
    RegistriesBeyondCap = "image_pull_exporter_registries_beyond_cap_events_total",
    /// Events counted with namespace="_other" because of --max-counter-pairs.
    NamespacesBeyondCap = "image_pull_exporter_namespaces_beyond_cap_events_total",
    /// Objects from the API server skipped because they could not be decoded.
    UndecodableObjects = "image_pull_exporter_undecodable_objects_total",
    /// Texts truncated and list elements omitted because a failing pod exceeded the decoding limits, by limit.
    PodLimitsExceeded = "image_pull_exporter_pod_limits_exceeded_total" { "limit": ["element", "text"] },
    /// Container statuses skipped because the pod has another one with the same name.
    DuplicateContainers = "image_pull_exporter_duplicate_containers_total",
    /// Distinct waiting reasons unknown to the exporter. Beyond 1,000 of them, a reason may be counted again.
    UnknownReasons = "image_pull_exporter_unknown_reasons_total",
    /// Error messages that match no classification rule. Each distinct message is logged.
    UnclassifiedMessages = "image_pull_exporter_unclassified_messages_total",
}

/// The values of all counters, by counter and label value. Every series exists from the start, at zero.
#[derive(Clone, Debug)]
pub(crate) struct ExporterCounters(BTreeMap<(ExporterCounter, &'static str), u64>);

impl Default for ExporterCounters {
    fn default() -> Self {
        let series = |family: &ExporterCounterFamily| {
            let values = if family.labels.is_empty() { vec![""] } else { (family.label_values)() };
            let counter = family.counter;
            values.into_iter().map(move |value| ((counter, value), 0))
        };
        Self(EXPORTER_COUNTERS.iter().flat_map(series).collect())
    }
}

impl ExporterCounters {
    /// Adds one to a counter without a label.
    pub(crate) fn increment(&mut self, counter: ExporterCounter) {
        self.add(counter, "", 1);
    }

    /// Adds one to the series of a counter with this label value.
    pub(crate) fn increment_labeled(&mut self, counter: ExporterCounter, label_value: &'static str) {
        self.add(counter, label_value, 1);
    }

    /// Adds `count` to the series of a counter with this label value, which is empty for a counter without a label.
    pub(crate) fn add(&mut self, counter: ExporterCounter, label_value: &'static str, count: u64) {
        *self.0.entry((counter, label_value)).or_default() += count;
    }

    /// The series of a counter, in the order of their label values.
    pub(crate) fn series(&self, counter: ExporterCounter) -> impl Iterator<Item = (&'static str, u64)> {
        let from_counter = self.0.range((counter, "")..);
        from_counter.take_while(move |((of, _), _)| *of == counter).map(|((_, value), count)| (*value, *count))
    }
}
