//! Says what the page of everything shows.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;

use super::super::selection::{Selection, Sort};
use super::super::{Sight, Site};
use super::Frame;
use super::picture::Day;
use super::row::{Image, Row};
use super::words;
use crate::metrics::view::{NamespaceWatch, Watch};
use crate::present::outage::{Outage, Reach, outages};
use crate::present::{self, age, is_without_error};
use image_pull_model::advice::{self, WITHOUT_TEXT};
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::history::Ended;
use image_pull_model::redact::redact;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload;

/// How many failures that ended the page shows; the JSON has all.
const SHOWN_ENDED: usize = 20;
/// Maximum namespaces that the banner names.
const SHOWN_UNLISTED: usize = 5;
/// A cluster in which no pod changes for so long is rare, and worth a look (as in the alert ImagePullExporterStale).
const SILENCE: Duration = Duration::from_secs(1800);

/// Everything that fails.
#[derive(Template)]
#[template(path = "index.html")]
pub(super) struct Index<'a> {
    frame: &'a Frame,
    now_millis: i64,
    now: String,
    banner: Option<String>,
    /// Of all that fails, whatever is selected.
    failing: usize,
    reach: Reach,
    age: String,
    since: String,
    headline: String,
    watched: String,
    groups: Vec<Choice>,
    is_all: bool,
    form: Form,
    outages: Vec<Shown<'a>>,
    pager: Pager,
    day: Day,
    most_at: String,
    ended: Vec<Past>,
    total_ended: usize,
    json_query: String,
}

/// The fields of the form.
struct Form {
    namespaces: Vec<Choice>,
    registries: Vec<Choice>,
    causes: Vec<Choice>,
    sorts: Vec<Choice>,
    text: String,
}

/// Something to choose.
struct Choice {
    value: String,
    label: String,
    count: usize,
    is_chosen: bool,
    /// The query that asks for this and nothing else.
    query: String,
}

/// One outage.
struct Shown<'a> {
    id: String,
    title: String,
    group: &'static str,
    mover: &'static str,
    registry: String,
    reach: Reach,
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
    rows: Rows<'a>,
}

/// The lines of an outage, each made when the page comes to it.
struct Rows<'a> {
    failures: Vec<Failing<'a>>,
    sight: &'a Sight,
    site: &'a dyn Site,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.failures.len()
    }

    fn iter(&self) -> impl Iterator<Item = Row> {
        self.failures.iter().map(|failing| Row::of(*failing, self.sight, self.site))
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
pub(super) struct Past {
    pub(super) path: String,
    pub(super) namespace: String,
    pub(super) workload: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) image: Image,
    pub(super) cause: String,
    pub(super) ended: String,
    pub(super) ended_ago: String,
    pub(super) began: String,
    pub(super) lasted: String,
    pub(super) attempts: u32,
    pub(super) outcome: String,
    pub(super) message: String,
}

impl<'a> Index<'a> {
    pub(super) fn of(frame: &'a Frame, sight: &'a Sight, selection: &Selection, site: &'a dyn Site) -> Self {
        let now = sight.now;
        let all: Vec<Failing<'_>> = sight.snapshot.failures().collect();
        let picked = selection.pick(all.iter().copied());
        let reach = Reach::of(&picked);
        let mut outages = outages(picked);
        sort(&mut outages, selection.sort);
        let total = reach.containers;
        let day = Day::of(&sight.past.day);
        Self {
            frame,
            now_millis: now.unix_millis(),
            now: words::clock(now),
            banner: banner(&sight.watch, now),
            failing: all.len(),
            reach,
            age: reach.since.map(|since| words::ago(since, now)).unwrap_or_default(),
            since: reach.since.map(words::clock).unwrap_or_default(),
            headline: headline(all.len(), total, selection.is_all()),
            watched: words::count(usize::try_from(sight.watch.listed_pods).unwrap_or(usize::MAX), "pod"),
            groups: groups(&all, selection),
            is_all: selection.is_all(),
            form: Form::of(&all, selection),
            outages: shown(&outages, selection, sight, site),
            pager: Pager::of(selection, total),
            most_at: words::clock(day.most_at),
            day,
            ended: sight.past.ended.iter().take(SHOWN_ENDED).filter_map(|ended| Past::of(ended, now)).collect(),
            total_ended: sight.past.ended.len(),
            json_query: selection.query(),
        }
    }
}

