//! What happened, for whoever counts it: the only thing the index tells besides its snapshot.

use std::sync::Arc;
use std::time::Duration;

use super::cause::Cause;
use super::facts::PodId;
use super::reason::ImageState;
use super::snapshot::TrackedPod;
use super::time::Timestamp;

/// How a failure ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureOutcome {
    /// The container got its image.
    Recovered,
    /// The spec names another image.
    ImageChanged,
    /// The pod is being deleted, or is gone.
    PodDeleted,
    /// The pod succeeded, failed or was evicted.
    PodFinished,
    /// The end could not be seen.
    Unknown,
}

impl FailureOutcome {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Recovered, Self::ImageChanged, Self::PodDeleted, Self::PodFinished, Self::Unknown];

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::ImageChanged => "image_changed",
            Self::PodDeleted => "pod_deleted",
            Self::PodFinished => "pod_finished",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexEffect {
    /// Something happened to a failure.
    Failure(FailureSubject, FailureEvent),
    /// A container waits for a reason that no table here knows.
    UnknownReason(String),
    /// A pod's status had a second container of the same name; it was left out.
    DuplicateContainer(Arc<PodId>),
}

/// Whose failure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSubject {
    /// The pod.
    pub pod: Arc<PodId>,
    /// The container's name.
    pub container: String,
    /// The registry of the image; empty when the reference names none.
    pub registry: String,
}

/// What happened to a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum FailureEvent {
    /// It began, or was found.
    Started,
    /// Its status turned to this stage, with this error text. It may hold secrets.
    StatusChanged(ImageState, Arc<str>),
    /// An attempt to pull failed, for this cause.
    AttemptFailed(Cause),
    /// No rule knows this error text. It may hold secrets.
    Unclassified(String),
    /// A back-off interval passed of which both ends were watched.
    IntervalMeasured(Duration),
    /// It ended.
    Ended {
        /// How.
        outcome: FailureOutcome,
        /// When it ended, or was found to have ended.
        at: Timestamp,
        /// How long it lasted.
        duration: Duration,
        /// Whether both its start and its end are known, so that `lasted` is exact.
        is_exact: bool,
        /// The pod as it was before, with the failure in it.
        pod: Arc<TrackedPod>,
    },
}
