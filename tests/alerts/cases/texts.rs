//! What the alerts about a workload say. The texts are written here a second time, from the containers.

use std::collections::BTreeMap;

use super::MINUTE;
use crate::timeline::{Annotations, Case, Container, Seconds};

/// A container, and since when it fails.
type FailingContainer = (Container, Seconds);

/// An alert about a workload.
struct AlertText {
    alert: &'static str,
    severity: &'static str,
    /// Whether it looks at the age of the cause, and not at that of the failure.
    uses_cause_age: bool,
    threshold: Seconds,
    matches: fn(&Container) -> bool,
    /// A container that it is about.
    container: fn() -> Container,
}

const ALERT_TEXTS: [AlertText; 7] = [
    AlertText {
        alert: "ImagePullFailing",
        severity: "warning",
        uses_cause_age: false,
        threshold: 15 * MINUTE,
        matches: |one| !one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network"),
    },
    AlertText {
        alert: "ImagePullJobCannotStart",
        severity: "warning",
        uses_cause_age: false,
        threshold: 10 * MINUTE,
        matches: |one| one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network").kind("TaskRun"),
    },
    AlertText {
        alert: "ImagePullRolloutBlocked",
        severity: "warning",
        uses_cause_age: false,
        threshold: 60 * MINUTE,
        matches: |one| !one.batch && is_regular(one),
        container: || Container::of_workload("web").cause("timeout", "network"),
    },
    AlertText {
        alert: "ImagePullDebugContainer",
        severity: "info",
        uses_cause_age: false,
        threshold: 5 * MINUTE,
        matches: |one| one.container_type == "ephemeral" && one.cause != "pull_qps_exceeded",
        container: || Container::of_workload("web").container_type("ephemeral"),
    },
    AlertText {
        alert: "ImagePullNeedsChange",
        severity: "warning",
        uses_cause_age: true,
        threshold: 7 * MINUTE,
        matches: |one| {
            ["image", "policy"].contains(&one.cause_group) && !one.batch && one.container_type != "ephemeral"
        },
        container: || Container::of_workload("web"),
    },
    AlertText {
        alert: "ImagePullCredentials",
        severity: "warning",
        uses_cause_age: true,
        threshold: 7 * MINUTE,
        matches: |one| one.cause_group == "credentials" && !one.batch && one.container_type != "ephemeral",
        container: || Container::of_workload("web").cause("unauthorized", "credentials"),
    },
    AlertText {
        alert: "ImagePullRateLimited",
        severity: "warning",
        uses_cause_age: true,
        threshold: 7 * MINUTE,
        matches: |one| one.cause == "rate_limited" && one.container_type != "ephemeral",
        container: || Container::of_workload("web").cause("rate_limited", "registry"),
    },
];

fn is_regular(one: &Container) -> bool {
    one.container_type != "ephemeral" && one.cause != "pull_qps_exceeded"
}

/// A duration as Prometheus' templates write it.
fn humanized(seconds: Seconds) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 if minutes == 0 => format!("{seconds}s"),
        0 => format!("{minutes}m {seconds}s"),
        _ => format!("{hours}h {minutes}m {seconds}s"),
    }
}

fn first_step(cause: &str, group: &str) -> &'static str {
    match (cause, group) {
        ("rate_limited", _) => {
            "First give the pod a pull secret of an account with a higher limit, or put a mirror in between."
        }
        (_, "image") => "First correct the reference in the manifest, or push what it names.",
        (_, "credentials") => "First check the pull secret of the pod and of its service account.",
        (_, "registry") => "First look at the registry's own status and limits.",
        (_, "network") => "First test the way from the node to the registry: name, proxy, certificate.",
        (_, "node") => "First look at the node: its disk, its runtime, its log.",
        (_, "policy") => "First see which policy rejects the image, and why.",
        _ => "First read the error text.",
    }
}

impl AlertText {
    /// Every time it fires at `at`, with its labels and annotations.
    fn expected_alerts(&self, at: Seconds, fails: &[FailingContainer]) -> Vec<(String, Annotations)> {
        let mut workloads: BTreeMap<_, Vec<&FailingContainer>> = BTreeMap::new();
        for fail @ (one, _) in fails.iter().filter(|(one, _)| (self.matches)(one)) {
            let workload = (one.cluster, one.namespace, one.workload_kind, one.workload.as_str(), one.registry);
            workloads.entry(workload).or_default().push(fail);
        }
        let longest = |fails: &[&FailingContainer]| {
            fails.iter().map(|fail| age(fail, self.uses_cause_age, at)).max().unwrap_or_default()
        };
        let fires = workloads.into_values().filter(|fails| longest(fails) > self.threshold);
        fires.map(|fails| (self.labels(&fails[0].0), self.annotations(&fails, at, longest(&fails)))).collect()
    }

