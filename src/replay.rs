//! Replays a recorded watch stream of pods, and optionally one of Events, with their own timestamps, and prints the metrics at
//! the end.

mod merge;
pub mod recording;

use std::collections::HashSet;
use std::io::{self, BufRead, Write};

use serde::Deserialize;

use crate::cluster::event_object::{EventObject, decode_json_event};
use crate::cluster::wire::{self, UndecodableObject};
use crate::cluster::{KubeletEvent, PodEvent};
use crate::metrics::exposition::{Exposition, ExpositionFormat};
use crate::metrics::families;
use crate::metrics::scrape::SelectedSeries;
use crate::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{PodFacts, WatchScope};
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;
use merge::{MergedRecords, Stream};
use recording::{BadRecord, Record, Recording};

/// The options of a replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration of the index.
    pub settings: IndexConfig,
    /// Limits of series and counters.
    pub limits: MonitorLimits,
    /// Stop this long after the first record.
    pub until: Option<std::time::Duration>,
    /// Skip and count invalid records instead of returning an error.
    pub keep_going: bool,
}

/// A fatal error of a replay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// The object of a record is not a pod.
    #[error("line {line}: {problem}")]
    Object {
        /// The first line of the record.
        line: usize,
        /// The reason of the decoding error.
        problem: UndecodableObject,
    },
    /// Unknown event type.
    #[error("line {line}: no watch event has the type \"{kind}\"")]
    Kind {
        /// The first line of the record.
        line: usize,
        /// The event type of the record.
        kind: String,
    },
    /// A time is required, and the record has none.
    #[error("line {line}: the record has no time \"t\", which {flag} requires")]
    Timeless {
        /// The first line of the record.
        line: usize,
        /// The flag that requires it.
        flag: &'static str,
    },
    /// The object of a record in the recording of Events is of another kind.
    #[error("line {line}: the object is a {kind}, not an Event")]
    NotEvent {
        /// The first line of the record.
        line: usize,
        /// The kind of the object.
        kind: String,
    },
    /// An error in the recording of Events.
    #[error("Events: {0}")]
    Events(Box<Self>),
}

impl Error {
    /// Whether the error is that of reading, after which no record follows.
    fn is_fatal(&self) -> bool {
        match self {
            Self::Record(BadRecord::Io(_)) => true,
            Self::Events(error) => error.is_fatal(),
            _ => false,
        }
    }

    /// Adds the stream that has the error.
    fn of_stream(self, stream: Stream) -> Self {
        match stream {
            Stream::Pods => self,
            Stream::Events => Self::Events(Box::new(self)),
        }
    }
}

/// The result of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// The state at the end.
    pub monitor: Monitor,
    /// The time of the last record; `None` if there was no record.
    pub end: Option<Timestamp>,
    /// The number of skipped records.
    pub skipped: usize,
}

/// Feeds every record to a new monitor. `clock` is used only for records without a time.
///
/// # Errors
/// At the first invalid record, unless `keep_going` is set.
pub fn replay(lines: impl BufRead, options: &Options, clock: impl Fn() -> Timestamp) -> Result<Replayed, Error> {
    replay_streams(lines, None::<io::Empty>, options, clock)
}

/// Feeds the records of pods and of Events to a new monitor, merged by their times. At the same time, pods come first.
///
/// # Errors
/// At the first invalid record, unless `keep_going` is set. Every record needs a time.
pub fn replay_with_events(
    pods: impl BufRead,
    events: impl BufRead,
    options: &Options,
    clock: impl Fn() -> Timestamp,
) -> Result<Replayed, Error> {
    replay_streams(pods, Some(events), options, clock)
}

