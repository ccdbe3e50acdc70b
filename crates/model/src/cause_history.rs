//! Tells a cause that returns from one that begins.
//!
//! Errors of one fault alternate: a registry that goes down times out at one attempt and refuses the connection at the
//! next, a kubelet that was restarted exceeds its own limit on pulls once. A cause that returns after at most
//! `MAX_ATTEMPTS` failed attempts with other causes has lasted all the while: both are one stretch.

use super::cause::Cause;
use super::provenance::Provenance;
use super::time::Timestamp;

/// Failed attempts with other causes after which a cause that returns begins anew.
const MAX_OTHER_ATTEMPTS: u8 = 2;
/// Causes remembered. Two attempts replace two causes at most; only errors outside an attempt can replace more.
const CAPACITY: usize = 2;

/// The start of a failure's present cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseStart {
    /// When the cause began, or when it was first seen: never earlier than it began.
    pub at: Timestamp,
    /// Whether it was seen to begin. Otherwise it may have lasted longer.
    pub is_observed: bool,
}

impl CauseStart {
    /// A cause that a status shows for the first time at `now`.
    #[must_use]
    pub(super) fn first_seen(provenance: Provenance, now: Timestamp) -> Self {
        Self { at: now, is_observed: provenance.is_observed() }
    }

    /// How it is known: `observed`, or `found` where nobody watched the cause begin.
    #[must_use]
    pub const fn basis(self) -> &'static str {
        if self.is_observed { "observed" } else { "found" }
    }
}

/// The causes that a failure had before its present one and that may return.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CauseHistory([Option<PastCause>; CAPACITY]);

#[derive(Clone, Copy, Debug, PartialEq)]
struct PastCause {
    cause: Cause,
    start: CauseStart,
    /// Failed attempts since with other causes.
    other_attempts: u8,
}

impl CauseHistory {
    /// Replaces the cause `old`, which began at `since`, by `new`. Returns the start of `new` if it returns.
    pub(super) fn replace(&mut self, old: Cause, since: CauseStart, new: Cause) -> Option<CauseStart> {
        let Self([newest, oldest]) = *self;
        let returns = [newest, oldest].into_iter().flatten().find(|stretch| stretch.cause == new);
        let kept = if newest.is_some_and(|stretch| stretch.cause == new) { oldest } else { newest };
        *self = Self([Some(PastCause { cause: old, start: since, other_attempts: 0 }), kept]);
        returns.map(|stretch| stretch.start)
    }

    /// The cause that the present one replaced, if it may return.
    pub(super) fn newest(&self) -> Option<Cause> {
        let Self([newest, _]) = self;
        newest.map(|stretch| stretch.cause)
    }

    /// Counts a failed attempt with the present cause.
    pub(super) fn record_attempt(&mut self) {
        let Self(stretches) = self;
        for stretch in stretches {
            *stretch = stretch
                .map(|stretch| PastCause { other_attempts: stretch.other_attempts + 1, ..stretch })
                .filter(|stretch| stretch.other_attempts <= MAX_OTHER_ATTEMPTS);
        }
    }
}
