//! Immutable snapshots of the index, and the pods and containers in them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{ContainerKind, PodId, PodOwner};
use super::failure::{Failure, StaleStatus};
use super::image_wait::{ImageWait, PullRequest};
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

impl Snapshot {
    /// The open failures, each with its pod and container.
    pub fn failures(&self) -> impl Iterator<Item = FailureRef<'_>> {
        self.pods.iter().flat_map(|pod| {
            pod.containers
                .iter()
                .filter_map(move |container| Some((pod.as_ref(), container, container.failure.as_deref()?)))
        })
    }

    /// The containers that wait without an error, each with its pod.
    pub fn waits(&self) -> impl Iterator<Item = WaitRef<'_>> {
        self.pods.iter().flat_map(|pod| {
            pod.containers
                .iter()
                .filter_map(move |container| Some((pod.as_ref(), container, container.wait.as_deref()?)))
        })
    }

    /// The waits that are older than `after`, each with its pod and container. None if `after` is zero.
    pub fn overdue_waits(&self, after: Duration, now: Timestamp) -> impl Iterator<Item = WaitRef<'_>> {
        self.waits().filter(move |(_, _, wait)| wait.is_overdue(after, now))
    }

    /// Counts the waits in one pass.
    #[must_use]
    pub fn count_waits(&self, after: Duration, now: Timestamp) -> WaitCounts {
        let mut counts = WaitCounts::default();
        for (_, _, wait) in self.waits() {
            let is_overdue = wait.is_overdue(after, now);
            let count = match (wait.is_pending(), is_overdue) {
                (true, true) => &mut counts.pending_overdue,
                (true, false) => &mut counts.pending_young,
                (false, true) => &mut counts.starting_overdue,
                (false, false) => &mut counts.starting_young,
            };
            *count += 1;
        }
        counts
    }

    /// Returns the pulls that the kubelets requested, by node.
    #[must_use]
    pub fn pull_queues(&self) -> PullQueues<'_> {
        let mut queues = PullQueues::default();
        for (pod, _, wait) in self.waits() {
            if let Some(request) = wait.pull_request {
                queues.by_node.entry(&pod.node).or_default().push(request);
            }
        }
        for requests in queues.by_node.values_mut() {
            requests.sort_unstable();
        }
        queues
    }

    /// The containers, each with its pod.
    pub fn containers(&self) -> impl Iterator<Item = (&TrackedPod, &TrackedContainer)> {
        self.pods.iter().flat_map(|pod| pod.containers.iter().map(move |container| (pod.as_ref(), container)))
    }
}

/// The pulls that the kubelet of each node requested and that are not known to have ended, according to its events.
#[derive(Clone, Debug, Default)]
pub struct PullQueues<'a> {
    by_node: HashMap<&'a str, Vec<PullRequest>>,
}

impl PullQueues<'_> {
    /// Returns the number of pulls that the kubelet of the pod's node requested before that of `wait`; `None` if it has not
    /// requested that one. The oldest of them is being pulled. Whether the others are queued behind it or are pulled at the
    /// same time depends on the configuration of the kubelet.
    #[must_use]
    pub fn earlier_pulls(&self, pod: &TrackedPod, wait: &ImageWait) -> Option<usize> {
        let (request, requests) = (wait.pull_request?, self.by_node.get(&*pod.node)?);
        Some(requests.partition_point(|other| *other < request))
    }
}

/// Numbers of waiting containers, by stage and age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitCounts {
    /// Pending for longer than the threshold.
    pub pending_overdue: usize,
    /// Pending for at most the threshold.
    pub pending_young: usize,
    /// Starting for longer than the threshold.
    pub starting_overdue: usize,
    /// Starting for at most the threshold.
    pub starting_young: usize,
}

impl WaitCounts {
    /// The pending containers of any age.
    #[must_use]
    pub const fn pending(self) -> usize {
        self.pending_overdue + self.pending_young
    }

    /// The containers that wait for longer than the threshold.
    #[must_use]
    pub const fn overdue(self) -> usize {
        self.pending_overdue + self.starting_overdue
    }

    /// The containers that wait for at most the threshold.
    #[must_use]
    pub const fn young(self) -> usize {
        self.pending_young + self.starting_young
    }
}

/// An open failure with its pod and container.
pub type FailureRef<'a> = (&'a TrackedPod, &'a TrackedContainer, &'a Failure);

/// A wait without an error, with its pod and container.
pub type WaitRef<'a> = (&'a TrackedPod, &'a TrackedContainer, &'a ImageWait);

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
    /// The names of the pull secrets that do not exist, according to the kubelet's events. Empty without events.
    pub missing_secrets: Arc<[String]>,
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
            id,
            node,
            service_account,
            pull_secrets,
            missing_secrets,
            owner,
            last_changed_at: last_change,
            is_batch: batch,
            ..
        } = self;
        Self {
            id: Arc::clone(id),
            node: Arc::clone(node),
            service_account: Arc::clone(service_account),
            pull_secrets: Arc::clone(pull_secrets),
            missing_secrets: Arc::clone(missing_secrets),
            owner: Arc::clone(owner),
            last_changed_at: *last_change,
            is_batch: *batch,
            containers,
        }
    }
}

/// A container with an open failure, a wait without an error, or a mirrored waiting reason.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedContainer {
    /// The name of the container.
    pub name: Arc<str>,
    /// The kind of the container.
    pub kind: ContainerKind,
    /// The waiting reason to expose as kube-state-metrics does, if the configuration includes it.
    pub mirrored_reason: Option<Arc<str>>,
    /// The open failure.
    pub failure: Option<Box<Failure>>,
    /// The wait without an error. Never together with a failure.
    pub wait: Option<Box<ImageWait>>,
    /// A status from before a change of the image, which does not open a failure.
    pub(super) stale_status: Option<StaleStatus>,
}

impl TrackedContainer {
    /// Whether the container has no open failure and no status from before a change of its image, so that it can wait.
    pub(super) fn is_free(&self) -> bool {
        self.failure.is_none() && self.stale_status.is_none()
    }

    /// Whether the container has to be tracked.
    pub(super) fn has_state(&self) -> bool {
        self.mirrored_reason.is_some() || self.failure.is_some() || self.wait.is_some() || self.stale_status.is_some()
    }
}
