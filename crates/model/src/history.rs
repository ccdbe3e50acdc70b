//! Remembers what was, within bounds: failures that ended, how the open ones went, and a day of the cluster.
//!
//! Nothing here outlives the process. What does not fit is forgotten, and counted.

mod buckets;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::{FailureEvent, FailureOutcome, FailureSubject, IndexEffect};
use super::facts::PodId;
use super::reason::ImageState;
use super::snapshot::{FailureRef, TrackedPod};
use super::time::Timestamp;

pub use buckets::{ActivityBucket, BUCKET_DURATION, BUCKETS_PER_DAY};

/// How many points one open failure has. At the longest wait two of them come every five minutes: half a day.
const MAX_POINTS: usize = 320;
/// What all points together may take, in bytes. A hundred thousand failing containers must not cost more.
const MAX_BYTES: usize = 4 << 20;
/// What a timeline takes without its points: a node of the map, a name, a ring.
const TIMELINE_BYTES: usize = 160;

/// A status of an open failure, from when on it showed.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelinePoint {
    /// When it came.
    pub at: Timestamp,
    /// What it was.
    pub image_state: ImageState,
    /// The error text of a failed attempt, which may hold secrets; `None` for every other status.
    pub text: Option<Arc<str>>,
}

/// A failure that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct PastFailure {
    /// The pod as it was before, with the failure in it and no other container.
    pub pod: Arc<TrackedPod>,
    /// The container's name.
    pub container: String,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: FailureOutcome,
}

impl PastFailure {
    /// The failure as it was before it ended.
    #[must_use]
    pub fn failure_ref(&self) -> Option<FailureRef<'_>> {
        let mut containers = self.pod.containers.iter().filter(|container| *container.name == *self.container);
        containers.find_map(|container| Some((&*self.pod, container, container.failure.as_ref()?)))
    }
}

/// What was forgotten because there was too much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryEvictions {
    /// Failures that ended.
    pub failures: u64,
    /// Points of open ones.
    pub points: u64,
}

/// What a reader sees of the past.
#[derive(Clone, Debug, Default)]
pub struct HistorySnapshot {
    /// Failures that ended, the newest first.
    pub ended: Vec<Arc<PastFailure>>,
    /// The last day, oldest first; shorter while the process is younger.
    pub buckets: Vec<ActivityBucket>,
}

/// The memory.
#[derive(Debug, Default)]
pub struct History {
    max_ended: usize,
    ended: VecDeque<Arc<PastFailure>>,
    /// How the open failures of each pod go, by container.
    open: BTreeMap<Arc<PodId>, BTreeMap<String, FailureTimeline>>,
    /// What all timelines take.
    bytes: usize,
    day: buckets::ActivityBuckets,
    evictions: HistoryEvictions,
}

#[derive(Debug, Default)]
struct FailureTimeline {
    points: VecDeque<TimelinePoint>,
}

impl History {
    /// One that remembers so many failures that ended.
    #[must_use]
    pub fn new(max_ended: usize) -> Self {
        Self { max_ended, ..Self::default() }
    }

    /// Takes what happened at `now`.
    pub fn record(&mut self, effect: &IndexEffect, now: Timestamp) {
        let IndexEffect::Failure(subject, event) = effect else { return };
        match event {
            FailureEvent::Started => {
                self.day.record_start(now);
                self.start_timeline(subject);
            }
            FailureEvent::AttemptFailed(_) => self.day.record_attempt(now),
            FailureEvent::StatusChanged(stage, text) => self.add_point(subject, *stage, text, now),
            FailureEvent::Ended { outcome, at, pod, .. } => {
                self.day.record_end(now);
                self.remove_timeline(subject);
                self.add_ended(subject, pod, *outcome, *at);
            }
            FailureEvent::IntervalMeasured(_) | FailureEvent::Unclassified(_) => {}
        }
    }

