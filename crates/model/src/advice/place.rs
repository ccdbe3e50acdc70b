//! What is known of the place of a failure that decides which advice helps: the registry, the node, the runtime.

use super::Context;
use crate::cause::{HostKind, tells_nothing};
use crate::image::PullPolicy;

/// A condition of an advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The image's registry is of this kind.
    Registry(RegistryKind),
    /// The error text is this runtime's.
    Runtime(Runtime),
    /// The node is of this kind.
    Node(NodeKind),
    /// The host that failed is this to the pull.
    Host(HostKind),
    /// The error text names no host.
    NoHost,
    /// The host that failed is a Service of the cluster.
    Service,
    /// The error text, in lower case, holds one of these.
    Text(&'static [&'static str]),
    /// There is no error text.
    NoText,
    /// The kubelet asks the registry each time, and the container has run with the image on this node.
    AlwaysThoughOnNode,
    /// Pods of a registry are among the failing ones.
    RegistryPods,
    /// The advice has commands for a shell on the node.
    OnNode,
}

impl When {
    /// Whether the condition holds in a place.
    pub(super) fn holds(self, context: &Context<'_>, is_on_node: bool) -> bool {
        match self {
            Self::Registry(kind) => RegistryKind::of(context.image.registry()) == kind,
            Self::Runtime(runtime) => Runtime::of(context.message) == Some(runtime),
            Self::Node(kind) => NodeKind::of(context.node, context.message) == kind,
            Self::Host(kind) => context.host.is_some_and(|host| host.kind == kind),
            Self::NoHost => context.host.is_none(),
            Self::Service => is_service(super::commands::failing_host(context)),
            Self::Text(words) => holds_any(context.message, words),
            Self::NoText => tells_nothing(context.message),
            Self::AlwaysThoughOnNode => context.has_run_image && context.policy == Some(PullPolicy::Always),
            Self::RegistryPods => !context.registry_pods.is_empty(),
            Self::OnNode => is_on_node,
        }
    }
}

/// Whether a text holds one of some words, in whatever case.
fn holds_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Registries whose credentials come in ways of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryKind {
    /// Amazon ECR, private.
    Ecr,
    /// Amazon ECR Public.
    EcrPublic,
    /// Google Artifact Registry.
    ArtifactRegistry,
    /// The host names of Google Container Registry, which Artifact Registry serves.
    Gcr,
    /// Azure Container Registry.
    Acr,
    /// OpenShift's internal registry.
    OpenShift,
    /// GitHub's registry.
    Ghcr,
    /// Docker Hub.
    DockerHub,
    /// Harbor, as far as its host says so.
    Harbor,
    /// Quay.
    Quay,
    /// GitLab's registry.
    GitLab,
    /// Any other, or one that is not known.
    Other,
}

impl RegistryKind {
    /// Returns the kind of the registry of that name, which may have a port.
    #[must_use]
    pub fn of(registry: &str) -> Self {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let first = host.split('.').next().unwrap_or_default();
        let ends = |ends: &[&str]| ends.iter().any(|end| host.ends_with(end));
        match host {
            "docker.io" => Self::DockerHub,
            "ghcr.io" => Self::Ghcr,
            "quay.io" => Self::Quay,
            "public.ecr.aws" => Self::EcrPublic,
            "gcr.io" => Self::Gcr,
            _ if host.contains(".dkr.ecr.") || host.contains(".dkr-ecr.") => Self::Ecr,
            _ if ends(&[".gcr.io"]) => Self::Gcr,
            _ if ends(&["-docker.pkg.dev"]) => Self::ArtifactRegistry,
            _ if ends(&[".azurecr.io", ".azurecr.cn", ".azurecr.us"]) => Self::Acr,
            _ if ends(&[".openshift-image-registry.svc", ".openshift-image-registry.svc.cluster.local"])
                || matches!(first, "default-route-openshift-image-registry" | "docker-registry")
                    && (host.contains(".apps.") || ends(&[".default.svc", ".default.svc.cluster.local"])) =>
            {
                Self::OpenShift
            }
            _ if first == "harbor" => Self::Harbor,
            _ if first == "quay" => Self::Quay,
            "registry.gitlab.com" => Self::GitLab,
            _ if host.starts_with("registry.gitlab.") => Self::GitLab,
            _ => Self::Other,
        }
    }
}

/// Kinds of nodes on which nobody can open a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// One on which a debug container can be run, as far as is known.
    Ordinary,
    /// AWS Fargate, and nodes that a virtual kubelet makes up (ACI, ECI, …).
    Virtual,
    /// GKE Autopilot, which lets nobody onto its nodes.
    Autopilot,
    /// Windows.
    Windows,
}

impl NodeKind {
    /// Returns the kind of a node, by its name and by what its runtime writes.
    #[must_use]
    pub fn of(node: &str, message: &str) -> Self {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| node.starts_with(beginning));
        if begins(&["fargate-", "virtual-node", "virtual-kubelet", "eklet-", "vk-"]) {
            Self::Virtual
        } else if begins(&["gk3-"]) {
            Self::Autopilot
        } else if begins(&["akswin", "win-"])
            || holds_any(message, &["hcsshim::", "windowsfilter", "c:\\", "connectex: ", "in win32: "])
        {
            Self::Windows
        } else {
            Self::Ordinary
        }
    }
}

/// Container runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// containerd.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker, with cri-dockerd or a kubelet before 1.24.
    Docker,
}

impl Runtime {
    /// Returns the runtime whose words an error text has.
    #[must_use]
    pub fn of(message: &str) -> Option<Self> {
        const WORDS: &[(Runtime, &[&str])] = &[
            (Runtime::Docker, &["error response from daemon", "failed to register layer", "cancel pulling image"]),
            (
                Runtime::Crio,
                &[
                    "copying system image",
                    "initializing source docker://",
                    "pinging container registry",
                    "pull image err: ",
                    "writing blob: ",
                    "reading blob ",
                    "reading manifest ",
                ],
            ),
            (
                Runtime::Containerd,
                &[
                    "failed to pull and unpack image",
                    "failed to resolve reference",
                    "failed to extract layer",
                    "failed to copy: ",
                    "httpreadseeker",
                    "containerd",
                ],
            ),
        ];
        WORDS.iter().find(|(_, words)| holds_any(message, words)).map(|(runtime, _)| *runtime)
    }
}

/// Whether a host is a Service of the cluster, or one of its addresses.
pub(super) fn is_service(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.split('.').any(|label| label == "svc") || host.strip_suffix(".cluster.local").is_some()
}
