//! Applies the recorded pods and Events to the index, and compares the effects with what their statuses and messages say.
//!
//! The expected values are read from the JSON with string functions, not with the parsers of the exporter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::FAILING;
use image_pull_exporter::cluster::wire::decode_json_pod;
use image_pull_model::cause::Cause;
use image_pull_model::effect::{IndexEffect, PullReport, PullResult};
use image_pull_model::facts::{PodId, WatchScope};
use image_pull_model::failure_event::{FailureEvent, FailureOutcome};
use image_pull_model::image_wait::PendingEvent;
use image_pull_model::index::{Index, IndexConfig};
use image_pull_model::kubelet_event::{EventFacts, EventReport};
use image_pull_model::snapshot::Snapshot;
use image_pull_model::time::Timestamp;

/// A record of a pod or an Event.
#[derive(Clone)]
struct Record {
    at: f64,
    kind: String,
    object: Value,
    is_event: bool,
}

impl Record {
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The records of a recording in the order of their times.
fn records(name: &str, with_events: bool) -> Vec<Record> {
    let read = |suffix: &str, is_event| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces");
        let text = fs::read_to_string(folder.join(format!("{name}.{suffix}.jsonl"))).unwrap();
        let record = |line: &str| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            Record {
                at: record["t"].as_f64().unwrap(),
                kind: record["type"].as_str().unwrap().to_owned(),
                object: record["object"].take(),
                is_event,
            }
        };
        text.lines().map(record).filter(|record| record.kind != "BOOKMARK").collect::<Vec<_>>()
    };
    let mut records = read("pods", false);
    if with_events {
        records.extend(read("events", true));
    }
    records.sort_by(|a, b| a.at.total_cmp(&b.at));
    records
}

fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

