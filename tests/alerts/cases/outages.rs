//! ImagePullRegistryOutage and its inhibitor over time: causes that change, stale statuses, and the text among other failures.

use super::registries::{END, FIVE_WORKLOADS, OUTAGE, TWO_NODES, five_workloads, outage, outage_text};
use super::{CAUSE_AGE_THRESHOLD, LONGEST_ATTEMPT_INTERVAL, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container, Seconds};

const FIRES: &[&str] = &["ImagePullRegistryOutage reg.example"];

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SCRAPE_INTERVALS.into_iter().flat_map(causes_of_single_attempts).collect();
    cases.extend(changes_while_it_fires());
    cases.extend(stale_statuses());
    cases.extend(inhibitor());
    cases.push(text_among_others());
    cases
}

/// Ten workloads that have had wrong tags for 20 minutes. One after the other then has a connection error for the time `each`, at the
/// latest until `until`.
fn wrong_tags_then_outage(what: &str, scrape_interval: Seconds, each: Seconds, until: Seconds) -> Case {
    (0..10).fold(Case::with_changing_cause(OUTAGE, what, scrape_interval), |case, number: Seconds| {
        let wrong_tag = Container::of_workload(&format!("web-{number}")).node(&format!("node-{}", number % 3));
        let from = 1200 + 18 * number;
        let to = (from + each).min(until);
        let refused = wrong_tag.clone().cause("connection_failed", "network").cause_since(from);
        case.fails(&wrong_tag, number, number..from).fails(&refused, number, from..to).fails(
            &wrong_tag,
            number,
            to..4200,
        )
    })
}

fn causes_of_single_attempts(scrape_interval: Seconds) -> [Case; 3] {
    // The cause of the fifth workload is older than the threshold.
    let fires = first_scrape_after(1200 + 18 * 4 + CAUSE_AGE_THRESHOLD, scrape_interval);
    [
        wrong_tags_then_outage("a registry is down for three minutes", scrape_interval, 311, 4200)
            .fires(1301, &[])
            .fires(1500, &[])
            .fires(1740, &[])
            .fires(1830, &[])
            .fires(2400, &[]),
        wrong_tags_then_outage(
            "a registry is down for three minutes, with slow attempts",
            scrape_interval,
            LONGEST_ATTEMPT_INTERVAL,
            4200,
        )
        .fires(1560, &[])
        .fires(1620, &[])
        .fires(1680, &[])
        .fires(1740, &[]),
        wrong_tags_then_outage("a registry is down for half an hour", scrape_interval, 1800, 3000)
            .fires(fires - 15, &[])
            .fires(fires, FIRES)
            .fires(2990, FIRES)
            .fires(3000 + 2 * MINUTE + scrape_interval, &[]),
    ]
}

/// Adds five workloads on two nodes that fail during that time, since the start of the case.
fn five_fail(case: Case, change: impl Fn(Container) -> Container, during: &std::ops::Range<Seconds>) -> Case {
    five_workloads(change)
        .into_iter()
        .zip(TWO_NODES.iter().cycle())
        .fold(case, |case, (one, node)| case.fails(&one.node(node), 0, during.clone()))
}

fn changes_while_it_fires() -> [Case; 4] {
    let case = |name: &str| Case::new(name).only_alert(OUTAGE);
    let unchanged = |one: Container| one;
    [
        five_fail(
            five_fail(case("causes change while it fires"), unchanged, &(0..900)),
            |one| one.cause("registry_error", "registry").cause_since(900),
            &(900..2000),
        )
        .fires(890, FIRES)
        .fires(1200, FIRES)
        .fires(1990, FIRES)
        .fires(2000 + 3 * MINUTE, &[]),
        five_fail(
            five_fail(case("causes change before it fires"), unchanged, &(0..300)),
            |one| one.cause("registry_error", "registry").cause_since(300),
            &(300..2000),
        )
        .fires(300 + CAUSE_AGE_THRESHOLD, &[])
        .fires(315 + CAUSE_AGE_THRESHOLD, FIRES),
        five_fail(
            five_fail(case("the exporter restarts while it fires"), unchanged, &(0..600)),
            |one| one.cause_since(690),
            &(690..2000),
        )
        .fires(660, FIRES)
        .fires(900, FIRES)
        .fires(1990, FIRES),
        // A firing alert shortens the threshold for its own registry and cluster only.
        five_fail(
            five_fail(
                five_fail(case("outages of another registry and of another cluster start"), unchanged, &(0..1500)),
                |one| Container { pod: format!("{}-hub", one.pod), ..one.registry("docker.io").cause_since(900) },
                &(900..1500),
            ),
            |one| one.cluster("b").cause_since(900),
            &(900..1500),
        )
        .fires(1200, FIRES)
        .fires(
            900 + CAUSE_AGE_THRESHOLD + 15,
            &[FIRES[0], "ImagePullRegistryOutage docker.io", "ImagePullRegistryOutage reg.example in b"],
        ),
    ]
}

