//! The causes of one failure over time.
//!
//! The errors of one fault often alternate. A registry that goes down times out at one attempt and refuses the connection
//! at the next; a kubelet that restarts exceeds its own pull limit once. A cause that returns after at most
//! [`MAX_OTHER_ATTEMPTS`] failed attempts with other causes therefore keeps its first start.

use super::cause::{Cause, FailingHost};
use super::provenance::Provenance;
use super::time::Timestamp;

/// Failed attempts with other causes after which a returning cause gets a new start.
const MAX_OTHER_ATTEMPTS: u8 = 2;
/// Number of past causes kept. `MAX_OTHER_ATTEMPTS` attempts replace at most two causes. Only errors outside an attempt
/// can replace more.
const CAPACITY: usize = 2;

/// The start of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseStart {
    /// When the cause began or was first seen. Never earlier than its real start.
    pub at: Timestamp,
    /// Whether the start was observed. Otherwise the cause may have begun earlier.
    pub is_observed: bool,
}

impl CauseStart {
    /// The start of a cause that a status shows for the first time at `now`.
    pub(super) fn first_seen(provenance: Provenance, now: Timestamp) -> Self {
        Self { at: now, is_observed: provenance.is_observed() }
    }

    /// `observed` if the start was observed, else `found`.
    #[must_use]
    pub const fn basis(self) -> &'static str {
        if self.is_observed { "observed" } else { "found" }
    }
}

/// A cause inferred from another container's error text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferredCause {
    /// Cause of the other container.
    pub cause: Cause,
    /// Host that failed.
    pub host: Option<FailingHost>,
    /// When the cause began in the other container.
    pub since: CauseStart,
}

/// The causes that the current one replaced and that may return.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CauseHistory([Option<PastCause>; CAPACITY]);

#[derive(Clone, Copy, Debug, PartialEq)]
struct PastCause {
    cause: Cause,
    start: CauseStart,
    /// Failed attempts with other causes since then.
    other_attempts: u8,
}

impl CauseHistory {
    /// Records that `new` replaces `old`, which began at `start`. Returns the start of `new` if it is a returning cause.
    pub(super) fn replace(&mut self, old: Cause, start: CauseStart, new: Cause) -> Option<CauseStart> {
        let Self([newest, oldest]) = *self;
        let returning = [newest, oldest].into_iter().flatten().find(|past| past.cause == new);
        let kept = if newest.is_some_and(|past| past.cause == new) { oldest } else { newest };
        *self = Self([Some(PastCause { cause: old, start, other_attempts: 0 }), kept]);
        returning.map(|past| past.start)
    }

    /// The cause that the current one replaced, if it may return.
    pub(super) fn newest(&self) -> Option<Cause> {
        let Self([newest, _]) = self;
        newest.map(|past| past.cause)
    }

    /// Counts a failed attempt with the current cause.
    pub(super) fn record_attempt(&mut self) {
        let Self(causes) = self;
        for past in causes {
            *past = past
                .map(|past| PastCause { other_attempts: past.other_attempts + 1, ..past })
                .filter(|past| past.other_attempts <= MAX_OTHER_ATTEMPTS);
        }
    }
}
