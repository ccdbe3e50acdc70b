//! Finds the containers of a pod that wait without an error, from the pod alone.
//!
//! # Order
//!
//! A kubelet starts the init containers one after the other and then the app containers (`SyncPod`,
//! pkg/kubelet/kuberuntime/kuberuntime_manager.go, v1.36.2). Only the first that has not started can wait. A container is
//! passed over if
//!
//! - it is an init container that ended successfully;
//! - it is a sidecar that runs and has started, or that stopped in a pod whose condition `Initialized` is True;
//! - it is an app container that has its image, backs off before a restart, or is not found by the kubelet;
//! - it has no status, but another init or app container has one.
//!
//! Any other container ends the search: the ones behind it do not start. It waits if its status says `ContainerCreating` or
//! `PodInitializing`, or if no init and app container has a status and the phase is not `Running`, as with virtual kubelets.
//! Ephemeral containers are added to a running pod and wait independently of the others, the first of them in the same way.
//!
//! # Stage
//!
//! | condition `PodReadyToStartContainers` | before the container | stage | since |
//! |---|---|---|---|
//! | False | any | starting | the start of the pod |
//! | True or absent | an init container ended, or a sidecar or app container runs or ran | pending, `previous_container` | the later of its end or start and the condition |
//! | True | no container ran | pending, `sandbox_ready` | the condition |
//! | absent | no container ran | starting | the start of the pod |
//!
//! The start of the pod is the condition `PodScheduled`, else `status.startTime`, else its creation. A container without a
//! status is always starting. No field has the time at which an ephemeral container was added.

use super::{PendingBasis, WaitStage};
use crate::facts::{ContainerFacts, ContainerKind, PodFacts, PodPhase, StateFacts};
use crate::reason::{ImageState, image_state_of};
use crate::time::Timestamp;

/// A container of a pod that waits, according to the pod alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PodWait<'a> {
    /// The container, with the images that it needs.
    pub(crate) container: &'a ContainerFacts,
    /// The knowledge about the wait.
    pub(crate) stage: WaitStage,
    /// When the stage began at the earliest; `None` if no field has that time. May be in the future, by the clock of the kubelet.
    pub(crate) since: Option<Timestamp>,
}

/// The containers of a pod that start one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartOrder {
    /// The init and app containers.
    Main,
    /// The ephemeral containers.
    Ephemeral,
}

impl StartOrder {
    pub(crate) const ALL: [Self; 2] = [Self::Main, Self::Ephemeral];

    pub(crate) fn contains(self, kind: ContainerKind) -> bool {
        match kind {
            ContainerKind::Init | ContainerKind::Sidecar | ContainerKind::App => self == Self::Main,
            ContainerKind::Ephemeral => self == Self::Ephemeral,
            ContainerKind::Sandbox => false,
        }
    }
}

/// Whether containers of the pod can wait: it is bound to a node, and neither deleting nor finished.
pub(crate) fn can_wait(pod: &PodFacts) -> bool {
    !pod.node.is_empty() && !pod.is_deleting && pod.phase != PodPhase::Finished
}

/// Returns the first container of `order` that waits. It may have an open failure, which the caller has to check.
pub(crate) fn first_wait(pod: &PodFacts, order: StartOrder) -> Option<PodWait<'_>> {
    let mut before = Evidence::none();
    for container in pod.containers.iter().filter(|container| order.contains(container.kind)) {
        match turn(pod, container) {
            Turn::Over(evidence) => before = before.and(evidence),
            Turn::Waits => {
                let (stage, since) = stage(pod, container, before);
                return Some(PodWait { container, stage, since });
            }
            Turn::Blocks => return None,
        }
    }
    None
}

/// Whether the status of `container` shows a wait. Ignores the containers before it.
pub(crate) fn is_unstarted(pod: &PodFacts, container: &ContainerFacts) -> bool {
    can_wait(pod) && turn(pod, container) == Turn::Waits
}

/// Whether the container has run before, so that the fields of the pod are not about its current wait.
pub(crate) fn has_run(container: &ContainerFacts) -> bool {
    container.restart_count > 0 || container.last_finished_at.is_some()
}

/// The turn of a container in the order of the pod.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// The next container starts.
    Over(Evidence),
    /// The container waits.
    Waits,
    /// The next container does not start, and this one does not wait.
    Blocks,
}

