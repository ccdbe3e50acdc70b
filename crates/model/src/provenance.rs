//! How a fact about a pod is known: seen as it happened, found after a time in which nobody watched, or found at the
//! start.

use super::time::Timestamp;

/// How the change that a status shows is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The status before this one was seen too: what is new in this one happened just now.
    Observed,
    /// The watch was interrupted: what is new happened at some time after this one, at which the view was complete.
    FoundAfter(Timestamp),
    /// Nothing was known before: what is new may have happened at any time.
    Initial,
}

impl Provenance {
    /// Whether the change was seen as it happened.
    #[must_use]
    pub fn is_observed(self) -> bool {
        self == Self::Observed
    }

    /// When the view was last complete before the change, where it was not seen as it happened.
    #[must_use]
    pub const fn not_before(self) -> Option<Timestamp> {
        match self {
            Self::FoundAfter(complete_at) => Some(complete_at),
            Self::Observed | Self::Initial => None,
        }
    }
}
