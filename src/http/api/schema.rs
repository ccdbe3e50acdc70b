//! The JSON documents of the API. Fields may be added but are never renamed, removed or redefined.

use serde::{Serialize, Serializer};

use crate::http::backend::{Backend, Overview};
use crate::http::failure_query::FailureQuery;
use crate::present::history::{DayBucketReport, EndedFailureReport, StatusChange};
use crate::present::outage::{Impact, Outage, outages};
use crate::present::wait::WaitReport;
use crate::present::{FailureReport, rfc3339, rfc3339_option};
use image_pull_model::advice::default_summary;
use image_pull_model::cause_history::CauseStart;
use image_pull_model::history::PastFailure;
use image_pull_model::snapshot::{FailureRef, WaitRef};
use image_pull_model::time::Timestamp;

/// One page of open failures, in the format of `list -o json`.
#[derive(Serialize)]
pub(super) struct FailuresResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    pods: u64,
    total: usize,
    next: Option<String>,
    failing: LazySeq<Vec<FailureRef<'a>>, &'a Overview>,
}

/// A list whose entries are built one at a time while they are written, to bound memory.
struct LazySeq<I, C> {
    items: I,
    /// Data to build the entries.
    context: C,
}

impl Serialize for LazySeq<Vec<FailureRef<'_>>, &Overview> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Overview { now, .. } = *self.context;
        let failing = |failing: &FailureRef<'_>| {
            FailureReport::of(*failing, now, self.context.last_event(), &self.context.registry_pods)
        };
        serializer.collect_seq(self.items.iter().map(failing))
    }
}

impl Serialize for LazySeq<Vec<WaitRef<'_>>, &Overview> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (now, pulls) = (self.context.now, self.context.snapshot.pull_queues());
        serializer.collect_seq(self.items.iter().map(|waiting| WaitReport::of(*waiting, now, &pulls)))
    }
}

impl Serialize for LazySeq<Vec<&PastFailure>, ()> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().filter_map(|ended| EndedFailureReport::of(ended)))
    }
}

impl<'a> FailuresResponse<'a> {
    pub(super) fn new(overview: &'a Overview, query: &FailureQuery, url: &str) -> Self {
        let all = query.filter(overview.snapshot.failures());
        Self {
            time: overview.now,
            synced: overview.watch_status.is_synced,
            pods: overview.watch_status.listed_pods,
            total: all.len(),
            next: next_url(query, all.len(), url),
            failing: LazySeq { items: query.page(&all).to_vec(), context: overview },
        }
    }
}

/// One page of the containers that have waited without an error for longer than `pending_after_seconds`.
#[derive(Serialize)]
pub(super) struct WaitsResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    pending_after_seconds: u64,
    total: usize,
    waiting_younger: usize,
    next: Option<String>,
    waiting: LazySeq<Vec<WaitRef<'a>>, &'a Overview>,
}

impl<'a> WaitsResponse<'a> {
    pub(super) fn new(overview: &'a Overview, query: &FailureQuery, url: &str) -> Self {
        let (listed, younger) = split_waits(overview, query);
        Self {
            time: overview.now,
            synced: overview.watch_status.is_synced,
            pending_after_seconds: overview.pending_after.as_secs(),
            total: listed.len(),
            waiting_younger: younger.len(),
            next: next_url(query, listed.len(), url),
            waiting: LazySeq { items: query.page(&listed).to_vec(), context: overview },
        }
    }
}

/// Returns the waits that match the query: those that are listed, and those that are too young.
fn split_waits<'a>(overview: &'a Overview, query: &FailureQuery) -> (Vec<WaitRef<'a>>, Vec<WaitRef<'a>>) {
    let waits = query.filter_waits(overview.snapshot.waits());
    waits.into_iter().partition(|(_, _, wait)| overview.is_overdue(wait))
}

/// One page of ended failures, most recent first.
#[derive(Serialize)]
pub(super) struct HistoryResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    total: usize,
    next: Option<String>,
    ended: LazySeq<Vec<&'a PastFailure>, ()>,
}

impl<'a> HistoryResponse<'a> {
    pub(super) fn new(overview: &'a Overview, query: &FailureQuery, url: &str) -> Self {
        let matches = |failing: FailureRef<'_>| !query.filter(std::iter::once(failing)).is_empty();
        let ended = overview
            .history
            .ended
            .iter()
            .map(AsRef::as_ref)
            .filter(|ended: &&PastFailure| ended.failure_ref().is_some_and(matches));
        let all: Vec<_> = ended.collect();
        Self {
            time: overview.now,
            total: all.len(),
            next: next_url(query, all.len(), url),
            ended: LazySeq { items: query.page(&all).to_vec(), context: () },
        }
    }
}

