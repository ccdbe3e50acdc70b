//! The alerts about a registry: what is an outage or a limit, and what only looks like one.

use super::{CAUSE_AGE_THRESHOLD, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container, Seconds};

const OUTAGE: &str = "ImagePullRegistryOutage";
const FIVE_WORKLOADS: [&str; 5] = ["a", "b", "c", "d", "e"];

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
        &workloads.iter().map(|workload| Container::of_workload(workload).cause(cause, group)).collect::<Vec<_>>(),
        nodes,
        1500,
    )
}

fn five_workloads(change: impl Fn(Container) -> Container) -> Vec<Container> {
    FIVE_WORKLOADS
        .map(|workload| change(Container::of_workload(workload).cause("connection_failed", "network")))
        .to_vec()
}

/// The text of an outage of five workloads.
fn outage_with_text(case: Case, cluster: &str, registry: &str, answers_at: &str) -> Case {
    outage_with_text_of_causes(case, cluster, registry, answers_at, "5 containers connection failed.")
}

fn outage_with_text_of_causes(case: Case, cluster: &str, registry: &str, answers_at: &str, causes: &str) -> Case {
    let (of_cluster, label) = if cluster.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("var-cluster={cluster}&"), format!(", cluster: {cluster}"))
    };
    let longest = ["a", "b", "c"].into_iter().zip([60, 59, 58]).map(|(workload, seconds)| {
        format!("Deployment shop/{workload} with reg.example/shop/{workload}:1.8.O for 7m {seconds}s.")
            .replace("7m 60s", "8m 0s")
    });
    let longest = longest.collect::<Vec<_>>().join(" ");
    case.fires_with_text(
        480,
        "ImagePullRegistryOutage",
        &format!("severity: critical, registry: {registry}{label}"),
        &[
            ("summary", &format!("5 workloads cannot pull from {registry}")),
            (
                "description",
                &format!(
                    "On several nodes pulls fail with errors of the registry or of the way to it: {causes} Longest: {longest} \
                     First see whether the registry answers at all: curl -sSI https://{answers_at}/v2/"
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

/// An outage with four causes, of which the three most frequent are told; and beside it whatever the queries have to leave out,
/// which has failed longer.
fn text_among_others() -> Case {
    let one = |name: &str, cause: &'static str, group: &'static str| {
        Container::of_workload(name).cause(cause, group).node("node-3")
    };
    let pod = |name: &str, pod: &str, cause: &'static str, group: &'static str| Container {
        pod: pod.to_owned(),
        ..one(name, cause, group)
    };
    let mut beside = vec![
        one("debug", "timeout", "network").container_type("ephemeral"),
        one("other", "timeout", "network").registry("ghcr.io"),
        one("far", "timeout", "network").cluster("b"),
    ];
    // More of each than of any cause of the outage.
    for number in 0..6 {
        beside.push(pod("tag", &format!("tag-{number}"), "image_not_found", "image"));
        beside.push(pod("limit", &format!("limit-{number}"), "rate_limited", "registry"));
    }
    let more = [
        pod("a", "a-2", "timeout", "network"),
        Container { container: "sidecar", ..pod("a", "a-2", "timeout", "network") },
        pod("a", "a-3", "timeout", "network"),
        pod("b", "b-2", "timeout", "network"),
        pod("c", "c-2", "registry_error", "registry"),
        pod("c", "c-3", "registry_error", "registry"),
        pod("d", "d-2", "dns_failure", "network"),
    ];
    // The causes are as old as in the other texts, and the failures older.
    let later =
        |case: Case, one: &Container, since: Seconds| case.fails(&one.clone().cause_since(since + 100), 20, 20..1500);
    let case =
        beside.iter().fold(Case::new("the text of an outage among others"), |case, one| case.fails(one, 0, 0..1500));
    let case = five_workloads(|one| one)
        .iter()
        .zip(["node-1", "node-2"].iter().cycle())
        .zip(0..)
        .fold(case, |case, ((one, node), since)| later(case, &one.clone().node(node), since));
    let case = more.iter().fold(case, |case, one| later(case, one, 50));
    let longest = ["a", "b", "c"].into_iter().zip([20, 19, 18]).map(|(workload, seconds)| {
        format!("Deployment shop/{workload} with reg.example/shop/{workload}:1.8.O for 8m {seconds}s.")
    });
    let longest = longest.collect::<Vec<_>>().join(" ");
    case.fires_with_text(
        600,
        "ImagePullRegistryOutage",
        "severity: critical, registry: reg.example",
        &[
            ("summary", "5 workloads cannot pull from reg.example"),
            (
                "description",
                &format!(
                    "On several nodes pulls fail with errors of the registry or of the way to it: 5 containers connection failed. \
                     4 containers timeout. 2 containers registry error. Longest: {longest} First see whether the registry answers \
                     at all: curl -sSI https://reg.example/v2/"
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutage.md"),
            ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?var-registry=reg.example"),
        ],
    )
}

/// Ten workloads that have had bad tags for 20 minutes, until the registry goes away and each of them runs into that at one attempt
/// after the other: each for so long, which ends at `until` at the latest. Another registry stays well.
fn bad_tags_then_outage(what: &str, every: Seconds, each: Seconds, until: Seconds) -> Case {
    (0..10).fold(Case::with_changing_cause(OUTAGE, what, every), |case, number: Seconds| {
        let tag = Container::of_workload(&format!("web-{number}")).node(&format!("node-{}", number % 3));
        let away = 1200 + 18 * number;
        let back = (away + each).min(until);
        let refused = tag.clone().cause("connection_failed", "network").cause_since(away);
        case.fails(&tag, number, number..away).fails(&refused, number, away..back).fails(&tag, number, back..4200)
    })
}

/// Failures that change their cause, in both directions.
fn changes_of_cause() -> Vec<Case> {
    let outage: &[&str] = &["ImagePullRegistryOutage reg.example"];
    let of_every = |every: Seconds| {
        // The fifth workload's seven minutes are over.
        let fires = first_scrape_after(1200 + 18 * 4 + CAUSE_AGE_THRESHOLD, every);
        [
            bad_tags_then_outage("a registry that is away for three minutes", every, 311, 4200)
                .fires(1301, &[])
                .fires(1500, &[])
                .fires(1740, &[])
                .fires(1830, &[])
                .fires(2400, &[]),
            bad_tags_then_outage(
                "a registry that is away for three minutes, of slow attempts",
                every,
                super::LONGEST_ATTEMPT_INTERVAL,
                4200,
            )
            .fires(1560, &[])
            .fires(1620, &[])
            .fires(1680, &[])
            .fires(1740, &[]),
            bad_tags_then_outage("a registry that stays away for half an hour", every, 1800, 3000)
                .fires(fires - 15, &[])
                .fires(fires, outage)
                .fires(2990, outage)
                .fires(3000 + 2 * MINUTE + every, &[]),
        ]
    };
    let mut cases: Vec<Case> = SCRAPE_INTERVALS.into_iter().flat_map(of_every).collect();
    let until = |case: Case, change: &dyn Fn(Container) -> Container, during: std::ops::Range<Seconds>| {
        five_workloads(change)
            .iter()
            .zip(["node-1", "node-2"].iter().cycle())
            .fold(case, |case, (one, node)| case.fails(&one.clone().node(node), 0, during.clone()))
    };
    let case = |name: &str| Case::new(name).only_alert(OUTAGE);
    cases.extend([
        until(
            until(case("errors that change while it fires"), &|one| one, 0..900),
            &|one| one.cause("registry_error", "registry").cause_since(900),
            900..2000,
        )
        .fires(890, outage)
        .fires(1200, outage)
        .fires(1990, outage)
        .fires(2000 + 3 * MINUTE, &[]),
        until(
            until(case("errors that change before it fires"), &|one| one, 0..300),
            &|one| one.cause("registry_error", "registry").cause_since(300),
            300..2000,
        )
        .fires(300 + CAUSE_AGE_THRESHOLD, &[])
        .fires(315 + CAUSE_AGE_THRESHOLD, outage),
        until(
            until(case("an exporter that starts again while it fires"), &|one| one, 0..600),
            &|one| one.cause_since(690),
            690..2000,
        )
        .fires(660, outage)
        .fires(900, outage)
        .fires(1990, outage),
        // What fires is an outage of one registry of one cluster; another begins by itself.
        until(
            until(
                until(case("an outage beside others that begin"), &|one| one, 0..1500),
                &|one| Container { pod: format!("{}-hub", one.pod), ..one.registry("docker.io").cause_since(900) },
                900..1500,
            ),
            &|one| one.cluster("b").cause_since(900),
            900..1500,
        )
        .fires(1200, outage)
        .fires(
            900 + CAUSE_AGE_THRESHOLD + 15,
            &[outage[0], "ImagePullRegistryOutage docker.io", "ImagePullRegistryOutage reg.example in b"],
        ),
    ]);
    cases
}

/// The alert that keeps others inhibited.
fn inhibitor() -> Vec<Case> {
    let this: &[&str] = &["ImagePullRegistryOutageInhibitor reg.example"];
    let case = |name: &str| Case::new(name).only_alert("ImagePullRegistryOutageInhibitor");
    vec![
        outage_of(case("it lasts for 20 minutes after the outage"), &five_workloads(|one| one), &["node-1", "node-2"], 1500)
            .fires(7 * MINUTE, &[])
            .fires(7 * MINUTE + 15, this)
            .fires(25 * MINUTE, this)
            .fires(46 * MINUTE, this)
            .fires(47 * MINUTE + 15, &[]),
        outage_of(
            outage_of(
                case("an outage of each of two registries and clusters"),
                &five_workloads(|one| Container { pod: format!("{}-hub", one.pod), ..one.registry("docker.io").cluster("b") }),
                &["node-1", "node-2"],
                1500,
            ),
            &five_workloads(|one| one),
            &["node-1", "node-2"],
            1500,
        )
        .fires(10 * MINUTE, &[this[0], "ImagePullRegistryOutageInhibitor docker.io in b"]),
        // Other alerts about a registry are no outage of it.
        case("bad tags").fails(&Container::of_workload("web"), 0, 0..3000).fires(20 * MINUTE, &[]),
        outage_of(case("its text"), &five_workloads(|one| one.cluster("b")), &["node-1", "node-2"], 1500).fires_with_text(
            480,
            "ImagePullRegistryOutageInhibitor",
            "severity: none, cluster: b, registry: reg.example",
            &[
                ("summary", "Pulls from reg.example fail, or did within the last 20 minutes"),
                (
                    "description",
                    "This alert inhibits those of the workloads that wait for reg.example until they have recovered. Route it to a \
                     receiver that notifies nobody.",
                ),
                ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutageInhibitor.md"),
                ("dashboard_url", "https://grafana.example.com/d/image-pull-registry?var-cluster=b&var-registry=reg.example"),
            ],
        ),
    ]
}

/// Five workloads that have their name in common.
fn same_name_in_five_namespaces(case: Case, cause: &'static str, group: &'static str) -> Case {
    ["n1", "n2", "n3", "n4", "n5"].into_iter().zip(["node-1", "node-2"].iter().cycle()).fold(
        case,
        |case, (namespace, node)| {
            case.fails(&Container::of_workload("web").cause(cause, group).namespace(namespace).node(node), 0, 0..1500)
        },
    )
}

/// One of several workloads that differ in their kind.
fn of_kind(kind: &'static str, node: &str) -> Container {
    Container {
        pod: format!("web-{kind}"),
        ..Container::of_workload("web").cause("timeout", "network").kind(kind).node(node)
    }
}

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn cases() -> Vec<Case> {
    let all: Vec<String> = FIVE_WORKLOADS.iter().map(|workload| format!("ImagePullFailing shop/{workload}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let page_name = OUTAGE;
    let page = ["ImagePullRegistryOutage reg.example", "ImagePullRegistryOutageInhibitor reg.example"];
    let page = [&page, all.as_slice()].concat();
    let replicas = |case: Case| {
        (1..9).fold(case, |case, number| {
            let container =
                Container::of_workload("web").cause("connection_failed", "network").node(&format!("node-{number}"));
            case.fails(&Container { pod: format!("web-{number}"), ..container }, 0, 0..1500)
        })
    };
    let mut cases = vec![
        outage_with_text(
            outage(
                Case::new("a registry is down"),
                &FIVE_WORKLOADS,
                &["node-1", "node-2"],
                "connection_failed",
                "network",
            )
            .fires(7 * MINUTE, &[])
            .fires(7 * MINUTE + 15, &page[..2])
            .fires(16 * MINUTE, &page)
            .fires(26 * MINUTE, &page)
            .fires(27 * MINUTE + 15, &page[1..])
            .fires(34 * MINUTE, &page[1..])
            .fires(44 * MINUTE, &page[1..2])
            .fires(48 * MINUTE, &[]),
            "",
            "reg.example",
            "reg.example",
        ),
        outage_with_text(
            outage_of(
                Case::new("Docker Hub is down"),
                &five_workloads(|one| one.registry("docker.io")),
                &["node-1", "node-2"],
                1500,
            ),
            "",
            "docker.io",
            "registry-1.docker.io",
        ),
        outage_with_text(
            FIVE_WORKLOADS.iter().zip(["node-1", "node-2"].iter().cycle()).fold(
                outage_of(
                    Case::new("two exporters see it once"),
                    &five_workloads(|one| one),
                    &["node-1", "node-2"],
                    1500,
                ),
                |case, (workload, node)| {
                    // The other one has not read every cause.
                    let (cause, group) =
                        if *workload < "c" { ("connection_failed", "network") } else { ("unknown", "unknown") };
                    case.fails_reported_by(
                        "b",
                        &Container::of_workload(workload).cause(cause, group).node(node),
                        60,
                        60..1500,
                    )
                },
            ),
            "",
            "reg.example",
            "reg.example",
        ),
        outage_with_text(
            outage_of(
                outage_of(
                    Case::new("one of two clusters"),
                    &five_workloads(|one| one.cluster("x")),
                    &["node-1", "node-2"],
                    1500,
                ),
                &[Container::of_workload("z").cluster("y").cause("timeout", "network")],
                &["node-1"],
                1500,
            )
            .only_alert(page_name)
            .fires(8 * MINUTE, &["ImagePullRegistryOutage reg.example in x"]),
            "x",
            "reg.example",
            "reg.example",
        ),
        outage_of(
            outage_of(
                Case::new("two clusters are no outage of one"),
                &five_workloads(|one| one.cluster("x"))[..3],
                &["node-1", "node-2"],
                1500,
            ),
            &five_workloads(|one| one.cluster("y"))[3..],
            &["node-1", "node-2"],
            1500,
        )
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(
            outage_of(
                Case::new("one node, and another of another cluster"),
                &five_workloads(|one| one.cluster("x")),
                &["node-1"],
                1500,
            ),
            &five_workloads(|one| one.cluster("y"))[..2],
            &["node-1", "node-2"],
            1500,
        )
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(
            Case::new("four workloads and a debug container are no outage"),
            &five_workloads(|one| if one.workload == "e" { one.container_type("ephemeral") } else { one }),
            &["node-1", "node-2"],
            1500,
        )
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage_of(
            Case::new("one node, and a debug container on another"),
            &five_workloads(|one| one),
            &["node-1"],
            1500,
        )
        .fails(
            &Container::of_workload("f").cause("timeout", "network").container_type("ephemeral").node("node-2"),
            0,
            0..1500,
        )
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage(Case::new("one node with two causes is no outage"), &FIVE_WORKLOADS, &["node-1"], "timeout", "network")
            .fails(&Container::of_workload("f").cause("registry_error", "registry"), 0, 0..1500)
            .only_alert(page_name)
            .fires(10 * MINUTE, &[]),
        outage(
            Case::new("a registry has errors"),
            &FIVE_WORKLOADS,
            &["node-1", "node-2"],
            "registry_error",
            "registry",
        )
        .fires(7 * MINUTE + 15, &page[..2]),
        outage_of(Case::new("over before seven minutes"), &five_workloads(|one| one), &["node-1", "node-2"], 415)
            .fires(7 * MINUTE, &[])
            .fires(8 * MINUTE, &[])
            .fires(12 * MINUTE, &[]),
        outage(
            Case::new("two exporters do not make four workloads five"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .exporter("b", 0..7200)
        .fails_reported_by("b", &Container::of_workload("a").cause("timeout", "network").node("node-1"), 0, 0..1500)
        .fires(8 * MINUTE, &[])
        .fires(16 * MINUTE, &all[..4]),
        outage(
            Case::new("an outage through which the exporter restarts"),
            &FIVE_WORKLOADS,
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .scrape_gap(480..570)
        .fires(8 * MINUTE - 15, &page[..2])
        .fires(9 * MINUTE, &page[..2])
        .fires(11 * MINUTE, &page[..2]),
        outage(
            Case::new("four workloads are no outage"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fires(10 * MINUTE, &[]),
        outage(Case::new("one node is no outage"), &FIVE_WORKLOADS, &["node-1"], "timeout", "network")
            .fires(10 * MINUTE, &[]),
        outage(Case::new("bad tags are no outage"), &FIVE_WORKLOADS, &["node-1", "node-2"], "image_not_found", "image")
            .only_alert(page_name)
            .fires(10 * MINUTE, &[]),
        replicas(Case::new("many replicas of one workload are no outage")).fires(10 * MINUTE, &[]),
        outage(
            Case::new("different registries are no outage"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of_workload("e").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads and one with another cause"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of_workload("e"), 0, 0..1500)
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads and one over its limit"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(&Container::of_workload("e").cause("rate_limited", "registry"), 0, 0..1500)
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("four workloads, one of them with two causes"),
            &FIVE_WORKLOADS[..4],
            &["node-1", "node-2"],
            "timeout",
            "network",
        )
        .fails(
            &Container { container: "sidecar", ..Container::of_workload("a").cause("registry_error", "registry") },
            0,
            0..1500,
        )
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("one node, and other causes on the other"),
            &FIVE_WORKLOADS,
            &["node-1"],
            "timeout",
            "network",
        )
        .fails(&Container::of_workload("f").node("node-2"), 0, 0..1500)
        .fails(&Container::of_workload("g").node("node-2").cause("rate_limited", "registry"), 0, 0..1500)
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        outage(
            Case::new("one node, and another registry on the other"),
            &FIVE_WORKLOADS,
            &["node-1"],
            "timeout",
            "network",
        )
        .fails(&Container::of_workload("f").node("node-1").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
        .fails(&Container::of_workload("g").node("node-2").registry("ghcr.io").cause("timeout", "network"), 0, 0..1500)
        .only_alert(page_name)
        .fires(10 * MINUTE, &[]),
        same_name_in_five_namespaces(Case::new("workloads of one name in five namespaces"), "timeout", "network")
            .only_alert(page_name)
            .fires(10 * MINUTE, &["ImagePullRegistryOutage reg.example"]),
        Case::new("workloads of one name and five kinds")
            .fails(&of_kind("Deployment", "node-1"), 0, 0..1500)
            .fails(&of_kind("StatefulSet", "node-2"), 0, 0..1500)
            .fails(&of_kind("DaemonSet", "node-1"), 0, 0..1500)
            .fails(&of_kind("ReplicaSet", "node-2"), 0, 0..1500)
            .fails(&of_kind("Job", "node-1"), 0, 0..1500)
            .only_alert(page_name)
            .fires(10 * MINUTE, &["ImagePullRegistryOutage reg.example"]),
        outage_with_text_of_causes(
            outage_of(
                Case::new("an outage with two causes"),
                &five_workloads(|one| if one.workload == "e" { one.cause("timeout", "network") } else { one }),
                &["node-1", "node-2"],
                1500,
            ),
            "",
            "reg.example",
            "reg.example",
            "4 containers connection failed. 1 container timeout.",
        ),
        text_among_others(),
    ];
    cases.extend(changes_of_cause());
    cases.extend(inhibitor());
    cases
}
