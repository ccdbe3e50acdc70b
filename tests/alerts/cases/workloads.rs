//! The alerts about one workload: the same life for all, and what is special about each.

use super::{CAUSE_AGE_THRESHOLD, LONGEST_ATTEMPT_INTERVAL, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container};

/// Everything that holds of each alert about a workload: `longest` is for how long it looks on.
fn common_cases(alert: &'static str, container: &Container, longest: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let pod =
        |number: u32| Container { pod: format!("web-{number}"), node: format!("node-{number}"), ..container.clone() };
    let busy = container.clone().cause("pull_qps_exceeded", "node");
    // The others that fire by then are told in cases of their own.
    vec![
        case("fires in time, and not again for ten minutes after the end")
            .fails(container, 60, 60..longest + 120)
            .only_alert(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 60 + 10 * MINUTE, this)
            .fires(longest + 150 + 10 * MINUTE, &[]),
        case("a recovery or a deletion before is silence")
            .fails(container, 60, 60..longest + 50)
            .only_alert(alert)
            .fires(longest + 60, &[])
            .fires(longest + 120, &[]),
        case("two exporters, of which one came later and goes earlier, are one")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..longest + 900)
            .fails_reported_by("b", container, 75, 75..longest + 200)
            .only_alert(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 300, this),
        case("two clusters are two alerts")
            .fails(container, 60, 60..longest + 900)
            .fails(&container.clone().cluster("b"), 120, 120..longest + 900)
            .only_alert(alert)
            .fires(longest + 75, this)
            .fires(longest + 180, &[&about, &format!("{about} in b")]),
        case("many pods are one alert")
            .fails(container, 60, 60..longest + 900)
            .fails(&pod(2), 120, 120..longest + 900)
            .fails(&pod(3), 60, 60..longest + 900)
            .only_alert(alert)
            .fires(longest + 75, this),
        case("a busy kubelet alone is no news")
            .fails(&busy, 0, 0..longest + 900)
            .only_alert(alert)
            .fires(longest + 600, &[]),
    ]
}

/// What holds of the alerts that look at the age of the failure.
fn failure_age_cases(alert: &'static str, container: &Container, longest: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let busy = container.clone().cause("pull_qps_exceeded", "node");
    let mut cases = common_cases(alert, container, longest);
    cases.extend([
        case("a restart of the exporter, before and while it fires, changes nothing")
            .fails(container, 60, 60..longest - 100)
            .fails(&container.clone().cause_since(longest), 58, longest..longest + 150)
            .fails(&container.clone().cause_since(longest + 270), 58, longest + 270..longest + 900)
            .only_alert(alert)
            .fires(longest + 45, &[])
            .fires(longest + 75, this)
            .fires(longest + 200, this)
            .fires(longest + 600, this),
        case("what one exporter saw begin counts, not what another estimates")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..longest + 900)
            .fails_reported_by("b", &container.clone().with_estimated_start(), 0, 90..longest + 900)
            .only_alert(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this),
        case("of two estimates the older counts, whatever is known of another container")
            .exporter("b", 0..7200)
            .fails(&container.clone().with_estimated_start(), 60, 60..longest + 900)
            .fails_reported_by("b", &container.clone().with_estimated_start(), 120, 120..longest + 900)
            .fails(&Container { container: "other", ..busy }, 0, 60..longest + 900)
            .only_alert(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this),
    ]);
    // A cause that changes, whatever it changes to, sets nothing back.
    cases.extend(SCRAPE_INTERVALS.map(|every| {
        let other = container.clone().cause("dns_failure", "network");
        let fires = first_scrape_after(60 + longest, every);
        Case::with_changing_cause(alert, "its cause changes", every)
            .fails(container, 60, 60..longest - 120)
            .fails(&other.cause_since(longest - 120), 60, longest - 120..longest + 240)
            .fails(&container.clone().cause_since(longest + 240), 60, longest + 240..longest + 600)
            .fires(60 + longest, &[])
            .fires(fires, this)
            .fires(longest + 300, this)
            .fires(longest + 600, this)
    }));
    cases
}

