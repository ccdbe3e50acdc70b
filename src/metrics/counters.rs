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
mod shards;
#[cfg(test)]
mod tests;
mod uses;

pub use histograms::{DurationHistogram, encode};
pub use pairs::{Count, OTHER_NAMESPACE, Pair};
pub use registries::{OTHER, RegistryHistograms};

use pairs::{ByNamespace, Pairs};
use registries::{ByRegistry, Registries};
use uses::Uses;

use image_pull_model::effect::{FailureEvent, Outcome, Subject};
use image_pull_model::facts::Exceeded;
use image_pull_model::time::Timestamp;

/// How much is counted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many registries have a label value of their own.
    pub registries: usize,
    /// How many pairs of namespace and registry have counters of their own.
    pub pairs: usize,
}

/// What the informer reports, as far as it is counted.
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
pub struct OwnCounters {
    /// Events of the watch, by type.
    pub watch_events: Vec<(WatchEvent, u64)>,
    /// New beginnings of the watch, by cause.
    pub watch_restarts: Vec<(&'static str, u64)>,
    /// Lists that were begun.
    pub relists: u64,
    /// Objects that were skipped.
    pub undecodable: u64,
    /// What pods had beyond the limits.
    pub exceeded: Exceeded,
    /// Container statuses that were skipped.
    pub duplicates: u64,
    /// Waiting reasons that no table has.
    pub unknown_reasons: u64,
    /// Error texts that no rule matches.
    pub unclassified: u64,
    /// Events counted under the registry [`OTHER`].
    pub registries_beyond_cap: u64,
    /// Events counted under the namespace [`OTHER_NAMESPACE`].
    pub namespaces_beyond_cap: u64,
}

impl OwnCounters {
    fn new(watch_causes: &[&'static str]) -> Self {
        Self {
            watch_events: WatchEvent::ALL.map(|event| (event, 0)).to_vec(),
            watch_restarts: watch_causes.iter().map(|cause| (*cause, 0)).collect(),
            relists: 0,
            undecodable: 0,
            exceeded: Exceeded::default(),
            duplicates: 0,
            unknown_reasons: 0,
            unclassified: 0,
            registries_beyond_cap: 0,
            namespaces_beyond_cap: 0,
        }
    }

    /// Counts an event of the watch.
    pub fn watch_event(&mut self, event: WatchEvent) {
        increment(&mut self.watch_events, event);
    }

    /// Counts a new beginning of the watch.
    pub fn watch_restart(&mut self, cause: &'static str) {
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
    pub own: OwnCounters,
    /// Since when everything is counted.
    start: Timestamp,
    pairs: Pairs,
    registries: Registries,
    uses: Uses,
}

/// A copy of everything counted, as it is at one instant.
#[derive(Clone, Debug)]
pub struct Counted {
    /// About the exporter itself.
    pub own: OwnCounters,
    /// Since when that is counted.
    pub start: Timestamp,
    now: Timestamp,
    namespaces: ByNamespace,
    registries: ByRegistry,
}

impl Counters {
    /// Creates counters that count from `start` on. `watch_causes` are the causes that a watch restarts for.
    #[must_use]
    pub fn new(start: Timestamp, limits: Limits, watch_causes: &[&'static str]) -> Self {
        Self {
            own: OwnCounters::new(watch_causes),
            start,
            pairs: Pairs::new(limits.pairs),
            registries: Registries::new(limits.registries),
            uses: Uses::default(),
        }
    }

    /// Copies everything, in constant time.
    #[must_use]
    pub fn counted(&self, now: Timestamp) -> Counted {
        Counted {
            own: self.own.clone(),
            start: self.start,
            now,
            namespaces: self.pairs.namespaces().clone(),
            registries: self.registries.histograms().clone(),
        }
    }

    /// Counts what happened to a failure at `now`.
    pub fn failure(&mut self, subject: &Subject, event: &FailureEvent, now: Timestamp) {
        let Subject { pod, registry, .. } = subject;
        match event {
            FailureEvent::Started => {
                self.uses.failure_begins(&pod.namespace, registry);
                let label = self.label(registry, now);
                // What may come later starts at zero now, so that increase() sees the first one.
                let _ = self.registries.of(label, now);
                if let Some(pair) = self.pair(&pod.namespace, label, now) {
                    pair.started.add(pod, now);
                }
                self.note_uses(subject, now);
            }
            FailureEvent::Attempted(cause) => {
                let label = self.label(registry, now);
                let pair = self.pair(&pod.namespace, label, now);
                if let Some(count) = pair.and_then(|pair| pair.attempts_of(*cause)) {
                    count.add(pod, now);
                }
            }
            FailureEvent::Unclassified(_) => self.own.unclassified += 1,
            FailureEvent::Turned(..) => {}
            FailureEvent::BackedOff(interval) => {
                let label = self.label(registry, now);
                if let Some(histograms) = self.registries.of(label, now) {
                    histograms.backoffs.observe(*interval, pod, now);
                }
            }
            FailureEvent::Ended { outcome, lasted, exact, .. } => {
                let label = self.label(registry, now);
                let histograms = self.registries.of(label, now).filter(|_| *exact);
                if let Some(histogram) = histograms.and_then(|histograms| histograms.failures_of(*outcome, now)) {
                    histogram.observe(*lasted, pod, now);
                }
                let pair = self.pair(&pod.namespace, label, now);
                if let Some(count) = pair.and_then(|pair| pair.ended_as(*outcome)) {
                    count.add(pod, now);
                }
                self.uses.failure_ends(&pod.namespace, registry);
                self.note_uses(subject, now);
            }
        }
    }

    /// The label value under which a registry is counted.
    fn label<'a>(&mut self, registry: &'a str, now: Timestamp) -> &'a str {
        if self.registries.has_name(registry, &self.uses, now) {
            return registry;
        }
        self.own.registries_beyond_cap += 1;
        OTHER
    }

    /// The counters for an event: the pair's own, or those of all namespaces beyond the limit.
    fn pair(&mut self, namespace: &str, label: &str, now: Timestamp) -> Option<&mut Pair> {
        if self.pairs.admits(namespace, label, now) {
            return self.pairs.of(namespace, label, now);
        }
        self.own.namespaces_beyond_cap += 1;
        self.pairs.of(OTHER_NAMESPACE, label, now)
    }

    /// Notes which series have open failures, so that they are exposed.
    fn note_uses(&mut self, subject: &Subject, now: Timestamp) {
        let (namespace, registry) = (&*subject.pod.namespace, &*subject.registry);
        self.registries.set_open(registry, self.uses.of(registry) > 0);
        self.pairs.set_open(namespace, registry, self.uses.is_open(namespace, registry), now);
        self.pairs.set_open(namespace, OTHER, self.uses.is_open_in(namespace), now);
    }
}

/// The exposed counters of one namespace and registry.
pub type PairRow<'a> = (&'a str, &'a str, &'a Pair);

impl Counted {
    /// The counters that are exposed, by namespace and registry, in order.
    #[must_use]
    pub fn pairs(&self) -> Vec<PairRow<'_>> {
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
    pub fn registries(&self) -> Vec<(&str, &RegistryHistograms)> {
        let registries = self.registries.iter().filter(|(_, histograms)| histograms.is_exposed(self.now));
        let mut rows: Vec<_> = registries.map(|(registry, histograms)| (&**registry, histograms)).collect();
        rows.sort_unstable_by_key(|(registry, _)| *registry);
        rows
    }
}

/// The outcomes in the order of their names, each with its place in [`Outcome::ALL`].
#[must_use]
pub fn outcomes_by_name() -> [(usize, Outcome); Outcome::ALL.len()] {
    let mut place = 0;
    let mut outcomes = Outcome::ALL.map(|outcome| {
        place += 1;
        (place - 1, outcome)
    });
    outcomes.sort_unstable_by_key(|(_, outcome)| outcome.as_str());
    outcomes
}
