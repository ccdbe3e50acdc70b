//! The state machine of a failure: an uninterrupted period in which one container cannot pull its image.
//!
//! [`Failure::open`] starts a failure from the first status that shows one. [`Failure::observe`] applies each later status
//! of the container and returns whether the failure continues, with the events for counters and history. Time is an
//! argument; nothing here does I/O.
//!
//! # Transitions
//!
//! A status is reduced to an [`ImageState`] first. For an open failure each state means:
//!
//! | image state | for example | the failure |
//! |---|---|---|
//! | `NoImage` | `ErrImagePull` | continues; if the state changed, an attempt failed |
//! | `NoImage` | `ImagePullBackOff` | continues; the kubelet waits for the next attempt |
//! | `BeforePull` | `ContainerCreating` | continues; the kubelet restarted, and its back-off starts again at 10 s |
//! | `CrashLoop` | `CrashLoopBackOff` | continues; the next attempt comes when the container restarts |
//! | `HasImage` | running | ends as `recovered` |
//! | `Unreported`, `UnknownReason` | no status | continues |
//!
//! A failure also ends as `recovered` when the container has run since its start, and as `image_changed` when the spec no
//! longer contains the image. The [index](super::index) ends the failures of pods that are deleted or finished.
//!
//! # Observed and found changes
//!
//! The [`Provenance`] of a status shows whether the previous status was received too. Only then is a change dated `now` and
//! an interval measured from it; otherwise the change was found, and its time is an estimate.

mod by_event;

use std::sync::Arc;
use std::time::Duration;

use super::backoff::ImageBackOff;
use super::cause::{
    Cause, CauseGroup, Classification, FailingHost, classify_with_host, has_no_error_text, is_bare_backoff,
    is_same_error,
};
use super::cause_history::{CauseHistory, CauseStart, InferredCause};
use super::clock_step::ClockStep;
use super::facts::{ContainerFacts, ImageFacts, PodFacts, StateFacts};
use super::failure_event::{FailureEvent, FailureOutcome};
use super::failure_start::{FailureStart, StartBasis};
use super::image::{ImageReference, PullPolicy, image_in_error_text};
use super::intern::Interners;
use super::provenance::Provenance;
use super::reason::{ImageState, WaitingReason, image_state_of};
use super::time::Timestamp;
pub use by_event::CauseBasis;
pub(crate) use by_event::EventError;

/// Maximum time from the end of a run to the status of the next failed pull, if nothing delays the restart: two syncs of
/// the kubelet (15 s in the recordings).
const MAX_RESTART_DELAY: Duration = Duration::from_secs(30);

/// An open failure of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// When the failure began, and how that is known.
    pub start: FailureStart,
    /// When the container became pending, if it was until the failure started.
    pub pending_since: Option<Timestamp>,
    /// The image that cannot be pulled, as written in the spec.
    pub image: Arc<ImageReference>,
    /// The pull policy of that image.
    pub policy: PullPolicy,
    /// Whether the container has run with that image, which proves that the node had it.
    pub has_run_image: bool,
    /// The last waiting reason that means "no image".
    pub reason: WaitingReason,
    /// The last error text. It may contain secrets: redact it before it leaves the process.
    pub message: Arc<str>,
    /// The cause according to that text.
    pub(super) own_cause: Cause,
    pub(super) own_cause_start: CauseStart,
    /// The failing host that the text names, if any. Often not the image's registry.
    pub(super) own_host: Option<FailingHost>,
    /// The cause from another container's error text, if this one has no text.
    pub(super) inferred: Option<Arc<InferredCause>>,
    /// Failed attempts since the start. A lower bound if the start was not observed.
    pub attempts: u32,
    /// The registry under which the failure is counted. Fixed when the failure starts, even if another image fails later.
    pub registry: Arc<str>,
    cause_history: CauseHistory,
    image_state: ImageState,
    backoff: ImageBackOff,
    restart_count: u32,
    last_finished_at: Option<Timestamp>,
    /// Whether the system clock was set since the start, so that the duration is unknown.
    has_clock_step: bool,
    /// `lastTimestamp` of the Event that the error text comes from; `None` if it comes from the status.
    last_event_at: Option<Timestamp>,
    /// Whether a pull secret of the pod is missing, according to an Event.
    is_secret_missing: bool,
}

/// The last status of a failure that ended because its image was changed.
///
/// The kubelet repeats that status once or twice after the change. It is not about the new image.
#[derive(Clone, Debug, PartialEq)]
pub struct StaleStatus {
    reason: WaitingReason,
    message: Arc<str>,
}

