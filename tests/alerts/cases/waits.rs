//! Containers that wait for an image without an error, and nodes on which pods do not start.

use super::{CAUSE_AGE_THRESHOLD, MINUTE, SCRAPE_INTERVALS};
use crate::timeline::{Case, Container, Seconds};

const PENDING: &str = "ImagePullPending";
const STUCK: &str = "ImagePullNodeStuck";
/// ImagePullPending fires above this age.
const PENDING_THRESHOLD: Seconds = 30 * MINUTE;
/// ImagePullNodeStuck counts pods that wait longer than this.
const STUCK_THRESHOLD: Seconds = 10 * MINUTE;
/// When the waits of most cases end.
const END: Seconds = 1500;

/// The sandbox of a pod of the Deployment `workload`.
fn sandbox(workload: &str) -> Container {
    Container {
        container: "",
        image: "registry.example/pause:3.9".to_owned(),
        registry: "registry.example",
        ..Container::of_workload(workload).container_type("sandbox")
    }
}

fn pod_number(number: u32) -> Container {
    Container { pod: format!("web-{number}"), ..Container::of_workload("web") }
}

/// ImagePullPending, about one workload.
fn workloads() -> Vec<Case> {
    let about = "ImagePullPending shop/web";
    let this: &[&str] = &[about];
    let web = Container::of_workload("web");
    let threshold = PENDING_THRESHOLD;
    let case = |name: &str| Case::new(&format!("{PENDING}: {name}")).only_alert(PENDING);
    let mut cases = vec![
        case("fires at its threshold, until ten minutes after the start of the container")
            .waits(&web, 60, 180..threshold + 120)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 60 + 10 * MINUTE, this)
            .fires(threshold + 150 + 10 * MINUTE, &[]),
        case("does not fire for a container that starts before")
            .waits(&web, 60, 180..threshold + 50)
            .fires(threshold + 60, &[])
            .fires(threshold + 120, &[]),
        case("is not affected by restarts of the exporter")
            .waits(&web, 60, 180..threshold - 100)
            .waits(&web, 60, threshold..threshold + 150)
            .waits(&web, 60, threshold + 270..threshold + 900)
            .fires(threshold + 45, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 200, this)
            .fires(threshold + 600, this),
        case("fires once for two exporters, and uses the earlier start")
            .exporter("b", 0..7200)
            .waits(&web, 60, 180..threshold + 900)
            .waits_reported_by("b", &web, 240, 360..threshold + 900)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 300, this),
        case("fires once per cluster")
            .waits(&web, 60, 180..threshold + 900)
            .waits(&web.clone().cluster("b"), 120, 240..threshold + 900)
            .fires(threshold + 75, this)
            .fires(threshold + 180, &[about, "ImagePullPending shop/web in b"]),
        case("fires once for many pods")
            .waits(&web, 60, 180..threshold + 900)
            .waits(&pod_number(2).node("node-2"), 120, 240..threshold + 900)
            .waits(&pod_number(3), 60, 180..threshold + 900)
            .fires(threshold + 75, this),
        case("fires for Jobs").waits(&web.clone().kind("Job"), 60, 180..threshold + 900).fires(threshold + 75, this),
        case("does not fire for debug containers")
            .waits(&web.clone().container_type("ephemeral"), 60, 180..threshold + 900)
            .fires(threshold + 300, &[]),
        case("fires for a container beside a debug container that waits longer")
            .waits(&web, 600, 720..threshold + 900)
            .waits(
                &Container { container: "debugger", ..web.clone().container_type("ephemeral") },
                0,
                120..threshold + 900,
            )
            .fires(threshold + 600, &[])
            .fires(threshold + 615, this),
        Case::new("a failure after a wait, and a wait after a failure")
            .waits(&web, 0, 120..threshold - 60)
            .fails(&web.clone().cause("timeout", "network"), threshold - 60, threshold - 60..threshold + 600)
            .fails(&Container::of_workload("db").cause("timeout", "network"), 0, 0..600)
            .waits(&Container::of_workload("db"), 600, 720..threshold + 600)
            .fires(threshold + 300, &[])
            .fires(threshold + 600, &[]),
    ];
    // A workload whose pods are replaced: no pod waits longer than the threshold.
    cases.extend(SCRAPE_INTERVALS.map(|scrape_interval| {
        Case::with_changing_cause(PENDING, "its pod is replaced", scrape_interval)
            .waits(&web, 0, 120..1200)
            .waits(&pod_number(2), 1200, 1320..3600)
            .fires(threshold + 60, &[])
            .fires(1200 + threshold, &[])
            .fires(1200 + threshold + 15, this)
            .fires(3590, this)
    }));
    cases
}

