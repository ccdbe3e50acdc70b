//! Says of one failing container what a line of the page shows, and what it opens to.

use std::time::Duration;

use super::super::{Sight, Site};
use super::picture::Timeline;
use super::words;
use crate::present::{FailingContainer, age};
use image_pull_model::cause::Cause;
use image_pull_model::history::Point;
use image_pull_model::image::ImageReference;
use image_pull_model::image::suspect::suspect;
use image_pull_model::since::Basis;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;

/// One failing container.
pub(super) struct Row {
    pub(super) failure: FailingContainer,
    /// Names the line for links and for the script.
    pub(super) id: String,
    pub(super) image: Image,
    pub(super) since: String,
    pub(super) since_millis: i64,
    pub(super) age: String,
    /// How long the present cause has lasted.
    pub(super) cause_since: String,
    pub(super) attempts: String,
    pub(super) wait: Option<Wait>,
    pub(super) timeline: Option<Timeline>,
    pub(super) timeline_label: String,
    pub(super) path: String,
    pub(super) check_first: String,
    pub(super) commands: Vec<String>,
    /// When the kubelet asks the registry, and why.
    pub(super) policy: &'static str,
    /// How long the status has not changed, where it should have.
    pub(super) stale_for: Option<String>,
    /// How it went.
    pub(super) points: Vec<Point>,
}

/// An image with its wrong part apart.
pub(super) struct Image {
    pub(super) before: String,
    pub(super) wrong: String,
    pub(super) after: String,
}

/// A wait for the next attempt.
pub(super) struct Wait {
    pub(super) from_millis: i64,
    pub(super) until_millis: i64,
    pub(super) percent: u64,
    pub(super) text: String,
}

impl Row {
    pub(super) fn of(failing: Failing<'_>, sight: &Sight, site: &dyn Site) -> Self {
        let (pod, container, failure) = failing;
        let now = sight.now;
        let timelines = site.timelines(&pod.id).into_iter();
        let points = timelines.filter(|(name, _)| **name == *container.name).map(|(_, points)| points).next();
        let points = points.unwrap_or_default();
        let mut told = FailingContainer::of(failing, now, sight.seen_until(), &sight.registry_pods);
        let (check_first, commands) =
            told.advice.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
        told.advice.clear();
        let timeline = Timeline::of(&points, now);
        let attempts = match failure.since.basis {
            Basis::Observed => failure.attempts.to_string(),
            Basis::PodCondition | Basis::PreviousTermination | Basis::Event | Basis::PodStart => {
                format!("{}+", failure.attempts)
            }
        };
        Self {
            id: format!("{}/{}", pod.id.uid, container.name),
            image: Image::of(&told.image, failure.cause(), &failure.image),
            since: words::clock(failure.since.at),
            since_millis: failure.since.at.unix_millis(),
            age: words::ago(failure.since.at, now),
            cause_since: words::cause_since(failure.cause_since(), now),
            attempts,
            wait: Wait::of(failure.last_attempt(), failure.next_attempt(), now),
            timeline_label: timeline.as_ref().map(|timeline| label(timeline, now)).unwrap_or_default(),
            timeline,
            path: words::pod_path(&pod.id.namespace, &pod.id.name),
            check_first,
            commands,
            stale_for: told.stale_since.map(|since| words::ago(since, now)),
            policy: words::policy(failure.policy, &failure.image),
            points,
            failure: told,
        }
    }
}

fn label(timeline: &Timeline, now: Timestamp) -> String {
    let attempts = words::count(timeline.count, "failed attempt");
    format!("{attempts} in the last {}", words::ago(timeline.begin, now))
}

impl Image {
    pub(super) fn of(shown: &str, cause: Cause, image: &ImageReference) -> Self {
        let range = suspect(cause, image).and_then(|part| part.range_in(shown)).unwrap_or(0..0);
        let piece = |range: std::ops::Range<usize>| shown.get(range).unwrap_or_default().to_owned();
        if range.is_empty() {
            return Self { before: shown.to_owned(), wrong: String::new(), after: String::new() };
        }
        Self { before: piece(0..range.start), wrong: piece(range.clone()), after: piece(range.end..shown.len()) }
    }
}

impl Wait {
    fn of(from: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let (from, until) = (from?, until?);
        let (passed, whole) = (now.since(from), until.since(from).max(Duration::from_millis(1)));
        let percent = (passed.as_millis() * 100 / whole.as_millis()).min(100);
        let left = until.since(now);
        let text = if left.is_zero() { "any moment".to_owned() } else { format!("in {}", age(left)) };
        Some(Self {
            from_millis: from.unix_millis(),
            until_millis: until.unix_millis(),
            percent: u64::try_from(percent).unwrap_or(100),
            text,
        })
    }
}
