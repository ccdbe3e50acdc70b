//! What readers see: one whole view of what is failing, shared and never changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{ContainerKind, PodId, PodOwner};
use super::failure::{Failure, StaleStatus};
use super::inference::KnownCauses;
use super::time::Timestamp;

/// A kubelet that lives writes two statuses per attempt, and tries every five minutes at least; one pull that hung kept
/// a status for 371 s in the recordings. After so long without a change a status says nothing of today.
pub const STALE_AFTER: Duration = Duration::from_secs(15 * 60);

/// One view of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every pod that has something to show, by namespace, name and uid.
    pub pods: Vec<Arc<TrackedPod>>,
}

/// A pod before and after causes were inferred for it.
#[derive(Clone, Debug)]
pub struct InferenceUpdate {
    pub(super) before: Arc<TrackedPod>,
    pub(super) after: Arc<TrackedPod>,
}

impl Snapshot {
    /// A view of these pods, in order. Gives each failure without an error text the cause of another container, where
    /// there is one, and returns the pods that this changed.
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

    /// Every failure, with its pod and container.
    pub fn failures(&self) -> impl Iterator<Item = FailureRef<'_>> {
        self.pods.iter().flat_map(|pod| {
            pod.containers
                .iter()
                .filter_map(move |container| Some((pod.as_ref(), container, container.failure.as_ref()?)))
        })
    }

    /// Every container, with its pod.
    pub fn containers(&self) -> impl Iterator<Item = (&TrackedPod, &TrackedContainer)> {
        self.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod.as_ref(), container)))
    }
}

/// What changed in the index since the last time that somebody asked.
#[derive(Debug)]
pub struct PodChanges(ChangeSet);

#[derive(Debug)]
enum ChangeSet {
    /// Pods that are new or other than before, and pods that are not shown any more.
    Pods(BTreeMap<Arc<PodId>, Option<Arc<TrackedPod>>>),
    /// So much that all pods are taken anew.
    All(Vec<Arc<TrackedPod>>),
}

/// Fewer changes than this are remembered one by one, however few pods there are.
const MIN_CHANGE_CAPACITY: usize = 1024;

impl PodChanges {
    /// No change.
    pub(super) const fn empty() -> Self {
        Self(ChangeSet::Pods(BTreeMap::new()))
    }

    /// Notes that a pod changed, of `tracked` pods in all. Memory is bounded by their number.
    pub(super) fn record(&mut self, id: &Arc<PodId>, pod: Option<&Arc<TrackedPod>>, tracked: usize) {
        let ChangeSet::Pods(pods) = &mut self.0 else { return };
        pods.insert(Arc::clone(id), pod.cloned());
        if pods.len() > MIN_CHANGE_CAPACITY.max(tracked) {
            self.0 = ChangeSet::All(Vec::new());
        }
    }

    /// Takes what changed; `all` gives every pod, which takes long and is asked for only where nobody took changes for
    /// a while.
    pub(super) fn take(&mut self, all: impl FnOnce() -> Vec<Arc<TrackedPod>>) -> Self {
        match std::mem::replace(self, Self::empty()).0 {
            ChangeSet::All(_) => Self(ChangeSet::All(all())),
            changed @ ChangeSet::Pods(_) => Self(changed),
        }
    }
}

/// The latest snapshot, kept by whoever takes the [`Changes`]: so the index, which others wait for, need not copy it.
#[derive(Debug, Default)]
pub struct LatestSnapshot(Arc<Snapshot>);

impl LatestSnapshot {
    /// Applies what changed. Returns the pods for which causes were inferred too, for the index to
    /// [`adopt`](super::index::Index::adopt).
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

/// The pods of `old`, in order, with these changes.
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

/// One failing container.
pub type FailureRef<'a> = (&'a TrackedPod, &'a TrackedContainer, &'a Failure);

/// A pod with at least one container to show.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedPod {
    /// Which pod this is.
    pub id: Arc<PodId>,
    /// The node it is on; empty while unscheduled.
    pub node: Arc<str>,
    /// The service account it runs as, whose pull secrets it uses beside its own.
    pub service_account: Arc<str>,
    /// The names of its pull secrets.
    pub pull_secrets: Arc<[String]>,
    /// What owns it.
    pub owner: Arc<PodOwner>,
    /// When a status of one of its containers last changed, as far as it was seen.
    pub last_changed_at: Timestamp,
    /// Whether it runs to its end, as a Job's pod does.
    pub is_batch: bool,
    /// Its containers that have something to show.
    pub containers: Vec<TrackedContainer>,
}

impl TrackedPod {
    /// Returns since when the status of a failing container of this pod has not changed, if it should have changed long
    /// before `seen_until`, up to when the view is current. Such a status does not say what the container does now: the
    /// kubelet or its node may be gone, or a pull hangs or takes long.
    #[must_use]
    pub fn stale_since(&self, failure: &Failure, seen_until: Timestamp) -> Option<Timestamp> {
        let is_stale = failure.is_retried() && seen_until.saturating_duration_since(self.last_changed_at) > STALE_AFTER;
        is_stale.then_some(self.last_changed_at)
    }

    /// The pod with these containers in place of its own.
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

/// A container that cannot get its image, or that waits for a reason that is mirrored.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedContainer {
    /// Its name.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: ContainerKind,
    /// The waiting reason that kube-state-metrics would show, where that is asked for.
    pub mirrored_reason: Option<Arc<str>>,
    /// Its failure, while it lasts.
    pub failure: Option<Failure>,
    /// A status left over from before the image was changed, which is not to be taken for a new failure.
    pub(super) stale_status: Option<StaleStatus>,
}

impl TrackedContainer {
    /// Whether there is anything to remember.
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
        // Nobody looks for long: what is remembered is bounded by what fails.
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