/// Pods of one node that wait without an error.
fn pending_pods() -> Vec<Case> {
    let case = |name: &str| Case::new(&format!("{STUCK}: {name}")).only_alert(STUCK);
    let stuck: &[&str] = &["ImagePullNodeStuck node-1"];
    let fires = STUCK_THRESHOLD;
    let pods = |case: Case, numbers: std::ops::Range<u32>, change: &dyn Fn(Container) -> Container| {
        numbers.fold(case, |case, number| case.waits(&change(pod_number(number)), 60, 180..END))
    };
    let same = |one: Container| one;
    let mut cases = vec![
        pods(case("five pods, until ten minutes after they start"), 0..5, &same)
            .fires(60 + fires, &[])
            .fires(75 + fires, stuck)
            .fires(END + 9 * MINUTE, stuck)
            .fires(END + 11 * MINUTE, &[]),
        pods(case("four pods"), 0..4, &same).fires(75 + fires, &[]),
        pods(case("four pods, and one that has been waiting for nine minutes"), 0..4, &same)
            .waits(&pod_number(4), 135, 255..END)
            .fires(75 + fires, &[])
            .fires(135 + fires, &[])
            .fires(150 + fires, stuck),
        pods(case("four pods, and one of another node"), 0..4, &same)
            .waits(&pod_number(4).node("node-2"), 60, 180..END)
            .fires(75 + fires, &[]),
        pods(case("four pods, and one of another cluster"), 0..4, &|one| one.cluster("a"))
            .waits(&pod_number(4).cluster("b"), 60, 180..END)
            .fires(75 + fires, &[]),
        pods(case("five pods of a cluster"), 0..5, &|one| one.cluster("a"))
            .fires(75 + fires, &["ImagePullNodeStuck node-1 in a"]),
        pods(case("four pods, one of them with two containers"), 0..4, &same)
            .waits(&Container { container: "sidecar", ..pod_number(0) }, 60, 180..END)
            .fires(75 + fires, &[]),
        pods(case("four pods, and a debug container"), 0..4, &same)
            .waits(&pod_number(4).container_type("ephemeral"), 60, 180..END)
            .fires(75 + fires, &[]),
        pods(case("five pods without a node"), 0..5, &|one| one.node("")).fires(75 + fires, &[]),
        (0..5)
            .fold(
                pods(case("four pods, exposed by two exporters"), 0..4, &same).exporter("b", 0..7200),
                |case, number| case.waits_reported_by("b", &pod_number(number % 4), 90, 210..END),
            )
            .fires(120 + fires, &[]),
        ["n1", "n2", "n3", "n4", "n5"]
            .into_iter()
            .fold(case("pods of one name in five namespaces"), |case, namespace| {
                case.waits(&pod_number(0).namespace(namespace), 60, 180..END)
            })
            .fires(75 + fires, stuck),
        // The pods fail: other alerts describe that.
        (0..5)
            .fold(case("five pods with errors"), |case, number| case.fails(&pod_number(number), 0, 0..END))
            .fires(75 + fires, &[]),
    ];
    cases.extend(SCRAPE_INTERVALS.map(|scrape_interval| {
        let case = Case::with_changing_cause(STUCK, "a queue of pulls, one of which ends", scrape_interval);
        pods(case, 0..4, &same).waits(&pod_number(4), 60, 180..660).fires(75 + fires, &[]).fires(END - 15, &[])
    }));
    cases
}

