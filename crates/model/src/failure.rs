//! The failure machine: one unbroken stretch in which one container cannot get its image.
//!
//! It sees every status of one container in turn and keeps to what the recordings teach: ErrImagePull and
//! ImagePullBackOff alternate inside one failure; ContainerCreating after a kubelet restart, CrashLoopBackOff
//! while the restart cannot get its image, and a word it does not know all leave it open.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::ImageBackOff;
use super::cause::{
    Cause, Classification, FailingHost, classify_with_host, has_no_error_text, is_bare_backoff, is_same_error,
};
use super::cause_history::{CauseHistory, CauseStart};
use super::clock_step::ClockStep;
use super::effect::{FailureEvent, FailureOutcome};
use super::facts::{ContainerFacts, ImageFacts, PodFacts, StateFacts};
use super::failure_start::{FailureStart, StartBasis};
use super::image::{ImageReference, PullPolicy, image_in_error_text};
use super::inference::InferredCause;
use super::intern::Interners;
use super::provenance::Provenance;
use super::reason::{ImageState, WaitingReason, image_state_of};
use super::snapshot::TrackedPod;
use super::time::Timestamp;

/// A restart that is not held back fails and shows within two syncs of the kubelet (15 s were recorded).
const MAX_RESTART_DELAY: Duration = Duration::from_secs(30);

/// One failure, while it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// When it began.
    pub start: FailureStart,
    /// The image that cannot be had, as the spec writes it, taken apart.
    pub image: Arc<ImageReference>,
    /// When the kubelet pulls that image.
    pub policy: PullPolicy,
    /// Whether the container has run with that image, so that the node had it then.
    pub has_run_image: bool,
    /// The last image reason.
    pub reason: WaitingReason,
    /// The last error text. It may hold secrets: redact it before it leaves the process.
    pub message: Arc<str>,
    /// What that text says is wrong.
    pub(super) own_cause: Cause,
    /// When that cause began.
    pub(super) own_cause_start: CauseStart,
    /// The host that failed, where that text names one; often not the image's registry.
    pub(super) own_host: Option<FailingHost>,
    /// What another container's text says, where this one has none.
    pub(super) inferred: Option<Arc<InferredCause>>,
    /// Failed attempts seen.
    pub attempts: u32,
    /// The registry that it is counted under, from begin to end.
    pub registry: Arc<str>,
    /// The causes before it.
    cause_history: CauseHistory,
    /// What the last status showed.
    image_state: ImageState,
    backoff: ImageBackOff,
    restart_count: u32,
    last_finished_at: Option<Timestamp>,
    /// Whether the clock was set since it began, so that nobody can tell how long it has lasted.
    has_clock_step: bool,
}

/// What remains of a failure that ended because the image was changed: the kubelet shows its last status once or
/// twice more, and that is no news of the image that the spec names by then.
#[derive(Clone, Debug, PartialEq)]
pub struct StaleStatus {
    reason: WaitingReason,
    message: Arc<str>,
}

/// What a status makes of an open failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It goes on.
    Continues,
    /// It ended.
    Ends(FailureEnd),
}

/// The end of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureEnd {
    /// How it ended.
    pub outcome: FailureOutcome,
    /// When it ended, or was found to have ended.
    pub at: Timestamp,
    /// Whether `at` is the end itself and not when somebody looked again.
    pub is_exact: bool,
}

impl FailureEnd {
    /// An end that a status or a deletion shows at `now`.
    pub(super) fn new(outcome: FailureOutcome, provenance: Provenance, now: Timestamp) -> Self {
        Self { outcome, at: now, is_exact: provenance.is_observed() }
    }
}

