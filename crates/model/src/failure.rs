//! The failure machine: one unbroken stretch in which one container cannot get its image.
//!
//! It sees every status of one container in turn and keeps to what the recordings teach: ErrImagePull and
//! ImagePullBackOff alternate inside one failure; ContainerCreating after a kubelet restart, CrashLoopBackOff
//! while the restart cannot get its image, and a word it does not know all leave it open.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::BackOff;
use super::cause::{Cause, FailingHost, Reading, is_bare_backoff, is_same_error, read, tells_nothing};
use super::clock_step::ClockStep;
use super::effect::{FailureEvent, Outcome};
use super::facts::{ContainerFacts, ImageFacts, PodFacts, State};
use super::image::{ImageReference, PullPolicy, image_named_in};
use super::inference::Inferred;
use super::pool::Pools;
use super::provenance::Provenance;
use super::reason::{Reason, Stage, stage_of};
use super::replaced::{CauseSince, Replaced};
use super::since::{Basis, Since};
use super::snapshot::TrackedPod;
use super::time::Timestamp;

/// A restart that is not held back fails and shows within two syncs of the kubelet (15 s were recorded).
const RESTART_SHOWS: Duration = Duration::from_secs(30);

/// One failure, while it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// When it began.
    pub since: Since,
    /// The image that cannot be had, as the spec writes it, taken apart.
    pub image: Arc<ImageReference>,
    /// When the kubelet pulls that image.
    pub policy: PullPolicy,
    /// Whether the container has run with that image, so that the node had it then.
    pub has_run_image: bool,
    /// The last image reason.
    pub reason: Reason,
    /// The last error text. It may hold secrets: redact it before it leaves the process.
    pub message: Arc<str>,
    /// What that text says is wrong.
    pub(super) cause: Cause,
    /// When that cause began.
    pub(super) cause_since: CauseSince,
    /// The host that failed, where that text names one; often not the image's registry.
    pub(super) host: Option<FailingHost>,
    /// What another container's text says, where this one has none.
    pub(super) inferred: Option<Arc<Inferred>>,
    /// Failed attempts seen.
    pub attempts: u32,
    /// The registry that it is counted under, from begin to end.
    pub registry: Arc<str>,
    /// The causes before it.
    replaced: Replaced,
    /// What the last status showed.
    stage: Stage,
    backoff: BackOff,
    restarts: u32,
    last_run_ended: Option<Timestamp>,
    /// Whether the clock was set since it began, so that nobody can tell how long it has lasted.
    clock_stepped: bool,
}

/// What remains of a failure that ended because the image was changed: the kubelet shows its last status once or
/// twice more, and that is no news of the image that the spec names by then.
#[derive(Clone, Debug, PartialEq)]
pub struct Stale {
    reason: Reason,
    message: Arc<str>,
}

/// What a status makes of an open failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It goes on.
    Lasts,
    /// It ended.
    Ends(End),
}

/// The end of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended, or was found to have ended.
    pub at: Timestamp,
    /// Whether `at` is the end itself and not when somebody looked again.
    pub is_exact: bool,
}

impl End {
    /// An end that a status or a deletion shows at `now`.
    pub(super) fn shown(outcome: Outcome, provenance: Provenance, now: Timestamp) -> Self {
        Self { outcome, at: now, is_exact: provenance.is_observed() }
    }
}

impl Failure {
    /// Opens a failure where a status shows one, unless that status is a left-over.
    #[must_use]
    pub(super) fn open(
        pod: &PodFacts,
        container: &ContainerFacts,
        stale: Option<&Stale>,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Pools,
    ) -> Option<(Self, Vec<FailureEvent>)> {
        let stage @ Stage::NoImage(reason) = stage_of(&container.state) else { return None };
        let message = message_of(&container.state);
        if stale.is_some_and(|stale| stale.shows_in(&container.state)) {
            return None;
        }
        let (position, image) = failing_image(container, message)?;
        let since = if provenance.is_observed() {
            Since::observed(now)
        } else {
            Since::found(pod, container, position > 0, now, provenance.not_before())
        };
        let Reading { cause, host } = read(reason.as_str(), message, &image.reference);
        let mut failure = Self {
            since,
            registry: pools.texts.share(image.reference.registry()),
            image: pools.images.share(Arc::clone(&image.reference)),
            policy: image.policy,
            has_run_image: container.has_run_image && position == 0,
            reason,
            message: pools.texts.share(message),
            cause,
            cause_since: CauseSince::shown(provenance, now),
            replaced: Replaced::default(),
            host: host.as_ref().map(|host| shared(host, pools)),
            inferred: None,
            attempts: 0,
            stage,
            backoff: if provenance.is_observed() && is_first_attempt(reason, container, now) {
                BackOff::fresh()
            } else {
                BackOff::found()
            },
            restarts: container.restarts,
            last_run_ended: container.last_run_ended,
            clock_stepped: false,
        };
        let mut events = vec![FailureEvent::Started, failure.turned()];
        failure.mention_unknown_cause(&mut events);
        if reason.is_attempt() {
            failure.attempt(provenance, now, &mut events);
        }
        Some((failure, events))
    }

