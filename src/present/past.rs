//! Tells about what was: failures that ended, the statuses of open ones, the last day.

use serde::Serialize;

use super::{FailingContainer, rfc3339};
use image_pull_model::advice::RegistryPods;
use image_pull_model::history::{Bucket, Ended, Point};
use image_pull_model::reason::Stage;
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;

/// A failure that ended, as it was then: `failing_seconds` is how long it lasted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndedFailure {
    /// The failure.
    #[serde(flatten)]
    pub failure: FailingContainer,
    /// When it ended.
    #[serde(serialize_with = "rfc3339")]
    pub ended: Timestamp,
    /// How: `recovered`, `image_changed`, `pod_deleted`, `pod_finished` or `unknown`.
    pub outcome: &'static str,
}

impl EndedFailure {
    /// Puts it into words.
    #[must_use]
    pub fn of(ended: &Ended) -> Option<Self> {
        let mut failure = FailingContainer::of(ended.failing()?, ended.at, ended.at, &RegistryPods::default());
        failure.next_attempt = None;
        Some(Self { failure, ended: ended.at, outcome: ended.outcome.as_str() })
    }
}

/// A status of a failing container, from when on it showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// When it came.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The waiting reason, or another word where the reason is not one that means "no image".
    pub status: &'static str,
    /// Whether it is a failed attempt.
    pub attempt: bool,
    /// The error text of a failed attempt, redacted.
    pub message: Option<String>,
}

impl Status {
    /// Puts a point of a timeline into words.
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

/// A stage as the status shows it.
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

/// Five minutes of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FiveMinutes {
    /// When they began.
    #[serde(serialize_with = "rfc3339")]
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

impl From<&Bucket> for FiveMinutes {
    fn from(bucket: &Bucket) -> Self {
        let Bucket { begin, failing, attempts, started, ended } = *bucket;
        Self { begin, failing, attempts, started, ended }
    }
}