/// What a reader has to know if they read no more.
fn headline(failing: usize, picked: usize, is_all: bool) -> String {
    match (failing, is_all) {
        (0, _) => "No image pull failures".to_owned(),
        (1, true) => "1 container cannot get its image".to_owned(),
        (_, true) => format!("{failing} containers cannot get their image"),
        (_, false) => format!("{picked} of {} match", words::count(failing, "failing container")),
    }
}

/// What is wrong with the view itself.
fn banner(watch: &Watch, now: Timestamp) -> Option<String> {
    let unlisted: Vec<&NamespaceWatch> = watch.namespaces.iter().filter(|namespace| !namespace.listed).collect();
    if !unlisted.is_empty() {
        return Some(partial(&unlisted));
    }
    let &Watch { synced, last_event, .. } = watch;
    let heard = last_event.map(|at| (words::clock(at), words::ago(at, now)));
    match (synced, heard) {
        (false, Some((at, ago))) => Some(format!(
            "The watch of the cluster is interrupted. This is what was known at {at}, {ago} ago; what happened since is missing."
        )),
        (false, None) => Some("The watch of the cluster is interrupted.".to_owned()),
        (true, Some((at, _))) if last_event.is_some_and(|at| now.since(at) > SILENCE) => {
            Some(format!("Nothing was heard of the cluster since {at}: either no pod has changed, or the watch hangs."))
        }
        (true, _) => None,
    }
}

/// What a view says of which some namespaces are missing.
fn partial(unlisted: &[&NamespaceWatch]) -> String {
    let name = |watch: &&NamespaceWatch| {
        format!("{} ({})", watch.namespace, watch.failure.as_deref().unwrap_or("the first list is not complete"))
    };
    let names: Vec<String> = unlisted.iter().take(SHOWN_UNLISTED).map(name).collect();
    let more = match unlisted.len().saturating_sub(SHOWN_UNLISTED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "Some namespaces are missing from this page, since their pods cannot be listed: {}{more}.",
        names.join(", ")
    )
}

fn sort(outages: &mut [Outage<'_>], sort: Sort) {
    match sort {
        Sort::Size => {}
        Sort::Oldest => outages.sort_by_key(|outage| outage.reach.cause_since.map(|since| since.at)),
        Sort::Newest => outages.sort_by_key(|outage| std::cmp::Reverse(outage.reach.newest_cause)),
    }
    for outage in outages {
        outage.failures.sort_by_key(|(_, _, failure)| failure.since.at);
        if sort == Sort::Newest {
            outage.failures.reverse();
        }
    }
}

/// The outages of this page, each with the failures that are on it.
fn shown<'a>(outages: &[Outage<'a>], selection: &Selection, sight: &'a Sight, site: &'a dyn Site) -> Vec<Shown<'a>> {
    let (mut skip, mut left) = (selection.offset, selection.limit);
    let mut shown = Vec::new();
    for outage in outages {
        let failures: Vec<Failing<'a>> = outage.failures.iter().skip(skip).take(left).copied().collect();
        skip = skip.saturating_sub(outage.failures.len());
        left -= failures.len();
        if !failures.is_empty() {
            let rows = Rows { failures, sight, site };
            shown.push(Shown::of(outage, rows, sight.now, outages.len() == 1));
        }
    }
    shown
}

impl<'a> Shown<'a> {
    fn of(outage: &Outage<'a>, rows: Rows<'a>, now: Timestamp, is_open: bool) -> Self {
        let Outage { cause, registry, reach, .. } = outage;
        let group = cause.group();
        let place = match (reach.namespaces, outage.failures.first()) {
            (1, Some((pod, _, _))) => format!("in {}", pod.id.namespace),
            (namespaces, _) => format!("in {}", words::count(namespaces, "namespace")),
        };
        let is_without_text = outage.failures.iter().all(|(_, _, failure)| is_without_error(failure));
        let (summary, check_first) =
            if is_without_text { WITHOUT_TEXT } else { (advice::summary(*cause), advice::check_first(*cause)) };
        let since = reach.cause_since.map_or(now, |since| since.at);
        Self {
            id: format!("{} {registry}", cause.as_str()),
            title: words::title(*cause),
            group: group.as_str(),
            mover: words::mover(group),
            registry: (*registry).to_owned(),
            extent: format!(
                "{} of {} {place}",
                words::count(reach.containers, "container"),
                words::count(reach.workloads, "workload")
            ),
            reach: *reach,
            age: words::ago(since, now),
            since_millis: since.unix_millis(),
            is_age_exact: reach.cause_since.is_some_and(|since| since.observed),
            summary,
            check_first,
            runbook: words::runbook(*cause, group),
            is_open,
            rows,
        }
    }
}

