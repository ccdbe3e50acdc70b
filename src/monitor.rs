//! The one place where the cluster's events become numbers: index and tally behind one lock.
//!
//! The lock is held for one event or to take one view, never while anything is encoded or written to a socket.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

use crate::cluster::PodEvent;
use crate::metrics::tally::{Tally, WatchEvent};
use crate::metrics::view::{View, Watch};
use crate::pull::effect::{Effect, FailureEvent, Subject};
use crate::pull::facts::Scope;
use crate::pull::failure::Seen;
use crate::pull::index::{Index, Settings};
use crate::pull::time::Timestamp;

/// How many distinct unknown words are remembered; more would be a flood, not news.
const MAX_UNKNOWN_REASONS: usize = 1000;
/// How much of a text from the cluster a log line shows.
const LOGGED_LENGTH: usize = 512;

/// What a monitor is told once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many registries get a label value of their own.
    pub max_registries: usize,
    /// For how many containers series are shown.
    pub max_containers: usize,
}

/// Takes the events of the cluster; gives views.
#[derive(Debug)]
pub struct Monitor {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    index: Index,
    tally: Tally,
    last_event: Option<Timestamp>,
    /// Whether nothing has come since the watch failed.
    failing: bool,
    /// How many pods the last list of each scope had, and the one under way so far.
    listed: BTreeMap<Scope, Listed>,
    unknown_reasons: HashSet<String>,
    /// Objects that were logged as undecodable; each is logged once.
    undecodable: HashSet<String>,
}

#[derive(Debug, Default)]
struct Listed {
    last: u64,
    current: u64,
}

impl Monitor {
    /// A monitor of what `scopes` cover, of which nothing is known yet, counting from `began` on.
    #[must_use]
    pub fn new(settings: Settings, scopes: &[Scope], limits: Limits, began: Timestamp) -> Self {
        let state = State {
            index: Index::new(settings, scopes),
            tally: Tally::new(began, limits.max_registries),
            last_event: None,
            failing: false,
            listed: BTreeMap::new(),
            unknown_reasons: HashSet::new(),
            undecodable: HashSet::new(),
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Takes an event that arrived at `now`.
    pub fn take(&self, event: PodEvent, now: Timestamp) {
        self.lock().take(event, now);
    }

    /// Everything that a scrape shows; `None` until the first list is complete.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        let mut state = self.lock();
        let snapshot = state.index.snapshot()?;
        let counted = state.tally.collect().unwrap_or_else(|_| {
            error!("the counters could not be read");
            Vec::new()
        });
        let watch = state.watch();
        Some(View { snapshot, counted, watch, process: None, max_containers: self.limits.max_containers })
    }

    /// Whether every scope was listed once, so that there is a view.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.lock().index.is_listed()
    }

    /// A panic while the lock was held ends the process; until it does, the state is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn watch(&self) -> Watch {
        Watch {
            synced: self.index.is_complete() && !self.failing,
            last_event: self.last_event,
            listed_pods: self.listed.values().map(|listed| listed.last).sum(),
        }
    }

    fn take(&mut self, event: PodEvent, now: Timestamp) {
        self.failing = matches!(event, PodEvent::Failed(_));
        if !self.failing && !matches!(event, PodEvent::ListBegins(_)) {
            self.last_event = Some(now);
        }
        let effects = match event {
            PodEvent::ListBegins(scope) => {
                self.tally.relist();
                self.index.reset_begin(&scope);
                self.listed.entry(scope).or_default().current = 0;
                Vec::new()
            }
            PodEvent::Listed(pod) => {
                self.tally.watch_event(WatchEvent::Listed);
                if let Some((_, listed)) = self.listed.iter_mut().find(|(scope, _)| scope.covers(&pod.id.namespace)) {
                    listed.current += 1;
                }
                self.index.reset_list(&pod, now)
            }
            PodEvent::ListEnds(scope) => {
                let effects = self.index.reset_end(&scope, now);
                let listed = self.listed.entry(scope).or_default();
                listed.last = listed.current;
                effects
            }
            PodEvent::Applied(pod) => {
                self.tally.watch_event(WatchEvent::Applied);
                self.index.apply(&pod, Seen::Watched, now)
            }
            PodEvent::Found(pod) => {
                self.tally.watch_event(WatchEvent::Applied);
                self.index.apply(&pod, Seen::Found { not_before: None }, now)
            }
            PodEvent::Deleted(pod) => {
                self.tally.watch_event(WatchEvent::Deleted);
                self.index.delete(&pod, now)
            }
            PodEvent::Undecodable(error) => {
                self.tally.undecodable();
                let error = error.to_string();
                if self.undecodable.len() < MAX_UNKNOWN_REASONS && self.undecodable.insert(error.clone()) {
                    warn!(error = logged(&error), "object skipped");
                }
                Vec::new()
            }
            PodEvent::Failed(failure) => {
                self.tally.watch_error(failure.cause);
                warn!(cause = failure.cause, error = failure.error, "watch failed");
                Vec::new()
            }
        };
        for effect in effects {
            self.count(&effect, now);
        }
    }

    fn count(&mut self, effect: &Effect, now: Timestamp) {
        match effect {
            Effect::Failure(subject, event) => {
                self.tally.failure(subject, event, now);
                log(subject, event);
            }
            Effect::UnknownReason(reason) => {
                if self.unknown_reasons.len() < MAX_UNKNOWN_REASONS && self.unknown_reasons.insert(reason.clone()) {
                    self.tally.unknown_reason();
                    warn!(reason = logged(reason), "waiting reason unknown");
                }
            }
            Effect::DuplicateContainer(_) => self.tally.duplicate(),
        }
    }
}

fn log(subject: &Subject, event: &FailureEvent) {
    let Subject { pod, container, registry } = subject;
    match event {
        FailureEvent::Started => {
            info!(namespace = pod.namespace, pod = pod.name, container, registry, "failure began");
        }
        FailureEvent::Ended { outcome, lasted, .. } => {
            let (outcome, seconds) = (outcome.as_str(), lasted.as_secs());
            info!(namespace = pod.namespace, pod = pod.name, container, registry, outcome, seconds, "failure ended");
        }
        FailureEvent::Attempted | FailureEvent::BackedOff(_) => {}
    }
}

fn logged(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOGGED_LENGTH)).unwrap_or_default()
}
