//! Tests of pulls that take time, and of what prevents a pull from beginning.

use super::*;

/// A message about a pod at a time in seconds.
type Message = (f64, String, String);

fn both(script: &str, seconds: i64) -> (Vec<WatchEvent>, Vec<WatchEvent>) {
    let all = cluster(script, 1).step(SimTime::from_millis(seconds * 1000));
    all.into_iter().partition(|event| event.resource() == Resource::Pods)
}

/// Returns time, pod and message of each write of a reason's Events.
fn messages(events: &[WatchEvent], reason: &str) -> Vec<Message> {
    let of_reason = events.iter().filter(|event| event.object["reason"] == reason);
    let text = |event: &WatchEvent, pointer: &str| event.object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    of_reason
        .map(|event| {
            (event.at.as_millis() as f64 / 1000.0, text(event, "/involvedObject/name"), text(event, "/message"))
        })
        .collect()
}

/// Returns the writes of a pod: seconds, whether the sandbox is ready, and the state of `app`.
fn writes(pods: &[WatchEvent], name: &str) -> Vec<(f64, bool, String)> {
    let named = pods.iter().filter(|event| event.object["metadata"]["name"] == name);
    named
        .map(|event| {
            let ready = event.object.pointer("/status/conditions/0/status").is_some_and(|status| status == "True");
            let picture = Picture::of("", &event.object);
            (event.at.as_millis() as f64 / 1000.0, ready, picture.state("app").unwrap_or("-").to_owned())
        })
        .collect()
}

/// Checks that the status of a pod does not change from its ready sandbox to `end`.
#[track_caller]
fn assert_waits_silently(pods: &[WatchEvent], name: &str, end: f64) {
    let writes = writes(pods, name);
    let during: Vec<_> = writes.iter().filter(|(at, ready, _)| *ready && *at < end).collect();
    assert_eq!(during.len(), 1, "{name}: {writes:?}");
    assert!(during[0].0 < 5.0 && during[0].2.starts_with("waiting ContainerCreating "), "{name}: {writes:?}");
}

/// Four pods of a node; the image of the first is large.
const QUEUE: &str = "0s pod t/slow container app image=x.example/slow:1 pull=ok takes=12m size=12GB
5s pod t/a container app image=x.example/a:1 pull=ok takes=2s size=850MB
6s pod t/b container app image=x.example/b:1 pull=ok takes=2s size=4KB
7s pod t/c container app image=x.example/c:1 pull=not-found takes=2s";

#[test]
fn a_slow_pull_holds_up_the_pulls_behind_it() {
    let (pods, events) = both(QUEUE, 800);
    let pulling = messages(&events, "Pulling");
    let names: Vec<&str> = pulling.iter().map(|(_, pod, _)| pod.as_str()).take(4).collect();
    assert_eq!(names, ["slow", "a", "b", "c"]);
    assert!(pulling[3].0 < 12.0, "the Event comes before the queue: {pulling:?}");
    let pulled = messages(&events, "Pulled");
    assert_eq!(pulled.len(), 3);
    let text = "Successfully pulled image \"x.example/slow:1\" in 12m0s (12m0s including waiting). Image size: 12000000000 bytes.";
    assert_eq!(pulled[0].2, text);
    for ((_, pod, message), (position, size)) in pulled[1..].iter().zip([(1, 850_000_000), (2, 4_000)]) {
        let begin = format!("Successfully pulled image \"x.example/{pod}:1\" in 2s (1");
        assert!(message.starts_with(&begin), "{position}: {message}");
        assert!(message.ends_with(&format!("s including waiting). Image size: {size} bytes.")), "{message}");
    }
    let failed = messages(&events, "Failed");
    assert!(failed[0].1 == "c" && failed[0].0 > 725.0, "{failed:?}");
    for name in ["slow", "a", "b", "c"] {
        let ready = writes(&pods, name).iter().filter(|(at, ready, _)| *ready && *at < 715.0).count();
        assert_eq!(ready, 1, "{name} keeps its status while it waits");
    }
    assert_waits_silently(&pods, "slow", 715.0);
    assert!(writes(&pods, "b").last().unwrap().2.starts_with("running"));
}

