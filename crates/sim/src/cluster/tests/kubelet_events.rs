//! Compares the Events of the simulated kubelet with the recorded ones: the same objects, messages and counts at the same
//! times.
//!
//! The times of syncs are random, so a recording is one possible outcome. Each write of an Event is compared with the
//! same write in simulations with many seeds: count and time must be within what these give.

use super::recordings::{records, run};
use super::*;

/// Tolerance of a recorded time outside of the simulated range, in seconds, and in proportion to the time. The
/// recorded node started 70 pods together, so its first sandboxes took longer; differences of each run add up.
const TIME_TOLERANCE: f64 = 4.0;
const RELATIVE_TOLERANCE: f64 = 0.05;
/// The same for counts of an Event, and for the number of its writes.
const COUNT_TOLERANCE: u64 = 1;

/// The order of the first appearances of a pod's Events.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    Recorded,
    /// Two back-offs run independently.
    Any,
}

/// An Event with its writes.
#[derive(Debug)]
struct History {
    /// Field path, type, reason and the message without what differs at each run.
    label: String,
    /// Seconds since the pod's first Event, and counts.
    writes: Vec<(f64, u64)>,
}

/// Returns the Events of one pod in the order of their first writes.
fn histories<'a>(events: impl Iterator<Item = (f64, &'a Value)>, pod: &str, until: f64) -> Vec<History> {
    let text = |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut began = None;
    let mut names = Vec::new();
    let mut histories: Vec<History> = Vec::new();
    for (at, event) in events.filter(|(_, event)| text(event, "/involvedObject/name") == pod) {
        let at = at - *began.get_or_insert(at);
        // The end of a pod by its deadline is not simulated as Events.
        if at > until || text(event, "/reason") == "DeadlineExceeded" {
            continue;
        }
        let name = text(event, "/metadata/name");
        let index = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            let message = shape(&text(event, "/message").replace(&text(event, "/involvedObject/uid"), "UID"));
            let [path, kind, reason] =
                ["/involvedObject/fieldPath", "/type", "/reason"].map(|pointer| text(event, pointer));
            histories.push(History { label: format!("{path} {kind} {reason} {message}"), writes: Vec::new() });
            histories.len() - 1
        });
        histories[index].writes.push((at, event["count"].as_u64().unwrap()));
    }
    histories
}

/// Replaces what differs at each run.
fn shape(message: &str) -> String {
    if let Some((before, _)) = message.split_once("\" in ")
        && before.starts_with("Successfully pulled")
    {
        let (_, rest) = message.split_once(" (").expect("the time in the queue");
        assert!(rest.contains(" including waiting). Image size: ") && rest.ends_with(" bytes."), "{message}");
        return before.to_owned();
    }
    // Ports and the names of layers are random, and another runtime error was injected into the recording inspect-error.
    let fixed = ["Failed to inspect image \"\"", "RegistryUnavailable: pinging container registry"];
    let message =
        fixed.into_iter().find_map(|fixed| Some(&message[..message.find(fixed)? + fixed.len()])).unwrap_or(message);
    message.replace("127.0.0.1:5000/pause:missing", "PAUSE").replace("registry.k8s.io/pause:3.10.1", "PAUSE")
}

/// Compares the Events of a pod, up to a time in seconds after the first one.
#[track_caller]
pub(super) fn same_events(name: &str, pod: &str, order: Order, until: f64, script: impl Fn(u64) -> String) {
    let records = records(name, "events");
    let end = records.last().unwrap().0 - records[0].0;
    let recorded = histories(records.iter().map(|(at, _, event)| (*at, event)), pod, until);
    assert!(!recorded.is_empty(), "{name} has no Events of {pod}");
    let simulated: Vec<Vec<History>> = (0..SEEDS)
        .map(|seed| {
            let events = of(Resource::Events, run(name, &script(seed), seed));
            let seconds = |event: &WatchEvent| event.at.as_millis() as f64 / 1000.0;
            histories(events.iter().map(|event| (seconds(event), &event.object)), pod, until)
        })
        .collect();
    let labels = |histories: &[History]| -> Vec<String> {
        let mut labels: Vec<String> = histories.iter().map(|history| history.label.clone()).collect();
        if order == Order::Any {
            labels.sort();
        }
        labels
    };
    for (seed, simulated) in simulated.iter().enumerate() {
        assert_eq!(labels(simulated), labels(&recorded), "{name}, {pod}, seed {seed}");
    }
    for (index, history) in recorded.iter().enumerate() {
        let of_seed = |histories: &'_ [History]| -> Vec<(f64, u64)> {
            let same = match order {
                Order::Recorded => &histories[index],
                Order::Any => histories.iter().find(|other| other.label == history.label).unwrap(),
            };
            same.writes.clone()
        };
        let simulated: Vec<Vec<(f64, u64)>> = simulated.iter().map(|histories| of_seed(histories)).collect();
        // A recording may end before the simulation.
        let lengths = simulated.iter().map(|writes| writes.iter().filter(|(at, _)| *at <= end).count() as u64);
        check_range(&format!("{name}, writes of {}", history.label), history.writes.len() as u64, lengths);
        // After an exit the recorded kubelet synced once more, which shifts all later writes (recording crashloop).
        if history.label.contains("Back-off restarting failed container") {
            continue;
        }
        for (nth, (at, count)) in history.writes.iter().enumerate() {
            let same: Vec<(f64, u64)> = simulated.iter().filter_map(|writes| writes.get(nth).copied()).collect();
            // A write that few simulations have is at the end of the recording.
            if (same.len() as u64) < SEEDS / 2 {
                continue;
            }
            let what = format!("{name}, {}, write {nth}", history.label);
            check_range(&format!("{what}, count"), *count, same.iter().map(|(_, count)| *count));
            let (first, last) = same.iter().fold((f64::MAX, f64::MIN), |(a, b), (at, _)| (a.min(*at), b.max(*at)));
            let tolerance = TIME_TOLERANCE + RELATIVE_TOLERANCE * at;
            assert!((first - tolerance..=last + tolerance).contains(at), "{what}: {at} s, not {first} to {last}");
        }
    }
}

