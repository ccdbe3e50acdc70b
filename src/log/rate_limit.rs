//! Limits the rate of log lines per callsite.
//!
//! The number of failures in a cluster would otherwise determine the log volume. Suppressed lines are counted, and a
//! summary each minute names them. Hand-written because tracing-subscriber has no rate limit; a token bucket takes a
//! few lines.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of a callsite that may be written at once.
const BURST: u32 = 200;
/// Interval at which a callsite regains one line.
const REFILL_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum length of a message in a summary, in bytes.
const MAX_MESSAGE_BYTES: usize = 80;

/// Counts lines by callsite.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    /// The number of callsites is fixed at compile time.
    callsites: Mutex<HashMap<Identifier, CallsiteState>>,
    suppressed: AtomicU64,
}

#[derive(Debug)]
struct CallsiteState {
    bucket: TokenBucket,
    /// Lines suppressed since the last summary.
    suppressed: u64,
    /// Message of the first suppressed line.
    message: String,
}

/// A token bucket.
#[derive(Debug)]
struct TokenBucket {
    tokens: u32,
    refilled: Instant,
}

impl TokenBucket {
    fn full(now: Instant) -> Self {
        Self { tokens: BURST, refilled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.refilled).as_millis() / REFILL_INTERVAL.as_millis();
        let fresh = u32::try_from(passed).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(fresh).min(BURST);
        self.refilled = if self.tokens == BURST { now } else { self.refilled + REFILL_INTERVAL * fresh };
        let has_token = self.tokens > 0;
        self.tokens -= u32::from(has_token);
        has_token
    }
}

impl RateLimiter {
    /// Logs the number of lines suppressed since the last summary, by callsite.
    pub(super) fn summarize(&self) {
        let mut kinds = self.callsites.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = kinds.values_mut().filter(|kind| kind.suppressed > 0);
        let left_out: Vec<_> =
            left_out.map(|kind| (std::mem::take(&mut kind.suppressed), kind.message.clone())).collect();
        drop(kinds);
        for (lines, kind) in left_out {
            tracing::warn!(kind, lines, "log lines suppressed by the rate limit");
        }
    }

    /// Returns the number of lines suppressed so far.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    fn allows(&self, kind: Identifier, now: Instant, message: impl FnOnce() -> String) -> bool {
        let mut kinds = self.callsites.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || CallsiteState { bucket: TokenBucket::full(now), suppressed: 0, message: String::new() };
        let kind = kinds.entry(kind).or_insert_with(new);
        if kind.bucket.take(now) {
            return true;
        }
        if kind.suppressed == 0 {
            kind.message = message();
        }
        kind.suppressed += 1;
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        false
    }
}

impl<S: Subscriber> Layer<S> for &'static RateLimiter {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Debug and trace lines are enabled on purpose and not limited.
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        self.allows(event.metadata().callsite(), Instant::now(), || message_of(event))
    }
}

fn message_of(event: &Event<'_>) -> String {
    let mut message = MessageVisitor(String::new());
    event.record(&mut message);
    let MessageVisitor(mut message) = message;
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    message
}

/// Extracts the field `message`.
struct MessageVisitor(String);

impl Visit for MessageVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests;