#[test]
fn parallel_pulls_do_not_wait_for_each_other() {
    let (_, events) = both(&format!("{QUEUE}\n0s kubelet node-1 pulls=parallel"), 800);
    let pulled = messages(&events, "Pulled");
    assert_eq!(pulled.iter().map(|(_, pod, _)| pod.as_str()).collect::<Vec<_>>(), ["a", "b", "slow"]);
    assert!(pulled[0].2.contains(" in 2s (2s including waiting)."));
}

#[test]
fn a_hung_pull_ends_with_its_pod_or_with_the_kubelet() {
    let script = "0s pod t/hung container app image=x.example/hung:1 pull=hung
5s pod t/a container app image=x.example/a:1
5s pod t/b container app image=x.example/b:1";
    let (pods, events) = both(script, 3_600);
    assert_eq!((messages(&events, "Pulling").len(), messages(&events, "Pulled").len()), (3, 0));
    assert_waits_silently(&pods, "hung", 3_600.0);
    for end in [
        "300s delete t/hung",
        "300s delete t/hung force=true",
        "300s restart-kubelet node-1\n300s image x.example/hung:1 ok",
    ] {
        let (pods, events) = both(&format!("{script}\n{end}"), 600);
        let running = |name: &str| writes(&pods, name).last().unwrap().2.starts_with("running");
        assert!(running("a") && running("b"), "{end}");
        assert!(messages(&events, "Pulled").iter().all(|(at, ..)| *at > 300.0), "{end}");
    }
}

#[test]
fn a_pod_that_leaves_the_queue_does_not_hold_it_up() {
    let (pods, _) = both(&format!("{QUEUE}\n60s delete t/a\n60s delete t/b force=true"), 1_000);
    assert_eq!(pods.iter().filter(|event| event.change == EventType::Deleted).count(), 2);
    let (at, _, last) = writes(&pods, "c").into_iter().find(|(.., state)| state.contains("ErrImagePull")).unwrap();
    assert!((722.0..730.0).contains(&at), "{at}: {last}");
}

#[test]
fn a_kubelet_before_1_36_reports_the_sandbox_after_the_first_attempt() {
    let script =
        "0s kubelet node-1 sandbox=late\n0s pod t/p container app image=x.example/p:1 pull=not-found takes=60s";
    let (pods, _) = both(script, 120);
    let writes = writes(&pods, "p");
    let (at, _, state) = writes.iter().find(|(_, ready, _)| *ready).unwrap();
    assert!(*at > 60.0 && state.starts_with("waiting ErrImagePull "), "{writes:?}");
}

#[test]
fn a_pod_without_its_pause_image_tries_again_every_ten_to_fifteen_seconds() {
    let script = "0s sandbox node-1 not-found\n0s pod t/p container app image=x.example/p:1\n300s sandbox node-1 ok";
    let (pods, events) = both(script, 400);
    let failed = messages(&events, "FailedCreatePodSandBox");
    let text = "Failed to create pod sandbox: rpc error: code = NotFound desc = failed to get sandbox image \"registry.k8s.io/pause:3.10.1\": \
                failed to pull image \"registry.k8s.io/pause:3.10.1\": failed to pull and unpack image";
    assert!(failed.len() > 18 && failed.iter().all(|(_, _, message)| message.starts_with(text)), "{failed:?}");
    for pair in failed.windows(2) {
        assert!((9.9..=17.0).contains(&(pair[1].0 - pair[0].0)), "{pair:?}");
    }
    let writes = writes(&pods, "p");
    assert!(writes.iter().all(|(at, ready, _)| !ready || *at > 300.0), "{writes:?}");
    assert!(
        writes.iter().filter(|(at, ..)| *at < 300.0).count() == 2 && writes.last().unwrap().2.starts_with("running")
    );
}

