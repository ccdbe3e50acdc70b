//! Moves the waits of a pod to its new status.
//!
//! At most one of the init and app containers waits, and at most one of the ephemeral containers. A wait continues while its
//! container, its image, its stage and the sandbox stay the same. A wait whose basis is an event continues while the container
//! has not started, even if the pod alone shows an earlier container as the first one, or no sandbox: kubelets before 1.36
//! write the condition `PodReadyToStartContainers` after the first attempt. Only the loss of a sandbox that was ready ends it.
//!
//! # The start of a wait
//!
//! It is the time in the pod's fields that [`of_pod`](crate::image_wait::of_pod) finds. These fields are about the first start of
//! the pod. They do not bound the wait if the container ran or failed before, if the sandbox was lost, or if the field is much older than
//! the first status that shows the wait, as after a restart of the kubelet. The wait then began when it was observed, or at the
//! earliest when the view was last complete.

use std::sync::Arc;
use std::time::Duration;

use super::container_update::{pending_effect, pod_outcome};
use crate::effect::IndexEffect;
use crate::facts::{ContainerFacts, PodFacts, PodId};
use crate::failure_event::FailureOutcome;
use crate::image_wait::of_pod::{PodWait, StartOrder, can_wait, first_wait, has_run, is_unstarted};
use crate::image_wait::{ImageWait, PendingBasis, PendingEvent, PendingOutcome, WaitStage};
use crate::intern::Interners;
use crate::provenance::Provenance;
use crate::reason::{ImageState, image_state_of};
use crate::snapshot::{TrackedContainer, TrackedPod};
use crate::time::Timestamp;

/// Maximum time from the start of a wait to its first status, if the watch is current.
const MAX_STATUS_DELAY: Duration = Duration::from_secs(60);

/// The status of a pod, to be applied to its waits.
pub(super) struct WaitUpdate<'a> {
    pub(super) id: &'a Arc<PodId>,
    /// The pod before this update, if the index had it.
    pub(super) previous_pod: Option<&'a TrackedPod>,
    pub(super) pod: &'a PodFacts,
    /// Whether the pod's sandbox image cannot be pulled, so that nothing is pulled for its containers.
    pub(super) has_failing_sandbox: bool,
    pub(super) provenance: Provenance,
    pub(super) now: Timestamp,
}

/// A container that waited before the update.
type OldWait<'a> = (&'a TrackedContainer, &'a ImageWait);

