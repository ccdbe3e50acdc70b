//! Says what the page of everything shows.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;

use super::super::failure_query::{FailureQuery, SortOrder};
use super::super::{Backend, Overview};
use super::Layout;
use super::failure_row::{FailureRow, HighlightedImage};
use super::timeline_svg::DayChart;
use super::words;
use crate::metrics::scrape::{NamespaceWatchStatus, WatchStatus};
use crate::present::outage::{Impact, Outage, outages};
use crate::present::{self, format_age, lacks_error_text};
use image_pull_model::advice::{self, NO_ERROR_TEXT};
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::history::PastFailure;
use image_pull_model::redact::redact;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload_of;

/// How many failures that ended the page shows; the JSON has all.
const MAX_ENDED_ROWS: usize = 20;
/// Maximum namespaces that the banner names.
const MAX_NAMED_NAMESPACES: usize = 5;
/// A cluster in which no pod changes for so long is rare, and worth a look (as in the alert ImagePullExporterStale).
const STALE_AFTER: Duration = Duration::from_secs(1800);

/// Everything that fails.
#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct IndexPage<'a> {
    frame: &'a Layout,
    now_millis: i64,
    now: String,
    banner: Option<String>,
    /// Of all that fails, whatever is selected.
    failing: usize,
    reach: Impact,
    age: String,
    since: String,
    headline: String,
    watched: String,
    groups: Vec<FilterOption>,
    is_all: bool,
    form: FilterForm,
    outages: Vec<OutageRow<'a>>,
    pager: Pager,
    day: DayChart,
    most_at: String,
    ended: Vec<EndedFailureRow>,
    total_ended: usize,
    json_query: String,
}

/// The fields of the form.
struct FilterForm {
    namespaces: Vec<FilterOption>,
    registries: Vec<FilterOption>,
    causes: Vec<FilterOption>,
    sorts: Vec<FilterOption>,
    text: String,
}

/// Something to choose.
struct FilterOption {
    value: String,
    label: String,
    count: usize,
    is_chosen: bool,
    /// The query that asks for this and nothing else.
    query: String,
}

/// One outage.
struct OutageRow<'a> {
    id: String,
    title: String,
    group: &'static str,
    mover: &'static str,
    registry: String,
    reach: Impact,
    extent: String,
    /// How long its cause has lasted.
    age: String,
    since_millis: i64,
    /// Whether the cause was seen to begin, so that the age is no lower bound.
    is_age_exact: bool,
    summary: &'static str,
    check_first: &'static str,
    runbook: &'static str,
    is_open: bool,
    rows: FailureRows<'a>,
}

/// The lines of an outage, each made when the page comes to it.
struct FailureRows<'a> {
    failures: Vec<FailureRef<'a>>,
    sight: &'a Overview,
    site: &'a dyn Backend,
}

impl FailureRows<'_> {
    fn len(&self) -> usize {
        self.failures.len()
    }

    fn iter(&self) -> impl Iterator<Item = FailureRow> {
        self.failures.iter().map(|failing| FailureRow::of(*failing, self.sight, self.site))
    }
}

/// Where in the list this page is.
struct Pager {
    first: usize,
    last: usize,
    total: usize,
    before: Option<String>,
    after: Option<String>,
}

/// A failure that ended.
pub(super) struct EndedFailureRow {
    pub(super) path: String,
    pub(super) namespace: String,
    pub(super) workload: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) image: HighlightedImage,
    pub(super) cause: String,
    pub(super) ended: String,
    pub(super) ended_ago: String,
    pub(super) began: String,
    pub(super) lasted: String,
    pub(super) attempts: u32,
    pub(super) outcome: String,
    pub(super) message: String,
}

impl<'a> IndexPage<'a> {
    pub(super) fn of(frame: &'a Layout, sight: &'a Overview, selection: &FailureQuery, site: &'a dyn Backend) -> Self {
        let now = sight.now;
        let all: Vec<FailureRef<'_>> = sight.snapshot.failures().collect();
        let picked = selection.filter(all.iter().copied());
        let reach = Impact::of(&picked);
        let mut outages = outages(picked);
        sort(&mut outages, selection.sort);
        let total = reach.containers;
        let day = DayChart::of(&sight.history.buckets);
        Self {
            frame,
            now_millis: now.unix_millis(),
            now: words::format_time(now),
            banner: banner(&sight.watch_status, now),
            failing: all.len(),
            reach,
            age: reach.since.map(|since| words::age_since(since, now)).unwrap_or_default(),
            since: reach.since.map(words::format_time).unwrap_or_default(),
            headline: headline(all.len(), total, selection.is_unfiltered()),
            watched: words::pluralize(usize::try_from(sight.watch_status.listed_pods).unwrap_or(usize::MAX), "pod"),
            groups: group_options(&all, selection),
            is_all: selection.is_unfiltered(),
            form: FilterForm::of(&all, selection),
            outages: outage_rows(&outages, selection, sight, site),
            pager: Pager::of(selection, total),
            most_at: words::format_time(day.most_at),
            day,
            ended: sight
                .history
                .ended
                .iter()
                .take(MAX_ENDED_ROWS)
                .filter_map(|ended| EndedFailureRow::of(ended, now))
                .collect(),
            total_ended: sight.history.ended.len(),
            json_query: selection.query_string(),
        }
    }
}

