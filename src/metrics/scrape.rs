//! Holds what one scrape shows: everything read at one instant, so that no number contradicts another.

use std::sync::Arc;

use super::counters::{CountersSnapshot, PairRow};
use super::process::ProcessStats;
use super::series_limit::SeriesLimiter;
use image_pull_model::history::HistoryEvictions;
use image_pull_model::snapshot::{FailureRef, Snapshot, TrackedContainer, TrackedPod};
use image_pull_model::time::Timestamp;

/// Everything a scrape shows.
#[derive(Clone, Debug)]
pub struct ScrapeSnapshot {
    /// What fails.
    pub snapshot: Arc<Snapshot>,
    /// What was counted.
    pub counters: CountersSnapshot,
    /// How the watch is.
    pub watch: WatchStatus,
    /// What the history had no place for.
    pub history_evictions: HistoryEvictions,
    /// What the process uses; `None` in a replay, where that is of no interest and never twice the same.
    pub process: Option<(Timestamp, ProcessStats)>,
    /// For how many containers series are shown.
    pub max_container_series: usize,
    /// Chooses them where more fail.
    pub series_limiter: Arc<SeriesLimiter>,
    /// Lines of the log that were not written, by why; empty where there is no log.
    pub log_lines_dropped: Vec<(&'static str, u64)>,
    /// What the HTTP server tells of itself; `None` where there is none.
    pub web: Option<WebStatus>,
}

/// How the HTTP server fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebStatus {
    /// Requests that were refused, by why.
    pub rejected: Vec<(&'static str, u64)>,
    /// Whether the latest change of the configuration file was taken over, and when what holds was read; `None` without
    /// such a file.
    pub last_reload: Option<(bool, Timestamp)>,
}

/// How the watch of the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchStatus {
    /// Whether the view is complete and being kept up.
    pub is_synced: bool,
    /// When the cluster was last heard of.
    pub last_event: Option<Timestamp>,
    /// How many pods the last complete list had.
    pub listed_pods: u64,
    /// The state of each namespace that is watched on its own; none where the cluster is watched as a whole.
    pub namespaces: Vec<NamespaceWatchStatus>,
}

/// The state of the watch of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceWatchStatus {
    /// The name of the namespace.
    pub namespace: String,
    /// Whether its part of the view is complete and being kept up.
    pub is_synced: bool,
    /// Whether it was ever listed: where not, nothing is known of it.
    pub is_listed: bool,
    /// What failed, redacted.
    pub error: Option<String>,
}

/// What of a [`View`] is shown, container by container.
#[derive(Debug)]
pub struct SelectedSeries<'a> {
    /// The view.
    pub scrape: &'a ScrapeSnapshot,
    /// The failing containers that are shown, by namespace, pod and uid.
    pub failing: Vec<FailureRef<'a>>,
    /// For every failing container whether it is shown; empty where all are.
    selection: Vec<bool>,
    /// How many are left out.
    pub truncated_containers: usize,
    /// The counters by namespace and registry.
    pub pairs: Vec<PairRow<'a>>,
}

impl<'a> SelectedSeries<'a> {
    /// Picks what is shown.
    #[must_use]
    pub fn select(view: &'a ScrapeSnapshot) -> Self {
        let mut failing: Vec<FailureRef<'a>> = view.snapshot.failures().collect();
        let choice = view.series_limiter.select(&failing, view.max_container_series);
        let all = failing.len();
        let mut places = choice.iter();
        failing.retain(|_| places.next().copied().unwrap_or(true));
        failing.shrink_to_fit();
        let truncated = all - failing.len();
        Self {
            scrape: view,
            failing,
            selection: choice,
            truncated_containers: truncated,
            pairs: view.counters.exposed_pairs(),
        }
    }

    /// Every container whose waiting reason is mirrored, less those whose failure is left out.
    pub fn mirrored_reasons(&self) -> impl Iterator<Item = (&'a TrackedPod, &'a TrackedContainer, &'a str)> {
        let mut places = self.selection.iter();
        self.scrape.snapshot.containers().filter_map(move |(pod, container)| {
            let is_shown = container.failure.is_none() || places.next().copied().unwrap_or(true);
            Some((pod, container, container.mirrored_reason.as_deref()?)).filter(|_| is_shown)
        })
    }
}
