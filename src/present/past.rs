//! Serializable reports of the history: ended failures, status changes of open ones, and the last day.

use serde::Serialize;

use super::{FailingContainer, rfc3339};
use image_pull_model::advice::RegistryPods;
use image_pull_model::history::{Bucket, Ended, Point};
use image_pull_model::reason::Stage;
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;

/// An ended failure, as it was when it ended. `failing_seconds` is its total duration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndedFailure {
    /// The report of the failure; its fields are at the top level in JSON.
    #[serde(flatten)]
    pub failure: FailingContainer,
    /// When the failure ended.
    #[serde(serialize_with = "rfc3339")]
    pub ended: Timestamp,
    /// Outcome: `recovered`, `image_changed`, `pod_deleted`, `pod_finished` or `unknown`.
    pub outcome: &'static str,
}

impl EndedFailure {
    /// Returns the report of an ended failure, or `None` if the pod has no record of it.
    #[must_use]
    pub fn of(ended: &Ended) -> Option<Self> {
        let mut failure = FailingContainer::of(ended.failing()?, ended.at, ended.at, &RegistryPods::default());
        failure.next_attempt = None;
        Some(Self { failure, ended: ended.at, outcome: ended.outcome.as_str() })
    }
}

/// A change of the status of a failing container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
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

impl Status {
    /// Returns the report of a point of a timeline.
    #[must_use]
    pub fn of(point: &Point) -> Self {
        Self {
            time: point.at,
            status: word(point.stage),
            attempt: point.stage.is_attempt(),
            message: point.text.as_ref().map(|text| redact(text).into_owned()),
        }
    }
}

/// Returns the display name of an image state.
#[must_use]
pub const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::NoImage(reason) => reason.as_str(),
        Stage::BeforePull => "ContainerCreating",
        Stage::CrashLoop => "CrashLoopBackOff",
        Stage::HasImage => "HasImage",
        Stage::Unsaid | Stage::Unknown => "Unknown",
    }
}

/// Five minutes of the cluster's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiveMinutes {
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

impl From<&Bucket> for FiveMinutes {
    fn from(bucket: &Bucket) -> Self {
        let Bucket { begin, failing, attempts, started, ended } = *bucket;
        Self { begin, failing, attempts, started, ended }
    }
}
