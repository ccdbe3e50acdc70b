//! Feeds `replay` with recordings of every shape, and with the conformance cases of kube-state-metrics.

use std::time::Duration;

use crate::common::exposition::Exposition;
use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_model::index::{IndexConfig, MirroredReasons};
use image_pull_model::time::Timestamp;
use serde_json::{Value, json};

const OPTIONS: Options = Options {
    settings: IndexConfig {
        mirrored_reasons: MirroredReasons::All,
        excludes_finished_pods: false,
        selects_by_label: false,
        batch_kinds: Vec::new(),
    },
    limits: MonitorLimits::DEFAULT,
    until: None,
    keep_going: false,
};
fn keep_going() -> Options {
    Options { keep_going: true, ..OPTIONS }
}

/// The metrics at the end and the number of skipped records, or the error message.
fn replayed(recording: impl AsRef<[u8]>, options: &Options) -> Result<(Exposition, usize), String> {
    let clock = || Timestamp::from_unix_millis(1_800_000_000_000);
    let replayed = replay::replay(recording.as_ref(), options, clock).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut out).unwrap();
    Ok((Exposition::parse(std::str::from_utf8(&out).unwrap()), replayed.skipped))
}

/// A pod in namespace `shop` whose container cannot pull its image.
fn pod(name: &str) -> Value {
    let waiting = json!({ "reason": "ErrImagePull", "message": "not found" });
    json!({
        "metadata": { "namespace": "shop", "name": name, "uid": format!("uid-of-{name}") },
        "spec": { "containers": [{ "name": "app", "image": "nginx:nope" }] },
        "status": { "containerStatuses": [{ "name": "app", "restartCount": 0, "state": { "waiting": waiting } }] },
    })
}

/// A record in the format of `kubectl --output-watch-events -o json`.
fn added(name: &str) -> Value {
    json!({ "type": "ADDED", "object": pod(name) })
}

fn at(t: f64, name: &str) -> Value {
    json!({ "t": t, "type": "ADDED", "object": pod(name) })
}

fn failing(exposition: &Exposition) -> Vec<&str> {
    let mut names: Vec<&str> = exposition.all("image_pull_failing").map(|sample| sample.label("pod")).collect();
    names.sort_unstable();
    names
}

/// The recording is read to its end, and these pods fail then.
#[track_caller]
fn check_reads(recording: impl AsRef<[u8]>, pods: &[&str]) {
    let (exposition, skipped) = replayed(recording, &OPTIONS).unwrap();
    assert_eq!((failing(&exposition).as_slice(), skipped), (pods, 0));
}

/// Checks that the recording is rejected with this error. With `keep_going`, the given number of records is skipped.
#[track_caller]
fn check_refuses(recording: impl AsRef<[u8]>, error: &str, skips: usize, pods: &[&str]) {
    let recording = recording.as_ref();
    let refused = replayed(recording, &OPTIONS).unwrap_err();
    assert!(refused.starts_with(error), "{refused:?} does not begin with {error:?}");
    assert!(!refused.contains('\n'), "{refused:?} is more than a line");
    let (exposition, skipped) = replayed(recording, &keep_going()).unwrap();
    assert_eq!((failing(&exposition).as_slice(), skipped), (pods, skips));
}

#[test]
fn records_may_be_laid_out_in_any_way() {
    let (a, b) = (added("a"), added("b"));
    check_reads(format!("{a}\n{b}\n"), &["a", "b"]);
    check_reads(format!("{a}\n{b}"), &["a", "b"]);
    check_reads(format!("{a}\r\n{b}\r\n"), &["a", "b"]);
    check_reads(format!("\n\n{a}\n \t\n{b}\n\n"), &["a", "b"]);
    check_reads(format!("{a}{b}"), &["a", "b"]);
    check_reads(format!("{a} {b}\n{}", added("c")), &["a", "b", "c"]);
    check_reads(format!("  {a}\n  {b}\n"), &["a", "b"]);
    check_reads(format!("{a:#}\n{b:#}\n"), &["a", "b"]);
    check_reads(format!("{a:#}{b:#}"), &["a", "b"]);
    check_reads(format!("{a:#}\r\n{b:#}\r\n").replace('\n', "\r\n"), &["a", "b"]);
    check_reads(format!("{a:#}\n{b}\n{:#}", added("c")), &["a", "b", "c"]);
}

