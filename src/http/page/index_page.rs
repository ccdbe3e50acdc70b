//! The page of all failures.

use askama::Template;

use super::day_chart::DayChart;
use super::ended_failures::EndedFailureRow;
use super::filters::Filters;
use super::labels::{self, age_since, format_time, pluralize};
use super::layout::Layout;
use super::outage::{OutageRow, outage_rows, sort_outages};
use super::pager::Pager;
use super::waiting::WaitingTable;
use super::watch_banner::watch_banner;
use crate::http::backend::{Backend, Overview};
use crate::http::failure_query::FailureQuery;
use crate::present;
use crate::present::outage::{Impact, outages};
use image_pull_model::snapshot::{FailureRef, WaitRef};

/// Maximum number of ended failures on the page. The JSON API returns all.
const MAX_ENDED_ROWS: usize = 20;

/// The page of all failures.
#[derive(Template)]
#[template(path = "index_page.html")]
pub(super) struct IndexPage<'a> {
    layout: &'a Layout,
    now_millis: i64,
    now: String,
    banner: Option<String>,
    headline: String,
    /// All failing containers, whether or not they match the query.
    failing: usize,
    pods_watched: String,
    /// Totals of the failures that match the query.
    totals: Impact,
    oldest_age: String,
    oldest_since: String,
    day: DayChart,
    is_filtered: bool,
    filters: Filters,
    outages: Vec<OutageRow<'a>>,
    waiting: WaitingTable,
    pager: Pager,
    json_query: String,
    ended: Vec<EndedFailureRow>,
    total_ended: usize,
}

impl<'a> IndexPage<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        overview: &'a Overview,
        query: &FailureQuery,
        backend: &'a dyn Backend,
    ) -> Self {
        let now = overview.now;
        let failures: Vec<FailureRef<'_>> = overview.snapshot.failures().collect();
        let overdue_waits: Vec<WaitRef<'_>> =
            overview.snapshot.waits().filter(|(_, _, wait)| overview.is_overdue(wait)).collect();
        let matching = query.filter(failures.iter().copied());
        let totals = Impact::of(&matching);
        let mut outages = outages(matching);
        sort_outages(&mut outages, query.sort);
        let waiting = WaitingTable::new(overview, query);
        let ended = overview.history.ended.iter().take(MAX_ENDED_ROWS);
        Self {
            layout,
            now_millis: now.unix_millis(),
            now: format_time(now),
            banner: watch_banner(&overview.watch_status, now),
            headline: headline(failures.len(), totals.containers, !query.is_unfiltered(), &waiting),
            failing: failures.len(),
            pods_watched: pluralize(usize::try_from(overview.watch_status.listed_pods).unwrap_or(usize::MAX), "pod"),
            totals,
            oldest_age: totals.since.map(|since| age_since(since, now)).unwrap_or_default(),
            oldest_since: totals.since.map(format_time).unwrap_or_default(),
            day: DayChart::new(&overview.history.buckets),
            is_filtered: !query.is_unfiltered(),
            filters: Filters::new(&failures, &overdue_waits, query),
            waiting,
            outages: outage_rows(&outages, query, overview, backend),
            pager: Pager::new(query, totals.containers),
            json_query: query.query_string(),
            ended: ended.filter_map(|ended| EndedFailureRow::new(ended, now)).collect(),
            total_ended: overview.history.ended.len(),
        }
    }
}

fn headline(failing: usize, matching: usize, is_filtered: bool, waiting: &WaitingTable) -> String {
    match (failing, is_filtered) {
        (0, _) if waiting.total > 0 => waiting.headline(),
        (0, _) => "No image pull failures".to_owned(),
        (1, false) => "1 container cannot pull its image".to_owned(),
        (_, false) => format!("{failing} containers cannot pull their image"),
        (_, true) => format!("{matching} of {} match", pluralize(failing, "failing container")),
    }
}
