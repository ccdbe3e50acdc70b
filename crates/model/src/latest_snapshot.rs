//! The latest snapshot, and the changes of the index that update it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::PodId;
use super::inference::KnownCauses;
use super::snapshot::{Snapshot, TrackedPod};

/// A pod before and after causes were inferred for its failures.
#[derive(Clone, Debug)]
pub struct InferenceUpdate {
    pub(super) before: Arc<TrackedPod>,
    pub(super) after: Arc<TrackedPod>,
}

/// Creates a snapshot of `pods`, which must be ordered. Infers the cause of failures without an error text, and returns
/// the pods that this changed.
pub(super) fn infer_causes(mut pods: Vec<Arc<TrackedPod>>) -> (Snapshot, Vec<InferenceUpdate>) {
    let known = KnownCauses::from_pods(pods.iter().map(|pod| &**pod));
    let mut changes = Vec::new();
    for (place, pod) in pods.iter().enumerate().filter(|_| !known.is_empty()) {
        for (position, container) in pod.containers.iter().enumerate() {
            let Some(failure) = &container.failure else { continue };
            let inferred = known.infer(pod, failure);
            if inferred.as_ref() != failure.inferred.as_deref() {
                changes.push((place, position, inferred));
            }
        }
    }
    let mut changed: BTreeMap<usize, Arc<TrackedPod>> = BTreeMap::new();
    for (place, position, inferred) in changes {
        let Some(pod) = pods.get_mut(place) else { continue };
        changed.entry(place).or_insert_with(|| Arc::clone(pod));
        let container = Arc::make_mut(pod).containers.get_mut(position);
        if let Some(failure) = container.and_then(|container| container.failure.as_mut()) {
            failure.inferred = inferred.map(Arc::new);
        }
    }
    let after = |(place, before)| Some(InferenceUpdate { before, after: Arc::clone(pods.get::<usize>(place)?) });
    let inferred = changed.into_iter().filter_map(after).collect();
    (Snapshot { pods }, inferred)
}

/// The changes of an index since the last call of [`Index::changes`](super::index::Index::changes).
#[derive(Debug)]
pub struct PodChanges(ChangeSet);

#[derive(Debug)]
enum ChangeSet {
    /// Pods that were added, changed or removed (`None`).
    Pods(BTreeMap<Arc<PodId>, Option<Arc<TrackedPod>>>),
    /// All pods. Replaces individual changes when there are too many.
    All(Vec<Arc<TrackedPod>>),
}

/// Number of changes up to which they are always recorded individually.
const MIN_CHANGE_CAPACITY: usize = 1024;

impl PodChanges {
    pub(super) const fn empty() -> Self {
        Self(ChangeSet::Pods(BTreeMap::new()))
    }

    /// Records a changed or removed pod. Memory is bounded by `tracked`, the number of pods in the index.
    pub(super) fn record(&mut self, id: &Arc<PodId>, pod: Option<&Arc<TrackedPod>>, tracked: usize) {
        let ChangeSet::Pods(pods) = &mut self.0 else { return };
        pods.insert(Arc::clone(id), pod.cloned());
        if pods.len() > MIN_CHANGE_CAPACITY.max(tracked) {
            self.0 = ChangeSet::All(Vec::new());
        }
    }

    /// Takes the recorded changes. Calls `all` for all pods only if there were too many changes to record.
    pub(super) fn take(&mut self, all: impl FnOnce() -> Vec<Arc<TrackedPod>>) -> Self {
        match std::mem::replace(self, Self::empty()).0 {
            ChangeSet::All(_) => Self(ChangeSet::All(all())),
            changed @ ChangeSet::Pods(_) => Self(changed),
        }
    }
}

/// The latest snapshot, updated by [`PodChanges`]. It is built outside of the lock of the index.
#[derive(Debug, Default)]
pub struct LatestSnapshot(Arc<Snapshot>);

impl LatestSnapshot {
    /// Applies changes and returns the new snapshot. Pass the returned inferences to
    /// [`Index::apply_inferences`](super::index::Index::apply_inferences).
    pub fn update(&mut self, PodChanges(changed): PodChanges) -> (Arc<Snapshot>, Vec<InferenceUpdate>) {
        let pods = match changed {
            ChangeSet::Pods(pods) if pods.is_empty() => return (Arc::clone(&self.0), Vec::new()),
            ChangeSet::Pods(pods) => merge(&self.0.pods, pods),
            ChangeSet::All(pods) => pods,
        };
        let (snapshot, inferred) = infer_causes(pods);
        self.0 = Arc::new(snapshot);
        (Arc::clone(&self.0), inferred)
    }
}

/// Applies `changes` to the ordered pods of `old`.
fn merge(old: &[Arc<TrackedPod>], changes: BTreeMap<Arc<PodId>, Option<Arc<TrackedPod>>>) -> Vec<Arc<TrackedPod>> {
    let mut pods = Vec::with_capacity(old.len() + changes.len());
    let mut changes = changes.into_iter().peekable();
    for pod in old {
        let mut is_same = true;
        while let Some((id, changed)) = changes.next_if(|(id, _)| *id <= pod.id) {
            is_same &= id != pod.id;
            pods.extend(changed);
        }
        if is_same {
            pods.push(Arc::clone(pod));
        }
    }
    pods.extend(changes.filter_map(|(_, pod)| pod));
    pods
}

#[cfg(test)]
mod tests;
