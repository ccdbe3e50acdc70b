//! Holds what is said about a cause in a place of a kind. The first row whose conditions all hold speaks; where none does,
//! `texts` has what holds everywhere.

mod credentials;
mod network;
mod node;

use super::place::When;
use crate::cause::{Cause, CauseGroup};

/// An advice for some causes in places of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The causes that it is for.
    pub causes: &'static [Cause],
    /// What must hold, all of it.
    pub when: &'static [When],
    /// What is wrong, where it is known better than by the cause.
    pub summary: Option<&'static str>,
    /// What to look at first.
    pub check_first: &'static str,
    /// Templates of commands, most useful first.
    pub commands: &'static [&'static str],
    /// Where this is known from.
    pub source: &'static str,
}

/// A sentence that is added to the advice for the causes of some groups.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// The groups that it is for.
    pub groups: &'static [CauseGroup],
    /// What must hold, all of it.
    pub when: &'static [When],
    /// The sentence.
    pub sentence: &'static str,
    /// Where this is known from.
    pub source: &'static str,
}

/// Returns every row, in the order in which they are asked.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [credentials::ROWS, network::ROWS, node::ROWS].into_iter().flatten()
}

/// Returns every note.
pub fn notes() -> impl Iterator<Item = &'static Note> {
    node::NOTES.iter()
}
