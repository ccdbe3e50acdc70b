//! The alerts about a registry: what is an outage or a limit, and what only looks like one.

use super::MINUTE;
use crate::timeline::{Case, Container};

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

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

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn registries() -> Vec<Case> {
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
