//! The one place where the cluster's events become numbers: index, counters and history behind one lock.
//!
//! The lock is held for one event, or to take what changed since the last view and a copy of the counters, both in
//! constant time; never while a format is written or a socket waits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use crate::cluster::pod_object::PodObject;
use crate::cluster::wire::UndecodableObject;
use crate::cluster::{PodEvent, WatchRestartCause};
use crate::metrics::counters::{CounterLimits, Counters, ExporterCounter};
use crate::metrics::scrape::{NamespaceWatchStatus, ScrapeSnapshot, WatchStatus};
use crate::metrics::series_limit::SeriesLimiter;
use image_pull_model::clock_step::ClockStepDetector;
use image_pull_model::effect::{FailureEvent, FailureSubject, IndexEffect};
use image_pull_model::facts::{PodFacts, PodId, WatchScope};
use image_pull_model::history::{History, HistorySnapshot, TimelinePoint};
use image_pull_model::index::{Index, IndexConfig};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::{LatestSnapshot, Snapshot};
use image_pull_model::time::Timestamp;
use image_pull_model::watch_state::WatchState;

/// How many texts of a kind are remembered.
const MAX_REMEMBERED_TEXTS: usize = 1000;
/// How many pods with inferred causes the index takes while it is locked.
const ADOPT_BATCH_SIZE: usize = 256;
/// How much of a text from the cluster a log line shows.
const MAX_LOGGED_BYTES: usize = 512;

/// What a monitor is told once.
#[derive(Clone, Copy, Debug)]
pub struct MonitorLimits {
    /// How many registries get a label value of their own.
    pub max_registries: usize,
    /// For how many containers series are shown.
    pub max_containers: usize,
    /// How many pairs of namespace and registry get counters of their own.
    pub max_pairs: usize,
}

impl MonitorLimits {
    /// Those that hold where no flag sets others.
    pub const DEFAULT: Self = Self { max_registries: 100, max_containers: 10_000, max_pairs: 5_000 };
}

/// Takes the events of the cluster; gives views.
#[derive(Debug)]
pub struct Monitor {
    limits: MonitorLimits,
    /// Which failing containers scrapes show.
    choice: Arc<SeriesLimiter>,
    /// The latest snapshot. Locked before `state`.
    latest: Mutex<LatestSnapshot>,
    state: Mutex<MonitorState>,
}

#[derive(Debug)]
struct MonitorState {
    index: Index,
    counters: Counters,
    history: History,
    /// When the last event came.
    now: Timestamp,
    clock: ClockStepDetector,
    unknown_reasons: SeenTexts,
    undecodable: SeenTexts,
    oversized: SeenTexts,
    unclassified: SeenTexts,
}

/// The texts that were logged, so that each is logged once; again when there are too many to remember.
#[derive(Debug, Default)]
struct SeenTexts(HashSet<String>);

impl SeenTexts {
    fn insert(&mut self, text: &str) -> bool {
        if self.0.len() >= MAX_REMEMBERED_TEXTS {
            self.0.clear();
        }
        self.0.insert(truncated_for_log(text).to_owned())
    }
}

impl Monitor {
    /// A monitor of what `scopes` cover, of which nothing is known yet, counting from `began` on.
    #[must_use]
    pub fn new(settings: IndexConfig, scopes: &[WatchScope], limits: MonitorLimits, began: Timestamp) -> Self {
        let counter_limits = CounterLimits { max_registries: limits.max_registries, max_pairs: limits.max_pairs };
        let state = MonitorState {
            index: Index::new(settings, scopes),
            counters: Counters::new(began, counter_limits),
            history: History::default(),
            now: began,
            clock: ClockStepDetector::default(),
            unknown_reasons: SeenTexts::default(),
            undecodable: SeenTexts::default(),
            oversized: SeenTexts::default(),
            unclassified: SeenTexts::default(),
        };
        Self { limits, choice: Arc::default(), latest: Mutex::default(), state: Mutex::new(state) }
    }

    /// The same, remembering so many failures that ended.
    #[must_use]
    pub fn with_history(self, ended: usize) -> Self {
        self.lock().history = History::new(ended);
        self
    }

    /// Takes the time, and how long the process has been running by a clock that nobody can set: a step between the two is
    /// put right.
    pub fn check_clock(&self, now: Timestamp, running: Duration) {
        self.lock().check_clock(now, Some(running));
    }

