//! Texts of the alerts about a workload. Builds the expected texts from the containers, independently of the templates.

use std::collections::BTreeMap;

use super::{CAUSE_AGE_THRESHOLD, MINUTE};
use crate::timeline::{Annotations, Case, Container, Seconds};

/// A container and the start of its failure.
type FailingContainer = (Container, Seconds);

/// The labels and annotations of an alert about a workload.
struct AlertText {
    alert: &'static str,
    severity: &'static str,
    /// Whether the age is that of the cause, not that of the failure.
    uses_cause_age: bool,
    /// Whether its containers wait without an error.
    is_pending: bool,
    /// The alert fires above this age.
    threshold: Seconds,
    matches: fn(&Container) -> bool,
    /// A container that it matches.
    container: fn() -> Container,
}

const ALERT_TEXTS: [AlertText; 9] = [
    AlertText {
        alert: "ImagePullFailing",
        severity: "warning",
        uses_cause_age: false,
        is_pending: false,
        threshold: 15 * MINUTE,
        matches: |one| !one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network"),
    },
    AlertText {
        alert: "ImagePullJobCannotStart",
        severity: "warning",
        uses_cause_age: false,
        is_pending: false,
        threshold: 10 * MINUTE,
        matches: |one| one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network").kind("TaskRun"),
    },
    AlertText {
        alert: "ImagePullRolloutBlocked",
        severity: "warning",
        uses_cause_age: false,
        is_pending: false,
        threshold: 60 * MINUTE,
        matches: |one| !one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network"),
    },
    AlertText {
        alert: "ImagePullDebugContainer",
        severity: "info",
        uses_cause_age: false,
        is_pending: false,
        threshold: 5 * MINUTE,
        matches: |one| one.container_type == "ephemeral" && one.cause != "pull_qps_exceeded",
        container: || Container::of_workload("web").container_type("ephemeral"),
    },
    AlertText {
        alert: "ImagePullNeedsChange",
        severity: "warning",
        uses_cause_age: true,
        is_pending: false,
        threshold: CAUSE_AGE_THRESHOLD,
        matches: |one| ["image", "policy"].contains(&one.cause_group) && !one.batch && is_of_workload(one),
        container: || Container::of_workload("web"),
    },
    AlertText {
        alert: "ImagePullCredentials",
        severity: "warning",
        uses_cause_age: true,
        is_pending: false,
        threshold: CAUSE_AGE_THRESHOLD,
        matches: |one| {
            one.cause_group == "credentials" && one.cause != "pull_secret_missing" && !one.batch && is_of_workload(one)
        },
        container: || Container::of_workload("web").cause("unauthorized", "credentials"),
    },
    AlertText {
        alert: "ImagePullSecretMissing",
        severity: "warning",
        uses_cause_age: true,
        is_pending: false,
        threshold: CAUSE_AGE_THRESHOLD,
        matches: |one| one.cause == "pull_secret_missing" && !one.batch && is_of_workload(one),
        container: || Container::of_workload("web").cause("pull_secret_missing", "credentials"),
    },
    AlertText {
        alert: "ImagePullPending",
        severity: "warning",
        uses_cause_age: false,
        is_pending: true,
        threshold: 30 * MINUTE,
        matches: |one| one.container_type != "ephemeral",
        container: || Container::of_workload("web"),
    },
    AlertText {
        alert: "ImagePullRateLimited",
        severity: "warning",
        uses_cause_age: true,
        is_pending: false,
        threshold: CAUSE_AGE_THRESHOLD,
        matches: |one| one.cause == "rate_limited" && is_of_workload(one),
        container: || Container::of_workload("web").cause("rate_limited", "registry"),
    },
];

/// Whether it is neither a debug container nor the sandbox, whose image belongs to the node.
fn is_of_workload(one: &Container) -> bool {
    !["ephemeral", "sandbox"].contains(&one.container_type)
}

fn is_regular(one: &Container) -> bool {
    is_of_workload(one) && one.cause != "pull_qps_exceeded"
}

/// Formats a duration like `humanizeDuration` of Prometheus' templates.
fn humanized(seconds: Seconds) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 if minutes == 0 => format!("{seconds}s"),
        0 => format!("{minutes}m {seconds}s"),
        _ => format!("{hours}h {minutes}m {seconds}s"),
    }
}

