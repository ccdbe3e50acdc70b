//! Checks that the demo shows what it is to show.

use super::super::super::script::PullOutcome;
use super::*;

fn demo() -> Vec<Event> {
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
        events.iter().flat_map(|event| waiting(&event.pod)).map(|waiting| waiting.reason).collect();
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
            let name = event.pod["metadata"]["name"].as_str().unwrap();
            if event.change != EventType::Deleted && waiting(&event.pod).iter().any(refused) {
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
    let ill = late.flat_map(|event| waiting(&event.pod)).find(|waiting| waiting.pod.starts_with("ingress-"));
    assert!(ill.is_none());
}
