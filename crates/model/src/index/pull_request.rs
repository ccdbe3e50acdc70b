//! Applies the Event `Pulling` to the waits of a pod.
//!
//! The kubelet writes the Event before the pull waits for its turn, and starts the containers of a pod one after the other. The
//! container of the newest Event is the one whose image is pulled or queued, and those before it have their image or
//! failed. The Event turns *starting* into *pending*, and moves the wait of the pod to its container. It does not replace other
//! evidence that the container is pending.

use std::sync::Arc;
use std::time::Duration;

use super::container_update::pending_effect;
use super::unstarted::Unstarted;
use crate::effect::IndexEffect;
use crate::facts::{ContainerKind, ImageFacts};
use crate::image::ImageReference;
use crate::image_wait::of_pod::StartOrder;
use crate::image_wait::{ImageWait, PendingEvent, PendingOutcome, PullRequest};
use crate::intern::Interners;
use crate::kubelet_event::EventFacts;
use crate::snapshot::{TrackedContainer, TrackedPod};
use crate::time::Timestamp;

/// Maximum difference between the clocks that the start of a wait and the time of an Event come from.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// An Event `Pulling`, to be applied to a pod.
pub(super) struct PullRequestUpdate<'a> {
    pub(super) event: &'a EventFacts,
    /// The image as written in the Event.
    pub(super) image: &'a str,
    /// When the sandbox of the pod became ready, if that is known.
    pub(super) sandbox_ready: Option<Timestamp>,
    /// Whether the Event happened just now.
    pub(super) is_observed: bool,
    pub(super) now: Timestamp,
}

/// The container that an Event is about.
struct Target {
    name: Arc<str>,
    kind: ContainerKind,
    image: ImageFacts,
    /// The registry of the container's own image.
    registry: Arc<str>,
}

impl PullRequestUpdate<'_> {
    pub(super) fn apply(
        &self,
        pod: &mut TrackedPod,
        unstarted: &[Unstarted],
        pools: &mut Interners,
    ) -> Vec<IndexEffect> {
        let Some(target) = self.target(pod, unstarted, pools) else { return Vec::new() };
        let order = if target.kind == ContainerKind::Ephemeral { StartOrder::Ephemeral } else { StartOrder::Main };
        let request = PullRequest {
            at: self.event.last_at.unwrap_or(self.now).min(self.now),
            resource_version: self.event.resource_version,
        };
        let id = Arc::clone(&pod.id);
        let waits = |container: &TrackedContainer| order.contains(container.kind) && container.wait.is_some();
        let current = pod.containers.iter_mut().find(|container| waits(container));
        let observed_since = self.is_observed.then_some(self.now);
        let mut effects = Vec::new();
        let mut sandbox_ready = self.sandbox_ready;
        if let Some(TrackedContainer { name, kind, wait: current @ Some(_), .. }) = current {
            let Some(wait) = current.as_deref_mut() else { return effects };
            if request.at.saturating_add(MAX_CLOCK_SKEW) < wait.since || wait.pull_request >= Some(request) {
                return effects;
            }
            if (*kind, &**name) == (target.kind, &*target.name) {
                let was_pending = wait.is_pending();
                wait.request_pull(&target.image, request, observed_since);
                if !was_pending {
                    effects.push(pending_effect(&id, name, wait, PendingEvent::Started));
                }
                return effects;
            }
            let position =
                |name: &str, kind| unstarted.iter().position(|other| (other.kind, &*other.name) == (kind, name));
            if wait.pull_request.is_none() && position(&target.name, target.kind) < position(name, *kind) {
                return effects;
            }
            if let Some(event) = wait.end_event(PendingOutcome::Started, self.now, self.is_observed) {
                effects.push(pending_effect(&id, name, wait, event));
            }
            sandbox_ready = sandbox_ready.or(wait.sandbox_ready);
            *current = None;
        } else if !self.is_observed {
            // Nothing else shows that the container's turn has come. The Event may be about an earlier start.
            return effects;
        }
        let wait = ImageWait::begin_by_event(&target.image, target.registry, request, observed_since, sandbox_ready);
        effects.push(pending_effect(&id, &target.name, &wait, PendingEvent::Started));
        let is_target =
            |container: &&mut TrackedContainer| (container.kind, &*container.name) == (target.kind, &*target.name);
        if let Some(container) = pod.containers.iter_mut().find(is_target) {
            container.wait = Some(Box::new(wait));
        } else {
            let is_later =
                |other: &TrackedContainer| other.kind == ContainerKind::Ephemeral && target.kind != other.kind;
            let position = pod.containers.iter().position(is_later).unwrap_or(pod.containers.len());
            let container = TrackedContainer {
                name: target.name,
                kind: target.kind,
                mirrored_reason: None,
                failure: None,
                wait: Some(Box::new(wait)),
                stale_status: None,
            };
            pod.containers.insert(position, container);
        }
        pod.containers.retain(TrackedContainer::has_state);
        effects
    }

    /// Returns the container that the Event is about, if it has not started. An Event without a container is about an image
    /// volume, which is pulled before the first container that mounts it.
    fn target(&self, pod: &TrackedPod, unstarted: &[Unstarted], pools: &mut Interners) -> Option<Target> {
        let requested = ImageReference::parse(self.image);
        let is_requested = |image: &&ImageFacts| image.reference.is_same_image(&requested);
        let name = &*self.event.container;
        let listed = unstarted.iter().find_map(|container| {
            let images = if name.is_empty() { container.images.get(1..)? } else { &container.images };
            let image = images.iter().find(is_requested)?;
            (name.is_empty() || *container.name == *name).then_some((container, image))
        });
        if let Some((container, image)) = listed {
            let own = container.images.first()?;
            return Some(Target {
                name: Arc::clone(&container.name),
                kind: container.kind,
                image: image.clone(),
                registry: pools.texts.intern(own.reference.registry()),
            });
        }
        let container = pod.containers.iter().find(|container| *container.name == *name)?;
        let wait = container.wait.as_deref()?;
        let image = ImageFacts { reference: Arc::clone(&wait.image), policy: wait.policy };
        image.reference.is_same_image(&requested).then(|| Target {
            name: Arc::clone(&container.name),
            kind: container.kind,
            image,
            registry: Arc::clone(&wait.registry),
        })
    }
}
