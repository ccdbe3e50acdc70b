//! Builders for the model's tests: pods, and an index that records the effects of each update.

use super::effect::{IndexEffect, PullResult};
use super::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, PodPhase, StateFacts, WatchScope};
use super::failure_event::FailureEvent;
use super::image::{ImageReference, PullPolicy};
use super::image_wait::{PendingEvent, WaitStage};
use super::index::{Index, IndexConfig, MirroredReasons};
use super::time::Timestamp;

/// Start of every scenario, in seconds since the Unix epoch: in 2027.
const SCENARIO_START: i64 = 1_800_000_000;

/// The time `seconds` after the start of the scenario.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis((SCENARIO_START + seconds) * 1000)
}

/// The inverse of [`at`], to the millisecond.
pub(super) fn seconds_since_start(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a story is short")]
    let millis = (at.unix_millis() - SCENARIO_START * 1000) as f64;
    millis / 1000.0
}

/// A pod of namespace `shop` that runs and has no container, with a uid of its own.
pub(super) fn pod(name: &str) -> PodFacts {
    let id = PodId { namespace: "shop".to_owned(), name: name.to_owned(), uid: format!("uid-of-{name}") };
    PodFacts { id, node: "node-1".to_owned(), ..PodFacts::default() }
}

/// The back-off message for an image, as kubelets from 1.32 on write it.
pub(super) fn back_off(image: &str) -> String {
    format!("Back-off pulling image \"{image}\": ErrImagePull: {}", not_found(image))
}

/// The error text of containerd for a tag that does not exist.
pub(super) fn not_found(image: &str) -> String {
    format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": {image}: not found")
}

impl PodFacts {
    pub(super) fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.id.namespace);
        self
    }

    pub(super) fn with_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.id.uid);
        self
    }

    /// Adds a container. The following builder calls apply to it.
    pub(super) fn container(mut self, name: &str, kind: ContainerKind, image: &str) -> Self {
        self.containers.push(ContainerFacts {
            name: name.to_owned(),
            kind,
            images: vec![ImageFacts {
                reference: ImageReference::parse(image).into(),
                policy: PullPolicy::IfNotPresent,
            }],
            restart_count: 0,
            state: StateFacts::Absent,
            last_finished_at: None,
            has_started: false,
            has_run_image: false,
        });
        self
    }

    /// Adds the container `app`.
    pub(super) fn image(self, image: &str) -> Self {
        self.container("app", ContainerKind::App, image)
    }

    /// Adds an image volume to the container.
    pub(super) fn image_volume(self, image: &str) -> Self {
        let image = ImageFacts { reference: ImageReference::parse(image).into(), policy: PullPolicy::Always };
        self.update_container(|container| container.images.push(image))
    }

    pub(super) fn waiting(self, reason: &str, message: &str) -> Self {
        let state = StateFacts::Waiting { reason: reason.to_owned(), message: message.to_owned() };
        self.update_container(|container| container.state = state)
    }

    /// Shows a failed attempt to pull the container's own image.
    pub(super) fn err_image_pull(self) -> Self {
        let message = not_found(self.last_container().images[0].reference.raw());
        self.waiting("ErrImagePull", &message)
    }

    /// Shows the back-off of the container's own image.
    pub(super) fn image_pull_back_off(self) -> Self {
        let message = back_off(self.last_container().images[0].reference.raw());
        self.waiting("ImagePullBackOff", &message)
    }

    pub(super) fn container_creating(self) -> Self {
        self.waiting("ContainerCreating", "")
    }

    pub(super) fn running_since(self, started: i64) -> Self {
        self.update_container(|container| container.state = StateFacts::Running { started_at: Some(at(started)) })
    }

    pub(super) fn running(self) -> Self {
        self.running_since(0)
    }

    pub(super) fn terminated(self, reason: &str, finished: i64) -> Self {
        let state = StateFacts::Terminated { reason: reason.to_owned(), finished_at: Some(at(finished)) };
        self.update_container(|container| container.state = state)
    }

    /// Sets the restart count and when the last run ended.
    pub(super) fn restarted(self, restarts: u32, ended: i64) -> Self {
        self.update_container(|container| {
            container.restart_count = restarts;
            container.last_finished_at = Some(at(ended));
        })
    }

    pub(super) fn deleting(mut self) -> Self {
        self.is_deleting = true;
        self
    }

    pub(super) fn finished(mut self) -> Self {
        self.phase = PodPhase::Finished;
        self
    }

    pub(super) fn sandbox_ready(mut self, seconds: i64) -> Self {
        self.sandbox_ready = Some(at(seconds));
        self
    }

    /// Sets the condition `PodReadyToStartContainers` to False.
    pub(super) fn sandbox_missing(mut self) -> Self {
        self.sandbox_ready = None;
        self.is_sandbox_missing = true;
        self
    }

    /// Makes the container a sidecar that has started.
    pub(super) fn has_started(self) -> Self {
        self.update_container(|container| container.has_started = true)
    }

    pub(super) fn initialized(mut self, seconds: i64) -> Self {
        self.initialized = Some(at(seconds));
        self
    }

    pub(super) fn scheduled(mut self, seconds: i64) -> Self {
        self.scheduled = Some(at(seconds));
        self
    }

    fn last_container(&self) -> &ContainerFacts {
        self.containers.last().expect("the pod has a container")
    }

    fn update_container(mut self, change: impl FnOnce(&mut ContainerFacts)) -> Self {
        change(self.containers.last_mut().expect("the pod has a container"));
        self
    }
}

