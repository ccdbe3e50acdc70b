//! The clock of the exporter. Only this module reads the system time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use image_pull_model::time::Timestamp;

/// A source of the current time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The system clock.
    System,
    /// A clock that starts behind the system clock and runs faster until it catches up, so that the demo shows an hour
    /// in a minute. It is never ahead of the system clock, so no timestamp is in a scraper's future.
    CatchingUp {
        /// System time at which the clock started.
        started_at: Timestamp,
        /// Initial distance to the system clock.
        lag: Duration,
        /// Speed relative to the system clock until it has caught up.
        speed: f64,
    },
}

impl Clock {
    /// Returns the current time.
    #[must_use]
    pub fn now(self) -> Timestamp {
        let now = system_time();
        match self {
            Self::System => now,
            Self::CatchingUp { started_at: began, lag: behind, speed } => {
                let run = now.saturating_duration_since(began).mul_f64(speed);
                began.saturating_sub(behind).saturating_add(run).min(now)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place that reads the system time")]
fn system_time() -> Timestamp {
    // Times before 1970 read as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}
