//! The index of containers that fail to pull their image, wait for it, or may wait for it.
//!
//! It is updated by three operations: apply, delete and relist. A relist has three steps (begin, apply each pod, end), so
//! that no list of all pods is held in memory; pods that it does not contain are removed at the end. Each operation returns
//! the [effects](IndexEffect) to count. Readers get an immutable [`Snapshot`].
//!
//! The kubelet's Events are optional. They have the same steps (begin a list, apply each Event, end the list) and never add a
//! pod: they show more about pods that are tracked. Events that come before their pod are kept for a minute.
//!
//! A pod is kept while one of its containers fails, waits for its image or may wait for it, or has a mirrored reason. Other
//! pods are not kept. Invariants, for each container (pod uid, container kind and name): at most one failure is open, and a
//! container with an open failure has no wait.

mod apply;
mod apply_event;
mod config;
mod container_update;
mod event_scope;
mod pull_request;
mod recent_events;
mod sandbox;
mod unstarted;
mod wait_update;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::IndexEffect;
use super::facts::{PodFacts, PodId, WatchScope};
use super::failure::FailureEnd;
use super::intern::Interners;
use super::kubelet_event::counts::EventCounts;
use super::latest_snapshot::{InferenceUpdate, PodChanges, infer_causes};
use super::provenance::Provenance;
use super::snapshot::{Snapshot, TrackedPod};
use super::time::Timestamp;
use super::watch_state::WatchState;
pub use config::{IndexConfig, MirroredReasons};
use container_update::{end_all, pod_outcome};
use event_scope::EventScope;
use recent_events::RecentEvents;
use unstarted::Unstarted;

/// Holds the pods with a failing, waiting or mirrored container.
#[derive(Debug)]
pub struct Index {
    config: IndexConfig,
    pods: BTreeMap<Arc<PodId>, IndexEntry>,
    interners: Interners,
    watches: Vec<WatchState>,
    /// Whether a snapshot is available. Never becomes false again.
    is_ready: bool,
    event_scopes: Vec<EventScope>,
    event_counts: EventCounts,
    recent_events: RecentEvents,
    /// The changes since the last call of [`Index::changes`].
    pub(super) changes: PodChanges,
}

#[derive(Debug)]
struct IndexEntry {
    pod: Arc<TrackedPod>,
    /// Whether the current relist has not contained the pod so far.
    is_unlisted: bool,
    /// More about the pod, if there is more than its tracked containers. `None` for nearly all pods.
    details: Option<Box<PodDetails>>,
}

/// The state of a pod that Events need.
#[derive(Clone, Debug, Default, PartialEq)]
struct PodDetails {
    /// The containers that have not started, unless there is only one and it waits for its own image.
    unstarted: Vec<Unstarted>,
    /// When the sandbox became ready, if there are such containers.
    sandbox_ready: Option<Timestamp>,
    /// When the kubelet last reported that pull secrets are missing.
    secrets_missing_at: Option<Timestamp>,
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
            event_scopes: scopes.iter().map(EventScope::new).collect(),
            event_counts: EventCounts::default(),
            recent_events: RecentEvents::default(),
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
        end_all(&entry.pod, FailureEnd::new(outcome, self.provenance(&pod.id.namespace), now))
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
        end_all(
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
            for container in &mut pod.containers {
                if let Some(failure) = &mut container.failure {
                    failure.on_clock_step(step);
                }
                if let Some(wait) = &mut container.wait {
                    wait.on_clock_step(step);
                }
            }
            if let Some(details) = &mut entry.details {
                details.secrets_missing_at = details.secrets_missing_at.map(|at| step.correct(at));
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
                effects.extend(end_all(&entry.pod, end));
                self.changes.record(id, None, tracked);
            }
            !vanished
        });
        if let Some(watch) = self.watch_mut(scope) {
            watch.end_list(now);
        }
        effects
    }

    fn provenance(&self, namespace: &str) -> Provenance {
        let watch = self.watches.iter().find(|watch| watch.scope().covers(namespace));
        watch.map_or(Provenance::Initial, WatchState::provenance)
    }
}

#[cfg(test)]
mod tests;
