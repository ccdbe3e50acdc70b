//! The alerts about one workload: cases that all of them share, and cases of single alerts.

use super::{CAUSE_AGE_THRESHOLD, LONGEST_ATTEMPT_INTERVAL, MINUTE, SCRAPE_INTERVALS, first_scrape_after};
use crate::timeline::{Case, Container};

/// The cases of every alert about a workload. The alert fires above the age `threshold`.
fn common_cases(alert: &'static str, container: &Container, threshold: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let pod =
        |number: u32| Container { pod: format!("web-{number}"), node: format!("node-{number}"), ..container.clone() };
    let busy = container.clone().cause("pull_qps_exceeded", "node");
    // `only_alert`: other alerts that fire by then have their own cases.
    vec![
        case("fires at its threshold, until ten minutes after the end of the failure")
            .fails(container, 60, 60..threshold + 120)
            .only_alert(alert)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 60 + 10 * MINUTE, this)
            .fires(threshold + 150 + 10 * MINUTE, &[]),
        case("does not fire for a container that recovers or is deleted before")
            .fails(container, 60, 60..threshold + 50)
            .only_alert(alert)
            .fires(threshold + 60, &[])
            .fires(threshold + 120, &[]),
        case("fires once for two exporters with different uptimes")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..threshold + 900)
            .fails_reported_by("b", container, 75, 75..threshold + 200)
            .only_alert(alert)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 300, this),
        case("fires once per cluster")
            .fails(container, 60, 60..threshold + 900)
            .fails(&container.clone().cluster("b"), 120, 120..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 75, this)
            .fires(threshold + 180, &[&about, &format!("{about} in b")]),
        case("fires once for many pods")
            .fails(container, 60, 60..threshold + 900)
            .fails(&pod(2), 120, 120..threshold + 900)
            .fails(&pod(3), 60, 60..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 75, this),
        case("does not fire for the sandbox image of the node")
            .fails(&container.clone().container_type("sandbox"), 0, 0..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 600, &[]),
        case("does not fire for pull_qps_exceeded")
            .fails(&busy, 0, 0..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 600, &[]),
    ]
}

/// The cases of alerts about the age of the failure.
fn failure_age_cases(alert: &'static str, container: &Container, threshold: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let busy = container.clone().cause("pull_qps_exceeded", "node");
    let mut cases = common_cases(alert, container, threshold);
    cases.extend([
        case("is not affected by restarts of the exporter")
            .fails(container, 60, 60..threshold - 100)
            .fails(&container.clone().cause_since(threshold), 58, threshold..threshold + 150)
            .fails(&container.clone().cause_since(threshold + 270), 58, threshold + 270..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 45, &[])
            .fires(threshold + 75, this)
            .fires(threshold + 200, this)
            .fires(threshold + 600, this),
        case("uses an observed start, not the estimate of another exporter")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..threshold + 900)
            .fails_reported_by("b", &container.clone().with_estimated_start(), 0, 90..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this),
        case("uses the earlier of two estimates, regardless of another container")
            .exporter("b", 0..7200)
            .fails(&container.clone().with_estimated_start(), 60, 60..threshold + 900)
            .fails_reported_by("b", &container.clone().with_estimated_start(), 120, 120..threshold + 900)
            .fails(&Container { container: "other", ..busy }, 0, 60..threshold + 900)
            .only_alert(alert)
            .fires(threshold + 60, &[])
            .fires(threshold + 75, this),
    ]);
    // A change of the cause does not reset the age of the failure.
    cases.extend(SCRAPE_INTERVALS.map(|scrape_interval| {
        let other = container.clone().cause("dns_failure", "network");
        let fires = first_scrape_after(60 + threshold, scrape_interval);
        Case::with_changing_cause(alert, "its cause changes", scrape_interval)
            .fails(container, 60, 60..threshold - 120)
            .fails(&other.cause_since(threshold - 120), 60, threshold - 120..threshold + 240)
            .fails(&container.clone().cause_since(threshold + 240), 60, threshold + 240..threshold + 600)
            .fires(60 + threshold, &[])
            .fires(fires, this)
            .fires(threshold + 300, this)
            .fires(threshold + 600, this)
    }));
    cases
}

