//! Reads the time: the only place that asks the system for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use image_pull_model::time::Timestamp;

/// A clock to read the time from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The system's.
    System,
    /// One that is behind the system's and catches up with it, as a demo needs that shows an hour in a minute. It
    /// never passes the system's clock, so nothing ever lies in a scraper's future.
    CatchingUp {
        /// The system's time when it began.
        started_at: Timestamp,
        /// How far it was behind then.
        lag: Duration,
        /// How many times faster it runs until it has caught up.
        speed: f64,
    },
}

impl Clock {
    /// The time.
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

#[expect(clippy::disallowed_methods, reason = "somebody has to ask, and that is this module's job")]
fn system_time() -> Timestamp {
    // A clock before 1970 reads as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}
