//! What the rest of the program tells the pure middle about a pod.
//!
//! Every text and list here is within the [limits](super::limits): the decoder sees to that.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;

use super::image::{ImageReference, PullPolicy};
use super::time::Timestamp;

/// The kinds of containers a pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    /// A container of `spec.containers`.
    App,
    /// A container of `spec.initContainers` that runs to its end.
    Init,
    /// A restartable init container (`restartPolicy: Always`).
    Sidecar,
    /// A container added to a running pod, as by `kubectl debug`.
    Ephemeral,
}

impl ContainerKind {
    /// The value of the label `container_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Init => "init",
            Self::Sidecar => "sidecar",
            Self::Ephemeral => "ephemeral",
        }
    }
}

/// `status.phase` of a pod, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Pending, Running, Unknown or not said.
    #[default]
    Active,
    /// Succeeded or Failed: no container of it starts any more (pkg/kubelet/kubelet.go:2102, v1.36.2).
    Finished,
}

/// What tells one pod from every other.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; a pod that was deleted and made again has another one.
    pub uid: String,
}

/// What owns a pod, from its `ownerReferences` and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodOwner {
    /// The controller's kind; empty for a pod that nothing controls.
    pub kind: String,
    /// The controller's name.
    pub name: String,
    /// The label `pod-template-hash`, which a Deployment's ReplicaSets end their names with.
    pub template_hash: String,
}

/// What one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchScope {
    /// The whole cluster.
    Cluster,
    /// One namespace.
    Namespace(String),
}

impl WatchScope {
    /// Each of these namespaces once; the whole cluster where none is named.
    #[must_use]
    pub fn of_namespaces(names: &[String]) -> Vec<Self> {
        let mut scopes: Vec<Self> =
            names.iter().filter(|name| !name.is_empty()).cloned().map(Self::Namespace).collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() { vec![Self::Cluster] } else { scopes }
    }

    /// Whether pods of `namespace` belong to it.
    #[must_use]
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(own) => own == namespace,
        }
    }
}

/// One pod as one watch event shows it: only the fields that are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    /// Which pod this is.
    pub id: PodId,
    /// `spec.nodeName`; empty while unscheduled.
    pub node: String,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// The names in `spec.imagePullSecrets`. A pod that names none gets those of its service account when it is created
    /// (plugin/pkg/admission/serviceaccount/admission.go, v1.36.2).
    pub pull_secrets: Vec<String>,
    /// What owns it.
    pub owner: PodOwner,
    /// Its phase.
    pub phase: PodPhase,
    /// Whether `metadata.deletionTimestamp` is set.
    pub is_deleting: bool,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `status.startTime`: the kubelet's first word on it.
    pub started: Option<Timestamp>,
    /// When condition `PodScheduled` became True.
    pub scheduled: Option<Timestamp>,
    /// When condition `PodReadyToStartContainers` became True.
    pub sandbox_ready: Option<Timestamp>,
    /// When condition `Initialized` became True.
    pub initialized: Option<Timestamp>,
    /// Every container that has a status: init, then app, then ephemeral ones, each in the order of the status.
    pub containers: Vec<ContainerFacts>,
    /// What the pod has beyond the [limits](super::limits).
    pub exceeded: ExceededLimits,
}

/// What a pod has beyond the [limits](super::limits), and the decoder left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceededLimits {
    /// Texts that were truncated.
    pub texts: u64,
    /// Containers, statuses, volumes, mounts and the like that were not read.
    pub elements: u64,
}

impl ExceededLimits {
    /// Whether the pod is within the limits.
    #[must_use]
    pub fn is_none(self) -> bool {
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
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ContainerKind,
    /// The images it needs, from the spec: its own first, then those of the image volumes it mounts.
    /// Empty when the spec has no such container. Never from the status, which may show another image
    /// (convertToAPIContainerStatuses, pkg/kubelet/kubelet_pods.go:2507-2511, v1.36.2).
    pub images: Vec<ImageFacts>,
    /// `restartCount`.
    pub restart_count: u32,
    /// What it does now.
    pub state: StateFacts,
    /// When its previous run ended: `lastState.terminated.finishedAt`.
    pub last_finished_at: Option<Timestamp>,
    /// Whether it runs or has run with its own image as the spec has it, so that the image was on the node then.
    pub has_run_image: bool,
}

/// An image that a container needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// The reference as written in the spec.
    pub reference: Arc<ImageReference>,
    /// When the kubelet pulls it.
    pub policy: PullPolicy,
}

impl ImageFacts {
    /// An image by its reference.
    #[must_use]
    pub fn new(reference: &str, policy: PullPolicy) -> Self {
        Self { reference: Arc::new(ImageReference::parse(reference)), policy }
    }
}

/// `state` of a container status.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StateFacts {
    /// The status says nothing.
    #[default]
    Absent,
    /// It waits.
    Waiting {
        /// `waiting.reason`, verbatim; may be empty, may be free text.
        reason: String,
        /// `waiting.message`, verbatim.
        message: String,
    },
    /// It runs.
    Running {
        /// `running.startedAt`.
        started_at: Option<Timestamp>,
    },
    /// It ended.
    Terminated {
        /// `terminated.reason`.
        reason: String,
        /// `terminated.finishedAt`.
        finished_at: Option<Timestamp>,
    },
}