    /// Takes the next status of the container of a pod that lives.
    pub(super) fn observe(
        &mut self,
        container: &ContainerFacts,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Pools,
    ) -> (Transition, Vec<FailureEvent>) {
        let mut events = Vec::new();
        if !container.images.iter().any(|image| image.reference.raw() == self.image.raw()) {
            return (Transition::Ends(End::shown(Outcome::ImageChanged, provenance, now)), events);
        }
        // The kubelet was restarted, and shows the run before the failure again.
        let is_old_run = self.is_old_run(&container.state);
        let stage = if is_old_run { Stage::BeforePull } else { stage_of(&container.state) };
        if container.restarts > self.restarts || stage == Stage::HasImage || self.has_run_since(container) {
            // A container that had run before counts the run it begins now; more are runs that nobody watched.
            let is_first_run = stage == Stage::HasImage && container.restarts <= self.restarts.saturating_add(1);
            if provenance.is_observed() && is_first_run {
                events.extend(self.backoff.recovered(now).map(FailureEvent::BackedOff));
            }
            return (Transition::Ends(self.recovered(container, is_first_run, provenance, now)), events);
        }
        let tried_meanwhile =
            stage != self.stage || (stage != Stage::BeforePull && self.next_attempt().is_none_or(|next| next <= now));
        if !provenance.is_observed() && tried_meanwhile {
            self.backoff.unwatched();
        }
        let other_image = self.take_image(container, provenance, now, pools);
        self.has_run_image =
            container.has_run_image && container.images.first().is_some_and(|image| image.reference == self.image);
        if let Stage::NoImage(reason) = stage {
            let before = Arc::clone(&self.message);
            if let Some(cause) = self.take_message(reason, message_of(&container.state), pools) {
                self.take_cause(cause, provenance, now);
            }
            if self.message != before {
                self.mention_unknown_cause(&mut events);
            }
        }
        let turns = stage != self.stage || other_image;
        if turns {
            self.follow(stage, provenance, now, &mut events);
        }
        // Where the last run shows again, the status names the one before it as the last.
        if !is_old_run {
            self.last_run_ended = container.last_run_ended.or(self.last_run_ended);
        }
        self.stage = stage;
        if turns {
            events.push(self.turned());
        }
        (Transition::Lasts, events)
    }

    /// Returns the event of its end. `pod` is its pod as it was before.
    #[must_use]
    pub fn ended(&self, end: End, pod: &Arc<TrackedPod>) -> FailureEvent {
        let exact = end.is_exact && self.since.basis == Basis::Observed && !self.clock_stepped;
        let End { outcome, at, .. } = end;
        FailureEvent::Ended { outcome, at, lasted: self.lasted(at), exact, pod: Arc::clone(pod) }
    }

    /// Puts right what was recorded before the clock was set.
    pub(super) fn clock_stepped(&mut self, step: ClockStep) {
        self.since.at = step.corrected(self.since.at);
        self.cause_since.at = step.corrected(self.cause_since.at);
        self.backoff.clock_stepped(step);
        self.clock_stepped = true;
    }

    /// What to remember of a failure whose image was changed.
    #[must_use]
    pub fn into_stale(self) -> Stale {
        Stale { reason: self.reason, message: self.message }
    }

    /// How long it has lasted at `now`.
    #[must_use]
    pub fn lasted(&self, now: Timestamp) -> Duration {
        now.since(self.since.at)
    }

    /// Whether the kubelet goes on trying, and writes a status each time. The reasons without a back-off are written once,
    /// however long they hold.
    #[must_use]
    pub(super) fn is_retried(&self) -> bool {
        match self.stage {
            Stage::NoImage(reason) => reason.is_attempt() || reason == Reason::ImagePullBackOff,
            Stage::BeforePull | Stage::CrashLoop => true,
            Stage::HasImage | Stage::Unsaid | Stage::Unknown => false,
        }
    }

