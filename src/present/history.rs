//! Serializable reports of the history: ended failures, status changes of open ones, and the last day.

use serde::Serialize;

use super::{FailureReport, rfc3339};
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::history::{ActivityBucket, PastFailure, TimelinePoint};
use image_pull_model::reason::ImageState;
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;

/// An ended failure, as it was when it ended. `failing_seconds` is its total duration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndedFailureReport {
    /// The report of the failure; its fields are at the top level in JSON.
    #[serde(flatten)]
    pub failure: FailureReport,
    /// When the failure ended.
    #[serde(serialize_with = "rfc3339")]
    pub ended: Timestamp,
    /// Outcome: `recovered`, `image_changed`, `pod_deleted`, `pod_finished` or `unknown`.
    pub outcome: &'static str,
}

impl EndedFailureReport {
    /// Returns the report of an ended failure, or `None` if the pod has no record of it.
    #[must_use]
    pub fn of(ended: &PastFailure) -> Option<Self> {
        let mut failure = FailureReport::of(ended.failure_ref()?, ended.at, ended.at, &FailingRegistryPods::default());
        failure.next_attempt = None;
        Some(Self { failure, ended: ended.at, outcome: ended.outcome.as_str() })
    }
}

/// A change of the status of a failing container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusChange {
    /// When the status changed.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The waiting reason, or the name of the state if the reason is not about the image.
    pub status: &'static str,
    /// Whether this is a failed attempt.
    pub attempt: bool,
    /// Error text of a failed attempt, redacted.
    pub message: Option<String>,
}

impl StatusChange {
    /// Returns the report of a point of a timeline.
    #[must_use]
    pub fn of(point: &TimelinePoint) -> Self {
        Self {
            time: point.at,
            status: status_name(point.image_state),
            attempt: point.image_state.is_failed_attempt(),
            message: point.text.as_ref().map(|text| redact(text).into_owned()),
        }
    }
}

/// Returns the display name of an image state.
#[must_use]
pub(crate) fn status_name(state: ImageState) -> &'static str {
    match state {
        ImageState::NoImage(reason) => reason.as_str(),
        ImageState::BeforePull => "ContainerCreating",
        ImageState::CrashLoop => "CrashLoopBackOff",
        ImageState::HasImage => "HasImage",
        ImageState::Unreported | ImageState::UnknownReason => "Unknown",
    }
}

/// Five minutes of the cluster's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DayBucketReport {
    /// Start of the five minutes.
    #[serde(serialize_with = "rfc3339")]
    pub begin: Timestamp,
    /// Maximum number of containers that failed at the same time.
    pub failing: u32,
    /// Number of failed attempts.
    pub attempts: u32,
    /// Number of failures that began or were found.
    pub started: u32,
    /// Number of failures that ended.
    pub ended: u32,
}

impl From<&ActivityBucket> for DayBucketReport {
    fn from(bucket: &ActivityBucket) -> Self {
        let ActivityBucket { start: begin, failing, attempts, started, ended } = *bucket;
        Self { begin, failing, attempts, started, ended }
    }
}