    fn labels(&self, one: &Container) -> String {
        let Container { namespace, workload_kind, workload, registry, .. } = one;
        let cluster = one.cluster.map(|cluster| format!("cluster: {cluster}, ")).unwrap_or_default();
        format!(
            "{cluster}severity: {}, namespace: {namespace}, workload_kind: {workload_kind}, workload: {workload}, registry: {registry}",
            self.severity
        )
    }

    fn annotations(&self, fails: &[&FailingContainer], at: Seconds, longest: Seconds) -> Annotations {
        let Container { namespace, workload_kind, workload, registry, .. } = &fails[0].0;
        let named = format!("{workload_kind} {namespace}/{workload}");
        let (_, first) = longest_first(fails, self.uses_cause_age, at).remove(0);
        let image = format!("{}: {}", first.image, cause_text(first.cause));
        let summary = match self.alert {
            "ImagePullDebugContainer" => format!("A debug container of {named} cannot pull its image {image}"),
            "ImagePullRateLimited" => format!("{named} waits for the limit of {registry}"),
            _ => format!("{named} cannot pull its image {image}"),
        };
        let mut images = longest_first(fails, true, at);
        images.truncate(5);
        let images = images.into_iter().map(|(age, one)| {
            let (image, cause, lasted) = (&one.image, cause_text(one.cause), humanized(age));
            let step = first_step(one.cause, one.cause_group);
            match self.alert {
                "ImagePullCredentials" => format!("Image {image}: {cause} for {lasted}."),
                "ImagePullRateLimited" => format!("Image {image} for {lasted}."),
                _ => format!("Image {image} from {registry}: {cause} for {lasted}. {step}"),
            }
        });
        let images = images.collect::<Vec<_>>().join(" ");
        let lasted = humanized(longest);
        let text = match self.alert {
            "ImagePullDebugContainer" => format!(
                "It has been failing for {lasted}. The containers that were there before it go on. First add another debug container, with \
                 an image that the cluster can pull."
            ),
            "ImagePullNeedsChange" => format!("Waiting does not help. {images}"),
            "ImagePullCredentials" => format!("{registry} refuses it. {images} {}", first_step("", "credentials")),
            "ImagePullRateLimited" => {
                format!("The registry answers \"too many requests\". {images} {}", first_step("rate_limited", ""))
            }
            _ => format!("It has been failing for {lasted}. {images}"),
        };
        let of_cluster = fails[0].0.cluster.map(|cluster| format!("var-cluster={cluster}&")).unwrap_or_default();
        vec![
            ("summary", summary),
            ("description", format!("{text} Details: image-pull-exporter list -n {namespace} -o json")),
            ("runbook_url", format!("https://runbooks.example.com/image-pull-exporter/{}.md", self.alert)),
            (
                "dashboard_url",
                format!(
                    "https://grafana.example.com/d/image-pull-failure?{of_cluster}var-namespace={namespace}&var-workload={workload}"
                ),
            ),
        ]
    }

    /// A case in which exactly these containers fail, and in which the alert says what they are.
    fn case(&self, about: &str, fails: &[FailingContainer]) -> Case {
        let at = self.threshold + 15 * MINUTE;
        let told = self.expected_alerts(at, fails);
        assert!(!told.is_empty(), "{} fires", self.alert);
        let case = Case::new(&format!("the text of {}: {about}", self.alert)).only_alert(self.alert);
        let case = fails.iter().fold(case, |case, (one, since)| case.fails(one, *since, *since..at + 60));
        case.fires_with_texts(at, self.alert, told)
    }

    /// Nine containers of one workload, of seven images; and beside it whatever the queries have to leave out, which
    /// has failed longer.
    fn among_others(&self) -> Case {
        let one = |pod: u32, image: u32, since: Seconds, cause_since: Seconds| {
            let image = format!("reg.example/shop/web:{image}");
            (Container { pod: format!("web-{pod}"), image, ..(self.container)().cause_since(cause_since) }, since)
        };
        let mut fails = vec![
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
        let mut beside = |name: &'static str, change: &dyn Fn(Container) -> Container| {
            let image = format!("reg.example/other/{name}:1");
            let container = Container { pod: name.to_owned(), image, ..(self.container)() };
            let since = Seconds::try_from(fails.len()).expect("there are few") - 9;
            fails.push((change(container), since));
        };
        let other_kind = match (self.container)().workload_kind {
            "TaskRun" => "CronJob",
            _ => "StatefulSet",
        };
        beside("cluster", &|one| one.cluster("b"));
        beside("namespace", &|one| one.namespace("bank"));
        beside("kind", &|one| one.kind(other_kind));
        beside("workload", &|one| Container { workload: "db".to_owned(), ..one });
        beside("registry", &|one| one.registry("ghcr.io"));
        beside("type", &|one| match one.container_type {
            "ephemeral" => one.container_type("init"),
            _ => one.container_type("ephemeral"),
        });
        beside("busy", &|one| one.cause("pull_qps_exceeded", "node"));
        if self.uses_cause_age {
            beside("cause", &|one| one.cause("registry_error", "registry"));
        }
        self.case("among others", &fails)
    }
}

