//! The alert for those who have kube-state-metrics alone: when it fires, and that every change to it is noticed.

use image_pull_model::reason::Reason;

use crate::mutants;
use crate::timeline::{Case, Seconds, run};

const RULES: &str = "alerts/kube-state-metrics-only.yaml";
const MINUTE: u32 = 60;

/// A container that waits, as a replica of kube-state-metrics shows it.
struct Waiting {
    replica: &'static str,
    cluster: &'static str,
    namespace: &'static str,
    pod: &'static str,
    container: &'static str,
    family: &'static str,
    reason: &'static str,
}

const WAITING: Waiting = Waiting {
    replica: "a",
    cluster: "",
    namespace: "shop",
    pod: "web",
    container: "app",
    family: "kube_pod_container_status_waiting_reason",
    reason: "ImagePullBackOff",
};

fn waits(case: Case, waiting: &Waiting, during: std::ops::Range<Seconds>) -> Case {
    let Waiting { replica, cluster, namespace, pod, container, family, reason } = waiting;
    let cluster = if cluster.is_empty() { String::new() } else { format!("cluster=\"{cluster}\",") };
    let series = format!(
        "{family}{{{cluster}instance=\"{replica}\",namespace=\"{namespace}\",pod=\"{pod}\",uid=\"uid-{pod}\",\
         container=\"{container}\",reason=\"{reason}\"}}"
    );
    case.series(&series, during, |_| 1.0)
}

fn cases() -> Vec<Case> {
    let case = |name: &str| Case::scraped_every(name, 15);
    let fires = |about: &str| format!("KubeContainerImagePullFailing {about}");
    let web = fires("shop/web/app");
    // Free text is no reason that a rule could name.
    let reasons = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Other).map(Reason::as_str);
    let of_reason =
        |case: Case, reason: &'static str| waits(case, &Waiting { pod: reason, reason, ..WAITING }, 0..2000);
    let all: Vec<String> = reasons.clone().map(|reason| fires(&format!("shop/{reason}/app"))).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    vec![
        reasons
            .fold(case("every reason, until five minutes after its end"), of_reason)
            .fires(15 * MINUTE - 15, &[])
            .fires(15 * MINUTE, &all)
            .fires(38 * MINUTE, &all)
            .fires(39 * MINUTE, &[]),
        waits(
            ["CrashLoopBackOff", "ContainerCreating"].into_iter().fold(case("other reasons and metrics"), of_reason),
            &Waiting { family: "kube_pod_container_status_last_terminated_reason", ..WAITING },
            0..2000,
        )
        .fires(1800, &[]),
        waits(case("over before"), &WAITING, 0..585).fires(15 * MINUTE, &[]).fires(20 * MINUTE, &[]),
        waits(waits(case("a hole between scrapes"), &WAITING, 0..400), &WAITING, 550..2000)
            .fires(15 * MINUTE, &[&web])
            .fires(25 * MINUTE, &[&web]),
        [
            WAITING,
            Waiting { replica: "b", reason: "ErrImagePull", ..WAITING },
            Waiting { cluster: "b", ..WAITING },
            Waiting { namespace: "bank", ..WAITING },
            Waiting { pod: "db", ..WAITING },
            Waiting { container: "init", family: "kube_pod_init_container_status_waiting_reason", ..WAITING },
        ]
        .iter()
        .fold(case("each container is told once"), |case, waiting| waits(case, waiting, 0..2000))
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
        waits(case("its text"), &WAITING, 0..2000).says(
            1000,
            "KubeContainerImagePullFailing",
            "severity: warning, namespace: shop, pod: web, container: app",
            &[
                ("summary", "Container app of shop/web has not got its image for 15 minutes"),
                ("description", "First read why: kubectl -n shop describe pod web"),
                ("runbook_url", "https://runbooks.example.com/image-pull-exporter/KubeContainerImagePullFailing.md"),
            ],
        ),
    ]
}

#[test]
fn the_drop_in_fires_when_it_should_and_no_change_to_it_goes_unnoticed() {
    let rules = std::fs::read_to_string(RULES).expect("the drop-in is there");
    let cases = cases();
    let cases: Vec<&Case> = cases.iter().collect();
    if let Err(said) = run("drop-in-alone", &rules, &cases, None) {
        panic!("{said}");
    }
    let begin = rules.find("- alert").expect("it has an alert");
    let end = rules.find("\n        labels:").expect("it has labels");
    let mutants = mutants::changes(&rules[begin..end]);
    assert!(mutants.len() > 10, "only {} mutants", mutants.len());
    for (what, changed) in mutants {
        let rules = [&rules[..begin], &changed, &rules[end..]].concat();
        assert!(run("drop-in-mutant", &rules, &cases, None).is_err(), "it survives: {what}");
    }
}