/// Decodes an Event as far as it is needed here.
fn event_facts(event: &Record) -> Option<EventFacts> {
    let report = EventReport::parse(event.text("/reason"), event.text("/message"))?;
    let time = |field: &str| {
        let time: jiff::Timestamp = event.text(field).parse().ok()?;
        Some(Timestamp::from_unix_millis(time.as_millisecond()))
    };
    let field_path = event.text("/involvedObject/fieldPath");
    Some(EventFacts {
        uid: event.text("/metadata/uid").to_owned(),
        resource_version: event.text("/metadata/resourceVersion").parse().unwrap(),
        pod: PodId {
            namespace: event.text("/involvedObject/namespace").to_owned(),
            name: event.text("/involvedObject/name").to_owned(),
            uid: event.text("/involvedObject/uid").to_owned(),
        },
        container: between(field_path, "{", "}").unwrap_or_default().to_owned(),
        node: event.text("/source/host").to_owned(),
        count: u32::try_from(event.object["count"].as_u64().unwrap_or(1)).unwrap(),
        first_at: time("/firstTimestamp"),
        last_at: time("/lastTimestamp"),
        report,
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}

/// Applies the records as the watches do, and calls `see` after each with the effects and the snapshot.
fn play(records: &[Record], mut see: impl FnMut(&Record, &[IndexEffect], &Snapshot)) {
    let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
    let begin = timestamp(records[0].at - 1.0);
    index.begin_relist(&WatchScope::Cluster);
    assert_eq!(index.end_relist(&WatchScope::Cluster, begin), []);
    index.begin_event_list(&WatchScope::Cluster);
    index.end_event_list(&WatchScope::Cluster);
    for record in records {
        let now = timestamp(record.at);
        let effects = if record.is_event {
            let event = event_facts(record).filter(|_| record.kind != "DELETED");
            event.map(|event| index.apply_event(&WatchScope::Cluster, &event, now)).unwrap_or_default()
        } else {
            let pod = decode_json_pod(record.object.to_string().as_bytes()).unwrap();
            if record.kind == "DELETED" { index.delete(&pod, now) } else { index.apply(&pod, now) }
        };
        let snapshot = index.snapshot().unwrap();
        see(record, &effects, &snapshot);
    }
}

/// A pull: container, duration and time in the queue in milliseconds, and size; `None` for a failed pull.
type Pull = (String, Option<(u64, u64, u64)>);

/// Reads a Go duration, for example `1m2.5s` or `792ms`, in milliseconds.
fn milliseconds(text: &str) -> u64 {
    let (mut total, mut rest) = (0.0, text);
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && c != '.') {
        let (number, unit) = rest.split_at(end);
        let unit_end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(unit_end);
        let factor = BTreeMap::from([("h", 3_600_000.0), ("m", 60_000.0), ("s", 1000.0), ("ms", 1.0)])[unit];
        total += number.parse::<f64>().unwrap() * factor;
        rest = after;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few minutes")]
    let total = total.round() as u64;
    total
}

/// The pulls that the messages report, with their numbers.
fn expected_pulls(records: &[Record]) -> BTreeMap<Pull, u64> {
    let (mut pulls, mut counts) = (BTreeMap::new(), BTreeMap::new());
    for record in records.iter().filter(|record| record.is_event && record.kind != "DELETED") {
        let (reason, message) = (record.text("/reason"), record.text("/message"));
        let count = record.object["count"].as_u64().unwrap();
        let before = counts.insert(record.text("/metadata/uid").to_owned(), count).unwrap_or(count - 1);
        let container = between(record.text("/involvedObject/fieldPath"), "{", "}").unwrap_or_default().to_owned();
        let result = if reason == "Pulled" && message.starts_with("Successfully pulled image") {
            let pull = milliseconds(between(message, "\" in ", " (").unwrap());
            let total = milliseconds(between(message, " (", " including").unwrap());
            Some((pull, total - pull, between(message, "size: ", " bytes").unwrap().parse().unwrap()))
        } else if reason == "Failed" && message.starts_with("Failed to pull image") {
            None
        } else {
            continue;
        };
        *pulls.entry((container, result)).or_insert(0) += count - before;
    }
    pulls
}

fn pull_of(report: &PullReport) -> Pull {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
    let result = match report.result {
        PullResult::Pulled { duration, queued, size } => {
            Some((millis(duration), millis(queued.unwrap()), size.unwrap()))
        }
        PullResult::Failed => None,
    };
    (report.subject.container.clone(), result)
}

#[test]
fn the_pulls_of_every_recording_are_those_of_its_messages() {
    let mut total = 0;
    for (name, _) in FAILING {
        let records = records(name, true);
        let mut pulls: BTreeMap<Pull, u64> = BTreeMap::new();
        play(&records, |record, effects, _| {
            for effect in effects {
                let IndexEffect::Pull(report) = effect else { continue };
                assert!(record.is_event && report.count > 0);
                *pulls.entry(pull_of(report)).or_insert(0) += u64::from(report.count);
            }
        });
        assert_eq!(pulls, expected_pulls(&records), "{name}");
        total += pulls.values().sum::<u64>();
    }
    assert!(total > 100, "{total} pulls");
}

#[test]
fn a_missing_sandbox_image_is_one_failure_until_the_sandbox_is_ready() {
    for (name, _) in FAILING {
        let records = records(name, true);
        let is_failure = |record: &Record| {
            record.text("/reason") == "FailedCreatePodSandBox" && record.text("/message").contains("sandbox image")
        };
        let has_sandbox = |record: &Record| {
            let conditions = record.object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions
                .iter()
                .any(|condition| condition["type"] == "PodReadyToStartContainers" && condition["status"] == "True")
        };
        let expected = records.iter().find(|record| is_failure(record)).map(|first| {
            let ready = records.iter().find(|record| record.at >= first.at && !record.is_event && has_sandbox(record));
            (first.at, ready.unwrap().at, FailureOutcome::Recovered)
        });
        let (mut begun, mut seen) = (0.0, None);
        play(&records, |record, effects, _| {
            for effect in effects {
                let IndexEffect::Failure { subject, event, .. } = effect else { continue };
                match event {
                    FailureEvent::Started if subject.container.is_empty() => begun = record.at,
                    FailureEvent::Ended { outcome, .. } if subject.container.is_empty() => {
                        assert_eq!(seen.replace((begun, record.at, *outcome)), None, "{name}: a second failure");
                    }
                    _ => {}
                }
            }
        });
        assert_eq!(seen, expected, "{name}");
        assert_eq!(seen.is_some(), name == "sandbox-image-missing");
    }
}

#[test]
fn a_missing_secret_is_the_cause_of_the_denied_pulls_of_its_pod() {
    for (name, _) in FAILING {
        let records = records(name, true);
        let mut causes = BTreeSet::new();
        play(&records, |record, _, snapshot| {
            for (pod, _, failure) in snapshot.failures() {
                causes.insert(failure.cause());
                if name == "missing-secret" {
                    assert_eq!(failure.cause(), Cause::PullSecretMissing, "{}", record.at);
                    assert_eq!(*pod.missing_secrets, ["regcred"]);
                }
            }
        });
        assert_eq!(causes.contains(&Cause::PullSecretMissing), name == "missing-secret", "{name}: {causes:?}");
    }
}

/// A change of a pending stretch: time, pod, container, and the outcome if it ended.
type Change = (f64, String, String, Option<&'static str>);

/// The state of one pod according to its statuses so far.
#[derive(Default)]
struct PodStory {
    /// The container that is pending, of the pod's own and of the ephemeral ones.
    pending: [Option<String>; 2],
    /// The containers with an open failure.
    failing: BTreeSet<String>,
}

const IMAGE_REASONS: [&str; 7] = super::oracle::IMAGE_REASONS;

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"]
        .into_iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
}

fn status_of<'a>(pod: &'a Value, name: &Value) -> Option<&'a Value> {
    statuses(pod).find(|status| status["name"] == *name)
}

