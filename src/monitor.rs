//! The one place where the cluster's events become numbers: index, counters and history behind one lock.
//!
//! The lock is held for one event, or to take what changed since the last view and a copy of the counters, both in
//! constant time; never while a format is written or a socket waits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use crate::cluster::sighting::PodObject;
use crate::cluster::wire::Undecodable;
use crate::cluster::{PodEvent, WatchRestartCause};
use crate::metrics::choice::Choice;
use crate::metrics::counters::{self, Counters, WatchEvent};
use crate::metrics::view::{NamespaceWatch, View, Watch};
use image_pull_model::clock_step::ClockCheck;
use image_pull_model::effect::{Effect, FailureEvent, Subject};
use image_pull_model::facts::{PodFacts, PodId, Scope};
use image_pull_model::history::{History, Past, Point};
use image_pull_model::index::{Index, Settings};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::{Latest, Snapshot};
use image_pull_model::time::Timestamp;
use image_pull_model::watch_state::WatchState;

/// How many texts of a kind are remembered.
const MAX_NEWS: usize = 1000;
/// How many pods with inferred causes the index takes while it is locked.
const ADOPTED_AT_ONCE: usize = 256;
/// How much of a text from the cluster a log line shows.
const LOGGED_LENGTH: usize = 512;

/// What a monitor is told once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many registries get a label value of their own.
    pub max_registries: usize,
    /// For how many containers series are shown.
    pub max_containers: usize,
    /// How many pairs of namespace and registry get counters of their own.
    pub max_pairs: usize,
}

impl Limits {
    /// Those that hold where no flag sets others.
    pub const DEFAULT: Self = Self { max_registries: 100, max_containers: 10_000, max_pairs: 5_000 };
}

/// Takes the events of the cluster; gives views.
#[derive(Debug)]
pub struct Monitor {
    limits: Limits,
    /// Which failing containers scrapes show.
    choice: Arc<Choice>,
    /// The latest snapshot. Locked before `state`.
    latest: Mutex<Latest>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    index: Index,
    counters: Counters,
    history: History,
    /// When the last event came.
    now: Timestamp,
    clock: ClockCheck,
    unknown_reasons: Once,
    undecodable: Once,
    oversized: Once,
    unclassified: Once,
}

/// The texts that were logged, so that each is logged once; again when there are too many to remember.
#[derive(Debug, Default)]
struct Once(HashSet<String>);

impl Once {
    fn is_news(&mut self, text: &str) -> bool {
        if self.0.len() >= MAX_NEWS {
            self.0.clear();
        }
        self.0.insert(logged(text).to_owned())
    }
}

impl Monitor {
    /// A monitor of what `scopes` cover, of which nothing is known yet, counting from `began` on.
    #[must_use]
    pub fn new(settings: Settings, scopes: &[Scope], limits: Limits, began: Timestamp) -> Self {
        let counted = counters::Limits { registries: limits.max_registries, pairs: limits.max_pairs };
        let state = State {
            index: Index::new(settings, scopes),
            counters: Counters::new(began, counted, &WatchRestartCause::ALL.map(WatchRestartCause::as_str)),
            history: History::default(),
            now: began,
            clock: ClockCheck::default(),
            unknown_reasons: Once::default(),
            undecodable: Once::default(),
            oversized: Once::default(),
            unclassified: Once::default(),
        };
        Self { limits, choice: Arc::default(), latest: Mutex::default(), state: Mutex::new(state) }
    }

    /// The same, remembering so many failures that ended.
    #[must_use]
    pub fn remembering(self, ended: usize) -> Self {
        self.lock().history = History::new(ended);
        self
    }

    /// Takes the time, and how long the process has been running by a clock that nobody can set: a step between the two is
    /// put right.
    pub fn check_clock(&self, now: Timestamp, running: Duration) {
        self.lock().check_clock(now, Some(running));
    }

    /// Takes an event of the watch of `scope` that arrived at `now`.
    pub fn take(&self, scope: &Scope, event: PodEvent, now: Timestamp) {
        self.lock().take(scope, event, now);
    }

