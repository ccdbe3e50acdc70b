//! The state of the monitor: applies watch events to the index, and the index's effects to counters and history.

use std::time::Duration;

use tracing::warn;

use super::event_log::{EventLog, log_events_refused, log_watch_failure, loggable};
use crate::cluster::event_object::EventObject;
use crate::cluster::pod_object::PodObject;
use crate::cluster::wire::UndecodableObject;
use crate::cluster::{KubeletEvent, PodEvent, WatchRestartCause};
use crate::metrics::counters::{CounterLimits, Counters, ExporterCounter};
use image_pull_model::clock_step::ClockStepDetector;
use image_pull_model::effect::IndexEffect;
use image_pull_model::facts::{PodFacts, PodId, WatchScope};
use image_pull_model::history::History;
use image_pull_model::image_wait::PendingEvent;
use image_pull_model::index::{Index, IndexConfig};
use image_pull_model::time::Timestamp;

/// The limits of a [`Monitor`](super::Monitor).
#[derive(Clone, Copy, Debug)]
pub struct MonitorLimits {
    /// Maximum number of registries with a label value of their own.
    pub max_registries: usize,
    /// Maximum number of failing containers with series.
    pub max_containers: usize,
    /// Maximum number of pairs of namespace and registry with counters of their own.
    pub max_pairs: usize,
    /// Minimum age of a container that waits without an error to have series; zero for never.
    pub pending_after: Duration,
}

impl MonitorLimits {
    /// The defaults of the flags.
    pub const DEFAULT: Self =
        Self { max_registries: 100, max_containers: 10_000, max_pairs: 5_000, pending_after: Duration::from_secs(120) };
}

#[derive(Debug)]
pub(super) struct MonitorState {
    pub(super) index: Index,
    pub(super) counters: Counters,
    pub(super) history: History,
    /// Time of the last event.
    pub(super) now: Timestamp,
    /// Whether the Events of kubelets are read.
    pub(super) reads_events: bool,
    clock: ClockStepDetector,
    log: EventLog,
}

impl MonitorState {
    /// Creates an empty state. Counters start at `start`.
    pub(super) fn new(settings: IndexConfig, scopes: &[WatchScope], limits: MonitorLimits, start: Timestamp) -> Self {
        let counter_limits = CounterLimits { max_registries: limits.max_registries, max_pairs: limits.max_pairs };
        Self {
            index: Index::new(settings, scopes),
            counters: Counters::new(start, counter_limits),
            history: History::default(),
            now: start,
            reads_events: false,
            clock: ClockStepDetector::default(),
            log: EventLog::default(),
        }
    }

    pub(super) fn check_clock(&mut self, now: Timestamp, running: Option<Duration>) {
        let Some(step) = self.clock.detect(now, running) else { return };
        warn!(back_seconds = step.set_back_by.as_secs(), "clock was set");
        self.index.on_clock_step(step);
        self.history.on_clock_step(step);
        self.now = now;
    }

    pub(super) fn handle_event(&mut self, scope: &WatchScope, event: PodEvent, now: Timestamp) {
        self.check_clock(now, None);
        let Some(watch) = self.index.watch_mut(scope) else { return };
        self.now = now;
        match event {
            PodEvent::WatchFailed(ref failure) => watch.record_error(loggable(&failure.error)),
            // The state of the watch does not change.
            PodEvent::WatchEnded | PodEvent::ListStarted | PodEvent::ListCompleted => {}
            PodEvent::Listed(_) => watch.count_listed_pod(),
            PodEvent::ResumedAfterGap => watch.record_gap(now),
            PodEvent::Synced => watch.record_sync(now),
            PodEvent::Progress
            | PodEvent::Applied(_)
            | PodEvent::AppliedInitial(_)
            | PodEvent::Deleted(_)
            | PodEvent::Undecodable(_)
            | PodEvent::UndecodableDeletion(_) => {
                watch.record_response(now);
            }
        }
        let effects = match event {
            PodEvent::ListStarted => {
                self.counters.exporter.increment(ExporterCounter::Relists);
                self.index.begin_relist(scope);
                Vec::new()
            }
            PodEvent::Listed(pod) => {
                self.counters.exporter.increment_labeled(ExporterCounter::WatchEvents, "listed");
                self.decode_if_relevant(scope, pod).map(|pod| self.index.apply(&pod, now)).unwrap_or_default()
            }
            PodEvent::ListCompleted => self.index.end_relist(scope, now),
            PodEvent::ResumedAfterGap | PodEvent::Synced | PodEvent::Progress => Vec::new(),
            PodEvent::WatchEnded => {
                self.counters
                    .exporter
                    .increment_labeled(ExporterCounter::WatchRestarts, WatchRestartCause::Ended.as_str());
                Vec::new()
            }
            PodEvent::Applied(pod) => {
                self.counters.exporter.increment_labeled(ExporterCounter::WatchEvents, "applied");
                self.decode_if_relevant(scope, pod).map(|pod| self.index.apply(&pod, now)).unwrap_or_default()
            }
            PodEvent::AppliedInitial(pod) => {
                self.counters.exporter.increment_labeled(ExporterCounter::WatchEvents, "applied");
                self.decode_if_relevant(scope, pod).map(|pod| self.index.apply_initial(&pod, now)).unwrap_or_default()
            }
            PodEvent::Deleted(pod) => {
                self.counters.exporter.increment_labeled(ExporterCounter::WatchEvents, "deleted");
                let id = pod.id().clone();
                match self.decode_if_relevant(scope, pod) {
                    Some(pod) => self.index.delete(&pod, now),
                    None => self.index.delete_partial(&id, now),
                }
            }
            PodEvent::Undecodable(problem) => {
                self.record_undecodable(&problem);
                self.index.keep_partial(scope, &problem.id);
                Vec::new()
            }
            PodEvent::UndecodableDeletion(problem) => {
                self.record_undecodable(&problem);
                self.index.delete_partial(&problem.id, now)
            }
            PodEvent::WatchFailed(failure) => {
                self.counters.exporter.increment_labeled(ExporterCounter::WatchRestarts, failure.cause.as_str());
                log_watch_failure(&failure);
                Vec::new()
            }
        };
        for effect in effects {
            self.record_effect(&effect, now);
        }
    }

