//! Finds pods of registries among the failing ones: a registry in the cluster that it serves cannot start by itself.

use crate::snapshot::Snapshot;

/// Repositories of registries and of what mirrors or caches for them, by how they begin or end.
const REGISTRIES: &[&str] = &[
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

/// The pods of registries that fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPods {
    count: usize,
}

impl RegistryPods {
    /// Counts them in a view of the cluster.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let is_registry = |repository: &str| REGISTRIES.iter().any(|known| repository.contains(known));
        let failing = snapshot.failures().filter(|(_, _, failure)| is_registry(failure.image.repository()));
        Self { count: failing.count() }
    }

    /// Whether there are none, or nobody knows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}
