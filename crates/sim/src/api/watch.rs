//! Answers WATCH: an event for each change, until one side has enough.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast, watch},
    time::{self, Instant},
};

use super::{
    super::store::{Stored, TooOld, with_revision},
    Context,
    body::{self, Problem},
    encoding::Encoding,
    faults::{Disturbance, Habit, WatchOpen},
    query::Query,
    selector::Selector,
    socket::Peer,
};

/// Begins a watch, or says why not.
pub(super) fn watch(context: Context, peer: Peer, query: &Query, encoding: Encoding) -> Result<Response, Problem> {
    if query.send_initial_events
        && (context.faults.has(Habit::RefusesWatchList) || query.version_match.as_deref() != Some("NotOlderThan"))
    {
        // What a server without the feature, or asked wrongly, answers (meta/internalversion/validation).
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                       feature gate is enabled";
        return Err(Problem::new(422, "Invalid", message));
    }
    let now = Instant::now();
    let mut watcher = Watcher {
        changes: context.store.changes(),
        disturbances: context.faults.disturbances(),
        _open: context.faults.watch_opened(),
        peer,
        revision: 0,
        events: VecDeque::new(),
        ended: false,
        bookmark: query.bookmarks.then(|| time::interval_at(now + context.bookmark_every, context.bookmark_every)),
        deadline: query.timeout.map(|timeout| now + timeout),
        selector: query.selector.clone(),
        context,
    };
    // Told inside the stream, with 200 before it (apiserver, `pkg/storage/cacher/cacher.go`, newErrWatcher).
    if let Err(problem) = watcher.begin(query) {
        watcher.end_with(&problem);
    }
    let body = stream::unfold(watcher, move |mut watcher| async move {
        let said = watcher.next().await?;
        Some((said.map(|said| said.written(encoding)), watcher))
    });
    Ok(body::with_body(200, encoding.media_type_of_watch(), Body::from_stream(body)))
}

fn gone(too_old: TooOld) -> Problem {
    Problem::new(410, "Expired", too_old.to_string())
}

fn bookmark(revision: u64, annotations: &Value) -> Said {
    let metadata =
        json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null, "annotations": annotations });
    let pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": { "containers": null }, "status": {} });
    Said::Event("BOOKMARK", Arc::new(pod))
}

struct Watcher {
    context: Context,
    selector: Selector,
    /// Everything up to here has been said.
    revision: u64,
    events: VecDeque<Said>,
    ended: bool,
    changes: watch::Receiver<u64>,
    disturbances: broadcast::Receiver<Disturbance>,
    bookmark: Option<time::Interval>,
    deadline: Option<Instant>,
    peer: Peer,
    _open: WatchOpen,
}

/// Something still to be said. It is written only when its turn comes, as what exists at the beginning can be much.
#[derive(Clone)]
enum Said {
    Event(&'static str, Arc<Value>),
    Injected(String, Value),
    Bytes(Vec<u8>),
}

impl Said {
    fn without_version(self) -> Self {
        match self {
            Self::Event(kind, object) => {
                let mut object = Value::clone(&object);
                if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("resourceVersion");
                }
                Self::Event(kind, Arc::new(object))
            }
            other => other,
        }
    }