#[test]
fn a_missing_secret_is_reported_at_every_sync_until_it_is_created() {
    let script = "0s pod t/p pull-secrets=regcred,other container app image=x.example/p:1 pull=unauthorized
0s secret t/other
200s secret t/regcred
200s image x.example/p:1 ok";
    let (pods, events) = both(script, 900);
    let missing = messages(&events, "FailedToRetrieveImagePullSecret");
    let text = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.";
    assert!(missing.len() > 8 && missing.iter().all(|(at, _, message)| *at < 200.0 && message == text), "{missing:?}");
    let pod = &pods.last().unwrap().object;
    assert_eq!(pod["spec"]["imagePullSecrets"], serde_json::json!([{ "name": "regcred" }, { "name": "other" }]));
    assert!(writes(&pods, "p").last().unwrap().2.starts_with("running"));
}

#[test]
fn a_hung_kubelet_writes_no_status_until_it_restarts() {
    let script = "-60s pod t/old container app image=x.example/p:1
0s hang-kubelet node-1
5s pod t/new container app image=x.example/p:1
600s restart-kubelet node-1";
    let (pods, events) = both(script, 700);
    let new = writes(&pods, "new");
    assert!(new.iter().skip(1).all(|(at, ..)| *at > 600.0) && new.last().unwrap().2.starts_with("running"), "{new:?}");
    assert!(pods[..pods.len() - 1].iter().all(|event| !(0..5_000).contains(&event.at.as_millis())));
    assert!(events.iter().all(|event| event.at < SimTime::ZERO || event.at.as_millis() > 600_000));
}

#[test]
fn texts_that_differ_at_each_attempt_are_combined() {
    let script = "0s pod t/p container app image=ghcr.io/x/y:1 pull=reset";
    let (_, events) = both(script, 3_600);
    let failed = messages(&events, "Failed");
    let combined = failed.iter().filter(|(_, _, message)| message.starts_with("(combined from similar events): "));
    assert!(combined.count() > 2, "{failed:?}");
}

#[test]
fn events_expire_an_hour_after_their_last_write() {
    let script =
        "0s pod t/p container app image=x.example/p:1\n0s pod t/q container app image=x.example/q:1 pull=not-found
3h delete t/q";
    let (_, events) = both(script, 5 * 3_600);
    let mut live = BTreeMap::new();
    let mut most = 0;
    for event in &events {
        let name = event.object["metadata"]["name"].as_str().unwrap();
        match event.change {
            EventType::Added => assert_eq!(live.insert(name, event.at), None),
            EventType::Modified => assert!(live.insert(name, event.at).is_some()),
            EventType::Deleted => {
                let written = live.remove(name).expect("it was there");
                assert_eq!(event.at.since(written).as_secs(), 3_600);
            }
        }
        most = most.max(live.len());
    }
    assert!(live.is_empty() && most < 16, "{live:?}, {most}");
    let versions: Vec<u64> = events
        .iter()
        .map(|event| event.object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b));
}

/// Pods that never start keep few Events however long they try.
#[test]
fn the_number_of_events_is_bounded() {
    let script = "0s pod t/reset container app image=x.example/reset:1 pull=reset
0s pod t/crash container app image=x.example/crash:1 runs=3s exit=1
0s pod t/secret pull-secrets=regcred container app image=x.example/secret:1 pull=unauthorized
0s sandbox node-2 not-found
0s pod t/sandbox node=node-2 container app image=x.example/sandbox:1";
    let mut cluster = cluster(script, 1);
    let mut live = BTreeSet::new();
    for hour in 1..=24 {
        for event in of(Resource::Events, cluster.step(SimTime::from_millis(hour * 3_600_000))) {
            let name = event.object["metadata"]["name"].to_string();
            match event.change {
                EventType::Added | EventType::Modified => live.insert(name),
                EventType::Deleted => live.remove(&name),
            };
        }
        assert!((1..60).contains(&live.len()), "{hour} h: {}", live.len());
    }
}
