//! Says what to do about a cause: whose move it is, what to look at first, which commands to run.

mod commands;
mod place;
mod registry_pods;
mod rows;
#[cfg(test)]
mod tests;
mod texts;

pub use place::{NodeKind, RegistryKind, Runtime, When};
pub use registry_pods::RegistryPods;
pub use rows::{Note, Row, notes, rows};

use super::cause::{Cause, FailingHost};
use super::image::{ImageReference, PullPolicy};

/// Where a failure is. An empty field means that it is not known; a command then shows a name in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub pod: &'a str,
    /// The name of the container that waits.
    pub container: &'a str,
    /// The node the pod is bound to.
    pub node: &'a str,
    /// The pod's service account.
    pub service_account: &'a str,
    /// The image the container waits for.
    pub image: &'a ImageReference,
    /// When the kubelet pulls it.
    pub policy: Option<PullPolicy>,
    /// Whether the container has run with that image.
    pub has_run_image: bool,
    /// The error text. It is read, never shown.
    pub message: &'a str,
    /// The host that failed.
    pub host: Option<&'a FailingHost>,
    /// The pods of registries that fail in the cluster.
    pub registry_pods: &'a RegistryPods,
}

impl<'a> Context<'a> {
    /// A place of which only the image and the error text are known.
    #[must_use]
    pub fn of_text(
        image: &'a ImageReference,
        message: &'a str,
        host: Option<&'a FailingHost>,
        registry_pods: &'a RegistryPods,
    ) -> Self {
        Self {
            namespace: "",
            pod: "",
            container: "",
            node: "",
            service_account: "",
            image,
            policy: None,
            has_run_image: false,
            message,
            host,
            registry_pods,
        }
    }
}

/// What to do about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// One sentence of what is wrong, and whose move it is.
    pub summary: &'static str,
    /// What to look at first.
    pub check_first: String,
    /// Commands for a POSIX shell, most useful first. They hold no secret of the cluster.
    pub commands: Vec<String>,
}

/// Returns what to do about a cause in a place.
pub fn advice(cause: Cause, context: &Context<'_>) -> Advice {
    let text = texts::for_cause(cause);
    let holds = |when: &When| when.holds(context, false);
    match rows().find(|row| row.causes.contains(&cause) && row.when.iter().all(holds)) {
        Some(row) => made(cause, row.summary.unwrap_or(text.summary), row.check_first, row.commands, context),
        None => made(cause, text.summary, text.check_first, text.commands, context),
    }
}

/// Returns the advice of one row, whether its conditions hold or not.
pub fn of_row(cause: Cause, row: &Row, context: &Context<'_>) -> Advice {
    made(cause, row.summary.unwrap_or_else(|| summary(cause)), row.check_first, row.commands, context)
}

/// Fills in the commands and adds the notes.
fn made(cause: Cause, summary: &'static str, check_first: &str, templates: &[&str], context: &Context<'_>) -> Advice {
    let mut commands = commands::commands(templates, context);
    if commands.is_empty() {
        commands = commands::commands(&[texts::DESCRIBE], context);
    }
    let is_on_node = commands.iter().any(|command| command.contains("IMAGE_ON_NODE"));
    let added = notes()
        .filter(|note| note.groups.contains(&cause.group()))
        .filter(|note| note.when.iter().all(|when| when.holds(context, is_on_node)))
        .map(|note| note.sentence);
    let check_first = std::iter::once(check_first).chain(added).collect::<Vec<_>>().join(" ");
    Advice { summary, check_first, commands }
}

/// Returns what is wrong, wherever it is.
pub fn summary(cause: Cause) -> &'static str {
    texts::for_cause(cause).summary
}

/// What is wrong where the kubelet gave no error text, and what to look at first.
pub const WITHOUT_TEXT: (&str, &str) = (texts::NO_TEXT.summary, texts::NO_TEXT.check_first);

/// Returns what to look at first, wherever it is.
pub fn check_first(cause: Cause) -> &'static str {
    texts::for_cause(cause).check_first
}