/// What holds of the alerts that look at the age of the cause. `other` is what their containers may have beside it.
fn cause_age_cases(alert: &'static str, container: &Container) -> Vec<Case> {
    let longest = CAUSE_AGE_THRESHOLD;
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let mut cases = common_cases(alert, container, longest);
    cases.extend([
        case("a restart of the exporter while it fires changes nothing, and one before lets the cause begin anew")
            .fails(container, 60, 60..300)
            .fails(&container.clone().cause_since(360), 58, 360..1200)
            .fails(&container.clone().cause_since(1320), 58, 1320..2400)
            .only_alert(alert)
            .fires(360 + longest, &[])
            .fires(375 + longest, this)
            .fires(1260, this)
            .fires(1320 + longest, this)
            .fires(2400, this),
        case("of two starts of a cause the earlier one counts")
            .exporter("b", 0..7200)
            .fails(&container.clone().cause_since(600), 60, 60..1800)
            .fails_reported_by("b", &container.clone().cause_since(900), 60, 900..1800)
            .only_alert(alert)
            .fires(600 + longest, &[])
            .fires(615 + longest, this),
        case("the age of another cause, which another exporter has read, is not that of this one")
            .exporter("b", 0..7200)
            .fails(&container.clone().cause_since(600), 60, 60..1800)
            .fails_reported_by("b", &container.clone().cause("unknown", "unknown").cause_since(60), 60, 60..1800)
            .only_alert(alert)
            .fires(600 + longest, &[])
            .fires(615 + longest, this),
    ]);
    cases.extend(SCRAPE_INTERVALS.into_iter().flat_map(|every| {
        let other = container.clone().cause("dns_failure", "network");
        let fires = first_scrape_after(1200 + longest, every);
        [
            Case::with_changing_cause(alert, "another cause gives way to this one", every)
                .fails(&other, 0, 0..1200)
                .fails(&container.clone().cause_since(1200), 0, 1200..2400)
                .fires(1200, &[])
                .fires(fires - 15, &[])
                .fires(fires, this)
                .fires(2400, this),
            Case::with_changing_cause(alert, "this cause gives way to another", every)
                .fails(container, 0, 0..1200)
                .fails(&other.clone().cause_since(1200), 0, 1200..3000)
                .fires(1170, this)
                .fires(1200 + 9 * MINUTE, this)
                .fires(1200 + 12 * MINUTE, &[])
                .fires(2990, &[]),
            // One attempt shows until the next, which may take 371 s.
            Case::with_changing_cause(alert, "this cause is that of one attempt", every)
                .fails(&other, 0, 0..1200)
                .fails(&container.clone().cause_since(1200), 0, 1200..1200 + LONGEST_ATTEMPT_INTERVAL)
                .fails(&other, 0, 1200 + LONGEST_ATTEMPT_INTERVAL..3000)
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + every, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + 2 * every, &[])
                .fires(2400, &[]),
            // The exporter tells a cause that returns from one that begins.
            Case::with_changing_cause(alert, "another cause is that of one attempt", every)
                .fails(container, 0, 0..1200)
                .fails(&other.cause_since(1200), 0, 1200..1200 + LONGEST_ATTEMPT_INTERVAL)
                .fails(container, 0, 1200 + LONGEST_ATTEMPT_INTERVAL..3000)
                .fires(1200, this)
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL, this)
                .fires(2990, this),
        ]
    }));
    cases
}

