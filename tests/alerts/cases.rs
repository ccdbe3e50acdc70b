//! The timelines: for each alert what makes it fire, and what must not.

use crate::timeline::{Case, Container};

const MINUTE: u32 = 60;

pub fn all() -> Vec<Case> {
    [workloads(), registries(), nodes(), exporters()].into_iter().flatten().collect()
}

/// Everything that holds of each alert about a workload: `longest` is for how long it looks on.
fn lifecycle(alert: &'static str, container: &Container, other_cause: &'static str, longest: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let changed = Container { cause: other_cause, ..container.clone() };
    let pod =
        |number: u32| Container { pod: format!("web-{number}"), node: format!("node-{number}"), ..container.clone() };
    // The others that fire by then are told in cases of their own.
    vec![
        case("fires in time, and not again for ten minutes after the end")
            .fails(container, 60, 60..longest + 120)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 60 + 10 * MINUTE, this)
            .fires(longest + 150 + 10 * MINUTE, &[]),
        case("a recovery or a deletion before is silence")
            .fails(container, 60, 60..longest + 50)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 120, &[]),
        case("a restart of the exporter, before and while it fires, changes nothing")
            .fails(container, 60, 60..longest - 100)
            .fails(container, 58, longest..longest + 150)
            .fails(container, 58, longest + 270..longest + 900)
            .only(alert)
            .fires(longest + 45, &[])
            .fires(longest + 75, this)
            .fires(longest + 200, this)
            .fires(longest + 600, this),
        case("a cause that changes, before and while it fires, changes nothing")
            .fails(container, 0, 0..longest - 60)
            .fails(&changed, 0, longest - 60..longest + 60)
            .fails(container, 0, longest + 60..longest + 300)
            .only(alert)
            .fires(longest, &[])
            .fires(longest + 15, this)
            .fires(longest + 75, this)
            .fires(longest + 200, this),
        case("two exporters, of which one came later and goes earlier, are one")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..longest + 900)
            .fails_at("b", container, 75, 75..longest + 200)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 300, this),
        case("many pods are one alert")
            .fails(container, 60, 60..longest + 900)
            .fails(&pod(2), 120, 120..longest + 900)
            .fails(&pod(3), 60, 60..longest + 900)
            .only(alert)
            .fires(longest + 75, this),
        case("a busy kubelet alone is no news")
            .fails(
                &Container { cause: "pull_qps_exceeded", cause_group: "node", ..container.clone() },
                0,
                0..longest + 900,
            )
            .only(alert)
            .fires(longest + 600, &[]),
    ]
}

