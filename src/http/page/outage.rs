//! An outage: the failures with one cause at one registry.

use std::cmp::Reverse;

use super::failure_row::FailureRow;
use super::labels::{age_since, cause_title, group_owner, pluralize, runbook_for};
use crate::http::backend::{Backend, Overview};
use crate::http::failure_query::{FailureQuery, SortOrder};
use crate::present::lacks_error_text;
use crate::present::outage::Outage;
use image_pull_model::advice::{self, NO_ERROR_TEXT};
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;

/// An outage, with its failures on this page.
pub(super) struct OutageRow<'a> {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) group: &'static str,
    pub(super) owner: &'static str,
    pub(super) registry: String,
    /// Failing containers on all pages.
    pub(super) containers: usize,
    pub(super) extent: String,
    /// Age of the cause.
    pub(super) age: String,
    pub(super) since_millis: i64,
    /// Whether the start of the cause was observed. Otherwise the age is a lower bound.
    pub(super) is_age_exact: bool,
    pub(super) summary: &'static str,
    pub(super) check_first: &'static str,
    pub(super) runbook: &'static str,
    pub(super) is_open: bool,
    pub(super) rows: FailureRows<'a>,
}

/// The failures of an outage. Rows are built one at a time while the page is written, to bound memory.
pub(super) struct FailureRows<'a> {
    failures: Vec<FailureRef<'a>>,
    overview: &'a Overview,
    backend: &'a dyn Backend,
}

impl FailureRows<'_> {
    pub(super) fn len(&self) -> usize {
        self.failures.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FailureRow> {
        self.failures.iter().map(|failing| FailureRow::new(*failing, self.overview, self.backend))
    }
}

/// Sorts outages, and the failures of each.
pub(super) fn sort_outages(outages: &mut [Outage<'_>], order: SortOrder) {
    match order {
        SortOrder::Size => {}
        SortOrder::Oldest => outages.sort_by_key(|outage| outage.reach.cause_since.map(|since| since.at)),
        SortOrder::Newest => outages.sort_by_key(|outage| Reverse(outage.reach.newest_cause)),
    }
    for outage in outages {
        outage.failures.sort_by_key(|(_, _, failure)| failure.start.at);
        if order == SortOrder::Newest {
            outage.failures.reverse();
        }
    }
}

/// Returns the outages on the page that `query` selects, with the failures on it.
pub(super) fn outage_rows<'a>(
    outages: &[Outage<'a>],
    query: &FailureQuery,
    overview: &'a Overview,
    backend: &'a dyn Backend,
) -> Vec<OutageRow<'a>> {
    let (mut skip, mut remaining) = (query.offset, query.limit);
    let mut rows = Vec::new();
    for outage in outages {
        let failures: Vec<FailureRef<'a>> = outage.failures.iter().skip(skip).take(remaining).copied().collect();
        skip = skip.saturating_sub(outage.failures.len());
        remaining -= failures.len();
        if !failures.is_empty() {
            let is_open = outages.len() == 1;
            rows.push(OutageRow::new(outage, FailureRows { failures, overview, backend }, overview.now, is_open));
        }
    }
    rows
}

impl<'a> OutageRow<'a> {
    fn new(outage: &Outage<'a>, rows: FailureRows<'a>, now: Timestamp, is_open: bool) -> Self {
        let Outage { cause, group, registry, reach: impact, .. } = outage;
        let group = *group;
        let namespaces = match (impact.namespaces, outage.failures.first()) {
            (1, Some((pod, _, _))) => pod.id.namespace.clone(),
            (namespaces, _) => pluralize(namespaces, "namespace"),
        };
        let lacks_text = outage.failures.iter().all(|(_, _, failure)| lacks_error_text(failure));
        let (summary, check_first) = if lacks_text {
            NO_ERROR_TEXT
        } else {
            (advice::default_summary(*cause), advice::default_check_first(*cause))
        };
        let since = impact.cause_since.map_or(now, |since| since.at);
        Self {
            id: format!("{} {} {registry}", group.as_str(), cause.as_str()),
            title: cause_title(*cause),
            group: group.as_str(),
            owner: group_owner(group),
            registry: (*registry).to_owned(),
            containers: impact.containers,
            extent: format!(
                "{} of {} in {namespaces}",
                pluralize(impact.containers, "container"),
                pluralize(impact.workloads, "workload")
            ),
            age: age_since(since, now),
            since_millis: since.unix_millis(),
            is_age_exact: impact.cause_since.is_some_and(|since| since.is_observed),
            summary,
            check_first,
            runbook: runbook_for(*cause, group),
            is_open,
            rows,
        }
    }
}
