//! Errors of a web configuration file.

use std::fmt;
use std::path::PathBuf;

use serde_saphyr::Location;

/// The problems of an invalid file.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidWebConfig {
    pub(super) path: PathBuf,
    pub(super) problems: Vec<ConfigProblem>,
}

/// A problem of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigProblem {
    /// Line and column, from 1. `None` if the problem concerns the whole file.
    pub(super) position: Option<(u64, u64)>,
    pub(super) text: String,
}

impl ConfigProblem {
    /// A problem of the whole file.
    pub(super) fn of_file(text: impl Into<String>) -> Self {
        Self { position: None, text: text.into() }
    }

    /// A problem at a location in the file.
    pub(super) fn at(location: Location, text: impl Into<String>) -> Self {
        Self { position: Some((location.line(), location.column())), text: text.into() }
    }
}

impl InvalidWebConfig {
    /// Returns a line per problem, in the format of compilers.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.problems.iter().map(|problem| match problem.position {
            Some((line, column)) => format!("{}:{line}:{column}: {}", self.path.display(), problem.text),
            None => format!("{}: {}", self.path.display(), problem.text),
        })
    }
}

impl fmt::Display for InvalidWebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for InvalidWebConfig {}
