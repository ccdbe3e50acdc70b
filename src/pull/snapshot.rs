//! What readers see: one whole view of what is failing, shared and never changed.

use std::sync::Arc;

use super::facts::{ContainerKind, Owner, PodId};
use super::failure::{Failure, Stale};

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
    /// Its containers that have something to show.
    pub containers: Vec<TrackedContainer>,
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
