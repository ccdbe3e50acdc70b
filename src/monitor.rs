//! The one place where the cluster's events become numbers: index and tally behind one lock.
//!
//! The lock is held for one event, or to take one view, which copies the counters; never while a format is written
//! or a socket waits.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

use crate::cluster::{PodEvent, WatchCause};
use crate::metrics::tally::{Tally, WatchEvent};
use crate::metrics::view::{View, Watch};
use crate::pull::effect::{Effect, FailureEvent, Subject};
use crate::pull::facts::Scope;
use crate::pull::failure::Seen;
use crate::pull::index::{Index, Settings};
use crate::pull::redact::redact;
use crate::pull::time::Timestamp;

/// How many texts of a kind are news; more would be a flood.
const MAX_NEWS: usize = 1000;
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
    unknown_reasons: Once,
    undecodable: Once,
    unclassified: Once,
}

/// The texts that were logged, so that each is logged once.
#[derive(Debug, Default)]
struct Once(HashSet<String>);

impl Once {
    fn is_news(&mut self, text: &str) -> bool {
        self.0.len() < MAX_NEWS && self.0.insert(logged(text).to_owned())
    }
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
            tally: Tally::new(began, limits.max_registries, &WatchCause::ALL.map(WatchCause::as_str)),
            last_event: None,
            failing: false,
            listed: BTreeMap::new(),
            unknown_reasons: Once::default(),
            undecodable: Once::default(),
            unclassified: Once::default(),
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
        Some(View { snapshot, counted, watch, process: None, max_containers: self.limits.max_containers, web: None })
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
                if self.undecodable.is_news(&error) {
                    warn!(error = logged(&redact(&error)), "object skipped");
                }
                Vec::new()
            }
            PodEvent::Failed(failure) => {
                self.tally.watch_error(failure.cause.as_str());
                warn!(cause = failure.cause.as_str(), error = logged(&redact(&failure.error)), "watch failed");
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
                self.log(subject, event);
            }
            Effect::UnknownReason(reason) => {
                if self.unknown_reasons.is_news(reason) {
                    self.tally.unknown_reason();
                    warn!(reason = logged(&redact(reason)), "waiting reason unknown");
                }
            }
            Effect::DuplicateContainer(_) => self.tally.duplicate(),
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
                    warn!(namespace, pod, container, message = logged(&redact(message)), "cause unknown");
                }
            }
            FailureEvent::Attempted(_) | FailureEvent::BackedOff(_) => {}
        }
    }
}

fn logged(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOGGED_LENGTH)).unwrap_or_default()
}
