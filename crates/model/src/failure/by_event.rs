//! Evidence from the kubelet's Events: failures of the sandbox image, error texts that the status lacks, and missing pull
//! secrets.

use std::sync::Arc;
use std::time::Duration;

use strum::IntoStaticStr;

use super::{Failure, intern_host};
use crate::backoff::ImageBackOff;
use crate::cause::{Cause, Classification, classify_with_host};
use crate::cause_history::{CauseHistory, CauseStart};
use crate::failure_event::FailureEvent;
use crate::failure_start::{FailureStart, StartBasis};
use crate::image::{ImageReference, PullPolicy};
use crate::intern::Interners;
use crate::provenance::Provenance;
use crate::reason::{ImageState, WaitingReason};
use crate::time::Timestamp;

/// Maximum number of attempts that are counted for one Event. A kubelet writes at least every 5 minutes, after about 30 attempts.
const MAX_ATTEMPTS_PER_EVENT: u32 = 100;
/// Maximum time from an Event to the start of the failure that it is about.
const MAX_LEAD: Duration = Duration::from_secs(60);

/// The source of the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CauseBasis {
    /// The container's own status.
    Status,
    /// The error text of another container with the same image.
    OtherContainer,
    /// An Event of the kubelet.
    Event,
}

impl CauseBasis {
    /// Returns the value of the field `cause_basis`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The error text of an Event about a pull.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventError<'a> {
    /// The error text.
    pub(crate) text: &'a str,
    /// `firstTimestamp`, not later than now.
    pub(crate) first_at: Timestamp,
    /// `lastTimestamp`, not later than now.
    pub(crate) last_at: Timestamp,
    /// By how much the count of the Event grew.
    pub(crate) growth: u32,
    /// Whether the Event happened just now.
    pub(crate) is_observed: bool,
}

impl EventError<'_> {
    fn provenance(self) -> Provenance {
        if self.is_observed { Provenance::Observed } else { Provenance::Initial }
    }
}

impl Failure {
    /// Opens a failure of the sandbox image, which no status shows.
    pub(crate) fn open_sandbox(
        image: &str,
        error: EventError<'_>,
        now: Timestamp,
        pools: &mut Interners,
    ) -> (Self, Vec<FailureEvent>) {
        let image = pools.images.intern(Arc::new(ImageReference::parse(image)));
        let reason = WaitingReason::FailedCreatePodSandBox;
        let Classification { cause, host } = classify_with_host(reason.as_str(), error.text, &image);
        let mut failure = Self {
            start: if error.is_observed && error.growth == 1 && error.first_at == error.last_at {
                FailureStart::observed(now)
            } else {
                FailureStart { at: error.first_at, basis: StartBasis::Event }
            },
            pending_since: None,
            registry: pools.texts.intern(image.registry()),
            image,
            policy: PullPolicy::IfNotPresent,
            has_run_image: false,
            reason,
            message: pools.texts.intern(error.text),
            own_cause: cause,
            own_cause_start: CauseStart::first_seen(error.provenance(), now),
            cause_history: CauseHistory::default(),
            own_host: host.as_ref().map(|host| intern_host(host, pools)),
            inferred: None,
            attempts: 0,
            image_state: ImageState::NoImage(reason),
            backoff: ImageBackOff::unknown(),
            restart_count: 0,
            last_finished_at: None,
            has_clock_step: false,
            last_event_at: Some(error.last_at),
            is_secret_missing: false,
        };
        let mut events = vec![FailureEvent::Started, failure.status_changed()];
        failure.report_unclassified(&mut events);
        failure.record_sandbox_attempts(1, &mut events);
        (failure, events)
    }

    /// Applies another Event to a failure of the sandbox image.
    pub(crate) fn observe_sandbox_event(
        &mut self,
        error: EventError<'_>,
        now: Timestamp,
        pools: &mut Interners,
    ) -> Vec<FailureEvent> {
        let mut events = Vec::new();
        if self.last_event_at.is_none_or(|last| last <= error.last_at) {
            self.last_event_at = Some(error.last_at);
            if self.set_error_text(error, now, pools) {
                self.report_unclassified(&mut events);
                events.push(self.status_changed());
            }
        }
        self.record_sandbox_attempts(error.growth, &mut events);
        events
    }

    fn record_sandbox_attempts(&mut self, attempts: u32, events: &mut Vec<FailureEvent>) {
        for _ in 0..attempts.min(MAX_ATTEMPTS_PER_EVENT) {
            self.attempts = self.attempts.saturating_add(1);
            self.cause_history.record_attempt();
            events.push(FailureEvent::AttemptFailed(self.own_cause));
        }
    }

    /// Whether the failure lacks an error text that an Event of this time can have: the status has none, or an earlier Event had
    /// it.
    pub(crate) fn needs_error_text(&self, last_at: Timestamp) -> bool {
        let is_new = self.last_event_at.is_none_or(|last| last < last_at);
        let is_of_failure = last_at.saturating_add(MAX_LEAD) >= self.start.at;
        (self.has_no_error_text() || self.last_event_at.is_some()) && is_new && is_of_failure
    }

    /// Applies the error text of an Event to a failure whose status has none.
    pub(crate) fn apply_error_text(
        &mut self,
        error: EventError<'_>,
        now: Timestamp,
        pools: &mut Interners,
    ) -> Vec<FailureEvent> {
        self.last_event_at = Some(error.last_at);
        let mut events = Vec::new();
        if self.set_error_text(error, now, pools) {
            self.report_unclassified(&mut events);
        }
        events
    }

    /// Stores the error text of an Event. Returns whether it is another one.
    fn set_error_text(&mut self, error: EventError<'_>, now: Timestamp, pools: &mut Interners) -> bool {
        if *self.message == *error.text {
            return false;
        }
        self.message = pools.texts.intern(error.text);
        let reason = WaitingReason::ErrImagePull.as_str();
        let Classification { cause, host } = classify_with_host(reason, error.text, &self.image);
        self.own_host = host.as_ref().map(|host| intern_host(host, pools));
        self.update_cause(cause, error.provenance(), now);
        true
    }

    /// Records whether pull secrets of the pod are missing.
    pub(crate) fn set_secret_missing(&mut self, is_missing: bool) {
        self.is_secret_missing = is_missing;
    }

    /// When the kubelet last wrote the Event that this failure, or its error text, comes from.
    pub(crate) fn last_event_at(&self) -> Option<Timestamp> {
        self.last_event_at
    }

    /// Returns the source of the [cause](Self::cause).
    #[must_use]
    pub fn cause_basis(&self) -> CauseBasis {
        if self.last_event_at.is_some() || self.cause() == Cause::PullSecretMissing {
            CauseBasis::Event
        } else if self.is_cause_inferred() {
            CauseBasis::OtherContainer
        } else {
            CauseBasis::Status
        }
    }
}