fn waiting_reason(status: &Value) -> Option<&str> {
    status["state"]["waiting"].is_object().then(|| status["state"]["waiting"]["reason"].as_str().unwrap_or_default())
}

fn is_before_pull(status: &Value) -> bool {
    waiting_reason(status).is_some_and(|reason| ["ContainerCreating", "PodInitializing"].contains(&reason))
}

/// The container that is pending according to the status of a pod.
fn pending_container(pod: &Value, lists: &[&str], failing: &BTreeSet<String>) -> Option<String> {
    let condition = pod["status"]["conditions"].as_array().and_then(|conditions| {
        let mut conditions = conditions.iter();
        conditions.find(|condition| condition["type"] == "PodReadyToStartContainers").map(|one| one["status"] == "True")
    });
    let mut ran_before = false;
    for list in lists {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            let status = status_of(pod, &container["name"])?;
            let name = container["name"].as_str().unwrap();
            if is_before_pull(status) {
                let is_ready = condition == Some(true) || (condition.is_none() && ran_before);
                return (is_ready && !failing.contains(name)).then(|| name.to_owned());
            }
            let (running, terminated) = (&status["state"]["running"], &status["state"]["terminated"]);
            let is_over = match *list {
                "initContainers" if container["restartPolicy"] == "Always" => {
                    running.is_object() && status["started"] == true
                }
                "initContainers" => terminated["exitCode"] == 0,
                _ => !waiting_reason(status).is_some_and(|reason| IMAGE_REASONS.contains(&reason)),
            };
            if !is_over {
                return None;
            }
            ran_before |= running.is_object() || terminated.is_object();
        }
    }
    None
}

