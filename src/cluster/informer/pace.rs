//! Says how soon to ask again: never fast, and slower the longer the same thing goes wrong.

use std::time::Duration;

use super::Moment;
use crate::cluster::WatchRestartCause;

/// Average time between two requests, save those that continue what just went well. One request may come early, since a
/// watch that is resumed takes two.
pub(in crate::cluster) const SPACING: Duration = Duration::from_secs(1);
/// The longest pause after a first fault of a kind; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of all, unless the server asks for more.
pub(in crate::cluster) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that asks for more than this is not listened to.
const LONGEST_WISH: Duration = Duration::from_secs(60);

/// Full-jitter exponential back-off, for each kind of fault its own.
#[derive(Debug)]
pub(super) struct Pace {
    /// How often each kind has happened since the last progress.
    faults: [u32; WatchRestartCause::ALL.len()],
    not_before: Moment,
    /// Up to when the requests so far use the rate up.
    used_until: Moment,
    random: u64,
}

impl Pace {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            faults: [0; WatchRestartCause::ALL.len()],
            not_before: Moment::ZERO,
            used_until: Moment::ZERO,
            random: seed,
        }
    }

    /// Takes a fault; the server may have said for how long it wants to be left alone.
    pub(super) fn failed(&mut self, cause: WatchRestartCause, wish: Option<Duration>, now: Moment) {
        let Some(count) = self.faults.get_mut(cause as usize) else { return };
        let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(*count)).min(LONGEST_PAUSE);
        *count = count.saturating_add(1);
        let pause = longest.mul_f64(self.fraction()).max(wish.unwrap_or_default().min(LONGEST_WISH));
        self.not_before = now + pause;
    }

    /// How often this has happened since the last progress.
    pub(super) fn count(&self, cause: WatchRestartCause) -> u32 {
        self.faults.get(cause as usize).copied().unwrap_or(0)
    }

    /// Forgets what went wrong: the watch has moved on.
    pub(super) fn progressed(&mut self) {
        self.faults = [0; WatchRestartCause::ALL.len()];
    }

    /// When to ask next, if what is to be asked does not continue what just went well.
    pub(super) fn next(&self) -> Moment {
        self.not_before.max(self.used_until.saturating_sub(SPACING))
    }

    /// Notes that a request was sent.
    pub(super) fn asked(&mut self, now: Moment) {
        // Those that continue what went well are not to be waited for afterwards.
        self.used_until = (self.used_until.max(now) + SPACING).min(now + 2 * SPACING);
    }

    /// A number between 0 and 1, by splitmix64.
    pub(super) fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}
