//! The `list` command: prints the failing containers of a cluster or a file once.

pub mod file;
mod table;

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use futures::StreamExt;
use serde::Serialize;

use crate::cluster::client::Connection;
use crate::cluster::pod_watch::{self, PodSource};
use crate::cluster::{PodEvent, WatchRestartCause};
use crate::present::{FailureReport, rfc3339};
use crate::terminal::{Terminal, escape_controls};
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::cause::Cause;
use image_pull_model::facts::{PodFacts, WatchScope};
use image_pull_model::index::{Index, IndexConfig, MirroredReasons};
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

/// Which failing containers to list. An empty field selects all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Namespaces to list.
    pub namespaces: Vec<String>,
    /// Causes to list.
    pub causes: Vec<Cause>,
    /// Registries to list.
    pub registries: Vec<String>,
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
        ListReport {
            time: now,
            pods: self.pods,
            skipped: self.skipped,
            failing: wanted.map(|failing| FailureReport::of(failing, now, now, &registry_pods)).collect(),
        }
    }
}

fn is_selected(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
}

/// Lists the failing containers in a file. Takes `now` as the time of every status in it.
///
/// # Errors
/// Returns an error if the file contains no pods.
pub fn list_file(text: &str, filter: &ListFilter, now: Timestamp) -> Result<ListReport, file::FileError> {
    let mut builder = ListBuilder::new(&[WatchScope::Cluster], &filter.namespaces);
    builder.index.begin_relist(&WatchScope::Cluster);
    file::read_pods(text, |pod| match pod {
        Ok(pod) => builder.add_pod(&pod, now),
        Err(problem) => builder.add_skipped(&problem),
    })?;
    let _ = builder.index.end_relist(&WatchScope::Cluster, now);
    Ok(builder.finish(filter, now))
}

/// Lists the failing containers of a cluster, in the namespaces of the filter or in all. `now` returns the current
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
    match output {
        ListFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(report)?),
        ListFormat::Table => table::write_grouped(&report.failing, report.time, terminal, out),
        ListFormat::Wide => table::write_wide(&report.failing, report.time, terminal, out),
    }
}

/// Maximum number of skipped objects that are printed individually.
const MAX_SKIPPED_PRINTED: usize = 10;

/// Prints notes to the list: that there are no failures, and which objects were skipped.
///
/// # Errors
/// Returns the error of writing to `out`.
pub fn print_notes(report: &ListReport, output: ListFormat, mut out: impl Write) -> io::Result<()> {
    let ListReport { pods, skipped, failing, .. } = report;
    if failing.is_empty() && output != ListFormat::Json {
        writeln!(out, "No image pull failures in {pods} pods.")?;
    }
    for problem in skipped.iter().take(MAX_SKIPPED_PRINTED) {
        writeln!(out, "image-pull-exporter: skipped {}", escape_controls(problem))?;
    }
    if skipped.len() > MAX_SKIPPED_PRINTED {
        writeln!(out, "image-pull-exporter: skipped {} more objects", skipped.len() - MAX_SKIPPED_PRINTED)?;
    }
    Ok(())
}