    /// Applies an event of the watch of Events. Returns false if they must not be read.
    pub(super) fn handle_kubelet_event(&mut self, scope: &WatchScope, event: &KubeletEvent, now: Timestamp) -> bool {
        self.check_clock(now, None);
        self.now = now;
        match event {
            KubeletEvent::ListStarted => self.index.begin_event_list(scope),
            KubeletEvent::Listed(event) | KubeletEvent::Applied(event) | KubeletEvent::AppliedInitial(event) => {
                self.apply_kubelet_event(scope, event, now);
            }
            KubeletEvent::ListCompleted => self.index.end_event_list(scope),
            KubeletEvent::Undecodable(problem) | KubeletEvent::UndecodableDeletion(problem) => {
                self.record_undecodable(problem);
            }
            // Events are deleted an hour after their last change.
            KubeletEvent::Deleted(_)
            | KubeletEvent::ResumedAfterGap
            | KubeletEvent::Synced
            | KubeletEvent::Progress => {}
            KubeletEvent::WatchEnded => self.count_event_watch_restart(WatchRestartCause::Ended),
            KubeletEvent::WatchFailed(failure) => {
                self.count_event_watch_restart(failure.cause);
                match failure.cause {
                    WatchRestartCause::Forbidden => {
                        self.reads_events = false;
                        log_events_refused(failure);
                        return false;
                    }
                    // Without bookmarks, the resourceVersion of a quiet watch is compacted regularly.
                    WatchRestartCause::Gone => {}
                    _ => log_watch_failure(failure),
                }
            }
        }
        true
    }

    fn apply_kubelet_event(&mut self, scope: &WatchScope, event: &EventObject, now: Timestamp) {
        let Some(facts) = event.facts() else { return };
        if event.truncated_texts() > 0 {
            self.counters.exporter.add(ExporterCounter::PodLimitsExceeded, "text", event.truncated_texts());
        }
        for effect in self.index.apply_event(scope, facts, now) {
            self.record_effect(&effect, now);
        }
    }

    fn count_event_watch_restart(&mut self, cause: WatchRestartCause) {
        self.counters.exporter.increment_labeled(ExporterCounter::EventWatchRestarts, cause.as_str());
    }

    /// Decodes a pod if it is relevant: a container may wait for its image, or the index contains the pod. The index keeps the
    /// last state of an undecodable pod.
    fn decode_if_relevant(&mut self, scope: &WatchScope, pod: PodObject) -> Option<PodFacts> {
        if !pod.may_wait() && !self.index.contains(pod.id()) {
            return None;
        }
        let id = pod.id().clone();
        match pod.into_facts() {
            Ok(pod) => {
                self.count_exceeded(&pod);
                Some(pod)
            }
            Err(problem) => {
                self.record_undecodable(&problem);
                self.index.keep_partial(scope, &id);
                None
            }
        }
    }

    /// Counts the texts and elements of a pod that exceeded the limits.
    fn count_exceeded(&mut self, pod: &PodFacts) {
        let PodFacts { id: PodId { namespace, name, .. }, exceeded, .. } = pod;
        if exceeded.is_empty() {
            return;
        }
        self.counters.exporter.add(ExporterCounter::PodLimitsExceeded, "text", exceeded.texts);
        self.counters.exporter.add(ExporterCounter::PodLimitsExceeded, "element", exceeded.elements);
        self.log.log_oversized_pod(namespace, name, *exceeded);
    }

    fn record_undecodable(&mut self, object: &UndecodableObject) {
        self.counters.exporter.increment(ExporterCounter::UndecodableObjects);
        self.log.log_undecodable(object);
    }

    fn record_effect(&mut self, effect: &IndexEffect, now: Timestamp) {
        self.history.record(effect, now);
        match effect {
            IndexEffect::Failure { subject, event, .. } => {
                self.counters.record_failure_event(subject, event, now);
                self.log.log_failure_event(subject, event);
            }
            IndexEffect::Pending { subject, event } => {
                self.counters.record_pending_event(subject, event, now);
                if self.reads_events && *event == PendingEvent::Started {
                    self.counters.prepare_pulls(&subject.registry, now);
                }
            }
            IndexEffect::Pull(report) => self.counters.record_pull(report, now),
            IndexEffect::UnknownReason(reason) => {
                if self.log.log_unknown_reason(reason) {
                    self.counters.exporter.increment(ExporterCounter::UnknownReasons);
                }
            }
            IndexEffect::DuplicateContainer(_) => {
                self.counters.exporter.increment(ExporterCounter::DuplicateContainers);
            }
        }
    }
}
