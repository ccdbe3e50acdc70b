//! Handles WATCH: streams an event for each change.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast, watch},
    time::{self, Instant},
};

use super::super::resource::Resource;
use super::super::store::{ResourceVersionTooOld, StoredChange, with_revision};
use super::{
    body::{self, StatusError},
    context::Context,
    encoding::ResponseEncoding,
    faults::{OpenWatchGuard, PersistentFault, WatchFault},
    query::ListOptions,
    selector::Selector,
    socket::ResetHandle,
};

/// Starts a watch, or returns the error response.
pub(super) fn watch(
    context: Context,
    peer: ResetHandle,
    query: &ListOptions,
    encoding: ResponseEncoding,
) -> Result<Response, StatusError> {
    if query.send_initial_events
        && (context.faults.has(PersistentFault::RejectWatchList)
            || query.version_match.as_deref() != Some("NotOlderThan"))
    {
        // The API server's message without the feature gate or with invalid options (meta/internalversion/validation).
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                       feature gate is enabled";
        return Err(StatusError::new(422, "Invalid", message));
    }
    let now = Instant::now();
    let mut watcher = Watcher {
        changes: context.store.subscribe(),
        watch_faults: context.faults.watch_faults(),
        _open: context.faults.watch_opened(),
        peer,
        revision: 0,
        events: VecDeque::new(),
        ended: false,
        bookmark: query.bookmarks.then(|| time::interval_at(now + context.bookmark_every, context.bookmark_every)),
        deadline: query.timeout.map(|timeout| now + timeout),
        selector: query.selector.clone(),
        resource: query.resource,
        context,
    };
    // Sent as an event of the stream, after status 200 (apiserver, `pkg/storage/cacher/cacher.go`, newErrWatcher).
    if let Err(problem) = watcher.begin(query) {
        watcher.end_with_error(&problem);
    }
    let body = stream::unfold(watcher, move |mut watcher| async move {
        let said = watcher.next().await?;
        Some((said.map(|said| said.written(encoding)), watcher))
    });
    Ok(body::with_body(200, encoding.watch_media_type(), Body::from_stream(body)))
}

fn gone(too_old: ResourceVersionTooOld) -> StatusError {
    StatusError::new(410, "Expired", too_old.to_string())
}

fn bookmark(resource: Resource, revision: u64, annotations: &Value) -> OutgoingEvent {
    let metadata =
        json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null, "annotations": annotations });
    OutgoingEvent::Event("BOOKMARK", Arc::new(resource.empty_object(&metadata)))
}

struct Watcher {
    context: Context,
    resource: Resource,
    selector: Selector,
    /// Revision of the last queued change.
    revision: u64,
    events: VecDeque<OutgoingEvent>,
    ended: bool,
    changes: watch::Receiver<u64>,
    watch_faults: broadcast::Receiver<WatchFault>,
    bookmark: Option<time::Interval>,
    deadline: Option<Instant>,
    peer: ResetHandle,
    _open: OpenWatchGuard,
}

