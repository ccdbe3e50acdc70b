//! The page of one pod.

use askama::Template;

use super::ended_failures::EndedFailureRow;
use super::failure_row::FailureRow;
use super::labels::{self, cause_title, format_time, group_owner, runbook_for};
use super::layout::Layout;
use super::waiting::WaitingRow;
use crate::http::backend::{Backend, Overview};
use crate::present::history::status_name;
use crate::present::{self, format_age, lacks_error_text};
use image_pull_model::advice::{self, NO_ERROR_TEXT};
use image_pull_model::history::TimelinePoint;
use image_pull_model::redact::redact;
use image_pull_model::snapshot::{FailureRef, WaitRef};
use image_pull_model::time::Timestamp;

/// The failures and waits of all pods with one name.
#[derive(Template)]
#[template(path = "pod_page.html")]
pub(super) struct PodPage<'a> {
    layout: &'a Layout,
    now_millis: i64,
    now: String,
    namespace: &'a str,
    name: &'a str,
    open: Vec<FailureRef<'a>>,
    waits: Vec<WaitRef<'a>>,
    overview: &'a Overview,
    backend: &'a dyn Backend,
    ended: Vec<EndedFailureRow>,
}

/// An open failure.
struct OpenFailure {
    row: FailureRow,
    title: String,
    owner: &'static str,
    /// Empty if the image reference is valid.
    reference_problem: String,
    summary: &'static str,
    runbook: &'static str,
    /// Newest first.
    statuses: Vec<StatusRow>,
}

/// A status in the history of a failure.
struct StatusRow {
    from: String,
    duration: String,
    name: &'static str,
    is_attempt: bool,
    /// Error text, if it differs from the previous one.
    text: Option<String>,
}

impl<'a> PodPage<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        overview: &'a Overview,
        (namespace, name): (&'a str, &'a str),
        backend: &'a dyn Backend,
    ) -> Self {
        let now = overview.now;
        let ended = overview.ended_failures_of_pod(namespace, name);
        Self {
            layout,
            now_millis: now.unix_millis(),
            now: format_time(now),
            namespace,
            name,
            open: overview.open_failures_of_pod(namespace, name).collect(),
            waits: overview.waits_of_pod(namespace, name).collect(),
            overview,
            backend,
            ended: ended.filter_map(|ended| EndedFailureRow::new(ended, now)).collect(),
        }
    }

    /// Returns the waiting containers.
    fn waiting_rows(&self) -> impl Iterator<Item = WaitingRow> {
        let pulls = self.overview.snapshot.pull_queues();
        self.waits.iter().map(move |waiting| WaitingRow::new(*waiting, self.overview.now, &pulls))
    }

    /// Returns the open failures. They are built one at a time while the page is written, to bound memory.
    fn open_failures(&self) -> impl Iterator<Item = OpenFailure> {
        self.open.iter().map(|failing| {
            let (_, _, failure) = *failing;
            let row = FailureRow::new(*failing, self.overview, self.backend);
            let cause = failure.cause();
            OpenFailure {
                title: cause_title(cause),
                owner: group_owner(failure.cause_group()),
                reference_problem: failure.image.problem().map(|problem| problem.to_string()).unwrap_or_default(),
                summary: if lacks_error_text(failure) { NO_ERROR_TEXT.0 } else { advice::default_summary(cause) },
                runbook: runbook_for(cause, failure.cause_group()),
                statuses: status_rows(&row.points, self.overview.now),
                row,
            }
        })
    }
}

/// Returns the statuses, newest first.
fn status_rows(points: &[TimelinePoint], now: Timestamp) -> Vec<StatusRow> {
    let mut previous = None;
    let ends = points.iter().skip(1).map(|point| point.at).chain([now]);
    let rows = points.iter().zip(ends).map(|(point, end)| {
        let text = point.text.as_ref().filter(|text| previous != Some(*text));
        previous = point.text.as_ref().or(previous);
        StatusRow {
            from: format_time(point.at),
            duration: format_age(end.saturating_duration_since(point.at)),
            name: status_name(point.image_state),
            is_attempt: point.image_state.is_failed_attempt(),
            text: text.map(|text| redact(text).into_owned()),
        }
    });
    let mut rows: Vec<StatusRow> = rows.collect();
    rows.reverse();
    rows
}
