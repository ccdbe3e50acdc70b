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
const SYNC_DELAY: Duration = Duration::from_secs(7);
/// A failed attempt shows for one sync (11 to 16 s). Longer (22 to 30 s were recorded) means that the second
/// attempt failed before the status could show that the kubelet waits for it: two attempts look like one.
const MIN_MERGED_DURATION: Duration = Duration::from_secs(19);
/// A failure that comes this long after the one before starts the waits anew (backoff.go:182).
const RESET_AFTER: Duration = Duration::from_secs(600);
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
pub struct ImageBackOff {
    /// Failed attempts since the waits began at 10 s; `None` when that was not watched.
    step: Option<u32>,
    /// The last attempt seen.
    last_attempt: Option<FailedAttempt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct FailedAttempt {
    /// When the status showed it.
    onset: Timestamp,
    /// When it failed, as near as can be told.
    failed_at: Timestamp,
    /// Whether an interval may be measured from it: its onset was watched, and nothing hid the time since.
    is_measurable: bool,
}

impl ImageBackOff {
    /// The back-off of an image whose first attempt has yet to be seen.
    #[must_use]
    pub const fn initial() -> Self {
        Self { step: Some(0), last_attempt: None }
    }

    /// The back-off of an image that was found failing: nobody knows how often it was tried.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { step: None, last_attempt: None }
    }

    /// A failed attempt shows. Returns the interval since the one before, where both were watched.
    pub fn on_attempt(&mut self, now: Timestamp, watched: bool) -> Option<Duration> {
        let before = self.last_attempt;
        let interval = before.map(|last| now.saturating_duration_since(last.onset));
        let measured = interval.filter(|_| watched && before.is_some_and(|last| last.is_measurable));
        self.step = match self.step {
            Some(_) if interval.is_some_and(|interval| interval > RESET_AFTER) => Some(1),
            Some(step) => Some(step + 1),
            None => measured.and_then(step_from_interval).map(|step| step + 1),
        };
        let failed = if self.step == Some(1) { now } else { now.saturating_sub(STATUS_LAG) };
        self.last_attempt = Some(FailedAttempt { onset: now, failed_at: failed, is_measurable: watched });
        measured
    }

    /// The failed attempt is shown no longer. Where a second one failed behind it, that one counts for the step
    /// alone: it was not seen, and no interval can be measured to it or from it.
    pub fn on_attempt_hidden(&mut self, now: Timestamp) {
        let merged = self.step == Some(1)
            && self.last_attempt.is_some_and(|last| now.saturating_duration_since(last.onset) >= MIN_MERGED_DURATION);
        if merged {
            self.step = Some(2);
            let failed = now.saturating_sub(STATUS_LAG);
            self.last_attempt =
                self.last_attempt.map(|last| FailedAttempt { failed_at: failed, is_measurable: false, ..last });
        }
    }

    /// Something else than the back-off decides when the next attempt comes.
    pub fn invalidate_interval(&mut self) {
        if let Some(last) = &mut self.last_attempt {
            last.is_measurable = false;
        }
    }

    /// The kubelet was restarted: its waits begin anew.
    pub fn on_kubelet_restart(&mut self) {
        self.step = Some(0);
        self.invalidate_interval();
    }

    /// For a while nobody watched: attempts may have been missed.
    pub fn on_watch_gap(&mut self) {
        self.step = None;
        self.invalidate_interval();
    }

    /// The clock was set: the time since the last attempt cannot be told.
    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        if let Some(last) = &mut self.last_attempt {
            (last.onset, last.failed_at) = (step.correct(last.onset), step.correct(last.failed_at));
        }
        self.on_watch_gap();
    }

    /// The image came. Returns how long the last interval was. The attempt that succeeds shows at once, the one
    /// that failed showed one sync late, so this measures from when that one really failed.
    #[must_use]
    pub fn interval_until_recovery(&self, now: Timestamp) -> Option<Duration> {
        self.last_attempt.filter(|last| last.is_measurable).map(|last| now.saturating_duration_since(last.failed_at))
    }

    /// When the last failed attempt showed.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.last_attempt.map(|last| last.onset)
    }

    /// When the next attempt is to be expected; `None` when that is unknown.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        let wait = nominal_wait(self.step?)?;
        Some(self.last_attempt?.failed_at.saturating_add(wait).saturating_add(SYNC_DELAY))
    }
}

/// How long the kubelet waits after this many failed attempts; `None` when it does not wait.
fn nominal_wait(step: u32) -> Option<Duration> {
    let doublings = step.checked_sub(1)?.min(5);
    Some((FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT))
}

/// How many attempts had failed before an interval of this length; `None` where that cannot be told.
fn step_from_interval(interval: Duration) -> Option<u32> {
    STEP_FROM_INTERVAL.into_iter().find(|(from, _)| interval >= *from).map(|(_, step)| step)
}

#[cfg(test)]
mod tests;