/// What a reader has to know if they read no more.
fn headline(failing: usize, picked: usize, is_all: bool) -> String {
    match (failing, is_all) {
        (0, _) => "No image pull failures".to_owned(),
        (1, true) => "1 container cannot get its image".to_owned(),
        (_, true) => format!("{failing} containers cannot get their image"),
        (_, false) => format!("{picked} of {} match", words::pluralize(failing, "failing container")),
    }
}

/// What is wrong with the view itself.
fn banner(watch: &WatchStatus, now: Timestamp) -> Option<String> {
    let unlisted: Vec<&NamespaceWatchStatus> =
        watch.namespaces.iter().filter(|namespace| !namespace.is_listed).collect();
    if !unlisted.is_empty() {
        return Some(missing_namespaces_text(&unlisted));
    }
    let &WatchStatus { is_synced: synced, last_event, .. } = watch;
    let heard = last_event.map(|at| (words::format_time(at), words::age_since(at, now)));
    match (synced, heard) {
        (false, Some((at, ago))) => Some(format!(
            "The watch of the cluster is interrupted. This is what was known at {at}, {ago} ago; what happened since is missing."
        )),
        (false, None) => Some("The watch of the cluster is interrupted.".to_owned()),
        (true, Some((at, _))) if last_event.is_some_and(|at| now.saturating_duration_since(at) > STALE_AFTER) => {
            Some(format!("Nothing was heard of the cluster since {at}: either no pod has changed, or the watch hangs."))
        }
        (true, _) => None,
    }
}

/// What a view says of which some namespaces are missing.
fn missing_namespaces_text(unlisted: &[&NamespaceWatchStatus]) -> String {
    let name = |watch: &&NamespaceWatchStatus| {
        format!("{} ({})", watch.namespace, watch.error.as_deref().unwrap_or("the first list is not complete"))
    };
    let names: Vec<String> = unlisted.iter().take(MAX_NAMED_NAMESPACES).map(name).collect();
    let more = match unlisted.len().saturating_sub(MAX_NAMED_NAMESPACES) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "Some namespaces are missing from this page, since their pods cannot be listed: {}{more}.",
        names.join(", ")
    )
}

fn sort(outages: &mut [Outage<'_>], sort: SortOrder) {
    match sort {
        SortOrder::Size => {}
        SortOrder::Oldest => outages.sort_by_key(|outage| outage.reach.cause_since.map(|since| since.at)),
        SortOrder::Newest => outages.sort_by_key(|outage| std::cmp::Reverse(outage.reach.newest_cause)),
    }
    for outage in outages {
        outage.failures.sort_by_key(|(_, _, failure)| failure.start.at);
        if sort == SortOrder::Newest {
            outage.failures.reverse();
        }
    }
}

/// The outages of this page, each with the failures that are on it.
fn outage_rows<'a>(
    outages: &[Outage<'a>],
    selection: &FailureQuery,
    sight: &'a Overview,
    site: &'a dyn Backend,
) -> Vec<OutageRow<'a>> {
    let (mut skip, mut left) = (selection.offset, selection.limit);
    let mut shown = Vec::new();
    for outage in outages {
        let failures: Vec<FailureRef<'a>> = outage.failures.iter().skip(skip).take(left).copied().collect();
        skip = skip.saturating_sub(outage.failures.len());
        left -= failures.len();
        if !failures.is_empty() {
            let rows = FailureRows { failures, sight, site };
            shown.push(OutageRow::of(outage, rows, sight.now, outages.len() == 1));
        }
    }
    shown
}

impl<'a> OutageRow<'a> {
    fn of(outage: &Outage<'a>, rows: FailureRows<'a>, now: Timestamp, is_open: bool) -> Self {
        let Outage { cause, registry, reach, .. } = outage;
        let group = cause.group();
        let place = match (reach.namespaces, outage.failures.first()) {
            (1, Some((pod, _, _))) => format!("in {}", pod.id.namespace),
            (namespaces, _) => format!("in {}", words::pluralize(namespaces, "namespace")),
        };
        let is_without_text = outage.failures.iter().all(|(_, _, failure)| lacks_error_text(failure));
        let (summary, check_first) = if is_without_text {
            NO_ERROR_TEXT
        } else {
            (advice::default_summary(*cause), advice::default_check_first(*cause))
        };
        let since = reach.cause_since.map_or(now, |since| since.at);
        Self {
            id: format!("{} {registry}", cause.as_str()),
            title: words::cause_title(*cause),
            group: group.as_str(),
            mover: words::group_owner(group),
            registry: (*registry).to_owned(),
            extent: format!(
                "{} of {} {place}",
                words::pluralize(reach.containers, "container"),
                words::pluralize(reach.workloads, "workload")
            ),
            reach: *reach,
            age: words::age_since(since, now),
            since_millis: since.unix_millis(),
            is_age_exact: reach.cause_since.is_some_and(|since| since.is_observed),
            summary,
            check_first,
            runbook: words::runbook_for(*cause, group),
            is_open,
            rows,
        }
    }
}