/// The groups of causes, with how much fails in each.
fn groups(all: &[Failing<'_>], selection: &Selection) -> Vec<Choice> {
    let choice = |group: &CauseGroup| {
        let count = all.iter().filter(|(_, _, failure)| failure.cause().group() == *group).count();
        let only = Selection { groups: vec![*group], offset: 0, causes: Vec::new(), ..selection.clone() };
        Choice {
            value: group.as_str().to_owned(),
            label: words::mover(*group).to_owned(),
            count,
            is_chosen: selection.groups.contains(group),
            query: only.query(),
        }
    };
    CauseGroup::ALL.iter().map(choice).filter(|choice| choice.count > 0 || choice.is_chosen).collect()
}

impl Form {
    fn of(all: &[Failing<'_>], selection: &Selection) -> Self {
        let namespaces = choices(all.iter().map(|(pod, _, _)| &*pod.id.namespace), &selection.namespaces);
        let registries = choices(all.iter().map(|(_, _, failure)| failure.image.registry()), &selection.registries);
        let wanted: Vec<String> = selection.causes.iter().map(|cause| cause.as_str().to_owned()).collect();
        let mut causes = choices(all.iter().map(|(_, _, failure)| failure.cause().as_str()), &wanted);
        for choice in &mut causes {
            let cause = Cause::ALL.iter().find(|cause| cause.as_str() == choice.value);
            choice.label = cause.map(|cause| words::title(*cause)).unwrap_or_default();
        }
        let sort = |sort: Sort| Choice {
            value: sort.as_str().to_owned(),
            label: match sort {
                Sort::Size => "largest first",
                Sort::Oldest => "oldest first",
                Sort::Newest => "newest first",
            }
            .to_owned(),
            count: 0,
            is_chosen: selection.sort == sort,
            query: String::new(),
        };
        Self { namespaces, registries, causes, sorts: Sort::ALL.map(sort).into(), text: selection.text.clone() }
    }
}

/// What there is, and what is chosen even if there is none of it.
fn choices<'a>(values: impl Iterator<Item = &'a str>, chosen: &'a [String]) -> Vec<Choice> {
    let mut counts: BTreeMap<&str, usize> = chosen.iter().map(|value| (value.as_str(), 0)).collect();
    for value in values.filter(|value| !value.is_empty()) {
        *counts.entry(value).or_default() += 1;
    }
    let choice = |(value, count): (&str, usize)| Choice {
        value: value.to_owned(),
        label: value.to_owned(),
        count,
        is_chosen: chosen.iter().any(|chosen| chosen == value),
        query: String::new(),
    };
    counts.into_iter().map(choice).collect()
}

impl Pager {
    fn of(selection: &Selection, total: usize) -> Self {
        let Selection { offset, limit, .. } = *selection;
        Self {
            first: offset.saturating_add(1).min(total),
            last: offset.saturating_add(limit).min(total),
            total,
            before: (offset > 0).then(|| selection.query_from(offset.saturating_sub(limit))),
            after: selection.next(total).map(|next| selection.query_from(next)),
        }
    }
}

impl Past {
    pub(super) fn of(ended: &Ended, now: Timestamp) -> Option<Self> {
        let (pod, container, failure) = ended.failing()?;
        let workload = workload(&pod.id, &pod.owner);
        Some(Self {
            path: words::pod_path(&pod.id.namespace, &pod.id.name),
            namespace: pod.id.namespace.clone(),
            workload: format!("{}/{}", workload.kind, workload.name),
            pod: pod.id.name.clone(),
            container: container.name.to_string(),
            image: Image::of(&failure.image.redacted(), failure.cause(), &failure.image),
            cause: words::title(failure.cause()),
            ended: words::clock(ended.at),
            ended_ago: words::ago(ended.at, now),
            began: words::clock(failure.since.at),
            lasted: age(failure.lasted(ended.at)),
            attempts: failure.attempts,
            outcome: words::outcome(ended.outcome.as_str()),
            message: redact(&failure.message).into_owned(),
        })
    }
}
