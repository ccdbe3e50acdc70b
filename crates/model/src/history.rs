//! Remembers what was, within bounds: failures that ended, how the open ones went, and a day of the cluster.
//!
//! Nothing here outlives the process. What does not fit is forgotten, and counted.

mod day;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::{Effect, FailureEvent, Outcome, Subject};
use super::facts::PodId;
use super::reason::Stage;
use super::snapshot::{Failing, TrackedPod};
use super::time::Timestamp;

pub use day::{BUCKET, Bucket, DAY};

/// How many points one open failure has. At the longest wait two of them come every five minutes: half a day.
const MAX_POINTS: usize = 320;
/// What all points together may take, in bytes. A hundred thousand failing containers must not cost more.
const MAX_BYTES: usize = 4 << 20;
/// What a timeline takes without its points: a node of the map, a name, a ring.
const TIMELINE_BYTES: usize = 160;

/// A status of an open failure, from when on it showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When it came.
    pub at: Timestamp,
    /// What it was.
    pub stage: Stage,
    /// The error text of a failed attempt, which may hold secrets; `None` for every other status.
    pub text: Option<Arc<str>>,
}

/// A failure that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The pod as it was before, with the failure in it and no other container.
    pub pod: Arc<TrackedPod>,
    /// The container's name.
    pub container: String,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
}

impl Ended {
    /// The failure as it was before it ended.
    #[must_use]
    pub fn failing(&self) -> Option<Failing<'_>> {
        let mut containers = self.pod.containers.iter().filter(|container| *container.name == *self.container);
        containers.find_map(|container| Some((&*self.pod, container, container.failure.as_ref()?)))
    }
}

/// What was forgotten because there was too much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Failures that ended.
    pub failures: u64,
    /// Points of open ones.
    pub points: u64,
}

/// What a reader sees of the past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Failures that ended, the newest first.
    pub ended: Vec<Arc<Ended>>,
    /// The last day, oldest first; shorter while the process is younger.
    pub day: Vec<Bucket>,
}

/// The memory.
#[derive(Debug, Default)]
pub struct History {
    max_ended: usize,
    ended: VecDeque<Arc<Ended>>,
    /// How the open failures of each pod go, by container.
    open: BTreeMap<Arc<PodId>, BTreeMap<String, Timeline>>,
    /// What all timelines take.
    bytes: usize,
    day: day::Day,
    forgotten: Forgotten,
}

#[derive(Debug, Default)]
struct Timeline {
    points: VecDeque<Point>,
}

impl History {
    /// One that remembers so many failures that ended.
    #[must_use]
    pub fn new(max_ended: usize) -> Self {
        Self { max_ended, ..Self::default() }
    }

    /// Takes what happened at `now`.
    pub fn take(&mut self, effect: &Effect, now: Timestamp) {
        let Effect::Failure(subject, event) = effect else { return };
        match event {
            FailureEvent::Started => {
                self.day.failure_starts(now);
                self.begin(subject);
            }
            FailureEvent::Attempted(_) => self.day.attempt_fails(now),
            FailureEvent::Turned(stage, text) => self.point(subject, *stage, text, now),
            FailureEvent::Ended { outcome, at, pod, .. } => {
                self.day.failure_ends(now);
                self.forget(subject);
                self.remember(subject, pod, *outcome, *at);
            }
            FailureEvent::BackedOff(_) | FailureEvent::Unclassified(_) => {}
        }
    }

    /// Puts right what was recorded before the clock was set.
    pub fn clock_stepped(&mut self, step: ClockStep) {
        for ended in self.ended.iter_mut().filter(|ended| ended.at > step.now) {
            let ended = Arc::make_mut(ended);
            ended.at = step.corrected(ended.at);
        }
        for point in
            self.open.values_mut().flat_map(|of_pod| of_pod.values_mut()).flat_map(|timeline| &mut timeline.points)
        {
            point.at = step.corrected(point.at);
        }
    }

