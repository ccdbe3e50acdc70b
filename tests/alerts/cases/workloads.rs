//! The alerts about one workload: the same life for all, and what is special about each.

use super::MINUTE;
use crate::timeline::{Case, Container};

/// Everything that holds of each alert about a workload: `longest` is for how long it looks on.
fn lifecycle(alert: &'static str, container: &Container, other_cause: &'static str, longest: u32) -> Vec<Case> {
    let about = format!("{alert} shop/web");
    let this: &[&str] = &[&about];
    let case = |name: &str| Case::new(&format!("{alert}: {name}"));
    let changed = Container { cause: other_cause, ..container.clone() };
    let pod =
        |number: u32| Container { pod: format!("web-{number}"), node: format!("node-{number}"), ..container.clone() };
    let busy = Container { cause: "pull_qps_exceeded", cause_group: "node", ..container.clone() };
    // The others that fire by then are told in cases of their own.
    vec![
        case("fires in time, and not again for ten minutes after the end")
            .fails(container, 60, 60..longest + 120)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 60 + 10 * MINUTE, this)
            .fires(longest + 150 + 10 * MINUTE, &[]),
        case("a recovery or a deletion before is silence")
            .fails(container, 60, 60..longest + 50)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 120, &[]),
        case("a restart of the exporter, before and while it fires, changes nothing")
            .fails(container, 60, 60..longest - 100)
            .fails(container, 58, longest..longest + 150)
            .fails(container, 58, longest + 270..longest + 900)
            .only(alert)
            .fires(longest + 45, &[])
            .fires(longest + 75, this)
            .fires(longest + 200, this)
            .fires(longest + 600, this),
        case("a cause that changes, before and while it fires, changes nothing")
            .fails(container, 0, 0..longest - 60)
            .fails(&changed, 0, longest - 60..longest + 60)
            .fails(container, 0, longest + 60..longest + 300)
            .only(alert)
            .fires(longest, &[])
            .fires(longest + 15, this)
            .fires(longest + 75, this)
            .fires(longest + 200, this),
        case("two exporters, of which one came later and goes earlier, are one")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..longest + 900)
            .fails_at("b", container, 75, 75..longest + 200)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this)
            .fires(longest + 300, this),
        case("two clusters are two alerts")
            .fails(container, 60, 60..longest + 900)
            .fails(&container.clone().cluster("b"), 120, 120..longest + 900)
            .only(alert)
            .fires(longest + 75, this)
            .fires(longest + 180, &[&about, &format!("{about} in b")]),
        case("what one exporter saw begin counts, not what another estimates")
            .exporter("b", 0..7200)
            .fails(container, 60, 60..longest + 900)
            .fails_at("b", &container.clone().estimated(), 0, 90..longest + 900)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this),
        case("of two estimates the older counts, whatever is known of another container")
            .exporter("b", 0..7200)
            .fails(&container.clone().estimated(), 60, 60..longest + 900)
            .fails_at("b", &container.clone().estimated(), 120, 120..longest + 900)
            .fails(&Container { container: "other", ..busy.clone() }, 0, 60..longest + 900)
            .only(alert)
            .fires(longest + 60, &[])
            .fires(longest + 75, this),
        case("many pods are one alert")
            .fails(container, 60, 60..longest + 900)
            .fails(&pod(2), 120, 120..longest + 900)
            .fails(&pod(3), 60, 60..longest + 900)
            .only(alert)
            .fires(longest + 75, this),
        case("a busy kubelet alone is no news").fails(&busy, 0, 0..longest + 900).only(alert).fires(longest + 600, &[]),
    ]
}

