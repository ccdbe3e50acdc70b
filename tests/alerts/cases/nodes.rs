//! The alert about a node: what is its fault, and what is not.

use super::{CAUSE_AGE_THRESHOLD, LONGEST_ATTEMPT_INTERVAL, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container, Seconds};

/// Three pods of one node that have had bad tags for 20 minutes, until they have this cause for a while.
fn bad_tags_then(what: &str, cause: &'static str, group: &'static str, every: Seconds, lasts: Seconds) -> Case {
    ["x", "y", "z"].into_iter().zip(["reg.example", "ghcr.io", "quay.io"]).fold(
        Case::with_changing_cause("ImagePullNodeFault", what, every),
        |case, (workload, registry)| {
            let tag = Container::of_workload(workload).registry(registry);
            let fault = tag.clone().cause(cause, group).cause_since(1200);
            case.fails(&tag, 0, 0..1200).fails(&fault, 0, 1200..1200 + lasts).fails(&tag, 0, 1200 + lasts..4200)
        },
    )
}

/// Failures that change their cause, in both directions.
fn changes_of_cause(every: Seconds) -> Vec<Case> {
    let fault: &[&str] = &["ImagePullNodeFault node-1"];
    let fires = first_scrape_after(1200 + CAUSE_AGE_THRESHOLD, every);
    let both = ["node_storage_error", "timeout"].into_iter().zip(["node", "network"]);
    let mut cases: Vec<Case> = both
        .flat_map(|(cause, group)| {
            [
                bad_tags_then(
                    &format!("one attempt that fails for {cause}"),
                    cause,
                    group,
                    every,
                    LONGEST_ATTEMPT_INTERVAL,
                )
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + every, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + 2 * every, &[])
                .fires(2400, &[]),
                bad_tags_then(&format!("a node that stays broken by {cause}"), cause, group, every, 1800)
                    .fires(fires - 15, &[])
                    .fires(fires, fault)
                    .fires(2990, fault)
                    .fires(3000 + 9 * MINUTE, fault)
                    .fires(3000 + 12 * MINUTE, &[]),
            ]
        })
        .collect();
    // While it is away the status says that images cannot be inspected, for a sync or two.
    cases.push(
        bad_tags_then("a runtime that restarts within 25 seconds", "node_storage_error", "node", every, 36)
            .fires(1215, &[])
            .fires(1260, &[])
            .fires(1500, &[]),
    );
    cases
}

/// A node with four causes, of which the three most frequent are told, and others beside it.
fn text_among_others() -> Case {
    let of = |cause: &'static str, pods: std::ops::Range<u32>| {
        pods.map(move |pod| Container { pod: format!("pod-{pod}"), ..Container::of_workload("x").cause(cause, "node") })
    };
    let on_node = of("disk_full", 0..4)
        .chain(of("node_storage_error", 4..7))
        .chain(of("digest_mismatch", 7..9))
        .chain(of("pull_canceled", 9..10));
    let elsewhere = [
        Container::of_workload("u").cause("disk_full", "node").node("node-2"),
        Container::of_workload("v").cause("disk_full", "node").cluster("b"),
        Container::of_workload("w").cause("pull_qps_exceeded", "node"),
        Container::of_workload("t"),
        Container::of_workload("s").cause("disk_full", "node").container_type("ephemeral"),
        // Another node cannot reach that registry either.
        Container::of_workload("r").cause("timeout", "network").registry("ghcr.io"),
        Container::of_workload("q").cause("timeout", "network").registry("ghcr.io").node("node-2"),
    ];
    let case = on_node
        .chain(elsewhere)
        .fold(Case::new("the text of a node among others"), |case, one| case.fails(&one, 0, 0..890));
    with_text(
        case.only_alert("ImagePullNodeFault"),
        "10",
        "4 containers disk full. 3 containers node storage error. 2 containers digest mismatch.",
    )
}

