//! The input of the model: the fields of a pod that matter for image pulls.
//!
//! Every text and list is within the [limits](super::limits), which the decoder applies.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;

use strum::IntoStaticStr;

use super::image::{ImageReference, PullPolicy};
use super::time::Timestamp;

/// The kind of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ContainerKind {
    /// A container of `spec.containers`.
    App,
    /// A container of `spec.initContainers` that runs to its end.
    Init,
    /// A restartable init container (`restartPolicy: Always`).
    Sidecar,
    /// A container added to a running pod, for example by `kubectl debug`.
    Ephemeral,
    /// The sandbox of the pod, whose image is the pause image of the node. Not in any list of the pod; its name is empty.
    Sandbox,
}

impl ContainerKind {
    /// Returns the value of the label `container_type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The phase of a pod, reduced from `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Pending, Unknown or absent.
    #[default]
    Active,
    /// Running: the kubelet has started a container.
    Running,
    /// Succeeded or Failed: no further container starts (pkg/kubelet/kubelet.go:2102, v1.36.2).
    Finished,
}

/// The identity of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`. A pod that is deleted and recreated gets a new one.
    pub uid: String,
}

/// The controller of a pod, from its `ownerReferences` and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodOwner {
    /// The controller's kind; empty for a pod without a controller.
    pub kind: String,
    /// The controller's name.
    pub name: String,
    /// The label `pod-template-hash`, the suffix of the name of a Deployment's ReplicaSet.
    pub template_hash: String,
}

/// The pods that one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchScope {
    /// The whole cluster.
    Cluster,
    /// One namespace.
    Namespace(String),
}

impl WatchScope {
    /// Returns one scope for each distinct namespace, or the whole cluster if `names` has none. Ignores empty names.
    #[must_use]
    pub fn of_namespaces(names: &[String]) -> Vec<Self> {
        let mut scopes: Vec<Self> =
            names.iter().filter(|name| !name.is_empty()).cloned().map(Self::Namespace).collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() { vec![Self::Cluster] } else { scopes }
    }

    /// Whether the scope contains the pods of `namespace`.
    #[must_use]
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(own) => own == namespace,
        }
    }
}

/// A pod as one list item or watch event shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    /// The identity of the pod.
    pub id: PodId,
    /// `spec.nodeName`; empty while unscheduled.
    pub node: String,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// The names in `spec.imagePullSecrets`. On creation, a pod without any gets those of its service account
    /// (plugin/pkg/admission/serviceaccount/admission.go, v1.36.2).
    pub pull_secrets: Vec<String>,
    /// The controller of the pod.
    pub owner: PodOwner,
    /// The phase of the pod.
    pub phase: PodPhase,
    /// Whether `metadata.deletionTimestamp` is set.
    pub is_deleting: bool,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `status.startTime`: when the kubelet accepted the pod.
    pub started: Option<Timestamp>,
    /// When condition `PodScheduled` became True.
    pub scheduled: Option<Timestamp>,
    /// When condition `PodReadyToStartContainers` became True.
    pub sandbox_ready: Option<Timestamp>,
    /// Whether condition `PodReadyToStartContainers` is False: the pod has no sandbox. Kubelets before 1.29 write no such
    /// condition.
    pub is_sandbox_missing: bool,
    /// When condition `Initialized` became True.
    pub initialized: Option<Timestamp>,
    /// Init, then app, then ephemeral containers, each in the order of the spec, in which they start. Containers that only the
    /// status has come last. Containers without a status have an absent state.
    pub containers: Vec<ContainerFacts>,
    /// The parts of the pod that the decoder left out.
    pub exceeded: ExceededLimits,
}

/// The parts of a pod beyond the [limits](super::limits), which the decoder left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceededLimits {
    /// Number of truncated texts.
    pub texts: u64,
    /// Number of skipped list elements: containers, statuses, volumes, mounts and others.
    pub elements: u64,
}

impl ExceededLimits {
    /// Whether the pod is within the limits.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Sum for ExceededLimits {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

impl AddAssign for ExceededLimits {
    fn add_assign(&mut self, other: Self) {
        self.texts += other.texts;
        self.elements += other.elements;
    }
}

/// One container of a pod: its status, joined by name with its spec.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerFacts {
    /// The name of the container.
    pub name: String,
    /// The kind of the container.
    pub kind: ContainerKind,
    /// The images that the container needs, from the spec: its own image first, then those of the image volumes that it mounts.
    /// Empty if the spec has no such container. Never from the status, which may show another image
    /// (convertToAPIContainerStatuses, pkg/kubelet/kubelet_pods.go:2507-2511, v1.36.2).
    pub images: Vec<ImageFacts>,
    /// `restartCount`.
    pub restart_count: u32,
    /// `state`.
    pub state: StateFacts,
    /// `lastState.terminated.finishedAt`: when the previous run ended.
    pub last_finished_at: Option<Timestamp>,
    /// `started`: whether the container runs and has passed its startup probe. The containers behind a sidecar wait for it.
    pub has_started: bool,
    /// Whether the container runs or has run with its own image of the spec, which proves that the node had the image.
    pub has_run_image: bool,
}

/// An image that a container needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// The reference as written in the spec.
    pub reference: Arc<ImageReference>,
    /// The pull policy.
    pub policy: PullPolicy,
}

impl ImageFacts {
    /// Parses `reference`.
    #[must_use]
    pub fn new(reference: &str, policy: PullPolicy) -> Self {
        Self { reference: Arc::new(ImageReference::parse(reference)), policy }
    }
}

/// `state` of a container status.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StateFacts {
    /// The status has no state.
    #[default]
    Absent,
    /// `state.waiting`.
    Waiting {
        /// `waiting.reason`, verbatim. May be empty or free text.
        reason: String,
        /// `waiting.message`, verbatim.
        message: String,
    },
    /// `state.running`.
    Running {
        /// `running.startedAt`.
        started_at: Option<Timestamp>,
    },
    /// `state.terminated`.
    Terminated {
        /// `terminated.reason`.
        reason: String,
        /// `terminated.finishedAt`.
        finished_at: Option<Timestamp>,
    },
}

#[cfg(test)]
mod tests;