/// Sandbox images that a node cannot pull.
fn sandboxes() -> Vec<Case> {
    let case = |name: &str| Case::new(&format!("{STUCK}: {name}"));
    let stuck: &[&str] = &["ImagePullNodeStuck node-1"];
    let web = sandbox("web");
    let fires = 60 + CAUSE_AGE_THRESHOLD;
    let mut cases = vec![
        // The alerts about the workload stay silent.
        case("a sandbox failure")
            .fails(&web, 60, 60..3600)
            .fires(fires, &[])
            .fires(fires + 15, stuck)
            .fires(40 * MINUTE, stuck),
        case("a sandbox failure, until ten minutes after its end")
            .fails(&web, 60, 60..600)
            .fires(600 + 9 * MINUTE, stuck)
            .fires(600 + 11 * MINUTE, &[]),
        case("a sandbox failure that ends before").fails(&web, 60, 60..fires - 15).fires(fires + 60, &[]),
        case("sandbox failures of credentials, policy, rate limits and of Jobs")
            .fails(&web.clone().cause("unauthorized", "credentials"), 0, 0..END)
            .fails(&sandbox("db").cause("signature_rejected", "policy"), 0, 0..END)
            .fails(&sandbox("log").cause("rate_limited", "registry"), 0, 0..END)
            .fails(&sandbox("tax").kind("Job"), 0, 0..END)
            .fires(20 * MINUTE, stuck),
        case("a sandbox failure of a cluster")
            .fails(&web.clone().cluster("a"), 60, 60..END)
            .fires(fires + 15, &["ImagePullNodeStuck node-1 in a"]),
        case("a sandbox failure without a node").fails(&web.clone().node(""), 60, 60..END).fires(fires + 15, &[]),
        case("sandbox failures of two nodes, exposed by two exporters")
            .exporter("b", 0..7200)
            .fails(&web, 60, 60..END)
            .fails_reported_by("b", &web.clone().cause("unknown", "unknown"), 60, 60..END)
            .fails(&sandbox("db").node("node-2"), 60, 60..END)
            .fires(fires + 15, &["ImagePullNodeStuck node-1", "ImagePullNodeStuck node-2"]),
        // It proves as much about the registry as a failure of a container.
        ["a", "b", "c", "d", "e"]
            .into_iter()
            .zip(["node-1", "node-2"].into_iter().cycle())
            .fold(case("sandbox failures in an outage"), |case, (workload, node)| {
                case.fails(&sandbox(workload).cause("timeout", "network").node(node), 60, 60..END)
            })
            .fires(
                fires + 15,
                &[
                    "ImagePullRegistryOutage registry.example",
                    "ImagePullRegistryOutageInhibitor registry.example",
                    "ImagePullNodeStuck node-1",
                    "ImagePullNodeStuck node-2",
                ],
            ),
    ];
    cases.extend(SCRAPE_INTERVALS.map(|scrape_interval| {
        Case::with_changing_cause(STUCK, "a sandbox failure whose cause changes", scrape_interval)
            .fails(&web, 60, 60..300)
            .fails(&web.clone().cause("timeout", "network").cause_since(300), 60, 300..END)
            .fires(fires, &[])
            .fires(fires + 15, stuck)
            .fires(END - 15, stuck)
    }));
    cases
}

