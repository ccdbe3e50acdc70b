//! Tells stories of pods to an index: the words in which the tests of the model are written.

use super::effect::{Effect, FailureEvent};
use super::facts::{ContainerFacts, ContainerKind, ImageFacts, Phase, PodFacts, PodId, Scope, State};
use super::image::{ImageReference, PullPolicy};
use super::index::{Index, Mirror, Settings};
use super::time::Timestamp;

/// When every story begins, in seconds: 2027.
const BEGIN: i64 = 1_800_000_000;

/// The instant so many seconds after the begin of the story.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis((BEGIN + seconds) * 1000)
}

/// The inverse of [`at`], to the millisecond.
pub(super) fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a story is short")]
    let millis = (at.unix_millis() - BEGIN * 1000) as f64;
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

/// What containerd says of a tag that is not there.
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

    /// Adds a container of that kind. What is said next is said of it.
    pub(super) fn container(mut self, name: &str, kind: ContainerKind, image: &str) -> Self {
        self.containers.push(ContainerFacts {
            name: name.to_owned(),
            kind,
            images: vec![ImageFacts {
                reference: ImageReference::parse(image).into(),
                policy: PullPolicy::IfNotPresent,
            }],
            restarts: 0,
            state: State::Absent,
            last_run_ended: None,
            has_run_image: false,
        });
        self
    }

    /// Adds the container `app`.
    pub(super) fn image(self, image: &str) -> Self {
        self.container("app", ContainerKind::App, image)
    }

    /// The container mounts an image volume.
    pub(super) fn image_volume(self, image: &str) -> Self {
        let image = ImageFacts { reference: ImageReference::parse(image).into(), policy: PullPolicy::Always };
        self.change(|container| container.images.push(image))
    }

    pub(super) fn waits(self, reason: &str, message: &str) -> Self {
        let state = State::Waiting { reason: reason.to_owned(), message: message.to_owned() };
        self.change(|container| container.state = state)
    }

    /// An attempt to pull the container's own image failed.
    pub(super) fn err_image_pull(self) -> Self {
        let message = not_found(self.last().images[0].reference.raw());
        self.waits("ErrImagePull", &message)
    }

    /// The kubelet waits before it pulls the container's own image again.
    pub(super) fn image_pull_back_off(self) -> Self {
        let message = back_off(self.last().images[0].reference.raw());
        self.waits("ImagePullBackOff", &message)
    }

    pub(super) fn creating(self) -> Self {
        self.waits("ContainerCreating", "")
    }

    pub(super) fn runs_since(self, started: i64) -> Self {
        self.change(|container| container.state = State::Running { started: Some(at(started)) })
    }

    pub(super) fn runs(self) -> Self {
        self.runs_since(0)
    }

    pub(super) fn terminated(self, reason: &str, finished: i64) -> Self {
        let state = State::Terminated { reason: reason.to_owned(), finished: Some(at(finished)) };
        self.change(|container| container.state = state)
    }

    /// The container was restarted so often, and its last run ended then.
    pub(super) fn restarted(self, restarts: u32, ended: i64) -> Self {
        self.change(|container| {
            container.restarts = restarts;
            container.last_run_ended = Some(at(ended));
        })
    }

    pub(super) fn deleting(mut self) -> Self {
        self.deleting = true;
        self
    }

    pub(super) fn finished(mut self) -> Self {
        self.phase = Phase::Finished;
        self
    }

    pub(super) fn sandbox_ready(mut self, seconds: i64) -> Self {
        self.sandbox_ready = Some(at(seconds));
        self
    }

    pub(super) fn initialized(mut self, seconds: i64) -> Self {
        self.initialized = Some(at(seconds));
        self
    }

    pub(super) fn scheduled(mut self, seconds: i64) -> Self {
        self.scheduled = Some(at(seconds));
        self
    }

    fn last(&self) -> &ContainerFacts {
        self.containers.last().expect("the pod has a container")
    }

    fn change(mut self, change: impl FnOnce(&mut ContainerFacts)) -> Self {
        change(self.containers.last_mut().expect("the pod has a container"));
        self
    }
}

/// What an index is told, and what it makes of it.
pub(super) struct Story {
    pub(super) index: Index,
    scopes: Vec<Scope>,
    /// What happened, a line each: `28 web/app attempted`.
    pub(super) lines: Vec<String>,
}

impl Story {
    /// Of a cluster that had no pods at 0 and is watched from then on.
    pub(super) fn new() -> Self {
        Self::with(Settings::default(), &[Scope::Cluster])
    }

