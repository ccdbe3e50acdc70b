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
    faults::{Disturbance, Drop, WatchOpen},
    query::Query,
    selector::Selector,
};

/// Begins a watch, or says why not.
pub(super) fn watch(context: Context, query: Query, encoding: Encoding) -> Result<Response, Problem> {
    if query.send_initial_events
        && (context.faults.refuses_watch_list() || query.version_match.as_deref() != Some("NotOlderThan"))
    {
        // What a server without the feature, or asked wrongly, answers (meta/internalversion/validation).
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                       feature gate is enabled";
        return Err(Problem::new(422, "Invalid", message));
    }
    let (revision, events) = begin(&context, &query).map_err(gone)?;
    if context.faults.take_gone() {
        let oldest = context.store.lock().revision();
        return Err(gone(TooOld { asked: query.resource_version.unwrap_or_default(), oldest }));
    }
    if context.faults.closes_watches() {
        return Ok(body::with_body(200, encoding.media_type_of_watch(), Body::empty()));
    }
    let now = Instant::now();
    let watcher = Watcher {
        changes: context.store.changes(),
        disturbances: context.faults.disturbances(),
        _open: context.faults.watch_opened(),
        revision,
        events,
        ended: false,
        selector: query.selector,
        bookmark: query.bookmarks.then(|| time::interval_at(now + context.bookmark_every, context.bookmark_every)),
        deadline: query.timeout.map(|timeout| now + timeout),
        context,
    };
    let body = stream::unfold(watcher, move |mut watcher| async move {
        let said = watcher.next().await?;
        Some((said.map(|said| said.written(encoding)), watcher))
    });
    Ok(body::with_body(200, encoding.media_type_of_watch(), Body::from_stream(body)))
}

fn gone(too_old: TooOld) -> Problem {
    Problem::new(410, "Expired", too_old.to_string())
}

/// Returns the revision the watch begins after and what it says first.
fn begin(context: &Context, query: &Query) -> Result<(u64, VecDeque<Said>), TooOld> {
    let store = context.store.lock();
    let mut events = VecDeque::new();
    let revision = match query.resource_version {
        Some(revision) if !query.send_initial_events => {
            store.after(revision).map(drop)?;
            revision
        }
        // No version, or WatchList: what exists comes first, as if it had just been added.
        _ => {
            let revision = store.revision();
            let selected = store.pods_at(revision)?.into_values().filter(|pod| query.selector.matches(pod));
            events.extend(selected.map(|pod| Said::Event("ADDED", pod)));
            revision
        }
    };
    if query.send_initial_events && query.bookmarks {
        events.push_back(bookmark(revision, &json!({ "k8s.io/initial-events-end": "true" })));
    }
    Ok((revision, events))
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
    _open: WatchOpen,
}

/// Something still to be said. It is written only when its turn comes, as what exists at the beginning can be much.
enum Said {
    Event(&'static str, Arc<Value>),
    Injected(String, Value),
    Bytes(Vec<u8>),
}

impl Said {
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
                Woken::Bookmark => self.events.push_back(bookmark(self.revision, &json!({}))),
                Woken::Disturbed(Disturbance::Event(kind, object)) => {
                    self.events.push_back(Said::Injected(kind, object));
                }
                Woken::Disturbed(Disturbance::Bytes(bytes)) => self.events.push_back(Said::Bytes(bytes)),
                Woken::Disturbed(Disturbance::Gone) => {
                    self.end_with(&Problem::new(410, "Expired", "too old resource version"));
                }
                Woken::Disturbed(Disturbance::Drop(Drop::Abrupt)) => {
                    self.ended = true;
                    return Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "dropped on demand")));
                }
                Woken::Disturbed(Disturbance::Drop(Drop::Clean)) | Woken::Over => return None,
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
            Ok(said) => self.events.extend(said),
            Err(too_old) => self.end_with(&gone(too_old)),
        }
        self.revision = revision;
    }

    /// Says what is wrong inside the stream, where it is an ERROR event, and ends it.
    fn end_with(&mut self, problem: &Problem) {
        self.events.push_back(Said::Event("ERROR", Arc::new(problem.status())));
        self.ended = true;
    }

    async fn wait(&mut self) -> Woken {
        let (bookmark, deadline) = (&mut self.bookmark, self.deadline);
        tokio::select! {
            () = self.context.stopped() => Woken::Over,
            changed = self.changes.changed() => changed.map_or(Woken::Over, |()| Woken::Changed),
            disturbance = next_disturbance(&mut self.disturbances) => Woken::Disturbed(disturbance),
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
