//! Counters of rejected requests and connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reason why a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Missing or invalid credentials of this authentication scheme.
    Unauthenticated(&'static str),
    /// Valid credentials without permission.
    Forbidden,
    /// The rate limit is exceeded.
    RateLimited,
    /// Too many requests are waiting for a check of their credentials.
    QueueFull,
    /// The credentials cannot be checked.
    Unavailable,
}

/// Counters by reason, written by the server and read by the metrics.
#[derive(Debug, Default)]
pub struct RejectionCounters {
    unauthenticated: AtomicU64,
    forbidden: AtomicU64,
    rate_limited: AtomicU64,
    queue_full: AtomicU64,
    unavailable: AtomicU64,
    tls_handshake: AtomicU64,
    slow_reader: AtomicU64,
}

impl RejectionCounters {
    /// Returns the counts by the value of the label `reason`.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("unauthenticated", &self.unauthenticated),
            ("forbidden", &self.forbidden),
            ("rate_limited", &self.rate_limited),
            ("busy", &self.queue_full),
            ("unavailable", &self.unavailable),
            ("tls_handshake", &self.tls_handshake),
            ("slow_reader", &self.slow_reader),
        ]
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    pub(super) fn count(&self, rejection: Rejection) {
        let count = match rejection {
            Rejection::Unauthenticated(_) => &self.unauthenticated,
            Rejection::Forbidden => &self.forbidden,
            Rejection::RateLimited => &self.rate_limited,
            Rejection::QueueFull => &self.queue_full,
            Rejection::Unavailable => &self.unavailable,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a response that was aborted because its client read too slowly.
    pub(super) fn count_slow_reader(&self) {
        self.slow_reader.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a TLS handshake that failed or timed out.
    pub(super) fn count_tls_handshake(&self) {
        self.tls_handshake.fetch_add(1, Ordering::Relaxed);
    }
}