pub fn cases() -> Vec<Case> {
    let web = Container::of_workload("web");
    let odd = web.clone().cause("unknown", "unknown");
    let all = [
        failure_age_cases("ImagePullFailing", &odd, 15 * MINUTE),
        cause_age_cases("ImagePullNeedsChange", &web),
        cause_age_cases("ImagePullCredentials", &web.clone().cause("unauthorized", "credentials")),
        cause_age_cases("ImagePullRateLimited", &web.clone().cause("rate_limited", "registry")),
        failure_age_cases("ImagePullJobCannotStart", &odd.clone().kind("CronJob"), 10 * MINUTE),
        failure_age_cases("ImagePullRolloutBlocked", &odd, 60 * MINUTE),
        failure_age_cases("ImagePullDebugContainer", &odd.clone().container_type("ephemeral"), 5 * MINUTE),
        vec![
            Case::new("a pod of its own rolls nothing out")
                .fails(&odd.clone().kind("Pod"), 0, 0..4000)
                .fires(61 * MINUTE, &["ImagePullFailing shop/web"]),
            Case::new("a Job is told as a Job, and only so")
                .fails(&web.clone().kind("Job"), 0, 0..4000)
                .fails(&Container::of_workload("db").cause("unauthorized", "credentials").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of_workload("log").kind("TaskRun"), 0, 0..4000)
                .fails(&Container::of_workload("tax").cause("unauthorized", "credentials").kind("Job"), 0, 0..4000)
                .fires(
                    61 * MINUTE,
                    &["web", "db", "log", "tax"]
                        .map(|job| format!("ImagePullJobCannotStart shop/{job}"))
                        .each_ref()
                        .map(String::as_str),
                ),
            Case::new("a limit is told of whatever waits for it, save a debug container")
                .fails(&web.clone().cause("rate_limited", "registry"), 0, 0..4000)
                .fails(&Container::of_workload("db").cause("rate_limited", "registry").kind("Job"), 0, 0..4000)
                .fails(
                    &Container::of_workload("log").cause("rate_limited", "registry").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .only_alert("ImagePullRateLimited")
                .fires(10 * MINUTE, &["ImagePullRateLimited shop/web", "ImagePullRateLimited shop/db"]),
            Case::new("the same container in two clusters, of which one says more")
                .fails(&web.clone().cluster("a"), 60, 60..2000)
                .fails(&odd.clone().cluster("b").with_estimated_start(), 120, 120..2000)
                .only_alert("ImagePullFailing")
                .fires(18 * MINUTE, &["ImagePullFailing shop/web in a", "ImagePullFailing shop/web in b"]),
            Case::new("a debug container is told at the lowest severity, and only so")
                .fails(&web.clone().container_type("ephemeral"), 0, 0..4000)
                .fails(
                    &Container::of_workload("db").cause("unauthorized", "credentials").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .fails(&Container::of_workload("import").kind("Job").container_type("ephemeral"), 0, 0..4000)
                .fires(
                    61 * MINUTE,
                    &[
                        "ImagePullDebugContainer shop/web",
                        "ImagePullDebugContainer shop/db",
                        "ImagePullDebugContainer shop/import",
                    ],
                ),
            Case::new("whatever rolls out can be blocked")
                .fails(&odd.clone(), 0, 0..4000)
                .fails(&Container::of_workload("db").cause("unknown", "unknown").kind("StatefulSet"), 0, 0..4000)
                .fails(&Container::of_workload("agent").cause("unknown", "unknown").kind("DaemonSet"), 0, 0..4000)
                .only_alert("ImagePullRolloutBlocked")
                .fires(
                    61 * MINUTE,
                    &[
                        "ImagePullRolloutBlocked shop/web",
                        "ImagePullRolloutBlocked shop/db",
                        "ImagePullRolloutBlocked shop/agent",
                    ],
                ),
            Case::new("two containers of a pod, of which one came later")
                .fails(&odd, 60, 60..2000)
                .fails(&Container { container: "sidecar", ..odd.clone() }, 600, 600..2000)
                .fires(16 * MINUTE + 15, &["ImagePullFailing shop/web"]),
            Case::new("a busy kubelet, which one of two exporters does not recognize")
                .exporter("b", 0..7200)
                .fails(&odd.clone().cause("pull_qps_exceeded", "node"), 0, 0..2000)
                .fails_reported_by("b", &odd, 0, 0..2000)
                .only_alert("ImagePullFailing")
                .fires(20 * MINUTE, &[]),
            Case::new("what the kubelet was too busy for in between stays told")
                .fails(&odd, 0, 0..1000)
                .fails(&odd.clone().cause("pull_qps_exceeded", "node"), 0, 1000..1300)
                .fails(&odd, 0, 1300..2000)
                .fires(16 * MINUTE, &["ImagePullFailing shop/web"])
                .fires(20 * MINUTE, &["ImagePullFailing shop/web"])
                .fires(30 * MINUTE, &["ImagePullFailing shop/web"]),
        ],
    ];
    all.into_iter().flatten().collect()
}