fn replay_streams(
    pods: impl BufRead,
    events: Option<impl BufRead>,
    options: &Options,
    clock: impl Fn() -> Timestamp,
) -> Result<Replayed, Error> {
    let mut player = Player::new(options, events.is_some());
    let records = MergedRecords::new(Recording::new(pods), events.map(Recording::new));
    for (stream, line, record) in records {
        let result = record.map_err(Error::from).and_then(|record| player.play(stream, record, line, &clock));
        match result.map_err(|error| error.of_stream(stream)) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if options.keep_going && !error.is_fatal() => {
                tracing::warn!(%error, "record skipped");
                player.skipped += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(player.finish(&clock))
}

/// Writes the metrics of the final state.
///
/// # Errors
/// If writing to `out` fails.
pub fn print(replayed: &Replayed, format: ExpositionFormat, mut out: impl Write) -> io::Result<()> {
    let mut exposition = Exposition::new(format, 0);
    if let Some(mut view) = replayed.monitor.scrape_snapshot() {
        view.now = replayed.end.unwrap_or(view.now);
        families::write_all(&SelectedSeries::select(&view), &mut exposition);
    }
    out.write_all(&exposition.finish())
}

/// Feeds records to a monitor as a watch does.
struct Player<'a> {
    options: &'a Options,
    /// Created with the first record, whose time is the start of the counters.
    monitor: Option<Monitor>,
    first: Option<Timestamp>,
    now: Option<Timestamp>,
    /// The pods so far. The first record of a pod is not an observed change.
    known: HashSet<String>,
    /// Whether Events are replayed.
    reads_events: bool,
    /// Whether the initial Events are complete: an Event that happened since the first record was replayed.
    are_events_listed: bool,
    skipped: usize,
}

impl<'a> Player<'a> {
    fn new(options: &'a Options, reads_events: bool) -> Self {
        Self {
            options,
            monitor: None,
            first: None,
            now: None,
            known: HashSet::new(),
            reads_events,
            are_events_listed: false,
            skipped: 0,
        }
    }

    /// Replays one record. Returns false if it is later than `until`.
    fn play(
        &mut self,
        stream: Stream,
        record: Record,
        line: usize,
        clock: &impl Fn() -> Timestamp,
    ) -> Result<bool, Error> {
        let at = match record.at {
            Some(at) => at,
            None if self.options.until.is_some() => return Err(Error::Timeless { line, flag: "--at" }),
            None if self.reads_events => return Err(Error::Timeless { line, flag: "--events" }),
            None => clock(),
        };
        let first = *self.first.get_or_insert(at);
        if self.options.until.is_some_and(|until| at > first.saturating_add(until)) {
            return Ok(false);
        }
        // The clock of the recording may have been set back. The replay's clock never goes back.
        let now = self.now.map_or(at, |before| before.max(at));
        self.now = Some(now);
        let monitor = self.monitor.get_or_insert_with(|| begun(self.options, self.reads_events, now));
        if stream == Stream::Events {
            play_event(monitor, &mut self.are_events_listed, record, line, (first, now))?;
            return Ok(true);
        }
        let event = match record.kind.as_str() {
            "BOOKMARK" | "ERROR" => return Ok(true),
            "ADDED" | "MODIFIED" | "DELETED" => match wire::decode_json_pod(record.object.get().as_bytes()) {
                Ok(pod) => event(&record.kind, pod, &mut self.known),
                Err(problem) => {
                    let event = match record.kind.as_str() {
                        "DELETED" => PodEvent::UndecodableDeletion(problem.clone()),
                        _ => PodEvent::Undecodable(problem.clone()),
                    };
                    monitor.handle_event(&WatchScope::Cluster, event, now);
                    return Err(Error::Object { line, problem });
                }
            },
            _ => return Err(Error::Kind { line, kind: record.kind }),
        };
        monitor.handle_event(&WatchScope::Cluster, event, now);
        Ok(true)
    }

    fn finish(self, clock: &impl Fn() -> Timestamp) -> Replayed {
        let end = match (self.first, self.options.until) {
            (Some(first), Some(until)) => Some(first.saturating_add(until)),
            (_, _) => self.now,
        };
        let monitor = self.monitor.unwrap_or_else(|| begun(self.options, self.reads_events, clock()));
        Replayed { monitor, end, skipped: self.skipped }
    }
}

/// A monitor of a cluster that was empty at `now`.
fn begun(options: &Options, reads_events: bool, now: Timestamp) -> Monitor {
    let monitor = Monitor::new(options.settings.clone(), &[WatchScope::Cluster], options.limits, now);
    let monitor = if reads_events { monitor.with_events() } else { monitor };
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListStarted, now);
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListCompleted, now);
    if reads_events {
        monitor.handle_kubelet_event(&WatchScope::Cluster, &KubeletEvent::ListStarted, now);
    }
    monitor
}

/// Replays a record of an Event. Events that happened before the first record are those of the initial list, which are not
/// counted: a recording of a watch begins with all Events of the last hour.
fn play_event(
    monitor: &Monitor,
    are_listed: &mut bool,
    record: Record,
    line: usize,
    (first, now): (Timestamp, Timestamp),
) -> Result<(), Error> {
    let send = |event: KubeletEvent| {
        monitor.handle_kubelet_event(&WatchScope::Cluster, &event, now);
    };
    match record.kind.as_str() {
        "BOOKMARK" | "ERROR" => return Ok(()),
        "ADDED" | "MODIFIED" | "DELETED" => {}
        _ => return Err(Error::Kind { line, kind: record.kind }),
    }
    let kind = serde_json::from_str::<ObjectKind>(record.object.get()).unwrap_or_default().kind;
    if let Some(kind) = kind.filter(|kind| kind != "Event") {
        return Err(Error::NotEvent { line, kind });
    }
    let event = match decode_json_event(record.object.get().as_bytes()) {
        Ok(event) => event,
        Err(problem) => {
            send(KubeletEvent::Undecodable(problem.clone()));
            return Err(Error::Object { line, problem });
        }
    };
    if !*are_listed && happened_before(&event, first) {
        send(KubeletEvent::Listed(event));
        return Ok(());
    }
    if !std::mem::replace(are_listed, true) {
        send(KubeletEvent::ListCompleted);
    }
    send(if record.kind == "DELETED" { KubeletEvent::Deleted(event) } else { KubeletEvent::Applied(event) });
    Ok(())
}

/// Whether the last occurrence of an Event was in a second before that of `time`. Kubelets write whole seconds.
fn happened_before(event: &EventObject, time: Timestamp) -> bool {
    let last_at = event.facts().and_then(|facts| facts.last_at);
    last_at.is_some_and(|last_at| last_at.unix_millis().div_euclid(1000) < time.unix_millis().div_euclid(1000))
}

/// The kind of an object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectKind {
    kind: Option<String>,
}

fn event(kind: &str, pod: PodFacts, known: &mut HashSet<String>) -> PodEvent {
    let is_new = known.insert(pod.id.uid.clone());
    match kind {
        "DELETED" => {
            known.remove(&pod.id.uid);
            PodEvent::Deleted(pod.into())
        }
        // A watch adds a pod twice only after it was interrupted.
        "ADDED" => PodEvent::AppliedInitial(pod.into()),
        _ if is_new => PodEvent::AppliedInitial(pod.into()),
        _ => PodEvent::Applied(pod.into()),
    }
}
