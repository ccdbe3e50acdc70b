//! ImagePullNodeFault: which failures are the fault of a node.

use super::{CAUSE_AGE_THRESHOLD, LONGEST_ATTEMPT_INTERVAL, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container, Seconds};

/// Three pods of one node that have had wrong tags for 20 minutes, and then have this cause for `duration`.
fn wrong_tags_then(
    what: &str,
    cause: &'static str,
    group: &'static str,
    scrape_interval: Seconds,
    duration: Seconds,
) -> Case {
    ["x", "y", "z"].into_iter().zip(["reg.example", "ghcr.io", "quay.io"]).fold(
        Case::with_changing_cause("ImagePullNodeFault", what, scrape_interval),
        |case, (workload, registry)| {
            let tag = Container::of_workload(workload).registry(registry);
            let fault = tag.clone().cause(cause, group).cause_since(1200);
            case.fails(&tag, 0, 0..1200).fails(&fault, 0, 1200..1200 + duration).fails(&tag, 0, 1200 + duration..4200)
        },
    )
}

/// Failures whose cause changes, in both directions.
fn changing_causes(scrape_interval: Seconds) -> Vec<Case> {
    let fault: &[&str] = &["ImagePullNodeFault node-1"];
    let fires = first_scrape_after(1200 + CAUSE_AGE_THRESHOLD, scrape_interval);
    let both = ["node_storage_error", "timeout"].into_iter().zip(["node", "network"]);
    let mut cases: Vec<Case> = both
        .flat_map(|(cause, group)| {
            [
                wrong_tags_then(
                    &format!("one attempt with {cause}"),
                    cause,
                    group,
                    scrape_interval,
                    LONGEST_ATTEMPT_INTERVAL,
                )
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + scrape_interval, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + 2 * scrape_interval, &[])
                .fires(2400, &[]),
                wrong_tags_then(&format!("a node with lasting {cause}"), cause, group, scrape_interval, 1800)
                    .fires(fires - 15, &[])
                    .fires(fires, fault)
                    .fires(2990, fault)
                    .fires(3000 + 9 * MINUTE, fault)
                    .fires(3000 + 12 * MINUTE, &[]),
            ]
        })
        .collect();
    // During the restart the status shows an inspection error, for one or two sync periods of the kubelet.
    cases.push(
        wrong_tags_then("a runtime that restarts within 25 seconds", "node_storage_error", "node", scrape_interval, 36)
            .fires(1215, &[])
            .fires(1260, &[])
            .fires(1500, &[]),
    );
    cases
}

/// The text for a node with four causes, among failures that its query excludes. It names the three most frequent causes.
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
        // Another node cannot reach this registry either.
        Container::of_workload("r").cause("timeout", "network").registry("ghcr.io"),
        Container::of_workload("q").cause("timeout", "network").registry("ghcr.io").node("node-2"),
    ];
    let case = on_node
        .chain(elsewhere)
        .fold(Case::new("the text of a node fault among other failures"), |case, one| case.fails(&one, 0, 0..890));
    with_text(
        case.only_alert("ImagePullNodeFault"),
        "10",
        "disk full in 4 containers. node storage error in 3 containers. digest mismatch in 2 containers.",
    )
}