#[test]
fn an_empty_recording_is_a_cluster_without_pods() {
    for empty in ["", "\n", " \n\r\n\t"] {
        let (exposition, skipped) = replayed(empty, &OPTIONS).unwrap();
        assert_eq!(skipped, 0);
        assert_eq!(exposition.all("image_pull_failing_pods").map(|sample| sample.value).collect::<Vec<_>>(), [0.0]);
        assert_eq!(failing(&exposition), [""; 0]);
        assert_eq!(exposition.samples.iter().filter(|sample| sample.name.starts_with("kube_")).count(), 0);
    }
}

#[test]
fn a_broken_line_is_named_and_may_be_skipped() {
    let (a, b) = (added("a"), added("b"));
    for broken in ["nonsense", "}", "]", "{]", "[1, 2]", "7", "null", "\"text\"", "{'type': 1}", "{\"t\":}"] {
        check_refuses(format!("{a}\n{broken}\n{b}\n"), "line 2: ", 1, &["a", "b"]);
    }
}

#[test]
fn a_line_that_was_cut_off_is_named_and_costs_itself_alone() {
    let (a, b) = (added("a"), added("b"));
    let cut = &a.to_string()[..60];
    check_refuses(format!("{a}\n{cut}\n{b}\n"), "line 2: the record is cut off", 1, &["a", "b"]);
    check_refuses(format!("{a}\n{b}\n{cut}"), "line 3: the record is cut off", 1, &["a", "b"]);
    let lines = format!("{a:#}").lines().count();
    let pretty = format!("{a:#}");
    let cut = pretty.lines().take(lines / 2).collect::<Vec<_>>().join("\n");
    check_refuses(format!("{a:#}\n{cut}\n{b:#}\n"), &format!("line {}: ", lines + 1), 1, &["a", "b"]);
}

#[test]
fn a_record_is_named_by_the_line_on_which_it_begins() {
    let (a, bad) = (format!("{:#}", added("a")), json!({ "type": "GONE", "object": {} }));
    let lines = a.lines().count();
    check_refuses(format!("{a}\n{bad:#}\n"), &format!("line {}: ", lines + 1), 1, &["a"]);
    check_refuses(format!("\n\n{a}\n\n{bad}\n"), &format!("line {}: ", lines + 4), 1, &["a"]);
    check_refuses(format!("{}{bad}\n", added("a")), "line 1: ", 1, &["a"]);
}

#[test]
fn a_record_that_begins_where_the_one_before_it_ends_is_named_by_that_line() {
    let (a, bad) = (format!("{:#}", added("a")), json!({ "type": "GONE", "object": {} }));
    let lines = a.lines().count();
    check_refuses(format!("{a} {bad:#}\n"), &format!("line {lines}: "), 1, &["a"]);
}

#[test]
fn records_that_are_not_watch_events_are_reported() {
    let a = added("a");
    for broken in [
        json!({}),
        json!({ "type": "ADDED" }),
        json!({ "object": {} }),
        json!({ "type": null, "object": pod("x") }),
        pod("x"),
    ] {
        check_refuses(format!("{a}\n{broken}\n"), "line 2: not a watch event", 1, &["a"]);
    }
    for broken in
        [json!({ "type": 7, "object": pod("x") }), json!({ "t": "noon", "type": "ADDED", "object": pod("x") })]
    {
        check_refuses(format!("{a}\n{broken}\n"), "line 2: ", 1, &["a"]);
    }
}

#[test]
fn a_type_that_no_watch_has_is_named() {
    for kind in ["GONE", "added", "", "ADDED "] {
        let broken = json!({ "type": kind, "object": pod("x") });
        let error = format!("line 2: no watch event has the type \"{kind}\"");
        check_refuses(format!("{}\n{broken}\n", added("a")), &error, 1, &["a"]);
    }
}

#[test]
fn bookmarks_and_errors_of_a_watch_are_passed_over() {
    let bookmark = json!({ "type": "BOOKMARK", "object": { "kind": "Pod", "metadata": { "resourceVersion": "7" } } });
    let error = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "message": "too old" } });
    check_reads(format!("{bookmark}\n{}\n{error}\n", added("a")), &["a"]);
}

