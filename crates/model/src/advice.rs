//! Advice for a failing or waiting container: who must act, what to check first, and which commands to run.

mod commands;
mod conditions;
mod context;
mod defaults;
mod registry_pods;
mod rule;
mod rules;
#[cfg(test)]
mod tests;
mod waiting;

pub use conditions::{Condition, ContainerRuntime, NodeKind, RegistryKind};
pub use context::FailureContext;
pub use registry_pods::FailingRegistryPods;
pub use rule::{AdviceNote, AdviceRule};
pub use rules::{advice_notes, advice_rules};
pub use waiting::{SANDBOX_IMAGE, SERIAL_PULLS, wait_advice};

use super::cause::Cause;

/// Advice for one failure or wait.
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
pub fn advice(cause: Cause, context: &FailureContext<'_>) -> Advice {
    let text = defaults::default_for_cause(cause);
    let holds = |when: &Condition| when.holds(context, false);
    match advice_rules().find(|row| row.causes.contains(&cause) && row.when.iter().all(holds)) {
        Some(row) => build_advice(cause, row.summary.unwrap_or(text.summary), row.check_first, row.commands, context),
        None => build_advice(cause, text.summary, text.check_first, text.commands, context),
    }
}

/// Returns the advice of one rule without checking its conditions.
pub fn advice_of_rule(cause: Cause, row: &AdviceRule, context: &FailureContext<'_>) -> Advice {
    build_advice(cause, row.summary.unwrap_or_else(|| default_summary(cause)), row.check_first, row.commands, context)
}

/// Renders the commands and appends the notes that apply.
fn build_advice(
    cause: Cause,
    summary: &'static str,
    check_first: &str,
    templates: &[&str],
    context: &FailureContext<'_>,
) -> Advice {
    let mut commands = commands::render_commands(templates, context);
    if commands.is_empty() {
        commands = commands::render_commands(&[defaults::DESCRIBE_POD], context);
    }
    let is_on_node = commands::need_node_shell(&commands);
    let added = advice_notes()
        .filter(|note| note.groups.contains(&cause.group()))
        .filter(|note| note.when.iter().all(|when| when.holds(context, is_on_node)))
        .map(|note| note.sentence);
    let check_first = std::iter::once(check_first).chain(added).collect::<Vec<_>>().join(" ");
    Advice { summary, check_first, commands }
}

/// Returns the summary for a cause that does not depend on the context.
pub fn default_summary(cause: Cause) -> &'static str {
    defaults::default_for_cause(cause).summary
}

/// Summary and first check for a failure whose status shows no error text.
pub const NO_ERROR_TEXT: (&str, &str) = (defaults::NO_ERROR_TEXT.summary, defaults::NO_ERROR_TEXT.check_first);

/// Returns the first check for a cause that does not depend on the context.
pub fn default_check_first(cause: Cause) -> &'static str {
    defaults::default_for_cause(cause).check_first
}
