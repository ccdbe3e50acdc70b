//! Defines what the JSON looks like. Fields may be added; none is renamed, taken away or given another meaning.

use serde::{Serialize, Serializer};

use super::super::selection::Selection;
use super::super::{Sight, Site};
use crate::present::outage::{Outage, Reach, outages};
use crate::present::past::{EndedFailure, FiveMinutes, Status};
use crate::present::{FailingContainer, rfc3339, rfc3339_where_known};
use image_pull_model::advice::summary;
use image_pull_model::history::Ended;
use image_pull_model::replaced::CauseSince;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;

/// What fails: in the shape of `list -o json`, a part at a time.
#[derive(Serialize)]
pub(super) struct Failures<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    pods: u64,
    total: usize,
    next: Option<String>,
    failing: Each<Vec<Failing<'a>>, &'a Sight>,
}

/// A list whose items are made one at a time, when they are written.
struct Each<I, C> {
    items: I,
    /// What else it takes to make one.
    context: C,
}

impl Serialize for Each<Vec<Failing<'_>>, &Sight> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Sight { now, .. } = *self.context;
        let failing = |failing: &Failing<'_>| {
            FailingContainer::of(*failing, now, self.context.seen_until(), &self.context.registry_pods)
        };
        serializer.collect_seq(self.items.iter().map(failing))
    }
}

impl Serialize for Each<Vec<&Ended>, ()> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().filter_map(|ended| EndedFailure::of(ended)))
    }
}

impl<'a> Failures<'a> {
    pub(super) fn of(sight: &'a Sight, selection: &Selection, url: &str) -> Self {
        let all = selection.pick(sight.snapshot.failures());
        Self {
            time: sight.now,
            synced: sight.watch.synced,
            pods: sight.watch.listed_pods,
            total: all.len(),
            next: next(selection, all.len(), url),
            failing: Each { items: selection.slice(&all).to_vec(), context: sight },
        }
    }
}

/// What failed, the newest end first.
#[derive(Serialize)]
pub(super) struct History<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    total: usize,
    next: Option<String>,
    ended: Each<Vec<&'a Ended>, ()>,
}

impl<'a> History<'a> {
    pub(super) fn of(sight: &'a Sight, selection: &Selection, url: &str) -> Self {
        let is_wanted = |failing: Failing<'_>| !selection.pick(std::iter::once(failing)).is_empty();
        let ended =
            sight.past.ended.iter().map(AsRef::as_ref).filter(|ended: &&Ended| ended.failing().is_some_and(is_wanted));
        let all: Vec<_> = ended.collect();
        Self {
            time: sight.now,
            total: all.len(),
            next: next(selection, all.len(), url),
            ended: Each { items: selection.slice(&all).to_vec(), context: () },
        }
    }
}

fn next(selection: &Selection, total: usize, url: &str) -> Option<String> {
    selection.next(total).map(|offset| format!("{url}?{}", selection.query_from(offset)))
}

/// How much fails, and why.
#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    #[serde(serialize_with = "rfc3339_where_known")]
    last_event: Option<Timestamp>,
    pods_watched: u64,
    #[serde(flatten)]
    reach: ReachShape,
    outages: Vec<OutageShape>,
    last_day: Vec<FiveMinutes>,
}

#[derive(Serialize)]
struct OutageShape {
    cause: &'static str,
    cause_group: &'static str,
    registry: Option<String>,
    summary: &'static str,
    #[serde(serialize_with = "rfc3339_where_known")]
    cause_since: Option<Timestamp>,
    cause_since_basis: Option<&'static str>,
    #[serde(flatten)]
    reach: ReachShape,
}

#[derive(Serialize)]
struct ReachShape {
    containers: usize,
    pods: usize,
    workloads: usize,
    namespaces: usize,
    nodes: usize,
    registries: usize,
    #[serde(serialize_with = "rfc3339_where_known")]
    since: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339_where_known")]
    next_attempt: Option<Timestamp>,
}

impl From<Reach> for ReachShape {
    fn from(reach: Reach) -> Self {
        let Reach { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt, .. } = reach;
        Self { containers, pods, workloads, namespaces, nodes, registries, since, next_attempt }
    }
}

impl Summary {
    pub(super) fn of(sight: &Sight, selection: &Selection) -> Self {
        let all = selection.pick(sight.snapshot.failures());
        let outage = |outage: Outage<'_>| OutageShape {
            cause: outage.cause.as_str(),
            cause_group: outage.cause.group().as_str(),
            registry: (!outage.registry.is_empty()).then(|| outage.registry.to_owned()),
            summary: summary(outage.cause),
            cause_since: outage.reach.cause_since.map(|since| since.at),
            cause_since_basis: outage.reach.cause_since.map(CauseSince::basis),
            reach: outage.reach.into(),
        };
        Self {
            time: sight.now,
            synced: sight.watch.synced,
            last_event: sight.watch.last_event,
            pods_watched: sight.watch.listed_pods,
            reach: Reach::of(&all).into(),
            outages: outages(all).into_iter().map(outage).collect(),
            last_day: sight.past.day.iter().map(FiveMinutes::from).collect(),
        }
    }
}

/// The story of one pod, or of several that had its name.
#[derive(Serialize)]
pub(super) struct Story<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    synced: bool,
    namespace: &'a str,
    pod: &'a str,
    failing: Each<Vec<Failing<'a>>, (&'a dyn Site, &'a Sight)>,
    ended: Each<Vec<&'a Ended>, ()>,
}

#[derive(Serialize)]
struct OpenStory {
    #[serde(flatten)]
    failure: FailingContainer,
    statuses: Vec<Status>,
}

impl Serialize for Each<Vec<Failing<'_>>, (&dyn Site, &Sight)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (site, sight) = self.context;
        serializer.collect_seq(self.items.iter().map(|failing| {
            let (pod, container, _) = *failing;
            let timelines = site.timelines(&pod.id);
            let of_container = timelines.iter().find(|(of, _)| **of == *container.name);
            let statuses = of_container.map(|(_, points)| points.iter().map(Status::of).collect());
            let failure = FailingContainer::of(*failing, sight.now, sight.seen_until(), &sight.registry_pods);
            OpenStory { failure, statuses: statuses.unwrap_or_default() }
        }))
    }
}

impl<'a> Story<'a> {
    /// The story as it stands.
    pub(super) fn of(sight: &'a Sight, namespace: &'a str, name: &'a str, site: &'a dyn Site) -> Self {
        Self {
            time: sight.now,
            synced: sight.watch.synced,
            namespace,
            pod: name,
            failing: Each { items: sight.failures_of(namespace, name).collect(), context: (site, sight) },
            ended: Each { items: sight.ended_of(namespace, name).collect(), context: () },
        }
    }
}
