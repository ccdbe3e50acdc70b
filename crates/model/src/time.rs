//! Timestamps. Callers read the clock.

use std::time::Duration;

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The time `seconds` after the Unix epoch, rounded to milliseconds; `None` if `seconds` is not finite or is more than
    /// 100,000 years from the epoch.
    #[must_use]
    pub fn from_unix_seconds(seconds: f64) -> Option<Self> {
        const LIMIT: f64 = 3.2e12;
        #[expect(clippy::cast_possible_truncation, reason = "within ±3.2e15, which an i64 holds")]
        (seconds.abs() < LIMIT).then(|| Self((seconds * 1000.0).round() as i64))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, as in metrics.
    #[must_use]
    pub fn unix_seconds(self) -> f64 {
        let millis = self.0 as f64;
        millis / 1000.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later, because clocks of machines differ.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The time `duration` after `self`.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The time `duration` before `self`.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
