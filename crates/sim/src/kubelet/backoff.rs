//! The kubelet's back-off: client-go/util/flowcontrol/backoff.go without jitter.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use super::super::time::SimTime;

/// First wait and longest wait; the same constants for pulls and for restarts (kubelet.go:226, :358).
const INITIAL_WAIT: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Waits by key. A wait doubles with each failure and expires after twice the maximum without a failure.
#[derive(Debug)]
pub(super) struct BackOff<K>(BTreeMap<K, Entry>);

#[derive(Debug)]
struct Entry {
    wait: Duration,
    updated: SimTime,
}

impl<K> Default for BackOff<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> BackOff<K> {
    /// Returns the wait if `now` is within it, counted from the last failure (`IsInBackOffSinceUpdate`).
    pub(super) fn wait_since_update(&self, key: &K, now: SimTime) -> Option<Duration> {
        let entry = self.0.get(key).filter(|entry| !entry.is_expired(now))?;
        (now.since(entry.updated) < entry.wait).then_some(entry.wait)
    }

    /// Returns the wait if `now` is within it, counted from `event`, a container's exit (`IsInBackOffSince`).
    pub(super) fn wait_since_event(&self, key: &K, event: SimTime, now: SimTime) -> Option<Duration> {
        let entry = self.0.get(key).filter(|entry| !entry.is_expired(event))?;
        (now.since(event) < entry.wait).then_some(entry.wait)
    }

    /// Doubles the wait after a failure (`Next`). An entry that expired before `event` starts again.
    pub(super) fn record_failure(&mut self, key: K, event: SimTime, now: SimTime) {
        let wait = self
            .0
            .get(&key)
            .filter(|entry| !entry.is_expired(event))
            .map_or(INITIAL_WAIT, |entry| (entry.wait * 2).min(MAX_WAIT));
        self.0.insert(key, Entry { wait, updated: now });
    }

    /// Keeps only the entries of these keys.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    /// Removes expired entries (`GC`).
    pub(super) fn collect_garbage(&mut self, now: SimTime) {
        self.0.retain(|_, entry| !entry.is_expired(now));
    }
}

impl Entry {
    fn is_expired(&self, event: SimTime) -> bool {
        event.since(self.updated) > MAX_WAIT * 2
    }
}