impl WaitUpdate<'_> {
    /// Sets the waits of `next`, whose failures are updated already. `shown` has the facts of each. Returns `effects` with those
    /// of the waits: ends before the failures that follow them, starts after the failures that precede them.
    pub(super) fn apply(
        &self,
        next: &mut [TrackedContainer],
        shown: &[&ContainerFacts],
        effects: Vec<IndexEffect>,
        pools: &mut Interners,
    ) -> Vec<IndexEffect> {
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for order in StartOrder::ALL {
            let old = self.old_wait(order);
            let chosen = self.choose(order, old, next, shown, pools);
            let continues = chosen.as_ref().is_some_and(|chosen| chosen.continues);
            if let Some((container, wait)) = old.filter(|_| !continues) {
                let outcome = self.outcome(container, wait, next, shown);
                if let Some(event) = wait.end_event(outcome, self.now, self.provenance.is_observed()) {
                    ended.push(pending_effect(self.id, &container.name, wait, event));
                    link_to_failure(container, wait, next);
                }
            }
            let Some(chosen) = chosen else { continue };
            let Some(container) = next.get_mut(chosen.position) else { continue };
            if !continues && chosen.wait.is_pending() {
                begun.push(pending_effect(self.id, &container.name, &chosen.wait, PendingEvent::Started));
            }
            container.wait = Some(Box::new(chosen.wait));
        }
        ended.extend(effects);
        ended.extend(begun);
        ended
    }

    fn old_wait(&self, order: StartOrder) -> Option<OldWait<'_>> {
        let mut containers = self.previous_pod?.containers.iter().filter(|container| order.contains(container.kind));
        containers.find_map(|container| Some((container, container.wait.as_deref()?)))
    }

    /// Returns the container of `order` that waits.
    fn choose(
        &self,
        order: StartOrder,
        old: Option<OldWait<'_>>,
        next: &[TrackedContainer],
        shown: &[&ContainerFacts],
        pools: &mut Interners,
    ) -> Option<Chosen> {
        if !can_wait(self.pod) {
            return None;
        }
        if let Some(chosen) = old.and_then(|old| self.keep_event_wait(old, next, shown)) {
            return Some(chosen);
        }
        let mut found = first_wait(self.pod, order)?;
        if self.has_failing_sandbox {
            found.stage = WaitStage::Starting;
        }
        let position = shown.iter().position(|facts| std::ptr::eq(*facts, found.container))?;
        if !next.get(position)?.is_free() {
            return None;
        }
        let same = old.filter(|(container, _)| is_same(container, found.container)).map(|(_, wait)| wait);
        if let Some(wait) = same.filter(|wait| wait.continues_as(found.stage, found.container, self.pod)) {
            let since = found.since.filter(|_| found.stage == WaitStage::Starting);
            return Some(Chosen { position, wait: wait.continued(self.pod, since, self.now), continues: true });
        }
        let since = self.since(&found, old.is_some(), self.is_reset(&found, same));
        let observed_since = self.provenance.is_observed().then_some(self.now);
        let wait = ImageWait::begin(self.pod, found.container, (found.stage, since), observed_since, pools)?;
        Some(Chosen { position, wait, continues: false })
    }

    /// Returns the wait of `old` if its basis is an event that still holds.
    fn keep_event_wait(
        &self,
        (container, wait): OldWait<'_>,
        next: &[TrackedContainer],
        shown: &[&ContainerFacts],
    ) -> Option<Chosen> {
        let position = position_of(container, next)?;
        let facts = *shown.get(position)?;
        let holds = wait.stage == WaitStage::Pending(PendingBasis::Event)
            && !self.has_failing_sandbox
            && next.get(position)?.is_free()
            && is_unstarted(self.pod, facts)
            && wait.is_awaited_by(facts)
            && !wait.has_lost_sandbox(self.pod);
        holds.then(|| Chosen { position, wait: wait.continued(self.pod, None, self.now), continues: true })
    }

    /// Whether the fields of the pod are older than the wait. `before` is the wait of the same container.
    fn is_reset(&self, found: &PodWait<'_>, before: Option<&ImageWait>) -> bool {
        let mut known = self.previous_pod.iter().flat_map(|pod| &pod.containers);
        has_run(found.container)
            || known.any(|known| is_same(known, found.container) && !known.is_free())
            || before.is_some_and(|wait| {
                !wait.is_awaited_by(found.container) || (wait.is_pending() && found.stage == WaitStage::Starting)
            })
    }

    /// Returns the start of a wait. `is_handed_on` is true if a container of the same order waited before.
    fn since(&self, found: &PodWait<'_>, is_handed_on: bool, is_reset: bool) -> Timestamp {
        let field = found.since;
        let is_old = |field: Timestamp| field < self.now.saturating_sub(MAX_STATUS_DELAY);
        let not_before = match self.provenance {
            Provenance::Observed if is_reset || (!is_handed_on && field.is_none_or(is_old)) => Some(self.now),
            Provenance::FoundAfter(complete_at) if is_reset || !is_handed_on => Some(complete_at),
            Provenance::Observed | Provenance::FoundAfter(_) => None,
            Provenance::Initial => found.container.last_finished_at.filter(|_| is_reset),
        };
        let since = field.unwrap_or(self.now);
        since.max(not_before.unwrap_or(since)).min(self.now)
    }

    /// The outcome of a pending stretch that does not continue.
    fn outcome(
        &self,
        container: &TrackedContainer,
        wait: &ImageWait,
        next: &[TrackedContainer],
        shown: &[&ContainerFacts],
    ) -> PendingOutcome {
        if let Some(outcome) = pod_outcome(self.pod) {
            return outcome.into();
        }
        let position = position_of(container, next);
        let new = position.and_then(|position| Some((next.get(position)?, *shown.get(position)?)));
        let Some((new, facts)) = new.filter(|(_, facts)| wait.is_awaited_by(facts)) else {
            return PendingOutcome::Unknown;
        };
        match image_state_of(&facts.state) {
            ImageState::HasImage | ImageState::CrashLoop => PendingOutcome::Started,
            ImageState::NoImage(_) if new.failure.is_some() => PendingOutcome::Failed,
            ImageState::NoImage(_) | ImageState::BeforePull | ImageState::Unreported | ImageState::UnknownReason => {
                PendingOutcome::Unknown
            }
        }
    }
}

/// The container that waits after an update.
struct Chosen {
    position: usize,
    wait: ImageWait,
    /// Whether the wait is that of the pod before.
    continues: bool,
}

/// Stores the start of a pending stretch in the failure that follows it.
fn link_to_failure(container: &TrackedContainer, wait: &ImageWait, next: &mut [TrackedContainer]) {
    let Some(position) = position_of(container, next) else { return };
    if let Some(failure) = next.get_mut(position).and_then(|next| next.failure.as_mut()) {
        failure.pending_since = Some(wait.since);
    }
}

fn is_same(container: &TrackedContainer, facts: &ContainerFacts) -> bool {
    container.kind == facts.kind && *container.name == *facts.name
}

fn position_of(container: &TrackedContainer, next: &[TrackedContainer]) -> Option<usize> {
    next.iter().position(|next| next.kind == container.kind && next.name == container.name)
}

impl From<FailureOutcome> for PendingOutcome {
    /// The outcome of a wait whose pod goes.
    fn from(outcome: FailureOutcome) -> Self {
        match outcome {
            FailureOutcome::PodDeleted => Self::PodDeleted,
            FailureOutcome::Recovered
            | FailureOutcome::ImageChanged
            | FailureOutcome::PodFinished
            | FailureOutcome::Unknown => Self::Unknown,
        }
    }
}
