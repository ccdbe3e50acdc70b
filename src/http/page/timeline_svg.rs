//! Draws in SVG: how one failure went, and how the cluster's last day was.
//!
//! Shapes are paths, one for each colour, so that a page with a thousand of them stays small.

use std::fmt::Write as _;

use image_pull_model::history::{ActivityBucket, BUCKETS_PER_DAY, TimelinePoint};
use image_pull_model::reason::{ImageState, WaitingReason};
use image_pull_model::time::Timestamp;

/// The width of a timeline in its own units.
const WIDTH: i64 = 600;
/// What an attempt is wide at least, to be seen.
const MIN_ATTEMPT_WIDTH: i64 = 3;
/// The height of the day.
const DAY_HEIGHT: u32 = 40;

/// How one failure went, from the first status that is remembered until now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TimelineSvg {
    /// When it begins.
    pub(super) begin: Timestamp,
    /// Where failed attempts showed.
    pub(super) attempts: String,
    /// Where the kubelet waited.
    pub(super) waits: String,
    /// Where the status said something else.
    pub(super) others: String,
    /// How many attempts are drawn.
    pub(super) count: usize,
}

impl TimelineSvg {
    /// Draws; `None` where there is nothing to draw.
    pub(super) fn of(points: &[TimelinePoint], now: Timestamp) -> Option<Self> {
        let begin = points.first()?.at;
        let span = i64::try_from(now.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX).max(1);
        let place = |at: Timestamp| {
            let offset = i64::try_from(at.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX).min(span);
            offset.saturating_mul(WIDTH) / span
        };
        let mut drawn = Self { begin, ..Self::default() };
        let ends = points.iter().skip(1).map(|point| point.at).chain([now]);
        for (point, end) in points.iter().zip(ends) {
            let (left, right) = (place(point.at), place(end));
            let (path, top, height) = match point.image_state {
                stage if stage.is_failed_attempt() => {
                    drawn.count += 1;
                    (&mut drawn.attempts, 0, 16)
                }
                ImageState::NoImage(WaitingReason::ImagePullBackOff) => (&mut drawn.waits, 5, 6),
                _ => (&mut drawn.others, 5, 6),
            };
            let width = if top == 0 { (right - left).max(MIN_ATTEMPT_WIDTH) } else { right - left };
            // Nothing is narrower than a pixel.
            if width > 0 {
                let left = left.min(WIDTH - width);
                // A String takes everything.
                let _ = write!(path, "M{left} {top}h{width}v{height}h-{width}z");
            }
        }
        Some(drawn)
    }
}

/// The last day of the cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DayChart {
    /// How many containers failed: one bar for each bucket.
    pub(super) bars: String,
    /// The most at one time.
    pub(super) most: u32,
    /// When that was.
    pub(super) most_at: Timestamp,
    /// Failed attempts.
    pub(super) attempts: u32,
    /// Failures that began.
    pub(super) started: u32,
    /// Failures that ended.
    pub(super) ended: u32,
    /// Where the time begins that was watched.
    pub(super) unwatched: u32,
}

impl DayChart {
    /// Draws.
    pub(super) fn of(buckets: &[ActivityBucket]) -> Self {
        let highest = buckets.iter().rev().max_by_key(|bucket| bucket.failing);
        let (most, most_at) = highest.map(|bucket| (bucket.failing, bucket.start)).unwrap_or_default();
        let unwatched = BUCKETS_PER_DAY.saturating_sub(u32::try_from(buckets.len()).unwrap_or(BUCKETS_PER_DAY));
        let mut bars = String::new();
        for (x, bucket) in (unwatched..).zip(buckets).filter(|(_, bucket)| bucket.failing > 0) {
            let height = (bucket.failing * DAY_HEIGHT).div_ceil(most.max(1));
            let _ = write!(bars, "M{x} {DAY_HEIGHT}v-{height}h1v{height}z");
        }
        let sum = |count: fn(&ActivityBucket) -> u32| buckets.iter().map(count).fold(0, u32::saturating_add);
        Self {
            bars,
            most,
            most_at,
            attempts: sum(|bucket| bucket.attempts),
            started: sum(|bucket| bucket.started),
            ended: sum(|bucket| bucket.ended),
            unwatched,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_800_000_000_000).saturating_add(Duration::from_secs(seconds))
    }

    fn point(seconds: u64, stage: ImageState) -> TimelinePoint {
        TimelinePoint { at: at(seconds), image_state: stage, text: None }
    }

    #[test]
    fn a_timeline_has_a_bar_for_each_attempt_and_each_wait() {
        let (attempt, wait) =
            (ImageState::NoImage(WaitingReason::ErrImagePull), ImageState::NoImage(WaitingReason::ImagePullBackOff));
        let points = [point(0, attempt), point(100, wait), point(299, attempt), point(300, ImageState::BeforePull)];
        let drawn = TimelineSvg::of(&points, at(600)).unwrap();
        assert_eq!(drawn.attempts, "M0 0h100v16h-100zM299 0h3v16h-3z");
        assert_eq!(drawn.waits, "M100 5h199v6h-199z");
        assert_eq!(drawn.others, "M300 5h300v6h-300z");
        assert_eq!((drawn.begin, drawn.count), (at(0), 2));
    }

    #[test]
    fn a_timeline_of_nothing_or_of_a_moment_or_of_the_future_can_be_drawn() {
        assert_eq!(TimelineSvg::of(&[], at(0)), None);
        let attempt = ImageState::NoImage(WaitingReason::ErrImagePull);
        assert_eq!(TimelineSvg::of(&[point(5, attempt)], at(5)).unwrap().attempts, "M0 0h3v16h-3z");
        assert_eq!(TimelineSvg::of(&[point(5, attempt), point(9, attempt)], at(0)).unwrap().count, 2);
    }

    #[test]
    fn a_day_has_a_bar_for_each_five_minutes_with_failures() {
        let bucket = |failing| ActivityBucket { failing, attempts: 2, started: 1, ..ActivityBucket::default() };
        let day = DayChart::of(&[bucket(1), bucket(0), bucket(4)]);
        assert_eq!(day.bars, "M285 40v-10h1v10zM287 40v-40h1v40z");
        assert_eq!((day.most, day.attempts, day.started, day.ended, day.unwatched), (4, 6, 3, 0, 285));
        assert_eq!(DayChart::of(&[]).bars, "");
    }
}