    pub(super) fn with(settings: Settings, scopes: &[Scope]) -> Self {
        let mut story = Self::unlisted(settings, scopes);
        for scope in scopes {
            story.relist(0, scope, &[]);
        }
        story
    }

    /// Of a cluster of which nothing is known yet.
    pub(super) fn unlisted(settings: Settings, scopes: &[Scope]) -> Self {
        Self { index: Index::new(settings, scopes), scopes: scopes.to_vec(), lines: Vec::new() }
    }

    pub(super) fn mirroring(mirror: Mirror) -> Self {
        Self::with(Settings { mirror, ..Settings::default() }, &[Scope::Cluster])
    }

    pub(super) fn apply(&mut self, time: i64, pod: &PodFacts) -> &mut Self {
        for watch in self.scopes.iter().filter(|scope| scope.covers(&pod.id.namespace)) {
            self.index.watch_mut(watch).expect("the scope is watched").respond(at(time));
        }
        let effects = self.index.apply(pod, at(time));
        self.tell(time, &effects)
    }

    /// The watch goes on after an interruption.
    pub(super) fn resume_after_gap(&mut self, time: i64) -> &mut Self {
        self.index.watch_mut(&Scope::Cluster).expect("the cluster is watched").resume_after_gap(at(time));
        self
    }

    /// Everything was received up to this time.
    pub(super) fn sync(&mut self, time: i64) -> &mut Self {
        self.index.watch_mut(&Scope::Cluster).expect("the cluster is watched").sync(at(time));
        self
    }

    pub(super) fn delete(&mut self, time: i64, pod: &PodFacts) -> &mut Self {
        let effects = self.index.delete(pod, at(time));
        self.tell(time, &effects)
    }

    pub(super) fn relist(&mut self, time: i64, scope: &Scope, pods: &[PodFacts]) -> &mut Self {
        self.index.reset_begin(scope);
        let mut effects = Vec::new();
        for pod in pods {
            effects.extend(self.index.apply(pod, at(time)));
        }
        effects.extend(self.index.reset_end(scope, at(time)));
        self.tell(time, &effects)
    }

    /// A relist of everything.
    pub(super) fn relist_all(&mut self, time: i64, pods: &[PodFacts]) -> &mut Self {
        for scope in self.scopes.clone() {
            let covered: Vec<PodFacts> = pods.iter().filter(|pod| scope.covers(&pod.id.namespace)).cloned().collect();
            self.relist(time, &scope, &covered);
        }
        self
    }

    fn tell(&mut self, time: i64, effects: &[Effect]) -> &mut Self {
        self.lines.extend(effects.iter().filter_map(line).map(|line| format!("{time} {line}")));
        self
    }

    /// What fails, a line each: `web/app nginx:nope ErrImagePull since 1 observed, 1 attempts`.
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
                seconds(failure.since.at),
                failure.since.basis.as_str(),
                failure.attempts
            )
        };
        snapshot.failures().map(line).collect()
    }

    /// What is mirrored, a line each: `web/app ErrImagePull`.
    pub(super) fn mirrored(&mut self) -> Vec<String> {
        let snapshot = self.index.snapshot().expect("every scope was listed");
        let line = |(pod, container): (&super::snapshot::TrackedPod, &super::snapshot::TrackedContainer)| {
            Some(format!("{}/{} {}", pod.id.name, container.name, container.mirrored.as_ref()?))
        };
        snapshot.containers().filter_map(line).collect()
    }
}

/// What happened, in a line; nothing of what the history alone is told.
fn line(effect: &Effect) -> Option<String> {
    let (subject, event) = match effect {
        Effect::Failure(subject, event) => (subject, event),
        Effect::UnknownReason(reason) => return Some(format!("unknown reason {reason}")),
        Effect::DuplicateContainer(pod) => return Some(format!("{} duplicate", pod.name)),
    };
    let what = match event {
        FailureEvent::Started => "started".to_owned(),
        FailureEvent::Turned(..) => return None,
        FailureEvent::Attempted(_) => "attempted".to_owned(),
        FailureEvent::Unclassified(text) => format!("unclassified {} bytes", text.len()),
        FailureEvent::BackedOff(interval) => format!("backed off {} s", interval.as_secs_f64()),
        FailureEvent::Ended { outcome, lasted, exact, .. } => {
            let about = if *exact { "" } else { "about " };
            format!("{} after {about}{} s", outcome.as_str(), lasted.as_secs_f64())
        }
    };
    Some(format!("{}/{} {what}", subject.pod.name, subject.container))
}
