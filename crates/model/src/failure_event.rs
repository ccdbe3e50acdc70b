//! The events of a failure, and its outcome.

use std::sync::Arc;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::cause::Cause;
use super::reason::ImageState;
use super::time::Timestamp;

/// The outcome of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FailureOutcome {
    /// The container got its image.
    Recovered,
    /// The spec names another image.
    ImageChanged,
    /// The pod is being deleted or was deleted.
    PodDeleted,
    /// The pod succeeded, failed or was evicted.
    PodFinished,
    /// The end was not observed.
    Unknown,
}

impl FailureOutcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the value of the label `outcome`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An event of a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum FailureEvent {
    /// The failure started or was found.
    Started,
    /// The image state changed, with the last error text, which may contain secrets.
    StatusChanged(ImageState, Arc<str>),
    /// An attempt to pull the image failed with this cause.
    AttemptFailed(Cause),
    /// No classification rule matches this error text, which may contain secrets.
    Unclassified(String),
    /// A back-off interval ended. Its start and its end were observed.
    IntervalMeasured(Duration),
    /// The failure ended.
    Ended {
        /// The outcome of the failure.
        outcome: FailureOutcome,
        /// When the failure ended, or was found to have ended.
        at: Timestamp,
        /// The time from the start to the end.
        duration: Duration,
        /// Whether `duration` is exact: the start was observed, and the end was observed or is in the status.
        is_exact: bool,
    },
}
