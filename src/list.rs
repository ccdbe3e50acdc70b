//! The `list` command: prints the failing and waiting containers of a cluster or a file once.

pub mod file;
mod table;
mod waiting_table;

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use futures::StreamExt;
use serde::Serialize;

use crate::cluster::client::Connection;
use crate::cluster::pod_watch::{self, PodSource};
use crate::cluster::{PodEvent, WatchRestartCause};
use crate::present::wait::{WaitReport, younger_waits_text};
use crate::present::{FailureReport, pluralize, rfc3339};
use crate::terminal::{Terminal, escape_controls};
use file::FileObject;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::cause::Cause;
use image_pull_model::facts::{PodFacts, WatchScope};
use image_pull_model::image_wait::ImageWait;
use image_pull_model::index::{Index, IndexConfig, MirroredReasons};
use image_pull_model::kubelet_event::EventFacts;
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;

/// The output formats of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// One line per workload, fitted to the width of the terminal
    Table,
    /// One line per container, not truncated
    Wide,
    /// One JSON object, with advice for each container
    Json,
}

/// Which containers to list. An empty list selects all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Namespaces to list.
    pub namespaces: Vec<String>,
    /// Causes to list. Waiting containers have no cause: they are listed only if this is empty.
    pub causes: Vec<Cause>,
    /// Registries to list.
    pub registries: Vec<String>,
    /// Minimum age of listed waiting containers; zero to list none.
    pub pending_after: Duration,
}

/// The result of `list`, as printed with `-o json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListReport {
    /// When the list was made.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Number of pods that were examined.
    pub pods: usize,
    /// Descriptions of objects that could not be decoded. If there are any, the list may be incomplete.
    pub skipped: Vec<String>,
    /// The failing containers, sorted by namespace, pod and container.
    pub failing: Vec<FailureReport>,
    /// The containers that have waited without an error for longer than `pending_after_seconds`, in the same order.
    pub waiting: Vec<WaitReport>,
    /// Minimum age of listed waiting containers in seconds; zero if none is listed.
    pub pending_after_seconds: u64,
    /// Number of waiting containers that are not listed, because they have not waited for so long.
    pub waiting_younger: usize,
}

impl ListReport {
    /// Whether a container is listed, which the exit code reports.
    #[must_use]
    pub fn has_containers(&self) -> bool {
        !self.failing.is_empty() || !self.waiting.is_empty()
    }
}

/// Builds a [`ListReport`] from pods.
struct ListBuilder {
    index: Index,
    namespaces: Vec<String>,
    pods: usize,
    skipped: Vec<String>,
}

impl ListBuilder {
    fn new(scopes: &[WatchScope], namespaces: &[String]) -> Self {
        let settings = IndexConfig { mirrored_reasons: MirroredReasons::None, ..IndexConfig::default() };
        Self { index: Index::new(settings, scopes), namespaces: namespaces.to_vec(), pods: 0, skipped: Vec::new() }
    }

    fn add_pod(&mut self, pod: &PodFacts, now: Timestamp) {
        if is_selected(&self.namespaces, &pod.id.namespace) {
            self.pods += 1;
            if pod.exceeded.elements > 0 {
                self.add_skipped(&format!("{} parts of {}/{}", pod.exceeded.elements, pod.id.namespace, pod.id.name));
            }
            // A single list does not count effects.
            let _ = self.index.apply(pod, now);
        }
    }

    /// Adds the Events about the pods, once all pods are added. Takes the time of the newest Event as the current time, because
    /// evidence expires and a file may be read long after it was written.
    fn add_events(&mut self, mut events: Vec<EventFacts>, now: Timestamp) {
        events.sort_by_key(|event| event.resource_version);
        let newest = events.iter().filter_map(|event| event.last_at).max();
        let now = newest.map_or(now, |newest| newest.min(now));
        self.index.begin_event_list(&WatchScope::Cluster);
        for event in &events {
            // A single list does not count effects.
            let _ = self.index.apply_event(&WatchScope::Cluster, event, now);
        }
        self.index.end_event_list(&WatchScope::Cluster);
    }

    fn add_skipped(&mut self, problem: &impl ToString) {
        self.skipped.push(redact(&problem.to_string()).into_owned());
    }

    fn finish(mut self, filter: &ListFilter, now: Timestamp) -> ListReport {
        let snapshot = self.index.snapshot().unwrap_or_default();
        let wanted = snapshot.failures().filter(|(_, _, failure)| {
            (filter.causes.is_empty() || filter.causes.contains(&failure.cause()))
                && is_selected(&filter.registries, failure.image.registry())
        });
        let registry_pods = FailingRegistryPods::of(&snapshot);
        let is_wanted =
            |wait: &ImageWait| filter.causes.is_empty() && is_selected(&filter.registries, wait.image.registry());
        let pulls = snapshot.pull_queues();
        let waits = snapshot.waits().filter(|(_, _, wait)| is_wanted(wait));
        let (overdue, younger): (Vec<_>, Vec<_>) =
            waits.partition(|(_, _, wait)| wait.is_overdue(filter.pending_after, now));
        ListReport {
            time: now,
            pods: self.pods,
            skipped: self.skipped,
            failing: wanted.map(|failing| FailureReport::of(failing, now, now, &registry_pods)).collect(),
            waiting: overdue.into_iter().map(|waiting| WaitReport::of(waiting, now, &pulls)).collect(),
            pending_after_seconds: filter.pending_after.as_secs(),
            waiting_younger: younger.len(),
        }
    }
}

fn is_selected(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
}

