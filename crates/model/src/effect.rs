//! The effects of an update of the index, for counters, history and log.

use std::sync::Arc;

use super::facts::PodId;
use super::failure_event::FailureEvent;
use super::snapshot::TrackedPod;

/// An effect of an update of the index.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexEffect {
    /// A failure started, changed or ended.
    Failure {
        /// The container of the failure.
        subject: FailureSubject,
        /// The event, for counters and log.
        event: FailureEvent,
        /// If the failure ended, the pod before the end, with the failure.
        pod_before_end: Option<Arc<TrackedPod>>,
    },
    /// A container has an unknown waiting reason.
    UnknownReason(String),
    /// A pod's status has two containers of one kind and name. The second was skipped.
    DuplicateContainer(Arc<PodId>),
}

/// The container of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSubject {
    /// The identity of the pod.
    pub pod: Arc<PodId>,
    /// The name of the container.
    pub container: String,
    /// The registry under which the failure is counted. Empty if the image reference is invalid.
    pub registry: String,
}