/// The result of applying a status to an open failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The failure continues.
    Continues,
    /// The failure ended.
    Ends(FailureEnd),
}

/// The end of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureEnd {
    /// The outcome of the failure.
    pub outcome: FailureOutcome,
    /// When the failure ended, or was found to have ended.
    pub at: Timestamp,
    /// Whether `at` is the end itself, not the time at which it was found.
    pub is_exact: bool,
}

impl FailureEnd {
    /// An end shown by a status or a deletion at `now`.
    pub(super) fn new(outcome: FailureOutcome, provenance: Provenance, now: Timestamp) -> Self {
        Self { outcome, at: now, is_exact: provenance.is_observed() }
    }
}

impl Failure {
    /// Opens a failure if the status of `container` shows one.
    ///
    /// Returns `None` if the status is the `stale` one of an earlier failure, or is about an image that is not
    /// in the spec.
    #[must_use]
    pub(super) fn open(
        pod: &PodFacts,
        container: &ContainerFacts,
        stale: Option<&StaleStatus>,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Interners,
    ) -> Option<(Self, Vec<FailureEvent>)> {
        let stage @ ImageState::NoImage(reason) = image_state_of(&container.state) else { return None };
        let message = message_of(&container.state);
        if stale.is_some_and(|stale| stale.matches(&container.state)) {
            return None;
        }
        let (position, image) = failing_image(container, message)?;
        let since = if provenance.is_observed() {
            FailureStart::observed(now)
        } else {
            FailureStart::estimate(pod, container, position > 0, now, provenance.not_before())
        };
        let Classification { cause, host } = classify_with_host(reason.as_str(), message, &image.reference);
        let mut failure = Self {
            start: since,
            pending_since: None,
            registry: pools.texts.intern(image.reference.registry()),
            image: pools.images.intern(Arc::clone(&image.reference)),
            policy: image.policy,
            has_run_image: container.has_run_image && position == 0,
            reason,
            message: pools.texts.intern(message),
            own_cause: cause,
            own_cause_start: CauseStart::first_seen(provenance, now),
            cause_history: CauseHistory::default(),
            own_host: host.as_ref().map(|host| intern_host(host, pools)),
            inferred: None,
            attempts: 0,
            image_state: stage,
            backoff: if provenance.is_observed() && is_first_attempt(reason, container, now) {
                ImageBackOff::initial()
            } else {
                ImageBackOff::unknown()
            },
            restart_count: container.restart_count,
            last_finished_at: container.last_finished_at,
            has_clock_step: false,
            last_event_at: None,
            is_secret_missing: false,
        };
        let mut events = vec![FailureEvent::Started, failure.status_changed()];
        failure.report_unclassified(&mut events);
        if reason.is_failed_attempt() {
            failure.record_attempt(provenance, now, &mut events);
        }
        Some((failure, events))
    }

    /// Applies the next status of the container. The pod must be active.
    pub(super) fn observe(
        &mut self,
        container: &ContainerFacts,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Interners,
    ) -> (Transition, Vec<FailureEvent>) {
        let mut events = Vec::new();
        if !container.images.iter().any(|image| image.reference.raw() == self.image.raw()) {
            return (Transition::Ends(FailureEnd::new(FailureOutcome::ImageChanged, provenance, now)), events);
        }
        // A restarted kubelet shows the run before the failure again.
        let is_old_run = self.is_run_before_failure(&container.state);
        let stage = if is_old_run { ImageState::BeforePull } else { image_state_of(&container.state) };
        if container.restart_count > self.restart_count
            || stage == ImageState::HasImage
            || self.has_run_since_start(container)
        {
            // The restart count grows by one for the run that starts now. Any further runs were not observed.
            let is_first_run =
                stage == ImageState::HasImage && container.restart_count <= self.restart_count.saturating_add(1);
            if provenance.is_observed() && is_first_run {
                events.extend(self.backoff.interval_until_recovery(now).map(FailureEvent::IntervalMeasured));
            }
            return (Transition::Ends(self.recovery_end(container, is_first_run, provenance, now)), events);
        }
        let tried_meanwhile = stage != self.image_state
            || (stage != ImageState::BeforePull && self.next_attempt().is_none_or(|next| next <= now));
        if !provenance.is_observed() && tried_meanwhile {
            self.backoff.on_watch_gap();
        }
        let other_image = self.update_image(container, provenance, now, pools);
        self.has_run_image =
            container.has_run_image && container.images.first().is_some_and(|image| image.reference == self.image);
        if let ImageState::NoImage(reason) = stage {
            let before = Arc::clone(&self.message);
            if let Some(cause) = self.update_message(reason, message_of(&container.state), pools) {
                self.update_cause(cause, provenance, now);
            }
            if self.message != before {
                self.report_unclassified(&mut events);
            }
        }
        let turns = stage != self.image_state || other_image;
        if turns {
            self.on_image_state_change(stage, provenance, now, &mut events);
        }
        // While the status shows the previous run as current, its `lastState` is the run before that.
        if !is_old_run {
            self.last_finished_at = container.last_finished_at.or(self.last_finished_at);
        }
        self.image_state = stage;
        if turns {
            events.push(self.status_changed());
        }
        (Transition::Continues, events)
    }