    /// Takes an event of the watch of `scope` that arrived at `now`.
    pub fn handle_event(&self, scope: &WatchScope, event: PodEvent, now: Timestamp) {
        self.lock().handle_event(scope, event, now);
    }

    /// Everything that a scrape shows; `None` until the first list is complete.
    #[must_use]
    pub fn scrape_snapshot(&self) -> Option<ScrapeSnapshot> {
        let read = |state: &mut MonitorState| {
            (state.counters.snapshot(state.now), state.watch_status(), state.history.evictions())
        };
        let (snapshot, (counted, watch, forgotten)) = self.with_snapshot(read)?;
        let (max_containers, choice) = (self.limits.max_containers, Arc::clone(&self.choice));
        Some(ScrapeSnapshot {
            snapshot,
            counters: counted,
            watch,
            history_evictions: forgotten,
            process: None,
            max_container_series: max_containers,
            series_limiter: choice,
            log_lines_dropped: Vec::new(),
            web: None,
        })
    }

    /// Everything that a person sees who looks at `now`; `None` until the first list is complete.
    #[must_use]
    pub fn overview(&self, now: Timestamp) -> Option<(Arc<Snapshot>, WatchStatus, HistorySnapshot)> {
        let (snapshot, (watch, past)) =
            self.with_snapshot(|state| (state.watch_status(), state.history.snapshot(now)))?;
        Some((snapshot, watch, past))
    }

