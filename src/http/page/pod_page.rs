//! Says what the page of one pod shows.

use askama::Template;

use super::super::{Backend, Overview};
use super::Layout;
use super::failure_row::FailureRow;
use super::index_page::EndedFailureRow;
use super::words;
use crate::present::history::status_name;
use crate::present::{self, format_age, lacks_error_text};
use image_pull_model::advice::{self, NO_ERROR_TEXT};
use image_pull_model::cause::Cause;
use image_pull_model::history::TimelinePoint;
use image_pull_model::redact::redact;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;

/// The whole story of one pod, or of several that had its name.
#[derive(Template)]
#[template(path = "pod.html")]
pub(super) struct PodPage<'a> {
    frame: &'a Layout,
    now_millis: i64,
    now: String,
    namespace: &'a str,
    name: &'a str,
    open: Vec<FailureRef<'a>>,
    sight: &'a Overview,
    site: &'a dyn Backend,
    ended: Vec<EndedFailureRow>,
}

/// An open failure.
struct OpenFailure {
    row: FailureRow,
    title: String,
    mover: &'static str,
    problem: String,
    summary: &'static str,
    runbook: &'static str,
    statuses: Vec<StatusRow>,
}

/// A status that showed.
struct StatusRow {
    at: String,
    lasted: String,
    word: &'static str,
    is_attempt: bool,
    /// The error text, where it is another than at the attempt before.
    text: Option<String>,
}

impl<'a> PodPage<'a> {
    /// The story as it stands.
    pub(super) fn of(
        frame: &'a Layout,
        sight: &'a Overview,
        (namespace, name): (&'a str, &'a str),
        site: &'a dyn Backend,
    ) -> Self {
        let now = sight.now;
        Self {
            frame,
            now_millis: now.unix_millis(),
            now: words::format_time(now),
            namespace,
            name,
            open: sight.open_failures_of_pod(namespace, name).collect(),
            sight,
            site,
            ended: sight
                .ended_failures_of_pod(namespace, name)
                .filter_map(|ended| EndedFailureRow::of(ended, now))
                .collect(),
        }
    }

    /// The open failures, each made when the page comes to it.
    fn stories(&self) -> impl Iterator<Item = OpenFailure> {
        let now = self.sight.now;
        self.open.iter().map(move |failing| {
            let (_, _, failure) = *failing;
            let row = FailureRow::of(*failing, self.sight, self.site);
            let cause: Cause = failure.cause();
            OpenFailure {
                title: words::cause_title(cause),
                mover: words::group_owner(cause.group()),
                problem: failure.image.problem().map(|problem| problem.to_string()).unwrap_or_default(),
                summary: if lacks_error_text(failure) { NO_ERROR_TEXT.0 } else { advice::default_summary(cause) },
                runbook: words::runbook_for(cause, cause.group()),
                statuses: status_rows(&row.points, now),
                row,
            }
        })
    }
}

/// The statuses, the newest first.
fn status_rows(points: &[TimelinePoint], now: Timestamp) -> Vec<StatusRow> {
    let mut said = None;
    let ends = points.iter().skip(1).map(|point| point.at).chain([now]);
    let told = points.iter().zip(ends).map(|(point, end)| {
        let news = point.text.as_ref().filter(|text| said != Some(*text));
        said = point.text.as_ref().or(said);
        StatusRow {
            at: words::format_time(point.at),
            lasted: format_age(end.saturating_duration_since(point.at)),
            word: status_name(point.image_state),
            is_attempt: point.image_state.is_failed_attempt(),
            text: news.map(|text| redact(text).into_owned()),
        }
    });
    let mut told: Vec<StatusRow> = told.collect();
    told.reverse();
    told
}
