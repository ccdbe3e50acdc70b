//! Conditions of the advice rules: the kind of registry, node and runtime, and what the error text contains.

use super::context::FailureContext;
use crate::cause::{HostKind, has_no_error_text};
use crate::image::PullPolicy;

/// A condition of an advice rule or note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The registry of the image is of this kind.
    Registry(RegistryKind),
    /// This runtime wrote the error text.
    Runtime(ContainerRuntime),
    /// The node is of this kind.
    Node(NodeKind),
    /// The failing host has this role in the pull.
    Host(HostKind),
    /// The error text names no host.
    NoFailingHost,
    /// The failing host is a Service of the cluster.
    ClusterService,
    /// The lower-cased error text contains one of these phrases.
    TextContains(&'static [&'static str]),
    /// There is no error text.
    NoErrorText,
    /// The pull policy is `Always`, and the container has already run with the image on this node.
    AlwaysPullsImageItHasRun,
    /// Pods that run a registry are failing too.
    RegistryPodsFail,
    /// The advice includes commands for a shell on the node.
    HasNodeCommands,
}

impl Condition {
    /// Whether the condition holds. `is_on_node` is true if the advice includes commands for a shell on the node.
    pub(super) fn holds(self, context: &FailureContext<'_>, is_on_node: bool) -> bool {
        match self {
            Self::Registry(kind) => RegistryKind::of(context.image.registry()) == kind,
            Self::Runtime(runtime) => ContainerRuntime::of(context.message) == Some(runtime),
            Self::Node(kind) => NodeKind::of(context.node, context.message) == kind,
            Self::Host(kind) => context.host.is_some_and(|host| host.kind == kind),
            Self::NoFailingHost => context.host.is_none(),
            Self::ClusterService => is_cluster_service(context.failing_host()),
            Self::TextContains(words) => contains_any(context.message, words),
            Self::NoErrorText => has_no_error_text(context.message),
            Self::AlwaysPullsImageItHasRun => context.has_run_image && context.policy == Some(PullPolicy::Always),
            Self::RegistryPodsFail => !context.registry_pods.is_empty(),
            Self::HasNodeCommands => is_on_node,
        }
    }
}

/// Whether a text contains one of these phrases, which are in lower case. Ignores the case of the text.
fn contains_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Registries that differ in how clients obtain credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryKind {
    /// Amazon ECR, private.
    Ecr,
    /// Amazon ECR Public.
    EcrPublic,
    /// Google Artifact Registry.
    ArtifactRegistry,
    /// The host names of Google Container Registry, which Artifact Registry now serves.
    Gcr,
    /// Azure Container Registry.
    Acr,
    /// The internal registry of OpenShift.
    OpenShift,
    /// GitHub Container Registry.
    Ghcr,
    /// Docker Hub.
    DockerHub,
    /// Harbor, if the host name begins with `harbor.`.
    Harbor,
    /// Quay, hosted or self-hosted.
    Quay,
    /// GitLab Container Registry.
    GitLab,
    /// Any other registry, or none.
    Other,
}

impl RegistryKind {
    /// Returns the kind of a registry from its host name. The name may include a port.
    #[must_use]
    pub fn of(registry: &str) -> Self {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let first = host.split('.').next().unwrap_or_default();
        let ends = |ends: &[&str]| ends.iter().any(|end| host.ends_with(end));
        match host {
            "docker.io" => Self::DockerHub,
            "ghcr.io" => Self::Ghcr,
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
            _ if host.starts_with("registry.gitlab.") => Self::GitLab,
            _ => Self::Other,
        }
    }
}

/// Kinds of nodes, by how commands can be run on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A Linux node that can run a debug container.
    Ordinary,
    /// An AWS Fargate node, or a node of a virtual kubelet (ACI, ECI, …).
    Virtual,
    /// A GKE Autopilot node, which gives no access.
    Autopilot,
    /// A Windows node.
    Windows,
}

impl NodeKind {
    /// Infers the kind of a node from its name and from an error text of its runtime.
    #[must_use]
    pub fn of(node: &str, message: &str) -> Self {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| node.starts_with(beginning));
        if begins(&["fargate-", "virtual-node", "virtual-kubelet", "eklet-", "vk-"]) {
            Self::Virtual
        } else if begins(&["gk3-"]) {
            Self::Autopilot
        } else if begins(&["akswin", "win-"])
            || contains_any(message, &["hcsshim::", "windowsfilter", "c:\\", "connectex: ", "in win32: "])
        {
            Self::Windows
        } else {
            Self::Ordinary
        }
    }
}

/// Container runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRuntime {
    /// containerd with its CRI plugin.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker, with cri-dockerd or a kubelet before 1.24.
    Docker,
}

impl ContainerRuntime {
    /// Returns the runtime that wrote an error text, if the text contains a typical phrase.
    #[must_use]
    pub fn of(message: &str) -> Option<Self> {
        const TYPICAL_PHRASES: &[(ContainerRuntime, &[&str])] = &[
            (
                ContainerRuntime::Docker,
                &["error response from daemon", "failed to register layer", "cancel pulling image"],
            ),
            (
                ContainerRuntime::Crio,
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
                ContainerRuntime::Containerd,
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
        TYPICAL_PHRASES.iter().find(|(_, words)| contains_any(message, words)).map(|(runtime, _)| *runtime)
    }
}

/// Whether a host name is that of a Service in the cluster.
pub(super) fn is_cluster_service(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.split('.').any(|label| label == "svc") || host.strip_suffix(".cluster.local").is_some()
}