    /// What a reader sees at `now`.
    #[must_use]
    pub fn past(&mut self, now: Timestamp) -> Past {
        Past { ended: self.ended.iter().rev().cloned().collect(), day: self.day.until(now) }
    }

    /// How the open failures of a pod went, by container.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<Point>)> {
        let of_pod = self.open.get(pod).into_iter().flatten();
        of_pod.map(|(container, timeline)| (container.clone(), timeline.points.iter().cloned().collect())).collect()
    }

    /// What was forgotten so far.
    #[must_use]
    pub const fn forgotten(&self) -> Forgotten {
        self.forgotten
    }

    fn begin(&mut self, subject: &Subject) {
        if self.bytes + TIMELINE_BYTES > MAX_BYTES {
            return;
        }
        let of_pod = self.open.entry(Arc::clone(&subject.pod)).or_default();
        if let Entry::Vacant(place) = of_pod.entry(subject.container.clone()) {
            place.insert(Timeline::default());
            self.bytes += TIMELINE_BYTES;
        }
    }

    fn point(&mut self, subject: &Subject, stage: Stage, text: &Arc<str>, now: Timestamp) {
        let of_pod = self.open.get_mut(&*subject.pod);
        let Some(timeline) = of_pod.and_then(|of_pod| of_pod.get_mut(&subject.container)) else {
            self.forgotten.points += 1;
            return;
        };
        let (before, text) = (timeline.bytes(), stage.is_attempt().then(|| timeline.shared(text)));
        timeline.points.push_back(Point { at: now, stage, text });
        // Who has a place in memory keeps it; the new comes in for the old.
        while timeline.points.len() > MAX_POINTS || self.bytes - before + timeline.bytes() > MAX_BYTES {
            self.forgotten.points += 1;
            if timeline.points.pop_front().is_none() {
                break;
            }
        }
        self.bytes = self.bytes - before + timeline.bytes();
    }

    /// Forgets how a failure went.
    fn forget(&mut self, subject: &Subject) {
        let Some(of_pod) = self.open.get_mut(&*subject.pod) else { return };
        let Some(gone) = of_pod.remove(&subject.container) else { return };
        if of_pod.is_empty() {
            self.open.remove(&*subject.pod);
        }
        self.bytes -= TIMELINE_BYTES + gone.bytes();
    }

    fn remember(&mut self, subject: &Subject, pod: &Arc<TrackedPod>, outcome: Outcome, at: Timestamp) {
        if self.max_ended == 0 {
            return;
        }
        let container = subject.container.clone();
        self.ended.push_back(Arc::new(Ended { pod: alone(pod, &container), container, at, outcome }));
        if self.ended.len() > self.max_ended {
            self.ended.pop_front();
            self.forgotten.failures += 1;
        }
    }
}

/// The pod without its other containers: each of many that end one after the other would keep all of them.
fn alone(pod: &Arc<TrackedPod>, container: &str) -> Arc<TrackedPod> {
    if pod.containers.len() <= 1 {
        return Arc::clone(pod);
    }
    let containers = pod.containers.iter().filter(|own| *own.name == *container && own.failure.is_some());
    Arc::new(pod.with_containers(containers.cloned().collect()))
}

impl Timeline {
    /// The text, as the last attempt has it where that said the same.
    fn shared(&self, text: &Arc<str>) -> Arc<str> {
        let last = self.points.iter().rev().find_map(|point| point.text.as_ref());
        Arc::clone(last.filter(|last| *last == text).unwrap_or(text))
    }

    /// What its points take; a text that one shares with the attempt before it is counted once.
    fn bytes(&self) -> usize {
        let mut last: Option<&Arc<str>> = None;
        let mut texts = 0;
        for text in self.points.iter().filter_map(|point| point.text.as_ref()) {
            if last.is_none_or(|last| !Arc::ptr_eq(last, text)) {
                texts += text.len();
            }
            last = Some(text);
        }
        texts + self.points.len() * size_of::<Point>()
    }
}