#[test]
fn an_object_that_is_not_a_pod_is_named_and_counted() {
    let mut broken = pod("broken");
    broken["status"]["containerStatuses"] = json!("none");
    let recording = format!("{}\n{}\n{}\n", added("a"), json!({ "type": "ADDED", "object": broken }), added("b"));
    check_refuses(&recording, "line 2: shop/broken: ", 1, &["a", "b"]);
    let (exposition, _) = replayed(&recording, &keep_going()).unwrap();
    assert_eq!(exposition.sum("image_pull_exporter_undecodable_objects_total", &[]), 1.0);
    // A line without JSON is not an object.
    let (exposition, _) = replayed("nonsense\n", &keep_going()).unwrap();
    assert_eq!(exposition.sum("image_pull_exporter_undecodable_objects_total", &[]), 0.0);
}

#[test]
fn a_pod_without_a_uid_is_counted_and_does_not_affect_others() {
    let mut nameless = pod("x");
    nameless["metadata"] = json!({ "namespace": "shop", "name": "x" });
    let recording = format!("{}\n{}\n", json!({ "type": "ADDED", "object": nameless }), added("a"));
    check_refuses(&recording, "line 1: ", 1, &["a"]);
}

#[test]
fn a_byte_order_mark_is_passed_over_or_named() {
    let recording = format!("\u{feff}{}\n{}\n", added("a"), added("b"));
    match replayed(&recording, &OPTIONS) {
        Ok((exposition, _)) => assert_eq!(failing(&exposition), ["a", "b"]),
        Err(error) => assert!(error.starts_with("line 1: "), "{error}"),
    }
}

#[test]
fn invalid_utf8_affects_at_most_its_record() {
    let mut recording = format!("{}\n", added("a")).into_bytes();
    let broken = added("b").to_string().replace("not found", "not \u{1} found");
    recording.extend(broken.bytes().map(|byte| if byte == 1 { 0xff } else { byte }));
    recording.extend(b"\n\xff\xfe\x00\xc3\x28\n");
    recording.extend(format!("{}\n", added("c")).into_bytes());
    let (exposition, skipped) = replayed(&recording, &keep_going()).unwrap();
    assert!(skipped <= 2, "{skipped}");
    assert!(failing(&exposition).starts_with(&["a"]) && failing(&exposition).ends_with(&["c"]));
}

