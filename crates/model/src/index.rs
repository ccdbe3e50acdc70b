//! The index of failing containers.
//!
//! It is updated by three operations: apply, delete and relist. A relist has three steps (begin, apply each pod, end), so
//! that no list of all pods is held in memory; pods that it does not contain are removed at the end. Each operation returns
//! the [effects](IndexEffect) to count. Readers get an immutable [`Snapshot`].
//!
//! Healthy pods are not kept. Invariant: at most one open failure per container (pod uid, container kind and name).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::{FailureSubject, IndexEffect};
use super::facts::{ContainerFacts, ContainerKind, PodFacts, PodId, PodPhase, StateFacts, WatchScope};
use super::failure::{Failure, FailureEnd, Transition};
use super::failure_event::{FailureEvent, FailureOutcome};
use super::intern::Interners;
use super::kubelet_event::EventFacts;
use super::latest_snapshot::{InferenceUpdate, PodChanges, infer_causes};
use super::provenance::Provenance;
use super::reason::{ImageState, image_state_of};
use super::snapshot::{Snapshot, TrackedContainer, TrackedPod};
use super::time::Timestamp;
use super::watch_state::WatchState;
use super::workload::is_batch;

/// The waiting reasons that are mirrored in the metric families of kube-state-metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirroredReasons {
    /// Reasons that mean "no image". Free text is mirrored as `Other`, because error text must not become a label.
    #[default]
    Image,
    /// All reasons verbatim, as in kube-state-metrics.
    All,
    /// No reasons.
    None,
}

/// The configuration of an [`Index`].
#[derive(Clone, Debug, Default)]
pub struct IndexConfig {
    /// The waiting reasons to mirror.
    pub mirrored_reasons: MirroredReasons,
    /// Whether the watch excludes finished pods. A pod that leaves the watch without a deletion then has finished.
    pub excludes_finished_pods: bool,
    /// Additional kinds of controllers or workloads that are batch.
    pub batch_kinds: Vec<String>,
    /// Whether the watch has a label selector. A pod whose labels change may then leave the watch.
    pub selects_by_label: bool,
}

impl IndexConfig {
    /// The outcome for the failures of a pod with a watch event `DELETED`, if its last status shows neither a deletion nor
    /// that it finished. Every deletion sets `metadata.deletionTimestamp` first, even a forced one, so the pod may have left the
    /// watch because it no longer matches the selectors.
    const fn outcome_of_deleted_event(&self) -> FailureOutcome {
        match (self.excludes_finished_pods, self.selects_by_label) {
            (_, true) => FailureOutcome::Unknown,
            (true, false) => FailureOutcome::PodFinished,
            (false, false) => FailureOutcome::PodDeleted,
        }
    }

    /// The outcome for the failures of a pod that is missing from a relist. It was deleted, unless it can also leave the watch
    /// in another way.
    const fn outcome_of_missing_pod(&self) -> FailureOutcome {
        match self.outcome_of_deleted_event() {
            FailureOutcome::PodDeleted => FailureOutcome::PodDeleted,
            _ => FailureOutcome::Unknown,
        }
    }
}

/// Holds the pods with a failing or mirrored container.
#[derive(Debug)]
pub struct Index {
    config: IndexConfig,
    pods: BTreeMap<Arc<PodId>, IndexEntry>,
    interners: Interners,
    watches: Vec<WatchState>,
    /// Whether a snapshot is available. Never becomes false again.
    is_ready: bool,
    /// The changes since the last call of [`Index::changes`].
    pub(super) changes: PodChanges,
}

#[derive(Debug)]
struct IndexEntry {
    pod: Arc<TrackedPod>,
    /// Whether the current relist has not contained the pod so far.
    is_unlisted: bool,
}

impl Index {
    /// Creates an empty index for watches of `scopes`.
    #[must_use]
    pub fn new(settings: IndexConfig, scopes: &[WatchScope]) -> Self {
        Self {
            config: settings,
            pods: BTreeMap::new(),
            interners: Interners::default(),
            watches: scopes.iter().map(WatchState::new).collect(),
            is_ready: false,
            changes: PodChanges::empty(),
        }
    }

