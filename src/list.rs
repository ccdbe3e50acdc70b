//! The `list` command: prints the failing containers of a cluster or a file once.

pub mod file;
mod table;

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use serde::Serialize;

use crate::cluster::client::Connection;
use crate::cluster::pods::{self, Source};
use crate::cluster::selection::Selection;
use crate::cluster::{PodEvent, WatchRestartCause};
use crate::present::{FailingContainer, rfc3339};
use crate::terminal::{Terminal, escaped};
use image_pull_model::advice::RegistryPods;
use image_pull_model::cause::Cause;
use image_pull_model::facts::{PodFacts, Scope};
use image_pull_model::index::{Index, Mirror, Settings};
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;

/// Output format of `list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One entry per workload, image and cause, with the image below it. Fits the width of the terminal.
    Table,
    /// One line per container with all columns. Not limited in width.
    Wide,
    /// One JSON object.
    Json,
}

/// Which failing containers to list. An empty field selects all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Namespaces to list.
    pub namespaces: Vec<String>,
    /// Causes to list.
    pub causes: Vec<Cause>,
    /// Registries to list.
    pub registries: Vec<String>,
}

/// The result of `list`, as printed with `-o json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// When the list was made.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Number of pods that were examined.
    pub pods: usize,
    /// Descriptions of objects that could not be decoded. If there are any, the list may be incomplete.
    pub skipped: Vec<String>,
    /// The failing containers, sorted by namespace, pod and container.
    pub failing: Vec<FailingContainer>,
}

/// Builds a [`ListReport`] from pods.
struct ListBuilder {
    index: Index,
    namespaces: Vec<String>,
    pods: usize,
    skipped: Vec<String>,
}

impl ListBuilder {
    fn new(scopes: &[Scope], namespaces: &[String]) -> Self {
        let settings = Settings { mirror: Mirror::Nothing, ..Settings::default() };
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

    fn finish(mut self, filter: &Filter, now: Timestamp) -> Look {
        let snapshot = self.index.snapshot().unwrap_or_default();
        let wanted = snapshot.failures().filter(|(_, _, failure)| {
            (filter.causes.is_empty() || filter.causes.contains(&failure.cause()))
                && is_selected(&filter.registries, failure.image.registry())
        });
        let registry_pods = RegistryPods::of(&snapshot);
        Look {
            time: now,
            pods: self.pods,
            skipped: self.skipped,
            failing: wanted.map(|failing| FailingContainer::of(failing, now, now, &registry_pods)).collect(),
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
pub fn look_at_file(text: &str, filter: &Filter, now: Timestamp) -> Result<Look, file::BadFile> {
    let mut looking = ListBuilder::new(&[Scope::Cluster], &filter.namespaces);
    looking.index.reset_begin(&Scope::Cluster);
    file::read_pods(text, |pod| match pod {
        Ok(pod) => looking.add_pod(&pod, now),
        Err(problem) => looking.add_skipped(&problem),
    })?;
    let _ = looking.index.reset_end(&Scope::Cluster, now);
    Ok(looking.finish(filter, now))
}

/// Lists the failing containers of a cluster, in the namespaces of the filter or in all. `now` returns the current
/// time.
///
/// # Errors
/// Returns an error if a list request fails. Does not retry, because a user is waiting.
pub async fn look_at_cluster(
    connection: impl Into<Connection>,
    filter: &Filter,
    now: impl Fn() -> Timestamp,
) -> Result<Look> {
    let connection = connection.into();
    let scopes = Scope::of_namespaces(&filter.namespaces);
    let mut looking = ListBuilder::new(&scopes, &filter.namespaces);
    for scope in scopes {
        let mut events = std::pin::pin!(pods::list(pod_source(&connection, &scope)));
        loop {
            match events.next().await.context("the list ended early")? {
                PodEvent::ListStarted => looking.index.reset_begin(&scope),
                PodEvent::Listed(pod) => match pod.into_facts() {
                    Ok(pod) => looking.add_pod(&pod, now()),
                    Err(problem) => looking.add_skipped(&problem),
                },
                PodEvent::Undecodable(problem) | PodEvent::UndecodableDeletion(problem) => {
                    looking.add_skipped(&problem);
                }
                PodEvent::WatchFailed(failure) => {
                    bail!("{}{}", redact(&failure.error), forbidden_hint(failure.cause, &scope))
                }
                PodEvent::ListCompleted => {
                    let _ = looking.index.reset_end(&scope, now());
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
    Ok(looking.finish(filter, now()))
}

fn pod_source(connection: &Connection, scope: &Scope) -> Source {
    Source {
        connection: connection.clone(),
        scope: scope.clone(),
        selection: Selection::default(),
        compress_lists: false,
    }
}

/// A user who may not list the pods of the cluster may be allowed to list those of a namespace.
fn forbidden_hint(cause: WatchRestartCause, scope: &Scope) -> &'static str {
    if cause == WatchRestartCause::Forbidden && *scope == Scope::Cluster {
        "; to list a single namespace, use -n"
    } else {
        ""
    }
}

/// Prints a report.
///
/// # Errors
/// Returns the error of writing to `out`.
pub fn print(look: &Look, output: Output, terminal: Terminal, mut out: impl Write) -> io::Result<()> {
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(look)?),
        Output::Table => table::write_grouped(&look.failing, look.time, terminal, out),
        Output::Wide => table::write_wide(&look.failing, look.time, terminal, out),
    }
}

/// Maximum number of skipped objects that are printed individually.
const MAX_SKIPPED_PRINTED: usize = 10;

/// Prints notes to the list: that there are no failures, and which objects were skipped.
///
/// # Errors
/// Returns the error of writing to `out`.
pub fn print_notes(look: &Look, output: Output, mut out: impl Write) -> io::Result<()> {
    let Look { pods, skipped, failing, .. } = look;
    if failing.is_empty() && output != Output::Json {
        writeln!(out, "No image pull failures in {pods} pods.")?;
    }
    for problem in skipped.iter().take(MAX_SKIPPED_PRINTED) {
        writeln!(out, "image-pull-exporter: skipped {}", escaped(problem))?;
    }
    if skipped.len() > MAX_SKIPPED_PRINTED {
        writeln!(out, "image-pull-exporter: skipped {} more objects", skipped.len() - MAX_SKIPPED_PRINTED)?;
    }
    Ok(())
}