/// Whether a container ran, and when the one behind it could start.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Evidence {
    ran: bool,
    at: Option<Timestamp>,
}

impl Evidence {
    const fn none() -> Self {
        Self { ran: false, at: None }
    }

    const fn ran_at(at: Option<Timestamp>) -> Self {
        Self { ran: true, at }
    }

    fn and(self, other: Self) -> Self {
        Self { ran: self.ran || other.ran, at: self.at.max(other.at) }
    }
}

fn turn(pod: &PodFacts, container: &ContainerFacts) -> Turn {
    // The spec has no such container, so its image is not known.
    if container.images.is_empty() {
        return Turn::Over(Evidence::none());
    }
    let image_state = image_state_of(&container.state);
    match (&container.state, image_state) {
        (_, ImageState::BeforePull) => return Turn::Waits,
        (StateFacts::Absent, _) => return turn_without_status(pod, container),
        _ => {}
    }
    match container.kind {
        ContainerKind::Init => match &container.state {
            // The kubelet writes a reason for every end. Other ones than "Completed" are failures, after which it runs again.
            StateFacts::Terminated { reason, finished_at } if reason == "Completed" || reason.is_empty() => {
                Turn::Over(Evidence::ran_at(*finished_at))
            }
            _ => Turn::Blocks,
        },
        ContainerKind::Sidecar => match &container.state {
            StateFacts::Running { started_at } if container.has_started => Turn::Over(Evidence::ran_at(*started_at)),
            StateFacts::Terminated { .. } | StateFacts::Waiting { .. } if pod.initialized.is_some() => {
                Turn::Over(Evidence::none())
            }
            _ => Turn::Blocks,
        },
        ContainerKind::App | ContainerKind::Ephemeral => match (&container.state, image_state) {
            (StateFacts::Running { started_at }, _) => Turn::Over(Evidence::ran_at(*started_at)),
            (StateFacts::Terminated { finished_at, .. }, ImageState::HasImage) => {
                Turn::Over(Evidence::ran_at(*finished_at))
            }
            (_, ImageState::CrashLoop | ImageState::HasImage) => {
                Turn::Over(Evidence::ran_at(container.last_finished_at))
            }
            (StateFacts::Terminated { .. }, _) => Turn::Over(Evidence::none()),
            (_, ImageState::NoImage(_)) if container.kind == ContainerKind::Ephemeral => Turn::Over(Evidence::none()),
            _ => Turn::Blocks,
        },
        ContainerKind::Sandbox => Turn::Over(Evidence::none()),
    }
}

fn turn_without_status(pod: &PodFacts, container: &ContainerFacts) -> Turn {
    let has_status =
        |other: &ContainerFacts| StartOrder::Main.contains(other.kind) && other.state != StateFacts::Absent;
    let waits = container.kind != ContainerKind::Ephemeral
        && pod.phase == PodPhase::Active
        && !pod.containers.iter().any(has_status);
    if waits { Turn::Waits } else { Turn::Over(Evidence::none()) }
}

fn stage(pod: &PodFacts, container: &ContainerFacts, before: Evidence) -> (WaitStage, Option<Timestamp>) {
    let is_ephemeral = container.kind == ContainerKind::Ephemeral;
    let pod_start = if is_ephemeral { None } else { pod.scheduled.or(pod.started).or(pod.created) };
    // Ephemeral containers are added to a sandbox in which any container may have run.
    let before = if is_ephemeral { Evidence { ran: pod.containers.iter().any(runs_or_ran), at: None } } else { before };
    let (basis, since) = if pod.is_sandbox_missing || container.state == StateFacts::Absent {
        return (WaitStage::Starting, pod_start);
    } else if before.ran && !(is_ephemeral && pod.sandbox_ready.is_some()) {
        (PendingBasis::PreviousContainer, before.at.max(pod.sandbox_ready))
    } else if pod.sandbox_ready.is_some() {
        (PendingBasis::SandboxReady, pod.sandbox_ready)
    } else {
        return (WaitStage::Starting, pod_start);
    };
    (WaitStage::Pending(basis), if is_ephemeral { None } else { since.or(pod_start) })
}

fn runs_or_ran(container: &ContainerFacts) -> bool {
    match &container.state {
        StateFacts::Running { .. } => true,
        StateFacts::Terminated { .. } => image_state_of(&container.state) == ImageState::HasImage,
        StateFacts::Waiting { .. } | StateFacts::Absent => has_run(container),
    }
}
