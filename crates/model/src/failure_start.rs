//! The start of a failure.
//!
//! No field of a pod holds the start of a waiting state. If the start was not observed, the best lower bound in the pod is
//! used instead, and its source is recorded as the [`StartBasis`].

use strum::IntoStaticStr;

use super::facts::{ContainerFacts, ContainerKind, PodFacts, StateFacts};
use super::time::Timestamp;

/// The source of the start of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StartBasis {
    /// The start was observed.
    Observed,
    /// The transition time of a condition of the pod, or the start of the preceding sidecar. The pull starts then at the
    /// earliest.
    PodCondition,
    /// The end of the container's previous run or of the preceding init container.
    PreviousTermination,
    /// The kubelet's first Event about the failure.
    Event,
    /// The start of the pod. No better bound exists.
    PodStart,
}

impl StartBasis {
    /// Returns the value of the label `basis`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The start of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureStart {
    /// When the failure began. Never later than the time at which it was found.
    pub at: Timestamp,
    /// The source of that time.
    pub basis: StartBasis,
}

impl FailureStart {
    /// The start of a failure that was observed to begin at `now`.
    #[must_use]
    pub const fn observed(now: Timestamp) -> Self {
        Self { at: now, basis: StartBasis::Observed }
    }

    /// Returns the best lower bound for the start of a failure of `container` that is found at `now`.
    ///
    /// `of_volume` is true if the failing image is that of an image volume. `not_before` is the last time at which the failure
    /// did not exist.
    #[must_use]
    pub fn estimate(
        pod: &PodFacts,
        container: &ContainerFacts,
        of_volume: bool,
        now: Timestamp,
        not_before: Option<Timestamp>,
    ) -> Self {
        let (at, basis) = lower_bound(pod, container, of_volume).unwrap_or((now, StartBasis::PodStart));
        // The kubelet's clock may be ahead. A complete view is a better bound than any field of the pod.
        Self { at: at.max(not_before.unwrap_or(at)).min(now), basis }
    }
}

fn lower_bound(pod: &PodFacts, container: &ContainerFacts, of_volume: bool) -> Option<(Timestamp, StartBasis)> {
    let pod_start = || pod.scheduled.or(pod.started).or(pod.created).map(|at| (at, StartBasis::PodStart));
    if let Some(ended) = container.last_finished_at {
        return Some((ended, StartBasis::PreviousTermination));
    }
    // An ephemeral container is added to a running pod. No condition changes at that time.
    if container.kind == ContainerKind::Ephemeral {
        return pod_start();
    }
    // Image volumes are pulled before any container (pkg/kubelet/kuberuntime/kuberuntime_manager.go:1866, v1.36.2).
    let order = if of_volume { PullOrder::First } else { pull_order(pod, container) };
    let condition = |at: Option<Timestamp>| at.map(|at| (at, StartBasis::PodCondition));
    match order {
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

/// When the kubelet pulls a container's image, relative to the other containers of the pod.
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
