//! The state that one scrape exposes, read at one instant, so that all values are consistent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::counters::{CountersSnapshot, PairRow};
use super::process::ProcessStats;
use super::series_limit::SeriesLimiter;
use image_pull_model::history::HistoryEvictions;
use image_pull_model::image_wait::ImageWait;
use image_pull_model::snapshot::{FailureRef, Snapshot, TrackedContainer, TrackedPod, WaitRef};
use image_pull_model::time::Timestamp;

/// The state that one scrape exposes.
#[derive(Clone, Debug)]
pub struct ScrapeSnapshot {
    /// The tracked containers.
    pub snapshot: Arc<Snapshot>,
    /// The time of the scrape. The age of a wait is relative to it.
    pub now: Timestamp,
    /// Minimum age of a container that waits without an error to have series; zero for never.
    pub(crate) pending_after: Duration,
    /// Whether the Events of kubelets are read.
    pub(crate) reads_events: bool,
    /// Number of Events that were dropped before the status of their pod came.
    pub(crate) dropped_events: u64,
    pub(crate) counters: CountersSnapshot,
    pub(crate) watch: WatchStatus,
    /// Entries evicted from the history.
    pub(crate) history_evictions: HistoryEvictions,
    /// Start time and resource usage of the process. `None` in a replay, so that its output is reproducible.
    pub(crate) process: Option<(Timestamp, ProcessStats)>,
    /// Maximum number of failing containers with series of their own.
    pub(crate) max_container_series: usize,
    /// Selects the containers with series when more of them fail.
    pub(crate) series_limiter: Arc<SeriesLimiter>,
    /// Dropped log lines by reason. Empty without a log.
    pub(crate) log_lines_dropped: Vec<(&'static str, u64)>,
    /// `None` without an HTTP server.
    pub(crate) web: Option<WebStatus>,
}

impl ScrapeSnapshot {
    /// Whether a container has waited for so long that it has series of its own.
    pub(crate) fn is_overdue(&self, wait: &ImageWait) -> bool {
        wait.is_overdue(self.pending_after, self.now)
    }
}

/// Metrics of the HTTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WebStatus {
    /// Rejected requests by reason.
    pub(crate) rejected: Vec<(&'static str, u64)>,
    /// Whether the last reload of the web configuration file succeeded, and the time of the last successful one. `None`
    /// without such a file.
    pub(crate) last_reload: Option<(bool, Timestamp)>,
}

/// The state of the watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchStatus {
    /// Whether the view of the cluster is complete and up to date.
    pub(crate) is_synced: bool,
    /// Time of the last data from the API server, on the watch with the oldest data.
    pub(crate) last_event: Option<Timestamp>,
    /// Number of pods in the last complete list.
    pub(crate) listed_pods: u64,
    /// The state of each namespace with a watch of its own. Empty if one watch covers the cluster.
    pub(crate) namespaces: Vec<NamespaceWatchStatus>,
}

/// The state of the watch of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceWatchStatus {
    pub(crate) namespace: String,
    /// Whether the view of the namespace is complete and up to date.
    pub(crate) is_synced: bool,
    /// Whether the namespace was ever listed completely. If not, its failures are unknown.
    pub(crate) is_listed: bool,
    /// The error of the watch, redacted. `None` while the watch works.
    pub(crate) error: Option<String>,
}

/// The series of a [`ScrapeSnapshot`] within the limit of `--max-container-series`.
#[derive(Debug)]
pub struct SelectedSeries<'a> {
    pub(crate) scrape: &'a ScrapeSnapshot,
    /// The failing containers with series of their own, sorted by namespace, pod and UID.
    pub(crate) failing: Vec<FailureRef<'a>>,
    /// For each failing container whether it has series of its own. Empty if all have.
    selection: Vec<bool>,
    /// The pending containers with series of their own, sorted by namespace, pod and UID.
    pub(crate) pending: Vec<WaitRef<'a>>,
    /// Number of failing and pending containers without series of their own.
    pub(crate) truncated_containers: usize,
    /// The exposed counters, sorted by namespace and registry.
    pub(crate) pairs: Vec<PairRow<'a>>,
}

impl<'a> SelectedSeries<'a> {
    /// Selects the containers with series of their own.
    #[must_use]
    pub fn select(scrape: &'a ScrapeSnapshot) -> Self {
        let mut failing: Vec<FailureRef<'a>> = scrape.snapshot.failures().collect();
        let selection = scrape.series_limiter.select(&failing, scrape.max_container_series);
        let all = failing.len();
        let mut selected = selection.iter();
        failing.retain(|_| selected.next().copied().unwrap_or(true));
        failing.shrink_to_fit();
        let overdue = scrape.snapshot.waits().filter(|(_, _, wait)| wait.is_pending() && scrape.is_overdue(wait));
        let mut pending: Vec<WaitRef<'a>> = overdue.collect();
        let wanted = all + pending.len();
        retain_oldest(&mut pending, scrape.max_container_series.saturating_sub(failing.len()));
        let truncated_containers = wanted - failing.len() - pending.len();
        Self { scrape, failing, selection, pending, truncated_containers, pairs: scrape.counters.exposed_pairs() }
    }

    /// Returns the containers with a mirrored waiting reason, except failing ones without series of their own.
    pub(crate) fn mirrored_reasons(&self) -> impl Iterator<Item = (&'a TrackedPod, &'a TrackedContainer, &'a str)> {
        let mut selected = self.selection.iter();
        self.scrape.snapshot.containers().filter_map(move |(pod, container)| {
            let is_selected = container.failure.is_none() || selected.next().copied().unwrap_or(true);
            Some((pod, container, container.mirrored_reason.as_deref()?)).filter(|_| is_selected)
        })
    }
}

/// Keeps the `max` waits that began first, in their order.
fn retain_oldest(waits: &mut Vec<WaitRef<'_>>, max: usize) {
    if waits.len() <= max {
        return;
    }
    let mut oldest: Vec<(Timestamp, usize)> =
        waits.iter().enumerate().map(|(index, (_, _, wait))| (wait.since, index)).collect();
    oldest.sort_unstable();
    let kept: HashSet<usize> = oldest.into_iter().take(max).map(|(_, index)| index).collect();
    let mut index = 0;
    waits.retain(|_| {
        index += 1;
        kept.contains(&(index - 1))
    });
}
