//! Answers WATCH: a line of JSON for each change, until one side has enough.

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
    Context, body,
    faults::{Disturbance, Drop, WatchOpen},
    query::Query,
    selector::Selector,
};

/// Begins a watch, or says why not.
pub(super) fn watch(context: Context, query: Query) -> Response {
    if query.send_initial_events
        && (context.faults.refuses_watch_list() || query.version_match.as_deref() != Some("NotOlderThan"))
    {
        // What a server without the feature, or asked wrongly, answers (meta/internalversion/validation).
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList \
                       feature gate is enabled";
        return body::status(422, "Invalid", message);
    }
    let begun = begin(&context, &query);
    let (revision, lines) = match begun {
        Ok(_) if context.faults.take_gone() => {
            return gone(&TooOld {
                asked: query.resource_version.unwrap_or_default(),
                oldest: context.store.lock().revision(),
            });
        }
        Ok(begun) => begun,
        Err(too_old) => return gone(&too_old),
    };
    if context.faults.closes_watches() {
        return body::with_body(200, Body::empty());
    }
    let now = Instant::now();
    let watcher = Watcher {
        changes: context.store.changes(),
        disturbances: context.faults.disturbances(),
        _open: context.faults.watch_opened(),
        revision,
        lines,
        ended: false,
        selector: query.selector,
        bookmark: query.bookmarks.then(|| time::interval_at(now + context.bookmark_every, context.bookmark_every)),
        deadline: query.timeout.map(|timeout| now + timeout),
        context,
    };
    let lines = stream::unfold(watcher, |mut watcher| async move { watcher.next().await.map(|line| (line, watcher)) });
    body::with_body(200, Body::from_stream(lines))
}

fn gone(too_old: &TooOld) -> Response {
    body::status(410, "Expired", &too_old.to_string())
}

/// Returns the revision the watch begins after and what it says first.
fn begin(context: &Context, query: &Query) -> Result<(u64, VecDeque<Line>), TooOld> {
    let store = context.store.lock();
    let mut lines = VecDeque::new();
    let revision = match query.resource_version {
        Some(revision) if !query.send_initial_events => {
            store.after(revision).map(drop)?;
            revision
        }
        // No version, or WatchList: what exists comes first, as if it had just been added.
        _ => {
            let revision = store.revision();
            let selected = store.pods_at(revision)?.into_values().filter(|pod| query.selector.matches(pod));
            lines.extend(selected.map(Line::Added));
            revision
        }
    };
    if query.send_initial_events && query.bookmarks {
        lines.push_back(Line::Written(bookmark(revision, &json!({ "k8s.io/initial-events-end": "true" }))));
    }
    Ok((revision, lines))
}

fn bookmark(revision: u64, annotations: &Value) -> String {
    let metadata =
        json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null, "annotations": annotations });
    body::watch_line(
        "BOOKMARK",
        &json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": { "containers": null }, "status": {} }),
    )
}

struct Watcher {
    context: Context,
    selector: Selector,
    /// Everything up to here has been said.
    revision: u64,
    lines: VecDeque<Line>,
    ended: bool,
    changes: watch::Receiver<u64>,
    disturbances: broadcast::Receiver<Disturbance>,
    bookmark: Option<time::Interval>,
    deadline: Option<Instant>,
    _open: WatchOpen,
}

/// Something still to be said; what exists at the beginning is written only when its turn comes, as it can be much.
enum Line {
    Added(Arc<Value>),
    Written(String),
}

impl Line {
    fn text(self) -> String {
        match self {
            Self::Added(pod) => body::watch_line("ADDED", &pod),
            Self::Written(text) => text,
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
    /// Returns the next line, `None` at a clean end; an error breaks the connection off.
    async fn next(&mut self) -> Option<io::Result<String>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                if let Some(delay) = self.context.faults.slow_body() {
                    time::sleep(delay).await;
                }
                return Some(Ok(line.text()));
            }
            if self.ended {
                return None;
            }
            // Seen before the store is read, so that no change falls between.
            self.changes.borrow_and_update();
            self.read_changes();
            if !self.lines.is_empty() || self.ended {
                continue;
            }
            match self.wait().await {
                Woken::Changed => {}
                Woken::Bookmark => self.lines.push_back(Line::Written(bookmark(self.revision, &json!({})))),
                Woken::Disturbed(Disturbance::Line(text)) => self.lines.push_back(Line::Written(text)),
                Woken::Disturbed(Disturbance::Gone) => self.end_with_gone("too old resource version"),
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
                    line_of(change, &self.selector)
                })
                .collect::<Vec<_>>()
        });
        drop(store);
        match said {
            Ok(said) => self.lines.extend(said.into_iter().map(Line::Written)),
            Err(too_old) => self.end_with_gone(&too_old.to_string()),
        }
        self.revision = revision;
    }

    /// Says 410 inside the stream, where it is an ERROR event, and ends it.
    fn end_with_gone(&mut self, message: &str) {
        self.lines.push_back(Line::Written(body::watch_line("ERROR", &body::status_object(410, "Expired", message))));
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
fn line_of(change: &Stored, selector: &Selector) -> Option<String> {
    let selected = |pod: &Option<Arc<Value>>| pod.clone().filter(|pod| selector.matches(pod));
    match (selected(&change.before), selected(&change.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(body::watch_line("ADDED", &after)),
        (Some(_), Some(after)) => Some(body::watch_line("MODIFIED", &after)),
        (Some(before), None) => {
            Some(body::watch_line("DELETED", &with_revision(Value::clone(&before), change.revision)))
        }
    }
}
