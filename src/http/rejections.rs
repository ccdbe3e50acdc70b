//! Counts who was not answered, by why.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Without credentials of this scheme, or with wrong ones.
    Unauthenticated(&'static str),
    /// With credentials that do not suffice.
    Forbidden,
    /// The rate limit is reached.
    RateLimited,
    /// Too many credentials are being checked.
    QueueFull,
    /// Credentials cannot be checked.
    Unavailable,
}

/// How many were refused, shared by those who refuse and those who tell.
#[derive(Debug, Default)]
pub struct RejectionCounters {
    unauthenticated: AtomicU64,
    forbidden: AtomicU64,
    rate_limited: AtomicU64,
    busy: AtomicU64,
    unavailable: AtomicU64,
    tls_handshake: AtomicU64,
    slow_reader: AtomicU64,
}

impl RejectionCounters {
    /// Returns the numbers, with the values of the label `reason`.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("unauthenticated", &self.unauthenticated),
            ("forbidden", &self.forbidden),
            ("rate_limited", &self.rate_limited),
            ("busy", &self.busy),
            ("unavailable", &self.unavailable),
            ("tls_handshake", &self.tls_handshake),
            ("slow_reader", &self.slow_reader),
        ]
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    pub(super) fn count(&self, refusal: Rejection) {
        let count = match refusal {
            Rejection::Unauthenticated(_) => &self.unauthenticated,
            Rejection::Forbidden => &self.forbidden,
            Rejection::RateLimited => &self.rate_limited,
            Rejection::QueueFull => &self.busy,
            Rejection::Unavailable => &self.unavailable,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a response that was cut off because its client read it too slowly.
    pub(super) fn count_slow_reader(&self) {
        self.slow_reader.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection whose TLS handshake failed or took too long.
    pub(super) fn count_tls_handshake(&self) {
        self.tls_handshake.fetch_add(1, Ordering::Relaxed);
    }
}
