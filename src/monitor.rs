//! Applies watch events to the index, the counters and the history, and returns consistent snapshots of them.
//!
//! One lock protects the state. It is held while one event is applied, or while a reader takes the changes since the last
//! snapshot and a copy of the counters. It is never held during I/O or while a response is formatted.

mod event_log;
mod state;
mod watch_status;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cluster::{KubeletEvent, PodEvent};
use crate::metrics::scrape::{ScrapeSnapshot, WatchStatus};
use crate::metrics::series_limit::SeriesLimiter;
use image_pull_model::facts::{PodId, WatchScope};
use image_pull_model::history::{History, HistorySnapshot, TimelinePoint};
use image_pull_model::index::IndexConfig;
use image_pull_model::latest_snapshot::LatestSnapshot;
use image_pull_model::snapshot::Snapshot;
use image_pull_model::time::Timestamp;
pub use state::MonitorLimits;
use state::MonitorState;
use watch_status::{describe_watch, stale_for, watch_status};

/// Pods with inferred causes that are applied to the index per lock.
const INFERENCES_PER_LOCK: usize = 256;

/// The state of the exporter, shared by watches and readers.
#[derive(Debug)]
pub struct Monitor {
    limits: MonitorLimits,
    /// Selects the failing containers that scrapes contain.
    series_limiter: Arc<SeriesLimiter>,
    /// The latest snapshot. Locked before `state`.
    latest: Mutex<LatestSnapshot>,
    state: Mutex<MonitorState>,
}

impl Monitor {
    /// Creates a monitor of `scopes`. Counters start at `start`.
    #[must_use]
    pub fn new(settings: IndexConfig, scopes: &[WatchScope], limits: MonitorLimits, start: Timestamp) -> Self {
        let state = MonitorState::new(settings, scopes, limits, start);
        Self { limits, series_limiter: Arc::default(), latest: Mutex::default(), state: Mutex::new(state) }
    }

    /// Sets the number of ended failures to keep.
    #[must_use]
    pub fn with_history(self, ended: usize) -> Self {
        self.lock().history = History::new(ended);
        self
    }

    /// Reports that Events are read, until the API server forbids it.
    #[must_use]
    pub fn with_events(self) -> Self {
        self.lock().reads_events = true;
        self
    }

    /// Detects a step of the system clock by comparison with the monotonic run time of the process, and corrects recorded
    /// times.
    pub fn check_clock(&self, now: Timestamp, running: Duration) {
        self.lock().check_clock(now, Some(running));
    }

    /// Applies an event of the watch of `scope`, received at `now`.
    pub fn handle_event(&self, scope: &WatchScope, event: PodEvent, now: Timestamp) {
        self.lock().handle_event(scope, event, now);
    }

    /// Applies an event of the watch of the Events of `scope`, received at `now`. Returns false if the API server forbids to
    /// read them: end the watch.
    pub fn handle_kubelet_event(&self, scope: &WatchScope, event: &KubeletEvent, now: Timestamp) -> bool {
        self.lock().handle_kubelet_event(scope, event, now)
    }

    /// Returns the data of a scrape at the time of the last event; `None` until the first list is complete.
    #[must_use]
    pub fn scrape_snapshot(&self) -> Option<ScrapeSnapshot> {
        let read = |state: &mut MonitorState| {
            (
                (state.now, state.reads_events, state.index.dropped_events()),
                state.counters.snapshot(state.now),
                watch_status(state.index.watches()),
                state.history.evictions(),
            )
        };
        let (snapshot, ((now, reads_events, dropped_events), counters, watch, history_evictions)) =
            self.with_snapshot(read)?;
        Some(ScrapeSnapshot {
            snapshot,
            now,
            pending_after: self.limits.pending_after,
            reads_events,
            dropped_events,
            counters,
            watch,
            history_evictions,
            process: None,
            max_container_series: self.limits.max_containers,
            series_limiter: Arc::clone(&self.series_limiter),
            log_lines_dropped: Vec::new(),
            web: None,
        })
    }

    /// Returns the data of the page; `None` until the first list is complete.
    #[must_use]
    pub fn overview(&self, now: Timestamp) -> Option<(Arc<Snapshot>, WatchStatus, HistorySnapshot)> {
        let (snapshot, (watch, history)) =
            self.with_snapshot(|state| (watch_status(state.index.watches()), state.history.snapshot(now)))?;
        Some((snapshot, watch, history))
    }

    /// Returns the age above which a container that waits without an error is reported; zero for never.
    #[must_use]
    pub const fn pending_after(&self) -> Duration {
        self.limits.pending_after
    }

    /// Returns the timelines of the open failures of a pod, by container.
    #[must_use]
    pub fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        self.lock().history.timelines(pod)
    }

    /// Returns whether the first list is complete.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.lock().index.is_ready()
    }

    /// Returns how long all scopes have been stale; zero while the watch of any scope works.
    #[must_use]
    pub fn stale_for(&self, now: Timestamp) -> Duration {
        let state = self.lock();
        state.index.watches().iter().map(|watch| stale_for(watch, now)).min().unwrap_or_default()
    }

    /// Returns the scopes that are not listed or have been stale for longer than `stale_after`, each with its error.
    #[must_use]
    pub(crate) fn unavailable_scopes(&self, stale_after: Duration, now: Timestamp) -> Vec<String> {
        let state = self.lock();
        let watches = state.index.watches().iter();
        let missing = watches.filter(|watch| watch.complete_at().is_none() || stale_for(watch, now) > stale_after);
        missing.map(describe_watch).collect()
    }

    /// Updates the snapshot and reads other state at the same instant. The update blocks other readers only, not events and
    /// health checks.
    fn with_snapshot<T>(&self, read: impl FnOnce(&mut MonitorState) -> T) -> Option<(Arc<Snapshot>, T)> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let changes = state.index.changes()?;
        let read = read(&mut state);
        drop(state);
        let (snapshot, inferred) = latest.update(changes);
        // In batches, to release the lock in between.
        for inferred in inferred.chunks(INFERENCES_PER_LOCK) {
            self.lock().index.apply_inferences(inferred);
        }
        Some((snapshot, read))
    }

    /// A panic aborts the process, so a poisoned lock needs no handling.
    fn lock(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
