//! ImagePullRegistryOutage: which failures are an outage of a registry.

use super::MINUTE;
use crate::timeline::{Case, Container, Seconds};

pub const OUTAGE: &str = "ImagePullRegistryOutage";
pub const FIVE_WORKLOADS: [&str; 5] = ["a", "b", "c", "d", "e"];
pub const TWO_NODES: [&str; 2] = ["node-1", "node-2"];
/// When the failures of most cases end.
pub const END: Seconds = 1500;

/// Five containers of different workloads, changed by `change`.
pub fn five_workloads(change: impl Fn(Container) -> Container) -> Vec<Container> {
    FIVE_WORKLOADS
        .map(|workload| change(Container::of_workload(workload).cause("connection_failed", "network")))
        .to_vec()
}

/// Adds containers that fail until [`END`], on each node in turn. The failures start one second after the other.
pub fn outage(case: Case, containers: &[Container], nodes: &[&str]) -> Case {
    let with_nodes = containers.iter().zip(nodes.iter().cycle());
    with_nodes
        .zip(0..)
        .fold(case, |case, ((container, node), since)| case.fails(&container.clone().node(node), since, since..END))
}

/// Like [`outage`], with one container of each workload.
fn outage_of(case: Case, workloads: &[&str], nodes: &[&str], cause: &'static str, group: &'static str) -> Case {
    let containers: Vec<_> =
        workloads.iter().map(|workload| Container::of_workload(workload).cause(cause, group)).collect();
    outage(case, &containers, nodes)
}

/// Expects the text of an outage of five workloads.
fn with_text(case: Case, cluster: &str, registry: &str, host: &str) -> Case {
    with_text_of_causes(case, cluster, registry, host, "connection failed in 5 containers.")
}

fn with_text_of_causes(case: Case, cluster: &str, registry: &str, host: &str, causes: &str) -> Case {
    let (variable, label) = if cluster.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("var-cluster={cluster}&"), format!(", cluster: {cluster}"))
    };
    let longest = [("a", "8m 0s"), ("b", "7m 59s"), ("c", "7m 58s")];
    outage_text(
        case,
        480,
        &format!("severity: critical, registry: {registry}{label}"),
        causes,
        longest,
        [registry, host, &variable],
    )
}

