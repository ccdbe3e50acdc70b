//! Applies the status of a container to its failure, and ends the failures and waits of pods that go.

use std::sync::Arc;

use crate::effect::{FailureSubject, IndexEffect};
use crate::facts::{ContainerFacts, PodFacts, PodId, PodPhase, StateFacts};
use crate::failure::{Failure, FailureEnd, Transition};
use crate::failure_event::{FailureEvent, FailureOutcome};
use crate::image_wait::{ImageWait, PendingEvent};
use crate::intern::Interners;
use crate::provenance::Provenance;
use crate::reason::{ImageState, image_state_of};
use crate::snapshot::{TrackedContainer, TrackedPod};
use crate::time::Timestamp;

/// The status of one container, to be applied to the index.
pub(super) struct ContainerUpdate<'a> {
    pub(super) id: &'a Arc<PodId>,
    /// The pod before this update, if the index had it.
    pub(super) previous_pod: Option<&'a Arc<TrackedPod>>,
    pub(super) pod: &'a PodFacts,
    pub(super) container: &'a ContainerFacts,
    pub(super) provenance: Provenance,
    pub(super) now: Timestamp,
}

impl ContainerUpdate<'_> {
    /// Applies the status to the failure of the container. The waits are updated once all containers are.
    pub(super) fn apply(
        &self,
        before: Option<TrackedContainer>,
        mirrored: Option<Arc<str>>,
        pools: &mut Interners,
        effects: &mut Vec<IndexEffect>,
    ) -> TrackedContainer {
        let (mut failure, mut stale) = before.map_or((None, None), |before| (before.failure, before.stale_status));
        if let (Some(mut open), Some(old)) = (failure.take(), self.previous_pod) {
            let (transition, events) = match pod_outcome(self.pod) {
                Some(outcome) => (Transition::Ends(FailureEnd::new(outcome, self.provenance, self.now)), Vec::new()),
                None => open.observe(self.container, self.provenance, self.now, pools),
            };
            effects.extend(events.into_iter().map(|event| self.failure_effect(&open, event)));
            match transition {
                Transition::Continues => failure = Some(open),
                Transition::Ends(end) => {
                    effects.push(ended_effect(old, &self.container.name, &open, end));
                    if end.outcome == FailureOutcome::ImageChanged {
                        stale = Some(open.to_stale_status());
                    }
                }
            }
        }
        if failure.is_none() && pod_outcome(self.pod).is_none() {
            let opened = Failure::open(self.pod, self.container, stale.as_ref(), self.provenance, self.now, pools);
            failure = opened.map(|(open, events)| {
                effects.extend(events.into_iter().map(|event| self.failure_effect(&open, event)));
                Box::new(open)
            });
        }
        // A stale status is kept as long as the kubelet repeats it.
        let stale = stale.filter(|stale| failure.is_none() && stale.matches(&self.container.state));
        if let (ImageState::UnknownReason, StateFacts::Waiting { reason, .. }) =
            (image_state_of(&self.container.state), &self.container.state)
        {
            effects.push(IndexEffect::UnknownReason(reason.clone()));
        }
        let name = pools.texts.intern(self.container.name.as_str());
        TrackedContainer {
            name,
            kind: self.container.kind,
            mirrored_reason: mirrored,
            failure,
            wait: None,
            stale_status: stale,
        }
    }

    fn failure_effect(&self, failure: &Failure, event: FailureEvent) -> IndexEffect {
        failure_effect(self.id, &self.container.name, failure, event)
    }
}

/// The outcome for all failures of a pod that is deleted or finished.
pub(super) fn pod_outcome(pod: &PodFacts) -> Option<FailureOutcome> {
    match (pod.is_deleting, pod.phase) {
        (true, _) => Some(FailureOutcome::PodDeleted),
        (false, PodPhase::Finished) => Some(FailureOutcome::PodFinished),
        (false, PodPhase::Active | PodPhase::Running) => None,
    }
}

/// Ends the waits and failures of a pod that leaves the index.
pub(super) fn end_all(pod: &Arc<TrackedPod>, end: FailureEnd) -> Vec<IndexEffect> {
    let waits = pod.containers.iter().filter_map(|container| {
        let wait = container.wait.as_deref()?;
        let event = wait.end_event(end.outcome.into(), end.at, end.is_exact)?;
        Some(pending_effect(&pod.id, &container.name, wait, event))
    });
    let failures = pod.containers.iter().filter_map(|container| {
        let failure = container.failure.as_deref()?;
        Some(ended_effect(pod, &container.name, failure, end))
    });
    waits.chain(failures).collect()
}

pub(super) fn ended_effect(pod: &Arc<TrackedPod>, container: &str, failure: &Failure, end: FailureEnd) -> IndexEffect {
    IndexEffect::Failure {
        subject: subject(&pod.id, container, &failure.registry),
        event: failure.end_event(end),
        pod_before_end: Some(Arc::clone(pod)),
    }
}

pub(super) fn failure_effect(pod: &Arc<PodId>, container: &str, failure: &Failure, event: FailureEvent) -> IndexEffect {
    IndexEffect::Failure { subject: subject(pod, container, &failure.registry), event, pod_before_end: None }
}

pub(super) fn pending_effect(pod: &Arc<PodId>, container: &str, wait: &ImageWait, event: PendingEvent) -> IndexEffect {
    IndexEffect::Pending { subject: subject(pod, container, &wait.registry), event }
}

fn subject(pod: &Arc<PodId>, container: &str, registry: &str) -> FailureSubject {
    FailureSubject { pod: Arc::clone(pod), container: container.to_owned(), registry: registry.to_owned() }
}