    /// How the open failures of a pod went, by container.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        self.lock().history.timelines(pod)
    }

    /// Whether there is a view.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.lock().index.is_ready()
    }

    /// For how long every part of the view has been out of date at `now`: zero while a watch stands.
    #[must_use]
    pub fn stale_for(&self, now: Timestamp) -> Duration {
        let state = self.lock();
        state.index.watches().iter().map(|watch| stale_for(watch, now)).min().unwrap_or_default()
    }

    /// What is missing from the view at `now`, or has been out of date for longer than `stale_after`, and why.
    #[must_use]
    pub fn unavailable_scopes(&self, stale_after: Duration, now: Timestamp) -> Vec<String> {
        let state = self.lock();
        let watches = state.index.watches().iter();
        let missing = watches.filter(|watch| watch.complete_at().is_none() || stale_for(watch, now) > stale_after);
        missing.map(describe_watch).collect()
    }

    /// Reads the newest snapshot, and something else of the same instant. Only readers wait while it is brought up to
    /// date; events and health checks do not.
    fn with_snapshot<T>(&self, read: impl FnOnce(&mut MonitorState) -> T) -> Option<(Arc<Snapshot>, T)> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let changes = state.index.changes()?;
        let read = read(&mut state);
        drop(state);
        let (snapshot, inferred) = latest.update(changes);
        // A few at a time, so that nothing else waits for long.
        for inferred in inferred.chunks(ADOPT_BATCH_SIZE) {
            self.lock().index.apply_inferences(inferred);
        }
        Some((snapshot, read))
    }

    /// A panic while the lock was held ends the process; until it does, the state is as good as any.
    fn lock(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long the view of a scope has been out of date.
fn stale_for(watch: &WatchState, now: Timestamp) -> Duration {
    let since = || watch.last_response().map_or(Duration::MAX, |at| now.saturating_duration_since(at));
    if watch.is_failing() { since() } else { Duration::ZERO }
}

/// Which scope it is, and what is wrong with its watch.
fn describe_watch(watch: &WatchState) -> String {
    let scope = match watch.scope() {
        WatchScope::Cluster => "all namespaces".to_owned(),
        WatchScope::Namespace(name) => format!("namespace \"{name}\""),
    };
    format!("{scope}: {}", watch.error().unwrap_or("the first list is not complete"))
}

fn namespace_watch(watch: &WatchState) -> Option<NamespaceWatchStatus> {
    let WatchScope::Namespace(namespace) = watch.scope() else { return None };
    Some(NamespaceWatchStatus {
        namespace: namespace.clone(),
        is_synced: watch.is_current(),
        is_listed: watch.complete_at().is_some(),
        error: watch.error().map(str::to_owned),
    })
}

impl MonitorState {
    fn watch_status(&self) -> WatchStatus {
        let watches = self.index.watches();
        WatchStatus {
            is_synced: watches.iter().all(WatchState::is_current),
            // The oldest of them, since a view is no newer than its oldest part.
            last_event: watches.iter().filter_map(WatchState::last_response).min(),
            listed_pods: watches.iter().map(WatchState::listed_pods).sum(),
            namespaces: watches.iter().filter_map(namespace_watch).collect(),
        }
    }

    fn check_clock(&mut self, now: Timestamp, running: Option<Duration>) {
        let Some(step) = self.clock.detect(now, running) else { return };
        warn!(back_seconds = step.set_back_by.as_secs(), "clock was set");
        self.index.on_clock_step(step);
        self.history.on_clock_step(step);
        self.now = now;
    }

    fn handle_event(&mut self, scope: &WatchScope, event: PodEvent, now: Timestamp) {
        self.check_clock(now, None);
        let Some(watch) = self.index.watch_mut(scope) else { return };
        self.now = now;
        match event {
            PodEvent::WatchFailed(ref failure) => {
                watch.record_error(truncated_for_log(&redact(&failure.error)).to_owned());
            }
            // The API server responded until now, and the watch goes on.
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
                warn!(
                    cause = failure.cause.as_str(),
                    error = truncated_for_log(&redact(&failure.error)),
                    "watch failed"
                );
                Vec::new()
            }
        };
        for effect in effects {
            self.record_effect(&effect, now);
        }
    }

    /// Reads a pod if there is anything to learn from it: it waits, or it did and is remembered. One that cannot be read is
    /// kept as it was.
    fn decode_if_relevant(&mut self, scope: &WatchScope, pod: PodObject) -> Option<PodFacts> {
        if !pod.has_waiting_container() && !self.index.contains(pod.id()) {
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

    /// Counts what a pod has beyond the limits.
    fn count_exceeded(&mut self, pod: &PodFacts) {
        let PodFacts { id: PodId { namespace, name, .. }, exceeded, .. } = pod;
        if exceeded.is_none() {
            return;
        }
        self.counters.exporter.add(ExporterCounter::PodLimitsExceeded, "text", exceeded.texts);
        self.counters.exporter.add(ExporterCounter::PodLimitsExceeded, "element", exceeded.elements);
        if self.oversized.insert(&format!("{namespace}/{name}")) {
            let (texts, elements) = (exceeded.texts, exceeded.elements);
            warn!(namespace, pod = name, texts, elements, "pod exceeds limits: texts truncated, elements omitted");
        }
    }

    fn record_undecodable(&mut self, problem: &UndecodableObject) {
        self.counters.exporter.increment(ExporterCounter::UndecodableObjects);
        let problem = problem.to_string();
        if self.undecodable.insert(&problem) {
            warn!(error = truncated_for_log(&redact(&problem)), "object skipped");
        }
    }

    fn record_effect(&mut self, effect: &IndexEffect, now: Timestamp) {
        self.history.record(effect, now);
        match effect {
            IndexEffect::Failure(subject, event) => {
                self.counters.record_failure_event(subject, event, now);
                self.log_failure_event(subject, event);
            }
            IndexEffect::UnknownReason(reason) => {
                if self.unknown_reasons.insert(reason) {
                    self.counters.exporter.increment(ExporterCounter::UnknownReasons);
                    warn!(reason = truncated_for_log(&redact(reason)), "waiting reason unknown");
                }
            }
            IndexEffect::DuplicateContainer(_) => {
                self.counters.exporter.increment(ExporterCounter::DuplicateContainers);
            }
        }
    }

    fn log_failure_event(&mut self, subject: &FailureSubject, event: &FailureEvent) {
        let FailureSubject { pod, container, registry } = subject;
        let (namespace, pod) = (&pod.namespace, &pod.name);
        match event {
            FailureEvent::Started => info!(namespace, pod, container, registry, "failure began"),
            FailureEvent::Ended { outcome, duration: lasted, .. } => {
                let (outcome, seconds) = (outcome.as_str(), lasted.as_secs());
                info!(namespace, pod, container, registry, outcome, seconds, "failure ended");
            }
            FailureEvent::Unclassified(message) => {
                if self.unclassified.insert(message) {
                    warn!(namespace, pod, container, error = truncated_for_log(&redact(message)), "cause unknown");
                }
            }
            FailureEvent::StatusChanged(..) | FailureEvent::AttemptFailed(_) | FailureEvent::IntervalMeasured(_) => {}
        }
    }
}

fn truncated_for_log(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LOGGED_BYTES)).unwrap_or_default()
}