    /// Returns the event of the end.
    #[must_use]
    pub(crate) fn end_event(&self, end: FailureEnd) -> FailureEvent {
        let exact = end.is_exact && self.start.basis == StartBasis::Observed && !self.has_clock_step;
        let FailureEnd { outcome, at, .. } = end;
        FailureEvent::Ended { outcome, at, duration: self.age(at), is_exact: exact }
    }

    /// Corrects the recorded times after the system clock was set.
    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        self.start.at = step.correct(self.start.at);
        self.own_cause_start.at = step.correct(self.own_cause_start.at);
        self.last_event_at = self.last_event_at.map(|at| step.correct(at));
        self.pending_since = self.pending_since.map(|since| step.correct(since));
        self.backoff.on_clock_step(step);
        self.has_clock_step = true;
    }

    /// The status to ignore after the image was changed.
    #[must_use]
    pub(crate) fn to_stale_status(&self) -> StaleStatus {
        StaleStatus { reason: self.reason, message: Arc::clone(&self.message) }
    }

    /// The time from the start to `now`.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.start.at)
    }

    /// Whether the kubelet retries the pull and updates the status each time. It writes reasons without a back-off only once.
    #[must_use]
    pub(super) fn is_retried(&self) -> bool {
        match self.image_state {
            ImageState::NoImage(reason) => reason.is_failed_attempt() || reason == WaitingReason::ImagePullBackOff,
            ImageState::BeforePull | ImageState::CrashLoop => true,
            ImageState::HasImage | ImageState::Unreported | ImageState::UnknownReason => false,
        }
    }

    /// The cause according to the container's error text, or to another container's if this one has no text. If the registry
    /// denied access and a pull secret of the pod is missing, that is the cause.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let cause = self.inferred.as_ref().map_or(self.own_cause, |inferred| inferred.cause);
        if self.is_secret_missing && cause.is_denial() { Cause::PullSecretMissing } else { cause }
    }

    /// The group of the cause: who must act. The sandbox image is named by the node's runtime, so its errors are the node's unless the
    /// registry or the network fails.
    #[must_use]
    pub fn cause_group(&self) -> CauseGroup {
        match (self.reason, self.cause().group()) {
            (WaitingReason::FailedCreatePodSandBox, CauseGroup::Registry) => CauseGroup::Registry,
            (WaitingReason::FailedCreatePodSandBox, CauseGroup::Network) => CauseGroup::Network,
            (WaitingReason::FailedCreatePodSandBox, _) => CauseGroup::Node,
            (_, group) => group,
        }
    }

    /// Whether the [cause](Self::cause) comes from another container's error text.
    #[must_use]
    pub fn is_cause_inferred(&self) -> bool {
        self.inferred.is_some()
    }

    /// When the current cause began or was first seen.
    #[must_use]
    pub fn cause_start(&self) -> CauseStart {
        let later =
            self.inferred.as_ref().map(|inferred| inferred.since).filter(|since| since.at > self.own_cause_start.at);
        later.unwrap_or(self.own_cause_start)
    }

    /// The failing host, if the error text names one. Often not the image's registry.
    #[must_use]
    pub fn host(&self) -> Option<&FailingHost> {
        self.inferred.as_ref().map_or(self.own_host.as_ref(), |inferred| inferred.host.as_ref())
    }

    /// Whether the status has no error text, so that the cause can only be inferred from another container.
    #[must_use]
    pub fn has_no_error_text(&self) -> bool {
        self.own_cause == Cause::Unknown && has_no_error_text(&self.message)
    }

    /// Whether the container's own error text contains the cause of a failed pull.
    pub(super) fn has_known_pull_cause(&self) -> bool {
        self.own_cause != Cause::Unknown
            && (self.reason.is_failed_attempt() || self.reason == WaitingReason::ImagePullBackOff)
    }

    /// The time from the start of the current cause to `now`. A lower bound unless the start of the cause was observed.
    #[must_use]
    pub fn cause_age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.cause_start().at)
    }

    /// When the status showed the last failed attempt; `None` if none was observed.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.backoff.last_attempt()
    }

    /// When the next attempt is expected; `None` if there is no back-off or its step is unknown.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        match self.image_state {
            ImageState::NoImage(reason) if reason.is_failed_attempt() || reason == WaitingReason::ImagePullBackOff => {
                self.backoff.next_attempt()
            }
            // No back-off, or the next attempt depends on something else.
            ImageState::NoImage(_)
            | ImageState::BeforePull
            | ImageState::CrashLoop
            | ImageState::HasImage
            | ImageState::Unreported
            | ImageState::UnknownReason => None,
        }
    }

    /// The end of a failure whose container got its image. If the end was not observed, the start time of the container's
    /// first run is exact too.
    fn recovery_end(
        &self,
        container: &ContainerFacts,
        is_first_run: bool,
        provenance: Provenance,
        now: Timestamp,
    ) -> FailureEnd {
        let started = match container.state {
            StateFacts::Running { started_at: started } if is_first_run && !provenance.is_observed() => started,
            _ => None,
        };
        // A start before the failure or in the future comes from a clock that differs from ours.
        match started.filter(|started| *started >= self.start.at && *started <= now) {
            Some(at) => FailureEnd { outcome: FailureOutcome::Recovered, at, is_exact: true },
            None => FailureEnd {
                is_exact: is_first_run && provenance.is_observed(),
                ..FailureEnd::new(FailureOutcome::Recovered, provenance, now)
            },
        }
    }

    /// Whether the container has run since the start of the failure. Such a run is known only by its end if it ended during a
    /// gap in the watch or before the kubelet's next status update.
    fn has_run_since_start(&self, container: &ContainerFacts) -> bool {
        let ended = container.last_finished_at.filter(|_| container.last_finished_at != self.last_finished_at);
        ended.is_some_and(|ended| ended > self.start.at)
    }

    /// Whether `state` is the termination of the run before the failure.
    fn is_run_before_failure(&self, state: &StateFacts) -> bool {
        matches!(state, StateFacts::Terminated { finished_at: Some(finished), .. } if Some(*finished) == self.last_finished_at)
    }

    fn status_changed(&self) -> FailureEvent {
        FailureEvent::StatusChanged(self.image_state, Arc::clone(&self.message))
    }

    /// Updates the back-off and the attempts after the image state changed.
    fn on_image_state_change(
        &mut self,
        stage: ImageState,
        provenance: Provenance,
        now: Timestamp,
        events: &mut Vec<FailureEvent>,
    ) {
        // ErrImagePull followed by RegistryUnavailable is the next attempt. No second attempt was merged into the first.
        if self.image_state.is_failed_attempt() && !stage.is_failed_attempt() && provenance.is_observed() {
            self.backoff.on_attempt_hidden(now);
        }
        match stage {
            ImageState::NoImage(reason) if reason.is_failed_attempt() => self.record_attempt(provenance, now, events),
            ImageState::BeforePull => self.backoff.on_kubelet_restart(),
            ImageState::CrashLoop => self.backoff.invalidate_interval(),
            ImageState::NoImage(_) | ImageState::Unreported | ImageState::UnknownReason | ImageState::HasImage => {}
        }
    }

    fn record_attempt(&mut self, provenance: Provenance, now: Timestamp, events: &mut Vec<FailureEvent>) {
        let interval = self.backoff.on_attempt(now, provenance.is_observed());
        events.extend(interval.map(FailureEvent::IntervalMeasured));
        self.attempts = self.attempts.saturating_add(1);
        self.cause_history.record_attempt();
        events.push(FailureEvent::AttemptFailed(self.own_cause));
    }

    /// Stores the newest error text. Returns its cause if that may have changed.
    ///
    /// Kubelets before 1.32 write no error text while they wait (kubernetes/kubernetes#127918). The text of the last attempt
    /// is kept until the next one.
    fn update_message(&mut self, reason: WaitingReason, message: &str, pools: &mut Interners) -> Option<Cause> {
        let (before, other_text) = (self.reason, *self.message != *message);
        // The usual change: from an attempt to the back-off with the same error, or the reverse.
        let only_turns =
            before.defers_to_message() && reason.defers_to_message() && is_same_error(&self.message, message);
        self.reason = reason;
        let is_bare = is_bare_backoff(message);
        if is_bare && (before.is_failed_attempt() || before == WaitingReason::ImagePullBackOff) {
            return None;
        }
        if other_text {
            self.message = pools.texts.intern(message);
        }
        self.last_event_at = None;
        // An error outside an attempt is over. The kubelet waits again after the attempt before it.
        if is_bare {
            self.own_host = None;
            return Some(self.cause_history.newest().unwrap_or(Cause::Unknown));
        }
        let may_differ = (before != reason || other_text) && !only_turns;
        may_differ.then(|| {
            let Classification { cause, host } = classify_with_host(reason.as_str(), message, &self.image);
            self.own_host = host.as_ref().map(|host| intern_host(host, pools));
            cause
        })
    }

    /// Applies the cause of a status.
    fn update_cause(&mut self, cause: Cause, provenance: Provenance, now: Timestamp) {
        self.inferred = None;
        if cause != self.own_cause {
            let returns = self.cause_history.replace(self.own_cause, self.own_cause_start, cause);
            self.own_cause_start = returns.unwrap_or_else(|| CauseStart::first_seen(provenance, now));
            self.own_cause = cause;
        }
    }

    fn report_unclassified(&self, events: &mut Vec<FailureEvent>) {
        if self.own_cause == Cause::Unknown && !self.has_no_error_text() {
            events.push(FailureEvent::Unclassified(self.message.to_string()));
        }
    }

    /// Switches to another image of the container if the status names one, for example from an image volume to the
    /// container's own image. Each image has its own back-off. Returns whether the image changed.
    fn update_image(
        &mut self,
        container: &ContainerFacts,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Interners,
    ) -> bool {
        let message = message_of(&container.state);
        let other = failing_image(container, message)
            .filter(|(_, image)| image.reference.raw() != self.image.raw() && image_in_error_text(message).is_some());
        let Some((_, image)) = other else { return false };
        self.image = pools.images.intern(Arc::clone(&image.reference));
        self.policy = image.policy;
        self.message = Arc::default();
        (self.own_cause, self.own_host, self.inferred) = (Cause::Unknown, None, None);
        self.own_cause_start = CauseStart::first_seen(provenance, now);
        self.cause_history = CauseHistory::default();
        self.backoff = ImageBackOff::unknown();
        self.last_event_at = None;
        true
    }
}

