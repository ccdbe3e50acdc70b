//! The interface between the HTTP handlers and the rest of the program.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::exposition::ExpositionFormat;
use crate::metrics::scrape::WatchStatus;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::facts::PodId;
use image_pull_model::history::{HistorySnapshot, PastFailure, TimelinePoint};
use image_pull_model::image_wait::ImageWait;
use image_pull_model::snapshot::{FailureRef, Snapshot, WaitRef};
use image_pull_model::time::Timestamp;

/// Provides the content of responses.
///
/// `ready` and `live` run on the async runtime and must not block. The other methods run on blocking threads.
pub trait Backend: Send + Sync + 'static {
    /// Returns a writer of the current exposition.
    fn scrape(&self, format: ExpositionFormat) -> Result<BodyWriter, NotReady>;

    /// Returns the current failures, the history and the status of the watch.
    fn overview(&self) -> Result<Overview, NotReady>;

    /// Returns the status history of the open failures of a pod, by container name.
    fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)>;

    /// Returns a warning per missing part if the process can be scraped, otherwise the reason why it cannot.
    fn ready(&self) -> Result<Vec<String>, String>;

    /// Returns the reason if the process must be restarted.
    fn live(&self) -> Result<(), String>;
}

/// Writes a response body to a sink and may block on it. An error aborts the response.
pub type BodyWriter = Box<dyn FnOnce(Box<dyn Write + Send>) -> io::Result<()> + Send>;

/// The data of the page and the JSON API at one time.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Time of the overview.
    pub now: Timestamp,
    /// Open failures and waits.
    pub snapshot: Arc<Snapshot>,
    /// Failing pods that themselves serve a registry.
    pub registry_pods: FailingRegistryPods,
    /// Status of the watch.
    pub watch_status: WatchStatus,
    /// Ended failures and the last 24 hours.
    pub history: HistorySnapshot,
    /// Minimum age of listed waits; zero to list none.
    pub pending_after: Duration,
    /// Lists the waits that began before this time; `None` to list none.
    pub overdue_before: Option<Timestamp>,
}

impl Overview {
    /// Returns the time of the last watch event, or the Unix epoch before the first one.
    pub(super) fn last_event(&self) -> Timestamp {
        self.watch_status.last_event.unwrap_or_default()
    }

    /// Returns the open failures of all pods with this name.
    pub(super) fn open_failures_of_pod(&self, namespace: &str, name: &str) -> impl Iterator<Item = FailureRef<'_>> {
        self.snapshot.failures().filter(move |(pod, _, _)| pod.id.namespace == namespace && pod.id.name == name)
    }

    /// Whether a wait is old enough to be listed.
    pub(super) fn is_overdue(&self, wait: &ImageWait) -> bool {
        self.overdue_before.is_some_and(|time| wait.since < time)
    }

    /// Returns the waits of any age of all pods with this name.
    pub(super) fn waits_of_pod(&self, namespace: &str, name: &str) -> impl Iterator<Item = WaitRef<'_>> {
        self.snapshot.waits().filter(move |(pod, _, _)| pod.id.namespace == namespace && pod.id.name == name)
    }

    /// Returns the ended failures of all pods with this name.
    pub(super) fn ended_failures_of_pod(&self, namespace: &str, name: &str) -> impl Iterator<Item = &PastFailure> {
        let ended = self.history.ended.iter().map(AsRef::as_ref);
        ended.filter(move |ended| ended.pod.id.namespace == namespace && ended.pod.id.name == name)
    }

    /// Returns whether a pod with this name has an open or ended failure or waits.
    pub(super) fn has_pod(&self, namespace: &str, name: &str) -> bool {
        self.open_failures_of_pod(namespace, name).next().is_some()
            || self.waits_of_pod(namespace, name).next().is_some()
            || self.ended_failures_of_pod(namespace, name).next().is_some()
    }
}

/// The reason why no data is available yet. An incomplete list of failures would resolve alerts too early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);
