//! Logs failures and unexpected input, each text once.

use std::collections::HashSet;

use tracing::{info, warn};

use crate::cluster::WatchFailure;
use crate::cluster::wire::UndecodableObject;
use image_pull_model::effect::FailureSubject;
use image_pull_model::facts::ExceededLimits;
use image_pull_model::failure_event::FailureEvent;
use image_pull_model::redact::redact;

/// Maximum number of stored texts of a kind, to log each once.
const MAX_STORED_TEXTS: usize = 1000;
/// Maximum length of a text from the cluster in a log line.
const MAX_LOGGED_BYTES: usize = 512;

/// The texts that have been logged, by kind.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    unknown_reasons: SeenTexts,
    undecodable: SeenTexts,
    oversized: SeenTexts,
    unclassified: SeenTexts,
}

impl EventLog {
    /// Logs a pod that exceeds the decoding limits.
    pub(super) fn log_oversized_pod(&mut self, namespace: &str, pod: &str, exceeded: ExceededLimits) {
        if self.oversized.insert(&format!("{namespace}/{pod}")) {
            let ExceededLimits { texts, elements } = exceeded;
            warn!(namespace, pod, texts, elements, "pod exceeds limits: texts truncated, elements omitted");
        }
    }

    /// Logs an object that cannot be decoded.
    pub(super) fn log_undecodable(&mut self, object: &UndecodableObject) {
        let error = object.to_string();
        if self.undecodable.insert(&error) {
            warn!(error = loggable(&error), "object skipped");
        }
    }

    /// Logs a waiting reason that the model does not list. Returns whether it is new.
    pub(super) fn log_unknown_reason(&mut self, reason: &str) -> bool {
        let is_new = self.unknown_reasons.insert(reason);
        if is_new {
            warn!(reason = loggable(reason), "waiting reason unknown");
        }
        is_new
    }

    /// Logs the start and end of a failure, and errors without a known cause.
    pub(super) fn log_failure_event(&mut self, subject: &FailureSubject, event: &FailureEvent) {
        let FailureSubject { pod, container, registry } = subject;
        let (namespace, pod) = (&pod.namespace, &pod.name);
        match event {
            FailureEvent::Started => info!(namespace, pod, container, registry, "failure started"),
            FailureEvent::Ended { outcome, duration, .. } => {
                let (outcome, seconds) = (outcome.as_str(), duration.as_secs());
                info!(namespace, pod, container, registry, outcome, seconds, "failure ended");
            }
            FailureEvent::Unclassified(message) => {
                if self.unclassified.insert(message) {
                    warn!(namespace, pod, container, error = loggable(message), "cause unknown");
                }
            }
            FailureEvent::StatusChanged(..) | FailureEvent::AttemptFailed(_) | FailureEvent::IntervalMeasured(_) => {}
        }
    }
}

/// Logs a failed watch.
pub(super) fn log_watch_failure(failure: &WatchFailure) {
    warn!(cause = failure.cause.as_str(), error = loggable(&failure.error), "watch failed");
}

/// Logs that the Events of a scope cannot be read, so that their watch ends.
pub(super) fn log_events_refused(failure: &WatchFailure) {
    warn!(error = loggable(&failure.error), "Events are not read until a restart: access is forbidden");
}

/// Redacts and truncates a text from the cluster for logs.
pub(super) fn loggable(text: &str) -> String {
    truncated(&redact(text)).to_owned()
}

fn truncated(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LOGGED_BYTES)).unwrap_or_default()
}

/// The texts that have been logged, to log each once. Cleared when full.
#[derive(Debug, Default)]
struct SeenTexts(HashSet<String>);

impl SeenTexts {
    /// Returns whether the text is new.
    fn insert(&mut self, text: &str) -> bool {
        if self.0.len() >= MAX_STORED_TEXTS {
            self.0.clear();
        }
        self.0.insert(truncated(text).to_owned())
    }
}