/// Expects the text of an outage; `longest` are the workloads that have failed longest.
pub fn outage_text(
    case: Case,
    at: Seconds,
    labels: &str,
    causes: &str,
    longest: [(&str, &str); 3],
    [registry, host, cluster_variable]: [&str; 3],
) -> Case {
    let longest = longest.map(|(workload, duration)| {
        format!("Deployment shop/{workload} with reg.example/shop/{workload}:1.8.O for {duration}.")
    });
    case.fires_with_text(
        at,
        OUTAGE,
        labels,
        &[
            ("summary", &format!("5 workloads cannot pull from {registry}")),
            (
                "description",
                &format!(
                    "Pulls fail on several nodes with registry or network errors: {causes} Longest: {} Check whether the registry \
                     responds: curl -sSI https://{host}/v2/",
                    longest.join(" ")
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutage.md"),
            (
                "dashboard_url",
                &format!("https://grafana.example.com/d/image-pull-registry?{cluster_variable}var-registry={registry}"),
            ),
        ],
    )
}

/// Workloads of one name in five namespaces.
fn same_name_in_five_namespaces(case: Case) -> Case {
    ["n1", "n2", "n3", "n4", "n5"].into_iter().zip(TWO_NODES.iter().cycle()).fold(case, |case, (namespace, node)| {
        let web = Container::of_workload("web").cause("timeout", "network");
        case.fails(&web.namespace(namespace).node(node), 0, 0..END)
    })
}

/// Workloads of one name and five kinds.
fn same_name_of_five_kinds(case: Case) -> Case {
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"].into_iter().zip(TWO_NODES.iter().cycle()).fold(
        case,
        |case, (kind, node)| {
            let web = Container::of_workload("web").cause("timeout", "network").kind(kind).node(node);
            case.fails(&Container { pod: format!("web-{kind}"), ..web }, 0, 0..END)
        },
    )
}

/// Eight pods of one workload, on eight nodes.
fn replicas(case: Case) -> Case {
    (1..9).fold(case, |case, number| {
        let web = Container::of_workload("web").cause("connection_failed", "network").node(&format!("node-{number}"));
        case.fails(&Container { pod: format!("web-{number}"), ..web }, 0, 0..END)
    })
}

pub fn cases() -> Vec<Case> {
    let mut cases = outages();
    cases.extend(too_few_workloads());
    cases.extend(too_few_nodes());
    cases
}

/// Five workloads on two nodes, in every combination that is an outage.
fn outages() -> Vec<Case> {
    let failing = FIVE_WORKLOADS.map(|workload| format!("ImagePullFailing shop/{workload}"));
    let outage_and_inhibitor = ["ImagePullRegistryOutage reg.example", "ImagePullRegistryOutageInhibitor reg.example"];
    let all: Vec<&str> = outage_and_inhibitor.into_iter().chain(failing.iter().map(String::as_str)).collect();
    let fires: &[&str] = &outage_and_inhibitor[..1];
    let five = five_workloads(|container| container);
    vec![
        with_text(
            outage(Case::new("a registry is down"), &five, &TWO_NODES)
                .fires(7 * MINUTE, &[])
                .fires(7 * MINUTE + 15, &all[..2])
                .fires(16 * MINUTE, &all)
                .fires(26 * MINUTE, &all)
                .fires(27 * MINUTE + 15, &all[1..])
                .fires(34 * MINUTE, &all[1..])
                .fires(44 * MINUTE, &all[1..2])
                .fires(48 * MINUTE, &[]),
            "",
            "reg.example",
            "reg.example",
        ),
        with_text(
            outage(Case::new("Docker Hub is down"), &five_workloads(|one| one.registry("docker.io")), &TWO_NODES),
            "",
            "docker.io",
            "registry-1.docker.io",
        ),
        with_text(
            FIVE_WORKLOADS.iter().zip(TWO_NODES.iter().cycle()).fold(
                outage(Case::new("two exporters, of which one does not classify every cause"), &five, &TWO_NODES),
                |case, (workload, node)| {
                    let (cause, group) =
                        if *workload < "c" { ("connection_failed", "network") } else { ("unknown", "unknown") };
                    let container = Container::of_workload(workload).cause(cause, group).node(node);
                    case.fails_reported_by("b", &container, 60, 60..END)
                },
            ),
            "",
            "reg.example",
            "reg.example",
        ),
        with_text(
            outage(
                outage(Case::new("one of two clusters"), &five_workloads(|one| one.cluster("x")), &TWO_NODES),
                &[Container::of_workload("z").cluster("y").cause("timeout", "network")],
                &["node-1"],
            )
            .only_alert(OUTAGE)
            .fires(8 * MINUTE, &["ImagePullRegistryOutage reg.example in x"]),
            "x",
            "reg.example",
            "reg.example",
        ),
        with_text_of_causes(
            outage(
                Case::new("two causes"),
                &five_workloads(|one| if one.workload == "e" { one.cause("timeout", "network") } else { one }),
                &TWO_NODES,
            ),
            "",
            "reg.example",
            "reg.example",
            "connection failed in 4 containers. timeout in 1 container.",
        ),
        outage_of(Case::new("a registry has errors"), &FIVE_WORKLOADS, &TWO_NODES, "registry_error", "registry")
            .fires(7 * MINUTE + 15, &all[..2]),
        outage_of(
            Case::new("an outage during which the exporter restarts"),
            &FIVE_WORKLOADS,
            &TWO_NODES,
            "timeout",
            "network",
        )
        .scrape_gap(480..570)
        .fires(8 * MINUTE - 15, &all[..2])
        .fires(9 * MINUTE, &all[..2])
        .fires(11 * MINUTE, &all[..2]),
        same_name_in_five_namespaces(Case::new("workloads of one name in five namespaces"))
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, fires),
        same_name_of_five_kinds(Case::new("workloads of one name and five kinds"))
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, fires),
    ]
}

