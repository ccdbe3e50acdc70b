//! The alert for clusters with kube-state-metrics only: when it fires, and that a case detects every mutant of it.

use image_pull_model::reason::WaitingReason;

use crate::mutants;
use crate::timeline::{Case, Seconds, run_promtool};

const RULES_PATH: &str = "alerts/kube-state-metrics-only.yaml";
const MINUTE: Seconds = 60;

/// A waiting container, as a replica of kube-state-metrics exposes it.
struct WaitingContainer {
    replica: &'static str,
    cluster: &'static str,
    namespace: &'static str,
    pod: &'static str,
    container: &'static str,
    family: &'static str,
    reason: &'static str,
}

const WAITING: WaitingContainer = WaitingContainer {
    replica: "a",
    cluster: "",
    namespace: "shop",
    pod: "web",
    container: "app",
    family: "kube_pod_container_status_waiting_reason",
    reason: "ImagePullBackOff",
};

fn waiting(case: Case, container: &WaitingContainer, during: std::ops::Range<Seconds>) -> Case {
    let WaitingContainer { replica, cluster, namespace, pod, container, family, reason } = container;
    let cluster = if cluster.is_empty() { String::new() } else { format!("cluster=\"{cluster}\",") };
    let series = format!(
        "{family}{{{cluster}instance=\"{replica}\",namespace=\"{namespace}\",pod=\"{pod}\",uid=\"uid-{pod}\",\
         container=\"{container}\",reason=\"{reason}\"}}"
    );
    case.series(&series, during, |_| 1.0)
}

fn cases() -> Vec<Case> {
    let case = |name: &str| Case::with_scrape_interval(name, 15);
    let fires = |about: &str| format!("KubeContainerImagePullFailing {about}");
    let web = fires("shop/web/app");
    // A rule cannot name free text.
    let reasons = WaitingReason::ALL.iter().copied().filter(|reason| reason.is_waiting_reason());
    let reasons = reasons.map(WaitingReason::as_str);
    let of_reason =
        |case: Case, reason: &'static str| waiting(case, &WaitingContainer { pod: reason, reason, ..WAITING }, 0..2000);
    let all: Vec<String> = reasons.clone().map(|reason| fires(&format!("shop/{reason}/app"))).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    vec![
        reasons
            .fold(case("every reason, until five minutes after the end"), of_reason)
            .fires(15 * MINUTE - 15, &[])
            .fires(15 * MINUTE, &all)
            .fires(38 * MINUTE, &all)
            .fires(39 * MINUTE, &[]),
        waiting(
            ["CrashLoopBackOff", "ContainerCreating"].into_iter().fold(case("other reasons and metrics"), of_reason),
            &WaitingContainer { family: "kube_pod_container_status_last_terminated_reason", ..WAITING },
            0..2000,
        )
        .fires(1800, &[]),
        waiting(case("ends before 15 minutes"), &WAITING, 0..585).fires(15 * MINUTE, &[]).fires(20 * MINUTE, &[]),
        waiting(waiting(case("a gap between scrapes"), &WAITING, 0..400), &WAITING, 550..2000)
            .fires(15 * MINUTE, &[&web])
            .fires(25 * MINUTE, &[&web]),
        [
            WAITING,
            WaitingContainer { replica: "b", reason: "ErrImagePull", ..WAITING },
            WaitingContainer { cluster: "b", ..WAITING },
            WaitingContainer { namespace: "bank", ..WAITING },
            WaitingContainer { pod: "db", ..WAITING },
            WaitingContainer { container: "init", family: "kube_pod_init_container_status_waiting_reason", ..WAITING },
        ]
        .iter()
        .fold(case("fires once per container"), |case, container| waiting(case, container, 0..2000))
        .fires(
            20 * MINUTE,
            &[
                &web,
                &fires("shop/web/app in b"),
                &fires("bank/web/app"),
                &fires("shop/db/app"),
                &fires("shop/web/init"),
            ],
        ),
        waiting(case("the text"), &WAITING, 0..2000).fires_with_text(
            1000,
            "KubeContainerImagePullFailing",
            "severity: warning, namespace: shop, pod: web, container: app",
            &[
                ("summary", "Container app of shop/web has been waiting for its image for 15 minutes"),
                ("description", "Find the cause: kubectl -n shop describe pod web"),
                ("runbook_url", "https://runbooks.example.com/image-pull-exporter/KubeContainerImagePullFailing.md"),
            ],
        ),
    ]
}

#[test]
fn kube_state_metrics_alert_fires_when_expected_and_every_mutant_is_detected() {
    let rules = std::fs::read_to_string(RULES_PATH).expect("the rules can be read");
    let cases = cases();
    let cases: Vec<&Case> = cases.iter().collect();
    if let Err(output) = run_promtool("kube-state-metrics", &rules, &cases, None) {
        panic!("{output}");
    }
    let begin = rules.find("- alert").expect("it has an alert");
    let end = rules.find("\n        labels:").expect("it has labels");
    let mutants = mutants::mutate_expression(&rules[begin..end]);
    assert!(mutants.len() > 10, "only {} mutants", mutants.len());
    for (change, mutated) in mutants {
        let rules = [&rules[..begin], &mutated, &rules[end..]].concat();
        assert!(run_promtool("kube-state-metrics-mutant", &rules, &cases, None).is_err(), "not detected: {change}");
    }
}
