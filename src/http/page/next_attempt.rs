//! The countdown to the next attempt.

use std::time::Duration;

use crate::present::format_age;
use image_pull_model::time::Timestamp;

/// The wait of the kubelet between two attempts.
pub(super) struct NextAttempt {
    pub(super) from_millis: i64,
    pub(super) until_millis: i64,
    /// Elapsed part of the wait.
    pub(super) percent: u64,
    pub(super) text: String,
}

impl NextAttempt {
    /// Returns `None` if the last or the next attempt is unknown.
    pub(super) fn new(last: Option<Timestamp>, next: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let (from, until) = (last?, next?);
        let (elapsed, total) =
            (now.saturating_duration_since(from), until.saturating_duration_since(from).max(Duration::from_millis(1)));
        let percent = (elapsed.as_millis() * 100 / total.as_millis()).min(100);
        let remaining = until.saturating_duration_since(now);
        let text = if remaining.is_zero() { "any moment".to_owned() } else { format!("in {}", format_age(remaining)) };
        Some(Self {
            from_millis: from.unix_millis(),
            until_millis: until.unix_millis(),
            percent: u64::try_from(percent).unwrap_or(100),
            text,
        })
    }
}
