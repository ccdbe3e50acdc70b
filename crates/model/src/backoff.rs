//! The kubelet's back-off of one image: measures its intervals and estimates the next attempt.
//!
//! The kubelet doubles its wait from 10 s to 300 s, by pod and image (pkg/kubelet/kubelet.go:182, 226;
//! client-go/util/flowcontrol/backoff.go:96-187, v1.36.2). Its status is one sync late: except for the first attempt, the
//! status shows a failed attempt 11 to 16 s after it failed. The durations below are medians of 42 recorded containers.

use std::time::Duration;

use super::clock_step::ClockStep;
use super::time::Timestamp;

const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Time from a failed attempt to the status that shows it: one sync of the kubelet.
pub(super) const STATUS_LAG: Duration = Duration::from_secs(13);
/// Time from the end of the kubelet's wait to the sync that makes the next attempt.
const SYNC_DELAY: Duration = Duration::from_secs(7);
/// Minimum duration of a status that shows two merged attempts.
///
/// The status shows one failed attempt for one sync (11 to 16 s). If it shows the first attempt for longer (22 to 30 s in
/// the recordings), the second attempt failed before the status could change to ImagePullBackOff.
const MIN_MERGED_DURATION: Duration = Duration::from_secs(19);
/// Time after the last failed attempt until the kubelet resets its wait to 10 s (backoff.go:182).
const RESET_AFTER: Duration = Duration::from_secs(600);
/// Minimum interval between two onsets, and the number of failed attempts before such an interval. The limits lie between
/// the clusters of the recorded intervals. The first two steps have the same interval.
const STEP_FROM_INTERVAL: [(Duration, u32); 4] = [
    (Duration::from_secs(238), 6),
    (Duration::from_secs(128), 5),
    (Duration::from_secs(68), 4),
    (Duration::from_secs(35), 3),
];

/// The back-off of one image of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageBackOff {
    /// Failed attempts since the kubelet's wait was 10 s; `None` if they were not all observed.
    step: Option<u32>,
    last_attempt: Option<FailedAttempt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct FailedAttempt {
    /// When the status showed the attempt.
    onset: Timestamp,
    /// When the attempt failed, estimated.
    failed_at: Timestamp,
    /// Whether an interval can be measured from here: the onset and the time since were observed.
    is_measurable: bool,
}

impl ImageBackOff {
    /// The back-off of an image before its first attempt.
    #[must_use]
    pub const fn initial() -> Self {
        Self { step: Some(0), last_attempt: None }
    }

    /// The back-off of an image that was found failing, after an unknown number of attempts.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { step: None, last_attempt: None }
    }

    /// Records the onset of a failed attempt. Returns the interval since the previous onset if both were observed.
    pub(crate) fn on_attempt(&mut self, now: Timestamp, watched: bool) -> Option<Duration> {
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

    /// Records that the status no longer shows the failed attempt. If a second attempt was merged into it, that one only
    /// advances the step: no interval can be measured to it or from it.
    pub(crate) fn on_attempt_hidden(&mut self, now: Timestamp) {
        let merged = self.step == Some(1)
            && self.last_attempt.is_some_and(|last| now.saturating_duration_since(last.onset) >= MIN_MERGED_DURATION);
        if merged {
            self.step = Some(2);
            let failed = now.saturating_sub(STATUS_LAG);
            self.last_attempt =
                self.last_attempt.map(|last| FailedAttempt { failed_at: failed, is_measurable: false, ..last });
        }
    }

    /// Records that the next attempt depends on something other than the back-off.
    pub(crate) fn invalidate_interval(&mut self) {
        if let Some(last) = &mut self.last_attempt {
            last.is_measurable = false;
        }
    }

    /// Records a restart of the kubelet, after which its wait starts again at 10 s.
    pub(crate) fn on_kubelet_restart(&mut self) {
        self.step = Some(0);
        self.invalidate_interval();
    }

    /// Records a gap in the watch, in which attempts may have been missed.
    pub(crate) fn on_watch_gap(&mut self) {
        self.step = None;
        self.invalidate_interval();
    }

    /// Corrects the recorded times after the system clock was set. The current interval is no longer measurable.
    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        if let Some(last) = &mut self.last_attempt {
            (last.onset, last.failed_at) = (step.correct(last.onset), step.correct(last.failed_at));
        }
        self.on_watch_gap();
    }

    /// The last interval, which ends at `now` with a successful pull. The status shows success at once but a failure one sync
    /// late, so the interval is measured from the estimated time of the failure.
    #[must_use]
    pub(crate) fn interval_until_recovery(&self, now: Timestamp) -> Option<Duration> {
        self.last_attempt.filter(|last| last.is_measurable).map(|last| now.saturating_duration_since(last.failed_at))
    }

    /// When the status showed the last failed attempt.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.last_attempt.map(|last| last.onset)
    }

    /// When the next attempt is expected; `None` if the step is unknown.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        let wait = nominal_wait(self.step?)?;
        Some(self.last_attempt?.failed_at.saturating_add(wait).saturating_add(SYNC_DELAY))
    }
}

/// The kubelet's wait after `step` failed attempts; `None` if there were none.
fn nominal_wait(step: u32) -> Option<Duration> {
    let doublings = step.checked_sub(1)?.min(5);
    Some((FIRST_WAIT * 2u32.pow(doublings)).min(LONGEST_WAIT))
}

/// The number of failed attempts before an interval of this length; `None` if it is ambiguous.
fn step_from_interval(interval: Duration) -> Option<u32> {
    STEP_FROM_INTERVAL.into_iter().find(|(from, _)| interval >= *from).map(|(_, step)| step)
}

#[cfg(test)]
mod tests;