#[track_caller]
fn check_range(what: &str, recorded: u64, simulated: impl Iterator<Item = u64> + Clone) {
    let (least, most) = (simulated.clone().min().unwrap(), simulated.max().unwrap());
    let tolerated = least.saturating_sub(COUNT_TOLERANCE)..=most + COUNT_TOLERANCE;
    assert!(tolerated.contains(&recorded), "{what}: {recorded}, not {least} to {most}");
}

/// Returns the runtime's error in a recording, quoted for a script.
fn recorded_error(name: &str) -> String {
    let records = records(name, "events");
    let mut messages = records.iter().filter_map(|(_, _, event)| event["message"].as_str());
    let text = messages.find_map(|message| message.strip_prefix("Failed to pull image ")).expect("a pull failed");
    let (_, text) = text.split_once("\": ").unwrap();
    text.replace('"', "\\\"")
}

#[test]
fn failures_with_the_runtimes_own_texts() {
    for (name, image, pod) in [
        ("unauthorized", "127.0.0.1:5001/private/app:1.0", "p"),
        ("r429", "127.0.0.1:6429/library/nginx:1.27", "p"),
        ("dns-failure", "no-such-registry.example.invalid/app:1.0", "p"),
        ("no-platform", "127.0.0.1:5000/armonly:1.0", "p"),
        // A mirror pod has Events like any other, but with the hash of its file for a uid.
        ("static-pod", "127.0.0.1:5000/app:nope", "static-lab-node"),
    ] {
        let text = recorded_error(name);
        let script = format!("0s pod t/{pod} container app image={image} pull=fails text=\"{text}\"");
        same_events(name, pod, Order::Recorded, f64::INFINITY, |_| script.clone());
    }
}

#[test]
fn missing_secret() {
    let text = recorded_error("missing-secret");
    let image = "127.0.0.1:5001/private/app:1.0";
    let script = format!("0s pod t/p pull-secrets=regcred container app image={image} pull=fails text=\"{text}\"");
    same_events("missing-secret", "p", Order::Recorded, f64::INFINITY, |_| script.clone());
}

/// Until the kubelet restarts at 271 s, behind a node whose puller was hung.
#[test]
fn inspect_error() {
    let script = "0s pod t/p container app image=127.0.0.1:5000/app:1.0 pull=inspect-error";
    same_events("inspect-error", "p", Order::Recorded, 160.0, |_| script.into());
}

/// Until the kubelet is restarted a second time, when other pods use up its pull QPS. A restarted kubelet counts from 1 again.
#[test]
fn kubelet_restart() {
    let script = "0s pod t/p container app image=127.0.0.1:5000/app:nope pull=not-found takes=50ms";
    same_events("kubelet-restart", "p", Order::Recorded, 212.0, |seed| {
        let restarted = onset(script, seed, "ImagePullBackOff", 4) + 17_000;
        format!("{script}\n{restarted}ms restart-kubelet node-1")
    });
}

/// Until containerd is restarted at 60 s.
#[test]
fn sandbox_image_missing() {
    let script = "0s sandbox node-1 not-found\n0s pod t/p container app image=127.0.0.1:5000/app:1.0";
    same_events("sandbox-image-missing", "p", Order::Recorded, 50.0, |_| script.into());
}
