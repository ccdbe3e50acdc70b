//! Compares simulations with the recordings of a real kubelet: the same pictures in the same order, and the same Events.

use std::fs;

use super::*;
use kubelet_events::{Order, same_events};
use picture::story;

const NOT_FOUND: &str = "0s pod t/p container app image=127.0.0.1:5000/app:nope pull=not-found takes=50ms";

/// Reads a recording of `pods` or `events`: times in seconds, types and objects.
pub(super) fn records(name: &str, of: &str) -> Vec<(f64, String, Value)> {
    let path = format!("{}/../../tests/fixtures/traces/{name}.{of}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            (line["t"].as_f64().unwrap(), line["type"].as_str().unwrap().to_owned(), line["object"].take())
        })
        .collect()
}

/// Reads the states of a pod from a recording, up to `limit` of them.
fn recorded(name: &str, pod: &str, limit: usize) -> Vec<Picture> {
    let lines = records(name, "pods");
    let mut story = story(pod, lines.iter().map(|(_, change, object)| (change.as_str(), object)));
    story.truncate(limit);
    story
}

/// Plays a script with the recording's name for its namespace `t`.
pub(super) fn run(name: &str, script: &str, seed: u64) -> Vec<WatchEvent> {
    cluster(&script.replace(" t/", &format!(" {name}/")), seed).step(SimTime::from_millis(1_300_000))
}

fn simulated(name: &str, script: &str, seed: u64, pod: &str) -> Vec<Picture> {
    let events = of(Resource::Pods, run(name, script, seed));
    story(pod, events.iter().map(|event| (event.change.as_str(), &event.object)))
}

/// Compares a pod's story with every seed, and its Events; `limit` cuts a recording off where something else begins to
/// happen.
#[track_caller]
fn same_story(name: &str, pod: &str, limit: usize, script: impl Fn(u64) -> String) {
    let recorded = recorded(name, pod, limit);
    assert!(recorded.len() > 2, "{name} tells nothing");
    for seed in 0..SEEDS {
        let told = simulated(name, &script(seed), seed, pod);
        for (index, picture) in recorded.iter().enumerate() {
            assert_eq!(told.get(index), Some(picture), "{name}, seed {seed}, picture {index}");
        }
    }
    if limit == WHOLE {
        same_events(name, pod, Order::Recorded, f64::INFINITY, script);
    }
}

/// Compares a sequence whose order is random: one seed must produce it, and all must pass `check`.
#[track_caller]
fn possible_story(name: &str, script: &str, check: impl Fn(&Picture)) {
    let recorded = recorded(name, "p", usize::MAX);
    let mut found = false;
    for seed in 0..400 {
        if found && seed >= SEEDS {
            return;
        }
        let told = simulated(name, script, seed, "p");
        told.iter().for_each(&check);
        found |= told.starts_with(&recorded);
    }
    assert!(found, "no seed tells the story of {name}");
    same_events(name, "p", Order::Any, f64::INFINITY, |_| script.to_owned());
}

const WHOLE: usize = usize::MAX;

#[test]
fn good() {
    same_story("good", "p", WHOLE, |_| "0s pod t/p container app image=127.0.0.1:5000/app:2.0".into());
}

#[test]
fn tag_not_found() {
    same_story("tag-not-found", "p", WHOLE, |_| NOT_FOUND.into());
}

#[test]
fn two_containers() {
    same_story("two-containers", "p", WHOLE, |_| {
        "0s pod t/p container good image=127.0.0.1:5000/app:1.0
         container bad image=127.0.0.1:5000/app:nope pull=not-found"
            .into()
    });
}

#[test]
fn init_fail() {
    same_story("init-fail", "p", WHOLE, |_| {
        "0s pod t/p init init-ok image=127.0.0.1:5000/app:1.0 runs=1500ms
         init init-bad image=127.0.0.1:5000/app:nope pull=not-found
         container app image=127.0.0.1:5000/app:1.0"
            .into()
    });
}

#[test]
fn ephemeral_bad() {
    same_story("ephemeral-bad", "p", WHOLE, |_| {
        "0s pod t/p container app image=127.0.0.1:5000/app:1.0
8s ephemeral t/p dbg image=127.0.0.1:5000/debugger:nope pull=not-found"
            .into()
    });
}

#[test]
fn image_volume_bad() {
    same_story("image-volume-bad", "p", WHOLE, |_| {
        "0s pod t/p volume v image=127.0.0.1:5000/model:nope mount=app pull=not-found
         container app image=127.0.0.1:5000/app:1.0"
            .into()
    });
}

#[test]
fn inject_regunavail() {
    let text = "image pull failed for inject.lab/regunavail:1.0 because the registry is unavailable: pinging container";
    let recorded = recorded("inject-regunavail", "p", WHOLE);
    for seed in 0..SEEDS {
        let script = "0s pod t/p container app image=inject.lab/regunavail:1.0 pull=registry-unavailable";
        let told = simulated("inject-regunavail", script, seed, "p");
        for (recorded, told) in recorded.iter().zip(&told).skip(1) {
            // The texts differ in their ends (timeout there, refusal here); reasons and beginnings may not.
            let words = |picture: &Picture| picture.state("app").unwrap().split(text).next().unwrap().to_owned();
            assert_eq!(words(told), words(recorded), "seed {seed}");
        }
        assert!(told.len() >= recorded.len());
    }
}

#[test]
fn never_absent() {
    same_story("never-absent", "p", WHOLE, |_| {
        "0s pod t/p container app image=127.0.0.1:5000/absent:1.0 policy=Never".into()
    });
}

