//! Advice for a failing container: who must act, what to check first, and which commands to run.

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

/// The circumstances of a failure. A field that is not known is empty; commands then show a placeholder in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Name of the failing container.
    pub container: &'a str,
    /// Node that the pod is bound to.
    pub node: &'a str,
    /// Service account of the pod.
    pub service_account: &'a str,
    /// Image of the container.
    pub image: &'a ImageReference,
    /// Effective pull policy of the container.
    pub policy: Option<PullPolicy>,
    /// Whether the container has already run with this image on this node.
    pub has_run_image: bool,
    /// Error text of the pull. Selects the advice; never part of it.
    pub message: &'a str,
    /// Host that failed, if the error text names one.
    pub host: Option<&'a FailingHost>,
    /// Failing pods of the cluster that run a registry.
    pub registry_pods: &'a RegistryPods,
}

impl<'a> Context<'a> {
    /// Returns a context with only an image, an error text and a failing host.
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

/// Advice for one failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Sentences on what is wrong and who must act.
    pub summary: &'static str,
    /// What to check first.
    pub check_first: String,
    /// Commands for a POSIX shell, most useful first. They contain no secrets of the cluster.
    pub commands: Vec<String>,
}

/// Returns the advice of the first rule that matches the cause and the context, or the default advice for the cause.
pub fn advice(cause: Cause, context: &Context<'_>) -> Advice {
    let text = texts::default_for_cause(cause);
    let holds = |when: &When| when.holds(context, false);
    match rows().find(|row| row.causes.contains(&cause) && row.when.iter().all(holds)) {
        Some(row) => build_advice(cause, row.summary.unwrap_or(text.summary), row.check_first, row.commands, context),
        None => build_advice(cause, text.summary, text.check_first, text.commands, context),
    }
}

/// Returns the advice of one rule without checking its conditions.
pub fn of_row(cause: Cause, row: &Row, context: &Context<'_>) -> Advice {
    build_advice(cause, row.summary.unwrap_or_else(|| summary(cause)), row.check_first, row.commands, context)
}

/// Renders the commands and appends the notes that apply.
fn build_advice(
    cause: Cause,
    summary: &'static str,
    check_first: &str,
    templates: &[&str],
    context: &Context<'_>,
) -> Advice {
    let mut commands = commands::render_commands(templates, context);
    if commands.is_empty() {
        commands = commands::render_commands(&[texts::DESCRIBE_POD], context);
    }
    let is_on_node = commands.iter().any(|command| command.contains("IMAGE_ON_NODE"));
    let added = notes()
        .filter(|note| note.groups.contains(&cause.group()))
        .filter(|note| note.when.iter().all(|when| when.holds(context, is_on_node)))
        .map(|note| note.sentence);
    let check_first = std::iter::once(check_first).chain(added).collect::<Vec<_>>().join(" ");
    Advice { summary, check_first, commands }
}

/// Returns the summary for a cause that does not depend on the context.
pub fn summary(cause: Cause) -> &'static str {
    texts::default_for_cause(cause).summary
}

/// Summary and first check for a failure whose status shows no error text.
pub const WITHOUT_TEXT: (&str, &str) = (texts::NO_ERROR_TEXT.summary, texts::NO_ERROR_TEXT.check_first);

/// Returns the first check for a cause that does not depend on the context.
pub fn check_first(cause: Cause) -> &'static str {
    texts::default_for_cause(cause).check_first
}