/// Lists the failing and waiting containers in a file. Takes `now` as the time of every status and Event in it.
///
/// # Errors
/// Returns an error if the file contains no pods.
pub fn list_file(text: &str, filter: &ListFilter, now: Timestamp) -> Result<ListReport, file::FileError> {
    let mut builder = ListBuilder::new(&[WatchScope::Cluster], &filter.namespaces);
    builder.index.begin_relist(&WatchScope::Cluster);
    let mut events = Vec::new();
    file::read_objects(text, |object| match object {
        Ok(FileObject::Pod(pod)) => builder.add_pod(&pod, now),
        Ok(FileObject::Event(event)) => events.push(event),
        Err(problem) => builder.add_skipped(&problem),
    })?;
    let _ = builder.index.end_relist(&WatchScope::Cluster, now);
    builder.add_events(events, now);
    Ok(builder.finish(filter, now))
}

/// Lists the failing and waiting containers of a cluster, in the namespaces of the filter or in all. `now` returns the current
/// time.
///
/// # Errors
/// Returns an error if a list request fails. Does not retry, because a user is waiting.
pub async fn list_cluster(
    connection: impl Into<Connection>,
    filter: &ListFilter,
    now: impl Fn() -> Timestamp,
) -> Result<ListReport> {
    let connection = connection.into();
    let scopes = WatchScope::of_namespaces(&filter.namespaces);
    let mut builder = ListBuilder::new(&scopes, &filter.namespaces);
    for scope in scopes {
        let mut events = std::pin::pin!(pod_watch::list(PodSource::all_pods(connection.clone(), scope.clone())));
        loop {
            match events.next().await.context("the list ended early")? {
                PodEvent::ListStarted => builder.index.begin_relist(&scope),
                PodEvent::Listed(pod) => match pod.into_facts() {
                    Ok(pod) => builder.add_pod(&pod, now()),
                    Err(problem) => builder.add_skipped(&problem),
                },
                PodEvent::Undecodable(problem) | PodEvent::UndecodableDeletion(problem) => {
                    builder.add_skipped(&problem);
                }
                PodEvent::WatchFailed(failure) => {
                    bail!("{}{}", redact(&failure.error), forbidden_hint(failure.cause, &scope))
                }
                PodEvent::ListCompleted => {
                    let _ = builder.index.end_relist(&scope, now());
                    break;
                }
                // These events follow the list.
                PodEvent::Applied(_)
                | PodEvent::ResumedAfterGap
                | PodEvent::Synced
                | PodEvent::AppliedInitial(_)
                | PodEvent::Deleted(_)
                | PodEvent::Progress
                | PodEvent::WatchEnded => {}
            }
        }
    }
    Ok(builder.finish(filter, now()))
}

/// A user who may not list the pods of the cluster may be allowed to list those of a namespace.
fn forbidden_hint(cause: WatchRestartCause, scope: &WatchScope) -> &'static str {
    if cause == WatchRestartCause::Forbidden && *scope == WatchScope::Cluster {
        "; to list a single namespace, use -n"
    } else {
        ""
    }
}

/// Prints a report.
///
/// # Errors
/// Returns the error of writing to `out`.
pub fn print(report: &ListReport, output: ListFormat, terminal: Terminal, mut out: impl Write) -> io::Result<()> {
    let ListReport { failing, waiting, time, .. } = report;
    let is_divided = !failing.is_empty() && !waiting.is_empty();
    match output {
        ListFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(report)?),
        ListFormat::Table => {
            table::write_grouped(failing, *time, terminal, &mut out)?;
            write_blank_line(is_divided, &mut out)?;
            waiting_table::write_grouped(waiting, terminal, out)
        }
        ListFormat::Wide => {
            table::write_wide(failing, *time, terminal, &mut out)?;
            write_blank_line(is_divided, &mut out)?;
            waiting_table::write_wide(waiting, terminal, out)
        }
    }
}

fn write_blank_line(is_wanted: bool, mut out: impl Write) -> io::Result<()> {
    if is_wanted { writeln!(out) } else { Ok(()) }
}

/// Maximum number of skipped objects that are printed individually.
const MAX_SKIPPED_PRINTED: usize = 10;

/// Prints notes to the list: that nothing fails, how many containers wait, and which objects were skipped.
///
/// # Errors
/// Returns the error of writing to `out`.
pub fn print_notes(report: &ListReport, output: ListFormat, mut out: impl Write) -> io::Result<()> {
    let ListReport { pods, skipped, failing, waiting, waiting_younger, .. } = report;
    if output != ListFormat::Json {
        let pods = pluralize(*pods, "pod");
        match (failing.len(), waiting.len()) {
            (0, 0) => writeln!(out, "No image pull failures in {pods}.")?,
            (0, 1) => writeln!(out, "No image pull failures in {pods}, but 1 container waits.")?,
            (0, count) => {
                let place = common_node(waiting).map(|node| format!(", all on node {node}")).unwrap_or_default();
                writeln!(out, "No image pull failures in {pods}, but {count} containers wait{place}.")?;
            }
            (_, _) => {}
        }
        if let Some(text) = younger_waits_text(*waiting_younger, Duration::from_secs(report.pending_after_seconds)) {
            writeln!(out, "{text}")?;
        }
    }
    for problem in skipped.iter().take(MAX_SKIPPED_PRINTED) {
        writeln!(out, "image-pull-exporter: skipped {}", escape_controls(problem))?;
    }
    if skipped.len() > MAX_SKIPPED_PRINTED {
        writeln!(out, "image-pull-exporter: skipped {} more objects", skipped.len() - MAX_SKIPPED_PRINTED)?;
    }
    Ok(())
}

/// Returns the node of all containers, if there is only one.
fn common_node(waiting: &[WaitReport]) -> Option<Cow<'_, str>> {
    let node = waiting.first()?.node.as_deref()?;
    waiting.iter().all(|one| one.node.as_deref() == Some(node)).then(|| escape_controls(node))
}
