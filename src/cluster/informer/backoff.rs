//! Request rate limit and exponential back-off.
//!
//! Hand-written because no retry library combines a request rate with per-cause counters that only progress resets,
//! without doing I/O or reading a clock.

use std::time::Duration;

use super::elapsed::Elapsed;
use crate::watch_restart_cause::WatchRestartCause;

/// Average time between requests, except those that continue a successful response. One request may be sent early,
/// since resuming a watch takes two.
pub(in crate::cluster) const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum delay after the first failure of a cause. Doubles with each further failure.
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum delay, unless the server requests more.
pub(in crate::cluster) const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Maximum honored `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Full-jitter exponential back-off, counted per cause.
#[derive(Debug)]
pub(super) struct Backoff {
    /// Failures of each cause since the last progress.
    failures: [u32; WatchRestartCause::ALL.len()],
    not_before: Elapsed,
    /// Until when the requests sent so far use up the rate.
    rate_used_until: Elapsed,
    rng_state: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: [0; WatchRestartCause::ALL.len()],
            not_before: Elapsed::ZERO,
            rate_used_until: Elapsed::ZERO,
            rng_state: seed,
        }
    }

    /// Schedules the next request after a failure. `retry_after` is the delay that the server requested.
    pub(super) fn record_failure(&mut self, cause: WatchRestartCause, retry_after: Option<Duration>, now: Elapsed) {
        let Some(count) = self.failures.get_mut(cause as usize) else { return };
        let longest = INITIAL_BACKOFF.saturating_mul(2_u32.saturating_pow(*count)).min(MAX_BACKOFF);
        *count = count.saturating_add(1);
        let pause = longest.mul_f64(self.random_fraction()).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        self.not_before = now + pause;
    }

    /// Returns the number of failures of this cause since the last progress.
    pub(super) fn consecutive_failures(&self, cause: WatchRestartCause) -> u32 {
        self.failures.get(cause as usize).copied().unwrap_or(0)
    }

    /// Resets all failure counts after progress.
    pub(super) fn reset(&mut self) {
        self.failures = [0; WatchRestartCause::ALL.len()];
    }

    /// Returns the earliest time of the next request, unless that continues a successful response.
    pub(super) fn next_request_at(&self) -> Elapsed {
        self.not_before.max(self.rate_used_until.saturating_sub(REQUEST_INTERVAL))
    }

    /// Records that a request was sent.
    pub(super) fn record_request(&mut self, now: Elapsed) {
        // Continuation requests do not delay later ones.
        self.rate_used_until = (self.rate_used_until.max(now) + REQUEST_INTERVAL).min(now + 2 * REQUEST_INTERVAL);
    }

    /// Returns a random number between 0 and 1 (splitmix64).
    pub(super) fn random_fraction(&mut self) -> f64 {
        self.rng_state = self.rng_state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.rng_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}