impl StaleStatus {
    /// Whether `state` repeats this status.
    #[must_use]
    pub fn matches(&self, state: &StateFacts) -> bool {
        image_state_of(state) == ImageState::NoImage(self.reason) && *self.message == *message_of(state)
    }
}

/// Whether a failure that starts with this status can have had no earlier attempt. If the last run ended a while ago,
/// CrashLoopBackOff may have hidden earlier attempts.
fn is_first_attempt(reason: WaitingReason, container: &ContainerFacts, now: Timestamp) -> bool {
    let restarted_at_once =
        container.last_finished_at.is_none_or(|ended| now.saturating_duration_since(ended) < MAX_RESTART_DELAY);
    reason != WaitingReason::ImagePullBackOff && restarted_at_once
}

fn message_of(state: &StateFacts) -> &str {
    match state {
        StateFacts::Waiting { message, .. } => message,
        StateFacts::Absent | StateFacts::Running { .. } | StateFacts::Terminated { .. } => "",
    }
}

/// Returns the image that `message` is about, with its position in `container.images`.
///
/// That is the image which the message names, or the container's own image if it names none. `None` if the message names
/// an image that is not in the spec, which is the one before a change of the spec.
fn failing_image<'a>(container: &'a ContainerFacts, message: &str) -> Option<(usize, &'a ImageFacts)> {
    let own = || container.images.first().map(|image| (0, image));
    let Some(named) = image_in_error_text(message).map(ImageReference::parse) else { return own() };
    let needed = container.images.iter().enumerate().find(|(_, image)| image.reference.is_same_image(&named));
    // The kubelet escapes the reference that it quotes. A text that does not parse may be the container's own reference.
    needed.or_else(|| named.problem().and_then(|_| own()))
}

fn intern_host(host: &FailingHost, pools: &mut Interners) -> FailingHost {
    FailingHost { name: pools.texts.intern(&*host.name), kind: host.kind }
}