impl Failure {
    /// Opens a failure where a status shows one, unless that status is a left-over.
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
        };
        let mut events = vec![FailureEvent::Started, failure.status_changed()];
        failure.report_unclassified(&mut events);
        if reason.is_failed_attempt() {
            failure.record_attempt(provenance, now, &mut events);
        }
        Some((failure, events))
    }

    /// Takes the next status of the container of a pod that lives.
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
        // The kubelet was restarted, and shows the run before the failure again.
        let is_old_run = self.is_run_before_failure(&container.state);
        let stage = if is_old_run { ImageState::BeforePull } else { image_state_of(&container.state) };
        if container.restart_count > self.restart_count
            || stage == ImageState::HasImage
            || self.has_run_since_start(container)
        {
            // A container that had run before counts the run it begins now; more are runs that nobody watched.
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
        // Where the last run shows again, the status names the one before it as the last.
        if !is_old_run {
            self.last_finished_at = container.last_finished_at.or(self.last_finished_at);
        }
        self.image_state = stage;
        if turns {
            events.push(self.status_changed());
        }
        (Transition::Continues, events)
    }

    /// Returns the event of its end. `pod` is its pod as it was before.
    #[must_use]
    pub fn end_event(&self, end: FailureEnd, pod: &Arc<TrackedPod>) -> FailureEvent {
        let exact = end.is_exact && self.start.basis == StartBasis::Observed && !self.has_clock_step;
        let FailureEnd { outcome, at, .. } = end;
        FailureEvent::Ended { outcome, at, duration: self.age(at), is_exact: exact, pod: Arc::clone(pod) }
    }

    /// Puts right what was recorded before the clock was set.
    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        self.start.at = step.correct(self.start.at);
        self.own_cause_start.at = step.correct(self.own_cause_start.at);
        self.backoff.on_clock_step(step);
        self.has_clock_step = true;
    }

    /// What to remember of a failure whose image was changed.
    #[must_use]
    pub fn into_stale_status(self) -> StaleStatus {
        StaleStatus { reason: self.reason, message: self.message }
    }

    /// How long it has lasted at `now`.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.start.at)
    }

    /// Whether the kubelet goes on trying, and writes a status each time. The reasons without a back-off are written once,
    /// however long they hold.
    #[must_use]
    pub(super) fn is_retried(&self) -> bool {
        match self.image_state {
            ImageState::NoImage(reason) => reason.is_failed_attempt() || reason == WaitingReason::ImagePullBackOff,
            ImageState::BeforePull | ImageState::CrashLoop => true,
            ImageState::HasImage | ImageState::Unreported | ImageState::UnknownReason => false,
        }
    }

    /// What keeps the container from its image, as its error text tells, or that of another container if it has none.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.inferred.as_ref().map_or(self.own_cause, |inferred| inferred.cause)
    }

    /// Whether the cause is inferred from another container's error text.
    #[must_use]
    pub fn is_cause_inferred(&self) -> bool {
        self.inferred.is_some()
    }

    /// When that cause began, or was first seen.
    #[must_use]
    pub fn cause_start(&self) -> CauseStart {
        let later =
            self.inferred.as_ref().map(|inferred| inferred.since).filter(|since| since.at > self.own_cause_start.at);
        later.unwrap_or(self.own_cause_start)
    }

    /// The host that failed, where the text names one; often not the image's registry.
    #[must_use]
    pub fn host(&self) -> Option<&FailingHost> {
        self.inferred.as_ref().map_or(self.own_host.as_ref(), |inferred| inferred.host.as_ref())
    }

    /// Whether the kubelet gave no error text, so that nothing but another container can tell the cause.
    #[must_use]
    pub fn has_no_error_text(&self) -> bool {
        self.own_cause == Cause::Unknown && has_no_error_text(&self.message)
    }

    /// Whether its own error text tells the cause of a failed pull.
    pub(super) fn has_known_pull_cause(&self) -> bool {
        self.own_cause != Cause::Unknown
            && (self.reason.is_failed_attempt() || self.reason == WaitingReason::ImagePullBackOff)
    }

    /// How long its present cause has lasted at `now`; a lower bound unless the cause was seen to begin.
    #[must_use]
    pub fn cause_age(&self, now: Timestamp) -> Duration {
        now.saturating_duration_since(self.cause_start().at)
    }

    /// When the last failed attempt showed; `None` when none was seen.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.backoff.last_attempt()
    }

    /// When the kubelet is expected to try next; `None` when it does not wait, or nobody can tell.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        match self.image_state {
            ImageState::NoImage(reason) if reason.is_failed_attempt() || reason == WaitingReason::ImagePullBackOff => {
                self.backoff.next_attempt()
            }
            // There is no back-off, or something else decides when it ends.
            ImageState::NoImage(_)
            | ImageState::BeforePull
            | ImageState::CrashLoop
            | ImageState::HasImage
            | ImageState::Unreported
            | ImageState::UnknownReason => None,
        }
    }

    /// Returns the end of a failure whose container got its image. The start of its first run since, where the status has
    /// it, is as exact as an end that was watched.
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
        // A start before the failure, or one yet to come, is by a clock that differs from ours.
        match started.filter(|started| *started >= self.start.at && *started <= now) {
            Some(at) => FailureEnd { outcome: FailureOutcome::Recovered, at, is_exact: true },
            None => FailureEnd {
                is_exact: is_first_run && provenance.is_observed(),
                ..FailureEnd::new(FailureOutcome::Recovered, provenance, now)
            },
        }
    }

    /// Whether the container has run since the failure began: a run that no status showed, since it ended while nobody
    /// watched or before the kubelet wrote the next status.
    fn has_run_since_start(&self, container: &ContainerFacts) -> bool {
        let ended = container.last_finished_at.filter(|_| container.last_finished_at != self.last_finished_at);
        ended.is_some_and(|ended| ended > self.start.at)
    }

    /// Whether a termination is that of the run before the failure.
    fn is_run_before_failure(&self, state: &StateFacts) -> bool {
        matches!(state, StateFacts::Terminated { finished_at: Some(finished), .. } if Some(*finished) == self.last_finished_at)
    }

    fn status_changed(&self) -> FailureEvent {
        FailureEvent::StatusChanged(self.image_state, Arc::clone(&self.message))
    }

    /// Takes what changed from the last status to this one.
    fn on_image_state_change(
        &mut self,
        stage: ImageState,
        provenance: Provenance,
        now: Timestamp,
        events: &mut Vec<FailureEvent>,
    ) {
        // ErrImagePull that gives way to RegistryUnavailable is the next attempt; nothing was merged into it.
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

    /// Keeps the newest error text. Returns the cause that it tells, where it may be another than before. A kubelet before
    /// 1.32 says nothing while it waits (kubernetes/kubernetes#127918); what its last attempt said holds until the next.
    fn update_message(&mut self, reason: WaitingReason, message: &str, pools: &mut Interners) -> Option<Cause> {
        let (before, other_text) = (self.reason, *self.message != *message);
        // Every attempt and every back-off after it: nearly all that ever changes.
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
        // An error outside an attempt is over, and the kubelet waits after the attempt before it.
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

    /// Follows the cause that a status tells.
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

    /// Turns to another image of the same container where the status names one: an image volume's after the
    /// container's own, or the other way round. Each has a back-off of its own. Returns whether it did.
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
        true
    }
}

impl StaleStatus {
    /// Whether a container's state is this left-over.
    #[must_use]
    pub fn matches(&self, state: &StateFacts) -> bool {
        image_state_of(state) == ImageState::NoImage(self.reason) && *self.message == *message_of(state)
    }
}

/// Whether nothing can have been tried before a failure that begins with this status. CrashLoopBackOff may have hidden
/// earlier attempts of a container whose run ended a while ago.
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

/// The image of `container` that `message` is about, and its position among those the container needs: the one it
/// names, else the container's own. `None` when it names another one, which the spec had before.
fn failing_image<'a>(container: &'a ContainerFacts, message: &str) -> Option<(usize, &'a ImageFacts)> {
    let own = || container.images.first().map(|image| (0, image));
    let Some(named) = image_in_error_text(message).map(ImageReference::parse) else { return own() };
    let needed = container.images.iter().enumerate().find(|(_, image)| image.reference.is_same_image(&named));
    // The kubelet escapes what it quotes, so a text that is no reference may be the container's own, garbled.
    needed.or_else(|| named.problem().and_then(|_| own()))
}

fn intern_host(host: &FailingHost, pools: &mut Interners) -> FailingHost {
    FailingHost { name: pools.texts.intern(&*host.name), kind: host.kind }
}
