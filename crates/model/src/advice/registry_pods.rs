//! Finds failing pods that run a registry. A registry that serves its own images cannot start by itself.

use crate::snapshot::Snapshot;

/// Substrings of the repositories of registries, mirrors and caches.
const REGISTRY_REPOSITORIES: &[&str] = &[
    "library/registry",
    "distribution/distribution",
    "goharbor/",
    "sonatype/nexus3",
    "jfrog/artifactory",
    "artifactory-pro",
    "project-zot/zot",
    "quay/quay",
    "projectquay/quay",
    "gitlab-container-registry",
    "spegel-org/spegel",
    "dragonflyoss/",
    "openshift-image-registry",
    "pulp/pulp",
    "kube-image-keeper",
    "gitea/gitea",
    "forgejo/forgejo",
];

/// The failing pods that run a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailingRegistryPods {
    count: usize,
}

impl FailingRegistryPods {
    /// Counts the failing containers with an image of a registry in a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let is_registry = |repository: &str| REGISTRY_REPOSITORIES.iter().any(|known| repository.contains(known));
        let failing = snapshot.failures().filter(|(_, _, failure)| is_registry(failure.image.repository()));
        Self { count: failing.count() }
    }

    /// Whether no such pod is known. The default value stands for "not known".
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}
