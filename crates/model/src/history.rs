//! The in-memory history: ended failures, timelines of open failures, and the activity of the last day.
//!
//! Each part has a capacity. Evicted entries are counted. Nothing is persisted.

mod buckets;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::{FailureSubject, IndexEffect};
use super::facts::PodId;
use super::failure_event::{FailureEvent, FailureOutcome};
use super::reason::ImageState;
use super::snapshot::{FailureRef, TrackedPod};
use super::time::Timestamp;

pub use buckets::{ActivityBucket, BUCKET_DURATION, BUCKETS_PER_DAY};

/// Maximum number of points of a timeline. At the longest wait of the kubelet, two points come every five minutes, so this
/// is more than half a day.
const MAX_POINTS: usize = 320;
/// Maximum size of all timelines, in bytes, however many containers fail.
const MAX_BYTES: usize = 4 << 20;
/// Size of a timeline without its points, in bytes: the map entry, the container's name and the queue.
const TIMELINE_BYTES: usize = 160;

/// A change of the status of an open failure.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelinePoint {
    /// When the status changed.
    pub at: Timestamp,
    /// The image state from then on.
    pub image_state: ImageState,
    /// The error text of a failed attempt; `None` for any other status. May contain secrets.
    pub text: Option<Arc<str>>,
}

/// A failure that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct PastFailure {
    /// The pod before the end, with the failing container only.
    pub pod: Arc<TrackedPod>,
    /// The name of the container.
    pub container: String,
    /// When the failure ended, or was found to have ended.
    pub at: Timestamp,
    /// The outcome of the failure.
    pub outcome: FailureOutcome,
}

impl PastFailure {
    /// The failure before its end.
    #[must_use]
    pub fn failure_ref(&self) -> Option<FailureRef<'_>> {
        let mut containers = self.pod.containers.iter().filter(|container| *container.name == *self.container);
        containers.find_map(|container| Some((&*self.pod, container, container.failure.as_deref()?)))
    }
}

/// The numbers of evicted entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryEvictions {
    /// Evicted ended failures.
    pub failures: u64,
    /// Evicted points of timelines.
    pub points: u64,
}

/// A copy of the history without the timelines.
#[derive(Clone, Debug, Default)]
pub struct HistorySnapshot {
    /// Ended failures, newest first.
    pub ended: Vec<Arc<PastFailure>>,
    /// The last day in buckets, oldest first. Fewer if the process started less than a day ago.
    pub buckets: Vec<ActivityBucket>,
}

/// Records the effects of the index.
#[derive(Debug, Default)]
pub struct History {
    max_ended: usize,
    ended: VecDeque<Arc<PastFailure>>,
    /// The timelines of the open failures of each pod, by container name.
    open: BTreeMap<Arc<PodId>, BTreeMap<String, FailureTimeline>>,
    /// Size of all timelines, in bytes.
    bytes: usize,
    day: buckets::ActivityBuckets,
    evictions: HistoryEvictions,
}

#[derive(Debug, Default)]
struct FailureTimeline {
    points: VecDeque<TimelinePoint>,
}

impl History {
    /// Creates a history that keeps up to `max_ended` ended failures.
    #[must_use]
    pub fn new(max_ended: usize) -> Self {
        Self { max_ended, ..Self::default() }
    }

    /// Records an effect of the index at `now`.
    pub fn record(&mut self, effect: &IndexEffect, now: Timestamp) {
        let IndexEffect::Failure { subject, event, pod_before_end } = effect else { return };
        match event {
            FailureEvent::Started => {
                self.day.record_start(now);
                self.start_timeline(subject);
            }
            FailureEvent::AttemptFailed(_) => self.day.record_attempt(now),
            FailureEvent::StatusChanged(stage, text) => self.add_point(subject, *stage, text, now),
            FailureEvent::Ended { outcome, at, .. } => {
                self.day.record_end(now);
                self.remove_timeline(subject);
                if let Some(pod) = pod_before_end {
                    self.add_ended(subject, pod, *outcome, *at);
                }
            }
            FailureEvent::IntervalMeasured(_) | FailureEvent::Unclassified(_) => {}
        }
    }

    /// Corrects the recorded times after the system clock was set.
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

    /// Returns the ended failures, and the activity up to `now`.
    #[must_use]
    pub fn snapshot(&mut self, now: Timestamp) -> HistorySnapshot {
        HistorySnapshot { ended: self.ended.iter().rev().cloned().collect(), buckets: self.day.buckets_until(now) }
    }

    /// Returns the timelines of the open failures of a pod, with the container names.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        let of_pod = self.open.get(pod).into_iter().flatten();
        of_pod.map(|(container, timeline)| (container.clone(), timeline.points.iter().cloned().collect())).collect()
    }

    /// The numbers of entries evicted so far.
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
        // A timeline keeps its share of the memory: new points replace its own oldest ones.
        while timeline.points.len() > MAX_POINTS || self.bytes - before + timeline.bytes() > MAX_BYTES {
            self.evictions.points += 1;
            if timeline.points.pop_front().is_none() {
                break;
            }
        }
        self.bytes = self.bytes - before + timeline.bytes();
    }

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

/// Returns `pod` with this container only. Otherwise each of many containers that end one by one would keep all of them.
fn with_only_container(pod: &Arc<TrackedPod>, container: &str) -> Arc<TrackedPod> {
    if pod.containers.len() <= 1 {
        return Arc::clone(pod);
    }
    let containers = pod.containers.iter().filter(|own| *own.name == *container && own.failure.is_some());
    Arc::new(pod.with_containers(containers.cloned().collect()))
}

impl FailureTimeline {
    /// Returns the text of the last attempt if it is equal, so that both share it.
    fn intern(&self, text: &Arc<str>) -> Arc<str> {
        let last = self.points.iter().rev().find_map(|point| point.text.as_ref());
        Arc::clone(last.filter(|last| *last == text).unwrap_or(text))
    }

    /// Size of the points, in bytes. A text shared with the previous attempt counts once.
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