pub fn workloads() -> Vec<Case> {
    let web = Container::of("web");
    let odd = web.clone().cause("unknown", "unknown");
    let all = [
        lifecycle("ImagePullFailing", &odd, "timeout", 15 * MINUTE),
        lifecycle("ImagePullNeedsChange", &web, "unsupported_manifest", 5 * MINUTE),
        lifecycle("ImagePullCredentials", &web.clone().cause("unauthorized", "credentials"), "forbidden", 5 * MINUTE),
        lifecycle("ImagePullRateLimited", &web.clone().cause("rate_limited", "registry"), "rate_limited", 5 * MINUTE),
        lifecycle("ImagePullJobCannotStart", &odd.clone().kind("CronJob"), "timeout", 5 * MINUTE),
        lifecycle("ImagePullRolloutBlocked", &odd, "timeout", 60 * MINUTE),
        lifecycle("ImagePullDebugContainer", &odd.clone().container_type("ephemeral"), "timeout", 5 * MINUTE),
        causes(),
        vec![
            Case::new("a pod of its own rolls nothing out")
                .fails(&odd.clone().kind("Pod"), 0, 0..4000)
                .fires(61 * MINUTE, &["ImagePullFailing shop/web"]),
            Case::new("a Job is told as a Job, and only so")
                .fails(&web.clone().kind("Job"), 0, 0..4000)
                .fails(&Container::of("db").cause("unauthorized", "credentials").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of("log").kind("CronJob"), 0, 0..4000)
                .fails(&Container::of("tax").cause("unauthorized", "credentials").kind("Job"), 0, 0..4000)
                .fires(
                    61 * MINUTE,
                    &["web", "db", "log", "tax"]
                        .map(|job| format!("ImagePullJobCannotStart shop/{job}"))
                        .each_ref()
                        .map(String::as_str),
                ),
            Case::new("a limit is told of whatever waits for it, save a debug container")
                .fails(&web.clone().cause("rate_limited", "registry"), 0, 0..4000)
                .fails(&Container::of("db").cause("rate_limited", "registry").kind("Job"), 0, 0..4000)
                .fails(&Container::of("log").cause("rate_limited", "registry").container_type("ephemeral"), 0, 0..4000)
                .only("ImagePullRateLimited")
                .fires(10 * MINUTE, &["ImagePullRateLimited shop/web", "ImagePullRateLimited shop/db"]),
            Case::new("the same container in two clusters, of which one says more")
                .fails(&web.clone().cluster("a"), 60, 60..2000)
                .fails(&odd.clone().cluster("b").estimated(), 120, 120..2000)
                .only("ImagePullFailing")
                .fires(18 * MINUTE, &["ImagePullFailing shop/web in a", "ImagePullFailing shop/web in b"]),
            Case::new("a debug container is told at the lowest severity, and only so")
                .fails(&web.clone().container_type("ephemeral"), 0, 0..4000)
                .fails(
                    &Container::of("db").cause("unauthorized", "credentials").container_type("ephemeral"),
                    0,
                    0..4000,
                )
                .fails(&Container::of("import").kind("Job").container_type("ephemeral"), 0, 0..4000)
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
                .fails(&Container::of("db").cause("unknown", "unknown").kind("StatefulSet"), 0, 0..4000)
                .fails(&Container::of("agent").cause("unknown", "unknown").kind("DaemonSet"), 0, 0..4000)
                .only("ImagePullRolloutBlocked")
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

const DETAIL: &str = "https://grafana.example.com/d/image-pull-failure?var-namespace=shop&var-workload=web";

/// The text of an alert about the Deployment `web`, whose failure began at 0.
fn about_web(case: Case, at: u32, alert: &'static str, age: &str, cause: &str, first: &str, severity: &str) -> Case {
    case.says(
        at,
        alert,
        &format!(
            "severity: {severity}, namespace: shop, workload_kind: Deployment, workload: web, registry: reg.example"
        ),
        &[
            ("summary", &format!("Deployment shop/web cannot get its image reg.example/shop/web:1.8.O: {cause}")),
            (
                "description",
                &format!(
                    "It has been failing for {age}. Image reg.example/shop/web:1.8.O from reg.example: {cause}. {first} \
                     All there is to know: image-pull-exporter list -n shop -o json"
                ),
            ),
            ("runbook_url", &format!("https://runbooks.example.com/image-pull-exporter/{alert}.md")),
            ("dashboard_url", DETAIL),
        ],
    )
}

/// A workload of seven images, in one of several clusters.
fn at_most_five(web: &Container, first: &str) -> Case {
    let image = |tag: u32| format!("reg.example/shop/web:{tag}");
    let texts = [0, 1, 2, 3, 4].map(|tag| format!("Image {} from reg.example: image not found. {first}", image(tag)));
    let description = format!(
        "It has been failing for 6m 0s. {} All there is to know: image-pull-exporter list -n shop -o json",
        texts.join(" ")
    );
    let case = (0..7).fold(Case::new("at most five images are named"), |case, tag| {
        let container = Container { pod: format!("web-{tag}"), image: image(tag), ..web.clone().cluster("b") };
        case.fails(&container, tag, tag..7200)
    });
    case.says(
        360,
        "ImagePullNeedsChange",
        "severity: warning, cluster: b, namespace: shop, workload_kind: Deployment, workload: web, registry: reg.example",
        &[
            ("summary", "Deployment shop/web cannot get its image reg.example/shop/web:0: image not found"),
            ("description", &description),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullNeedsChange.md"),
            ("dashboard_url", &DETAIL.replace('?', "?var-cluster=b&")),
        ],
    )
}

fn causes() -> Vec<Case> {
    let web = Container::of("web");
    let busy = web.clone().cluster("b").cause("pull_qps_exceeded", "node");
    let busy = Container { image: "other/image:1".to_owned(), ..busy };
    let case = |cause: &'static str, group: &'static str| {
        Case::new(&format!("the text for {cause}")).fails(&web.clone().cause(cause, group), 0, 0..7200)
    };
    let early = |alert: &'static str, cause: &'static str, group: &'static str, first: &str| {
        let fires = format!("{alert} shop/web");
        let case = case(cause, group).fires(5 * MINUTE, &[]).fires(5 * MINUTE + 15, &[&fires]);
        let case = case.fires(16 * MINUTE, &[&fires, "ImagePullFailing shop/web"]);
        let words = cause.replace('_', " ");
        let case = about_web(case, 360, alert, "6m 0s", &words, first, "warning");
        about_web(case, 960, "ImagePullFailing", "16m 0s", &words, first, "warning")
    };
    let late = |cause: &'static str, group: &'static str, first: &str| {
        let case = case(cause, group).fires(15 * MINUTE, &[]).fires(15 * MINUTE + 15, &["ImagePullFailing shop/web"]);
        about_web(case, 960, "ImagePullFailing", "16m 0s", &cause.replace('_', " "), first, "warning")
    };
    let correct = "First correct the reference in the manifest, or push what it names.";
    let secret = "First check the pull secret of the pod and of its service account.";
    let limit = "First give the pod a pull secret of an account with a higher limit, or put a mirror in between.";
    let way = "First test the way from the node to the registry: name, proxy, certificate.";
    let blocked = case("timeout", "network").fires(15 * MINUTE, &[]);
    let debug = web.clone().cause("unknown", "unknown").container_type("ephemeral");
    let debug = Case::new("the text for a debug container").fails(&debug, 0, 0..7200);
    let job = web.clone().cause("unknown", "unknown").kind("Job");
    let job = Case::new("the text for a Job").fails(&job, 0, 0..7200).says(
        360,
        "ImagePullJobCannotStart",
        "severity: warning, namespace: shop, workload_kind: Job, workload: web, registry: reg.example",
        &[
            ("summary", "Job shop/web cannot get its image reg.example/shop/web:1.8.O: unknown"),
            (
                "description",
                "It has been failing for 6m 0s. Image reg.example/shop/web:1.8.O from reg.example: unknown. First read the error text. \
                 All there is to know: image-pull-exporter list -n shop -o json",
            ),
            ("runbook_url", "https://runbooks.example.com/image-pull-exporter/ImagePullJobCannotStart.md"),
            ("dashboard_url", DETAIL),
        ],
    );
    vec![
        early("ImagePullNeedsChange", "image_not_found", "image", correct),
        early(
            "ImagePullNeedsChange",
            "signature_rejected",
            "policy",
            "First see which policy rejects the image, and why.",
        ),
        early("ImagePullCredentials", "credentials_malformed", "credentials", secret),
        early("ImagePullRateLimited", "rate_limited", "registry", limit),
        about_web(
            case("image_not_found", "image")
                .exporter("b", 0..7200)
                .fails_at("b", &web.clone().cause("unknown", "unknown"), 60, 60..7200)
                .fails(&busy, 0, 0..7200),
            960,
            "ImagePullFailing",
            "16m 0s",
            "image not found",
            correct,
            "warning",
        ),
        at_most_five(&web, correct),
        late("registry_error", "registry", "First look at the registry's own status and limits."),
        late("timeout", "network", way),
        late("digest_mismatch", "node", "First look at the node: its disk, its runtime, its log."),
        about_web(blocked, 3660, "ImagePullRolloutBlocked", "1h 1m 0s", "timeout", way, "warning"),
        about_web(debug, 360, "ImagePullDebugContainer", "6m 0s", "unknown", "First read the error text.", "info"),
        job,
    ]
}