/// The changes of the pending stretches that the statuses show.
fn expected_changes(records: &[Record]) -> Vec<Change> {
    let mut pods: BTreeMap<String, PodStory> = BTreeMap::new();
    let mut changes = Vec::new();
    for record in records {
        let (pod, uid) = (&record.object, record.text("/metadata/uid").to_owned());
        let story = pods.entry(uid.clone()).or_default();
        let is_gone = record.kind == "DELETED" || pod["metadata"]["deletionTimestamp"].is_string();
        let is_finished = ["Succeeded", "Failed"].contains(&record.text("/status/phase"));
        for status in statuses(pod) {
            let name = status["name"].as_str().unwrap().to_owned();
            if waiting_reason(status).is_some_and(|reason| IMAGE_REASONS.contains(&reason)) {
                story.failing.insert(name);
            } else if status["state"]["running"].is_object() || status["state"]["terminated"].is_object() {
                story.failing.remove(&name);
            }
        }
        for (place, lists) in [&["initContainers", "containers"][..], &["ephemeralContainers"]].into_iter().enumerate()
        {
            let pending = pending_container(pod, lists, &story.failing).filter(|_| !is_gone && !is_finished);
            let before = story.pending[place].clone();
            if before == pending {
                continue;
            }
            if let Some(name) = before {
                let status = status_of(pod, &Value::String(name.clone())).cloned().unwrap_or_default();
                let outcome = match waiting_reason(&status) {
                    _ if is_gone => "pod_deleted",
                    _ if is_finished => "unknown",
                    Some(reason) if IMAGE_REASONS.contains(&reason) => "failed",
                    Some("ContainerCreating" | "PodInitializing") => "unknown",
                    _ => "started",
                };
                changes.push((record.at, uid.clone(), name, Some(outcome)));
            }
            if let Some(name) = &pending {
                changes.push((record.at, uid.clone(), name.clone(), None));
            }
            story.pending[place] = pending;
        }
    }
    changes
}

fn change(record: &Record, effect: &IndexEffect) -> Option<Change> {
    let IndexEffect::Pending { subject, event } = effect else { return None };
    let outcome = match event {
        PendingEvent::Started => None,
        PendingEvent::Ended { outcome, .. } => Some(outcome.as_str()),
    };
    Some((record.at, subject.pod.uid.clone(), subject.container.clone(), outcome))
}

#[test]
fn pending_stretches_begin_and_end_where_the_statuses_say() {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in FAILING {
        let records = records(name, false);
        let mut changes = Vec::new();
        play(&records, |record, effects, _| changes.extend(effects.iter().filter_map(|effect| change(record, effect))));
        assert_eq!(changes, expected_changes(&records), "{name}");
        for outcome in changes.iter().filter_map(|(.., outcome)| *outcome) {
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
    }
    assert!(outcomes["started"] > 5 && outcomes["failed"] > 20, "{outcomes:?}");
}

#[test]
fn with_events_a_stretch_begins_at_the_first_of_condition_and_pull_request() {
    for (name, _) in FAILING {
        let pods = expected_changes(&records(name, false));
        let records = records(name, true);
        let mut open: BTreeMap<(String, String), f64> = BTreeMap::new();
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        play(&records, |record, effects, snapshot| {
            for (at, pod, container, outcome) in effects.iter().filter_map(|effect| change(record, effect)) {
                if outcome.is_none() {
                    assert_eq!(open.insert((pod.clone(), container.clone()), at), None, "{name}");
                    begins.push((pod, container, at));
                } else {
                    assert!(open.remove(&(pod.clone(), container.clone())).is_some(), "{name}: an end without a start");
                    ends.push((pod, container));
                }
            }
            let pending = snapshot.waits().filter(|(_, _, wait)| wait.is_pending());
            let shown: BTreeSet<(String, String)> =
                pending.map(|(pod, container, _)| (pod.id.uid.clone(), container.name.to_string())).collect();
            assert_eq!(shown, open.keys().cloned().collect(), "{name} at {}", record.at);
            assert!(snapshot.containers().all(|(_, one)| one.wait.is_none() || one.failure.is_none()), "{name}");
        });
        // Each stretch that the pods show is also shown with Events, from the same time or earlier.
        for (at, pod, container, _) in pods.iter().filter(|(.., outcome)| outcome.is_none()) {
            let is_same = |begin: &&(String, String, f64)| begin.0 == *pod && begin.1 == *container && begin.2 <= *at;
            assert!(begins.iter().any(|begin| is_same(&begin)), "{name}: {pod}/{container} at {at}: {begins:?}");
        }
        assert!(ends.len() <= begins.len());
    }
}