/// A container whose status is stale, because its kubelet may be down, proves nothing about a registry.
fn stale_statuses() -> [Case; 4] {
    let five = five_workloads(|one| one);
    let e = Container { node: "node-1".to_owned(), ..five[4].clone() };
    let case = |name: &str| outage(Case::new(name).only_alert(OUTAGE), &five, &TWO_NODES);
    [
        case("the status of one of five workloads is stale").stale(&e, 0, 0..END).fires(10 * MINUTE, &[]),
        case("a status becomes stale while it fires")
            .stale(&e, 0, 900..END)
            .fires(14 * MINUTE, FIRES)
            .fires(19 * MINUTE, &[]),
        case("the status of another container is stale")
            .stale(&Container { container: "sidecar", ..e.clone() }, 0, 0..END)
            .fires(10 * MINUTE, FIRES),
        case("the status of the same container of another cluster is stale")
            .stale(&e.cluster("b"), 0, 0..END)
            .fires(10 * MINUTE, FIRES),
    ]
}

fn inhibitor() -> [Case; 4] {
    let fires: &[&str] = &["ImagePullRegistryOutageInhibitor reg.example"];
    let case = |name: &str| Case::new(name).only_alert("ImagePullRegistryOutageInhibitor");
    let five = five_workloads(|one| one);
    [
        outage(case("the inhibitor fires until 20 minutes after the outage"), &five, &TWO_NODES)
            .fires(7 * MINUTE, &[])
            .fires(7 * MINUTE + 15, fires)
            .fires(25 * MINUTE, fires)
            .fires(46 * MINUTE, fires)
            .fires(47 * MINUTE + 15, &[]),
        outage(
            outage(
                case("inhibitors of two registries in two clusters"),
                &five_workloads(|one| Container {
                    pod: format!("{}-hub", one.pod),
                    ..one.registry("docker.io").cluster("b")
                }),
                &TWO_NODES,
            ),
            &five,
            &TWO_NODES,
        )
        .fires(10 * MINUTE, &[fires[0], "ImagePullRegistryOutageInhibitor docker.io in b"]),
        case("the inhibitor and wrong tags").fails(&Container::of_workload("web"), 0, 0..3000).fires(20 * MINUTE, &[]),
        outage(case("the text of the inhibitor"), &five_workloads(|one| one.cluster("b")), &TWO_NODES).fires_with_text(
            480,
            "ImagePullRegistryOutageInhibitor",
            "severity: none, cluster: b, registry: reg.example",
            &[
                ("summary", "Outage of reg.example, now or within the last 20 minutes"),
                (
                    "description",
                    "Inhibits the alerts of the workloads that pull from reg.example until these have recovered. Route this alert to a \
                     receiver without integrations.",
                ),
                ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullRegistryOutageInhibitor.md"),
                (
                    "dashboard_url",
                    "https://grafana.example.com/d/image-pull-registry?var-cluster=b&var-registry=reg.example",
                ),
            ],
        ),
    ]
}

/// The text of an outage with four causes, among older failures that its queries exclude. It names the three most frequent causes.
fn text_among_others() -> Case {
    let one = |name: &str, cause: &'static str, group: &'static str| {
        Container::of_workload(name).cause(cause, group).node("node-3")
    };
    let pod = |name: &str, pod: &str, cause: &'static str, group: &'static str| Container {
        pod: pod.to_owned(),
        ..one(name, cause, group)
    };
    let stale = pod("a", "a-stale", "dns_failure", "network");
    let mut excluded = vec![
        one("debug", "timeout", "network").container_type("ephemeral"),
        one("other", "timeout", "network").registry("ghcr.io"),
        one("far", "timeout", "network").cluster("b"),
        stale.clone(),
        Container { container: "sidecar", ..stale.clone() },
    ];
    // More of each than of any cause of the outage.
    for number in 0..6 {
        excluded.push(pod("tag", &format!("tag-{number}"), "image_not_found", "image"));
        excluded.push(pod("limit", &format!("limit-{number}"), "rate_limited", "registry"));
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
    let fails_since = |case: Case, one: &Container, cause_since: Seconds| {
        case.fails(&one.clone().cause_since(cause_since + 100), 20, 20..END)
    };
    let case = Case::new("the text of an outage among other failures");
    let case = excluded.iter().fold(case, |case, one| case.fails(one, 0, 0..END));
    let case = case.stale(&stale, 0, 0..END).stale(&Container { container: "sidecar", ..stale.clone() }, 0, 0..END);
    let five = FIVE_WORKLOADS.iter().zip(TWO_NODES.iter().cycle()).zip(0..);
    let case = five.fold(case, |case, ((workload, node), since)| {
        fails_since(case, &one(workload, "connection_failed", "network").node(node), since)
    });
    let case = more.iter().fold(case, |case, one| fails_since(case, one, 50));
    outage_text(
        case,
        600,
        "severity: critical, registry: reg.example",
        "connection failed in 5 containers. timeout in 4 containers. registry error in 2 containers.",
        [("a", "8m 20s"), ("b", "8m 19s"), ("c", "8m 18s")],
        ["reg.example", "reg.example", ""],
    )
}
