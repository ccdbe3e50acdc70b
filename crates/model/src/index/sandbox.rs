//! Failures of the sandbox image, which only Events show.
//!
//! A pod has at most one, in a container of its own: kind [`Sandbox`](ContainerKind::Sandbox), without a name. It starts with
//! the first Event `FailedCreatePodSandBox` about an image. It ends as recovered when the condition
//! `PodReadyToStartContainers` became True after the last of these Events, when a container of the pod ran since, when the pull of
//! another image of the pod begins or fails, or with the pod. While it is open, the containers of the pod are starting, not
//! pending.

use std::sync::Arc;

use super::container_update::{ended_effect, failure_effect, pending_effect, pod_outcome};
use crate::effect::IndexEffect;
use crate::facts::{ContainerFacts, ContainerKind, PodFacts, StateFacts};
use crate::failure::{EventError, Failure, FailureEnd};
use crate::failure_event::FailureOutcome;
use crate::image_wait::PendingOutcome;
use crate::intern::Interners;
use crate::provenance::Provenance;
use crate::reason::{ImageState, image_state_of};
use crate::snapshot::{TrackedContainer, TrackedPod};
use crate::time::Timestamp;

/// The name of the container that has the failure.
const NAME: &str = "";

pub(super) fn is_sandbox(container: &TrackedContainer) -> bool {
    container.kind == ContainerKind::Sandbox
}

/// Applies an Event about the sandbox image of a pod.
pub(super) fn apply_event(
    pod: &mut TrackedPod,
    image: &str,
    error: EventError<'_>,
    now: Timestamp,
    pools: &mut Interners,
) -> Vec<IndexEffect> {
    let id = Arc::clone(&pod.id);
    if let Some(failure) = pod.containers.iter_mut().find_map(|container| {
        let is_sandbox = is_sandbox(container);
        container.failure.as_deref_mut().filter(|_| is_sandbox)
    }) {
        let events = failure.observe_sandbox_event(error, now, pools);
        return events.into_iter().map(|event| failure_effect(&id, NAME, failure, event)).collect();
    }
    if !can_fail(pod, error.last_at) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    for TrackedContainer { name, wait, .. } in &mut pod.containers {
        let Some(wait) = wait else { continue };
        let event = wait.end_event(PendingOutcome::Unknown, now, error.is_observed);
        effects.extend(event.map(|event| pending_effect(&id, name, wait, event)));
        wait.lose_sandbox(now);
    }
    let (failure, events) = Failure::open_sandbox(image, error, now, pools);
    effects.extend(events.into_iter().map(|event| failure_effect(&id, NAME, &failure, event)));
    pod.containers.insert(
        0,
        TrackedContainer {
            name: pools.texts.intern(NAME),
            kind: ContainerKind::Sandbox,
            mirrored_reason: None,
            failure: Some(Box::new(failure)),
            wait: None,
            stale_status: None,
        },
    );
    effects
}

/// Whether an Event of this time can open a failure: the pod starts or fails, and it shows no later sandbox.
fn can_fail(pod: &TrackedPod, last_at: Timestamp) -> bool {
    let is_active = |container: &TrackedContainer| container.wait.is_some() || container.failure.is_some();
    let is_later = |container: &TrackedContainer| {
        container.wait.as_ref().is_some_and(|wait| wait.is_sandbox_ready_since(last_at))
            || container.failure.as_ref().is_some_and(|failure| failure.start.at >= last_at)
    };
    pod.containers.iter().any(is_active) && !pod.containers.iter().any(is_later)
}

/// Ends the failure of the sandbox image because a later Event is about the image of a container.
pub(super) fn recover(
    before: &Arc<TrackedPod>,
    pod: &mut TrackedPod,
    at: Timestamp,
    end: FailureEnd,
) -> Vec<IndexEffect> {
    let is_over =
        |failure: &Failure| failure.last_event_at().is_none_or(|last| last <= at) && failure.start.at <= end.at;
    let position = pod
        .containers
        .iter()
        .position(|container| is_sandbox(container) && container.failure.as_deref().is_some_and(is_over));
    let Some(position) = position else { return Vec::new() };
    let container = pod.containers.remove(position);
    container.failure.iter().map(|failure| ended_effect(before, NAME, failure, end)).collect()
}

/// The status of a pod, to be applied to the failure of its sandbox image.
pub(super) struct SandboxUpdate<'a> {
    pub(super) pod: &'a PodFacts,
    pub(super) previous_pod: &'a Arc<TrackedPod>,
    /// Whether this status opened a failure of a container.
    pub(super) has_new_failure: bool,
    pub(super) provenance: Provenance,
    pub(super) now: Timestamp,
}

impl SandboxUpdate<'_> {
    /// Returns the container with the failure if it continues, with the effects.
    pub(super) fn apply(&self) -> (Option<TrackedContainer>, Option<IndexEffect>) {
        let mut containers = self.previous_pod.containers.iter();
        let Some(container) = containers.find(|container| is_sandbox(container)) else { return (None, None) };
        let Some(failure) = container.failure.as_deref() else { return (None, None) };
        let outcome = pod_outcome(self.pod).or_else(|| self.has_sandbox(failure).then_some(FailureOutcome::Recovered));
        match outcome {
            Some(outcome) => {
                let end = FailureEnd::new(outcome, self.provenance, self.now);
                (None, Some(ended_effect(self.previous_pod, NAME, failure, end)))
            }
            None => (Some(container.clone()), None),
        }
    }

    /// Whether the pod has got a sandbox since the last failed attempt.
    fn has_sandbox(&self, failure: &Failure) -> bool {
        let last = failure.last_event_at().unwrap_or(failure.start.at);
        has_sandbox_since(self.pod, last) || (self.has_new_failure && !self.pod.is_sandbox_missing)
    }
}

/// Whether the pod got a sandbox after `last`.
pub(super) fn has_sandbox_since(pod: &PodFacts, last: Timestamp) -> bool {
    pod.sandbox_ready.is_some_and(|ready| ready > last)
        || pod.containers.iter().any(|container| has_run_since(container, last))
}

fn has_run_since(container: &ContainerFacts, last: Timestamp) -> bool {
    let ended = match &container.state {
        StateFacts::Running { started_at } => return started_at.is_none_or(|started| started >= last),
        StateFacts::Terminated { finished_at, .. } if image_state_of(&container.state) == ImageState::HasImage => {
            *finished_at
        }
        StateFacts::Terminated { .. } | StateFacts::Waiting { .. } | StateFacts::Absent => None,
    };
    ended.max(container.last_finished_at).is_some_and(|ended| ended > last)
}