    fn written(self, encoding: Encoding) -> Vec<u8> {
        match self {
            Self::Event(kind, object) => encoding.event(kind, &object),
            Self::Injected(kind, object) => encoding.event(&kind, &object),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What woke a watcher.
enum Woken {
    Changed,
    Bookmark,
    Disturbed(Disturbance),
    Over,
}

impl Watcher {
    /// Finds the revision that the watch begins after, and what it says first.
    fn begin(&mut self, query: &Query) -> Result<(), Problem> {
        let store = self.context.store.lock();
        self.revision = store.revision();
        match query.resource_version {
            // From a version that does not exist yet, a watch is silent until it does.
            Some(revision) if !query.send_initial_events => {
                store.after(revision).map(drop).map_err(gone)?;
                self.revision = revision;
            }
            Some(revision) if revision > self.revision => return Err(Problem::too_large(revision, self.revision)),
            // What exists comes first, as if it had just been added.
            _ => {
                let selected = store.pods_at(self.revision).map_err(gone)?.into_values();
                let selected = selected.filter(|pod| self.selector.matches(pod));
                self.events.extend(selected.map(|pod| Said::Event("ADDED", pod)));
                self.context.faults.count_listed(self.events.len());
            }
        }
        if query.send_initial_events && query.bookmarks && !self.context.faults.has(Habit::NeverEndsWatchList) {
            self.events.push_back(bookmark(self.revision, &json!({ "k8s.io/initial-events-end": "true" })));
        }
        Ok(())
    }

    /// Returns what is said next, `None` at a clean end; an error breaks the connection off.
    async fn next(&mut self) -> Option<io::Result<Said>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            // Seen before the store is read, so that no change falls between.
            self.changes.borrow_and_update();
            self.read_changes();
            if !self.events.is_empty() || self.ended {
                continue;
            }
            match self.wait().await {
                Woken::Changed => {}
                Woken::Bookmark => self.events.extend(self.bookmark()),
                Woken::Disturbed(Disturbance::Event(kind, object)) => {
                    self.events.push_back(Said::Injected(kind, object));
                }
                Woken::Disturbed(Disturbance::Bytes(bytes)) => self.events.push_back(Said::Bytes(bytes)),
                Woken::Disturbed(Disturbance::Error(refusal)) => self.end_with(&refusal.problem()),
                Woken::Disturbed(Disturbance::Drop(how)) => {
                    self.ended = true;
                    return how.end(&self.peer, self.context.stopped()).await.map(Err);
                }
                Woken::Over => return None,
            }
        }
    }

    fn read_changes(&mut self) {
        let store = self.context.store.lock();
        let mut revision = self.revision;
        let said = store.after(revision).map(|changes| {
            changes
                .filter_map(|change| {
                    revision = change.revision;
                    event_of(change, &self.selector)
                })
                .collect::<Vec<_>>()
        });
        drop(store);
        match said {
            Ok(said) => self.events.extend(self.disordered(said)),
            Err(too_old) => self.end_with(&gone(too_old)),
        }
        self.revision = revision;
    }

    /// Makes of events what the faults make of them.
    fn disordered(&self, mut events: Vec<Said>) -> Vec<Said> {
        let faults = &self.context.faults;
        if faults.has(Habit::OmitsVersions) {
            events = events.into_iter().map(Said::without_version).collect();
        }
        if faults.has(Habit::RepeatsEvents) {
            events = events.into_iter().flat_map(|event| [event.clone(), event]).collect();
        }
        if faults.has(Habit::SwapsEvents) {
            events.chunks_exact_mut(2).for_each(<[_]>::reverse);
        }
        events
    }

    /// Returns a bookmark, unless the watch began in the future, where there is nothing to mark.
    fn bookmark(&self) -> Option<Said> {
        let is_said =
            !self.context.faults.has(Habit::SaysNoBookmarks) && self.revision <= self.context.store.lock().revision();
        is_said.then(|| bookmark(self.revision, &json!({})))
    }

    /// Says what is wrong inside the stream, where it is an ERROR event, and ends it.
    fn end_with(&mut self, problem: &Problem) {
        self.events.push_back(Said::Event("ERROR", Arc::new(problem.status())));
        self.ended = true;
    }

    async fn wait(&mut self) -> Woken {
        let (bookmark, deadline) = (&mut self.bookmark, self.deadline);
        tokio::select! {
            // What a test disturbs comes before what it changes after that.
            biased;
            () = self.context.stopped() => Woken::Over,
            disturbance = next_disturbance(&mut self.disturbances) => Woken::Disturbed(disturbance),
            changed = self.changes.changed() => changed.map_or(Woken::Over, |()| Woken::Changed),
            () = tick(bookmark) => Woken::Bookmark,
            () = sleep_until(deadline) => Woken::Over,
        }
    }
}

async fn next_disturbance(disturbances: &mut broadcast::Receiver<Disturbance>) -> Disturbance {
    loop {
        match disturbances.recv().await {
            Ok(disturbance) => return disturbance,
            // Missed some: the next one is as good.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn tick(interval: &mut Option<time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => time::sleep(Duration::MAX).await,
    }
}

/// Returns what a change is to a watch with this selector: an object that leaves the selection is DELETED to it, in its
/// state before, with the change's revision (cacher, convertToWatchEvent).
fn event_of(change: &Stored, selector: &Selector) -> Option<Said> {
    let selected = |pod: &Option<Arc<Value>>| pod.clone().filter(|pod| selector.matches(pod));
    match (selected(&change.before), selected(&change.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(Said::Event("ADDED", after)),
        (Some(_), Some(after)) => Some(Said::Event("MODIFIED", after)),
        (Some(before), None) => {
            let deleted = with_revision(Value::clone(&before), change.revision);
            Some(Said::Event("DELETED", Arc::new(deleted)))
        }
    }
}