fn workloads() -> Vec<Case> {
    let web = Container::of("web");
    let odd = web.clone().cause("unknown", "unknown");
    let all = [
        lifecycle("ImagePullFailing", &odd, "timeout", 15 * MINUTE),
        lifecycle("ImagePullNeedsChange", &web, "unsupported_manifest", 5 * MINUTE),
        lifecycle("ImagePullCredentials", &web.clone().cause("unauthorized", "credentials"), "forbidden", 5 * MINUTE),
        lifecycle("ImagePullJobCannotStart", &odd.clone().kind("CronJob"), "timeout", 5 * MINUTE),
        lifecycle("ImagePullRolloutBlocked", &odd, "timeout", 60 * MINUTE),
        lifecycle("ImagePullDebugContainer", &odd.clone().container_type("ephemeral"), "timeout", 5 * MINUTE),
        causes(),
        vec![
            Case::new("a pod of its own rolls nothing out")
                .fails(&odd.clone().kind("Pod"), 0, 0..4000)
                .fires(61 * MINUTE, &["ImagePullFailing shop/web"]),
            Case::new("a Job is told as a Job, and only so")
                .fails(&web.clone().kind("Job"), 0, 0..4000)
                .fails(&Container::of("db").cause("unauthorized", "credentials").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of("log").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of("tax").cause("unauthorized", "credentials").kind("Job"), 0, 0..4000)
                .fires(
                    61 * MINUTE,
                    &["web", "db", "log", "tax"]
                        .map(|job| format!("ImagePullJobCannotStart shop/{job}"))
                        .each_ref()
                        .map(String::as_str),
                ),
            Case::new("a debug container is told at the lowest severity, and only so")
                .fails(&web.clone().container_type("ephemeral"), 0, 0..4000)
                .fails(
                    &Container::of("db").cause("unauthorized", "credentials").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .fails(&Container::of("import").kind("Job").container_type("ephemeral"), 0, 0..4000)
                .fires(
                    61 * MINUTE,
                    &[
                        "ImagePullDebugContainer shop/web",
                        "ImagePullDebugContainer shop/db",
                        "ImagePullDebugContainer shop/import",
                    ],
                ),
            Case::new("whatever rolls out can be blocked")
                .fails(&odd.clone(), 0, 0..4000)
                .fails(&Container::of("db").cause("unknown", "unknown").kind("StatefulSet"), 0, 0..4000)
                .fails(&Container::of("agent").cause("unknown", "unknown").kind("DaemonSet"), 0, 0..4000)
                .only("ImagePullRolloutBlocked")
                .fires(
                    61 * MINUTE,
                    &[
                        "ImagePullRolloutBlocked shop/web",
                        "ImagePullRolloutBlocked shop/db",
                        "ImagePullRolloutBlocked shop/agent",
                    ],
                ),
            Case::new("two containers of a pod, of which one came later")
                .fails(&odd, 60, 60..2000)
                .fails(&Container { container: "sidecar", ..odd.clone() }, 600, 600..2000)
                .fires(16 * MINUTE + 15, &["ImagePullFailing shop/web"]),
            Case::new("what the kubelet was too busy for in between stays told")
                .fails(&odd, 0, 0..1000)
                .fails(&odd.clone().cause("pull_qps_exceeded", "node"), 0, 1000..1300)
                .fails(&odd, 0, 1300..2000)
                .fires(16 * MINUTE, &["ImagePullFailing shop/web"])
                .fires(20 * MINUTE, &["ImagePullFailing shop/web"])
                .fires(30 * MINUTE, &["ImagePullFailing shop/web"]),
        ],
    ];
    all.into_iter().flatten().collect()
}

const DETAIL: &str = "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=web";

/// The text of an alert about the Deployment `web`, whose failure began at 0.
fn about_web(case: Case, at: u32, alert: &'static str, age: &str, cause: &str, first: &str, severity: &str) -> Case {
    case.says(
        at,
        alert,
        &format!(
            "severity: {severity}, namespace: shop, workload_kind: Deployment, workload: web, registry: reg.example"
        ),
        &[
            ("summary", &format!("Deployment shop/web cannot get its image reg.example/shop/web:1.8.O: {cause}")),
            (
                "description",
                &format!(
                    "It has been failing for {age}. Image reg.example/shop/web:1.8.O from reg.example: {cause}. {first} \
                     All there is to know: image-pull-exporter list -n shop -o json"
                ),
            ),
            ("runbook_url", &format!("https://runbooks.example.com/image-pull-exporter/{alert}.md")),
            ("dashboard_url", DETAIL),
        ],
    )
}

fn causes() -> Vec<Case> {
    let web = Container::of("web");
    let case = |cause: &'static str, group: &'static str| {
        Case::new(&format!("the text for {cause}")).fails(&web.clone().cause(cause, group), 0, 0..7200)
    };
    let early = |alert: &'static str, cause: &'static str, group: &'static str, first: &str| {
        let fires = format!("{alert} shop/web");
        let case = case(cause, group).fires(5 * MINUTE, &[]).fires(5 * MINUTE + 15, &[&fires]);
        let case = case.fires(16 * MINUTE, &[&fires, "ImagePullFailing shop/web"]);
        let words = cause.replace('_', " ");
        let case = about_web(case, 360, alert, "6m 0s", &words, first, "warning");
        about_web(case, 960, "ImagePullFailing", "16m 0s", &words, first, "warning")
    };
    let late = |cause: &'static str, group: &'static str, first: &str| {
        let case = case(cause, group).fires(15 * MINUTE, &[]).fires(15 * MINUTE + 15, &["ImagePullFailing shop/web"]);
        about_web(case, 960, "ImagePullFailing", "16m 0s", &cause.replace('_', " "), first, "warning")
    };
    let correct = "First correct the reference in the manifest, or push what it names.";
    let secret = "First check the pull secret of the pod and of its service account.";
    let way = "First test the way from the node to the registry: name, proxy, certificate.";
    let blocked = case("timeout", "network").fires(15 * MINUTE, &[]);
    let debug = web.clone().cause("unknown", "unknown").container_type("ephemeral");
    let debug = Case::new("the text for a debug container").fails(&debug, 0, 0..7200);
    let job = web.clone().cause("unknown", "unknown").kind("Job");
    let job = Case::new("the text for a Job").fails(&job, 0, 0..7200).says(
        360,
        "ImagePullJobCannotStart",
        "severity: warning, namespace: shop, workload_kind: Job, workload: web, registry: reg.example",
        &[
            ("summary", "Job shop/web cannot get its image reg.example/shop/web:1.8.O: unknown"),
            (
                "description",
                "It has been failing for 6m 0s. Image reg.example/shop/web:1.8.O from reg.example: unknown. First read the error text. \
                 All there is to know: image-pull-exporter list -n shop -o json",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullJobCannotStart.md"),
            ("dashboard_url", DETAIL),
        ],
    );
    vec![
        early("ImagePullNeedsChange", "image_not_found", "image", correct),
        early(
            "ImagePullNeedsChange",
            "signature_rejected",
            "policy",
            "First see which policy rejects the image, and why.",
        ),
        early("ImagePullCredentials", "credentials_malformed", "credentials", secret),
        late("registry_error", "registry", "First look at the registry's own status and limits."),
        late("timeout", "network", way),
        late("digest_mismatch", "node", "First look at the node: its disk, its runtime, its log."),
        about_web(blocked, 3660, "ImagePullRolloutBlocked", "1h 1m 0s", "timeout", way, "critical"),
        about_web(debug, 360, "ImagePullDebugContainer", "6m 0s", "unknown", "First read the error text.", "info"),
        job,
    ]
}

/// Workloads that cannot reach a registry, one on each node in turn.
fn outage(case: Case, workloads: &[&str], nodes: &[&str], cause: &'static str, group: &'static str) -> Case {
    let nodes = nodes.iter().cycle();
    workloads.iter().zip(nodes).fold(case, |case, (workload, node)| {
        case.fails(&Container::of(workload).cause(cause, group).node(node), 0, 0..1500)
    })
}

/// The text of an outage of five workloads.
fn outage_says(case: Case) -> Case {
    case.says(
        300,
        "ImagePullRegistryOutage",
        "severity: critical, registry: reg.example",
        &[
            ("summary", "5 workloads cannot pull from reg.example"),
            (
                "description",
                "They have been failing for two minutes or more, on several nodes, with errors of the registry or of the way to it: 5 \
                 containers connection failed. First see whether the registry answers at all: curl -sSI https://reg.example/v2/",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutage.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?var-registry=reg.example"),
        ],
    )
}

/// Five workloads that have their name in common.
fn namesakes(case: Case, cause: &'static str, group: &'static str) -> Case {
    ["n1", "n2", "n3", "n4", "n5"].into_iter().zip(["node-1", "node-2"].iter().cycle()).fold(
        case,
        |case, (namespace, node)| {
            case.fails(&Container::of("web").cause(cause, group).namespace(namespace).node(node), 0, 0..1500)
        },
    )
}

/// One of several workloads that differ in their kind.
fn kinds(kind: &'static str, node: &str) -> Container {
    Container { pod: format!("web-{kind}"), ..Container::of("web").cause("timeout", "network").kind(kind).node(node) }
}

fn limit_says(case: Case, workloads: u32) -> Case {
    case.says(
        360,
        "ImagePullRateLimited",
        "severity: warning, registry: reg.example",
        &[
            ("summary", &format!("reg.example limits how much is pulled: {workloads} workloads wait")),
            (
                "description",
                "The limit counts per account, or per address where pulls are anonymous. First give the pods a pull secret of an account \
                 with a higher limit, or put a mirror in between; policy IfNotPresent pulls less. Who waits: image-pull-exporter list \
                 --cause rate_limited",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRateLimited.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?var-registry=reg.example"),
        ],
    )
}

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

fn registries() -> Vec<Case> {
    let all: Vec<String> = FIVE.iter().map(|workload| format!("ImagePullFailing shop/{workload}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let page = [&["ImagePullRegistryOutage reg.example"], all.as_slice()].concat();
    let limit = [&["ImagePullRateLimited reg.example"], all.as_slice()].concat();
    let page_name = "ImagePullRegistryOutage";
    let replicas = |case: Case| {
        (1..9).fold(case, |case, number| {
            let container = Container::of("web").cause("connection_failed", "network").node(&format!("node-{number}"));
            case.fails(&Container { pod: format!("web-{number}"), ..container }, 0, 0..1500)
        })
    };
    vec![
        outage_says(
            outage(Case::new("a registry is down"), &FIVE, &["node-1", "node-2"], "connection_failed", "network")
                .fires(2 * MINUTE, &[])
                .fires(2 * MINUTE + 15, &page[..1])
                .fires(16 * MINUTE, &page)
                .fires(34 * MINUTE, &page)
                .fires(44 * MINUTE, &page[..1])
                .fires(46 * MINUTE, &[]),
        ),
        outage_says(FIVE.iter().zip(["node-1", "node-2"].iter().cycle()).fold(
            outage(
                Case::new("two exporters see it once"),
                &FIVE,
                &["node-1", "node-2"],
                "connection_failed",
                "network",
            ),
            |case, (workload, node)| {
                let container = Container::of(workload).cause("connection_failed", "network").node(node);
                case.fails_at("b", &container, 0, 0..1500)
            },
        )),
        outage(Case::new("one node with two causes is no outage"), &FIVE, &["node-1"], "timeout", "network")
            .fails(&Container::of("f").cause("registry_error", "registry"), 0, 0..1500)
            .only(page_name)
            .fires(10 * MINUTE, &[]),
        outage(Case::new("a registry has errors"), &FIVE, &["node-1", "node-2"], "registry_error", "registry")
            .fires(2 * MINUTE + 15, &page[..1]),
        outage(Case::new("a blip"), &FIVE, &["node-1", "node-2"], "timeout", "network").fires(MINUTE, &[]),
        outage(
            Case::new("two exporters do not make four workloads five"),
            &FIVE[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .exporter("b", 0..7200)
        .fails_at("b", &Container::of("a").cause("timeout", "network").node("node-1"), 0, 0..1500)
        .fires(5 * MINUTE, &[])
        .fires(16 * MINUTE, &all[..4]),
        outage(
            Case::new("an outage through which the exporter restarts"),
            &FIVE,
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .hole(300..420)
        .fires(4 * MINUTE, &page[..1])
        .fires(6 * MINUTE, &page[..1])
        .fires(8 * MINUTE, &page[..1]),
        outage(Case::new("four workloads are no outage"), &FIVE[..4], &["node-1", "node-2"], "timeout", "network")
            .fires(5 * MINUTE, &[]),
        outage(Case::new("one node is no outage"), &FIVE, &["node-1"], "timeout", "network").fires(4 * MINUTE, &[]),
        outage(Case::new("bad tags are no outage"), &FIVE, &["node-1", "node-2"], "image_not_found", "image")
            .fires(4 * MINUTE, &[]),
        replicas(Case::new("many replicas of one workload are no outage")).fires(10 * MINUTE, &[]),
        outage(
            Case::new("different registries are no outage"),
            &FIVE[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of("e").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads and one with another cause"),
            &FIVE[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of("e"), 0, 0..1500)
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads and one over its limit"),
            &FIVE[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of("e").cause("rate_limited", "registry"), 0, 0..1500)
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads, one of them with two causes"),
            &FIVE[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(
            &Container { container: "sidecar", ..Container::of("a").cause("registry_error", "registry") },
            0,
            0..1500,
        )
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage(Case::new("one node, and other causes on the other"), &FIVE, &["node-1"], "timeout", "network")
            .fails(&Container::of("f").node("node-2"), 0, 0..1500)
            .fails(&Container::of("g").node("node-2").cause("rate_limited", "registry"), 0, 0..1500)
            .only(page_name)
            .fires(10 * MINUTE, &[]),
        outage(Case::new("one node, and another registry on the other"), &FIVE, &["node-1"], "timeout", "network")
            .fails(&Container::of("f").node("node-1").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
            .fails(&Container::of("g").node("node-2").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
            .only(page_name)
            .fires(10 * MINUTE, &[]),
        namesakes(Case::new("workloads of one name in five namespaces"), "timeout", "network")
            .only(page_name)
            .fires(10 * MINUTE, &["ImagePullRegistryOutage reg.example"]),
        Case::new("workloads of one name and five kinds")
            .fails(&kinds("Deployment", "node-1"), 0, 0..1500)
            .fails(&kinds("StatefulSet", "node-2"), 0, 0..1500)
            .fails(&kinds("DaemonSet", "node-1"), 0, 0..1500)
            .fails(&kinds("ReplicaSet", "node-2"), 0, 0..1500)
            .fails(&kinds("Job", "node-1"), 0, 0..1500)
            .only(page_name)
            .fires(10 * MINUTE, &["ImagePullRegistryOutage reg.example"]),
        limit_says(namesakes(Case::new("a limit counts workloads"), "rate_limited", "registry"), 5),
        limit_says(
            Case::new("a limit counts kinds")
                .fails(&kinds("Deployment", "node-1").cause("rate_limited", "registry"), 0, 0..1500)
                .fails(&kinds("Job", "node-1").cause("rate_limited", "registry"), 0, 0..1500),
            2,
        ),
        limit_says(
            Case::new("a limit counts names")
                .fails(&Container::of("web").cause("rate_limited", "registry"), 0, 0..1500)
                .fails(&Container::of("db").cause("rate_limited", "registry"), 0, 0..1500),
            2,
        ),
        limit_says(
            Case::new("a limit does not count pods")
                .fails(&Container::of("web").cause("rate_limited", "registry"), 0, 0..1500)
                .fails(
                    &Container { pod: "web-2".to_owned(), ..Container::of("web").cause("rate_limited", "registry") },
                    0,
                    0..1500,
                ),
            1,
        )
        .only("ImagePullRateLimited")
        .fires(44 * MINUTE, &["ImagePullRateLimited reg.example"])
        .fires(46 * MINUTE, &[]),
        outage(Case::new("a limit is told as such"), &FIVE, &["node-1", "node-2"], "rate_limited", "registry")
            .fires(5 * MINUTE, &[])
            .fires(5 * MINUTE + 15, &limit[..1])
            .fires(16 * MINUTE, &limit),
        Case::new("a limit that passes is no news")
            .fails(&Container::of("web").cause("rate_limited", "registry"), 0, 0..290)
            .fires(5 * MINUTE, &[])
            .fires(6 * MINUTE, &[]),
    ]
}

fn nodes() -> Vec<Case> {
    let pods = |case: Case, cause: &'static str, group: &'static str, registries: [&'static str; 3]| {
        ["x", "y", "z"].iter().zip(registries).fold(case, |case, (workload, registry)| {
            case.fails(&Container::of(workload).cause(cause, group).registry(registry), 0, 0..890)
        })
    };
    let (name, fault): (_, &[&str]) = ("ImagePullNodeFault", &["ImagePullNodeFault node-1"]);
    let two = ["reg.example", "ghcr.io", "ghcr.io"];
    vec![
        pods(Case::new("a full disk"), "disk_full", "node", ["reg.example"; 3])
            .fires(5 * MINUTE, &[])
            .fires(5 * MINUTE + 15, fault)
            .fires(24 * MINUTE, fault)
            .fires(26 * MINUTE, &[])
            .says(
                360,
                "ImagePullNodeFault",
                "severity: warning, node: node-1",
                &[
                    ("summary", "Node node-1 cannot pull images: 3 pods wait"),
                    (
                        "description",
                        "Other nodes can: 3 containers disk full. First keep new pods away: kubectl cordon node-1. Then look at \
                         its disk, its runtime and its log.",
                    ),
                    ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNodeFault.md"),
                    ("dashboard_url", "https://grafana.example.com/d/image-pull-overview"),
                ],
            ),
        pods(Case::new("a node without a network"), "timeout", "network", two)
            .fires(5 * MINUTE, &[])
            .fires(5 * MINUTE + 15, fault),
        pods(Case::new("a node with two exporters"), "timeout", "network", two)
            .exporter("b", 0..7200)
            .fails_at("b", &Container::of("x").cause("timeout", "network"), 0, 0..890)
            .fires(6 * MINUTE, fault),
        pods(Case::new("other nodes have the same errors"), "timeout", "network", two)
            .fails(&Container::of("u").cause("timeout", "network").node("node-2"), 0, 0..890)
            .fails(&Container::of("v").cause("timeout", "network").node("node-2").registry("ghcr.io"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry is not the node"), "timeout", "network", ["reg.example"; 3]).fires(10 * MINUTE, &[]),
        pods(Case::new("a busy kubelet is no fault"), "pull_qps_exceeded", "node", two).fires(10 * MINUTE, &[]),
        pods(Case::new("bad tags are no fault"), "unknown", "unknown", two).fires(10 * MINUTE, &[]),
        pods(Case::new("a node without a network, and bad tags elsewhere"), "timeout", "network", two)
            .fails(&Container::of("u").node("node-2"), 0, 0..890)
            .fails(&Container::of("v").node("node-2").registry("ghcr.io"), 0, 0..890)
            .only(name)
            .fires(6 * MINUTE, fault),
        pods(Case::new("a node without a network, and a registry that two others cannot reach"), "timeout", "network", two)
            .fails(&Container::of("u").cause("timeout", "network").node("node-2").registry("quay.io"), 0, 0..890)
            .fails(&Container::of("v").cause("timeout", "network").node("node-3").registry("quay.io"), 0, 0..890)
            .only(name)
            .fires(6 * MINUTE, fault),
        Case::new("two pods without a network, and a bad tag")
            .fails(&Container::of("x").cause("timeout", "network"), 0, 0..890)
            .fails(&Container::of("y").cause("timeout", "network").registry("ghcr.io"), 0, 0..890)
            .fails(&Container::of("z"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and a bad tag of another"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of("u").registry("ghcr.io"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and two others on another node"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of("u").cause("timeout", "network").node("node-2").registry("quay.io"), 0, 0..890)
            .fails(&Container::of("v").cause("timeout", "network").node("node-2").registry("ghcr.io"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        ["n1", "n2", "n3"].into_iter().fold(Case::new("pods of one name in three namespaces"), |case, namespace| {
            case.fails(&Container::of("x").cause("disk_full", "node").namespace(namespace), 0, 0..890)
        })
        .only(name)
        .fires(6 * MINUTE, fault),
        ["n1", "n2", "n3"].into_iter().zip(two).fold(
            Case::new("pods of one name in three namespaces without a network"),
            |case, (namespace, registry)| {
                case.fails(&Container::of("x").cause("timeout", "network").namespace(namespace).registry(registry), 0, 0..890)
            },
        )
        .only(name)
        .fires(6 * MINUTE, fault),
        Case::new("two pods, one of them with two causes")
            .fails(&Container::of("x").cause("disk_full", "node"), 0, 0..890)
            .fails(&Container { container: "b", ..Container::of("x").cause("digest_mismatch", "node") }, 0, 0..890)
            .fails(&Container::of("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
        Case::new("two pods without a network, one of them with two causes")
            .fails(&Container::of("x").cause("timeout", "network"), 0, 0..890)
            .fails(&Container { container: "b", ..Container::of("x").cause("dns_failure", "network") }, 0, 0..890)
            .fails(&Container::of("y").cause("timeout", "network").registry("ghcr.io"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("a registry with two causes on one node is no fault of others"), "timeout", "network", two)
            .fails(&Container { container: "b", ..Container::of("x").cause("dns_failure", "network") }, 0, 0..890)
            .only(name)
            .fires(6 * MINUTE, fault),
        pods(Case::new("one registry with two causes is one"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container { container: "b", ..Container::of("x").cause("dns_failure", "network") }, 0, 0..890)
            .fires(10 * MINUTE, &[]),
        ["x", "y", "z"].into_iter().zip(two).fold(Case::new("pods of no node"), |case, (workload, registry)| {
            let here = Container::of(workload).registry(registry).node("");
            let full = Container { pod: format!("{workload}-2"), ..here.clone().cause("disk_full", "node") };
            case.fails(&here.cause("timeout", "network"), 0, 0..890).fails(&full, 0, 0..890)
        })
        .fires(10 * MINUTE, &[]),
        Case::new("two pods are no node")
            .fails(&Container::of("x").cause("disk_full", "node"), 0, 0..890)
            .fails(&Container::of("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
    ]
}

fn exporters() -> Vec<Case> {
    let target = "{job=\"image-pull\",instance=\"a\"}";
    let named = |metric: &str, more: &str| format!("{metric}{{job=\"image-pull\",instance=\"a\"{more}}}");
    let dashboard = "https://grafana.example.com/d/image-pull-exporter";
    let runbook = |alert: &str| format!("https://runbooks.example.com/image-pull-exporter/{alert}.md");
    let says = |case: Case, at: u32, alert: &'static str, labels: &str, summary: &str, description: &str| {
        case.says(
            at,
            alert,
            labels,
            &[
                ("summary", summary),
                ("description", description),
                ("runbook_url", &runbook(alert)),
                ("dashboard_url", dashboard),
            ],
        )
    };
    let broken = |name: &str| {
        Case::scraped_every(name, 15).series(&format!("image_pull_exporter_build_info{target}"), 0..7200, |_| 1.0)
    };
    let here = "job: image-pull, instance: a";
    vec![
        says(
            Case::scraped_every("nobody watches", 15)
                .exporter("a", 0..600)
                .fires(15 * MINUTE - 15, &[])
                .fires(15 * MINUTE, &["ImagePullExporterAbsent"]),
            1000,
            "ImagePullExporterAbsent",
            "severity: critical",
            "Nobody watches for image pull failures",
            "No image-pull-exporter has been scraped with success for five minutes, so none of the other alerts can fire. First look \
             at its pods and at Prometheus' targets page.",
        ),
        Case::scraped_every("an exporter that restarts", 15)
            .exporter("a", 0..600)
            .exporter("a-again", 840..2000)
            .fires(14 * MINUTE, &[])
            .fires(16 * MINUTE, &[])
            .fires(20 * MINUTE, &[]),
        says(
            broken("a watch that is broken")
                .series(&format!("image_pull_exporter_watch_synced{target}"), 0..7200, |at| {
                    f64::from(u8::from(at < 600))
                })
                .fires(19 * MINUTE + 45, &[])
                .fires(20 * MINUTE, &["ImagePullExporterNotSynced a"]),
            1260,
            "ImagePullExporterNotSynced",
            &format!("severity: warning, {here}"),
            "a has lost sight of the cluster",
            "The watch of pods has been broken for ten minutes: what it shows is the last complete view. First read its log, which names \
             the error and the missing right, and image_pull_exporter_watch_errors_total.",
        ),
        broken("a watch that breaks for a moment")
            .series(&format!("image_pull_exporter_watch_synced{target}"), 0..7200, |at| {
                f64::from(u8::from(at % 900 > 500))
            })
            .fires(29 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
        says(
            broken("an API server that says nothing")
                .series(&format!("image_pull_exporter_watch_last_event_timestamp_seconds{target}"), 0..7200, |at| {
                    f64::from(at.min(600))
                })
                .fires(45 * MINUTE, &[])
                .fires(45 * MINUTE + 15, &["ImagePullExporterStale a"]),
            2760,
            "ImagePullExporterStale",
            &format!("severity: warning, {here}"),
            "a has heard nothing from the API server for 36m 0s",
            "Either no pod of the cluster has changed since, or the watch hangs without an error. First compare with kubectl get events \
             -A --watch; if those go on, restart the exporter.",
        ),
        says(
            broken("a right that is missing")
                .series(&named("image_pull_exporter_watch_errors_total", ",cause=\"forbidden\""), 0..7200, |at| {
                    f64::from(at / 60)
                })
                .fires(20 * MINUTE, &[])
                .fires(22 * MINUTE, &["ImagePullExporterWatchFailing a"]),
            1800,
            "ImagePullExporterWatchFailing",
            &format!("severity: warning, cause: forbidden, {here}"),
            "a keeps losing its watch: forbidden",
            "15 requests failed within 15 minutes. It recovers each time, late. First read its log; forbidden and unauthorized mean its \
             ClusterRole or its token, too_many_requests the API server's priority and fairness.",
        ),
        broken("an API server that is rolled over")
            .series(&named("image_pull_exporter_watch_errors_total", ",cause=\"connection\""), 0..7200, |at| {
                f64::from(u8::from(at > 600)) * 4.0
            })
            .fires(20 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
        says(
            broken("more failures than may be shown")
                .series(&format!("image_pull_exporter_truncated_containers{target}"), 0..7200, |at| {
                    f64::from(u8::from(at >= 600)) * 17.0
                })
                .fires(14 * MINUTE + 45, &[])
                .fires(15 * MINUTE, &["ImagePullExporterTruncated a"]),
            960,
            "ImagePullExporterTruncated",
            &format!("severity: warning, {here}"),
            "a leaves out 17 failing containers",
            "More containers fail than --max-container-series allows to show; those that have been failing longest are shown, and totals \
             count all. First deal with the outage behind it; raise the limit only if it is no outage.",
        ),
        says(
            broken("a text that nobody knows")
                .series(&named("image_pull_exporter_unclassified_messages_total", ""), 0..7200, |at| {
                    f64::from(u8::from(at >= 600))
                })
                .fires(10 * MINUTE - 15, &[])
                .fires(10 * MINUTE + 15, &["ImagePullExporterUnclassified a"])
                .fires(110 * MINUTE, &["ImagePullExporterUnclassified a"]),
            900,
            "ImagePullExporterUnclassified",
            &format!("severity: info, {here}"),
            "a met an error text that it does not know",
            "Its cause shows as unknown. The text is in the log, with its secrets removed, as \"cause unknown\": please report it, so that \
             the next version knows it.",
        ),
        says(
            Case::new("labels that are not honoured")
                .series(
                    &named("image_pull_failing", ",exported_namespace=\"shop\",namespace=\"monitoring\""),
                    0..7200,
                    |_| 1.0,
                )
                .fires(5 * MINUTE - 15, &[])
                .fires(5 * MINUTE, &["ImagePullExporterLabelsNotHonored"]),
            600,
            "ImagePullExporterLabelsNotHonored",
            "severity: warning, job: image-pull",
            "Job image-pull scrapes image-pull-exporter without honor_labels",
            "The namespace, pod and container of what fails have become exported_namespace, exported_pod and exported_container, and no \
             alert fires. First set honor_labels: true in the scrape configuration, honorLabels in a ServiceMonitor.",
        ),
    ]
}
