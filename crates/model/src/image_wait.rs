//! Containers that wait for their image, or may wait for it, without an error.
//!
//! A kubelet mounts the volumes of a pod, creates its sandbox, and then pulls the images one after the other in the order in
//! which the containers start (`SyncPod`, pkg/kubelet/kuberuntime/kuberuntime_manager.go, v1.36.2). The status says
//! `ContainerCreating` or `PodInitializing` during all of that. A container is
//!
//! - *pending* if everything before its pull is done: its image is being pulled, is queued, or the runtime hangs;
//! - *starting* if that is not known: its volumes, its sandbox or its image are awaited.
//!
//! At most one container of a pod's init and app containers is either: the first that has not started.

use std::sync::Arc;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::image::{ImageReference, PullPolicy};
use super::time::Timestamp;

/// A container that waits without an error.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageWait {
    /// The knowledge about the wait.
    pub stage: WaitStage,
    /// When the stage began, according to the pod or the event. Never later than the time at which it was found.
    pub since: Timestamp,
    /// The image that is awaited: the container's own, or that of an image volume if an event names it.
    pub image: Arc<ImageReference>,
    /// The pull policy of that image.
    pub policy: PullPolicy,
    /// The registry under which the wait is counted.
    pub registry: Arc<str>,
    /// When the stage was observed to begin; `None` if it was found later.
    pub(super) observed_since: Option<Timestamp>,
}

impl ImageWait {
    /// The time from the start of the stage to `now`.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Whether the container is pending.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, WaitStage::Pending(_))
    }
}

/// The knowledge about a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStage {
    /// Volumes, sandbox or image are awaited.
    Starting,
    /// Only the pull is left.
    Pending(PendingBasis),
}

/// The evidence that only the pull of the image is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PendingBasis {
    /// The condition `PodReadyToStartContainers` is True. Kubelets since 1.36 write it before the first pull
    /// (kubernetes/kubernetes#134660), those from 1.29 on after the first attempt.
    SandboxReady,
    /// The container before it has started or ended.
    PreviousContainer,
    /// The kubelet's event `Pulling`.
    Event,
}

impl PendingBasis {
    /// Returns the value of the label `basis`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The end of a pending stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum PendingOutcome {
    /// The container got its image.
    Started,
    /// The pull failed.
    Failed,
    /// The pod is being deleted or was deleted.
    PodDeleted,
    /// The end was not observed, or nothing is known about the pull: the pod finished, its image was changed, or its sandbox
    /// was lost.
    Unknown,
}

impl PendingOutcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the value of the label `outcome`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An event of a pending stretch. Nothing is reported about containers that are starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingEvent {
    /// The stretch began or was found.
    Started,
    /// The stretch ended.
    Ended {
        /// The outcome of the stretch.
        outcome: PendingOutcome,
        /// The time from the start to the end.
        duration: Duration,
        /// Whether start and end were observed.
        is_exact: bool,
    },
}