    /// Whether a snapshot is available: at least one scope was listed, and every other scope was listed or its watch fails.
    /// A scope that cannot be listed does not delay the others.
    pub fn is_ready(&mut self) -> bool {
        let is_listed = |watch: &WatchState| watch.complete_at().is_some();
        self.is_ready |= self.watches.iter().any(is_listed)
            && self.watches.iter().all(|watch| is_listed(watch) || watch.is_failing());
        self.is_ready
    }

    /// Builds a snapshot; `None` until the index [is ready](Self::is_ready). During a relist each pod has its last known state,
    /// and no pod is missing. For frequent reads use [`changes`](Self::changes), which takes constant time.
    pub fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if !self.is_ready() {
            return None;
        }
        let (snapshot, inferred) = infer_causes(self.pods.values().map(|entry| Arc::clone(&entry.pod)).collect());
        self.apply_inferences(&inferred);
        Some(Arc::new(snapshot))
    }

    /// Returns the changes since the last call, in constant time; `None` until the index [is ready](Self::is_ready).
    pub fn changes(&mut self) -> Option<PodChanges> {
        if !self.is_ready() {
            return None;
        }
        Some(self.changes.take(|| self.pods.values().map(|entry| Arc::clone(&entry.pod)).collect()))
    }

    /// Stores the causes that were inferred while a snapshot was built. Skips pods that have changed since.
    pub fn apply_inferences(&mut self, inferred: &[InferenceUpdate]) {
        for InferenceUpdate { before, after } in inferred {
            if let Some(entry) = self.pods.get_mut(&before.id).filter(|entry| Arc::ptr_eq(&entry.pod, before)) {
                entry.pod = Arc::clone(after);
            }
        }
    }

    /// Whether the index holds this pod, so that its next event matters even if it shows no failure.
    #[must_use]
    pub fn contains(&self, pod: &PodId) -> bool {
        self.pods.contains_key(pod)
    }

    /// The state of each watch.
    #[must_use]
    pub fn watches(&self) -> &[WatchState] {
        &self.watches
    }

    /// The state of the watch of `scope`, for updates.
    pub fn watch_mut(&mut self, scope: &WatchScope) -> Option<&mut WatchState> {
        self.watches.iter_mut().find(|watch| watch.scope() == scope)
    }

    /// Applies a pod from a list or a watch event.
    pub fn apply(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<IndexEffect> {
        let provenance = self.provenance(&pod.id.namespace);
        self.apply_with(pod, provenance, now)
    }

    /// Applies a pod that existed before the watch started.
    pub fn apply_initial(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<IndexEffect> {
        self.apply_with(pod, Provenance::Initial, now)
    }

    /// Removes a pod after a watch event `DELETED`.
    pub fn delete(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<IndexEffect> {
        let Some(entry) = self.pods.remove(&pod.id) else { return Vec::new() };
        self.changes.record(&entry.pod.id, None, self.pods.len());
        let outcome = pod_outcome(pod).unwrap_or_else(|| self.config.outcome_of_deleted_event());
        end_failures(&entry.pod, FailureEnd::new(outcome, self.provenance(&pod.id.namespace), now))
    }

    /// Records that a pod of `scope` exists whose status could not be decoded. Its failures continue.
    ///
    /// Unknown fields of `id` are empty. If a relist contains a pod without a known name and uid, the relist removes no pod,
    /// because any missing pod may be that one.
    pub fn keep_partial(&mut self, scope: &WatchScope, id: &PodId) {
        if let Some(watch) = self.watch_mut(scope).filter(|_| id.name.is_empty() && id.uid.is_empty()) {
            watch.record_unidentified();
        }
        for id in self.matching_pods(id) {
            if let Some(entry) = self.pods.get_mut(&id) {
                entry.is_unlisted = false;
            }
        }
    }

    /// Removes a pod after a watch event `DELETED` that could not be decoded. Unknown fields of `id` are empty. Does nothing
    /// if several pods match.
    pub fn delete_partial(&mut self, id: &PodId, now: Timestamp) -> Vec<IndexEffect> {
        let [id] = &*self.matching_pods(id) else { return Vec::new() };
        let Some(entry) = self.pods.remove(id) else { return Vec::new() };
        self.changes.record(id, None, self.pods.len());
        end_failures(
            &entry.pod,
            FailureEnd::new(self.config.outcome_of_missing_pod(), self.provenance(&entry.pod.id.namespace), now),
        )
    }

    /// The pods that match the known fields of `id`.
    fn matching_pods(&self, id: &PodId) -> Vec<Arc<PodId>> {
        let PodId { namespace, name, uid } = id;
        if let Some((known, _)) = self.pods.get_key_value(id) {
            return vec![Arc::clone(known)];
        }
        if name.is_empty() && uid.is_empty() {
            return Vec::new();
        }
        let fits = |part: &str, known: &str| part.is_empty() || part == known;
        let all = self.pods.keys();
        all.filter(|known| fits(namespace, &known.namespace) && fits(name, &known.name) && fits(uid, &known.uid))
            .cloned()
            .collect()
    }

    /// Corrects the recorded times after the system clock was set, so that no start is in the future.
    pub fn on_clock_step(&mut self, step: ClockStep) {
        let tracked = self.pods.len();
        for (id, entry) in &mut self.pods {
            let pod = Arc::make_mut(&mut entry.pod);
            pod.last_changed_at = step.correct(pod.last_changed_at);
            for failure in pod.containers.iter_mut().filter_map(|container| container.failure.as_mut()) {
                failure.on_clock_step(step);
            }
            self.changes.record(id, Some(&entry.pod), tracked);
        }
        for watch in &mut self.watches {
            watch.on_clock_step(step);
        }
    }

    /// Begins a relist of `scope`. Pods that are not applied before its end are removed.
    pub fn begin_relist(&mut self, scope: &WatchScope) {
        if let Some(watch) = self.watch_mut(scope) {
            watch.begin_list();
        }
        for (_, entry) in self.pods.iter_mut().filter(|(id, _)| scope.covers(&id.namespace)) {
            entry.is_unlisted = true;
        }
    }

    /// Ends a relist of `scope` and removes the pods that it did not contain.
    pub fn end_relist(&mut self, scope: &WatchScope, now: Timestamp) -> Vec<IndexEffect> {
        let end = FailureEnd { outcome: self.config.outcome_of_missing_pod(), at: now, is_exact: false };
        let mut effects = Vec::new();
        let is_certain = self.watch_mut(scope).is_none_or(|watch| watch.all_identified());
        let tracked = self.pods.len();
        self.pods.retain(|id, entry| {
            let vanished = is_certain && entry.is_unlisted && scope.covers(&id.namespace);
            if vanished {
                effects.extend(end_failures(&entry.pod, end));
                self.changes.record(id, None, tracked);
            }
            !vanished
        });
        if let Some(watch) = self.watch_mut(scope) {
            watch.end_list(now);
        }
        effects
    }

    /// Begins a list of the Events of `scope`. Those of the first list happened before and are not counted.
    pub fn begin_event_list(&mut self, _scope: &WatchScope) {}

    /// Applies an Event from a list or a watch of `scope`.
    pub fn apply_event(&mut self, _scope: &WatchScope, _event: &EventFacts, _now: Timestamp) -> Vec<IndexEffect> {
        Vec::new()
    }

    /// Ends a list of the Events of `scope`.
    pub fn end_event_list(&mut self, _scope: &WatchScope) {}

    fn provenance(&self, namespace: &str) -> Provenance {
        let watch = self.watches.iter().find(|watch| watch.scope().covers(namespace));
        watch.map_or(Provenance::Initial, WatchState::provenance)
    }

    fn apply_with(&mut self, facts: &PodFacts, provenance: Provenance, now: Timestamp) -> Vec<IndexEffect> {
        let mut effects = Vec::new();
        let old = self.pods.remove(&facts.id).map(|entry| entry.pod);
        if old.is_none() && !facts.containers.iter().any(|container| self.needs_tracking(container)) {
            return effects;
        }
        let id = old.as_ref().map_or_else(|| Arc::new(facts.id.clone()), |old| Arc::clone(&old.id));
        let remembered = old.iter().flat_map(|old| &old.containers);
        let mut remembered: BTreeMap<_, _> = remembered.map(|old| ((old.kind, &*old.name), old)).collect();
        let mut names = HashSet::with_capacity(facts.containers.len());
        let mut next: Vec<TrackedContainer> = Vec::new();
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
        }
        for gone in remembered.into_values() {
            let outcome = pod_outcome(facts).unwrap_or(FailureOutcome::Unknown);
            if let (Some(failure), Some(old)) = (&gone.failure, &old) {
                let end = FailureEnd::new(outcome, provenance, now);
                effects.push(ended_effect(old, &gone.name, failure, end));
            }
        }
        next.retain(TrackedContainer::has_state);
        next.shrink_to_fit();

        let last_change = old.as_ref().filter(|old| old.containers == next).map_or(now, |old| old.last_changed_at);
        let pod = TrackedPod {
            id,
            node: self.interners.texts.intern(facts.node.as_str()),
            service_account: self.interners.texts.intern(facts.service_account.as_str()),
            pull_secrets: self.interners.lists.intern(facts.pull_secrets.as_slice()),
            missing_secrets: old.as_ref().map(|old| Arc::clone(&old.missing_secrets)).unwrap_or_default(),
            owner: self.interners.owners.intern(Arc::new(facts.owner.clone())),
            last_changed_at: last_change,
            is_batch: is_batch(&facts.id, &facts.owner, &self.config.batch_kinds),
            containers: next,
        };
        let unchanged = old.as_deref() == Some(&pod);
        let id = Arc::clone(&pod.id);
        let pod = (!pod.containers.is_empty()).then(|| old.filter(|_| unchanged).unwrap_or_else(|| Arc::new(pod)));
        if !unchanged {
            self.changes.record(&id, pod.as_ref(), self.pods.len() + 1);
        }
        if let Some(pod) = pod {
            self.pods.insert(id, IndexEntry { pod, is_unlisted: false });
        }
        effects
    }

    /// Whether a container of a pod that is not in the index can open a failure, be mirrored or be reported.
    fn needs_tracking(&self, container: &ContainerFacts) -> bool {
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

/// The status of one container, to be applied to the index.
struct ContainerUpdate<'a> {
    id: &'a Arc<PodId>,
    /// The pod before this update, if the index had it.
    previous_pod: Option<&'a Arc<TrackedPod>>,
    pod: &'a PodFacts,
    container: &'a ContainerFacts,
    provenance: Provenance,
    now: Timestamp,
}

impl ContainerUpdate<'_> {
    fn apply(
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
                        stale = Some(open.into_stale_status());
                    }
                }
            }
        }
        if failure.is_none() && pod_outcome(self.pod).is_none() {
            let opened = Failure::open(self.pod, self.container, stale.as_ref(), self.provenance, self.now, pools);
            failure = opened.map(|(open, events)| {
                effects.extend(events.into_iter().map(|event| self.failure_effect(&open, event)));
                open
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
        let subject = subject(self.id, &self.container.name, failure);
        IndexEffect::Failure { subject, event, pod_before_end: None }
    }
}

/// The outcome for all failures of a pod that is deleted or finished.
fn pod_outcome(pod: &PodFacts) -> Option<FailureOutcome> {
    match (pod.is_deleting, pod.phase) {
        (true, _) => Some(FailureOutcome::PodDeleted),
        (false, PodPhase::Finished) => Some(FailureOutcome::PodFinished),
        (false, PodPhase::Active) => None,
    }
}

fn end_failures(pod: &Arc<TrackedPod>, end: FailureEnd) -> Vec<IndexEffect> {
    let ended =
        |container: &TrackedContainer| Some(ended_effect(pod, &container.name, container.failure.as_ref()?, end));
    pod.containers.iter().filter_map(ended).collect()
}

fn ended_effect(pod: &Arc<TrackedPod>, container: &str, failure: &Failure, end: FailureEnd) -> IndexEffect {
    IndexEffect::Failure {
        subject: subject(&pod.id, container, failure),
        event: failure.end_event(end),
        pod_before_end: Some(Arc::clone(pod)),
    }
}

fn subject(pod: &Arc<PodId>, container: &str, failure: &Failure) -> FailureSubject {
    FailureSubject { pod: Arc::clone(pod), container: container.to_owned(), registry: failure.registry.to_string() }
}

#[cfg(test)]
mod tests;
