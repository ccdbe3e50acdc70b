//! The alerts about a registry: what is an outage or a limit, and what only looks like one.

use super::MINUTE;
use crate::timeline::{Case, Container, Seconds};

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Workloads that cannot reach a registry for so long, one on each node in turn; the first of them has failed longest.
fn outage_of(case: Case, containers: &[Container], nodes: &[&str], until: Seconds) -> Case {
    let nodes = nodes.iter().cycle();
    containers
        .iter()
        .zip(nodes)
        .zip(0..)
        .fold(case, |case, ((container, node), since)| case.fails(&container.clone().node(node), since, since..until))
}

fn outage(case: Case, workloads: &[&str], nodes: &[&str], cause: &'static str, group: &'static str) -> Case {
    outage_of(
        case,
        &workloads.iter().map(|workload| Container::of(workload).cause(cause, group)).collect::<Vec<_>>(),
        nodes,
        1500,
    )
}

fn five(change: impl Fn(Container) -> Container) -> Vec<Container> {
    FIVE.map(|workload| change(Container::of(workload).cause("connection_failed", "network"))).to_vec()
}

/// The text of an outage of five workloads.
fn outage_says(case: Case, cluster: &str, registry: &str, answers_at: &str) -> Case {
    let (of_cluster, label) = if cluster.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("var-cluster={cluster}&"), format!(", cluster: {cluster}"))
    };
    let longest = ["a", "b", "c"]
        .map(|workload| format!("Deployment shop/{workload} with reg.example/shop/{workload}:1.8.O."))
        .join(" ");
    case.says(
        300,
        "ImagePullRegistryOutage",
        &format!("severity: critical, registry: {registry}{label}"),
        &[
            ("summary", &format!("5 workloads cannot pull from {registry}")),
            (
                "description",
                &format!(
                    "They have been failing for four minutes or more, on several nodes, with errors of the registry or of the way to \
                     it: 5 containers connection failed. Longest: {longest} First see whether the registry answers at all: \
                     curl -sSI https://{answers_at}/v2/"
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutage.md"),
            (
                "dashboard_url",
                &format!("https://grafana.example.com/d/image-pull-registry?{of_cluster}var-registry={registry}"),
            ),
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

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn registries() -> Vec<Case> {
    let all: Vec<String> = FIVE.iter().map(|workload| format!("ImagePullFailing shop/{workload}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let page_name = "ImagePullRegistryOutage";
    let page = [&["ImagePullRegistryOutage reg.example"], all.as_slice()].concat();
    let replicas = |case: Case| {
        (1..9).fold(case, |case, number| {
            let container = Container::of("web").cause("connection_failed", "network").node(&format!("node-{number}"));
            case.fails(&Container { pod: format!("web-{number}"), ..container }, 0, 0..1500)
        })
    };
    vec![
        outage_says(
            outage(Case::new("a registry is down"), &FIVE, &["node-1", "node-2"], "connection_failed", "network")
                .fires(4 * MINUTE, &[])
                .fires(4 * MINUTE + 15, &page[..1])
                .fires(16 * MINUTE, &page)
                .fires(34 * MINUTE, &page)
                .fires(44 * MINUTE, &page[..1])
                .fires(46 * MINUTE, &[]),
            "",
            "reg.example",
            "reg.example",
        ),
        outage_says(
            outage_of(
                Case::new("Docker Hub is down"),
                &five(|one| one.registry("docker.io")),
                &["node-1", "node-2"],
                1500,
            ),
            "",
            "docker.io",
            "registry-1.docker.io",
        ),
        outage_says(
            FIVE.iter().zip(["node-1", "node-2"].iter().cycle()).fold(
                outage_of(Case::new("two exporters see it once"), &five(|one| one), &["node-1", "node-2"], 1500),
                |case, (workload, node)| {
                    // The other one has not read every cause.
                    let (cause, group) =
                        if *workload < "c" { ("connection_failed", "network") } else { ("unknown", "unknown") };
                    case.fails_at("b", &Container::of(workload).cause(cause, group).node(node), 60, 60..1500)
                },
            ),
            "",
            "reg.example",
            "reg.example",
        ),
        outage_says(
            outage_of(
                outage_of(Case::new("one of two clusters"), &five(|one| one.cluster("x")), &["node-1", "node-2"], 1500),
                &[Container::of("z").cluster("y").cause("timeout", "network")],
                &["node-1"],
                1500,
            )
            .only(page_name)
            .fires(5 * MINUTE, &["ImagePullRegistryOutage reg.example in x"]),
            "x",
            "reg.example",
            "reg.example",
        ),
        outage_of(
            outage_of(
                Case::new("two clusters are no outage of one"),
                &five(|one| one.cluster("x"))[..3],
                &["node-1", "node-2"],
                1500,
            ),
            &five(|one| one.cluster("y"))[3..],
            &["node-1", "node-2"],
            1500,
        )
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(
            outage_of(
                Case::new("one node, and another of another cluster"),
                &five(|one| one.cluster("x")),
                &["node-1"],
                1500,
            ),
            &five(|one| one.cluster("y"))[..2],
            &["node-1", "node-2"],
            1500,
        )
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(
            Case::new("four workloads and a debug container are no outage"),
            &five(|one| if one.workload == "e" { one.container_type("ephemeral") } else { one }),
            &["node-1", "node-2"],
            1500,
        )
        .only(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(Case::new("one node, and a debug container on another"), &five(|one| one), &["node-1"], 1500)
            .fails(
                &Container::of("f").cause("timeout", "network").container_type("ephemeral").node("node-2"),
                0,
                0..1500,
            )
            .only(page_name)
            .fires(10 * MINUTE, &[]),
        outage(Case::new("one node with two causes is no outage"), &FIVE, &["node-1"], "timeout", "network")
            .fails(&Container::of("f").cause("registry_error", "registry"), 0, 0..1500)
            .only(page_name)
            .fires(10 * MINUTE, &[]),
        outage(Case::new("a registry has errors"), &FIVE, &["node-1", "node-2"], "registry_error", "registry")
            .fires(4 * MINUTE + 15, &page[..1]),
        outage_of(Case::new("over at the fifth attempt"), &five(|one| one), &["node-1", "node-2"], 235)
            .fires(4 * MINUTE, &[])
            .fires(5 * MINUTE, &[])
            .fires(10 * MINUTE, &[]),
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
        .fires(5 * MINUTE - 15, &page[..1])
        .fires(6 * MINUTE, &page[..1])
        .fires(8 * MINUTE, &page[..1]),
        outage(Case::new("four workloads are no outage"), &FIVE[..4], &["node-1", "node-2"], "timeout", "network")
            .fires(5 * MINUTE, &[]),
        outage(Case::new("one node is no outage"), &FIVE, &["node-1"], "timeout", "network").fires(5 * MINUTE, &[]),
        outage(Case::new("bad tags are no outage"), &FIVE, &["node-1", "node-2"], "image_not_found", "image")
            .fires(5 * MINUTE, &[]),
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
    ]
}