/// An index and a log of its effects.
pub(super) struct IndexScenario {
    pub(super) index: Index,
    scopes: Vec<WatchScope>,
    /// One line for each effect: `28 web/app attempted`.
    pub(super) log: Vec<String>,
}

impl IndexScenario {
    /// A cluster that is watched from 0 on and has no pods then.
    pub(super) fn new() -> Self {
        Self::with(IndexConfig::default(), &[WatchScope::Cluster])
    }

    pub(super) fn with(settings: IndexConfig, scopes: &[WatchScope]) -> Self {
        let mut story = Self::unlisted(settings, scopes);
        for scope in scopes {
            story.relist(0, scope, &[]);
        }
        story
    }

    /// A cluster that was not listed yet.
    pub(super) fn unlisted(settings: IndexConfig, scopes: &[WatchScope]) -> Self {
        Self { index: Index::new(settings, scopes), scopes: scopes.to_vec(), log: Vec::new() }
    }

    pub(super) fn mirroring(mirror: MirroredReasons) -> Self {
        Self::with(IndexConfig { mirrored_reasons: mirror, ..IndexConfig::default() }, &[WatchScope::Cluster])
    }

    pub(super) fn apply(&mut self, time: i64, pod: &PodFacts) -> &mut Self {
        for watch in self.scopes.iter().filter(|scope| scope.covers(&pod.id.namespace)) {
            self.index.watch_mut(watch).expect("the scope is watched").record_response(at(time));
        }
        let effects = self.index.apply(pod, at(time));
        self.record(time, &effects)
    }

    /// Resumes the watch after a gap.
    pub(super) fn record_gap(&mut self, time: i64) -> &mut Self {
        self.index.watch_mut(&WatchScope::Cluster).expect("the cluster is watched").record_gap(at(time));
        self
    }

    /// Receives a bookmark: all changes up to `time` were received.
    pub(super) fn record_sync(&mut self, time: i64) -> &mut Self {
        self.index.watch_mut(&WatchScope::Cluster).expect("the cluster is watched").record_sync(at(time));
        self
    }

    pub(super) fn delete(&mut self, time: i64, pod: &PodFacts) -> &mut Self {
        let effects = self.index.delete(pod, at(time));
        self.record(time, &effects)
    }

    pub(super) fn relist(&mut self, time: i64, scope: &WatchScope, pods: &[PodFacts]) -> &mut Self {
        self.index.begin_relist(scope);
        let mut effects = Vec::new();
        for pod in pods {
            effects.extend(self.index.apply(pod, at(time)));
        }
        effects.extend(self.index.end_relist(scope, at(time)));
        self.record(time, &effects)
    }

    /// Relists all scopes.
    pub(super) fn relist_all(&mut self, time: i64, pods: &[PodFacts]) -> &mut Self {
        for scope in self.scopes.clone() {
            let covered: Vec<PodFacts> = pods.iter().filter(|pod| scope.covers(&pod.id.namespace)).cloned().collect();
            self.relist(time, &scope, &covered);
        }
        self
    }

