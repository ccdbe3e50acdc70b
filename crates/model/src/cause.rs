//! Classifies the error text of a failed image pull by cause.
//!
//! The kubelet forwards error texts of runtimes, and runtimes forward those of registries. None of them is a stable
//! interface. A table of [`Rule`]s lists the known texts with their sources, specific texts before generic ones. A text
//! that no rule matches has the cause [`Cause::Unknown`]: no cause is better than a wrong one.

mod classify;
mod error_text;
mod failing_host;
mod rule;
mod rules;
mod taxonomy;
#[cfg(test)]
mod tests;

pub(crate) use classify::is_same_error;
pub use classify::{Classification, Hop, classify, classify_with_host, has_no_error_text, hops, is_bare_backoff};
pub use failing_host::{FailingHost, HostKind};
pub use rule::Rule;
pub use taxonomy::{Cause, CauseGroup};
