//! Applies a pod to the index.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::container_update::{ContainerUpdate, ended_effect, pod_outcome};
use super::sandbox::{SandboxUpdate, is_sandbox};
use super::unstarted::unstarted;
use super::wait_update::WaitUpdate;
use super::{Index, IndexEntry, MirroredReasons, PodDetails};
use crate::cause::Cause;
use crate::effect::IndexEffect;
use crate::facts::{ContainerFacts, ContainerKind, PodFacts, StateFacts};
use crate::failure::FailureEnd;
use crate::failure_event::{FailureEvent, FailureOutcome};
use crate::image_wait::of_pod::{StartOrder, can_wait, first_wait};
use crate::provenance::Provenance;
use crate::reason::{ImageState, image_state_of};
use crate::snapshot::{TrackedContainer, TrackedPod};
use crate::time::Timestamp;
use crate::workload::is_batch;

impl Index {
    pub(super) fn apply_with(&mut self, facts: &PodFacts, provenance: Provenance, now: Timestamp) -> Vec<IndexEffect> {
        let mut effects = Vec::new();
        let entry = self.pods.remove(&facts.id);
        let has_expired_secrets = entry.as_ref().is_some_and(|entry| entry.has_expired_secrets(now));
        let (old, details) = entry.map_or((None, None), |entry| (Some(entry.pod), entry.details));
        if old.is_none() && !self.needs_tracking(facts) {
            return effects;
        }
        let id = old.as_ref().map_or_else(|| Arc::new(facts.id.clone()), |old| Arc::clone(&old.id));
        let remembered = old.iter().flat_map(|old| &old.containers);
        let mut remembered: BTreeMap<_, _> = remembered.map(|old| ((old.kind, &*old.name), old)).collect();
        let mut names = HashSet::with_capacity(facts.containers.len());
        let (mut next, mut shown): (Vec<TrackedContainer>, Vec<&ContainerFacts>) = (Vec::new(), Vec::new());
        for container in &facts.containers {
            let name = (container.kind, container.name.as_str());
            if !names.insert(name) {
                effects.push(IndexEffect::DuplicateContainer(Arc::clone(&id)));
                continue;
            }
            let before = remembered.remove(&name).cloned();
            let step = ContainerUpdate { id: &id, previous_pod: old.as_ref(), pod: facts, container, provenance, now };
            let mirrored = self.mirrored_reason(container).map(|reason| self.interners.texts.intern(reason));
            next.push(step.apply(before, mirrored, &mut self.interners, &mut effects));
            shown.push(container);
        }
        for gone in remembered.into_values().filter(|gone| !is_sandbox(gone)) {
            let outcome = pod_outcome(facts).unwrap_or(FailureOutcome::Unknown);
            if let (Some(failure), Some(old)) = (&gone.failure, &old) {
                let end = FailureEnd::new(outcome, provenance, now);
                effects.push(ended_effect(old, &gone.name, failure, end));
            }
        }
        let has_new_failure = effects.iter().any(|effect| failure_event(effect) == Some(&FailureEvent::Started));
        let sandbox = old.as_ref().and_then(|old| {
            let update = SandboxUpdate { pod: facts, previous_pod: old, has_new_failure, provenance, now };
            let (sandbox, end) = update.apply();
            effects.extend(end);
            sandbox
        });
        let has_failing_sandbox = sandbox.is_some();
        let waits =
            WaitUpdate { id: &id, previous_pod: old.as_deref(), pod: facts, has_failing_sandbox, provenance, now };
        effects = waits.apply(&mut next, &shown, effects, &mut self.interners);
        let unstarted = unstarted(facts, &next, &shown, &mut self.interners);
        next.retain(TrackedContainer::has_state);
        next.splice(0..0, sandbox);
        next.shrink_to_fit();
        let is_attempt = |effect: &IndexEffect| matches!(failure_event(effect), Some(FailureEvent::AttemptFailed(_)));
        let forgets_secrets = has_expired_secrets && effects.iter().any(is_attempt);
        let details = PodDetails {
            sandbox_ready: facts.sandbox_ready.filter(|_| !unstarted.is_empty()),
            unstarted,
            secrets_missing_at: details.and_then(|details| details.secrets_missing_at).filter(|_| !forgets_secrets),
        };
        let missing_secrets = old.as_ref().filter(|_| !forgets_secrets).map(|old| Arc::clone(&old.missing_secrets));
        let missing_secrets = missing_secrets.unwrap_or_default();
        set_secret_missing(!missing_secrets.is_empty(), &mut next, &mut effects);

        let last_change = old.as_ref().filter(|old| old.containers == next).map_or(now, |old| old.last_changed_at);
        let pod = TrackedPod {
            id,
            node: self.interners.texts.intern(facts.node.as_str()),
            service_account: self.interners.texts.intern(facts.service_account.as_str()),
            pull_secrets: self.interners.lists.intern(facts.pull_secrets.as_slice()),
            missing_secrets,
            owner: self.interners.owners.intern(Arc::new(facts.owner.clone())),
            last_changed_at: last_change,
            is_batch: is_batch(&facts.id, &facts.owner, &self.config.batch_kinds),
            containers: next,
        };
        let (unchanged, is_new) = (old.as_deref() == Some(&pod), old.is_none());
        let id = Arc::clone(&pod.id);
        let pod = (!pod.containers.is_empty()).then(|| old.filter(|_| unchanged).unwrap_or_else(|| Arc::new(pod)));
        if !unchanged {
            self.changes.record(&id, pod.as_ref(), self.pods.len() + 1);
        }
        let Some(pod) = pod else { return effects };
        let details = (details != PodDetails::default()).then(|| Box::new(details));
        self.pods.insert(Arc::clone(&id), IndexEntry { pod, is_unlisted: false, details });
        if is_new || has_new_failure {
            effects.extend(self.apply_recent_events(facts, &id, now));
        }
        effects
    }