/// The groups of causes, with how much fails in each.
fn group_options(all: &[FailureRef<'_>], selection: &FailureQuery) -> Vec<FilterOption> {
    let choice = |group: &CauseGroup| {
        let count = all.iter().filter(|(_, _, failure)| failure.cause().group() == *group).count();
        let only = FailureQuery { groups: vec![*group], offset: 0, causes: Vec::new(), ..selection.clone() };
        FilterOption {
            value: group.as_str().to_owned(),
            label: words::group_owner(*group).to_owned(),
            count,
            is_chosen: selection.groups.contains(group),
            query: only.query_string(),
        }
    };
    CauseGroup::ALL.iter().map(choice).filter(|choice| choice.count > 0 || choice.is_chosen).collect()
}

impl FilterForm {
    fn of(all: &[FailureRef<'_>], selection: &FailureQuery) -> Self {
        let namespaces = filter_options(all.iter().map(|(pod, _, _)| &*pod.id.namespace), &selection.namespaces);
        let registries =
            filter_options(all.iter().map(|(_, _, failure)| failure.image.registry()), &selection.registries);
        let wanted: Vec<String> = selection.causes.iter().map(|cause| cause.as_str().to_owned()).collect();
        let mut causes = filter_options(all.iter().map(|(_, _, failure)| failure.cause().as_str()), &wanted);
        for choice in &mut causes {
            let cause = Cause::ALL.iter().find(|cause| cause.as_str() == choice.value);
            choice.label = cause.map(|cause| words::cause_title(*cause)).unwrap_or_default();
        }
        let sort = |sort: SortOrder| FilterOption {
            value: sort.as_str().to_owned(),
            label: match sort {
                SortOrder::Size => "largest first",
                SortOrder::Oldest => "oldest first",
                SortOrder::Newest => "newest first",
            }
            .to_owned(),
            count: 0,
            is_chosen: selection.sort == sort,
            query: String::new(),
        };
        Self { namespaces, registries, causes, sorts: SortOrder::ALL.map(sort).into(), text: selection.text.clone() }
    }
}

/// What there is, and what is chosen even if there is none of it.
fn filter_options<'a>(values: impl Iterator<Item = &'a str>, chosen: &'a [String]) -> Vec<FilterOption> {
    let mut counts: BTreeMap<&str, usize> = chosen.iter().map(|value| (value.as_str(), 0)).collect();
    for value in values.filter(|value| !value.is_empty()) {
        *counts.entry(value).or_default() += 1;
    }
    let choice = |(value, count): (&str, usize)| FilterOption {
        value: value.to_owned(),
        label: value.to_owned(),
        count,
        is_chosen: chosen.iter().any(|chosen| chosen == value),
        query: String::new(),
    };
    counts.into_iter().map(choice).collect()
}

impl Pager {
    fn of(selection: &FailureQuery, total: usize) -> Self {
        let FailureQuery { offset, limit, .. } = *selection;
        Self {
            first: offset.saturating_add(1).min(total),
            last: offset.saturating_add(limit).min(total),
            total,
            before: (offset > 0).then(|| selection.query_string_from(offset.saturating_sub(limit))),
            after: selection.next_offset(total).map(|next| selection.query_string_from(next)),
        }
    }
}

impl EndedFailureRow {
    pub(super) fn of(ended: &PastFailure, now: Timestamp) -> Option<Self> {
        let (pod, container, failure) = ended.failure_ref()?;
        let workload = workload_of(&pod.id, &pod.owner);
        Some(Self {
            path: words::pod_path(&pod.id.namespace, &pod.id.name),
            namespace: pod.id.namespace.clone(),
            workload: format!("{}/{}", workload.kind, workload.name),
            pod: pod.id.name.clone(),
            container: container.name.to_string(),
            image: HighlightedImage::of(&failure.image.redacted(), failure.cause(), &failure.image),
            cause: words::cause_title(failure.cause()),
            ended: words::format_time(ended.at),
            ended_ago: words::age_since(ended.at, now),
            began: words::format_time(failure.start.at),
            lasted: format_age(failure.age(ended.at)),
            attempts: failure.attempts,
            outcome: words::outcome_text(ended.outcome.as_str()),
            message: redact(&failure.message).into_owned(),
        })
    }
}