/// An event to be sent. Encoded only when it is sent, since initial events can be many.
#[derive(Clone)]
enum OutgoingEvent {
    Event(&'static str, Arc<Value>),
    Injected(String, Value),
    Bytes(Vec<u8>),
}

impl OutgoingEvent {
    fn without_resource_version(self) -> Self {
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

    fn written(self, encoding: ResponseEncoding) -> Vec<u8> {
        match self {
            Self::Event(kind, object) => encoding.event(kind, &object),
            Self::Injected(kind, object) => encoding.event(&kind, &object),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The reason why a waiting watch continues.
enum Wakeup {
    Changed,
    Bookmark,
    FaultInjected(WatchFault),
    Ended,
}

impl Watcher {
    /// Finds the watch's first revision and queues its initial events.
    fn begin(&mut self, query: &ListOptions) -> Result<(), StatusError> {
        let store = self.context.store.lock();
        self.revision = store.revision();
        match query.resource_version {
            // A watch from a future version sends nothing until that version exists.
            Some(revision) if !query.send_initial_events => {
                store.changes_after(revision).map(drop).map_err(gone)?;
                self.revision = revision;
            }
            Some(revision) if revision > self.revision => return Err(StatusError::too_large(revision, self.revision)),
            // Sends the existing objects as ADDED.
            _ => {
                let selected = store.objects_at(self.resource, self.revision).map_err(gone)?.into_values();
                let selected = selected.filter(|object| self.selector.matches(object));
                self.events.extend(selected.map(|object| OutgoingEvent::Event("ADDED", object)));
                self.context.faults.count_listed(self.events.len());
            }
        }
        if query.send_initial_events
            && query.bookmarks
            && !self.context.faults.has(PersistentFault::NeverCompleteWatchList)
        {
            self.events.push_back(bookmark(
                self.resource,
                self.revision,
                &json!({ "k8s.io/initial-events-end": "true" }),
            ));
        }
        Ok(())
    }

    /// Returns the next event; `None` ends the watch properly, and an error breaks the connection.
    async fn next(&mut self) -> Option<io::Result<OutgoingEvent>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            // Marked before the store is read, so that no change is missed.
            self.changes.borrow_and_update();
            self.read_changes();
            if !self.events.is_empty() || self.ended {
                continue;
            }
            match self.wait().await {
                Wakeup::Changed => {}
                Wakeup::Bookmark => self.events.extend(self.bookmark()),
                Wakeup::FaultInjected(WatchFault::Event(kind, object)) => {
                    self.events.push_back(OutgoingEvent::Injected(kind, object));
                }
                Wakeup::FaultInjected(WatchFault::Bytes(bytes)) => self.events.push_back(OutgoingEvent::Bytes(bytes)),
                Wakeup::FaultInjected(WatchFault::Error(refusal)) => {
                    self.end_with_error(&refusal.problem(self.resource));
                }
                Wakeup::FaultInjected(WatchFault::Disconnect(how)) => {
                    self.ended = true;
                    return how.end(&self.peer, self.context.stopped()).await.map(Err);
                }
                Wakeup::Ended => return None,
            }
        }
    }

    fn read_changes(&mut self) {
        let store = self.context.store.lock();
        let mut revision = self.revision;
        let said = store.changes_after(revision).map(|changes| {
            changes
                .filter_map(|change| {
                    revision = change.revision;
                    event_of(change, self.resource, &self.selector)
                })
                .collect::<Vec<_>>()
        });
        drop(store);
        match said {
            Ok(said) => self.events.extend(self.apply_event_faults(said)),
            Err(too_old) => self.end_with_error(&gone(too_old)),
        }
        self.revision = revision;
    }

    /// Applies the active faults to events.
    fn apply_event_faults(&self, mut events: Vec<OutgoingEvent>) -> Vec<OutgoingEvent> {
        let faults = &self.context.faults;
        if faults.has(PersistentFault::OmitResourceVersions) {
            events = events.into_iter().map(OutgoingEvent::without_resource_version).collect();
        }
        if faults.has(PersistentFault::RepeatEvents) {
            events = events.into_iter().flat_map(|event| [event.clone(), event]).collect();
        }
        if faults.has(PersistentFault::SwapEvents) {
            events.chunks_exact_mut(2).for_each(<[_]>::reverse);
        }
        events
    }

    /// Returns a bookmark, unless the watch started at a future version.
    fn bookmark(&self) -> Option<OutgoingEvent> {
        let is_said = !self.context.faults.has(PersistentFault::SuppressBookmarks)
            && self.revision <= self.context.store.lock().revision();
        is_said.then(|| bookmark(self.resource, self.revision, &json!({})))
    }

    /// Queues an ERROR event and ends the stream.
    fn end_with_error(&mut self, problem: &StatusError) {
        self.events.push_back(OutgoingEvent::Event("ERROR", Arc::new(problem.status())));
        self.ended = true;
    }

    async fn wait(&mut self) -> Wakeup {
        let (bookmark, deadline) = (&mut self.bookmark, self.deadline);
        tokio::select! {
            // Injected faults go before later changes of the store.
            biased;
            () = self.context.stopped() => Wakeup::Ended,
            disturbance = next_disturbance(&mut self.watch_faults) => Wakeup::FaultInjected(disturbance),
            changed = self.changes.changed() => changed.map_or(Wakeup::Ended, |()| Wakeup::Changed),
            () = tick(bookmark) => Wakeup::Bookmark,
            () = sleep_until(deadline) => Wakeup::Ended,
        }
    }
}

async fn next_disturbance(watch_faults: &mut broadcast::Receiver<WatchFault>) -> WatchFault {
    loop {
        match watch_faults.recv().await {
            Ok(disturbance) => return disturbance,
            // Skips missed faults.
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

/// Converts a change for a watch with this selector. An object that leaves the selection is DELETED, in its previous
/// state with the change's revision (cacher, convertToWatchEvent).
fn event_of(change: &StoredChange, resource: Resource, selector: &Selector) -> Option<OutgoingEvent> {
    if change.resource != resource {
        return None;
    }
    let selected = |object: &Option<Arc<Value>>| object.clone().filter(|object| selector.matches(object));
    match (selected(&change.before), selected(&change.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(OutgoingEvent::Event("ADDED", after)),
        (Some(_), Some(after)) => Some(OutgoingEvent::Event("MODIFIED", after)),
        (Some(before), None) => {
            let deleted = with_revision(Value::clone(&before), change.revision);
            Some(OutgoingEvent::Event("DELETED", Arc::new(deleted)))
        }
    }
}