#[test]
fn utf_16_as_some_shells_write_it_is_refused_and_not_mistaken() {
    let recording: Vec<u8> = format!("\u{feff}{}\n", added("a")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = replayed(&recording, &OPTIONS).unwrap_err();
    assert!(error.starts_with("line 1: "), "{error}");
}

#[test]
fn a_recording_without_times_happens_now() {
    let (exposition, _) = replayed(added("a").to_string(), &OPTIONS).unwrap();
    assert_eq!(exposition.sum("image_pull_last_attempt_timestamp_seconds", &[]), 1_800_000_000.0);
}

#[test]
fn at_requires_a_recording_with_times() {
    let options = Options { until: Some(Duration::from_secs(5)), ..OPTIONS };
    let error = replayed(format!("\n{}\n", added("a")), &options).unwrap_err();
    assert!(error.starts_with("line 2: the record has no time"), "{error}");
    assert!(replayed(format!("{}\n{}\n", at(5.0, "a"), added("b")), &options).is_err());
}

#[test]
fn a_moment_includes_what_happened_just_then() {
    let recording = format!("{}\n{}\n{}\n", at(100.0, "a"), at(105.0, "b"), at(105.001, "c"));
    for (seconds, pods) in
        [(0, &["a"][..]), (4, &["a"]), (5, &["a", "b"]), (6, &["a", "b", "c"]), (600, &["a", "b", "c"])]
    {
        let options = Options { until: Some(Duration::from_secs(seconds)), ..OPTIONS };
        let (exposition, _) = replayed(&recording, &options).unwrap();
        assert_eq!(failing(&exposition), pods, "after {seconds} s");
    }
}

#[test]
fn an_invalid_time_is_rejected() {
    for t in ["1e300", "-1e300", "3.3e12"] {
        let recording = format!("{{\"t\":{t},\"type\":\"ADDED\",\"object\":{}}}\n{}\n", pod("x"), at(100.0, "a"));
        check_refuses(recording, "line 1: ", 1, &["a"]);
    }
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_begin_in_the_future_or_last_less_than_nothing() {
    let running = json!({ "t": 50.0, "type": "MODIFIED", "object": {
        "metadata": pod("a")["metadata"], "spec": pod("a")["spec"],
        "status": { "containerStatuses": [{ "name": "app", "state": { "running": {} } }] },
    } });
    let (exposition, _) = replayed(format!("{}\n{}\n{running}\n", at(100.0, "b"), at(90.0, "a")), &OPTIONS).unwrap();
    assert_eq!(failing(&exposition), ["b"]);
    assert!(exposition.samples.iter().all(|sample| sample.value >= 0.0));
    for sample in exposition.all("image_pull_failing_since_timestamp_seconds") {
        assert!(sample.value <= 100.0, "{sample:?}");
    }
}

#[test]
fn labels_survive_any_content() {
    let name = "a \"quote\", a \\,\na newline, {braces}, \u{7}, \u{202e}, é, 🦀 and \\n";
    let mut odd = pod("odd");
    for (place, text) in [
        ("/metadata/name", name),
        ("/metadata/namespace", name),
        ("/metadata/uid", name),
        ("/spec/containers/0/name", name),
        ("/spec/containers/0/image", name),
        ("/status/containerStatuses/0/name", name),
        ("/status/containerStatuses/0/state/waiting/reason", name),
        ("/status/containerStatuses/0/state/waiting/message", name),
    ] {
        *odd.pointer_mut(place).unwrap() = text.into();
    }
    odd["spec"]["nodeName"] = name.into();
    let recording = format!("{}\n{}\n", json!({ "type": "ADDED", "object": odd }), added("a"));
    let (exposition, _) = replayed(&recording, &OPTIONS).unwrap();
    let info: Vec<_> = exposition.all("image_pull_failing_info").filter(|sample| sample.label("pod") == name).collect();
    assert_eq!(info.len(), 1);
    for label in ["namespace", "uid", "container", "image", "node"] {
        assert_eq!(info[0].label(label), name, "{label}");
    }
    let mut reasons: Vec<&str> =
        exposition.all("kube_pod_container_status_waiting_reason").map(|sample| sample.label("reason")).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["ErrImagePull", name], "verbatim, as kube-state-metrics");
    // Error text is a label only with all waiting reasons of kube-state-metrics.
    let options =
        Options { settings: IndexConfig { mirrored_reasons: MirroredReasons::Image, ..OPTIONS.settings }, ..OPTIONS };
    let (exposition, _) = replayed(&recording, &options).unwrap();
    assert_eq!(exposition.sum("kube_pod_container_status_waiting_reason", &[("reason", "Other")]), 1.0);
}

/// The waiting reasons that are shown for a pod with these statuses: `[app, init]`, each `container reason`.
fn mirrored(mirror: MirroredReasons, status: &Value) -> [Vec<String>; 2] {
    let pod = json!({
        "metadata": { "namespace": "ns1", "name": "pod1", "uid": "uid1" },
        "spec": { "initContainers": [{ "name": "mesh", "image": "mesh", "restartPolicy": "Always" }] },
        "status": status,
    });
    let options = Options { settings: IndexConfig { mirrored_reasons: mirror, ..OPTIONS.settings }, ..OPTIONS };
    let (exposition, _) = replayed(json!({ "type": "ADDED", "object": pod }).to_string(), &options).unwrap();
    ["kube_pod_container_status_waiting_reason", "kube_pod_init_container_status_waiting_reason"].map(|family| {
        let shown = exposition.all(family).inspect(|sample| {
            let [namespace, pod, uid] = ["namespace", "pod", "uid"].map(|label| sample.label(label));
            assert_eq!((namespace, pod, uid, sample.value), ("ns1", "pod1", "uid1", 1.0));
        });
        shown.map(|sample| format!("{} {}", sample.label("container"), sample.label("reason"))).collect()
    })
}

#[test]
fn the_mirror_passes_the_conformance_cases_of_kube_state_metrics() {
    let waiting = |name: &str, reason: &str| json!({ "name": name, "state": { "waiting": { "reason": reason } } });
    let running = |name: &str| json!({ "name": name, "state": { "running": {} } });
    let ended = |name: &str, reason: &str| json!({ "name": name, "state": { "terminated": { "reason": reason } } });
    let ended_before = |name: &str, reason: &str| json!({ "name": name, "state": { "running": {} }, "lastState": { "terminated": { "reason": reason } } });
    let app = |statuses: Value| json!({ "containerStatuses": statuses });
    let none: &[&str] = &[];
    for (case, status, apps, inits) in [
        (
            "C3",
            json!({ "containerStatuses": [running("container1")], "initContainerStatuses": [running("initcontainer1")] }),
            none,
            none,
        ),
        ("C4", app(json!([ended("container1", "Completed")])), none, none),
        (
            "C5",
            app(json!([ended("container2", "OOMKilled"), waiting("container3", "ContainerCreating")])),
            &["container3 ContainerCreating"],
            none,
        ),
        ("C6", app(json!([waiting("container4", "CrashLoopBackOff")])), &["container4 CrashLoopBackOff"], none),
        ("C7", app(json!([ended_before("container7", "OOMKilled")])), none, none),
        ("C8", app(json!([ended_before("container7", "DeadlineExceeded")])), none, none),
        ("C9", app(json!([waiting("container5", "ImagePullBackOff")])), &["container5 ImagePullBackOff"], none),
        ("C10", app(json!([waiting("container6", "ErrImagePull")])), &["container6 ErrImagePull"], none),
        (
            "C11",
            app(json!([waiting("container8", "CreateContainerConfigError")])),
            &["container8 CreateContainerConfigError"],
            none,
        ),
        ("an empty reason", app(json!([waiting("a", "")])), &["a "], none),
        ("no reason", app(json!([{ "name": "a", "state": { "waiting": {} } }])), &["a "], none),
        ("no state", app(json!([{ "name": "a" }])), none, none),
        ("no statuses", json!({ "phase": "Pending" }), none, none),
        (
            "init",
            json!({ "initContainerStatuses": [waiting("i", "ImagePullBackOff")], "containerStatuses": [waiting("a", "PodInitializing")] }),
            &["a PodInitializing"],
            &["i ImagePullBackOff"],
        ),
        (
            "sidecar",
            json!({ "initContainerStatuses": [waiting("mesh", "ErrImagePull")] }),
            none,
            &["mesh ErrImagePull"],
        ),
        ("ephemeral", json!({ "ephemeralContainerStatuses": [waiting("e", "ErrImagePull")] }), none, none),
        (
            "a finished pod",
            json!({ "phase": "Failed", "containerStatuses": [waiting("a", "ImagePullBackOff")] }),
            &["a ImagePullBackOff"],
            none,
        ),
    ] {
        assert_eq!(mirrored(MirroredReasons::All, &status), [apps, inits], "{case}");
        let is_image = |line: &&&str| line.ends_with("ErrImagePull") || line.ends_with("ImagePullBackOff");
        let images = [apps, inits].map(|lines| lines.iter().filter(is_image).copied().collect::<Vec<_>>());
        assert_eq!(mirrored(MirroredReasons::Image, &status), images, "{case}, image reasons only");
        assert_eq!(mirrored(MirroredReasons::None, &status), [none, none], "{case}, without the mirror");
    }
}

/// The text of a recording.
fn recording(name: &str, of: &str) -> String {
    std::fs::read_to_string(format!("tests/fixtures/traces/{name}.{of}.jsonl")).unwrap()
}

/// The metrics at the end of a replay of pods and Events, or the error message.
fn replayed_with_events(pods: &str, events: &str, options: &Options) -> Result<(Exposition, usize), String> {
    let clock = || Timestamp::from_unix_millis(1_800_000_000_000);
    let replayed = replay::replay_with_events(pods.as_bytes(), events.as_bytes(), options, clock);
    let replayed = replayed.map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut out).unwrap();
    Ok((Exposition::parse(std::str::from_utf8(&out).unwrap()), replayed.skipped))
}

