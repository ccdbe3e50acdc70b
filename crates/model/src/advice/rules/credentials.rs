//! Rules for credentials and rate limits, by registry. Few registries use a pull secret with a user name and a
//! password.

use super::super::conditions::Condition::{Registry, TextContains};
use super::super::conditions::RegistryKind::{
    Acr, ArtifactRegistry, DockerHub, Ecr, EcrPublic, Gcr, Ghcr, GitLab, Harbor, OpenShift, Quay,
};
use super::super::defaults::{CREATE_SECRET, DESCRIBE_POD, PULL_SECRETS, USE_SECRET};
use super::super::rule::AdviceRule;
use crate::cause::Cause::{self, Forbidden, NotFoundOrDenied, RateLimited, Unauthorized};

const DENIED_CAUSES: &[Cause] = &[Unauthorized, Forbidden, NotFoundOrDenied];

/// Summary for registries that nodes access with their own identity, without a pull secret.
const NODE_LACKS_PERMISSION: &str = "The registry denies the pull to this node, or has no such image. The registry operator must grant access to the nodes.";

/// The kubelet's log has the errors of its credential provider.
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

pub(super) const RULES: &[AdviceRule] = &[
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Ecr)],
        summary: Some(NODE_LACKS_PERMISSION),
        check_first: "Nodes obtain ECR tokens with their IAM role, through the kubelet's credential provider. Pods on Fargate use their execution role. The role needs AmazonEC2ContainerRegistryPullOnly. A repository in another account also needs a policy that names the role. ECR tokens expire after 12 hours, so a pull secret that holds one stops working.",
        commands: &[
            "aws ecr describe-images --registry-id {account} --region {region} --repository-name {path} --image-ids {imageid}",
            "aws ecr get-repository-policy --registry-id {account} --region {region} --repository-name {path}",
            PULL_SECRETS,
            KUBELET_LOG,
        ],
        source: "docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_EKS.html, registry_auth.html; kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(ArtifactRegistry)],
        summary: Some(NODE_LACKS_PERMISSION),
        check_first: "Nodes pull from Artifact Registry as the service account of their node pool, not as that of the pod. The account needs roles/artifactregistry.reader on the repository. The node pool needs an access scope that includes devstorage.read_only.",
        commands: &[
            "gcloud artifacts docker images describe {image}",
            "gcloud artifacts repositories get-iam-policy {subrepository} --project={project} --location={location}",
            "gcloud artifacts repositories add-iam-policy-binding {subrepository} --project={project} --location={location} --member=serviceAccount:NODE_SERVICE_ACCOUNT --role=roles/artifactregistry.reader",
            KUBELET_LOG,
        ],
        source: "cloud.google.com/artifact-registry/docs/integrate-gke, access-control",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Gcr)],
        summary: Some(NODE_LACKS_PERMISSION),
        check_first: "Artifact Registry serves gcr.io since 2025. Repositories that were not migrated no longer exist. Nodes pull as the service account of their node pool, which needs roles/artifactregistry.reader in the project of the image.",
        commands: &[
            "gcloud artifacts docker images describe {image}",
            "gcloud artifacts repositories list --project={project}",
            "gcloud projects get-iam-policy {project}",
        ],
        source: "cloud.google.com/artifact-registry/docs/transition/transition-from-gcr",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Acr)],
        summary: Some(NODE_LACKS_PERMISSION),
        check_first: "Nodes pull from ACR with the kubelet's managed identity. The identity needs the role AcrPull in the same tenant: attach the registry to the cluster. A registry with a firewall or a private endpoint must admit the nodes. Outside AKS, use a pull secret with a token of the registry, not with its admin user.",
        commands: &[
            "az aks check-acr --resource-group GROUP --name CLUSTER --acr {registry}",
            "az aks update --resource-group GROUP --name CLUSTER --attach-acr {label}",
            "az acr repository show-tags --name {label} --repository {path}",
            PULL_SECRETS,
        ],
        source: "learn.microsoft.com/azure/aks/cluster-container-registry-integration, azure/container-registry/authenticate-kubernetes-options",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(OpenShift)],
        summary: Some(
            "The registry denies the pull to the pod's service account, or has no such image. The owner of the image's project must grant access.",
        ),
        check_first: "A service account can pull from its own project. To pull from another project, it needs the role system:image-puller there. OpenShift creates the pull secret of the account.",
        commands: &[
            "oc policy add-role-to-user system:image-puller system:serviceaccount:{namespace}:{serviceaccount} --namespace={project}",
            "oc get imagestreams --namespace={project}",
            "oc get serviceaccount {serviceaccount} --namespace={namespace} -o jsonpath='{.imagePullSecrets[*].name}'",
        ],
        source: "docs.openshift.com, Images: Allowing pods to reference images across projects",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Ghcr)],
        summary: None,
        check_first: "GitHub packages are private by default. The pull secret needs a classic personal access token with read:packages. If the organization uses single sign-on, the token must be authorized for it.",
        commands: &[PULL_SECRETS, create_secret!("ghcr.io", "USER", "CLASSIC_TOKEN"), USE_SECRET, DESCRIBE_POD],
        source: "docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(DockerHub)],
        summary: None,
        check_first: "Docker Hub reports missing and private repositories in the same way. The pull secret must name the server https://index.docker.io/v1/ and use an access token as the password.",
        commands: &[
            PULL_SECRETS,
            create_secret!("https://index.docker.io/v1/", "USER", "ACCESS_TOKEN"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "docs.docker.com/security/access-tokens; kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Harbor)],
        summary: None,
        check_first: "A Harbor robot account is named robot$PROJECT+NAME, including the dollar sign. It can expire, and it needs the pull permission in the project of the image.",
        commands: &[
            PULL_SECRETS,
            create_secret!("{server}", "'robot$PROJECT+NAME'", "ROBOT_SECRET"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "goharbor.io/docs/latest/working-with-projects/project-configuration/create-robot-accounts",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(Quay)],
        summary: None,
        check_first: "Quay reports missing and private repositories in the same way. A robot account is named ORGANIZATION+ROBOT and needs the read permission on the repository.",
        commands: &[
            PULL_SECRETS,
            create_secret!("{server}", "ORGANIZATION+ROBOT", "ROBOT_TOKEN"),
            USE_SECRET,
            "crane manifest {image}",
        ],
        source: "docs.projectquay.io/use_quay.html, robot accounts",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(GitLab)],
        summary: None,
        check_first: "GitLab requires a deploy token or a personal, group or project access token with read_registry. The token of a CI job expires with the job.",
        commands: &[PULL_SECRETS, create_secret!("{server}", "TOKEN_NAME", "DEPLOY_TOKEN"), USE_SECRET, DESCRIBE_POD],
        source: "docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry",
    },
    AdviceRule {
        causes: DENIED_CAUSES,
        when: &[Registry(EcrPublic)],
        summary: None,
        check_first: "ECR Public serves its images without credentials, but rejects expired tokens. Remove a pull secret that holds an expired token.",
        commands: &[PULL_SECRETS, "crane manifest {image}", DESCRIBE_POD],
        source: "docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html",
    },
    AdviceRule {
        causes: &[RateLimited],
        when: &[Registry(DockerHub)],
        summary: None,
        check_first: "Docker Hub counts anonymous pulls per IP address and authenticated pulls per account. All nodes behind one gateway share one limit. Use credentials, a mirror or a cache, or the pull policy IfNotPresent.",
        commands: &[PULL_SECRETS, create_secret!("https://index.docker.io/v1/", "USER", "ACCESS_TOKEN"), USE_SECRET],
        source: "docs.docker.com/docker-hub/usage/pulls",
    },
    AdviceRule {
        causes: &[RateLimited],
        when: &[Registry(Ecr)],
        summary: None,
        check_first: "ECR limits requests per account and region. Check the quotas, and which workloads pull at the same time. Other credentials do not help.",
        commands: &["aws service-quotas list-service-quotas --service-code ecr --region {region}", DESCRIBE_POD],
        source: "docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html",
    },
    AdviceRule {
        causes: &[RateLimited],
        when: &[Registry(EcrPublic)],
        summary: None,
        check_first: "ECR Public limits the number and the bytes of anonymous pulls per IP address. Use a pull-through cache in ECR, or the original registry of the image.",
        commands: &["aws ecr describe-pull-through-cache-rules", DESCRIBE_POD],
        source: "docs.aws.amazon.com/AmazonECR/latest/public/public-service-quotas.html",
    },
    AdviceRule {
        causes: &[RateLimited],
        when: &[Registry(ArtifactRegistry)],
        summary: None,
        check_first: "Artifact Registry limits requests per project and region. Check the quotas, and which workloads pull at the same time. Other credentials do not help.",
        commands: &[DESCRIBE_POD],
        source: "cloud.google.com/artifact-registry/quotas",
    },
    AdviceRule {
        causes: &[RateLimited],
        when: &[Registry(Acr)],
        summary: None,
        check_first: "ACR limits requests by service tier. Check which workloads pull at the same time, or choose a higher tier. Other credentials do not help.",
        commands: &["az acr show --name {label} --query sku.name", DESCRIBE_POD],
        source: "learn.microsoft.com/azure/container-registry/container-registry-skus",
    },
    AdviceRule {
        causes: &[Cause::CredentialsMalformed],
        when: &[TextContains(&["executable file not found", "credential provider", "docker-credential-"])],
        summary: Some(
            "A credential provider or helper on the node is missing or failed, so no request was sent to the registry. The node operator must fix it.",
        ),
        check_first: "Check that the program in the error text is installed where the kubelet (--image-credential-provider-bin-dir) or the runtime expects it. The pod's pull secrets are not involved.",
        commands: &[KUBELET_LOG, DESCRIBE_POD],
        source: "kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider",
    },
    AdviceRule {
        causes: &[Cause::CredentialsMalformed],
        when: &[],
        summary: None,
        check_first: "The secret must have the type kubernetes.io/dockerconfigjson. Its auth field must be the base64 of user:password, without a line break.",
        commands: &[
            PULL_SECRETS,
            "kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/dockerconfigjson",
            CREATE_SECRET,
        ],
        source: "kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry",
    },
];
