//! Says since when a failure lasts that was already there when it was first seen.
//!
//! No field of a pod holds the start of a waiting state, so this takes the best bound there is and names it.

use super::facts::{ContainerFacts, ContainerKind, PodFacts, StateFacts};
use super::time::Timestamp;

/// How the start of a failure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartBasis {
    /// It was seen to begin.
    Observed,
    /// A condition of the pod, or the container before it in the pod's order, says when the pull could begin.
    PodCondition,
    /// The container's previous run, or the init container before it, ended then.
    PreviousTermination,
    /// The kubelet's first Event about it.
    Event,
    /// Nothing better than the pod's own start.
    PodStart,
}

impl StartBasis {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Observed, Self::PodCondition, Self::PreviousTermination, Self::Event, Self::PodStart];

    /// The value of the label `basis`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::PodCondition => "pod_condition",
            Self::PreviousTermination => "previous_termination",
            Self::Event => "event",
            Self::PodStart => "pod_start",
        }
    }
}

/// The start of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureStart {
    /// When it began; never later than the instant it was asked at.
    pub at: Timestamp,
    /// How that is known.
    pub basis: StartBasis,
}

impl FailureStart {
    /// A failure that was seen to begin at `now`.
    #[must_use]
    pub const fn observed(now: Timestamp) -> Self {
        Self { at: now, basis: StartBasis::Observed }
    }

    /// The best bound for a failure of `container` that is found at `now`, and was not there at `not_before`
    /// when somebody last looked. `of_volume` says that the image that fails is an image volume's.
    #[must_use]
    pub fn estimate(
        pod: &PodFacts,
        container: &ContainerFacts,
        of_volume: bool,
        now: Timestamp,
        not_before: Option<Timestamp>,
    ) -> Self {
        let (at, basis) = lower_bound(pod, container, of_volume).unwrap_or((now, StartBasis::PodStart));
        // The kubelet's clock may be ahead of ours, and a look at the cluster beats any bound.
        Self { at: at.max(not_before.unwrap_or(at)).min(now), basis }
    }
}

fn lower_bound(pod: &PodFacts, container: &ContainerFacts, of_volume: bool) -> Option<(Timestamp, StartBasis)> {
    let pod_start = || pod.scheduled.or(pod.started).or(pod.created).map(|at| (at, StartBasis::PodStart));
    if let Some(ended) = container.last_finished_at {
        return Some((ended, StartBasis::PreviousTermination));
    }
    // An ephemeral container is added to a pod that runs; no condition tells when.
    if container.kind == ContainerKind::Ephemeral {
        return pod_start();
    }
    // Image volumes are pulled before any container (pkg/kubelet/kuberuntime/kuberuntime_manager.go:1866, v1.36.2).
    let turn = if of_volume { PullOrder::First } else { pull_order(pod, container) };
    let condition = |at: Option<Timestamp>| at.map(|at| (at, StartBasis::PodCondition));
    match turn {
        PullOrder::First => condition(pod.sandbox_ready),
        PullOrder::AfterInit => condition(pod.initialized),
        PullOrder::After(previous) => match previous.state {
            StateFacts::Terminated { finished_at: finished, .. } => {
                finished.map(|at| (at, StartBasis::PreviousTermination))
            }
            StateFacts::Running { started_at: started } => condition(started),
            StateFacts::Waiting { .. } | StateFacts::Absent => None,
        },
    }
    .or_else(pod_start)
}

/// When in a pod's life a container's image is pulled.
enum PullOrder<'a> {
    First,
    After(&'a ContainerFacts),
    AfterInit,
}

fn pull_order<'a>(pod: &'a PodFacts, container: &ContainerFacts) -> PullOrder<'a> {
    let mut inits =
        pod.containers.iter().filter(|c| matches!(c.kind, ContainerKind::Init | ContainerKind::Sidecar)).peekable();
    if inits.peek().is_none() {
        return PullOrder::First;
    }
    if container.kind == ContainerKind::App {
        return PullOrder::AfterInit;
    }
    inits.take_while(|init| init.name != container.name).last().map_or(PullOrder::First, PullOrder::After)
}

#[cfg(test)]
mod tests;