fn sum(exposition: &Exposition, name: &str, result: &str) -> f64 {
    let samples = exposition.samples.iter().filter(|sample| sample.name == name);
    samples.filter(|sample| result.is_empty() || sample.label("result") == result).map(|sample| sample.value).sum()
}

#[test]
fn events_count_the_pulls_that_their_messages_report() {
    let mut totals = [0.0, 0.0];
    for entry in std::fs::read_dir("tests/fixtures/traces").unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".events.jsonl") else { continue };
        let events = recording(name, "events");
        let mut counts = std::collections::BTreeMap::new();
        for line in events.lines() {
            let object = serde_json::from_str::<Value>(line).unwrap()["object"].clone();
            let message = object["message"].as_str().unwrap_or_default();
            let result = ["Successfully pulled image ", "Failed to pull image "]
                .iter()
                .position(|begin| message.starts_with(begin));
            if let Some(result) = result {
                let count = counts.entry((result, object["metadata"]["uid"].to_string())).or_insert(0.0_f64);
                *count = count.max(object["count"].as_f64().unwrap());
            }
        }
        let (exposition, skipped) = replayed_with_events(&recording(name, "pods"), &events, &OPTIONS).unwrap();
        for (result, label) in ["pulled", "failed"].into_iter().enumerate() {
            let expected: f64 = counts.iter().filter(|((of, _), _)| *of == result).map(|(_, count)| *count).sum();
            assert_eq!(sum(&exposition, "image_pulls_total", label), expected, "{name} {label}");
            totals[result] += expected;
        }
        assert_eq!(skipped, 0);
    }
    assert!(totals.iter().all(|total| *total > 5.0), "{totals:?}");
}

