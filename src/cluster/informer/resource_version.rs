//! Compares resource versions.

use std::fmt;

/// A resourceVersion: a decimal number that grows (KEP-5504), or something else that only its server understands.
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
    /// Whether this is older than `other`, as far as that can be told.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        matches!((self.number, other.number), (Some(own), Some(other)) if own < other)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
