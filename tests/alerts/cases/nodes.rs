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