/// What the alert says of node-1.
fn with_text(case: Case, pods: &str, causes: &str) -> Case {
    case.fires_with_text(
        480,
        "ImagePullNodeFault",
        "severity: warning, node: node-1",
        &[
            ("summary", &format!("Node node-1 cannot pull images: {pods} pods wait")),
            (
                "description",
                &format!(
                    "It looks like the node and not like a registry: {causes} First keep new pods away: kubectl cordon node-1. Then look \
                     at its disk, its runtime and its log."
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNodeFault.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?"),
        ],
    )
}

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn cases() -> Vec<Case> {
    let pods = |case: Case, cause: &'static str, group: &'static str, registries: [&'static str; 3]| {
        ["x", "y", "z"].iter().zip(registries).fold(case, |case, (workload, registry)| {
            case.fails(&Container::of_workload(workload).cause(cause, group).registry(registry), 0, 0..890)
        })
    };
    let in_cluster = |case: Case, cause: &'static str, group: &'static str, registries: [&'static str; 3]| {
        ["x", "y", "z"].iter().zip(registries).fold(case, |case, (workload, registry)| {
            let container = Container::of_workload(workload).cause(cause, group).registry(registry).cluster("a");
            case.fails(&container, 0, 0..890)
        })
    };
    let two_pods = |name: &str, cause: &'static str, group: &'static str| {
        Case::new(name).fails(&Container::of_workload("x").cause(cause, group), 0, 0..890).fails(
            &Container::of_workload("y").cause(cause, group).registry("ghcr.io"),
            0,
            0..890,
        )
    };
    let (name, fault): (_, &[&str]) = ("ImagePullNodeFault", &["ImagePullNodeFault node-1"]);
    let two = ["reg.example", "ghcr.io", "ghcr.io"];
    let mut cases = vec![
        with_text(
            pods(Case::new("a full disk"), "disk_full", "node", ["reg.example"; 3]),
            "3",
            "3 containers disk full.",
        ),
        with_text(
            pods(Case::new("a full disk, and one digest"), "disk_full", "node", ["reg.example"; 3]).fails(
                &Container::of_workload("u").cause("digest_mismatch", "node"),
                0,
                0..890,
            ),
            "4",
            "3 containers disk full. 1 container digest mismatch.",
        ),
        two_pods("two pods without a network, and a full disk", "timeout", "network")
            .fails(&Container::of_workload("z").cause("disk_full", "node"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and a full disk for another"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of_workload("u").cause("disk_full", "node").registry("ghcr.io"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("a full disk, until ten minutes after its end"), "disk_full", "node", ["reg.example"; 3])
            .fires(7 * MINUTE, &[])
            .fires(7 * MINUTE + 15, fault)
            .fires(24 * MINUTE, fault)
            .fires(28 * MINUTE, &[]),
        pods(Case::new("a node without a network"), "timeout", "network", two)
            .fires(7 * MINUTE, &[])
            .fires(7 * MINUTE + 15, fault),
        pods(Case::new("a node with two exporters"), "timeout", "network", two)
            .exporter("b", 0..7200)
            .fails_reported_by("b", &Container::of_workload("x").cause("timeout", "network"), 0, 0..890)
            .fires(8 * MINUTE, fault),
        pods(Case::new("other nodes have the same errors"), "timeout", "network", two)
            .fails(&Container::of_workload("u").cause("timeout", "network").node("node-2"), 0, 0..890)
            .fails(
                &Container::of_workload("v").cause("timeout", "network").node("node-2").registry("ghcr.io"),
                0,
                0..890,
            )
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry is not the node"), "timeout", "network", ["reg.example"; 3])
            .fires(10 * MINUTE, &[]),
        pods(Case::new("a busy kubelet is no fault"), "pull_qps_exceeded", "node", two).fires(10 * MINUTE, &[]),
        pods(Case::new("bad tags are no fault"), "unknown", "unknown", two).fires(10 * MINUTE, &[]),
        pods(Case::new("a node without a network, and bad tags elsewhere"), "timeout", "network", two)
            .fails(&Container::of_workload("u").node("node-2"), 0, 0..890)
            .fails(&Container::of_workload("v").node("node-2").registry("ghcr.io"), 0, 0..890)
            .only_alert(name)
            .fires(8 * MINUTE, fault),
        pods(
            Case::new("a node without a network, and a registry that two others cannot reach"),
            "timeout",
            "network",
            two,
        )
        .fails(&Container::of_workload("u").cause("timeout", "network").node("node-2").registry("quay.io"), 0, 0..890)
        .fails(&Container::of_workload("v").cause("timeout", "network").node("node-3").registry("quay.io"), 0, 0..890)
        .only_alert(name)
        .fires(8 * MINUTE, fault),
        Case::new("two pods without a network, and a bad tag")
            .fails(&Container::of_workload("x").cause("timeout", "network"), 0, 0..890)
            .fails(&Container::of_workload("y").cause("timeout", "network").registry("ghcr.io"), 0, 0..890)
            .fails(&Container::of_workload("z"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and a bad tag of another"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of_workload("u").registry("ghcr.io"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and two others on another node"), "timeout", "network", ["reg.example"; 3])
            .fails(
                &Container::of_workload("u").cause("timeout", "network").node("node-2").registry("quay.io"),
                0,
                0..890,
            )
            .fails(
                &Container::of_workload("v").cause("timeout", "network").node("node-2").registry("ghcr.io"),
                0,
                0..890,
            )
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        ["n1", "n2", "n3"]
            .into_iter()
            .fold(Case::new("pods of one name in three namespaces"), |case, namespace| {
                case.fails(&Container::of_workload("x").cause("disk_full", "node").namespace(namespace), 0, 0..890)
            })
            .only_alert(name)
            .fires(8 * MINUTE, fault),
        ["n1", "n2", "n3"]
            .into_iter()
            .zip(two)
            .fold(Case::new("pods of one name in three namespaces without a network"), |case, (namespace, registry)| {
                case.fails(
                    &Container::of_workload("x").cause("timeout", "network").namespace(namespace).registry(registry),
                    0,
                    0..890,
                )
            })
            .only_alert(name)
            .fires(8 * MINUTE, fault),
        Case::new("two pods, one of them with two causes")
            .fails(&Container::of_workload("x").cause("disk_full", "node"), 0, 0..890)
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("digest_mismatch", "node") },
                0,
                0..890,
            )
            .fails(&Container::of_workload("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
        Case::new("two pods without a network, one of them with two causes")
            .fails(&Container::of_workload("x").cause("timeout", "network"), 0, 0..890)
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("dns_failure", "network") },
                0,
                0..890,
            )
            .fails(&Container::of_workload("y").cause("timeout", "network").registry("ghcr.io"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("a registry with two causes on one node is no fault of others"), "timeout", "network", two)
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("dns_failure", "network") },
                0,
                0..890,
            )
            .only_alert(name)
            .fires(8 * MINUTE, fault),
        pods(Case::new("one registry with two causes is one"), "timeout", "network", ["reg.example"; 3])
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("dns_failure", "network") },
                0,
                0..890,
            )
            .fires(10 * MINUTE, &[]),
        ["x", "y", "z"]
            .into_iter()
            .zip(two)
            .fold(Case::new("pods of no node"), |case, (workload, registry)| {
                let here = Container::of_workload(workload).registry(registry).node("");
                let full = Container { pod: format!("{workload}-2"), ..here.clone().cause("disk_full", "node") };
                case.fails(&here.cause("timeout", "network"), 0, 0..890).fails(&full, 0, 0..890)
            })
            .fires(10 * MINUTE, &[]),
        two_pods("two pods, and a debug container", "disk_full", "node")
            .fails(&Container::of_workload("z").cause("disk_full", "node").container_type("ephemeral"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        two_pods("two pods without a network, and a debug container", "timeout", "network")
            .fails(&Container::of_workload("z").cause("timeout", "network").container_type("ephemeral"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        ["disk_full", "timeout"]
            .into_iter()
            .zip(["node", "network"])
            .fold(Case::new("nodes of one name in two clusters"), |case, (cause, group)| {
                let pod = |workload: &str, cluster| Container {
                    node: format!("node-{group}"),
                    ..Container::of_workload(&format!("{workload}-{group}")).cause(cause, group).cluster(cluster)
                };
                case.fails(&pod("u", "a"), 0, 0..890).fails(&pod("v", "a").registry("ghcr.io"), 0, 0..890).fails(
                    &pod("w", "b"),
                    0,
                    0..890,
                )
            })
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        in_cluster(Case::new("other nodes of a cluster have the same errors"), "timeout", "network", two)
            .fails(&Container::of_workload("u").cause("timeout", "network").node("node-2").cluster("a"), 0, 0..890)
            .fails(
                &Container::of_workload("v")
                    .cause("timeout", "network")
                    .node("node-2")
                    .registry("ghcr.io")
                    .cluster("a"),
                0,
                0..890,
            )
            .fires(10 * MINUTE, &[]),
        in_cluster(Case::new("a node of a cluster"), "disk_full", "node", ["reg.example"; 3])
            .only_alert(name)
            .fires(8 * MINUTE, &["ImagePullNodeFault node-1 in a"]),
        in_cluster(
            Case::new("a node without a network, and a registry that another cluster cannot reach"),
            "timeout",
            "network",
            two,
        )
        .fails(&Container::of_workload("u").cause("timeout", "network").node("node-2").cluster("b"), 0, 0..890)
        .fails(&Container::of_workload("v").cause("timeout", "network").node("node-3").cluster("b"), 0, 0..890)
        .only_alert(name)
        .fires(8 * MINUTE, &["ImagePullNodeFault node-1 in a"]),
        in_cluster(Case::new("one registry, and two of another cluster"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of_workload("u").cause("timeout", "network").cluster("b"), 0, 0..890)
            .fails(&Container::of_workload("v").cause("timeout", "network").registry("ghcr.io").cluster("b"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        Case::new("two pods are no node")
            .fails(&Container::of_workload("x").cause("disk_full", "node"), 0, 0..890)
            .fails(&Container::of_workload("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
    ];
    cases.push(text_among_others());
    cases.extend(SCRAPE_INTERVALS.into_iter().flat_map(changes_of_cause));
    cases
}
