//! Counts the last day of the cluster in buckets of five minutes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// How long a bucket is.
pub const BUCKET: Duration = Duration::from_secs(300);
/// How many there are.
pub const DAY: u32 = 288;

/// Five minutes of the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When they began.
    pub begin: Timestamp,
    /// The most containers that failed at one time.
    pub failing: u32,
    /// Failed attempts.
    pub attempts: u32,
    /// Failures that began or were found.
    pub started: u32,
    /// Failures that ended.
    pub ended: u32,
}

/// The last day.
#[derive(Clone, Debug, Default)]
pub(super) struct Day {
    /// Without a gap, oldest first.
    buckets: VecDeque<Bucket>,
    /// How many containers fail.
    failing: u32,
}

impl Day {
    pub(super) fn failure_starts(&mut self, now: Timestamp) {
        self.failing = self.failing.saturating_add(1);
        let failing = self.failing;
        self.count(now, |bucket| {
            bucket.started += 1;
            bucket.failing = bucket.failing.max(failing);
        });
    }

    pub(super) fn failure_ends(&mut self, now: Timestamp) {
        // What failed in these five minutes counts for them, even if no longer.
        self.count(now, |bucket| bucket.ended += 1);
        self.failing = self.failing.saturating_sub(1);
    }

    pub(super) fn attempt_fails(&mut self, now: Timestamp) {
        self.count(now, |bucket| bucket.attempts += 1);
    }

    /// Counts in the bucket of `now`; in the newest where a clock was set back.
    fn count(&mut self, now: Timestamp, count: impl FnOnce(&mut Bucket)) {
        self.go_to(now);
        if let Some(bucket) = self.buckets.back_mut() {
            count(bucket);
        }
    }

    /// The buckets up to `now`.
    pub(super) fn until(&mut self, now: Timestamp) -> Vec<Bucket> {
        self.go_to(now);
        self.buckets.iter().copied().collect()
    }

    fn go_to(&mut self, now: Timestamp) {
        let begin = begin_of(now);
        let Some(mut newest) = self.buckets.back().map(|bucket| bucket.begin) else {
            self.buckets.push_back(Bucket { begin, failing: self.failing, ..Bucket::default() });
            return;
        };
        // After a long sleep only the last day is of interest.
        newest = newest.max(begin.before(BUCKET * DAY));
        while newest < begin {
            newest = newest.after(BUCKET);
            self.buckets.push_back(Bucket { begin: newest, failing: self.failing, ..Bucket::default() });
            if self.buckets.len() > DAY as usize {
                self.buckets.pop_front();
            }
        }
    }
}

fn begin_of(at: Timestamp) -> Timestamp {
    let length = 300_000;
    Timestamp::from_unix_millis(at.unix_millis().div_euclid(length) * length)
}
