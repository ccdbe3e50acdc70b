//! The activity of the last day, in buckets of five minutes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Length of a bucket.
pub const BUCKET_DURATION: Duration = Duration::from_secs(300);
/// Maximum number of buckets: one day.
pub const BUCKETS_PER_DAY: u32 = 288;

/// The activity in five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActivityBucket {
    /// Start of the bucket.
    pub start: Timestamp,
    /// Maximum number of open failures at one time.
    pub failing: u32,
    /// Failed attempts.
    pub attempts: u32,
    /// Failures that started or were found.
    pub started: u32,
    /// Failures that ended.
    pub ended: u32,
}

/// The buckets of the last day.
#[derive(Clone, Debug, Default)]
pub(super) struct ActivityBuckets {
    /// Without a gap, oldest first.
    buckets: VecDeque<ActivityBucket>,
    /// Number of open failures.
    failing_now: u32,
}

impl ActivityBuckets {
    pub(super) fn record_start(&mut self, now: Timestamp) {
        self.failing_now = self.failing_now.saturating_add(1);
        let failing = self.failing_now;
        self.count(now, |bucket| {
            bucket.started += 1;
            bucket.failing = bucket.failing.max(failing);
        });
    }

    pub(super) fn record_end(&mut self, now: Timestamp) {
        // Count first: the bucket includes failures that end in it.
        self.count(now, |bucket| bucket.ended += 1);
        self.failing_now = self.failing_now.saturating_sub(1);
    }

    pub(super) fn record_attempt(&mut self, now: Timestamp) {
        self.count(now, |bucket| bucket.attempts += 1);
    }

    /// Counts in the bucket of `now`, or in the newest bucket if the system clock was set back.
    fn count(&mut self, now: Timestamp, count: impl FnOnce(&mut ActivityBucket)) {
        self.advance_to(now);
        if let Some(bucket) = self.buckets.back_mut() {
            count(bucket);
        }
    }

    /// Returns the buckets up to `now`.
    pub(super) fn buckets_until(&mut self, now: Timestamp) -> Vec<ActivityBucket> {
        self.advance_to(now);
        self.buckets.iter().copied().collect()
    }

    fn advance_to(&mut self, now: Timestamp) {
        let begin = bucket_start(now);
        let Some(mut newest) = self.buckets.back().map(|bucket| bucket.start) else {
            self.buckets.push_back(ActivityBucket {
                start: begin,
                failing: self.failing_now,
                ..ActivityBucket::default()
            });
            return;
        };
        // After a long pause, skip to the last day.
        newest = newest.max(begin.saturating_sub(BUCKET_DURATION * BUCKETS_PER_DAY));
        while newest < begin {
            newest = newest.saturating_add(BUCKET_DURATION);
            self.buckets.push_back(ActivityBucket {
                start: newest,
                failing: self.failing_now,
                ..ActivityBucket::default()
            });
            if self.buckets.len() > BUCKETS_PER_DAY as usize {
                self.buckets.pop_front();
            }
        }
    }
}

fn bucket_start(at: Timestamp) -> Timestamp {
    let length = 300_000;
    Timestamp::from_unix_millis(at.unix_millis().div_euclid(length) * length)
}
