//! Takes one look, at a cluster or at a file, and prints what fails.

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

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A line for each workload, image and cause, and below it the image; as wide as the terminal.
    Table,
    /// A line for each container with everything that fits in one; as wide as it gets.
    Wide,
    /// One object, for scripts.
    Json,
}

/// What to print of what fails; an empty list asks for everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Containers of these namespaces.
    pub namespaces: Vec<String>,
    /// Failures of these causes.
    pub causes: Vec<Cause>,
    /// Images of these registries.
    pub registries: Vec<String>,
}

/// What one look shows: the shape that `-o json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Look {
    /// When it was taken.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// How many pods were looked at.
    pub pods: usize,
    /// What could not be read, so that the look is not complete.
    pub skipped: Vec<String>,
    /// What fails, by namespace, pod and container.
    pub failing: Vec<FailingContainer>,
}

/// Collects the pods of a look.
struct Looking {
    index: Index,
    namespaces: Vec<String>,
    pods: usize,
    skipped: Vec<String>,
}

impl Looking {
    fn new(scopes: &[Scope], namespaces: &[String]) -> Self {
        let settings = Settings { mirror: Mirror::Nothing, ..Settings::default() };
        Self { index: Index::new(settings, scopes), namespaces: namespaces.to_vec(), pods: 0, skipped: Vec::new() }
    }

    fn pod(&mut self, pod: &PodFacts, now: Timestamp) {
        if is_wanted(&self.namespaces, &pod.id.namespace) {
            self.pods += 1;
            if pod.exceeded.elements > 0 {
                self.skip(&format!("{} parts of {}/{}", pod.exceeded.elements, pod.id.namespace, pod.id.name));
            }
            // What it counts is of no interest to one look.
            let _ = self.index.apply(pod, now);
        }
    }

    fn skip(&mut self, problem: &impl ToString) {
        self.skipped.push(redact(&problem.to_string()).into_owned());
    }

    fn finish(mut self, filter: &Filter, now: Timestamp) -> Look {
        let snapshot = self.index.snapshot().unwrap_or_default();
        let wanted = snapshot.failures().filter(|(_, _, failure)| {
            (filter.causes.is_empty() || filter.causes.contains(&failure.cause()))
                && is_wanted(&filter.registries, failure.image.registry())
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

fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
}

/// Looks at the pods of a file, as if everything in it had been read at `now`.
///
/// # Errors
/// When it is no list of pods.
pub fn look_at_file(text: &str, filter: &Filter, now: Timestamp) -> Result<Look, file::BadFile> {
    let mut looking = Looking::new(&[Scope::Cluster], &filter.namespaces);
    looking.index.reset_begin(&Scope::Cluster);
    file::pods(text, |pod| match pod {
        Ok(pod) => looking.pod(&pod, now),
        Err(problem) => looking.skip(&problem),
    })?;
    let _ = looking.index.reset_end(&Scope::Cluster, now);
    Ok(looking.finish(filter, now))
}

/// Lists the pods of a cluster, of the wanted namespaces or of all, and looks at them. `now` reads the clock.
///
/// # Errors
/// When a list cannot be had; it is not tried again, since somebody waits for an answer.
pub async fn look_at_cluster(
    connection: impl Into<Connection>,
    filter: &Filter,
    now: impl Fn() -> Timestamp,
) -> Result<Look> {
    let connection = connection.into();
    let scopes = Scope::of_namespaces(&filter.namespaces);
    let mut looking = Looking::new(&scopes, &filter.namespaces);
    for scope in scopes {
        let mut events = std::pin::pin!(pods::list(source(&connection, &scope)));
        loop {
            match events.next().await.context("the list ended early")? {
                PodEvent::ListStarted => looking.index.reset_begin(&scope),
                PodEvent::Listed(pod) => match pod.into_facts() {
                    Ok(pod) => looking.pod(&pod, now()),
                    Err(problem) => looking.skip(&problem),
                },
                PodEvent::Undecodable(problem) | PodEvent::UndecodableDeletion(problem) => looking.skip(&problem),
                PodEvent::WatchFailed(failure) => bail!("{}{}", redact(&failure.error), hint(failure.cause, &scope)),
                PodEvent::ListCompleted => {
                    let _ = looking.index.reset_end(&scope, now());
                    break;
                }
                // Only after the list.
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

fn source(connection: &Connection, scope: &Scope) -> Source {
    Source {
        connection: connection.clone(),
        scope: scope.clone(),
        selection: Selection::default(),
        compress_lists: false,
    }
}

/// Whoever may not list the pods of a cluster may list those of a namespace.
fn hint(cause: WatchRestartCause, scope: &Scope) -> &'static str {
    if cause == WatchRestartCause::Forbidden && *scope == Scope::Cluster {
        "; or ask for one namespace with -n"
    } else {
        ""
    }
}

/// Prints a look.
///
/// # Errors
/// When `out` takes no more.
pub fn print(look: &Look, output: Output, terminal: Terminal, mut out: impl Write) -> io::Result<()> {
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(look)?),
        Output::Table => table::short(&look.failing, look.time, terminal, out),
        Output::Wide => table::wide(&look.failing, look.time, terminal, out),
    }
}

/// How many problems are told one by one.
const TOLD_PROBLEMS: usize = 10;

/// Says beside the list what it does not: that nothing fails, and what could not be read.
///
/// # Errors
/// When `out` takes no more.
pub fn print_notes(look: &Look, output: Output, mut out: impl Write) -> io::Result<()> {
    let Look { pods, skipped, failing, .. } = look;
    if failing.is_empty() && output != Output::Json {
        writeln!(out, "Of {pods} pods none waits for its image.")?;
    }
    for problem in skipped.iter().take(TOLD_PROBLEMS) {
        writeln!(out, "image-pull-exporter: skipped {}", escaped(problem))?;
    }
    if skipped.len() > TOLD_PROBLEMS {
        writeln!(out, "image-pull-exporter: skipped {} objects more", skipped.len() - TOLD_PROBLEMS)?;
    }
    Ok(())
}