#[test]
fn events_add_durations_and_sizes() {
    let (pods, events) = (recording("good", "pods"), recording("good", "events"));
    let (exposition, _) = replayed_with_events(&pods, &events, &OPTIONS).unwrap();
    assert!((sum(&exposition, "image_pull_duration_seconds_sum", "") - 0.792).abs() < 1e-9);
    assert!((sum(&exposition, "image_pull_size_bytes_sum", "") - 1_094_454.0).abs() < 0.5);
    let without = replayed(&pods, &OPTIONS).unwrap().0;
    assert_eq!(without.samples.iter().filter(|sample| sample.name.starts_with("image_pulls_total")).count(), 0);
    // The pull ends after half a second.
    let at = |millis| Options { until: Some(Duration::from_millis(millis)), ..OPTIONS };
    let pulls = |millis| sum(&replayed_with_events(&pods, &events, &at(millis)).unwrap().0, "image_pulls_total", "");
    assert_eq!((pulls(100), pulls(60_000)), (0.0, 1.0));
}

#[test]
fn events_before_the_recording_are_not_counted() {
    let events = recording("good", "events").replace("2026-11-23T21:22:5", "2026-11-23T20:22:5");
    let (exposition, _) = replayed_with_events(&recording("good", "pods"), &events, &OPTIONS).unwrap();
    assert_eq!(sum(&exposition, "image_pulls_total", ""), 0.0);
}

#[test]
fn a_sandbox_failure_and_a_missing_secret_come_from_events() {
    let failing = |name: &str, seconds| {
        let options = Options { until: Some(Duration::from_secs(seconds)), ..OPTIONS };
        let (exposition, _) =
            replayed_with_events(&recording(name, "pods"), &recording(name, "events"), &options).unwrap();
        let infos = exposition.all("image_pull_failing_info");
        infos.map(|info| format!("{} {}", info.label("container_type"), info.label("cause"))).collect::<Vec<_>>()
    };
    assert_eq!(failing("sandbox-image-missing", 50), ["sandbox image_not_found"]);
    assert_eq!(failing("missing-secret", 60), ["app pull_secret_missing"]);
}

#[test]
fn errors_in_the_events_name_their_line() {
    let (pods, events) = (recording("good", "pods"), recording("good", "events"));
    let broken = events.replacen('\n', "\nnonsense\n", 1);
    let error = replayed_with_events(&pods, &broken, &OPTIONS).unwrap_err();
    assert!(error.starts_with("Events: line 2: "), "{error}");
    let (exposition, skipped) = replayed_with_events(&pods, &broken, &keep_going()).unwrap();
    assert_eq!((sum(&exposition, "image_pulls_total", "pulled"), skipped), (1.0, 1));
    let error = replayed_with_events(&pods, &pods, &OPTIONS).unwrap_err();
    assert_eq!(error, "Events: line 1: the object is a Pod, not an Event");
    let error = replayed_with_events(&pods.replacen("{\"t\":", "{\"u\":", 1), &events, &OPTIONS).unwrap_err();
    assert_eq!(error, "line 1: the record has no time \"t\", which --events requires");
}
