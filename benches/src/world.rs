//! The simulated pods and their Events: templates, encoded once, and the version of each pod.

use std::collections::VecDeque;

use image_pull_sim::api::protobuf;
use serde_json::{Value, json};

use crate::pods::{self, State};
use crate::stamp::{Stamp, VERSION};

/// Number of healthy workloads, and of failing ones.
const WORKLOADS: usize = 400;
/// Number of changes in the history for watches.
const HISTORY: usize = 200_000;
/// All versions have ten digits.
const FIRST_VERSION: u64 = 1_000_000_000;

/// The encoding of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Protobuf,
}

/// The resource of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Pods,
    Events,
}

/// A pod or an Event in each encoding.
struct Encoded {
    item: [Stamp; 2],
    added: [Stamp; 2],
    modified: [Stamp; 2],
}

impl Encoded {
    fn new(object: &Value) -> Self {
        let resource_kind = object["kind"].as_str().unwrap_or_default();
        let json = |prefix: &str| {
            let mut item = object.clone();
            for name in ["kind", "apiVersion"] {
                item.as_object_mut().expect("a pod is an object").remove(name);
            }
            let item = item.to_string();
            match prefix {
                "" => item,
                kind => format!(
                    "{{\"type\":\"{kind}\",\"object\":{{\"kind\":\"{resource_kind}\",\"apiVersion\":\"v1\",{}}}\n",
                    &item[1..]
                ),
            }
        };
        let event = |kind: &str| {
            let frame = protobuf::event(kind, &protobuf::object(object));
            [Stamp::new(json(kind).into_bytes()), Stamp::new(frame)]
        };
        let message = if resource_kind == "Event" { protobuf::core_event(object) } else { protobuf::pod(object) };
        let item = [Stamp::new(json("").into_bytes()), Stamp::new(message)];
        Self { item, added: event("ADDED"), modified: event("MODIFIED") }
    }
}

/// A workload in the states of its pods.
struct Template(Vec<Encoded>);

/// The state of a healthy pod whose volumes and sandbox are awaited.
const STARTS: u8 = 2;
/// The state of a healthy pod whose image is awaited.
const PULLS: u8 = 3;

/// A change of a pod, or an Event about it.
#[derive(Clone, Copy)]
struct Change {
    resource: Resource,
    pod: u32,
    /// The state of the pod; for an Event whether the pull has succeeded.
    state: u8,
}

/// All pods.
pub struct World {
    healthy: Vec<Template>,
    failing: Vec<Template>,
    /// For each healthy workload the Events of a pull.
    events: Vec<[Encoded; 2]>,
    percent: usize,
    /// For each pod, its state and the version of its last change.
    pods: Vec<(u8, u64)>,
    history: VecDeque<Change>,
    version: u64,
    /// Selects the next pod to change.
    turn: usize,
    /// The pods that are starting, with the step at which each continues.
    starting: VecDeque<(u64, usize)>,
    step: u64,
}

impl World {
    pub fn new(pods: usize, percent: usize) -> Self {
        let errors = pods::errors();
        let template = |states: &[State<'_>], workload: usize| {
            Template(states.iter().map(|state| Encoded::new(&pods::pod(workload, *state))).collect())
        };
        let healthy =
            (0..WORKLOADS).map(|n| template(&[State::Runs(0), State::Runs(1), State::Starts, State::Pulls], n));
        let failing = (0..WORKLOADS).map(|n| {
            // Each workload has its own image and error text.
            let error = errors[n % errors.len()].as_str();
            template(&[State::Errs(error), State::BacksOff(error)], n)
        });
        Self {
            healthy: healthy.collect(),
            failing: failing.collect(),
            events: (0..WORKLOADS)
                .map(|n| [false, true].map(|succeeded| Encoded::new(&pods::pull_event(n, succeeded))))
                .collect(),
            percent,
            pods: (0..pods).map(|n| ((n % 2) as u8, FIRST_VERSION + n as u64)).collect(),
            history: VecDeque::new(),
            version: FIRST_VERSION + pods as u64,
            turn: 0,
            starting: VecDeque::new(),
            step: 0,
        }
    }

    /// Whether the image of this pod cannot be pulled.
    fn fails(&self, pod: usize) -> bool {
        pod % 100 < self.percent
    }

    /// Returns the number of pods that cannot pull their image.
    pub fn failing(&self) -> usize {
        (0..self.pods.len()).filter(|pod| self.fails(*pod)).count()
    }

