//! The advice rule and the advice note.

use super::conditions::Condition;
use crate::cause::{Cause, CauseGroup};

/// Advice for some causes under some conditions.
#[derive(Clone, Copy, Debug)]
pub struct AdviceRule {
    /// Causes that the rule applies to.
    pub causes: &'static [Cause],
    /// Conditions; all must hold.
    pub when: &'static [Condition],
    /// Sentence on what is wrong and who must act; `None` for the default summary of the cause.
    pub summary: Option<&'static str>,
    /// What to check first.
    pub check_first: &'static str,
    /// Command templates, most useful first.
    pub commands: &'static [&'static str],
    /// Source of the advice: documentation, source code or an issue.
    pub source: &'static str,
}

/// A sentence appended to the advice for all causes of some groups.
#[derive(Clone, Copy, Debug)]
pub struct AdviceNote {
    /// Cause groups that the note applies to.
    pub groups: &'static [CauseGroup],
    /// Conditions; all must hold.
    pub when: &'static [Condition],
    /// The sentence to append.
    pub sentence: &'static str,
    /// Source of the advice: documentation, source code or an issue.
    pub source: &'static str,
}
