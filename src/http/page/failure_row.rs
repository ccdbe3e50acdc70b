//! Says of one failing container what a line of the page shows, and what it opens to.

use std::time::Duration;

use super::super::{Backend, Overview};
use super::timeline_svg::TimelineSvg;
use super::words;
use crate::present::{FailureReport, format_age};
use image_pull_model::cause::Cause;
use image_pull_model::failure_start::StartBasis;
use image_pull_model::history::TimelinePoint;
use image_pull_model::image::ImageReference;
use image_pull_model::image::suspect::suspect_part;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;

/// One failing container.
pub(super) struct FailureRow {
    pub(super) failure: FailureReport,
    /// Names the line for links and for the script.
    pub(super) id: String,
    pub(super) image: HighlightedImage,
    pub(super) since: String,
    pub(super) since_millis: i64,
    pub(super) age: String,
    /// How long the present cause has lasted.
    pub(super) cause_since: String,
    pub(super) attempts: String,
    pub(super) wait: Option<RetryCountdown>,
    pub(super) timeline: Option<TimelineSvg>,
    pub(super) timeline_label: String,
    pub(super) path: String,
    pub(super) check_first: String,
    pub(super) commands: Vec<String>,
    /// When the kubelet asks the registry, and why.
    pub(super) policy: &'static str,
    /// How long the status has not changed, where it should have.
    pub(super) stale_for: Option<String>,
    /// How it went.
    pub(super) points: Vec<TimelinePoint>,
}

/// An image with its wrong part apart.
pub(super) struct HighlightedImage {
    pub(super) before: String,
    pub(super) wrong: String,
    pub(super) after: String,
}

/// A wait for the next attempt.
pub(super) struct RetryCountdown {
    pub(super) from_millis: i64,
    pub(super) until_millis: i64,
    pub(super) percent: u64,
    pub(super) text: String,
}

impl FailureRow {
    pub(super) fn of(failing: FailureRef<'_>, sight: &Overview, site: &dyn Backend) -> Self {
        let (pod, container, failure) = failing;
        let now = sight.now;
        let timelines = site.timelines(&pod.id).into_iter();
        let points = timelines.filter(|(name, _)| **name == *container.name).map(|(_, points)| points).next();
        let points = points.unwrap_or_default();
        let mut told = FailureReport::of(failing, now, sight.last_event(), &sight.registry_pods);
        let (check_first, commands) =
            told.advice.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
        told.advice.clear();
        let timeline = TimelineSvg::of(&points, now);
        let attempts = match failure.start.basis {
            StartBasis::Observed => failure.attempts.to_string(),
            StartBasis::PodCondition | StartBasis::PreviousTermination | StartBasis::Event | StartBasis::PodStart => {
                format!("{}+", failure.attempts)
            }
        };
        Self {
            id: format!("{}/{}", pod.id.uid, container.name),
            image: HighlightedImage::of(&told.image, failure.cause(), &failure.image),
            since: words::format_time(failure.start.at),
            since_millis: failure.start.at.unix_millis(),
            age: words::age_since(failure.start.at, now),
            cause_since: words::cause_age_text(failure.cause_start(), now),
            attempts,
            wait: RetryCountdown::of(failure.last_attempt(), failure.next_attempt(), now),
            timeline_label: timeline.as_ref().map(|timeline| timeline_label(timeline, now)).unwrap_or_default(),
            timeline,
            path: words::pod_path(&pod.id.namespace, &pod.id.name),
            check_first,
            commands,
            stale_for: told.stale_since.map(|since| words::age_since(since, now)),
            policy: words::pull_policy_text(failure.policy, &failure.image),
            points,
            failure: told,
        }
    }
}

fn timeline_label(timeline: &TimelineSvg, now: Timestamp) -> String {
    let attempts = words::pluralize(timeline.count, "failed attempt");
    format!("{attempts} in the last {}", words::age_since(timeline.begin, now))
}

impl HighlightedImage {
    pub(super) fn of(shown: &str, cause: Cause, image: &ImageReference) -> Self {
        let range = suspect_part(cause, image).and_then(|part| part.range_in(shown)).unwrap_or(0..0);
        let piece = |range: std::ops::Range<usize>| shown.get(range).unwrap_or_default().to_owned();
        if range.is_empty() {
            return Self { before: shown.to_owned(), wrong: String::new(), after: String::new() };
        }
        Self { before: piece(0..range.start), wrong: piece(range.clone()), after: piece(range.end..shown.len()) }
    }
}

impl RetryCountdown {
    fn of(from: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let (from, until) = (from?, until?);
        let (passed, whole) =
            (now.saturating_duration_since(from), until.saturating_duration_since(from).max(Duration::from_millis(1)));
        let percent = (passed.as_millis() * 100 / whole.as_millis()).min(100);
        let left = until.saturating_duration_since(now);
        let text = if left.is_zero() { "any moment".to_owned() } else { format!("in {}", format_age(left)) };
        Some(Self {
            from_millis: from.unix_millis(),
            until_millis: until.unix_millis(),
            percent: u64::try_from(percent).unwrap_or(100),
            text,
        })
    }
}
