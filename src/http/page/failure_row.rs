//! A failing container: its row in an outage, and the details that the row expands to.

use super::image::HighlightedImage;
use super::labels::{age_since, cause_age_text, format_time, pluralize, pod_path, pull_policy_text};
use super::next_attempt::NextAttempt;
use super::timeline::Timeline;
use crate::http::backend::{Backend, Overview};
use crate::present::FailureReport;
use image_pull_model::failure_start::StartBasis;
use image_pull_model::history::TimelinePoint;
use image_pull_model::snapshot::FailureRef;

/// A failing container.
pub(super) struct FailureRow {
    pub(super) failure: FailureReport,
    /// Element id, for links and the script.
    pub(super) id: String,
    pub(super) image: HighlightedImage,
    pub(super) since: String,
    pub(super) since_millis: i64,
    pub(super) age: String,
    pub(super) cause_age: String,
    /// Number of attempts, with a plus sign if it is a lower bound.
    pub(super) attempts: String,
    pub(super) next_attempt: Option<NextAttempt>,
    pub(super) timeline: Option<Timeline>,
    pub(super) timeline_label: String,
    /// Path of the pod page, relative to the link prefix.
    pub(super) path: String,
    pub(super) check_first: String,
    pub(super) commands: Vec<String>,
    pub(super) pull_policy_text: &'static str,
    /// Time since the last status update, if the next one is overdue.
    pub(super) stale_for: Option<String>,
    /// Status history, oldest first.
    pub(super) points: Vec<TimelinePoint>,
}

impl FailureRow {
    pub(super) fn new(failing: FailureRef<'_>, overview: &Overview, backend: &dyn Backend) -> Self {
        let (pod, container, failure) = failing;
        let now = overview.now;
        let timelines = backend.timelines(&pod.id).into_iter();
        let points = timelines.filter(|(name, _)| **name == *container.name).map(|(_, points)| points).next();
        let points = points.unwrap_or_default();
        let mut report = FailureReport::of(failing, now, overview.last_event(), &overview.registry_pods);
        let (check_first, commands) =
            report.advice.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
        report.advice.clear();
        let timeline = Timeline::new(&points, now);
        let attempts = match failure.start.basis {
            StartBasis::Observed => failure.attempts.to_string(),
            StartBasis::PodCondition | StartBasis::PreviousTermination | StartBasis::Event | StartBasis::PodStart => {
                format!("{}+", failure.attempts)
            }
        };
        let timeline_label = timeline.as_ref().map(|timeline| {
            format!("{} in the last {}", pluralize(timeline.count, "failed attempt"), age_since(timeline.begin, now))
        });
        Self {
            id: format!("{}/{}", pod.id.uid, container.name),
            image: HighlightedImage::new(&report.image, failure.cause(), &failure.image),
            since: format_time(failure.start.at),
            since_millis: failure.start.at.unix_millis(),
            age: age_since(failure.start.at, now),
            cause_age: cause_age_text(failure.cause_start(), now),
            attempts,
            next_attempt: NextAttempt::new(failure.last_attempt(), failure.next_attempt(), now),
            timeline,
            timeline_label: timeline_label.unwrap_or_default(),
            path: pod_path(&pod.id.namespace, &pod.id.name),
            check_first,
            commands,
            pull_policy_text: pull_policy_text(failure.policy, &failure.image),
            stale_for: report.stale_since.map(|since| age_since(since, now)),
            points,
            failure: report,
        }
    }
}