    /// Whether a pod that is not in the index has a container that waits, fails, is mirrored or has to be reported.
    fn needs_tracking(&self, pod: &PodFacts) -> bool {
        pod.containers.iter().any(|container| self.is_reported(container))
            || (can_wait(pod) && StartOrder::ALL.into_iter().any(|order| first_wait(pod, order).is_some()))
    }

    /// Whether a container can open a failure, is mirrored or has to be reported.
    fn is_reported(&self, container: &ContainerFacts) -> bool {
        match image_state_of(&container.state) {
            ImageState::NoImage(_) | ImageState::UnknownReason => true,
            ImageState::BeforePull | ImageState::CrashLoop | ImageState::HasImage | ImageState::Unreported => {
                self.config.mirrored_reasons == MirroredReasons::All
                    && matches!(container.state, StateFacts::Waiting { .. })
            }
        }
    }

    fn mirrored_reason<'a>(&self, container: &'a ContainerFacts) -> Option<&'a str> {
        let StateFacts::Waiting { reason, .. } = &container.state else { return None };
        // kube-state-metrics has no family for ephemeral containers.
        if container.kind == ContainerKind::Ephemeral {
            return None;
        }
        match (self.config.mirrored_reasons, image_state_of(&container.state)) {
            (MirroredReasons::All, _) => Some(reason),
            (MirroredReasons::Image, ImageState::NoImage(reason)) => Some(reason.as_str()),
            (MirroredReasons::Image | MirroredReasons::None, _) => None,
        }
    }
}

/// Records in the failures of a pod, and in the attempts that are counted, whether pull secrets of the pod are missing.
fn set_secret_missing(is_missing: bool, containers: &mut [TrackedContainer], effects: &mut [IndexEffect]) {
    for failure in containers.iter_mut().filter_map(|container| container.failure.as_deref_mut()) {
        failure.set_secret_missing(is_missing);
    }
    for effect in effects.iter_mut().filter(|_| is_missing) {
        if let IndexEffect::Failure { event: FailureEvent::AttemptFailed(cause), .. } = effect
            && cause.is_denial()
        {
            *cause = Cause::PullSecretMissing;
        }
    }
}

fn failure_event(effect: &IndexEffect) -> Option<&FailureEvent> {
    match effect {
        IndexEffect::Failure { event, .. } => Some(event),
        _ => None,
    }
}