    /// Everything that a scrape shows; `None` until the first list is complete.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        let read = |state: &mut State| (state.counters.counted(state.now), state.watch(), state.history.forgotten());
        let (snapshot, (counted, watch, forgotten)) = self.read(read)?;
        let (max_containers, choice) = (self.limits.max_containers, Arc::clone(&self.choice));
        Some(View {
            snapshot,
            counted,
            watch,
            forgotten,
            process: None,
            max_containers,
            choice,
            log_lines_dropped: Vec::new(),
            web: None,
        })
    }

    /// Everything that a person sees who looks at `now`; `None` until the first list is complete.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Option<(Arc<Snapshot>, Watch, Past)> {
        let (snapshot, (watch, past)) = self.read(|state| (state.watch(), state.history.past(now)))?;
        Some((snapshot, watch, past))
    }

    /// How the open failures of a pod went, by container.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<Point>)> {
        self.lock().history.timelines(pod)
    }

    /// Whether there is a view.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.lock().index.is_visible()
    }

    /// For how long every part of the view has been out of date at `now`: zero while a watch stands.
    #[must_use]
    pub fn stale_for(&self, now: Timestamp) -> Duration {
        let state = self.lock();
        state.index.watches().iter().map(|watch| stale_for(watch, now)).min().unwrap_or_default()
    }

    /// What is missing from the view at `now`, or has been out of date for longer than `stale_after`, and why.
    #[must_use]
    pub fn missing(&self, stale_after: Duration, now: Timestamp) -> Vec<String> {
        let state = self.lock();
        let watches = state.index.watches().iter();
        let missing = watches.filter(|watch| watch.complete_at().is_none() || stale_for(watch, now) > stale_after);
        missing.map(describe).collect()
    }

    /// Reads the newest snapshot, and something else of the same instant. Only readers wait while it is brought up to
    /// date; events and health checks do not.
    fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> Option<(Arc<Snapshot>, T)> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let changes = state.index.changes()?;
        let read = read(&mut state);
        drop(state);
        let (snapshot, inferred) = latest.update(changes);
        // A few at a time, so that nothing else waits for long.
        for inferred in inferred.chunks(ADOPTED_AT_ONCE) {
            self.lock().index.adopt(inferred);
        }
        Some((snapshot, read))
    }

    /// A panic while the lock was held ends the process; until it does, the state is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long the view of a scope has been out of date.
fn stale_for(watch: &WatchState, now: Timestamp) -> Duration {
    let since = || watch.last_response().map_or(Duration::MAX, |at| now.since(at));
    if watch.is_failing() { since() } else { Duration::ZERO }
}

/// Which scope it is, and what is wrong with its watch.
fn describe(watch: &WatchState) -> String {
    let scope = match watch.scope() {
        Scope::Cluster => "all namespaces".to_owned(),
        Scope::Namespace(name) => format!("namespace \"{name}\""),
    };
    format!("{scope}: {}", watch.failure().unwrap_or("the first list is not complete"))
}

fn namespace_watch(watch: &WatchState) -> Option<NamespaceWatch> {
    let Scope::Namespace(namespace) = watch.scope() else { return None };
    Some(NamespaceWatch {
        namespace: namespace.clone(),
        synced: watch.is_current(),
        listed: watch.complete_at().is_some(),
        failure: watch.failure().map(str::to_owned),
    })
}

impl State {
    fn watch(&self) -> Watch {
        let watches = self.index.watches();
        Watch {
            synced: watches.iter().all(WatchState::is_current),
            // The oldest of them, since a view is no newer than its oldest part.
            last_event: watches.iter().filter_map(WatchState::last_response).min(),
            listed_pods: watches.iter().map(WatchState::listed_pods).sum(),
            namespaces: watches.iter().filter_map(namespace_watch).collect(),
        }
    }

    fn check_clock(&mut self, now: Timestamp, running: Option<Duration>) {
        let Some(step) = self.clock.read(now, running) else { return };
        warn!(back_seconds = step.back.as_secs(), "clock was set");
        self.index.clock_stepped(step);
        self.history.clock_stepped(step);
        self.now = now;
    }