    /// Puts right what was recorded before the clock was set.
    pub fn on_clock_step(&mut self, step: ClockStep) {
        for ended in self.ended.iter_mut().filter(|ended| ended.at > step.now) {
            let ended = Arc::make_mut(ended);
            ended.at = step.correct(ended.at);
        }
        for point in
            self.open.values_mut().flat_map(|of_pod| of_pod.values_mut()).flat_map(|timeline| &mut timeline.points)
        {
            point.at = step.correct(point.at);
        }
    }

    /// What a reader sees at `now`.
    #[must_use]
    pub fn snapshot(&mut self, now: Timestamp) -> HistorySnapshot {
        HistorySnapshot { ended: self.ended.iter().rev().cloned().collect(), buckets: self.day.buckets_until(now) }
    }

    /// How the open failures of a pod went, by container.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        let of_pod = self.open.get(pod).into_iter().flatten();
        of_pod.map(|(container, timeline)| (container.clone(), timeline.points.iter().cloned().collect())).collect()
    }

    /// What was forgotten so far.
    #[must_use]
    pub const fn evictions(&self) -> HistoryEvictions {
        self.evictions
    }

    fn start_timeline(&mut self, subject: &FailureSubject) {
        if self.bytes + TIMELINE_BYTES > MAX_BYTES {
            return;
        }
        let of_pod = self.open.entry(Arc::clone(&subject.pod)).or_default();
        if let Entry::Vacant(place) = of_pod.entry(subject.container.clone()) {
            place.insert(FailureTimeline::default());
            self.bytes += TIMELINE_BYTES;
        }
    }

    fn add_point(&mut self, subject: &FailureSubject, stage: ImageState, text: &Arc<str>, now: Timestamp) {
        let of_pod = self.open.get_mut(&*subject.pod);
        let Some(timeline) = of_pod.and_then(|of_pod| of_pod.get_mut(&subject.container)) else {
            self.evictions.points += 1;
            return;
        };
        let (before, text) = (timeline.bytes(), stage.is_failed_attempt().then(|| timeline.intern(text)));
        timeline.points.push_back(TimelinePoint { at: now, image_state: stage, text });
        // Who has a place in memory keeps it; the new comes in for the old.
        while timeline.points.len() > MAX_POINTS || self.bytes - before + timeline.bytes() > MAX_BYTES {
            self.evictions.points += 1;
            if timeline.points.pop_front().is_none() {
                break;
            }
        }
        self.bytes = self.bytes - before + timeline.bytes();
    }

    /// Forgets how a failure went.
    fn remove_timeline(&mut self, subject: &FailureSubject) {
        let Some(of_pod) = self.open.get_mut(&*subject.pod) else { return };
        let Some(gone) = of_pod.remove(&subject.container) else { return };
        if of_pod.is_empty() {
            self.open.remove(&*subject.pod);
        }
        self.bytes -= TIMELINE_BYTES + gone.bytes();
    }

    fn add_ended(&mut self, subject: &FailureSubject, pod: &Arc<TrackedPod>, outcome: FailureOutcome, at: Timestamp) {
        if self.max_ended == 0 {
            return;
        }
        let container = subject.container.clone();
        self.ended.push_back(Arc::new(PastFailure {
            pod: with_only_container(pod, &container),
            container,
            at,
            outcome,
        }));
        if self.ended.len() > self.max_ended {
            self.ended.pop_front();
            self.evictions.failures += 1;
        }
    }
}

/// The pod without its other containers: each of many that end one after the other would keep all of them.
fn with_only_container(pod: &Arc<TrackedPod>, container: &str) -> Arc<TrackedPod> {
    if pod.containers.len() <= 1 {
        return Arc::clone(pod);
    }
    let containers = pod.containers.iter().filter(|own| *own.name == *container && own.failure.is_some());
    Arc::new(pod.with_containers(containers.cloned().collect()))
}

impl FailureTimeline {
    /// The text, as the last attempt has it where that said the same.
    fn intern(&self, text: &Arc<str>) -> Arc<str> {
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
        texts + self.points.len() * size_of::<TimelinePoint>()
    }
}
