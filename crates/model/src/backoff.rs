//! Follows the kubelet's back-off of one image: its intervals as a watcher sees them, and the next attempt.
//!
//! The kubelet doubles its wait from 10 s to 300 s and keys it by pod and image (pkg/kubelet/kubelet.go:182, 226;
//! client-go/util/flowcontrol/backoff.go:96-187, v1.36.2). Its status is one sync behind: an attempt other than
//! the first shows 11 to 16 s after it failed. The figures here are medians over 42 recorded containers.

use std::time::Duration;

use super::clock_step::ClockStep;
use super::time::Timestamp;

const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// From a failed attempt to the status that shows it: one sync of the kubelet.
pub(super) const STATUS_LAG: Duration = Duration::from_secs(13);
/// From the end of the kubelet's wait to the sync that makes the next attempt.
const SYNC_RESIDUE: Duration = Duration::from_secs(7);
/// A failed attempt shows for one sync (11 to 16 s). Longer (22 to 30 s were recorded) means that the second
/// attempt failed before the status could show that the kubelet waits for it: two attempts look like one.
const MERGED_ATTEMPTS_SHOW: Duration = Duration::from_secs(19);
/// A failure that comes this long after the one before starts the waits anew (backoff.go:182).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Between the clusters of onset intervals: an interval from here on had this many failed attempts before it.
/// The first two steps cannot be told apart by their intervals.
const STEP_FROM_INTERVAL: [(Duration, u32); 4] = [
    (Duration::from_secs(238), 6),
    (Duration::from_secs(128), 5),
    (Duration::from_secs(68), 4),
    (Duration::from_secs(35), 3),
];

/// The back-off of one failing image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackOff {
    /// Failed attempts since the waits began at 10 s; `None` when that was not watched.
    step: Option<u32>,
    /// The last attempt seen.
    last: Option<Attempt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Attempt {
    /// When the status showed it.
    onset: Timestamp,
    /// When it failed, as near as can be told.
    failed: Timestamp,
    /// Whether an interval may be measured from it: its onset was watched, and nothing hid the time since.
    measurable: bool,
}

impl BackOff {
    /// The back-off of an image whose first attempt has yet to be seen.
    #[must_use]
    pub const fn fresh() -> Self {
        Self { step: Some(0), last: None }
    }

    /// The back-off of an image that was found failing: nobody knows how often it was tried.
    #[must_use]
    pub const fn found() -> Self {
        Self { step: None, last: None }
    }

    /// A failed attempt shows. Returns the interval since the one before, where both were watched.
    pub fn attempt_shows(&mut self, now: Timestamp, watched: bool) -> Option<Duration> {
        let before = self.last;
        let interval = before.map(|last| now.since(last.onset));
        let measured = interval.filter(|_| watched && before.is_some_and(|last| last.measurable));
        self.step = match self.step {
            Some(_) if interval.is_some_and(|interval| interval > FORGOTTEN_AFTER) => Some(1),
            Some(step) => Some(step + 1),
            None => measured.and_then(step_before).map(|step| step + 1),
        };
        let failed = if self.step == Some(1) { now } else { now.before(STATUS_LAG) };
        self.last = Some(Attempt { onset: now, failed, measurable: watched });
        measured
    }

    /// The failed attempt is shown no longer. Where a second one failed behind it, that one counts for the step
    /// alone: it was not seen, and no interval can be measured to it or from it.
    pub fn attempt_hides(&mut self, now: Timestamp) {
        let merged =
            self.step == Some(1) && self.last.is_some_and(|last| now.since(last.onset) >= MERGED_ATTEMPTS_SHOW);
        if merged {
            self.step = Some(2);
            let failed = now.before(STATUS_LAG);
            self.last = self.last.map(|last| Attempt { failed, measurable: false, ..last });
        }
    }

    /// Something else than the back-off decides when the next attempt comes.
    pub fn disturbed(&mut self) {
        if let Some(last) = &mut self.last {
            last.measurable = false;
        }
    }

    /// The kubelet was restarted: its waits begin anew.
    pub fn restarted(&mut self) {
        self.step = Some(0);
        self.disturbed();
    }

    /// For a while nobody watched: attempts may have been missed.
    pub fn unwatched(&mut self) {
        self.step = None;
        self.disturbed();
    }

    /// The clock was set: the time since the last attempt cannot be told.
    pub(super) fn clock_stepped(&mut self, step: ClockStep) {
        if let Some(last) = &mut self.last {
            (last.onset, last.failed) = (step.corrected(last.onset), step.corrected(last.failed));
        }
        self.unwatched();
    }

    /// The image came. Returns how long the last interval was. The attempt that succeeds shows at once, the one
    /// that failed showed one sync late, so this measures from when that one really failed.
    #[must_use]
    pub fn recovered(&self, now: Timestamp) -> Option<Duration> {
        self.last.filter(|last| last.measurable).map(|last| now.since(last.failed))
    }

    /// When the last failed attempt showed.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.last.map(|last| last.onset)
    }

    /// When the next attempt is to be expected; `None` when that is unknown.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        let wait = nominal_wait(self.step?)?;
        Some(self.last?.failed.after(wait).after(SYNC_RESIDUE))
    }
}

/// How long the kubelet waits after this many failed attempts; `None` when it does not wait.
fn nominal_wait(step: u32) -> Option<Duration> {
    let doublings = step.checked_sub(1)?.min(5);
    Some((FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT))
}

/// How many attempts had failed before an interval of this length; `None` where that cannot be told.
fn step_before(interval: Duration) -> Option<u32> {
    STEP_FROM_INTERVAL.into_iter().find(|(from, _)| interval >= *from).map(|(_, step)| step)
}

#[cfg(test)]
mod tests;
