//! The kubelet's event correlator: client-go/tools/record/events_cache.go with the kubelet's defaults.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::super::time::SimTime;
use super::job_queue::PodId;

/// Entries per cache (`maxLruCacheEntries`).
const CACHE_CAPACITY: usize = 4096;
/// Number of different messages of a reason at which they are combined, and the time without one that ends this.
const MAX_SIMILAR: usize = 10;
const SIMILAR_INTERVAL: Duration = Duration::from_mins(10);
/// The spam filter: a burst, then one event per interval.
const SPAM_BURST: u32 = 25;
const SPAM_INTERVAL: Duration = Duration::from_mins(5);

/// Type of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Normal,
    Warning,
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The identity of an Event to the correlator. The node's kubelet is always the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventKey {
    pub(super) pod: PodId,
    pub(super) field_path: Option<String>,
    pub(super) severity: Severity,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// An Event to be created, or patched if its name exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CorrelatedEvent {
    pub(super) name: String,
    pub(super) message: String,
    pub(super) count: u64,
    pub(super) first: SimTime,
}

/// Counts, combines and drops Events. All is lost when the kubelet restarts.
#[derive(Debug, Default)]
pub(super) struct EventCorrelator {
    similar: LruCache<SimilarKey, Similar>,
    observed: LruCache<ObservedKey, Observation>,
    spam: LruCache<SpamKey, TokenBucket>,
}

/// Key of events that differ in their messages; the field path does not count.
type SimilarKey = (PodId, Severity, &'static str);
/// Since 1.32 the spam filter has a bucket per type.
type SpamKey = (PodId, Severity);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ObservedKey {
    Event(EventKey),
    Combined(SimilarKey),
}

#[derive(Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: SimTime,
}

#[derive(Clone, Debug)]
struct Observation {
    name: String,
    count: u64,
    first: SimTime,
}

/// A token bucket that counts in time: an event costs one interval.
#[derive(Debug)]
struct TokenBucket {
    saved: Duration,
    updated: SimTime,
}

impl EventCorrelator {
    /// Returns the Event to send; `None` if the spam filter drops it. A dropped event is counted, so a later patch has
    /// the true count.
    pub(super) fn correlate(
        &mut self,
        event: EventKey,
        new_name: impl FnOnce() -> String,
        now: SimTime,
    ) -> Option<CorrelatedEvent> {
        let spam_key = (event.pod, event.severity);
        let (key, message) = self.aggregate(event, now);
        let observed = self.observed.entry(key, || Observation { name: new_name(), count: 0, first: now });
        observed.count += 1;
        let Observation { name, count, first } = observed.clone();
        let bucket = self.spam.entry(spam_key, || TokenBucket { saved: SPAM_INTERVAL * SPAM_BURST, updated: now });
        bucket.take(now).then_some(CorrelatedEvent { name, message, count, first })
    }

    /// Combines the messages of a reason if there are many (`EventAggregate`).
    fn aggregate(&mut self, event: EventKey, now: SimTime) -> (ObservedKey, String) {
        let key = (event.pod, event.severity, event.reason);
        let similar = self.similar.entry(key, || Similar { messages: BTreeSet::new(), last: now });
        if now.since(similar.last) > SIMILAR_INTERVAL {
            similar.messages.clear();
        }
        similar.last = now;
        similar.messages.insert(event.message.clone());
        if similar.messages.len() < MAX_SIMILAR {
            let message = event.message.clone();
            return (ObservedKey::Event(event), message);
        }
        similar.messages.pop_first();
        (ObservedKey::Combined(key), format!("(combined from similar events): {}", event.message))
    }
}

impl TokenBucket {
    fn take(&mut self, now: SimTime) -> bool {
        let saved = (self.saved + now.since(self.updated)).min(SPAM_INTERVAL * SPAM_BURST);
        self.updated = now;
        let left = saved.checked_sub(SPAM_INTERVAL);
        self.saved = left.unwrap_or(saved);
        left.is_some()
    }
}

/// A map that evicts the entry that was not used for longest.
#[derive(Debug)]
struct LruCache<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    /// Keys by their last use.
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

impl<K, V> Default for LruCache<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<K: Ord + Clone, V> LruCache<K, V> {
    fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        self.uses += 1;
        if self.entries.len() >= CACHE_CAPACITY
            && !self.entries.contains_key(&key)
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_use.insert(self.uses, key.clone());
        let (used, value) = self.entries.entry(key).or_insert_with(|| (0, new()));
        self.by_use.remove(used);
        *used = self.uses;
        value
    }
}
