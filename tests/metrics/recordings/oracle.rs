//! Computes the expected failures of a recording from its statuses, without code of the exporter.
//!
//! It implements the documented behavior of the kubelet: the image-related waiting reasons, the end of a failure, and the
//! back-off after the n-th failed attempt.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// One record of a recording.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: f64,
    pub kind: String,
    pub object: Value,
    /// The object as JSON text, since it is written many times.
    json: String,
}

impl Record {
    pub fn new(at: f64, kind: &str, object: Value) -> Self {
        Self { at, kind: kind.to_owned(), json: object.to_string(), object }
    }
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub container: String,
}

/// One failure, computed from the statuses.
#[derive(Clone, Debug)]
pub struct Failure {
    pub place: Place,
    pub container_type: &'static str,
    pub image: String,
    pub policy: String,
    /// The time of the first image-related reason.
    pub began: f64,
    /// The best estimate of its start and its basis. Equal to `began` unless the first record of the pod shows the failure.
    pub since: (f64, &'static str),
    pub ended: Option<(f64, &'static str)>,
    /// The onset of each failed attempt.
    pub onsets: Vec<f64>,
    pub intervals: Vec<Interval>,
    /// The statuses with a cause.
    pub statuses: Vec<CauseStatus>,
}

/// A status with a cause.
#[derive(Clone, Debug)]
pub struct CauseStatus {
    pub at: f64,
    pub cause: &'static str,
    /// Whether the status is the onset of a failed attempt.
    pub is_attempt: bool,
}

/// An undisturbed back-off interval whose start and end were observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Failed attempts counted by the kubelet at the start of the interval; `None` if some were hidden.
    pub step: Option<usize>,
    pub from: f64,
    /// The onset of the next attempt. A successful attempt is visible one sync earlier than a failed one.
    pub to: f64,
    pub recovery: bool,
}

/// The upper bound of the bucket of an interval after `step` failed attempts.
const BUCKET_OF_STEP: [f64; 6] = [35.0, 35.0, 68.0, 128.0, 238.0, 340.0];
/// One failed attempt is visible for at most 16 s, two merged ones for at least 22 s.
const MERGED_SHOWS: f64 = 19.0;

/// The image-related waiting reasons.
pub const IMAGE_REASONS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
const ATTEMPTS: [&str; 3] = ["ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"];
const BEFORE_A_PULL: [&str; 2] = ["ContainerCreating", "PodInitializing"];
const OTHER_REASONS: [&str; 5] =
    ["", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"];
const SECTIONS: [(&str, &str, &str); 3] = [
    ("initContainers", "initContainerStatuses", "init"),
    ("containers", "containerStatuses", "app"),
    ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"),
];

/// Phrases in the recorded error texts and their causes.
const CAUSES: [(&str, &str); 11] = [
    ("pull QPS exceeded", "pull_qps_exceeded"),
    ("invalid reference format", "invalid_reference"),
    ("pull policy of Never", "never_pull_absent"),
    ("Failed to inspect image", "node_storage_error"),
    ("no match for platform", "platform_mismatch"),
    ("429 Too Many Requests", "rate_limited"),
    ("401 Unauthorized", "unauthorized"),
    ("no such host", "dns_failure"),
    ("connection refused", "connection_failed"),
    ("the registry is unavailable", "registry_unavailable"),
    (": not found", "image_not_found"),
];
/// Maximum number of attempts with other causes that do not interrupt a cause.
const INTERRUPTED_BY: usize = 2;

impl Failure {
    /// The last cause and its start: the start of the period without more than two consecutive attempts with other causes.
    pub fn cause_since(&self) -> (&'static str, f64) {
        let last = self.statuses.last().expect("a failure begins with an error");
        let (mut since, mut others) = (last.at, 0);
        for status in self.statuses.iter().rev() {
            if status.cause == last.cause {
                (since, others) = (status.at, 0);
            } else {
                others += usize::from(status.is_attempt);
            }
            if others > INTERRUPTED_BY {
                break;
            }
        }
        (last.cause, since)
    }
}

impl Interval {
    /// The upper bound of its bucket.
    pub fn bucket(&self) -> f64 {
        match self.step {
            Some(step) => BUCKET_OF_STEP[step.min(6) - 1],
            None => *BUCKET_OF_STEP.iter().find(|bound| self.to - self.from <= **bound).expect("no wait is that long"),
        }
    }
}

/// Reads a recording from `tests/fixtures/traces`.
pub fn read(name: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces").join(format!("{name}.pods.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let (at, kind) = (record["t"].as_f64().unwrap(), text_of(&record["type"]));
        Record::new(at, &kind, record["object"].take())
    };
    text.lines().map(record).collect()
}

/// Formats records as a recording.
pub fn write<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut text = String::new();
    for Record { at, kind, json, .. } in records {
        writeln!(text, r#"{{"t":{at},"type":"{kind}","object":{json}}}"#).unwrap();
    }
    text
}

/// The recording for an observer that starts at record `first`: all existing pods, then the following records.
pub fn cut(records: &[Record], first: usize) -> Vec<Record> {
    let mut pods: BTreeMap<String, &Record> = BTreeMap::new();
    for record in &records[..=first] {
        let uid = text_of(&record.object["metadata"]["uid"]);
        match record.kind.as_str() {
            "DELETED" => drop(pods.remove(&uid)),
            _ => drop(pods.insert(uid, record)),
        }
    }
    let listed = |record: &&Record| Record { at: records[first].at, kind: "ADDED".to_owned(), ..(*record).clone() };
    pods.values().map(listed).chain(records[first + 1..].iter().cloned()).collect()
}

/// The samples of kube-state-metrics' two families of waiting reasons after these records, sorted:
/// `[app containers, init containers]`, each sample as its label values in the order of its labels.
pub fn waiting_reasons(records: &[Record], verbatim: bool) -> [Vec<[String; 5]>; 2] {
    let mut pods: BTreeMap<String, &Value> = BTreeMap::new();
    for record in records {
        let uid = text_of(&record.object["metadata"]["uid"]);
        match record.kind.as_str() {
            "DELETED" => drop(pods.remove(&uid)),
            _ => drop(pods.insert(uid, &record.object)),
        }
    }
    ["containerStatuses", "initContainerStatuses"].map(|statuses| {
        let mut samples = Vec::new();
        for pod in pods.values() {
            for status in list(&pod["status"][statuses]) {
                let waiting = &status["state"]["waiting"];
                if waiting.is_null() {
                    continue;
                }
                let reason = text_of(&waiting["reason"]);
                let shown = match reason.as_str() {
                    _ if verbatim => Some(reason.clone()),
                    word if IMAGE_REASONS.contains(&word) => Some(reason.clone()),
                    _ if is_free_text(waiting) => Some("Other".to_owned()),
                    _ => None,
                };
                let Place { namespace, pod, uid, container } = place(pod, status);
                samples.extend(shown.map(|reason| [namespace, pod, uid, container, reason]));
            }
        }
        samples.sort();
        samples
    })
}

/// All failures in the records, by start time.
pub fn failures(records: &[Record]) -> Vec<Failure> {
    let mut containers: BTreeMap<(Place, &str), Container> = BTreeMap::new();
    let mut known: Vec<String> = Vec::new();
    for record in records {
        let pod = &record.object;
        let uid = text_of(&pod["metadata"]["uid"]);
        let first_of_pod = !known.contains(&uid);
        if first_of_pod {
            known.push(uid.clone());
        }
        let over = match (record.kind.as_str(), text_of(&pod["status"]["phase"]).as_str()) {
            ("DELETED", _) => Some("pod_deleted"),
            _ if !pod["metadata"]["deletionTimestamp"].is_null() => Some("pod_deleted"),
            (_, "Failed" | "Succeeded") => Some("pod_finished"),
            _ => None,
        };
        for (specs, statuses, kind) in SECTIONS {
            for status in list(&pod["status"][statuses]) {
                let container = containers.entry((place(pod, status), kind)).or_default();
                let spec = list(&pod["spec"][specs]).iter().find(|spec| spec["name"] == status["name"]);
                let sight =
                    Sight { at: record.at, pod, status, spec: spec.unwrap_or(&Value::Null), kind, first_of_pod, over };
                container.see(&sight);
            }
        }
    }
    let mut failures: Vec<Failure> = containers.into_values().flat_map(|container| container.failures).collect();
    failures.sort_by(|a, b| a.began.total_cmp(&b.began).then(a.place.cmp(&b.place)));
    failures
}

/// The state of one container in one record.
struct Sight<'a> {
    at: f64,
    pod: &'a Value,
    status: &'a Value,
    spec: &'a Value,
    kind: &'static str,
    first_of_pod: bool,
    over: Option<&'static str>,
}

