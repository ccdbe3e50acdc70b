//! Containers that wait for their image, or may wait for it, without an error.
//!
//! A kubelet mounts the volumes of a pod, creates its sandbox, and then pulls the images one after the other in the order in
//! which the containers start (`SyncPod`, pkg/kubelet/kuberuntime/kuberuntime_manager.go, v1.36.2). The status says
//! `ContainerCreating` or `PodInitializing` during all of that. A container is
//!
//! - *pending* if everything before its pull is done: its image is being pulled, is queued, or the runtime hangs;
//! - *starting* if that is not known: its volumes, its sandbox or its image are awaited.
//!
//! At most one container of a pod's init and app containers is either: the first that has not started. The same holds for the
//! ephemeral containers. Containers with an open failure do not wait. The same holds for containers that show the status
//! of an image which the spec no longer names. [`of_pod`] has the rules.
//!
//! # Transitions
//!
//! A *pending stretch* is an uninterrupted period in which one container is pending. Only pending stretches are reported as
//! [effects](super::effect::IndexEffect::Pending).
//!
//! | the next status of the container | the stretch |
//! |---|---|
//! | `ContainerCreating` or `PodInitializing`, same image, same sandbox | continues |
//! | running, terminated, backs off before a restart, or fails to be created or started | ends as `started` |
//! | an image reason that opens a failure | ends as `failed`, and the failure keeps its start |
//! | the pod is deleting or was deleted | ends as `pod_deleted` |
//! | the pod finished, the image was changed, the sandbox was lost or replaced, the container is gone, an earlier container starts again | ends as `unknown` |
//!
//! A stretch begins where the fields of the pod or the event say. Its duration is measured between the times at which start and
//! end were observed.

pub(crate) mod of_pod;

use std::sync::Arc;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::clock_step::ClockStep;
use super::facts::{ContainerFacts, ImageFacts, PodFacts};
use super::image::{ImageReference, PullPolicy};
use super::intern::Interners;
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
    /// The kubelet's newest event `Pulling` for the container.
    pub(super) pull_request: Option<PullRequest>,
    /// When the pod's sandbox became ready, if a condition of the pod has that time.
    pub(super) sandbox_ready: Option<Timestamp>,
}

impl ImageWait {
    /// The time from the start of the stage to `now`.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Whether the stage is older than `after`. Never if `after` is zero, which turns the threshold off.
    #[must_use]
    pub fn is_overdue(&self, after: Duration, now: Timestamp) -> bool {
        !after.is_zero() && self.age(now) > after
    }

    /// Whether the container is pending.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, WaitStage::Pending(_))
    }

    /// Begins a wait. `None` if the image is not known.
    pub(super) fn begin(
        pod: &PodFacts,
        container: &ContainerFacts,
        (stage, since): (WaitStage, Timestamp),
        observed_since: Option<Timestamp>,
        pools: &mut Interners,
    ) -> Option<Self> {
        let image = container.images.first()?;
        Some(Self {
            stage,
            since,
            image: pools.images.intern(Arc::clone(&image.reference)),
            policy: image.policy,
            registry: pools.texts.intern(image.reference.registry()),
            observed_since,
            pull_request: None,
            sandbox_ready: pod.sandbox_ready,
        })
    }

    /// Begins a wait that an event shows.
    pub(super) fn begin_by_event(
        image: &ImageFacts,
        registry: Arc<str>,
        request: PullRequest,
        observed_since: Option<Timestamp>,
        sandbox_ready: Option<Timestamp>,
    ) -> Self {
        Self {
            stage: WaitStage::Pending(PendingBasis::Event),
            since: request.at,
            image: Arc::clone(&image.reference),
            policy: image.policy,
            registry,
            observed_since,
            pull_request: Some(request),
            sandbox_ready,
        }
    }

    /// Records that the kubelet requested a pull for the container, which turns *starting* into *pending*.
    pub(super) fn request_pull(&mut self, image: &ImageFacts, request: PullRequest, observed_since: Option<Timestamp>) {
        (self.image, self.policy) = (Arc::clone(&image.reference), image.policy);
        self.pull_request = Some(request);
        if self.stage == WaitStage::Starting {
            self.stage = WaitStage::Pending(PendingBasis::Event);
            (self.since, self.observed_since) = (request.at, observed_since);
        }
    }

    /// Records at `now` that the pod has no sandbox, so that the container is not pending.
    pub(super) fn lose_sandbox(&mut self, now: Timestamp) {
        if self.is_pending() {
            (self.stage, self.since, self.observed_since) = (WaitStage::Starting, now, None);
        }
    }

    /// When the kubelet last requested the pull, according to its event `Pulling`. Before that, nothing shows that the pull is
    /// under way or queued.
    #[must_use]
    pub fn pull_requested_at(&self) -> Option<Timestamp> {
        self.pull_request.map(|request| request.at)
    }

    /// Returns the wait after another status of the pod. A later `since` replaces the recorded one.
    pub(super) fn continued(&self, pod: &PodFacts, since: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            since: self.since.max(since.unwrap_or(self.since)).min(now.max(self.since)),
            sandbox_ready: pod.sandbox_ready.or(self.sandbox_ready),
            ..self.clone()
        }
    }

    /// Whether the wait of `container` continues with this stage.
    pub(super) fn continues_as(&self, stage: WaitStage, container: &ContainerFacts, pod: &PodFacts) -> bool {
        let is_same_stage = self.is_pending() == matches!(stage, WaitStage::Pending(_));
        is_same_stage && self.is_awaited_by(container) && !(self.is_pending() && self.has_lost_sandbox(pod))
    }

    /// Whether the container still needs the image.
    pub(super) fn is_awaited_by(&self, container: &ContainerFacts) -> bool {
        container.images.iter().any(|image| image.reference == self.image)
    }

    /// Whether the sandbox that was ready was lost or replaced.
    pub(super) fn has_lost_sandbox(&self, pod: &PodFacts) -> bool {
        match (self.sandbox_ready, pod.sandbox_ready) {
            (Some(before), Some(now)) => before != now,
            (Some(_), None) => pod.is_sandbox_missing,
            (None, _) => false,
        }
    }

    /// Whether the pod's sandbox became ready at `at` or later.
    pub(super) fn is_sandbox_ready_since(&self, at: Timestamp) -> bool {
        self.sandbox_ready.is_some_and(|ready| ready >= at)
    }

    /// Returns the event of the end of a pending stretch; `None` if the container was starting.
    pub(super) fn end_event(&self, outcome: PendingOutcome, at: Timestamp, is_exact: bool) -> Option<PendingEvent> {
        let duration = at.saturating_duration_since(self.observed_since.unwrap_or(self.since));
        let is_exact = is_exact && self.observed_since.is_some();
        self.is_pending().then_some(PendingEvent::Ended { outcome, duration, is_exact })
    }

    /// Corrects the recorded times after the system clock was set. The duration is unknown from then on.
    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        self.since = step.correct(self.since);
        if let Some(request) = &mut self.pull_request {
            request.at = step.correct(request.at);
        }
        self.observed_since = None;
    }
}

/// A kubelet's request to pull an image, ordered by time. Requests of one kubelet in the same second are in the order of the
/// resourceVersions of their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PullRequest {
    /// `lastTimestamp` of the event, not later than the time at which it was received.
    pub(super) at: Timestamp,
    pub(super) resource_version: u64,
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
