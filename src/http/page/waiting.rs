//! Containers that wait without an error: their table, and their part of a pod page.

use super::image::HighlightedImage;
use super::labels::{age_since, format_time, pluralize, pod_path, pull_policy_text};
use crate::http::backend::Overview;
use crate::http::failure_query::{FailureQuery, SortOrder};
use crate::present::format_age;
use crate::present::wait::{WaitReport, younger_waits_text};
use image_pull_model::image_wait::ImageWait;
use image_pull_model::snapshot::{PullQueues, WaitRef};
use image_pull_model::time::Timestamp;

/// Maximum number of waiting containers on the page. The JSON API returns all.
const MAX_ROWS: usize = 100;
/// Number of waiting containers above which the table is folded.
const MAX_UNFOLDED_ROWS: usize = 10;

/// The waiting containers on the page of all failures.
pub(super) struct WaitingTable {
    /// The oldest waits that match the query.
    pub(super) rows: Vec<WaitingRow>,
    /// Number of waits that match the query.
    pub(super) matching: usize,
    /// Number of listed waits, whether or not they match the query.
    pub(super) total: usize,
    /// "1 pending, 2 starting for longer than 2m".
    pub(super) extent: String,
    /// Sentence on the waits that are too young to be listed, or an empty text.
    pub(super) younger: String,
    /// Minimum age of listed waits; empty if none is listed.
    pub(super) after: String,
    pub(super) is_open: bool,
    /// Query string of the JSON of the list.
    pub(super) json_query: String,
}

impl WaitingTable {
    pub(super) fn new(overview: &Overview, query: &FailureQuery) -> Self {
        let (listed, younger): (Vec<WaitRef<'_>>, Vec<WaitRef<'_>>) =
            overview.snapshot.waits().partition(|(_, _, wait)| overview.is_overdue(wait));
        let total = listed.len();
        let mut matching = query.filter_waits(listed.into_iter());
        matching.sort_by_key(|(_, _, wait)| wait.since);
        if query.sort == SortOrder::Newest {
            matching.reverse();
        }
        let pending = matching.iter().filter(|(_, _, wait)| wait.is_pending()).count();
        let after = if overview.pending_after.is_zero() { String::new() } else { format_age(overview.pending_after) };
        let pulls = overview.snapshot.pull_queues();
        let counts = [(pending, "pending"), (matching.len() - pending, "starting")];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, stage)| format!("{count} {stage}"));
        Self {
            rows: matching
                .iter()
                .take(MAX_ROWS)
                .map(|waiting| WaitingRow::new(*waiting, overview.now, &pulls))
                .collect(),
            matching: matching.len(),
            total,
            extent: format!("{} for longer than {after}", counts.collect::<Vec<_>>().join(", ")),
            younger: younger_waits_text(younger.len(), overview.pending_after).unwrap_or_default(),
            after,
            is_open: matching.len() <= MAX_UNFOLDED_ROWS,
            json_query: FailureQuery { offset: 0, sort: SortOrder::default(), ..query.clone() }.query_string(),
        }
    }

    /// Returns the headline of a page without failures.
    pub(super) fn headline(&self) -> String {
        let verb = if self.total == 1 { "waits" } else { "wait" };
        format!("No image pull failures, but {} {verb}", pluralize(self.total, "container"))
    }
}

/// A waiting container.
pub(super) struct WaitingRow {
    pub(super) wait: WaitReport,
    pub(super) image: HighlightedImage,
    pub(super) since: String,
    pub(super) since_millis: i64,
    pub(super) age: String,
    /// Path of the pod page, relative to the link prefix.
    pub(super) path: String,
    pub(super) check_first: String,
    pub(super) commands: Vec<String>,
    pub(super) pull_policy_text: &'static str,
}

impl WaitingRow {
    pub(super) fn new(waiting: WaitRef<'_>, now: Timestamp, pulls: &PullQueues<'_>) -> Self {
        let (pod, _, wait): (_, _, &ImageWait) = waiting;
        let mut report = WaitReport::of(waiting, now, pulls);
        let mut steps = std::mem::take(&mut report.advice).into_iter();
        Self {
            image: HighlightedImage::plain(&report.image),
            since: format_time(wait.since),
            since_millis: wait.since.unix_millis(),
            age: age_since(wait.since, now),
            path: pod_path(&pod.id.namespace, &pod.id.name),
            check_first: steps.next().unwrap_or_default(),
            commands: steps.collect(),
            pull_policy_text: pull_policy_text(wait.policy, &wait.image),
            wait: report,
        }
    }
}