/// The failures of one container up to a record. The last one is open unless it has an end.
#[derive(Default)]
struct Container {
    failures: Vec<Failure>,
    reason: String,
    restarts: i64,
    /// Failed attempts counted by the kubelet at the last onset; `None` if some were hidden.
    ordinal: Option<usize>,
    /// Whether an interval may be measured from the last onset.
    measurable: bool,
}

impl Container {
    fn see(&mut self, sight: &Sight<'_>) {
        let reason = sight.reason();
        let restarts = sight.status["restartCount"].as_i64().unwrap_or_default();
        let open = self.failures.last().is_some_and(|failure| failure.ended.is_none());
        if open {
            self.follow(sight, &reason, restarts);
        } else if sight.over.is_none() && sight.has_no_image() && !sight.is_stale() {
            self.begin(sight, &reason);
        }
        self.reason = reason;
        self.restarts = restarts;
    }

    fn begin(&mut self, sight: &Sight<'_>, reason: &str) {
        let (image, policy) = sight.failing_image();
        let is_init = sight.kind == "init" && sight.spec["restartPolicy"] == "Always";
        self.failures.push(Failure {
            place: place(sight.pod, sight.status),
            container_type: if is_init { "sidecar" } else { sight.kind },
            since: if sight.first_of_pod { sight.best_since(&image) } else { (sight.at, "observed") },
            image,
            policy,
            began: sight.at,
            ended: None,
            onsets: Vec::new(),
            intervals: Vec::new(),
            statuses: vec![CauseStatus { at: sight.at, cause: sight.cause(), is_attempt: ATTEMPTS.contains(&reason) }],
        });
        // A delayed restart may have hidden attempts.
        let is_first = !sight.first_of_pod && reason != "ImagePullBackOff";
        self.ordinal = Some(0).filter(|_| is_first && self.reason != "CrashLoopBackOff");
        self.measurable = false;
        if ATTEMPTS.contains(&reason) {
            self.onset(sight.at);
            self.measurable = !sight.first_of_pod;
        }
    }

