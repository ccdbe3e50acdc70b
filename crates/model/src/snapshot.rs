//! Immutable snapshots of the index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{ContainerKind, PodId, PodOwner};
use super::failure::{Failure, StaleStatus};
use super::inference::KnownCauses;
use super::time::Timestamp;

/// Time without a change after which the status of a failing container is stale.
///
/// A running kubelet makes an attempt at least every five minutes and writes two statuses for each. The longest recorded
/// status of a hanging pull lasted 371 s.
pub const STALE_AFTER: Duration = Duration::from_secs(15 * 60);

/// The failing and mirrored containers of the cluster at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The tracked pods, ordered by namespace, name and uid.
    pub pods: Vec<Arc<TrackedPod>>,
}

/// A pod before and after causes were inferred for its failures.
#[derive(Clone, Debug)]
pub struct InferenceUpdate {
    pub(super) before: Arc<TrackedPod>,
    pub(super) after: Arc<TrackedPod>,
}

impl Snapshot {
    /// Creates a snapshot of `pods`, which must be ordered. Infers the cause of failures without an error text, and returns
    /// the pods that this changed.
    pub(super) fn new(mut pods: Vec<Arc<TrackedPod>>) -> (Self, Vec<InferenceUpdate>) {
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
        (Self { pods }, inferred)
    }

    /// The open failures, each with its pod and container.
    pub fn failures(&self) -> impl Iterator<Item = FailureRef<'_>> {
        self.pods.iter().flat_map(|pod| {
            pod.containers
                .iter()
                .filter_map(move |container| Some((pod.as_ref(), container, container.failure.as_ref()?)))
        })
    }

    /// The containers, each with its pod.
    pub fn containers(&self) -> impl Iterator<Item = (&TrackedPod, &TrackedContainer)> {
        self.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod.as_ref(), container)))
    }
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
        let (snapshot, inferred) = Snapshot::new(pods);
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

/// An open failure with its pod and container.
pub type FailureRef<'a> = (&'a TrackedPod, &'a TrackedContainer, &'a Failure);

/// A pod with at least one tracked container.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedPod {
    /// The identity of the pod.
    pub id: Arc<PodId>,
    /// The node of the pod; empty while it is not scheduled.
    pub node: Arc<str>,
    /// The service account of the pod. The kubelet uses its pull secrets in addition to those of the pod.
    pub service_account: Arc<str>,
    /// The names of the pod's pull secrets.
    pub pull_secrets: Arc<[String]>,
    /// The controller of the pod.
    pub owner: Arc<PodOwner>,
    /// When a status of one of the tracked containers last changed.
    pub last_changed_at: Timestamp,
    /// Whether the pod runs to completion, for example as part of a Job.
    pub is_batch: bool,
    /// The tracked containers.
    pub containers: Vec<TrackedContainer>,
}

impl TrackedPod {
    /// Returns when the status last changed, if it is stale: the kubelet retries `failure`, but has not updated the status for
    /// [`STALE_AFTER`]. Its node may be down, or a pull may hang or take long.
    ///
    /// `seen_until` is the time up to which the view is complete.
    #[must_use]
    pub fn stale_since(&self, failure: &Failure, seen_until: Timestamp) -> Option<Timestamp> {
        let is_stale = failure.is_retried() && seen_until.saturating_duration_since(self.last_changed_at) > STALE_AFTER;
        is_stale.then_some(self.last_changed_at)
    }

    /// Returns a copy of the pod with other containers.
    pub(super) fn with_containers(&self, containers: Vec<TrackedContainer>) -> Self {
        let Self {
            id, node, service_account, pull_secrets, owner, last_changed_at: last_change, is_batch: batch, ..
        } = self;
        Self {
            id: Arc::clone(id),
            node: Arc::clone(node),
            service_account: Arc::clone(service_account),
            pull_secrets: Arc::clone(pull_secrets),
            owner: Arc::clone(owner),
            last_changed_at: *last_change,
            is_batch: *batch,
            containers,
        }
    }
}

/// A container with an open failure or a mirrored waiting reason.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedContainer {
    /// The name of the container.
    pub name: Arc<str>,
    /// The kind of the container.
    pub kind: ContainerKind,
    /// The waiting reason to expose as kube-state-metrics does, if the configuration includes it.
    pub mirrored_reason: Option<Arc<str>>,
    /// The open failure.
    pub failure: Option<Failure>,
    /// A status from before a change of the image, which does not open a failure.
    pub(super) stale_status: Option<StaleStatus>,
}

impl TrackedContainer {
    /// Whether the container has to be tracked.
    pub(super) fn has_state(&self) -> bool {
        self.mirrored_reason.is_some() || self.failure.is_some() || self.stale_status.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::WatchScope;
    use crate::index::{Index, IndexConfig};
    use crate::scenario::{at, pod};

    fn listed() -> Index {
        let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
        index.begin_relist(&WatchScope::Cluster);
        let _ = index.end_relist(&WatchScope::Cluster, at(0));
        index
    }

    #[test]
    fn only_changed_pods_are_taken() {
        let (mut index, mut latest) = (listed(), LatestSnapshot::default());
        let failing = |number: i64| pod(&format!("web-{number}")).image("nginx:nope").err_image_pull();
        for number in 0..3000 {
            let _ = index.apply(&failing(number), at(number));
        }
        assert_eq!(latest.update(index.changes().unwrap()).0.pods.len(), 3000);
        let _ = index.delete(&failing(7), at(4000));
        let _ = index.apply(&failing(8), at(4000));
        let _ = index.apply(&pod("web-9").image("nginx:nope").image_pull_back_off(), at(4000));
        let changes = index.changes().unwrap();
        assert!(matches!(&changes.0, ChangeSet::Pods(pods) if pods.len() == 2), "{changes:?}");
        assert_eq!(latest.update(changes).0.pods.len(), 2999);
        // Without a reader, the recorded changes are bounded by the number of tracked pods.
        for number in 3000..9000 {
            let _ = index.apply(&failing(number), at(number));
            let _ = index.delete(&failing(number), at(number));
        }
        assert!(matches!(index.changes.0, ChangeSet::All(_)));
        assert_eq!(latest.update(index.changes().unwrap()).0.pods.len(), 2999);
        assert!(matches!(&index.changes().unwrap().0, ChangeSet::Pods(pods) if pods.is_empty()));
    }

    proptest! {
        #[test]
        fn the_latest_snapshot_is_what_the_index_has(steps in prop::collection::vec((0..9_u8, 0..5_u8), 0..60)) {
            let (mut index, mut latest) = (listed(), LatestSnapshot::default());
            for (time, (name, step)) in (0..).zip(steps) {
                let web = pod(&format!("web-{name}")).image("nginx:nope");
                let _ = match step {
                    0 | 1 => index.apply(&web.err_image_pull(), at(time)),
                    2 => index.apply(&web.running(), at(time)),
                    3 => index.delete(&web, at(time)),
                    _ => {
                        index.begin_relist(&WatchScope::Cluster);
                        let mut effects = index.apply(&web.err_image_pull(), at(time));
                        effects.extend(index.end_relist(&WatchScope::Cluster, at(time)));
                        effects
                    }
                };
                if time % 3 == 0 {
                    let (latest, inferred) = latest.update(index.changes().unwrap());
                    index.apply_inferences(&inferred);
                    prop_assert_eq!(&latest.pods, &index.snapshot().unwrap().pods);
                }
            }
        }
    }
}
