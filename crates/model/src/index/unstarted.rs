//! The containers of a tracked pod that have not started, so that an Event can name any of them.

use std::sync::Arc;

use crate::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts};
use crate::image_wait::of_pod::is_unstarted;
use crate::intern::Interners;
use crate::snapshot::TrackedContainer;

/// A container whose status shows a wait, and that has no open failure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unstarted {
    pub(super) name: Arc<str>,
    pub(super) kind: ContainerKind,
    /// Its own image, and those of the image volumes that it mounts.
    pub(super) images: Box<[ImageFacts]>,
}

/// Returns the containers of a pod that have not started, in the order in which they start. Empty if there is only one, which
/// waits for its own image: its wait has all of this.
pub(super) fn unstarted(
    pod: &PodFacts,
    containers: &[TrackedContainer],
    shown: &[&ContainerFacts],
    pools: &mut Interners,
) -> Vec<Unstarted> {
    let waiting =
        containers.iter().zip(shown).filter(|(container, facts)| container.is_free() && is_unstarted(pod, facts));
    if let [(container, facts)] = &*waiting.clone().take(2).collect::<Vec<_>>()
        && container.wait.is_some()
        && facts.images.len() <= 1
    {
        return Vec::new();
    }
    let mut image = |image: &ImageFacts| ImageFacts {
        reference: pools.images.intern(Arc::clone(&image.reference)),
        policy: image.policy,
    };
    waiting
        .map(|(container, facts)| Unstarted {
            name: Arc::clone(&container.name),
            kind: container.kind,
            images: facts.images.iter().map(&mut image).collect(),
        })
        .collect()
}
