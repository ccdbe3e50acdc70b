//! Checks that the demo shows what it is to show.

use super::super::super::script::PullOutcome;
use super::*;

fn demo() -> Vec<WatchEvent> {
    play(super::super::super::DEMO, 1, 1_800)
}

struct Waiting<'a> {
    pod: &'a str,
    reason: &'a str,
    message: &'a str,
}

/// Returns the containers that wait in a pod.
fn waiting(pod: &Value) -> Vec<Waiting<'_>> {
    let mut waiting = Vec::new();
    for kind in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        for status in pod["status"].get(kind).and_then(Value::as_array).into_iter().flatten() {
            if status.pointer("/state/waiting").is_some() {
                waiting.push(Waiting {
                    pod: pod["metadata"]["name"].as_str().unwrap(),
                    reason: status["state"]["waiting"]["reason"].as_str().unwrap(),
                    message: status["state"]["waiting"].get("message").and_then(Value::as_str).unwrap_or_default(),
                });
            }
        }
    }
    waiting
}

#[test]
fn every_reason_and_every_fault_is_seen() {
    let events = demo();
    let seen: BTreeSet<&str> =
        events.iter().flat_map(|event| waiting(&event.object)).map(|waiting| waiting.reason).collect();
    for reason in [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "illegal base64 data at input byte 4",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
    ] {
        assert!(seen.contains(reason), "{reason} is not shown");
    }
    let script = Script::parse(super::super::super::DEMO).unwrap();
    for fault in super::super::super::fault::FAULTS {
        let is_scripted = script.actions.iter().any(|timed| match &timed.action {
            Action::SetPull { pull, .. } => pull.outcome == PullOutcome::Fault(fault),
            _ => false,
        });
        assert!(is_scripted, "{} is not in the demo", fault.name);
    }
}

#[test]
fn the_outage_hits_twenty_pods_on_four_nodes_and_ends() {
    let events = demo();
    let mut hit = BTreeSet::new();
    let mut hit_at = |seconds: i64| -> usize {
        let until = SimTime::from_millis(seconds * 1000);
        hit.clear();
        for event in events.iter().take_while(|event| event.at <= until) {
            let refused = |waiting: &Waiting<'_>| {
                waiting.message.contains("registry.example.com") && waiting.message.contains("connection refused")
            };
            let name = event.object["metadata"]["name"].as_str().unwrap();
            if event.change != EventType::Deleted && waiting(&event.object).iter().any(refused) {
                hit.insert(name);
            } else {
                hit.remove(name);
            }
        }
        hit.len()
    };
    assert_eq!(hit_at(239), 0);
    assert!(hit_at(420) >= 20);
    assert_eq!(hit_at(660 + 330), 0, "the longest back-off is over");
}

#[test]
fn healthy_pods_stay_healthy() {
    let events = demo();
    let late = events.iter().filter(|event| event.at > SimTime::from_millis(-1_440_000));
    let ill = late.flat_map(|event| waiting(&event.object)).find(|waiting| waiting.pod.starts_with("ingress-"));
    assert!(ill.is_none());
}

/// Returns the pods that wait without an error for at least two minutes at a time in seconds.
fn silent(events: &[WatchEvent], seconds: i64) -> BTreeSet<String> {
    let at = |seconds: i64| SimTime::from_millis(seconds * 1000);
    let mut waits = BTreeSet::new();
    for event in events.iter().take_while(|event| event.at <= at(seconds)) {
        let name = event.object["metadata"]["name"].as_str().unwrap().to_owned();
        let has_no_status = event.object["status"].get("containerStatuses").is_none();
        let is_silent =
            has_no_status || waiting(&event.object).iter().any(|waiting| waiting.reason == "ContainerCreating");
        if is_silent && event.at <= at(seconds - 120) && event.change != EventType::Deleted {
            waits.insert(name);
        } else {
            waits.remove(&name);
        }
    }
    waits
}

#[test]
fn pods_wait_without_an_error_and_their_causes_end() {
    let events = demo();
    let waits = |seconds: i64| -> Vec<String> { silent(&events, seconds).into_iter().collect() };
    let stems: Vec<String> = waits(60)
        .iter()
        .map(|name| name.trim_end_matches(|c: char| c != '-').trim_end_matches('-').to_owned())
        .collect();
    let expected = [
        "buffer",
        "camera",
        "embeddings-7d9c8b6f5",
        "gateway",
        "gpu-metrics",
        "llm-6b8f9d7c54",
        "reranker-5f8d7c9b4",
        "sensor",
    ];
    assert_eq!(stems, expected);
    assert_eq!(waits(1_000).len(), 0, "{:?}", waits(1_000));
}

#[test]
fn events_report_slow_and_good_pulls() {
    let events = of(Resource::Events, cluster(super::super::super::DEMO, 1).step(SimTime::from_millis(1_800_000)));
    let since_start: Vec<&str> = events
        .iter()
        .filter(|event| event.at > SimTime::ZERO)
        .filter_map(|event| event.object["message"].as_str())
        .collect();
    let seen = |text: &str| since_start.iter().filter(|message| message.contains(text)).count();
    assert_eq!(seen("llm-server:24.11\" in 20m0s (20m0s including waiting). Image size: 12000000000 bytes."), 1);
    assert_eq!(seen("gpu-metrics:3.3.9\" in 8s (1"), 1, "it waited in the queue");
    assert!(seen("Successfully pulled image") > 40, "{}", seen("Successfully pulled image"));
    assert!(seen("failed to get sandbox image") > 2);
    assert!(seen("Unable to retrieve some image pull secrets (partner-registry)") > 2);
}
