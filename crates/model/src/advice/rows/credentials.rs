//! Credentials: each registry has a way of its own, and a secret of a user and a password is seldom it.

use super::super::place::RegistryKind::{
    Acr, ArtifactRegistry, DockerHub, Ecr, EcrPublic, Gcr, Ghcr, GitLab, Harbor, OpenShift, Quay,
};
use super::super::place::When::Registry;
use super::super::texts::{CREATE_SECRET, DESCRIBE, PULL_SECRETS, USE_SECRET};
use super::Row;
use crate::cause::Cause::{self, Forbidden, NotFoundOrDenied, RateLimited, Unauthorized};

const DENIED: &[Cause] = &[Unauthorized, Forbidden, NotFoundOrDenied];

/// Where the nodes pull as themselves, no pull secret is to blame.
const NODES_MAY_NOT: &str = "The registry does not let this node pull the image, or does not have it: whoever administers the registry must grant it to the nodes.";

/// The kubelet's log tells what its credential provider did.
const KUBELET_LOG: &str = "@node journalctl -u kubelet --since -15min --no-pager";

macro_rules! create_secret {
    ($server:literal, $user:literal, $password:literal) => {
        concat!(
            "kubectl -n {namespace} create secret docker-registry pull-secret --docker-server=",
            $server,
            " --docker-username=",
            $user,
            " --docker-password=",
            $password
        )
    };
}

