//! The chart of failing containers over the last 24 hours, as an SVG path.

use std::fmt::Write as _;

use image_pull_model::history::{ActivityBucket, BUCKETS_PER_DAY};
use image_pull_model::time::Timestamp;

/// Height of the SVG view box.
const HEIGHT: u32 = 40;

/// Failing containers over the last 24 hours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DayChart {
    /// Path with one bar per bucket.
    pub(super) bars: String,
    /// Maximum number of containers that failed at the same time.
    pub(super) max: u32,
    pub(super) max_at: Timestamp,
    /// Failed attempts.
    pub(super) attempts: u32,
    /// Failures that started.
    pub(super) started: u32,
    /// Failures that ended.
    pub(super) ended: u32,
    /// Number of buckets before the start of the exporter.
    pub(super) unwatched: u32,
}

impl DayChart {
    pub(super) fn new(buckets: &[ActivityBucket]) -> Self {
        let highest = buckets.iter().rev().max_by_key(|bucket| bucket.failing);
        let (max, max_at) = highest.map(|bucket| (bucket.failing, bucket.start)).unwrap_or_default();
        let unwatched = BUCKETS_PER_DAY.saturating_sub(u32::try_from(buckets.len()).unwrap_or(BUCKETS_PER_DAY));
        let mut bars = String::new();
        for (x, bucket) in (unwatched..).zip(buckets).filter(|(_, bucket)| bucket.failing > 0) {
            let height = (bucket.failing * HEIGHT).div_ceil(max.max(1));
            // Writing to a String cannot fail.
            let _ = write!(bars, "M{x} {HEIGHT}v-{height}h1v{height}z");
        }
        let sum = |count: fn(&ActivityBucket) -> u32| buckets.iter().map(count).fold(0, u32::saturating_add);
        Self {
            bars,
            max,
            max_at,
            attempts: sum(|bucket| bucket.attempts),
            started: sum(|bucket| bucket.started),
            ended: sum(|bucket| bucket.ended),
            unwatched,
        }
    }
}

#[cfg(test)]
mod tests;