#[test]
fn invalid_name() {
    for (pod, image) in
        [("p", "127.0.0.1:5000/App:1.0"), ("p2", "nginx:bad tag"), ("p3", "http://127.0.0.1:5000/app:1.0")]
    {
        same_story("invalid-name", pod, WHOLE, |_| format!("0s pod t/{pod} container app image=\"{image}\""));
    }
}

#[test]
fn config_error() {
    same_story("config-error", "p", WHOLE, |_| {
        "0s pod t/p container app image=127.0.0.1:5000/app:1.0 config-error=\"secret \\\"nope\\\" not found\"".into()
    });
}

#[test]
fn crashloop() {
    same_story("crashloop", "p", WHOLE, |_| {
        "0s pod t/p container app image=127.0.0.1:5000/app:1.0 runs=1500ms exit=1".into()
    });
}

#[test]
fn recover_push() {
    same_story("recover-push", "p", WHOLE, |seed| {
        let script = "0s pod t/p container app image=127.0.0.1:5000/late:1.0 pull=not-found";
        let pushed = onset(script, seed, "ErrImagePull", 2) + 1;
        format!("{script}\n{pushed}ms image 127.0.0.1:5000/late:1.0 ok")
    });
}

#[test]
fn recover_patch() {
    same_story("recover-patch", "p", WHOLE, |seed| {
        // The node has the new image already.
        let script = format!("{NOT_FOUND}\n-60s pod t/before container other image=127.0.0.1:5000/app:1.0");
        let patched = onset(&script, seed, "ErrImagePull", 2) + 8_000;
        format!("{script}\n{patched}ms patch t/p app image=127.0.0.1:5000/app:1.0")
    });
}

/// The first pod is deleted with grace while it backs off, the second, of the same name, by force just after an
/// attempt.
#[test]
fn delete_backoff() {
    same_story("delete-backoff", "p", WHOLE, |seed| {
        let deleted = onset(NOT_FOUND, seed, "ImagePullBackOff", 2) + 8_000;
        let script = format!(
            "{NOT_FOUND}\n{deleted}ms delete t/p grace=1s\n{again}ms pod t/p container app image=127.0.0.1:5000/app:nope",
            again = deleted + 5_000
        );
        let forced = onset(&script, seed, "ErrImagePull", 5) + 3_000;
        format!("{script}\n{forced}ms delete t/p force=true")
    });
}

#[test]
fn deadline_exceeded() {
    same_story("deadline-exceeded", "p", WHOLE, |seed| {
        let deadline = onset(NOT_FOUND, seed, "ImagePullBackOff", 3) + 9_000;
        NOT_FOUND.replace("t/p", &format!("t/p deadline={deadline}ms"))
    });
}

/// Until the kubelet restarts a second time, 213 s on, when other pods use up its pull QPS.
#[test]
fn kubelet_restart() {
    same_story("kubelet-restart", "p", 16, |seed| {
        let restarted = onset(NOT_FOUND, seed, "ImagePullBackOff", 4) + 17_000;
        format!("{NOT_FOUND}\n{restarted}ms restart-kubelet node-1")
    });
}

/// Until a second kubelet restart would come; two pods with independent back-offs, up to the cap.
#[test]
fn long_cap() {
    let text = "failed to pull and unpack image \\\"127.0.0.1:6429/long/q:1\\\": failed to resolve reference \
                \\\"127.0.0.1:6429/long/q:1\\\": pulling from host 127.0.0.1:6429 failed with status code [manifests 1]: \
                429 Too Many Requests";
    let script = format!(
        "0s pod t/p container app image=127.0.0.1:5000/long:cap pull=not-found
0s pod t/q container app image=127.0.0.1:6429/long/q:1 pull=fails text=\"{text}\""
    );
    for pod in ["p", "q"] {
        same_story("long-cap", pod, WHOLE, |_| script.clone());
    }
}

/// The first and the third container each wait out their own back-off; the second never attempts a pull.
#[test]
fn same_image_twice() {
    same_story("same-image-twice", "p", WHOLE, |_| {
        "0s pod t/p
 container c1 image=127.0.0.1:5000/app:nope pull=not-found takes=20ms
 container c2 image=127.0.0.1:5000/app:nope
 container c3 image=127.0.0.1:5000/app:nope3 pull=not-found takes=20ms"
            .into()
    });
}

/// Two back-offs run independently, so the order of the reasons is chance; the recorded one must be possible.
#[test]
fn restart_registry_died() {
    let text = "failed to pull and unpack image \\\"127.0.0.1:5003/crasher:1.0\\\": failed to resolve reference \
                \\\"127.0.0.1:5003/crasher:1.0\\\": failed to do request: Head \
                \\\"http://127.0.0.1:5003/v2/crasher/manifests/1.0\\\": dial tcp 127.0.0.1:5003: connect: connection refused";
    let script = format!(
        "0s pod t/p container app image=127.0.0.1:5003/crasher:1.0 policy=Always runs=25s exit=3
         container other image=127.0.0.1:5000/app:1.0
10s registry 127.0.0.1:5003 fails text=\"{text}\" takes=50ms"
    );
    possible_story("restart-registry-died", &script, |picture| {
        let state = picture.state("app").unwrap_or_default();
        let known = ["ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "ContainerCreating"];
        assert!(!state.starts_with("waiting") || known.iter().any(|reason| picture.waits("app", reason)), "{state}");
        assert!(state.is_empty() || state.contains("restarts=0"), "{state}");
    });
}