pub(super) const ROWS: &[Row] = &[
    Row {
        causes: DENIED,
        when: &[Registry(Ecr)],
        summary: Some(NODES_MAY_NOT),
        check_first: "Nodes get ECR's tokens, which last 12 hours, by their own role through the kubelet's credential provider, and pods on Fargate by their execution role: the role needs AmazonEC2ContainerRegistryPullOnly, and a repository of another account a policy that names it. A pull secret with such a token fails after 12 hours.",
        commands: &[
            "aws ecr describe-images --registry-id {account} --region {region} --repository-name {path} --image-ids {imageid}",
            "aws ecr get-repository-policy --registry-id {account} --region {region} --repository-name {path}",
            PULL_SECRETS,
            KUBELET_LOG,
        ],
        source: "docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_EKS.html, registry_auth.html; kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider",
    },
    Row {
        causes: DENIED,
        when: &[Registry(ArtifactRegistry)],
        summary: Some(NODES_MAY_NOT),
        check_first: "Nodes pull from Artifact Registry as the service account of their node pool, not as the pod's: it needs roles/artifactregistry.reader on the repository, and the pool a scope that holds devstorage.read_only.",
        commands: &[
            "gcloud artifacts docker images describe {image}",
            "gcloud artifacts repositories get-iam-policy {subrepository} --project={project} --location={location}",
            "gcloud artifacts repositories add-iam-policy-binding {subrepository} --project={project} --location={location} --member=serviceAccount:NODE_SERVICE_ACCOUNT --role=roles/artifactregistry.reader",
            KUBELET_LOG,
        ],
        source: "cloud.google.com/artifact-registry/docs/integrate-gke, access-control",
    },
    Row {
        causes: DENIED,
        when: &[Registry(Gcr)],
        summary: Some(NODES_MAY_NOT),
        check_first: "Artifact Registry serves gcr.io since 2025. Nodes pull as the service account of their node pool: it needs roles/artifactregistry.reader in the project of the image, and a repository that was never moved there is gone.",
        commands: &[
            "gcloud artifacts docker images describe {image}",
            "gcloud artifacts repositories list --project={project}",
            "gcloud projects get-iam-policy {project}",
        ],
        source: "cloud.google.com/artifact-registry/docs/transition/transition-from-gcr",
    },
    Row {
        causes: DENIED,
        when: &[Registry(Acr)],
        summary: Some(NODES_MAY_NOT),
        check_first: "Nodes pull from ACR as the kubelet's managed identity: it needs the role AcrPull (attach the registry to the cluster), in the same tenant, and a registry with a firewall or a private endpoint must let the nodes in. Elsewhere take a token of the registry in a pull secret, not its admin user.",
        commands: &[
            "az aks check-acr --resource-group GROUP --name CLUSTER --acr {registry}",
            "az aks update --resource-group GROUP --name CLUSTER --attach-acr {label}",
            "az acr repository show-tags --name {label} --repository {path}",
            PULL_SECRETS,
        ],
        source: "learn.microsoft.com/azure/aks/cluster-container-registry-integration, azure/container-registry/authenticate-kubernetes-options",
    },
    Row {
        causes: DENIED,
        when: &[Registry(OpenShift)],
        summary: Some(
            "The registry does not let the pod's service account pull the image, or does not have it: whoever runs the image's project must grant it.",
        ),
        check_first: "OpenShift's registry lets a service account pull from its own project: from another one it needs the role system:image-puller there. OpenShift makes the account's pull secret; nobody writes one.",
        commands: &[
            "oc policy add-role-to-user system:image-puller system:serviceaccount:{namespace}:{serviceaccount} --namespace={project}",
            "oc get imagestreams --namespace={project}",
            "oc get serviceaccount {serviceaccount} --namespace={namespace} -o jsonpath='{.imagePullSecrets[*].name}'",
        ],
        source: "docs.openshift.com, Images: Allowing pods to reference images across projects",
    },
    Row {
        causes: DENIED,
        when: &[Registry(Ghcr)],
        summary: None,
        check_first: "A package of GitHub is private until somebody makes it public. A pull secret needs a classic personal access token with read:packages, authorized for the organization's single sign-on where there is one.",
        commands: &[PULL_SECRETS, create_secret!("ghcr.io", "USER", "CLASSIC_TOKEN"), USE_SECRET, DESCRIBE],
        source: "docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
    },
    Row {
        causes: DENIED,
        when: &[Registry(DockerHub)],
        summary: None,
        check_first: "Docker Hub says the same of a repository that does not exist and one that is private. A pull secret must call the server https://index.docker.io/v1/, and take an access token in the place of the password.",
        commands: &[
            PULL_SECRETS,
            create_secret!("https://index.docker.io/v1/", "USER", "ACCESS_TOKEN"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "docs.docker.com/security/access-tokens; kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry",
    },
    Row {
        causes: DENIED,
        when: &[Registry(Harbor)],
        summary: None,
        check_first: "A robot account of Harbor's is called robot$PROJECT+NAME, dollar sign and all, expires, and needs the right to pull in the project of the image.",
        commands: &[
            PULL_SECRETS,
            create_secret!("{server}", "'robot$PROJECT+NAME'", "ROBOT_SECRET"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "goharbor.io/docs/latest/working-with-projects/project-configuration/create-robot-accounts",
    },
    Row {
        causes: DENIED,
        when: &[Registry(Quay)],
        summary: None,
        check_first: "Quay says the same of a repository that does not exist and one that is private. A robot account is called ORGANIZATION+ROBOT and needs read permission for the repository.",
        commands: &[
            PULL_SECRETS,
            create_secret!("{server}", "ORGANIZATION+ROBOT", "ROBOT_TOKEN"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "docs.projectquay.io/use_quay.html, robot accounts",
    },
    Row {
        causes: DENIED,
        when: &[Registry(GitLab)],
        summary: None,
        check_first: "GitLab wants a deploy token or a personal, group or project access token with read_registry; the token of a CI job ends with the job.",
        commands: &[PULL_SECRETS, create_secret!("{server}", "TOKEN_NAME", "DEPLOY_TOKEN"), USE_SECRET, DESCRIBE],
        source: "docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry",
    },
    Row {
        causes: DENIED,
        when: &[Registry(EcrPublic)],
        summary: None,
        check_first: "ECR Public gives its images to everybody, but refuses a token that has expired: a pull secret made of one does harm.",
        commands: &[PULL_SECRETS, "crane manifest {image}", DESCRIBE],
        source: "docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html",
    },
    Row {
        causes: &[RateLimited],
        when: &[Registry(DockerHub)],
        summary: None,
        check_first: "Docker Hub counts anonymous pulls by address and others by account: all nodes behind one gateway share one count. Pull with an account, from a mirror or a cache, or less often (IfNotPresent).",
        commands: &[PULL_SECRETS, create_secret!("https://index.docker.io/v1/", "USER", "ACCESS_TOKEN"), USE_SECRET],
        source: "docs.docker.com/docker-hub/usage/pulls",
    },
    Row {
        causes: &[RateLimited],
        when: &[Registry(Ecr)],
        summary: None,
        check_first: "ECR limits requests by account and region: see the quotas, and what pulls so much at a time. Other credentials do not help.",
        commands: &["aws service-quotas list-service-quotas --service-code ecr --region {region}", DESCRIBE],
        source: "docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html",
    },
    Row {
        causes: &[RateLimited],
        when: &[Registry(EcrPublic)],
        summary: None,
        check_first: "ECR Public limits anonymous pulls by address, in number and in bytes: pull through a cache in ECR, or from the image's own registry.",
        commands: &["aws ecr describe-pull-through-cache-rules", DESCRIBE],
        source: "docs.aws.amazon.com/AmazonECR/latest/public/public-service-quotas.html",
    },
    Row {
        causes: &[RateLimited],
        when: &[Registry(ArtifactRegistry)],
        summary: None,
        check_first: "Artifact Registry limits requests by project and region: see the quotas, and what pulls so much at a time. Other credentials do not help.",
        commands: &[DESCRIBE],
        source: "cloud.google.com/artifact-registry/quotas",
    },
    Row {
        causes: &[RateLimited],
        when: &[Registry(Acr)],
        summary: None,
        check_first: "ACR limits requests by the tier of the registry: see what pulls so much at a time, or take a larger tier. Other credentials do not help.",
        commands: &["az acr show --name {label} --query sku.name", DESCRIBE],
        source: "learn.microsoft.com/azure/container-registry/container-registry-skus",
    },
    Row {
        causes: &[Cause::CredentialsMalformed],
        when: &[super::When::Text(&["executable file not found", "credential provider", "docker-credential-"])],
        summary: Some(
            "A credential program of the node is missing or failed, so the registry was not asked: whoever set up the node must mend it.",
        ),
        check_first: "See which program the text names, and whether it is where the kubelet (--image-credential-provider-bin-dir) or the runtime looks for it. The pod's secrets have no part in it.",
        commands: &[KUBELET_LOG, DESCRIBE],
        source: "kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider",
    },
    Row {
        causes: &[Cause::CredentialsMalformed],
        when: &[],
        summary: None,
        check_first: "The secret must be of type kubernetes.io/dockerconfigjson, its auth the base64 of user:password without a line break.",
        commands: &[
            PULL_SECRETS,
            "kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/dockerconfigjson",
            CREATE_SECRET,
        ],
        source: "kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry",
    },
];