/// The cases of alerts about the age of the cause.
fn cause_age_cases(alert: &'static str, container: &Container) -> Vec<Case> {
    let threshold = CAUSE_AGE_THRESHOLD;
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let mut cases = common_cases(alert, container, threshold);
    cases.extend([
        case("continues through a restart of the exporter; a restart before it fires resets the age of the cause")
            .fails(container, 60, 60..300)
            .fails(&container.clone().cause_since(360), 58, 360..1200)
            .fails(&container.clone().cause_since(1320), 58, 1320..2400)
            .only_alert(alert)
            .fires(360 + threshold, &[])
            .fires(375 + threshold, this)
            .fires(1260, this)
            .fires(1320 + threshold, this)
            .fires(2400, this),
        case("uses the earlier of two starts of a cause")
            .exporter("b", 0..7200)
            .fails(&container.clone().cause_since(600), 60, 60..1800)
            .fails_reported_by("b", &container.clone().cause_since(900), 60, 900..1800)
            .only_alert(alert)
            .fires(600 + threshold, &[])
            .fires(615 + threshold, this),
        case("does not use the age of another cause that another exporter exposes")
            .exporter("b", 0..7200)
            .fails(&container.clone().cause_since(600), 60, 60..1800)
            .fails_reported_by("b", &container.clone().cause("unknown", "unknown").cause_since(60), 60, 60..1800)
            .only_alert(alert)
            .fires(600 + threshold, &[])
            .fires(615 + threshold, this),
    ]);
    cases.extend(SCRAPE_INTERVALS.into_iter().flat_map(|scrape_interval| {
        let other = container.clone().cause("dns_failure", "network");
        let fires = first_scrape_after(1200 + threshold, scrape_interval);
        [
            Case::with_changing_cause(alert, "another cause changes to this one", scrape_interval)
                .fails(&other, 0, 0..1200)
                .fails(&container.clone().cause_since(1200), 0, 1200..2400)
                .fires(1200, &[])
                .fires(fires - 15, &[])
                .fires(fires, this)
                .fires(2400, this),
            Case::with_changing_cause(alert, "this cause changes to another", scrape_interval)
                .fails(container, 0, 0..1200)
                .fails(&other.clone().cause_since(1200), 0, 1200..3000)
                .fires(1170, this)
                .fires(1200 + 9 * MINUTE, this)
                .fires(1200 + 12 * MINUTE, &[])
                .fires(2990, &[]),
            // The status shows the result of one attempt until the next one.
            Case::with_changing_cause(alert, "this cause is the result of one attempt", scrape_interval)
                .fails(&other, 0, 0..1200)
                .fails(&container.clone().cause_since(1200), 0, 1200..1200 + LONGEST_ATTEMPT_INTERVAL)
                .fails(&other, 0, 1200 + LONGEST_ATTEMPT_INTERVAL..3000)
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + scrape_interval, &[])
                .fires(1200 + LONGEST_ATTEMPT_INTERVAL + 2 * scrape_interval, &[])
                .fires(2400, &[]),
            // When the cause returns, the exporter exposes its first start.
            Case::with_changing_cause(alert, "another cause is the result of one attempt", scrape_interval)
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

#[expect(clippy::too_many_lines, reason = "a list of cases")]
pub fn cases() -> Vec<Case> {
    let web = Container::of_workload("web");
    let odd = web.clone().cause("unknown", "unknown");
    let all = [
        failure_age_cases("ImagePullFailing", &odd, 15 * MINUTE),
        cause_age_cases("ImagePullNeedsChange", &web),
        cause_age_cases("ImagePullCredentials", &web.clone().cause("unauthorized", "credentials")),
        cause_age_cases("ImagePullSecretMissing", &web.clone().cause("pull_secret_missing", "credentials")),
        cause_age_cases("ImagePullRateLimited", &web.clone().cause("rate_limited", "registry")),
        failure_age_cases("ImagePullJobCannotStart", &odd.clone().kind("CronJob"), 10 * MINUTE),
        failure_age_cases("ImagePullRolloutBlocked", &odd, 60 * MINUTE),
        failure_age_cases("ImagePullDebugContainer", &odd.clone().container_type("ephemeral"), 5 * MINUTE),
        vec![
            // Nothing shows that the container has recovered.
            Case::new("a container whose status becomes stale")
                .fails(&web, 0, 0..4000)
                .stale(&web, 0, 900..4000)
                .fires(
                    61 * MINUTE,
                    &["ImagePullNeedsChange shop/web", "ImagePullFailing shop/web", "ImagePullRolloutBlocked shop/web"],
                ),
            Case::new("a missing pull secret has its own alert")
                .fails(&web.clone().cause("pull_secret_missing", "credentials"), 0, 0..1000)
                .fails(&Container::of_workload("db").cause("unauthorized", "credentials"), 0, 0..1000)
                .fires(10 * MINUTE, &["ImagePullSecretMissing shop/web", "ImagePullCredentials shop/db"]),
            Case::new("a pod without a controller")
                .fails(&odd.clone().kind("Pod"), 0, 0..4000)
                .fires(61 * MINUTE, &["ImagePullFailing shop/web"]),
            Case::new("Jobs have their own alert")
                .fails(&web.clone().kind("Job"), 0, 0..4000)
                .fails(&Container::of_workload("db").cause("unauthorized", "credentials").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of_workload("log").kind("TaskRun"), 0, 0..4000)
                .fails(&Container::of_workload("tax").cause("unauthorized", "credentials").kind("Job"), 0, 0..4000)
                .fails(
                    &Container::of_workload("pay").cause("pull_secret_missing", "credentials").kind("Job"),
                    0,
                    0..4000,
                )
                .fires(
                    61 * MINUTE,
                    &["web", "db", "log", "tax", "pay"]
                        .map(|job| format!("ImagePullJobCannotStart shop/{job}"))
                        .each_ref()
                        .map(String::as_str),
                ),
            Case::new("a rate limit of any workload, but not of a debug container")
                .fails(&web.clone().cause("rate_limited", "registry"), 0, 0..4000)
                .fails(&Container::of_workload("db").cause("rate_limited", "registry").kind("Job"), 0, 0..4000)
                .fails(
                    &Container::of_workload("log").cause("rate_limited", "registry").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .only_alert("ImagePullRateLimited")
                .fires(10 * MINUTE, &["ImagePullRateLimited shop/web", "ImagePullRateLimited shop/db"]),
            Case::new("the same container in two clusters, of which one has a known cause and an observed start")
                .fails(&web.clone().cluster("a"), 60, 60..2000)
                .fails(&odd.clone().cluster("b").with_estimated_start(), 120, 120..2000)
                .only_alert("ImagePullFailing")
                .fires(18 * MINUTE, &["ImagePullFailing shop/web in a", "ImagePullFailing shop/web in b"]),
            Case::new("debug containers have their own alert")
                .fails(&web.clone().container_type("ephemeral"), 0, 0..4000)
                .fails(
                    &Container::of_workload("db").cause("unauthorized", "credentials").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .fails(&Container::of_workload("import").kind("Job").container_type("ephemeral"), 0, 0..4000)
                .fails(
                    &Container::of_workload("pay")
                        .cause("pull_secret_missing", "credentials")
                        .container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .fires(
                    61 * MINUTE,
                    &[
                        "ImagePullDebugContainer shop/pay",
                        "ImagePullDebugContainer shop/web",
                        "ImagePullDebugContainer shop/db",
                        "ImagePullDebugContainer shop/import",
                    ],
                ),
            Case::new("rollouts of every kind of workload")
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
            Case::new("two containers of a pod, of which one starts later")
                .fails(&odd, 60, 60..2000)
                .fails(&Container { container: "sidecar", ..odd.clone() }, 600, 600..2000)
                .fires(16 * MINUTE + 15, &["ImagePullFailing shop/web"]),
            Case::new("pull_qps_exceeded, which one of two exporters does not recognize")
                .exporter("b", 0..7200)
                .fails(&odd.clone().cause("pull_qps_exceeded", "node"), 0, 0..2000)
                .fails_reported_by("b", &odd, 0, 0..2000)
                .only_alert("ImagePullFailing")
                .fires(20 * MINUTE, &[]),
            Case::new("pull_qps_exceeded in between")
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