fn next_url(query: &FailureQuery, total: usize, url: &str) -> Option<String> {
    query.next_offset(total).map(|offset| format!("{url}?{}", query.query_string_from(offset)))
}

/// Totals, and failures by cause and registry.
#[derive(Serialize)]
pub(super) struct SummaryResponse {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    #[serde(serialize_with = "rfc3339_option")]
    last_event: Option<Timestamp>,
    pods_watched: u64,
    #[serde(flatten)]
    impact: ImpactJson,
    waiting: usize,
    waiting_younger: usize,
    outages: Vec<OutageJson>,
    last_day: Vec<DayBucketReport>,
}

#[derive(Serialize)]
struct OutageJson {
    cause: &'static str,
    cause_group: &'static str,
    registry: Option<String>,
    summary: &'static str,
    #[serde(serialize_with = "rfc3339_option")]
    cause_since: Option<Timestamp>,
    cause_since_basis: Option<&'static str>,
    #[serde(flatten)]
    impact: ImpactJson,
}

#[derive(Serialize)]
struct ImpactJson {
    containers: usize,
    pods: usize,
    workloads: usize,
    namespaces: usize,
    nodes: usize,
    registries: usize,
    #[serde(serialize_with = "rfc3339_option")]
    since: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339_option")]
    next_attempt: Option<Timestamp>,
}

impl From<Impact> for ImpactJson {
    fn from(impact: Impact) -> Self {
        let Impact { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt, .. } = impact;
        Self { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt }
    }
}

impl SummaryResponse {
    pub(super) fn new(overview: &Overview, query: &FailureQuery) -> Self {
        let all = query.filter(overview.snapshot.failures());
        let (waiting, younger) = split_waits(overview, query);
        let outage = |outage: Outage<'_>| OutageJson {
            cause: outage.cause.as_str(),
            cause_group: outage.group.as_str(),
            registry: (!outage.registry.is_empty()).then(|| outage.registry.to_owned()),
            summary: default_summary(outage.cause),
            cause_since: outage.reach.cause_since.map(|since| since.at),
            cause_since_basis: outage.reach.cause_since.map(CauseStart::basis),
            impact: outage.reach.into(),
        };
        Self {
            time: overview.now,
            synced: overview.watch_status.is_synced,
            last_event: overview.watch_status.last_event,
            pods_watched: overview.watch_status.listed_pods,
            impact: Impact::of(&all).into(),
            waiting: waiting.len(),
            waiting_younger: younger.len(),
            outages: outages(all).into_iter().map(outage).collect(),
            last_day: overview.history.buckets.iter().map(DayBucketReport::from).collect(),
        }
    }
}

/// All failures and waits of the pods with one name.
#[derive(Serialize)]
pub(super) struct PodResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    namespace: &'a str,
    pod: &'a str,
    failing: LazySeq<Vec<FailureRef<'a>>, (&'a dyn Backend, &'a Overview)>,
    waiting: LazySeq<Vec<WaitRef<'a>>, &'a Overview>,
    ended: LazySeq<Vec<&'a PastFailure>, ()>,
}

#[derive(Serialize)]
struct OpenFailureJson {
    #[serde(flatten)]
    failure: FailureReport,
    statuses: Vec<StatusChange>,
}

impl Serialize for LazySeq<Vec<FailureRef<'_>>, (&dyn Backend, &Overview)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (backend, overview) = self.context;
        serializer.collect_seq(self.items.iter().map(|failing| {
            let (pod, container, _) = *failing;
            let timelines = backend.timelines(&pod.id);
            let of_container = timelines.iter().find(|(of, _)| **of == *container.name);
            let statuses = of_container.map(|(_, points)| points.iter().map(StatusChange::of).collect());
            let failure = FailureReport::of(*failing, overview.now, overview.last_event(), &overview.registry_pods);
            OpenFailureJson { failure, statuses: statuses.unwrap_or_default() }
        }))
    }
}

impl<'a> PodResponse<'a> {
    pub(super) fn new(overview: &'a Overview, namespace: &'a str, name: &'a str, backend: &'a dyn Backend) -> Self {
        Self {
            time: overview.now,
            synced: overview.watch_status.is_synced,
            namespace,
            pod: name,
            failing: LazySeq {
                items: overview.open_failures_of_pod(namespace, name).collect(),
                context: (backend, overview),
            },
            waiting: LazySeq { items: overview.waits_of_pod(namespace, name).collect(), context: overview },
            ended: LazySeq { items: overview.ended_failures_of_pod(namespace, name).collect(), context: () },
        }
    }
}
