//! Rules for missing images, repositories and projects.

use super::super::rule::Rule;
use super::super::taxonomy::Cause::{ImageNotFound, RegistryError, RepositoryNotFound};

/// A missing project that the registry reports as an authorization error. Tried before authorization.
pub(super) const MISSING_PROJECT: &[Rule] = &[Rule::new(
    RepositoryNotFound,
    "Harbor",
    "Harbor 1.10 core/auth and 2.x pkg/project; public notes on Harbor 1.x",
    &["project not found", "project * not found"],
)
.unless(&["or you do", "permission", "may require", "manifest unknown"])];

pub(super) const NOT_FOUND: &[Rule] = &[
    // Google's token endpoint responds with 404 if the project or the repository does not exist.
    Rule::new(
        RepositoryNotFound,
        "GAR",
        "GKE with containerd 1.7, a token asked for a project without such a repository",
        &["failed to fetch * token*google@: 404 not found"],
    ),
    // A 404 of any other token endpoint is not about the image.
    Rule::new(
        RegistryError,
        "containerd",
        "containerd core/remotes/docker/auth/fetch.go",
        &["failed to fetch anonymous token*404 not found"],
    ),
    Rule::new(
        RepositoryNotFound,
        "distribution, ECR, GAR, Harbor",
        "distribution errcode NAME_UNKNOWN; aws-samples/eks-alb-istio-with-tls#7; Harbor middleware/repoproxy",
        &[
            "name unknown",
            "name_unknown",
            "repository name not known to registry",
            "unknown repository name",
            "the repository with name * does not exist",
            "repositorynotfoundexception",
            "repository not found",
            "repository * not found",
            "repository does not exist",
            "namespace * not found",
            "does not match project repository filter",
            "no such repository",
        ],
    )
    .unless(&["manifest unknown", "manifest for * not found"]),
    Rule::new(
        ImageNotFound,
        "containerd, CRI-O, docker, distribution, ACR, ECR, Quay",
        "containerd resolver.go, fetcher.go; containers/image docker; moby distribution/errors.go; recording tag-not-found; cri-o/cri-o#4388",
        &[
            "manifest unknown",
            "manifest_unknown",
            "manifest for * not found",
            "manifest * is not found",
            "manifest @ not found",
            "manifest not found",
            "tagged by * is not found",
            "404 not found",
            "404 page not found",
            "#404",
            "410 gone",
            ": not found",
            "was deleted or has expired",
            "tag has expired",
            "tag_expired",
            "tag does not exist",
            "tag * does not exist",
            "tag * not found",
            "image does not exist",
            "image not found",
            "image * not found",
            "no such image",
            "no such manifest",
            "manifest does not exist",
            "unknown manifest name",
            "unknown tag",
            "unknown blob",
            "blob unknown",
            "blob_unknown",
            "manifest_blob_unknown",
            "failed to fetch * from request",
            "not found in repository",
            "artifact @ not found",
            "artifact not found",
            "blob does not exist",
            "key does not exist",
            "imagenotfoundexception",
            "nosuchkey",
            "blobnotfound",
            "could not be found at any host",
        ],
    )
    // No host is configured for pulls: the mirror configuration of the node is wrong, for every image.
    .unless(&["no resolve hosts", "no pull hosts", "executable file not found", "no push hosts"]),
];
