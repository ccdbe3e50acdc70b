//! Holds what one scrape shows: everything read at one instant, so that no number contradicts another.

use std::sync::Arc;

use super::choice::Choice;
use super::counters::{Counted, PairRow};
use super::process::Process;
use image_pull_model::history::Forgotten;
use image_pull_model::snapshot::{Failing, Snapshot, TrackedContainer, TrackedPod};
use image_pull_model::time::Timestamp;

/// Everything a scrape shows.
#[derive(Clone, Debug)]
pub struct View {
    /// What fails.
    pub snapshot: Arc<Snapshot>,
    /// What was counted.
    pub counted: Counted,
    /// How the watch is.
    pub watch: Watch,
    /// What the history had no place for.
    pub forgotten: Forgotten,
    /// What the process uses; `None` in a replay, where that is of no interest and never twice the same.
    pub process: Option<(Timestamp, Process)>,
    /// For how many containers series are shown.
    pub max_containers: usize,
    /// Chooses them where more fail.
    pub choice: Arc<Choice>,
    /// Lines of the log that were not written, by why; empty where there is no log.
    pub log_lines_dropped: Vec<(&'static str, u64)>,
    /// What the HTTP server tells of itself; `None` where there is none.
    pub web: Option<Web>,
}

/// How the HTTP server fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// Requests that were refused, by why.
    pub refused: Vec<(&'static str, u64)>,
    /// Whether the latest change of the configuration file was taken over, and when what holds was read; `None` without
    /// such a file.
    pub reload: Option<(bool, Timestamp)>,
}

/// How the watch of the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Whether the view is complete and being kept up.
    pub synced: bool,
    /// When the cluster was last heard of.
    pub last_event: Option<Timestamp>,
    /// How many pods the last complete list had.
    pub listed_pods: u64,
    /// The state of each namespace that is watched on its own; none where the cluster is watched as a whole.
    pub namespaces: Vec<NamespaceWatch>,
}

/// The state of the watch of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceWatch {
    /// The name of the namespace.
    pub namespace: String,
    /// Whether its part of the view is complete and being kept up.
    pub synced: bool,
    /// Whether it was ever listed: where not, nothing is known of it.
    pub listed: bool,
    /// What failed, redacted.
    pub failure: Option<String>,
}

/// What of a [`View`] is shown, container by container.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The view.
    pub view: &'a View,
    /// The failing containers that are shown, by namespace, pod and uid.
    pub failing: Vec<Failing<'a>>,
    /// For every failing container whether it is shown; empty where all are.
    choice: Vec<bool>,
    /// How many are left out.
    pub truncated: usize,
    /// The counters by namespace and registry.
    pub pairs: Vec<PairRow<'a>>,
}

impl<'a> Shown<'a> {
    /// Picks what is shown.
    #[must_use]
    pub fn of(view: &'a View) -> Self {
        let mut failing: Vec<Failing<'a>> = view.snapshot.failures().collect();
        let choice = view.choice.choose(&failing, view.max_containers);
        let all = failing.len();
        let mut places = choice.iter();
        failing.retain(|_| places.next().copied().unwrap_or(true));
        failing.shrink_to_fit();
        let truncated = all - failing.len();
        Self { view, failing, choice, truncated, pairs: view.counted.pairs() }
    }

    /// Every container whose waiting reason is mirrored, less those whose failure is left out.
    pub fn mirrored(&self) -> impl Iterator<Item = (&'a TrackedPod, &'a TrackedContainer, &'a str)> {
        let mut places = self.choice.iter();
        self.view.snapshot.containers().filter_map(move |(pod, container)| {
            let is_shown = container.failure.is_none() || places.next().copied().unwrap_or(true);
            Some((pod, container, container.mirrored.as_deref()?)).filter(|_| is_shown)
        })
    }
}
