//! Advice rules: advice for a cause in a specific context. The first rule whose conditions all hold applies. Otherwise,
//! `defaults` has the advice for the cause.

mod credentials;
mod network;
mod node;

use super::rule::{AdviceNote, AdviceRule};

/// Returns all rules in the order in which they are tried.
pub fn advice_rules() -> impl Iterator<Item = &'static AdviceRule> {
    [credentials::RULES, network::RULES, node::RULES].into_iter().flatten()
}

/// Returns all notes.
pub fn advice_notes() -> impl Iterator<Item = &'static AdviceNote> {
    node::NOTES.iter()
}
