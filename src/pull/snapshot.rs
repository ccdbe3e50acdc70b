//! What readers see: one whole view of what is failing, shared and never changed.

use std::sync::Arc;
use std::time::Duration;

use super::facts::{ContainerKind, Owner, PodId};
use super::failure::{Failure, Stale};
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

impl Snapshot {
    /// Every failure, with its pod and container.
    pub fn failures(&self) -> impl Iterator<Item = Failing<'_>> {
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

/// One failing container.
pub type Failing<'a> = (&'a TrackedPod, &'a TrackedContainer, &'a Failure);

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
    pub owner: Arc<Owner>,
    /// When a status of one of its containers last changed, as far as it was seen.
    pub last_change: Timestamp,
    /// Whether it runs to its end, as a Job's pod does.
    pub batch: bool,
    /// Its containers that have something to show.
    pub containers: Vec<TrackedContainer>,
}

impl TrackedPod {
    /// Returns since when the status of a failing container of this pod has not changed, if it should have changed long
    /// before `seen_until`, up to when the view is current. Such a status does not say what the container does now: the
    /// kubelet or its node may be gone, or a pull hangs or takes long.
    #[must_use]
    pub fn stale_since(&self, failure: &Failure, seen_until: Timestamp) -> Option<Timestamp> {
        let is_stale = failure.is_retried() && seen_until.since(self.last_change) > STALE_AFTER;
        is_stale.then_some(self.last_change)
    }

    /// The pod with these containers in place of its own.
    pub(super) fn with_containers(&self, containers: Vec<TrackedContainer>) -> Self {
        let Self { id, node, service_account, pull_secrets, owner, last_change, batch, .. } = self;
        Self {
            id: Arc::clone(id),
            node: Arc::clone(node),
            service_account: Arc::clone(service_account),
            pull_secrets: Arc::clone(pull_secrets),
            owner: Arc::clone(owner),
            last_change: *last_change,
            batch: *batch,
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
    pub mirrored: Option<Arc<str>>,
    /// Its failure, while it lasts.
    pub failure: Option<Failure>,
    /// A status left over from before the image was changed, which is not to be taken for a new failure.
    pub(super) stale: Option<Stale>,
}

impl TrackedContainer {
    /// Whether there is anything to remember.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.mirrored.is_some() || self.failure.is_some() || self.stale.is_some()
    }
}
