//! The alert about a node: what is its fault, and what is not.

use super::MINUTE;
use crate::timeline::{Case, Container};

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn nodes() -> Vec<Case> {
    let pods = |case: Case, cause: &'static str, group: &'static str, registries: [&'static str; 3]| {
        ["x", "y", "z"].iter().zip(registries).fold(case, |case, (workload, registry)| {
            case.fails(&Container::of(workload).cause(cause, group).registry(registry), 0, 0..890)
        })
    };
    let in_cluster = |case: Case, cause: &'static str, group: &'static str, registries: [&'static str; 3]| {
        ["x", "y", "z"].iter().zip(registries).fold(case, |case, (workload, registry)| {
            let container = Container::of(workload).cause(cause, group).registry(registry).cluster("a");
            case.fails(&container, 0, 0..890)
        })
    };
    let two_pods = |name: &str, cause: &'static str, group: &'static str| {
        Case::new(name).fails(&Container::of("x").cause(cause, group), 0, 0..890).fails(
            &Container::of("y").cause(cause, group).registry("ghcr.io"),
            0,
            0..890,
        )
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
                        "It looks like the node and not like a registry: 3 containers disk full. First keep new pods away: kubectl cordon node-1. Then look at \
                         its disk, its runtime and its log.",
                    ),
                    ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNodeFault.md"),
                    ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?"),
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
        two_pods("two pods, and a debug container", "disk_full", "node")
            .fails(&Container::of("z").cause("disk_full", "node").container_type("ephemeral"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        two_pods("two pods without a network, and a debug container", "timeout", "network")
            .fails(&Container::of("z").cause("timeout", "network").container_type("ephemeral"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        ["disk_full", "timeout"].into_iter().zip(["node", "network"]).fold(
            Case::new("nodes of one name in two clusters"),
            |case, (cause, group)| {
                let pod = |workload: &str, cluster| Container {
                    node: format!("node-{group}"),
                    ..Container::of(&format!("{workload}-{group}")).cause(cause, group).cluster(cluster)
                };
                case.fails(&pod("u", "a"), 0, 0..890)
                    .fails(&pod("v", "a").registry("ghcr.io"), 0, 0..890)
                    .fails(&pod("w", "b"), 0, 0..890)
            },
        )
        .only(name)
        .fires(10 * MINUTE, &[]),
        in_cluster(Case::new("other nodes of a cluster have the same errors"), "timeout", "network", two)
            .fails(&Container::of("u").cause("timeout", "network").node("node-2").cluster("a"), 0, 0..890)
            .fails(
                &Container::of("v").cause("timeout", "network").node("node-2").registry("ghcr.io").cluster("a"),
                0,
                0..890,
            )
            .fires(10 * MINUTE, &[]),
        in_cluster(Case::new("a node of a cluster"), "disk_full", "node", ["reg.example"; 3])
            .only(name)
            .fires(6 * MINUTE, &["ImagePullNodeFault node-1 in a"]),
        in_cluster(Case::new("a node without a network, and a registry that another cluster cannot reach"), "timeout", "network", two)
            .fails(&Container::of("u").cause("timeout", "network").node("node-2").cluster("b"), 0, 0..890)
            .fails(&Container::of("v").cause("timeout", "network").node("node-3").cluster("b"), 0, 0..890)
            .only(name)
            .fires(6 * MINUTE, &["ImagePullNodeFault node-1 in a"]),
        in_cluster(Case::new("one registry, and two of another cluster"), "timeout", "network", ["reg.example"; 3])
            .fails(&Container::of("u").cause("timeout", "network").cluster("b"), 0, 0..890)
            .fails(&Container::of("v").cause("timeout", "network").registry("ghcr.io").cluster("b"), 0, 0..890)
            .only(name)
            .fires(10 * MINUTE, &[]),
        Case::new("two pods are no node")
            .fails(&Container::of("x").cause("disk_full", "node"), 0, 0..890)
            .fails(&Container::of("y").cause("disk_full", "node"), 0, 0..890)
            .fires(10 * MINUTE, &[]),
    ]
}