    fn onset(&mut self, at: f64) {
        let failure = self.failures.last_mut().unwrap();
        if let Some(from) = failure.onsets.last().filter(|_| self.measurable) {
            failure.intervals.push(Interval { step: self.ordinal, from: *from, to: at, recovery: false });
        }
        failure.onsets.push(at);
        self.ordinal = self.ordinal.map(|ordinal| ordinal + 1);
        self.measurable = true;
    }

    fn follow(&mut self, sight: &Sight<'_>, reason: &str, restarts: i64) {
        let failure = self.failures.last_mut().unwrap();
        let state = &sight.status["state"];
        let image_changed = !sight.images().iter().any(|(image, _)| *image == failure.image);
        let got_image = !state["running"].is_null()
            || !state["terminated"].is_null() && state["terminated"]["reason"] != "ContainerStatusUnknown"
            || !state["waiting"].is_null() && OTHER_REASONS.contains(&reason) && reason != "CrashLoopBackOff";
        let outcome = match sight.over {
            Some(over) => Some(over),
            None if image_changed => Some("image_changed"),
            None if got_image || restarts > self.restarts => Some("recovered"),
            None => None,
        };
        if let Some(outcome) = outcome {
            failure.ended = Some((sight.at, outcome));
            if let Some(from) = failure.onsets.last().filter(|_| outcome == "recovered" && self.measurable) {
                failure.intervals.push(Interval { step: self.ordinal, from: *from, to: sight.at, recovery: true });
            }
            return;
        }
        if sight.has_no_image() {
            let is_attempt = reason != self.reason && ATTEMPTS.contains(&reason);
            failure.statuses.push(CauseStatus { at: sight.at, cause: sight.cause(), is_attempt });
        }
        if reason == self.reason {
            return;
        }
        let was_attempt = ATTEMPTS.contains(&self.reason.as_str());
        let shown = failure.onsets.last().map_or(0.0, |onset| sight.at - onset);
        if was_attempt && !ATTEMPTS.contains(&reason) && shown > MERGED_SHOWS {
            self.ordinal = self.ordinal.map(|ordinal| ordinal + 1);
            self.measurable = false;
        }
        if BEFORE_A_PULL.contains(&reason) {
            self.ordinal = Some(0);
            self.measurable = false;
        } else if reason == "CrashLoopBackOff" {
            self.ordinal = None;
            self.measurable = false;
        } else if ATTEMPTS.contains(&reason) {
            self.onset(sight.at);
        }
    }
}

