//! Errors in scripts.

/// An error in a script, with its line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The error in that line.
    pub problem: ScriptProblem,
}

/// An error in a line of a script.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptProblem {
    /// An indented line with nothing to continue.
    #[error("nothing above to continue (begin the line with a time, or unindent it)")]
    NothingToContinue,
    /// A quote that does not end on its line.
    #[error("quote without end (close it with \" on the same line)")]
    UnclosedQuote,
    /// The first word is not a time.
    #[error("\"{0}\" is no time (write -20m, 90s, 1h5m or 00:30)")]
    InvalidTime(String),
    /// The second word is not a verb.
    #[error(
        "unknown verb \"{0}\" (verbs are pod, ephemeral, patch, crash, delete, image, registry, node, sandbox, secret, kubelet, restart-kubelet, \
         hang-kubelet)"
    )]
    UnknownVerb(String),
    /// The line ends too early.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// There is a word too many.
    #[error("unexpected \"{0}\" (quote a value that has blanks, unindent a line of its own)")]
    Unexpected(String),
    /// An option this line does not take.
    #[error("unknown option \"{option}\" (known here: {known})")]
    UnknownOption {
        /// The option as written.
        option: String,
        /// The options there are.
        known: String,
    },
    /// A value that cannot be read.
    #[error("{what} cannot be \"{value}\" (write {expected})")]
    InvalidValue {
        /// The option that has the value.
        what: &'static str,
        /// The value as written.
        value: String,
        /// A description of valid values.
        expected: &'static str,
    },
}