    fn take(&mut self, scope: &Scope, event: PodEvent, now: Timestamp) {
        self.check_clock(now, None);
        let Some(watch) = self.index.watch_mut(scope) else { return };
        self.now = now;
        match event {
            PodEvent::WatchFailed(ref failure) => watch.fail(logged(&redact(&failure.error)).to_owned()),
            // The API server responded until now, and the watch goes on.
            PodEvent::WatchEnded | PodEvent::ListStarted | PodEvent::ListCompleted => {}
            PodEvent::Listed(_) => watch.count_listed_pod(),
            PodEvent::ResumedAfterGap => watch.resume_after_gap(now),
            PodEvent::Synced => watch.sync(now),
            PodEvent::Progress
            | PodEvent::Applied(_)
            | PodEvent::AppliedInitial(_)
            | PodEvent::Deleted(_)
            | PodEvent::Undecodable(_)
            | PodEvent::UndecodableDeletion(_) => {
                watch.respond(now);
            }
        }
        let effects = match event {
            PodEvent::ListStarted => {
                self.counters.own.relists += 1;
                self.index.reset_begin(scope);
                Vec::new()
            }
            PodEvent::Listed(pod) => {
                self.counters.own.watch_event(WatchEvent::Listed);
                self.read(scope, pod).map(|pod| self.index.apply(&pod, now)).unwrap_or_default()
            }
            PodEvent::ListCompleted => self.index.reset_end(scope, now),
            PodEvent::ResumedAfterGap | PodEvent::Synced | PodEvent::Progress => Vec::new(),
            PodEvent::WatchEnded => {
                self.counters.own.watch_restart(WatchRestartCause::Ended.as_str());
                Vec::new()
            }
            PodEvent::Applied(pod) => {
                self.counters.own.watch_event(WatchEvent::Applied);
                self.read(scope, pod).map(|pod| self.index.apply(&pod, now)).unwrap_or_default()
            }
            PodEvent::AppliedInitial(pod) => {
                self.counters.own.watch_event(WatchEvent::Applied);
                self.read(scope, pod).map(|pod| self.index.apply_initial(&pod, now)).unwrap_or_default()
            }
            PodEvent::Deleted(pod) => {
                self.counters.own.watch_event(WatchEvent::Deleted);
                let id = pod.id().clone();
                match self.read(scope, pod) {
                    Some(pod) => self.index.delete(&pod, now),
                    None => self.index.delete_unread(&id, now),
                }
            }
            PodEvent::Undecodable(problem) => {
                self.skip(&problem);
                self.index.keep(scope, &problem.id);
                Vec::new()
            }
            PodEvent::UndecodableDeletion(problem) => {
                self.skip(&problem);
                self.index.delete_unread(&problem.id, now)
            }
            PodEvent::WatchFailed(failure) => {
                self.counters.own.watch_restart(failure.cause.as_str());
                warn!(cause = failure.cause.as_str(), error = logged(&redact(&failure.error)), "watch failed");
                Vec::new()
            }
        };
        for effect in effects {
            self.count(&effect, now);
        }
    }

    /// Reads a pod if there is anything to learn from it: it waits, or it did and is remembered. One that cannot be read is
    /// kept as it was.
    fn read(&mut self, scope: &Scope, pod: PodObject) -> Option<PodFacts> {
        if !pod.has_waiting_container() && !self.index.has(pod.id()) {
            return None;
        }
        let id = pod.id().clone();
        match pod.into_facts() {
            Ok(pod) => {
                self.count_exceeded(&pod);
                Some(pod)
            }
            Err(problem) => {
                self.skip(&problem);
                self.index.keep(scope, &id);
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
        self.counters.own.exceeded += *exceeded;
        if self.oversized.is_news(&format!("{namespace}/{name}")) {
            let (texts, elements) = (exceeded.texts, exceeded.elements);
            warn!(namespace, pod = name, texts, elements, "pod exceeds limits: texts truncated, elements omitted");
        }
    }

    fn skip(&mut self, problem: &Undecodable) {
        self.counters.own.undecodable += 1;
        let problem = problem.to_string();
        if self.undecodable.is_news(&problem) {
            warn!(error = logged(&redact(&problem)), "object skipped");
        }
    }

    fn count(&mut self, effect: &Effect, now: Timestamp) {
        self.history.take(effect, now);
        match effect {
            Effect::Failure(subject, event) => {
                self.counters.failure(subject, event, now);
                self.log(subject, event);
            }
            Effect::UnknownReason(reason) => {
                if self.unknown_reasons.is_news(reason) {
                    self.counters.own.unknown_reasons += 1;
                    warn!(reason = logged(&redact(reason)), "waiting reason unknown");
                }
            }
            Effect::DuplicateContainer(_) => self.counters.own.duplicates += 1,
        }
    }

    fn log(&mut self, subject: &Subject, event: &FailureEvent) {
        let Subject { pod, container, registry } = subject;
        let (namespace, pod) = (&pod.namespace, &pod.name);
        match event {
            FailureEvent::Started => info!(namespace, pod, container, registry, "failure began"),
            FailureEvent::Ended { outcome, lasted, .. } => {
                let (outcome, seconds) = (outcome.as_str(), lasted.as_secs());
                info!(namespace, pod, container, registry, outcome, seconds, "failure ended");
            }
            FailureEvent::Unclassified(message) => {
                if self.unclassified.is_news(message) {
                    warn!(namespace, pod, container, error = logged(&redact(message)), "cause unknown");
                }
            }
            FailureEvent::Turned(..) | FailureEvent::Attempted(_) | FailureEvent::BackedOff(_) => {}
        }
    }
}

fn logged(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOGGED_LENGTH)).unwrap_or_default()
}