/// Expects the text of the alert about node-1.
fn with_text(case: Case, pods: &str, causes: &str) -> Case {
    case.fires_with_text(
        480,
        "ImagePullNodeFault",
        "severity: warning, node: node-1",
        &[
            ("summary", &format!("Node node-1 cannot pull images: {pods} pods are waiting")),
            (
                "description",
                &format!(
                    "The node is the likely cause, not a registry: {causes} Keep new pods off the node: kubectl cordon node-1. Then check \
                     its disk space, container runtime and kubelet log."
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNodeFault.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?"),
        ],
    )
}

/// A container whose status is stale, because its kubelet may be down, proves nothing about a node.
fn stale_statuses() -> Vec<Case> {
    let container = |workload: &str, cause: &'static str, group: &'static str| {
        Container::of_workload(workload).cause(cause, group).cluster("a")
    };
    let full_disk = |name: &str| {
        ["x", "y", "z"].into_iter().fold(Case::new(name).only_alert("ImagePullNodeFault"), |case, workload| {
            case.fails(&container(workload, "disk_full", "node"), 0, 0..890)
        })
    };
    // The node and another one cannot reach either registry.
    let elsewhere = ["u", "v"].map(|workload| container(workload, "timeout", "network").node("node-2"));
    let elsewhere = [elsewhere[0].clone(), elsewhere[1].clone().registry("ghcr.io")];
    let no_network = |name: &str| {
        let here = ["x", "y", "z"].into_iter().zip(["reg.example", "ghcr.io", "ghcr.io"]);
        let case = here.fold(Case::new(name).only_alert("ImagePullNodeFault"), |case, (workload, registry)| {
            case.fails(&container(workload, "timeout", "network").registry(registry), 0, 0..890)
        });
        elsewhere.iter().fold(case, |case, one| case.fails(one, 0, 0..890))
    };
    let stale =
        |case: Case, containers: &[Container]| containers.iter().fold(case, |case, one| case.stale(one, 0, 0..890));
    let sidecar = |one: &Container| Container { container: "sidecar", ..one.clone() };
    let z = container("z", "disk_full", "node");
    let fires: &[&str] = &["ImagePullNodeFault node-1 in a"];
    vec![
        stale(full_disk("a full disk, and a stale status of one of three pods"), std::slice::from_ref(&z))
            .fires(8 * MINUTE, &[]),
        stale(full_disk("a full disk, and a stale status of another container"), &[sidecar(&z)])
            .fires(8 * MINUTE, fires),
        stale(full_disk("a full disk, and a stale status in another cluster"), &[z.cluster("b")])
            .fires(8 * MINUTE, fires),
        stale(no_network("a node without a network, and stale statuses on another node"), &elsewhere)
            .fires(8 * MINUTE, fires),
        stale(
            no_network("two nodes without a network, and a stale status of another container"),
            &elsewhere.each_ref().map(sidecar),
        )
        .fires(8 * MINUTE, &[]),
        stale(
            no_network("two nodes without a network, and stale statuses in another cluster"),
            &elsewhere.clone().map(|one| one.cluster("b")),
        )
        .fires(8 * MINUTE, &[]),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of cases")]
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
            "disk full in 3 containers.",
        ),
        with_text(
            pods(Case::new("a full disk, and one digest mismatch"), "disk_full", "node", ["reg.example"; 3]).fails(
                &Container::of_workload("u").cause("digest_mismatch", "node"),
                0,
                0..890,
            ),
            "4",
            "disk full in 3 containers. digest mismatch in 1 container.",
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
        pods(Case::new("one registry"), "timeout", "network", ["reg.example"; 3]).fires(10 * MINUTE, &[]),
        pods(Case::new("a kubelet that limits its pulls"), "pull_qps_exceeded", "node", two).fires(10 * MINUTE, &[]),
        pods(Case::new("unknown causes"), "unknown", "unknown", two).fires(10 * MINUTE, &[]),
        pods(Case::new("a node without a network, and wrong tags on another node"), "timeout", "network", two)
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
        Case::new("two pods without a network, and a wrong tag")
            .fails(&Container::of_workload("x").cause("timeout", "network"), 0, 0..890)
            .fails(&Container::of_workload("y").cause("timeout", "network").registry("ghcr.io"), 0, 0..890)
            .fails(&Container::of_workload("z"), 0, 0..890)
            .only_alert(name)
            .fires(10 * MINUTE, &[]),
        pods(Case::new("one registry, and a wrong tag at another"), "timeout", "network", ["reg.example"; 3])
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
        pods(Case::new("a registry with two causes on the node only"), "timeout", "network", two)
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("dns_failure", "network") },
                0,
                0..890,
            )
            .only_alert(name)
            .fires(8 * MINUTE, fault),
        pods(Case::new("one registry with two causes"), "timeout", "network", ["reg.example"; 3])
            .fails(
                &Container { container: "b", ..Container::of_workload("x").cause("dns_failure", "network") },
                0,
                0..890,
            )
            .fires(10 * MINUTE, &[]),
        ["x", "y", "z"]
            .into_iter()
            .zip(two)
            .fold(Case::new("pods without a node"), |case, (workload, registry)| {
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
        Case::new("two pods of a node")
            .fails(&Container::of_workload("x").cause("disk_full", "node"), 0, 0..890)
            .fails(&Container::of_workload("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
    ];
    cases.push(text_among_others());
    cases.extend(stale_statuses());
    cases.extend(SCRAPE_INTERVALS.into_iter().flat_map(changing_causes));
    cases
}