    /// What keeps the container from its image, as its error text tells, or that of another container if it has none.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.inferred.as_ref().map_or(self.cause, |inferred| inferred.cause)
    }

    /// Whether the cause is inferred from another container's error text.
    #[must_use]
    pub fn is_cause_inferred(&self) -> bool {
        self.inferred.is_some()
    }

    /// When that cause began, or was first seen.
    #[must_use]
    pub fn cause_since(&self) -> CauseSince {
        let later =
            self.inferred.as_ref().map(|inferred| inferred.since).filter(|since| since.at > self.cause_since.at);
        later.unwrap_or(self.cause_since)
    }

    /// The host that failed, where the text names one; often not the image's registry.
    #[must_use]
    pub fn host(&self) -> Option<&FailingHost> {
        self.inferred.as_ref().map_or(self.host.as_ref(), |inferred| inferred.host.as_ref())
    }

    /// Whether the kubelet gave no error text, so that nothing but another container can tell the cause.
    #[must_use]
    pub fn shows_no_error(&self) -> bool {
        self.cause == Cause::Unknown && tells_nothing(&self.message)
    }

    /// Whether its own error text tells the cause of a failed pull.
    pub(super) fn tells_cause_of_pull(&self) -> bool {
        self.cause != Cause::Unknown && (self.reason.is_attempt() || self.reason == Reason::ImagePullBackOff)
    }

    /// How long its present cause has lasted at `now`; a lower bound unless the cause was seen to begin.
    #[must_use]
    pub fn cause_lasted(&self, now: Timestamp) -> Duration {
        now.since(self.cause_since().at)
    }

    /// When the last failed attempt showed; `None` when none was seen.
    #[must_use]
    pub fn last_attempt(&self) -> Option<Timestamp> {
        self.backoff.last_attempt()
    }

    /// When the kubelet is expected to try next; `None` when it does not wait, or nobody can tell.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::NoImage(reason) if reason.is_attempt() || reason == Reason::ImagePullBackOff => {
                self.backoff.next_attempt()
            }
            // There is no back-off, or something else decides when it ends.
            Stage::NoImage(_)
            | Stage::BeforePull
            | Stage::CrashLoop
            | Stage::HasImage
            | Stage::Unsaid
            | Stage::Unknown => None,
        }
    }

    /// Returns the end of a failure whose container got its image. The start of its first run since, where the status has
    /// it, is as exact as an end that was watched.
    fn recovered(&self, container: &ContainerFacts, is_first_run: bool, provenance: Provenance, now: Timestamp) -> End {
        let started = match container.state {
            State::Running { started } if is_first_run && !provenance.is_observed() => started,
            _ => None,
        };
        // A start before the failure, or one yet to come, is by a clock that differs from ours.
        match started.filter(|started| *started >= self.since.at && *started <= now) {
            Some(at) => End { outcome: Outcome::Recovered, at, is_exact: true },
            None => End {
                is_exact: is_first_run && provenance.is_observed(),
                ..End::shown(Outcome::Recovered, provenance, now)
            },
        }
    }

    /// Whether the container has run since the failure began: a run that no status showed, since it ended while nobody
    /// watched or before the kubelet wrote the next status.
    fn has_run_since(&self, container: &ContainerFacts) -> bool {
        let ended = container.last_run_ended.filter(|_| container.last_run_ended != self.last_run_ended);
        ended.is_some_and(|ended| ended > self.since.at)
    }

    /// Whether a termination is that of the run before the failure.
    fn is_old_run(&self, state: &State) -> bool {
        matches!(state, State::Terminated { finished: Some(finished), .. } if Some(*finished) == self.last_run_ended)
    }

    fn turned(&self) -> FailureEvent {
        FailureEvent::Turned(self.stage, Arc::clone(&self.message))
    }

    /// Takes what changed from the last status to this one.
    fn follow(&mut self, stage: Stage, provenance: Provenance, now: Timestamp, events: &mut Vec<FailureEvent>) {
        // ErrImagePull that gives way to RegistryUnavailable is the next attempt; nothing was merged into it.
        if self.stage.is_attempt() && !stage.is_attempt() && provenance.is_observed() {
            self.backoff.attempt_hides(now);
        }
        match stage {
            Stage::NoImage(reason) if reason.is_attempt() => self.attempt(provenance, now, events),
            Stage::BeforePull => self.backoff.restarted(),
            Stage::CrashLoop => self.backoff.disturbed(),
            Stage::NoImage(_) | Stage::Unsaid | Stage::Unknown | Stage::HasImage => {}
        }
    }

    fn attempt(&mut self, provenance: Provenance, now: Timestamp, events: &mut Vec<FailureEvent>) {
        let interval = self.backoff.attempt_shows(now, provenance.is_observed());
        events.extend(interval.map(FailureEvent::BackedOff));
        self.attempts = self.attempts.saturating_add(1);
        self.replaced.attempt();
        events.push(FailureEvent::Attempted(self.cause));
    }

    /// Keeps the newest error text. Returns the cause that it tells, where it may be another than before. A kubelet before
    /// 1.32 says nothing while it waits (kubernetes/kubernetes#127918); what its last attempt said holds until the next.
    fn take_message(&mut self, reason: Reason, message: &str, pools: &mut Pools) -> Option<Cause> {
        let (before, other_text) = (self.reason, *self.message != *message);
        // Every attempt and every back-off after it: nearly all that ever changes.
        let only_turns = before.tells_no_cause() && reason.tells_no_cause() && is_same_error(&self.message, message);
        self.reason = reason;
        let is_bare = is_bare_backoff(message);
        if is_bare && (before.is_attempt() || before == Reason::ImagePullBackOff) {
            return None;
        }
        if other_text {
            self.message = pools.texts.share(message);
        }
        // An error outside an attempt is over, and the kubelet waits after the attempt before it.
        if is_bare {
            self.host = None;
            return Some(self.replaced.newest().unwrap_or(Cause::Unknown));
        }
        let may_differ = (before != reason || other_text) && !only_turns;
        may_differ.then(|| {
            let Reading { cause, host } = read(reason.as_str(), message, &self.image);
            self.host = host.as_ref().map(|host| shared(host, pools));
            cause
        })
    }

    /// Follows the cause that a status tells.
    fn take_cause(&mut self, cause: Cause, provenance: Provenance, now: Timestamp) {
        self.inferred = None;
        if cause != self.cause {
            let returns = self.replaced.replace(self.cause, self.cause_since, cause);
            self.cause_since = returns.unwrap_or_else(|| CauseSince::shown(provenance, now));
            self.cause = cause;
        }
    }

    fn mention_unknown_cause(&self, events: &mut Vec<FailureEvent>) {
        if self.cause == Cause::Unknown && !self.shows_no_error() {
            events.push(FailureEvent::Unclassified(self.message.to_string()));
        }
    }

    /// Turns to another image of the same container where the status names one: an image volume's after the
    /// container's own, or the other way round. Each has a back-off of its own. Returns whether it did.
    fn take_image(
        &mut self,
        container: &ContainerFacts,
        provenance: Provenance,
        now: Timestamp,
        pools: &mut Pools,
    ) -> bool {
        let message = message_of(&container.state);
        let other = failing_image(container, message)
            .filter(|(_, image)| image.reference.raw() != self.image.raw() && image_named_in(message).is_some());
        let Some((_, image)) = other else { return false };
        self.image = pools.images.share(Arc::clone(&image.reference));
        self.policy = image.policy;
        self.message = Arc::default();
        (self.cause, self.host, self.inferred) = (Cause::Unknown, None, None);
        self.cause_since = CauseSince::shown(provenance, now);
        self.replaced = Replaced::default();
        self.backoff = BackOff::found();
        true
    }
}