/// How old a failure is, or its cause.
fn age((one, since): &FailingContainer, of_cause: bool, at: Seconds) -> Seconds {
    at - one.cause_since.filter(|_| of_cause).unwrap_or(*since)
}

/// Each image and cause once, with its greatest age, the oldest first.
fn longest_first<'a>(fails: &[&'a FailingContainer], of_cause: bool, at: Seconds) -> Vec<(Seconds, &'a Container)> {
    let mut oldest: BTreeMap<_, (Seconds, &Container)> = BTreeMap::new();
    for fail in fails {
        let (age, one) = (age(fail, of_cause, at), &fail.0);
        let known = oldest.entry((&one.image, one.cause)).or_insert((age, one));
        known.0 = known.0.max(age);
    }
    let mut oldest: Vec<_> = oldest.into_values().collect();
    oldest.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    oldest
}

fn cause_text(cause: &str) -> String {
    cause.replace('_', " ")
}

/// What is read literally, as a person reads it.
fn literal_text() -> Case {
    let db = Container {
        workload: "db".to_owned(),
        pod: "db-0".to_owned(),
        ..Container::of_workload("db").kind("StatefulSet")
    };
    let debug =
        Container { image: "busybox:1.99".to_owned(), container: "debugger", ..db.clone() }.container_type("ephemeral");
    let db = db.cause_since(300);
    Case::new("a StatefulSet and its debug container").fails(&debug, 0, 0..3600).fails(&db, 60, 60..3600).fires_with_text(
        12 * MINUTE + 15,
        "ImagePullNeedsChange",
        "severity: warning, namespace: shop, workload_kind: StatefulSet, workload: db, registry: reg.example",
        &[
            ("summary", "StatefulSet shop/db cannot pull its image reg.example/shop/db:1.8.O: image not found"),
            (
                "description",
                "Waiting does not help. Image reg.example/shop/db:1.8.O from reg.example: image not found for 7m 15s. First correct \
                 the reference in the manifest, or push what it names. Details: image-pull-exporter list -n shop -o json",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNeedsChange.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=db"),
        ],
    )
}

/// Ten minutes of a registry's fault, in a failure of half an hour.
fn literal_text_of_a_long_failure() -> Case {
    let web = Container::of_workload("web");
    let refused = web.clone().cause("connection_failed", "network").cause_since(1800);
    Case::new("half an hour of a failure").fails(&web, 0, 0..1800).fails(&refused, 0, 1800..3600).fires_with_text(
        2100,
        "ImagePullFailing",
        "severity: warning, namespace: shop, workload_kind: Deployment, workload: web, registry: reg.example",
        &[
            ("summary", "Deployment shop/web cannot pull its image reg.example/shop/web:1.8.O: connection failed"),
            (
                "description",
                "It has been failing for 35m 0s. Image reg.example/shop/web:1.8.O from reg.example: connection failed for 5m 0s. First \
                 test the way from the node to the registry: name, proxy, certificate. Details: image-pull-exporter list -n shop -o json",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullFailing.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=web"),
        ],
    )
}

pub fn cases() -> Vec<Case> {
    let [general, _, _, _, needs_change, credentials, _] = ALERT_TEXTS;
    let of = |wording: &AlertText, cause: &'static str, group: &'static str| {
        wording.case(cause, &[(Container::of_workload("web").cause(cause, group), 0)])
    };
    let causes = [
        ("image_not_found", "image"),
        ("signature_rejected", "policy"),
        ("unauthorized", "credentials"),
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
    cases.extend([literal_text(), literal_text_of_a_long_failure()]);
    // Of two exporters, the one that knows the cause is quoted, and the container of another cluster is another.
    let web = Container::of_workload("web");
    let two = general.case("two exporters", &[(web.clone(), 0)]).exporter("b", 0..7200);
    let two = two.fails_reported_by("b", &web.clone().cause("unknown", "unknown"), 60, 60..1860);
    cases.push(two.fails(&web.cluster("b").cause("pull_qps_exceeded", "node"), 0, 0..1860));
    // What is known of one container says nothing of another.
    let odd = Container::of_workload("web").cause("unknown", "unknown");
    let sidecar = Container { container: "sidecar", image: "reg.example/shop/proxy:2".to_owned(), ..odd.clone() };
    cases.push(general.case("two containers of a pod", &[(Container::of_workload("web"), 0), (sidecar, 30)]));
    let clusters = [(Container::of_workload("web").cluster("a"), 0), (odd.cluster("b"), 0)];
    cases.push(general.case("two clusters of which one says more", &clusters));
    cases
}
