//! The circumstances of a failure.

use super::registry_pods::FailingRegistryPods;
use crate::cause::FailingHost;
use crate::image::{ImageReference, PullPolicy};

/// The circumstances of a failure. A field that is not known is empty; commands then show a placeholder in capitals.
#[derive(Clone, Copy, Debug)]
pub struct FailureContext<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Name of the failing container.
    pub container: &'a str,
    /// Node that the pod is bound to.
    pub node: &'a str,
    /// Service account of the pod.
    pub service_account: &'a str,
    /// Pull secrets of the pod that do not exist, according to the kubelet's events.
    pub missing_secrets: &'a [String],
    /// Image of the container.
    pub image: &'a ImageReference,
    /// Effective pull policy of the container.
    pub policy: Option<PullPolicy>,
    /// Whether the container has already run with this image on this node.
    pub has_run_image: bool,
    /// Error text of the pull. Selects the advice; never part of it.
    pub message: &'a str,
    /// Host that failed, if the error text names one.
    pub host: Option<&'a FailingHost>,
    /// Failing pods of the cluster that run a registry.
    pub registry_pods: &'a FailingRegistryPods,
}

impl<'a> FailureContext<'a> {
    /// Returns a context with only an image, an error text and a failing host.
    #[must_use]
    pub fn from_error_text(
        image: &'a ImageReference,
        message: &'a str,
        host: Option<&'a FailingHost>,
        registry_pods: &'a FailingRegistryPods,
    ) -> Self {
        Self {
            namespace: "",
            pod: "",
            container: "",
            node: "",
            service_account: "",
            missing_secrets: &[],
            image,
            policy: None,
            has_run_image: false,
            message,
            host,
            registry_pods,
        }
    }

    /// Returns the failing host of the error text, or the registry's host.
    pub(super) fn failing_host(&self) -> &'a str {
        self.host.map_or_else(|| registry_endpoint(self.image.registry()), |host| &host.name)
    }
}

/// Returns the host that serves a registry. Docker Hub's is not the host in its image references.
pub(super) fn registry_endpoint(registry: &str) -> &str {
    if registry == "docker.io" { "registry-1.docker.io" } else { registry }
}
