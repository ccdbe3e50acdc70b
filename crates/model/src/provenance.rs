//! The provenance of a change: observed as it happened, found after a gap in the watch, or found by the first list.

use super::time::Timestamp;

/// The provenance of the change that a status shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The previous status was received too, so the change happened just now.
    Observed,
    /// The watch had a gap. The change happened after this time, when the view was last complete.
    FoundAfter(Timestamp),
    /// No earlier status is known. The change may have happened at any time.
    Initial,
}

impl Provenance {
    /// Whether the change was observed as it happened.
    #[must_use]
    pub fn is_observed(self) -> bool {
        self == Self::Observed
    }

    /// The earliest possible time of the change; `None` if it was observed or has no lower bound.
    #[must_use]
    pub const fn not_before(self) -> Option<Timestamp> {
        match self {
            Self::FoundAfter(complete_at) => Some(complete_at),
            Self::Observed | Self::Initial => None,
        }
    }
}