/// Fewer than five workloads, or less than seven minutes.
fn too_few_workloads() -> Vec<Case> {
    let four = |name: &str| outage_of(Case::new(name), &FIVE_WORKLOADS[..4], &TWO_NODES, "timeout", "network");
    let four_failing = ["a", "b", "c", "d"].map(|workload| format!("ImagePullFailing shop/{workload}"));
    let e = Container::of_workload("e");
    let sidecar = Container { container: "sidecar", ..Container::of_workload("a").cause("registry_error", "registry") };
    let ends_early = five_workloads(|one| one).into_iter().zip(TWO_NODES.iter().cycle()).zip(0..);
    vec![
        four("four workloads").fires(10 * MINUTE, &[]),
        four("four workloads, reported by two exporters")
            .exporter("b", 0..7200)
            .fails_reported_by("b", &Container::of_workload("a").cause("timeout", "network").node("node-1"), 0, 0..END)
            .fires(8 * MINUTE, &[])
            .fires(16 * MINUTE, &four_failing.each_ref().map(String::as_str)),
        four("four workloads and one of another registry")
            .fails(&e.clone().registry("ghcr.io").cause("timeout", "network"), 0, 0..END)
            .fires(10 * MINUTE, &[]),
        four("four workloads and one with another cause")
            .fails(&e, 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        four("four workloads and one that is rate-limited")
            .fails(&e.cause("rate_limited", "registry"), 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        four("four workloads, one of them with two causes")
            .fails(&sidecar, 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads and a debug container"),
            &five_workloads(|one| if one.workload == "e" { one.container_type("ephemeral") } else { one }),
            &TWO_NODES,
        )
        .only_alert(OUTAGE)
        .fires(10 * MINUTE, &[]),
        outage(
            outage(
                Case::new("three workloads in one cluster and two in another"),
                &five_workloads(|one| one.cluster("x"))[..3],
                &TWO_NODES,
            ),
            &five_workloads(|one| one.cluster("y"))[3..],
            &TWO_NODES,
        )
        .only_alert(OUTAGE)
        .fires(10 * MINUTE, &[]),
        replicas(Case::new("many replicas of one workload")).fires(10 * MINUTE, &[]),
        outage_of(Case::new("wrong tags"), &FIVE_WORKLOADS, &TWO_NODES, "image_not_found", "image")
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        ends_early
            .fold(Case::new("failures that end before seven minutes"), |case, ((container, node), since)| {
                case.fails(&container.node(node), since, since..415)
            })
            .fires(7 * MINUTE, &[])
            .fires(8 * MINUTE, &[])
            .fires(12 * MINUTE, &[]),
    ]
}

/// Five workloads on one node.
fn too_few_nodes() -> Vec<Case> {
    let one_node = |name: &str| outage_of(Case::new(name), &FIVE_WORKLOADS, &["node-1"], "timeout", "network");
    let f = Container::of_workload("f");
    let on_node_2 = Container::of_workload("g").node("node-2");
    vec![
        one_node("one node").fires(10 * MINUTE, &[]),
        one_node("one node with two causes")
            .fails(&f.clone().cause("registry_error", "registry"), 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        one_node("one node, and other causes on another node")
            .fails(&f.clone().node("node-2"), 0, 0..END)
            .fails(&on_node_2.clone().cause("rate_limited", "registry"), 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        one_node("one node, and another registry on another node")
            .fails(&f.clone().registry("ghcr.io").cause("timeout", "network"), 0, 0..END)
            .fails(&on_node_2.registry("ghcr.io").cause("timeout", "network"), 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        one_node("one node, and a debug container on another node")
            .fails(&f.cause("timeout", "network").container_type("ephemeral").node("node-2"), 0, 0..END)
            .only_alert(OUTAGE)
            .fires(10 * MINUTE, &[]),
        outage(
            outage(
                Case::new("one node, and another node of another cluster"),
                &five_workloads(|one| one.cluster("x")),
                &["node-1"],
            ),
            &five_workloads(|one| one.cluster("y"))[..2],
            &TWO_NODES,
        )
        .only_alert(OUTAGE)
        .fires(10 * MINUTE, &[]),
    ]
}