impl Stale {
    /// Whether a container's state is this left-over.
    #[must_use]
    pub fn shows_in(&self, state: &State) -> bool {
        stage_of(state) == Stage::NoImage(self.reason) && *self.message == *message_of(state)
    }
}

/// Whether nothing can have been tried before a failure that begins with this status. CrashLoopBackOff may have hidden
/// earlier attempts of a container whose run ended a while ago.
fn is_first_attempt(reason: Reason, container: &ContainerFacts, now: Timestamp) -> bool {
    let restarted_at_once = container.last_run_ended.is_none_or(|ended| now.since(ended) < RESTART_SHOWS);
    reason != Reason::ImagePullBackOff && restarted_at_once
}

fn message_of(state: &State) -> &str {
    match state {
        State::Waiting { message, .. } => message,
        State::Absent | State::Running { .. } | State::Terminated { .. } => "",
    }
}

/// The image of `container` that `message` is about, and its position among those the container needs: the one it
/// names, else the container's own. `None` when it names another one, which the spec had before.
fn failing_image<'a>(container: &'a ContainerFacts, message: &str) -> Option<(usize, &'a ImageFacts)> {
    let own = || container.images.first().map(|image| (0, image));
    let Some(named) = image_named_in(message).map(ImageReference::parse) else { return own() };
    let needed = container.images.iter().enumerate().find(|(_, image)| image.reference.is_same_image(&named));
    // The kubelet escapes what it quotes, so a text that is no reference may be the container's own, garbled.
    needed.or_else(|| named.problem().and_then(|_| own()))
}

fn shared(host: &FailingHost, pools: &mut Pools) -> FailingHost {
    FailingHost { name: pools.texts.share(&*host.name), kind: host.kind }
}
