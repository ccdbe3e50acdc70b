//! Defines what the JSON looks like. Fields may be added; none is renamed, taken away or given another meaning.

use serde::{Serialize, Serializer};

use super::super::failure_query::FailureQuery;
use super::super::{Backend, Overview};
use crate::present::history::{DayBucketReport, EndedFailureReport, StatusChange};
use crate::present::outage::{Impact, Outage, outages};
use crate::present::{FailureReport, rfc3339, rfc3339_option};
use image_pull_model::advice::default_summary;
use image_pull_model::cause_history::CauseStart;
use image_pull_model::history::PastFailure;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;

/// What fails: in the shape of `list -o json`, a part at a time.
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

/// A list whose items are made one at a time, when they are written.
struct LazySeq<I, C> {
    items: I,
    /// What else it takes to make one.
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

impl Serialize for LazySeq<Vec<&PastFailure>, ()> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().filter_map(|ended| EndedFailureReport::of(ended)))
    }
}

impl<'a> FailuresResponse<'a> {
    pub(super) fn of(sight: &'a Overview, selection: &FailureQuery, url: &str) -> Self {
        let all = selection.filter(sight.snapshot.failures());
        Self {
            time: sight.now,
            synced: sight.watch_status.is_synced,
            pods: sight.watch_status.listed_pods,
            total: all.len(),
            next: next_url(selection, all.len(), url),
            failing: LazySeq { items: selection.page(&all).to_vec(), context: sight },
        }
    }
}

/// What failed, the newest end first.
#[derive(Serialize)]
pub(super) struct HistoryResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    total: usize,
    next: Option<String>,
    ended: LazySeq<Vec<&'a PastFailure>, ()>,
}

impl<'a> HistoryResponse<'a> {
    pub(super) fn of(sight: &'a Overview, selection: &FailureQuery, url: &str) -> Self {
        let is_wanted = |failing: FailureRef<'_>| !selection.filter(std::iter::once(failing)).is_empty();
        let ended = sight
            .history
            .ended
            .iter()
            .map(AsRef::as_ref)
            .filter(|ended: &&PastFailure| ended.failure_ref().is_some_and(is_wanted));
        let all: Vec<_> = ended.collect();
        Self {
            time: sight.now,
            total: all.len(),
            next: next_url(selection, all.len(), url),
            ended: LazySeq { items: selection.page(&all).to_vec(), context: () },
        }
    }
}

fn next_url(selection: &FailureQuery, total: usize, url: &str) -> Option<String> {
    selection.next_offset(total).map(|offset| format!("{url}?{}", selection.query_string_from(offset)))
}

/// How much fails, and why.
#[derive(Serialize)]
pub(super) struct SummaryResponse {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    #[serde(serialize_with = "rfc3339_option")]
    last_event: Option<Timestamp>,
    pods_watched: u64,
    #[serde(flatten)]
    reach: ReachJson,
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
    reach: ReachJson,
}

#[derive(Serialize)]
struct ReachJson {
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

impl From<Impact> for ReachJson {
    fn from(reach: Impact) -> Self {
        let Impact { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt, .. } = reach;
        Self { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt }
    }
}

impl SummaryResponse {
    pub(super) fn of(sight: &Overview, selection: &FailureQuery) -> Self {
        let all = selection.filter(sight.snapshot.failures());
        let outage = |outage: Outage<'_>| OutageJson {
            cause: outage.cause.as_str(),
            cause_group: outage.cause.group().as_str(),
            registry: (!outage.registry.is_empty()).then(|| outage.registry.to_owned()),
            summary: default_summary(outage.cause),
            cause_since: outage.reach.cause_since.map(|since| since.at),
            cause_since_basis: outage.reach.cause_since.map(CauseStart::basis),
            reach: outage.reach.into(),
        };
        Self {
            time: sight.now,
            synced: sight.watch_status.is_synced,
            last_event: sight.watch_status.last_event,
            pods_watched: sight.watch_status.listed_pods,
            reach: Impact::of(&all).into(),
            outages: outages(all).into_iter().map(outage).collect(),
            last_day: sight.history.buckets.iter().map(DayBucketReport::from).collect(),
        }
    }
}

/// The story of one pod, or of several that had its name.
#[derive(Serialize)]
pub(super) struct PodResponse<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    namespace: &'a str,
    pod: &'a str,
    failing: LazySeq<Vec<FailureRef<'a>>, (&'a dyn Backend, &'a Overview)>,
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
        let (site, sight) = self.context;
        serializer.collect_seq(self.items.iter().map(|failing| {
            let (pod, container, _) = *failing;
            let timelines = site.timelines(&pod.id);
            let of_container = timelines.iter().find(|(of, _)| **of == *container.name);
            let statuses = of_container.map(|(_, points)| points.iter().map(StatusChange::of).collect());
            let failure = FailureReport::of(*failing, sight.now, sight.last_event(), &sight.registry_pods);
            OpenFailureJson { failure, statuses: statuses.unwrap_or_default() }
        }))
    }
}

impl<'a> PodResponse<'a> {
    /// The story as it stands.
    pub(super) fn of(sight: &'a Overview, namespace: &'a str, name: &'a str, site: &'a dyn Backend) -> Self {
        Self {
            time: sight.now,
            synced: sight.watch_status.is_synced,
            namespace,
            pod: name,
            failing: LazySeq { items: sight.open_failures_of_pod(namespace, name).collect(), context: (site, sight) },
            ended: LazySeq { items: sight.ended_failures_of_pod(namespace, name).collect(), context: () },
        }
    }
}
