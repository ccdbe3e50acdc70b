//! The timeline of one failure, as SVG paths.
//!
//! Each color is a single path, which keeps a page with a thousand timelines small.

use std::fmt::Write as _;

use image_pull_model::history::TimelinePoint;
use image_pull_model::reason::{ImageState, WaitingReason};
use image_pull_model::time::Timestamp;

/// Width of the SVG view box.
const WIDTH: i64 = 600;
/// Minimum width of an attempt, to keep it visible.
const MIN_ATTEMPT_WIDTH: i64 = 3;

/// The timeline of one failure, from its first status in the history.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    pub(super) begin: Timestamp,
    /// Path of the failed attempts.
    pub(super) attempts: String,
    /// Path of the back-off intervals.
    pub(super) waits: String,
    /// Path of all other statuses.
    pub(super) others: String,
    /// Number of failed attempts.
    pub(super) count: usize,
}

impl Timeline {
    /// Returns `None` if there are no points.
    pub(super) fn new(points: &[TimelinePoint], now: Timestamp) -> Option<Self> {
        let begin = points.first()?.at;
        let span = i64::try_from(now.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX).max(1);
        let x = |at: Timestamp| {
            let offset = i64::try_from(at.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX).min(span);
            offset.saturating_mul(WIDTH) / span
        };
        let mut timeline = Self { begin, ..Self::default() };
        let ends = points.iter().skip(1).map(|point| point.at).chain([now]);
        for (point, end) in points.iter().zip(ends) {
            let (left, right) = (x(point.at), x(end));
            let (path, top, height) = match point.image_state {
                state if state.is_failed_attempt() => {
                    timeline.count += 1;
                    (&mut timeline.attempts, 0, 16)
                }
                ImageState::NoImage(WaitingReason::ImagePullBackOff) => (&mut timeline.waits, 5, 6),
                _ => (&mut timeline.others, 5, 6),
            };
            let width = if top == 0 { (right - left).max(MIN_ATTEMPT_WIDTH) } else { right - left };
            if width > 0 {
                let left = left.min(WIDTH - width);
                // Writing to a String cannot fail.
                let _ = write!(path, "M{left} {top}h{width}v{height}h-{width}z");
            }
        }
        Some(timeline)
    }
}

#[cfg(test)]
mod tests;