fn advice(cause: &str, group: &str) -> &'static str {
    match (cause, group) {
        ("rate_limited", _) => "Add a pull secret of an account with a higher limit, or use a registry mirror.",
        (_, "image") => "Correct the image reference in the manifest, or push the missing image.",
        ("pull_secret_missing", _) => "Create the missing pull secret, or correct its name.",
        (_, "credentials") => "Check the pull secrets of the pod and of its service account.",
        (_, "registry") => "Check the status page, logs and limits of the registry.",
        (_, "network") => "Check the connection from the node to the registry: DNS, proxy, certificates.",
        (_, "node") => "Check the node: disk space, container runtime, kubelet log.",
        (_, "policy") => "Find out which policy rejects the image, and why.",
        _ => "Read the error message.",
    }
}

impl AlertText {
    /// The alerts that fire at `at`: labels and annotations.
    fn expected_alerts(&self, at: Seconds, failing: &[FailingContainer]) -> Vec<(String, Annotations)> {
        let mut workloads: BTreeMap<_, Vec<&FailingContainer>> = BTreeMap::new();
        for container @ (one, _) in failing.iter().filter(|(one, _)| (self.matches)(one)) {
            let workload = (one.cluster, one.namespace, one.workload_kind, one.workload.as_str(), one.registry);
            workloads.entry(workload).or_default().push(container);
        }
        let greatest_age = |failing: &[&FailingContainer]| {
            failing.iter().map(|container| age(container, self.uses_cause_age, at)).max().unwrap_or_default()
        };
        let firing = workloads.into_values().filter(|failing| greatest_age(failing) > self.threshold);
        firing
            .map(|failing| (self.labels(&failing[0].0), self.annotations(&failing, at, greatest_age(&failing))))
            .collect()
    }

    fn labels(&self, one: &Container) -> String {
        let Container { namespace, workload_kind, workload, registry, .. } = one;
        let cluster = one.cluster.map(|cluster| format!("cluster: {cluster}, ")).unwrap_or_default();
        format!(
            "{cluster}severity: {}, namespace: {namespace}, workload_kind: {workload_kind}, workload: {workload}, registry: {registry}",
            self.severity
        )
    }

    fn annotations(&self, failing: &[&FailingContainer], at: Seconds, greatest_age: Seconds) -> Annotations {
        let Container { namespace, workload_kind, workload, registry, .. } = &failing[0].0;
        let workload_name = format!("{workload_kind} {namespace}/{workload}");
        let (_, first) = oldest_first(failing, self.uses_cause_age, at).remove(0);
        let image = format!("{}: {}", first.image, cause_text(first.cause));
        let summary = match self.alert {
            "ImagePullDebugContainer" => format!("A debug container of {workload_name} cannot pull its image {image}"),
            "ImagePullRateLimited" => format!("{registry} rate-limits pulls of {workload_name}"),
            "ImagePullSecretMissing" => {
                format!("{workload_name} cannot pull its image {}: a pull secret does not exist", first.image)
            }
            "ImagePullPending" => {
                format!("{workload_name} has been waiting for its image {} without an error", first.image)
            }
            _ => format!("{workload_name} cannot pull its image {image}"),
        };
        let mut images = oldest_first(failing, !self.is_pending, at);
        images.truncate(5);
        let images = images.into_iter().map(|(age, one)| {
            let (image, cause, age) = (&one.image, cause_text(one.cause), humanized(age));
            let advice = advice(one.cause, one.cause_group);
            match self.alert {
                "ImagePullCredentials" => format!("Image {image}: {cause} for {age}."),
                "ImagePullRateLimited" | "ImagePullSecretMissing" => format!("Image {image} for {age}."),
                "ImagePullPending" => format!("Image {image} on node {} for {age}.", one.node),
                _ => format!("Image {image} from {registry}: {cause} for {age}. {advice}"),
            }
        });
        let images = images.collect::<Vec<_>>().join(" ");
        let age = humanized(greatest_age);
        let text = match self.alert {
            "ImagePullDebugContainer" => format!(
                "Failing for {age}. The other containers of the pod are not affected. Add another debug container with an image that the \
                 cluster can pull."
            ),
            "ImagePullNeedsChange" => {
                format!("Retries fail until the image, its reference or a policy changes. {images}")
            }
            "ImagePullCredentials" => format!(
                "The credentials for {registry} are missing, invalid or insufficient. {images} {}",
                advice("", "credentials")
            ),
            "ImagePullSecretMissing" => format!(
                "The pod or its service account names a pull secret that does not exist in namespace {namespace}. {images} {}",
                advice("pull_secret_missing", "")
            ),
            "ImagePullPending" => format!(
                "Pending for {age}. The kubelet reports no error. {images} The image is large, another pull on the node comes \
                 first, or the container runtime hangs."
            ),
            "ImagePullRateLimited" => {
                format!("The registry responds with \"too many requests\". {images} {}", advice("rate_limited", ""))
            }
            _ => format!("Failing for {age}. {images}"),
        };
        let cluster = failing[0].0.cluster.map(|cluster| format!("var-cluster={cluster}&")).unwrap_or_default();
        vec![
            ("summary", summary),
            ("description", format!("{text} Details: image-pull-exporter list -n {namespace} -o json")),
            ("runbook_url", format!("https://runbooks.example.com/image-pull-exporter/{}.md", self.alert)),
            (
                "dashboard_url",
                format!(
                    "https://grafana.example.com/d/image-pull-failure?{cluster}var-namespace={namespace}&var-workload={workload}"
                ),
            ),
        ]
    }