    pub fn len(&self) -> usize {
        self.pods.len()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the average size of a pod in bytes, in JSON and in protobuf.
    pub fn mean_sizes(&self) -> [usize; 2] {
        [Encoding::Json, Encoding::Protobuf].map(|encoding| {
            let all = (0..self.pods.len()).map(|pod| self.encoded(pod, self.pods[pod].0).item[encoding as usize].len());
            all.sum::<usize>() / self.pods.len().max(1)
        })
    }

    fn encoded(&self, pod: usize, state: u8) -> &Encoded {
        let templates = if self.fails(pod) { &self.failing } else { &self.healthy };
        &templates[pod % templates.len()].0[usize::from(state)]
    }

    /// Changes the state of one pod, every tenth time a failing one, if there is any.
    pub fn change(&mut self) {
        self.turn += 1;
        let wants_failing = self.turn.is_multiple_of(10);
        // The stride visits each pod before it repeats.
        let first = self.turn.wrapping_mul(7_919) % self.pods.len();
        let found = (first..self.pods.len()).chain(0..first).take(200).find(|pod| self.fails(*pod) == wants_failing);
        let pod = found.unwrap_or(first);
        self.set_state(pod, 1 - self.pods[pod].0);
    }

    /// Lets a healthy pod start: its volumes are awaited now, its image one second later, and it runs after five seconds.
    pub fn start_pod(&mut self) {
        self.turn += 1;
        let first = self.turn.wrapping_mul(7_919) % self.pods.len();
        let found = (first..self.pods.len()).chain(0..first).take(200).find(|pod| !self.fails(*pod));
        let Some(pod) = found.filter(|pod| self.pods[*pod].0 < STARTS) else { return };
        self.set_state(pod, STARTS);
        self.starting.push_back((self.step + 100, pod));
    }

    /// Continues the starts. Called every ten milliseconds.
    pub fn advance_starts(&mut self) {
        self.step += 1;
        for _ in 0..self.starting.len() {
            let Some((at, pod)) = self.starting.pop_front() else { break };
            if at > self.step {
                self.starting.push_back((at, pod));
            } else if self.pods[pod].0 == STARTS {
                self.set_state(pod, PULLS);
                self.record(Change { resource: Resource::Events, pod: pod as u32, state: 0 });
                self.starting.push_back((self.step + 400, pod));
            } else {
                self.record(Change { resource: Resource::Events, pod: pod as u32, state: 1 });
                self.set_state(pod, 0);
            }
        }
    }

    fn set_state(&mut self, pod: usize, state: u8) {
        self.record(Change { resource: Resource::Pods, pod: pod as u32, state });
        self.pods[pod] = (state, self.version);
    }

    fn record(&mut self, change: Change) {
        self.version += 1;
        self.history.push_back(change);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// Returns the oldest version that a watch can start at.
    pub fn oldest(&self) -> u64 {
        self.version - self.history.len() as u64
    }

    /// Writes the change to `version`, or nothing if it is one of another resource. Returns false if it is not in the history.
    pub fn write_change(&self, out: &mut Vec<u8>, version: u64, resource: Resource, encoding: Encoding) -> bool {
        let at = version.checked_sub(self.oldest() + 1).and_then(|at| self.history.get(at as usize));
        let Some(change) = at else { return false };
        let pod = change.pod as usize;
        if change.resource == resource {
            match resource {
                Resource::Pods => self.encoded(pod, change.state).modified[encoding as usize].write(out, pod, version),
                Resource::Events => self.events[pod % WORKLOADS][usize::from(change.state)].added[encoding as usize]
                    .write(out, pod, version),
            }
        }
        true
    }

    /// Writes the current state of a pod as an ADDED event.
    pub fn write_added(&self, out: &mut Vec<u8>, pod: usize, encoding: Encoding) {
        let (state, version) = self.pods[pod];
        self.encoded(pod, state).added[encoding as usize].write(out, pod, version);
    }

    /// Writes a page of a list: up to `limit` pods from `first`.
    pub fn page(&self, from: usize, limit: usize, encoding: Encoding) -> Vec<u8> {
        let end = from.saturating_add(limit).min(self.pods.len());
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if end < self.pods.len() {
            metadata["continue"] = end.to_string().into();
            metadata["remainingItemCount"] = (self.pods.len() - end).into();
        }
        let items = (from.min(end)..end).map(|pod| {
            let (state, version) = self.pods[pod];
            let mut item = Vec::new();
            self.encoded(pod, state).item[encoding as usize].write(&mut item, pod, version);
            item
        });
        match encoding {
            Encoding::Protobuf => protobuf::pod_list(&metadata, items),
            Encoding::Json => {
                let mut page =
                    format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{metadata},\"items\":[")
                        .into_bytes();
                for (n, item) in items.enumerate() {
                    page.extend((n > 0).then_some(b','));
                    page.extend(item);
                }
                page.extend(b"]}");
                page
            }
        }
    }
}

/// Returns a bookmark, optionally with the annotation that ends the initial events.
pub fn bookmark(version: u64, ends: bool, encoding: Encoding) -> Vec<u8> {
    let annotations = if ends { json!({ "k8s.io/initial-events-end": "true" }) } else { json!({}) };
    let metadata =
        json!({ "resourceVersion": version.to_string(), "creationTimestamp": null, "annotations": annotations });
    event(
        "BOOKMARK",
        &json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": { "containers": null }, "status": {} }),
        encoding,
    )
}

/// Returns a `Status`.
pub fn status(code: u16, reason: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code })
}

/// Returns an event of any object.
pub fn event(kind: &str, object: &Value, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Json => format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into_bytes(),
        Encoding::Protobuf => protobuf::event(kind, &protobuf::object(object)),
    }
}

const _: () = assert!(VERSION.len() == 10 && FIRST_VERSION == 1_000_000_000, "versions have the width of their place");
