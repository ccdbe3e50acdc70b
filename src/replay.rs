//! Replays a recorded watch stream with its own timestamps, and prints the metrics at its end.

pub mod recording;

use std::collections::HashSet;
use std::io::{BufRead, Write};

use crate::cluster::PodEvent;
use crate::cluster::wire::{self, UndecodableObject};
use crate::metrics::exposition::{Exposition, ExpositionFormat};
use crate::metrics::families;
use crate::metrics::scrape::SelectedSeries;
use crate::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{PodFacts, WatchScope};
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;
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
    /// `until` is set, and the recording has no times.
    #[error("line {line}: the record has no time \"t\", which --at requires")]
    Timeless {
        /// The first line of the record.
        line: usize,
    },
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
    let mut recording = Recording::new(lines);
    let mut player = Player::new(options);
    while let Some(record) = recording.next() {
        let line = recording.began_at();
        let result = record.map_err(Error::from).and_then(|record| player.play(record, line, &clock));
        match result {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if options.keep_going && !matches!(error, Error::Record(BadRecord::Io(_))) => {
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
pub fn print(replayed: &Replayed, format: ExpositionFormat, mut out: impl Write) -> std::io::Result<()> {
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
    skipped: usize,
}

impl<'a> Player<'a> {
    fn new(options: &'a Options) -> Self {
        Self { options, monitor: None, first: None, now: None, known: HashSet::new(), skipped: 0 }
    }

    /// Replays one record. Returns false if it is later than `until`.
    fn play(&mut self, record: Record, line: usize, clock: &impl Fn() -> Timestamp) -> Result<bool, Error> {
        let at = match (record.at, self.options.until) {
            (Some(at), _) => at,
            (None, Some(_)) => return Err(Error::Timeless { line }),
            (None, None) => clock(),
        };
        let first = *self.first.get_or_insert(at);
        if self.options.until.is_some_and(|until| at > first.saturating_add(until)) {
            return Ok(false);
        }
        // The clock of the recording may have been set back. The replay's clock never goes back.
        let now = self.now.map_or(at, |before| before.max(at));
        self.now = Some(now);
        let monitor = self.monitor.get_or_insert_with(|| begun(self.options, now));
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
        let monitor = self.monitor.unwrap_or_else(|| begun(self.options, clock()));
        Replayed { monitor, end, skipped: self.skipped }
    }
}

/// A monitor of a cluster that was empty at `now`.
fn begun(options: &Options, now: Timestamp) -> Monitor {
    let monitor = Monitor::new(options.settings.clone(), &[WatchScope::Cluster], options.limits, now);
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListStarted, now);
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListCompleted, now);
    monitor
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