/// Expects the text of the alert about node-1.
fn with_text(case: Case, at: Seconds, cluster: &str, pods: &str, waits: &str) -> Case {
    let (label, variable) = match cluster {
        "" => (String::new(), String::new()),
        cluster => (format!(", cluster: {cluster}"), format!("var-cluster={cluster}")),
    };
    case.only_alert(STUCK).fires_with_text(
        at,
        STUCK,
        &format!("severity: warning, node: node-1{label}"),
        &[
            ("summary", &format!("Node node-1 is stuck: {pods} waiting for images")),
            (
                "description",
                &format!(
                    "Pods do not start on this node. {waits} Keep new pods off the node: kubectl cordon node-1. Then check its \
                     kubelet log, container runtime and sandbox image."
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNodeStuck.md"),
            ("dashboard_url", &format!("https://grafana.example.com/d/image-pull-registry?{variable}")),
        ],
    )
}

/// The text about pods, and the text about sandbox images, both among waits and failures that their queries exclude.
fn texts() -> Vec<Case> {
    let at = 840;
    // Pods of one name in two namespaces count as two.
    let pending = |case: Case| {
        let waits = [("a", 0), ("b", 30), ("c", 60), ("d", 90), ("e", 120)];
        let case = waits.into_iter().fold(case, |case, (workload, since)| {
            case.waits(&Container::of_workload(workload).cluster("x"), since, 120..END)
        });
        case.waits(&Container { pod: "a-2".to_owned(), ..Container::of_workload("a").cluster("x") }, 200, 320..END)
            .waits(&Container::of_workload("b").cluster("x").namespace("bank"), 150, 270..END)
    };
    let failing = |case: Case, pods: &[(&'static str, u32)], at: Seconds| {
        pods.iter().fold(case, |case, (cause, pods)| {
            (0..*pods).fold(case, |case, number| {
                let one = Container { pod: format!("{cause}-{}", number / 2), ..sandbox("web") };
                let one = one.cause(cause, "network").cluster("x");
                case.fails(&one.namespace(if number % 2 == 0 { "shop" } else { "bank" }), at, at..END)
            })
        })
    };
    let others = |case: Case| {
        let debugger = Container { container: "debugger", ..Container::of_workload("a").container_type("ephemeral") };
        case.waits(&debugger.cluster("x"), 0, 0..END)
            .waits(&Container::of_workload("f").node("node-2").cluster("x"), 0, 0..END)
            .waits(&Container::of_workload("g").cluster("y"), 0, 0..END)
            .fails(&sandbox("h").node("node-2").cluster("x"), 500, 500..END)
            .fails(&sandbox("i").cause("dns_failure", "network").cluster("y"), 500, 500..END)
            .fails(&Container::of_workload("j").cause("disk_full", "node").cluster("x"), 0, 0..END)
    };
    let longest = "Deployment shop/a waits for reg.example/shop/a:1.8.O without an error for 14m 0s. Deployment shop/b waits for \
                   reg.example/shop/b:1.8.O without an error for 13m 30s. Deployment shop/c waits for reg.example/shop/c:1.8.O \
                   without an error for 13m 0s.";
    let causes = [("timeout", 5), ("dns_failure", 4), ("connection_failed", 3), ("registry_error", 2)];
    let sandboxes = "Sandbox image registry.example/pause:3.9: timeout in 5 pods. Sandbox image registry.example/pause:3.9: dns \
                     failure in 4 pods. Sandbox image registry.example/pause:3.9: connection failed in 3 pods.";
    vec![
        with_text(others(pending(Case::new("the text of pods that wait on a node"))), at, "x", "7 pods are", longest),
        with_text(
            failing(others(Case::new("the text of sandbox images that a node cannot pull")), &causes, 60),
            540,
            "x",
            "14 pods are",
            sandboxes,
        ),
        with_text(
            others(pending(failing(Case::new("the text of pending pods and sandbox images"), &causes, 500))),
            at,
            "x",
            "7 pods are",
            &format!("{sandboxes} {longest}"),
        ),
        with_text(
            Case::new("the text of one sandbox image").fails(&sandbox("web"), 0, 0..END),
            at,
            "",
            "1 pod is",
            "Sandbox image registry.example/pause:3.9: image not found in 1 pod.",
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    [workloads(), pending_pods(), sandboxes(), texts()].into_iter().flatten().collect()
}