    pub(super) fn record(&mut self, time: i64, effects: &[IndexEffect]) -> &mut Self {
        self.log.extend(effects.iter().filter_map(describe).map(|line| format!("{time} {line}")));
        self
    }

    /// One line for each open failure: `web/app nginx:nope ErrImagePull since 1 observed, 1 attempts`.
    pub(super) fn failing(&mut self) -> Vec<String> {
        let snapshot = self.index.snapshot().expect("every scope was listed");
        let line = |(pod, container, failure): (_, _, &super::failure::Failure)| {
            let pod: &super::snapshot::TrackedPod = pod;
            let container: &super::snapshot::TrackedContainer = container;
            format!(
                "{}/{} {} {} since {} {}, {} attempts",
                pod.id.name,
                container.name,
                failure.image.raw(),
                failure.reason.as_str(),
                seconds_since_start(failure.start.at),
                failure.start.basis.as_str(),
                failure.attempts
            )
        };
        snapshot.failures().map(line).collect()
    }

    /// One line for each wait: `web/app nginx:1 pending sandbox_ready since 3`.
    pub(super) fn waiting(&mut self) -> Vec<String> {
        let snapshot = self.index.snapshot().expect("every scope was listed");
        let line = |(pod, container, wait): super::snapshot::WaitRef<'_>| {
            let stage = match wait.stage {
                WaitStage::Starting => "starting".to_owned(),
                WaitStage::Pending(basis) => format!("pending {}", basis.as_str()),
            };
            let since = seconds_since_start(wait.since);
            format!("{}/{} {} {stage} since {since}", pod.id.name, container.name, wait.image.raw())
        };
        snapshot.waits().map(line).collect()
    }

    /// One line for each mirrored reason: `web/app ErrImagePull`.
    pub(super) fn mirrored(&mut self) -> Vec<String> {
        let snapshot = self.index.snapshot().expect("every scope was listed");
        let line = |(pod, container): (&super::snapshot::TrackedPod, &super::snapshot::TrackedContainer)| {
            Some(format!("{}/{} {}", pod.id.name, container.name, container.mirrored_reason.as_ref()?))
        };
        snapshot.containers().filter_map(line).collect()
    }
}

/// Describes an effect in one line. `None` for effects that only the history uses.
fn describe(effect: &IndexEffect) -> Option<String> {
    let (subject, event) = match effect {
        IndexEffect::Failure { subject, event, .. } => (subject, event),
        IndexEffect::Pending { subject, event } => {
            let what = match event {
                PendingEvent::Started => "pending".to_owned(),
                PendingEvent::Ended { outcome, duration, is_exact } => {
                    let about = if *is_exact { "" } else { "about " };
                    format!("pending ended: {} after {about}{} s", outcome.as_str(), duration.as_secs_f64())
                }
            };
            return Some(format!("{}/{} {what}", subject.pod.name, subject.container));
        }
        IndexEffect::Pull(report) => {
            let what = match report.result {
                PullResult::Pulled { .. } => "pulled",
                PullResult::Failed => "pull failed",
            };
            let subject = &report.subject;
            return Some(format!("{}/{} {what} {} times", subject.pod.name, subject.container, report.count));
        }
        IndexEffect::UnknownReason(reason) => return Some(format!("unknown reason {reason}")),
        IndexEffect::DuplicateContainer(pod) => return Some(format!("{} duplicate", pod.name)),
    };
    let what = match event {
        FailureEvent::Started => "started".to_owned(),
        FailureEvent::StatusChanged(..) => return None,
        FailureEvent::AttemptFailed(_) => "attempted".to_owned(),
        FailureEvent::Unclassified(text) => format!("unclassified {} bytes", text.len()),
        FailureEvent::IntervalMeasured(interval) => format!("backed off {} s", interval.as_secs_f64()),
        FailureEvent::Ended { outcome, duration: lasted, is_exact: exact, .. } => {
            let about = if *exact { "" } else { "about " };
            format!("{} after {about}{} s", outcome.as_str(), lasted.as_secs_f64())
        }
    };
    Some(format!("{}/{} {what}", subject.pod.name, subject.container))
}