    /// A case in which exactly these containers fail, with the text of the alert.
    fn case(&self, name: &str, failing: &[FailingContainer]) -> Case {
        let at = self.threshold + 15 * MINUTE;
        let expected = self.expected_alerts(at, failing);
        assert!(!expected.is_empty(), "{} fires", self.alert);
        let case = Case::new(&format!("the text of {}: {name}", self.alert)).only_alert(self.alert);
        let case = failing.iter().fold(case, |case, (one, since)| {
            let during = *since..at + 60;
            if self.is_pending { case.waits(one, *since, during) } else { case.fails(one, *since, during) }
        });
        case.fires_with_texts(at, self.alert, expected)
    }

    /// Nine containers of one workload, with seven images, among older failures that the queries of the text exclude.
    fn among_others(&self) -> Case {
        let one = |pod: u32, image: u32, since: Seconds, cause_since: Seconds| {
            let image = format!("reg.example/shop/web:{image}");
            (Container { pod: format!("web-{pod}"), image, ..(self.container)().cause_since(cause_since) }, since)
        };
        let mut failing = vec![
            one(0, 0, 60, 100),
            one(1, 1, 10, 200),
            one(2, 0, 300, 410),
            one(3, 2, 500, 560),
            one(4, 3, 510, 570),
            one(5, 4, 520, 580),
            one(6, 5, 530, 590),
            one(7, 1, 540, 600),
            one(8, 6, 401, 402),
        ];
        let mut add_excluded = |name: &'static str, change: &dyn Fn(Container) -> Container| {
            let image = format!("reg.example/other/{name}:1");
            let container = Container { pod: name.to_owned(), image, ..(self.container)() };
            let since = Seconds::try_from(failing.len()).expect("there are few") - 9;
            failing.push((change(container), since));
        };
        let other_kind = match (self.container)().workload_kind {
            "TaskRun" => "CronJob",
            _ => "StatefulSet",
        };
        add_excluded("cluster", &|one| one.cluster("b"));
        add_excluded("namespace", &|one| one.namespace("bank"));
        add_excluded("kind", &|one| one.kind(other_kind));
        add_excluded("workload", &|one| Container { workload: "db".to_owned(), ..one });
        add_excluded("registry", &|one| one.registry("ghcr.io"));
        add_excluded("type", &|one| match one.container_type {
            "ephemeral" => one.container_type("init"),
            _ => one.container_type("ephemeral"),
        });
        if !self.is_pending {
            add_excluded("sandbox", &|one| one.container_type("sandbox"));
            add_excluded("busy", &|one| one.cause("pull_qps_exceeded", "node"));
        }
        if self.alert == "ImagePullCredentials" {
            add_excluded("secret", &|one| one.cause("pull_secret_missing", "credentials"));
        }
        if self.uses_cause_age {
            add_excluded("cause", &|one| one.cause("registry_error", "registry"));
        }
        self.case("among other failures", &failing)
    }
}

/// The age of a failure, or of its cause.
fn age((one, since): &FailingContainer, of_cause: bool, at: Seconds) -> Seconds {
    at - one.cause_since.filter(|_| of_cause).unwrap_or(*since)
}

/// Each pair of image and cause once, with its greatest age, the oldest first.
fn oldest_first<'a>(failing: &[&'a FailingContainer], of_cause: bool, at: Seconds) -> Vec<(Seconds, &'a Container)> {
    let mut oldest: BTreeMap<_, (Seconds, &Container)> = BTreeMap::new();
    for container in failing {
        let (age, one) = (age(container, of_cause, at), &container.0);
        let greatest = oldest.entry((&one.image, one.cause)).or_insert((age, one));
        greatest.0 = greatest.0.max(age);
    }
    let mut oldest: Vec<_> = oldest.into_values().collect();
    oldest.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    oldest
}

