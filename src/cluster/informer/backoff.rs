//! Says how soon to ask again: never fast, and slower the longer the same thing goes wrong.

use std::time::Duration;

use super::Elapsed;
use crate::cluster::WatchRestartCause;

/// Average time between two requests, save those that continue what just went well. One request may come early, since a
/// watch that is resumed takes two.
pub(in crate::cluster) const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause after a first fault of a kind; it doubles with each further one.
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause of all, unless the server asks for more.
pub(in crate::cluster) const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A server that asks for more than this is not listened to.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Full-jitter exponential back-off, for each kind of fault its own.
#[derive(Debug)]
pub(super) struct Backoff {
    /// How often each kind has happened since the last progress.
    failures: [u32; WatchRestartCause::ALL.len()],
    not_before: Elapsed,
    /// Up to when the requests so far use the rate up.
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

    /// Takes a fault; the server may have said for how long it wants to be left alone.
    pub(super) fn record_failure(&mut self, cause: WatchRestartCause, wish: Option<Duration>, now: Elapsed) {
        let Some(count) = self.failures.get_mut(cause as usize) else { return };
        let longest = INITIAL_BACKOFF.saturating_mul(2_u32.saturating_pow(*count)).min(MAX_BACKOFF);
        *count = count.saturating_add(1);
        let pause = longest.mul_f64(self.random_fraction()).max(wish.unwrap_or_default().min(MAX_RETRY_AFTER));
        self.not_before = now + pause;
    }

    /// How often this has happened since the last progress.
    pub(super) fn consecutive_failures(&self, cause: WatchRestartCause) -> u32 {
        self.failures.get(cause as usize).copied().unwrap_or(0)
    }

    /// Forgets what went wrong: the watch has moved on.
    pub(super) fn reset(&mut self) {
        self.failures = [0; WatchRestartCause::ALL.len()];
    }

    /// When to ask next, if what is to be asked does not continue what just went well.
    pub(super) fn next_request_at(&self) -> Elapsed {
        self.not_before.max(self.rate_used_until.saturating_sub(REQUEST_INTERVAL))
    }

    /// Notes that a request was sent.
    pub(super) fn record_request(&mut self, now: Elapsed) {
        // Those that continue what went well are not to be waited for afterwards.
        self.rate_used_until = (self.rate_used_until.max(now) + REQUEST_INTERVAL).min(now + 2 * REQUEST_INTERVAL);
    }

    /// A number between 0 and 1, by splitmix64.
    pub(super) fn random_fraction(&mut self) -> f64 {
        self.rng_state = self.rng_state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.rng_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}
