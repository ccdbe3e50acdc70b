//! Tests of the ends of pods that no recording has.

use super::*;

const NOT_FOUND: &str = "0s pod t/p container app image=x.example/app:nope pull=not-found";

fn phase(event: &WatchEvent) -> &str {
    event.object.pointer("/status/phase").and_then(Value::as_str).unwrap()
}

#[test]
fn a_deleted_pod_goes_although_its_kubelet_restarts() {
    for restarted in (60_000..61_500).step_by(100) {
        let script = format!("{NOT_FOUND}\n60s delete t/p\n{restarted}ms restart-kubelet node-1");
        let events = play(&script, 1, 120);
        let deleted = events.iter().filter(|event| event.change == EventType::Deleted).count();
        assert_eq!((deleted, events.last().unwrap().change), (1, EventType::Deleted), "restarted at {restarted}");
    }
}

#[test]
fn a_deadline_ends_a_pod_although_its_kubelet_restarts() {
    for restarted in (58_000..62_000).step_by(200) {
        let script = NOT_FOUND.replace("t/p", "t/p deadline=60s");
        let events = play(&format!("{script}\n{restarted}ms restart-kubelet node-1"), 1, 120);
        let last = events.last().unwrap();
        let state = Picture::of("", &last.object);
        assert_eq!(phase(last), "Failed", "restarted at {restarted}");
        assert!(state.state("app").unwrap().starts_with("terminated ContainerStatusUnknown"), "{state:?}");
    }
}

/// Only the first init container is given up (status_manager.go:637-766); the others wait forever.
#[test]
fn a_pod_that_ends_during_initialization_leaves_containers_waiting() {
    let script = "0s pod t/p deadline=60s init one image=x.example/one:nope pull=not-found
     init two image=x.example/two:1 container app image=x.example/app:1";
    let events = play(script, 1, 120);
    let last = events.last().unwrap();
    let picture = Picture::of("", &last.object);
    assert_eq!(phase(last), "Failed");
    assert!(picture.state("one").unwrap().starts_with("terminated ContainerStatusUnknown"));
    assert!(picture.waits("two", "PodInitializing") && picture.waits("app", "PodInitializing"));
}

#[test]
fn a_job_succeeds_or_fails_by_its_exit_code() {
    for (exit, phase_at_end) in [(0, "Succeeded"), (1, "Failed")] {
        let script = format!("0s pod t/p restart=Never container app image=x.example/app:1 runs=5s exit={exit}");
        let events = play(&script, 1, 600);
        assert_eq!(phase(events.last().unwrap()), phase_at_end);
    }
}

#[test]
fn a_dead_runtime_fails_the_pull_itself_when_the_policy_is_always() {
    let script = "0s pod t/p container app image=x.example/app:1 policy=Always\n0s node node-1 inspect-error";
    let events = play(script, 1, 60);
    assert!(onsets(&events, "ImageInspectError").is_empty());
    let state = Picture::of("", &events.last().unwrap().object);
    assert!(state.state("app").unwrap().contains("rpc error: code = Unavailable"), "{state:?}");
}

#[test]
fn a_sidecar_that_cannot_start_holds_up_the_pod_and_one_that_restarts_does_not() {
    let script = "0s pod t/p sidecar proxy image=x.example/proxy:1 policy=Always container app image=x.example/app:1
60s registry x.example dns
90s crash t/p proxy
0s pod t/q sidecar proxy image=x.example/proxy:nope pull=not-found container app image=x.example/app:1";
    let events = play(script, 1, 200);
    let last = |name: &str| {
        let named = |event: &&WatchEvent| event.object.pointer("/metadata/name").and_then(Value::as_str) == Some(name);
        events.iter().rev().find(named).unwrap()
    };
    let (restarted, held) = (last("p"), last("q"));
    assert_eq!(phase(restarted), "Running");
    assert!(Picture::of("", &restarted.object).state("app").unwrap().starts_with("running"));
    assert_eq!(phase(held), "Pending");
    assert!(Picture::of("", &held.object).waits("app", "PodInitializing"));
}