impl Sight<'_> {
    fn reason(&self) -> String {
        text_of(&self.status["state"]["waiting"]["reason"])
    }

    fn message(&self) -> String {
        text_of(&self.status["state"]["waiting"]["message"])
    }

    fn cause(&self) -> &'static str {
        let message = self.message();
        let known = CAUSES.iter().find(|(words, _)| message.contains(words));
        known.unwrap_or_else(|| panic!("no cause for {message:?}")).1
    }

    fn has_no_image(&self) -> bool {
        let waiting = &self.status["state"]["waiting"];
        !waiting.is_null() && (IMAGE_REASONS.contains(&self.reason().as_str()) || is_free_text(waiting))
    }

    /// The images that the container needs and their policies: its own, then those of the image volumes it mounts.
    fn images(&self) -> Vec<(String, String)> {
        let mut images = vec![(text_of(&self.spec["image"]), text_of(&self.spec["imagePullPolicy"]))];
        for mount in list(&self.spec["volumeMounts"]) {
            let volume = list(&self.pod["spec"]["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
            let image = volume.map_or(&Value::Null, |volume| &volume["image"]);
            if !image.is_null() {
                images.push((text_of(&image["reference"]), text_of(&image["pullPolicy"])));
            }
        }
        images
    }

    /// The image in the message. All texts in the recordings except one quote it or do not contain it.
    fn named_image(&self) -> Option<String> {
        let message = self.message();
        let quoted = || message.split_once("image \"")?.1.split_once('"');
        let unquoted = || message.strip_prefix("image pull failed for ")?.split_once(' ');
        let (image, _) = quoted().or_else(unquoted)?;
        Some(image.to_owned()).filter(|image| !image.is_empty())
    }

    fn is_stale(&self) -> bool {
        let images = self.images();
        self.named_image().is_some_and(|named| !images.iter().any(|(image, _)| *image == named))
    }

    fn failing_image(&self) -> (String, String) {
        let named = self.named_image();
        let mut images = self.images();
        let place = images.iter().position(|(image, _)| named.as_ref() == Some(image)).unwrap_or(0);
        images.swap_remove(place)
    }

    /// The best estimate of the start of an unobserved failure.
    fn best_since(&self, image: &str) -> (f64, &'static str) {
        let status = &self.pod["status"];
        let condition = |kind: &str| {
            let is_met = |condition: &&Value| condition["type"] == kind && condition["status"] == "True";
            list(&status["conditions"]).iter().find(is_met).and_then(|met| instant(&met["lastTransitionTime"]))
        };
        let of_condition = |kind| condition(kind).map(|at| (at, "pod_condition"));
        let inits = list(&status["initContainerStatuses"]);
        let previous = inits.iter().take_while(|init| init["name"] != self.status["name"]).last();
        let ended = instant(&self.status["lastState"]["terminated"]["finishedAt"]);
        let best = if let Some(ended) = ended {
            Some((ended, "previous_termination"))
        } else if self.kind == "ephemeral" {
            None
        } else if self.spec["image"] != image || inits.is_empty() || (self.kind == "init" && previous.is_none()) {
            of_condition("PodReadyToStartContainers")
        } else if self.kind == "app" {
            of_condition("Initialized")
        } else {
            let state = &previous.unwrap()["state"];
            let ended = instant(&state["terminated"]["finishedAt"]).map(|at| (at, "previous_termination"));
            ended.or_else(|| instant(&state["running"]["startedAt"]).map(|at| (at, "pod_condition")))
        };
        let pod_start = || Some((condition("PodScheduled").or_else(|| instant(&status["startTime"]))?, "pod_start"));
        let (at, basis) = best.or_else(pod_start).expect("every recorded pod was scheduled");
        (at.min(self.at), basis)
    }
}

/// Since 1.33, the kubelet puts raw errors into both fields.
fn is_free_text(waiting: &Value) -> bool {
    let reason = text_of(&waiting["reason"]);
    let is_known = [&IMAGE_REASONS[..], &BEFORE_A_PULL, &OTHER_REASONS].concat().contains(&reason.as_str());
    !is_known && waiting["reason"] == waiting["message"]
}

fn place(pod: &Value, status: &Value) -> Place {
    let metadata = &pod["metadata"];
    Place {
        namespace: text_of(&metadata["namespace"]),
        pod: text_of(&metadata["name"]),
        uid: text_of(&metadata["uid"]),
        container: text_of(&status["name"]),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The API server writes every time as `2026-11-23T21:22:57Z`.
pub fn instant(value: &Value) -> Option<f64> {
    let number = |range: std::ops::Range<usize>| -> i64 { value.as_str().unwrap()[range].parse().unwrap() };
    value.as_str()?;
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days since 1970 of a date of the Gregorian calendar whose year starts in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((days * 86400 + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)) as f64)
}