fn cause_text(cause: &str) -> String {
    cause.replace('_', " ")
}

/// Two texts that are spelled out.
fn literal_texts() -> [Case; 2] {
    let db = Container {
        workload: "db".to_owned(),
        pod: "db-0".to_owned(),
        ..Container::of_workload("db").kind("StatefulSet")
    };
    let debug =
        Container { image: "busybox:1.99".to_owned(), container: "debugger", ..db.clone() }.container_type("ephemeral");
    let db = db.cause_since(300);
    let web = Container::of_workload("web");
    let refused = web.clone().cause("connection_failed", "network").cause_since(1800);
    [
        Case::new("a StatefulSet and its debug container")
            .fails(&debug, 0, 0..3600)
            .fails(&db, 60, 60..3600)
            .fires_with_text(
                12 * MINUTE + 15,
                "ImagePullNeedsChange",
                "severity: warning, namespace: shop, workload_kind: StatefulSet, workload: db, registry: reg.example",
                &[
                    ("summary", "StatefulSet shop/db cannot pull its image reg.example/shop/db:1.8.O: image not found"),
                    (
                        "description",
                        "Retries fail until the image, its reference or a policy changes. Image reg.example/shop/db:1.8.O from \
                         reg.example: image not found for 7m 15s. Correct the image reference in the manifest, or push the missing \
                         image. Details: image-pull-exporter list -n shop -o json",
                    ),
                    ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNeedsChange.md"),
                    (
                        "dashboard_url",
                        "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=db",
                    ),
                ],
            ),
        Case::new("a failure of half an hour with a new cause")
            .fails(&web, 0, 0..1800)
            .fails(&refused, 0, 1800..3600)
            .fires_with_text(
                2100,
                "ImagePullFailing",
                "severity: warning, namespace: shop, workload_kind: Deployment, workload: web, registry: reg.example",
                &[
                    (
                        "summary",
                        "Deployment shop/web cannot pull its image reg.example/shop/web:1.8.O: connection failed",
                    ),
                    (
                        "description",
                        "Failing for 35m 0s. Image reg.example/shop/web:1.8.O from reg.example: connection failed for 5m 0s. Check the \
                         connection from the node to the registry: DNS, proxy, certificates. Details: image-pull-exporter list -n shop \
                         -o json",
                    ),
                    ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullFailing.md"),
                    (
                        "dashboard_url",
                        "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=web",
                    ),
                ],
            ),
    ]
}

pub fn cases() -> Vec<Case> {
    let [general, _, _, _, needs_change, credentials, ..] = ALERT_TEXTS;
    let of = |text: &AlertText, cause: &'static str, group: &'static str| {
        text.case(cause, &[(Container::of_workload("web").cause(cause, group), 0)])
    };
    let causes = [
        ("image_not_found", "image"),
        ("signature_rejected", "policy"),
        ("unauthorized", "credentials"),
        ("pull_secret_missing", "credentials"),
        ("rate_limited", "registry"),
        ("registry_error", "registry"),
        ("timeout", "network"),
        ("digest_mismatch", "node"),
        ("unknown", "unknown"),
    ];
    let mut cases: Vec<Case> = ALERT_TEXTS.iter().map(AlertText::among_others).collect();
    cases.extend(causes.map(|(cause, group)| of(&general, cause, group)));
    cases.push(of(&needs_change, "signature_rejected", "policy"));
    cases.push(of(&needs_change, "invalid_reference", "image"));
    cases.push(of(&credentials, "credentials_malformed", "credentials"));
    cases.extend(literal_texts());
    // One of two exporters exposes a known cause. The text uses it. A container of another cluster is a different one.
    let web = Container::of_workload("web");
    let two = general.case("two exporters", &[(web.clone(), 0)]).exporter("b", 0..7200);
    let two = two.fails_reported_by("b", &web.clone().cause("unknown", "unknown"), 60, 60..1860);
    cases.push(two.fails(&web.cluster("b").cause("pull_qps_exceeded", "node"), 0, 0..1860));
    // The known cause of one container does not replace the unknown cause of another.
    let unknown = Container::of_workload("web").cause("unknown", "unknown");
    let sidecar = Container { container: "sidecar", image: "reg.example/shop/proxy:2".to_owned(), ..unknown.clone() };
    cases.push(general.case("two containers of a pod", &[(Container::of_workload("web"), 0), (sidecar, 30)]));
    let clusters = [(Container::of_workload("web").cluster("a"), 0), (unknown.cluster("b"), 0)];
    cases.push(general.case("two clusters, of which one has a known cause", &clusters));
    cases
}
