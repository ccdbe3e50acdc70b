//! Comparable resource versions.

use std::fmt;

/// A resourceVersion: an increasing decimal number (KEP-5504), or an opaque text of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResourceVersion {
    text: String,
    number: Option<u128>,
}

impl From<String> for ResourceVersion {
    fn from(text: String) -> Self {
        Self { number: text.parse().ok(), text }
    }
}

impl ResourceVersion {
    /// Returns whether both are numbers and this one is older than `other`.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        matches!((self.number, other.number), (Some(own), Some(other)) if own < other)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
