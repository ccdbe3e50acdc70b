//! The effects of an update of the index, for counters, history and log.

use std::sync::Arc;
use std::time::Duration;

use super::facts::PodId;
use super::failure_event::FailureEvent;
use super::image_wait::PendingEvent;
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
    /// A container began or ceased to be pending.
    Pending {
        /// The container that was pending.
        subject: FailureSubject,
        /// The event, for histograms.
        event: PendingEvent,
    },
    /// A pull ended, according to an Event of the kubelet. A sample of the pulls: kubelets drop Events.
    Pull(PullReport),
    /// A container has an unknown waiting reason.
    UnknownReason(String),
    /// A pod's status has two containers of one kind and name. The second was skipped.
    DuplicateContainer(Arc<PodId>),
}

/// One or more pulls that an Event reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullReport {
    /// The container, and the registry of the image. The name is empty for an image volume.
    pub subject: FailureSubject,
    /// The result of the pulls.
    pub result: PullResult,
    /// The number of pulls: by how much the count of the Event grew.
    pub count: u32,
}

/// The result of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullResult {
    /// The image was pulled.
    Pulled {
        /// The time of the pull itself.
        duration: Duration,
        /// The time before it in the kubelet's queue.
        queued: Option<Duration>,
        /// The size of the image in bytes.
        size: Option<u64>,
    },
    /// The pull failed.
    Failed,
}

/// The container of a failure or a wait, and the registry of its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSubject {
    /// The identity of the pod.
    pub pod: Arc<PodId>,
    /// The name of the container.
    pub container: String,
    /// The registry under which the failure is counted. Empty if the image reference is invalid.
    pub registry: String,
}
