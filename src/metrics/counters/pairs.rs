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

use super::shards::ShardedMap;
use image_pull_model::cause::Cause;
use image_pull_model::effect::Outcome;
use image_pull_model::facts::PodId;
use image_pull_model::time::Timestamp;

/// The label value of every namespace beyond the limit. No namespace can have this name.
pub const OTHER_NAMESPACE: &str = "_other";
/// How long series are exposed after the last event.
pub(super) const EXPOSED: Duration = Duration::from_hours(24);
/// How long they are exposed at least, whatever the limit: longer than the range of any usual `rate()`.
pub(super) const HELD: Duration = Duration::from_hours(1);
/// So many pairs a namespace may have when half of all are taken.
const FAIR_SHARE: usize = 8;

/// A counter, with the last event as its exemplar.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// How many events.
    pub value: u64,
    /// The pod of the last one, and when it was.
    pub last: Option<(Arc<PodId>, Timestamp)>,
}

impl Count {
    pub(super) fn add(&mut self, pod: &Arc<PodId>, now: Timestamp) {
        self.value += 1;
        self.last = Some((Arc::clone(pod), now));
    }
}

/// The counters of one namespace and registry.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Since when they count.
    pub start: Timestamp,
    /// Failures that began or were found.
    pub started: Count,
    /// Failures that ended, in the order of [`Outcome::ALL`].
    pub ended: [Count; Outcome::ALL.len()],
    /// Failed attempts, by the name of the cause.
    pub attempts: Vec<(Cause, Count)>,
    /// Whether a failure is open.
    is_open: bool,
    last_event: Timestamp,
    /// Whether it is exposed, as long as it is not idle.
    is_shown: bool,
}

impl Pair {
    fn new(now: Timestamp) -> Self {
        Self {
            start: now,
            started: Count::default(),
            ended: Default::default(),
            attempts: Vec::new(),
            is_open: false,
            last_event: now,
            is_shown: false,
        }
    }

    /// Whether its series are exposed at `now`.
    pub(super) fn is_exposed(&self, now: Timestamp) -> bool {
        self.is_shown && (self.is_open || now.since(self.last_event) < EXPOSED)
    }

    /// The counter of failures with this outcome.
    pub(super) fn ended_as(&mut self, outcome: Outcome) -> Option<&mut Count> {
        let place = Outcome::ALL.iter().position(|other| *other == outcome)?;
        self.ended.get_mut(place)
    }

    /// The counter of failed attempts of this cause.
    pub(super) fn attempts_of(&mut self, cause: Cause) -> Option<&mut Count> {
        let place = self.attempts.binary_search_by_key(&cause.as_str(), |(cause, _)| cause.as_str());
        let place = place.unwrap_or_else(|place| {
            self.attempts.insert(place, (cause, Count::default()));
            place
        });
        self.attempts.get_mut(place).map(|(_, count)| count)
    }
}

/// By namespace, then by registry.
pub(super) type ByNamespace = ShardedMap<BTreeMap<Arc<str>, Pair>>;

#[derive(Debug)]
pub(super) struct Pairs {
    max: usize,
    namespaces: ByNamespace,
    /// How many count against the limit: all that are shown but those of [`OTHER_NAMESPACE`].
    shown: usize,
    /// How many are remembered only.
    dropped: usize,
    /// No pair can be dropped before.
    nothing_idle_before: Timestamp,
}

impl Pairs {
    pub(super) fn new(max: usize) -> Self {
        let nothing_idle_before = Timestamp::default();
        Self { max, namespaces: ByNamespace::default(), shown: 0, dropped: 0, nothing_idle_before }
    }

    pub(super) fn namespaces(&self) -> &ByNamespace {
        &self.namespaces
    }

    /// How many are held in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shown + self.dropped
    }

    /// Whether there are counters for a pair that has an event at `now`, or room for them.
    pub(super) fn admits(&mut self, namespace: &str, registry: &str, now: Timestamp) -> bool {
        let pairs = self.namespaces.get(namespace);
        if pairs.and_then(|pairs| pairs.get(registry)).is_some_and(|pair| pair.is_shown) {
            return true;
        }
        // A crowd of registries in one namespace leaves half of all pairs to other namespaces.
        let own = pairs.map_or(0, |pairs| pairs.values().filter(|pair| pair.is_shown).count());
        let limit = if own < FAIR_SHARE { self.max } else { self.max / 2 };
        self.shown < limit || self.drop_idle(limit, now)
    }

    /// The counters of a pair that has an event at `now`.
    pub(super) fn of(&mut self, namespace: &str, registry: &str, now: Timestamp) -> Option<&mut Pair> {
        let pairs = self.namespaces.get_or_insert_with(namespace, BTreeMap::new)?;
        if !pairs.contains_key(registry) {
            pairs.insert(registry.into(), Pair::new(now));
            self.dropped += 1;
        }
        let pair = pairs.get_mut(registry)?;
        if !pair.is_shown {
            pair.is_shown = true;
            self.shown += usize::from(namespace != OTHER_NAMESPACE);
            self.dropped -= 1;
        }
        pair.last_event = now;
        Some(pair)
    }

    /// Notes whether a failure of the pair is open.
    pub(super) fn set_open(&mut self, namespace: &str, registry: &str, is_open: bool, now: Timestamp) {
        let pair = self.namespaces.get(namespace).and_then(|pairs| pairs.get(registry));
        if pair.is_none_or(|pair| pair.is_open == is_open) {
            return;
        }
        if let Some(pair) = self.namespaces.get_mut(namespace).and_then(|pairs| pairs.get_mut(registry)) {
            pair.is_open = is_open;
            pair.last_event = now;
        }
    }

    /// Drops every pair that is idle for long enough. Returns whether fewer than `limit` are shown then.
    fn drop_idle(&mut self, limit: usize, now: Timestamp) -> bool {
        // A clock that was set back must not make this wait for a day that does not come.
        if now < self.nothing_idle_before && self.nothing_idle_before.since(now) <= HELD {
            return self.shown < limit;
        }
        let mut oldest = now;
        self.namespaces.retain(|namespace, pairs| {
            for pair in pairs.values_mut().filter(|pair| pair.is_shown && !pair.is_open) {
                if now.since(pair.last_event) >= HELD {
                    pair.is_shown = false;
                    self.shown -= usize::from(namespace != OTHER_NAMESPACE);
                    self.dropped += 1;
                } else {
                    oldest = oldest.min(pair.last_event);
                }
            }
            true
        });
        self.nothing_idle_before = oldest.after(HELD);
        if self.dropped > self.max {
            self.forget();
        }
        self.shown < limit
    }

    /// Forgets the older half of the pairs that are remembered only.
    fn forget(&mut self) {
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        let mut ages: Vec<Timestamp> = pairs.filter(|pair| !pair.is_shown).map(|pair| pair.last_event).collect();
        ages.sort_unstable();
        let Some(newest_forgotten) = ages.get(ages.len() / 2).copied() else { return };
        self.namespaces.retain(|_, pairs| {
            pairs.retain(|_, pair| pair.is_shown || pair.last_event > newest_forgotten);
            !pairs.is_empty()
        });
        let pairs = self.namespaces.iter().flat_map(|(_, pairs)| pairs.values());
        self.dropped = pairs.filter(|pair| !pair.is_shown).count();
    }
}
