//! Converts a decoded pod into the model's [`PodFacts`].

use std::collections::HashMap;
use std::sync::Arc;

use super::{Container, ContainerState, ContainerStatus, Pod, PodSpec, PodStatus, Volume, Waiting};
use crate::cluster::wire::bounded::BoundedList;
use crate::cluster::wire::protobuf::Message;
use crate::cluster::wire::time::to_timestamp;
use crate::cluster::wire::undecodable::{UndecodableObject, UndecodableReason};
use image_pull_model::facts::{
    ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, PodOwner, PodPhase, StateFacts,
};
use image_pull_model::image::{ImageReference, PullPolicy, is_same_image};
use image_pull_model::limits::{MAX_CONTAINERS, MAX_MESSAGE, MAX_POD_MESSAGES, MIN_MESSAGE, truncate};

impl Pod {
    /// Returns the identity of the pod.
    ///
    /// # Errors
    /// When name or uid is missing.
    pub(in crate::cluster) fn id(&self) -> Result<PodId, UndecodableObject> {
        let id = self.metadata.as_ref().map(|metadata| PodId {
            namespace: metadata.namespace.as_str().to_owned(),
            name: metadata.name.as_str().to_owned(),
            uid: metadata.uid.as_str().to_owned(),
        });
        let id = id.unwrap_or_default();
        if id.name.is_empty() || id.uid.is_empty() {
            return Err(UndecodableObject { id, problem: UndecodableReason::MissingIdentity });
        }
        Ok(id)
    }

    /// Returns whether a container may wait for its image: one waits, or the pod has a node and no container has a status,
    /// and it has not finished.
    pub(in crate::cluster) fn may_wait(&self) -> bool {
        let statuses = self.status.iter().flat_map(|status| {
            let lists =
                [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
            lists.into_iter().flat_map(BoundedList::iter)
        });
        let has_node = || self.spec.as_ref().is_some_and(|spec| !spec.node_name.is_empty());
        let is_finished =
            || self.status.as_ref().is_some_and(|status| matches!(status.phase.as_str(), "Succeeded" | "Failed"));
        let mut states = statuses.clone().map(|status| status.state.as_ref());
        states.any(|state| state.is_some_and(|state| state.waiting.is_some()))
            || statuses.clone().next().is_none() && has_node() && !is_finished()
    }

    /// Converts the pod.
    ///
    /// # Errors
    /// When name or uid is missing.
    pub(in crate::cluster) fn into_facts(self) -> Result<PodFacts, UndecodableObject> {
        let (id, exceeded) = (self.id()?, self.exceeded());
        let Self { metadata, spec, status } = self;
        let (metadata, spec, status) =
            (metadata.unwrap_or_default(), spec.unwrap_or_default(), status.unwrap_or_default());
        let controller = metadata.owner_references.into_iter().next().unwrap_or_default();
        let condition = |kind: &str, value: &str| {
            let mut conditions = status.conditions.iter().filter(|condition| condition.kind.as_str() == kind);
            conditions.find(|condition| condition.status.as_str() == value)
        };
        let met_at = |kind: &str| to_timestamp(condition(kind, "True")?.last_transition_time.as_ref());
        let mut facts = PodFacts {
            id,
            owner: PodOwner {
                kind: controller.kind.into(),
                name: controller.name.into(),
                template_hash: metadata.template_hash.into(),
            },
            phase: match status.phase.as_str() {
                "Succeeded" | "Failed" => PodPhase::Finished,
                "Running" => PodPhase::Running,
                _ => PodPhase::Active,
            },
            is_deleting: metadata.deletion_timestamp.is_some(),
            created: to_timestamp(metadata.creation_timestamp.as_ref()),
            started: to_timestamp(status.start_time.as_ref()),
            scheduled: met_at("PodScheduled"),
            sandbox_ready: met_at("PodReadyToStartContainers"),
            is_sandbox_missing: condition("PodReadyToStartContainers", "False").is_some(),
            initialized: met_at("Initialized"),
            containers: containers(&spec, status),
            node: spec.node_name.into(),
            service_account: spec.service_account_name.into(),
            pull_secrets: spec.image_pull_secrets.into_iter().map(|secret| secret.name.into()).collect(),
            exceeded,
        };
        facts.exceeded.texts += truncate_messages(&mut facts.containers);
        Ok(facts)
    }
}

/// Truncates reasons and messages to [`MAX_POD_MESSAGES`] for the whole pod. Returns the number of truncated texts.
fn truncate_messages(containers: &mut [ContainerFacts]) -> u64 {
    let waiting = containers.iter().filter(|container| matches!(container.state, StateFacts::Waiting { .. })).count();
    let max = (MAX_POD_MESSAGES / waiting.max(1)).clamp(MIN_MESSAGE, MAX_MESSAGE);
    let mut truncated = 0;
    for container in containers {
        let StateFacts::Waiting { reason, message } = &mut container.state else { continue };
        for text in [reason, message] {
            if max < MAX_MESSAGE && text.len() > max {
                *text = truncate(text, max).into_owned();
                truncated += 1;
            }
        }
    }
    truncated
}

/// Returns every container of the status and the spec, in the order of the spec. Those that only the status has come last.
fn containers(spec: &PodSpec, status: PodStatus) -> Vec<ContainerFacts> {
    let volumes = ImageVolumes::of(&spec.volumes);
    let ephemeral = spec.ephemeral_containers.iter().map(|container| &container.common);
    let lists: [(Vec<&Container>, BoundedList<ContainerStatus, MAX_CONTAINERS>, ContainerKind); 3] = [
        (spec.init_containers.iter().collect(), status.init_container_statuses, ContainerKind::Init),
        (spec.containers.iter().collect(), status.container_statuses, ContainerKind::App),
        (ephemeral.collect(), status.ephemeral_container_statuses, ContainerKind::Ephemeral),
    ];
    let mut facts = Vec::new();
    for (specs, statuses, kind) in lists {
        let mut by_name: HashMap<&str, (usize, bool)> = HashMap::with_capacity(specs.len());
        for (position, container) in specs.iter().enumerate() {
            // The first of duplicate names counts.
            by_name.entry(container.name.as_str()).or_insert((position, false));
        }
        let mut of_kind = Vec::with_capacity(specs.len());
        for status in statuses {
            let position = by_name.get_mut(status.name.as_str()).map(|(position, has_status)| {
                *has_status = true;
                *position
            });
            let container = position.and_then(|position| specs.get(position).copied());
            of_kind.push((position.unwrap_or(usize::MAX), container_facts(container, &volumes, kind, status)));
        }
        for (position, container) in specs.iter().enumerate() {
            let Some((_, has_status @ false)) = by_name.get_mut(container.name.as_str()) else { continue };
            *has_status = true;
            let status = ContainerStatus { name: container.name.clone(), ..ContainerStatus::default() };
            of_kind.push((position, container_facts(Some(container), &volumes, kind, status)));
        }
        // Stable, so that the first of duplicate statuses stays the first.
        of_kind.sort_by_key(|(position, _)| *position);
        facts.extend(of_kind.into_iter().map(|(_, container)| container));
    }
    facts
}

fn container_facts(
    container: Option<&Container>,
    volumes: &ImageVolumes<'_>,
    kind: ContainerKind,
    status: ContainerStatus,
) -> ContainerFacts {
    let restartable = container.is_some_and(|container| container.restart_policy.as_str() == "Always");
    // The status keeps the image of the last run, as the runtime names it, even if the spec has changed since
    // (convertToAPIContainerStatuses, pkg/kubelet/kubelet_pods.go, v1.36.2).
    let has_run_image = !status.image_id.is_empty()
        && container.is_some_and(|container| {
            !container.image.is_empty() && is_same_image(status.image.as_str(), container.image.as_str())
        });
    ContainerFacts {
        has_started: status.started,
        has_run_image,
        name: status.name.into(),
        kind: if kind == ContainerKind::Init && restartable { ContainerKind::Sidecar } else { kind },
        images: container.map(|container| volumes.images(container)).unwrap_or_default(),
        restart_count: u32::try_from(status.restart_count).unwrap_or(0),
        last_finished_at: status
            .last_state
            .and_then(|last| last.terminated)
            .and_then(|run| to_timestamp(run.finished_at.as_ref())),
        state: status.state.map(container_state).unwrap_or_default(),
    }
}

/// The image volumes of a pod. All containers share their parsed references.
struct ImageVolumes<'a> {
    images: Vec<ImageFacts>,
    /// Index into `images` by volume name.
    by_name: HashMap<&'a str, usize>,
}

impl<'a> ImageVolumes<'a> {
    fn of<const MAX: usize>(volumes: &'a BoundedList<Volume, MAX>) -> Self {
        let (mut images, mut by_name) = (Vec::new(), HashMap::new());
        for volume in volumes.iter() {
            let Some(image) = &volume.image else { continue };
            by_name.entry(volume.name.as_str()).or_insert(images.len());
            images.push(image_facts(image.reference.as_str(), image.pull_policy.as_str()));
        }
        Self { images, by_name }
    }

    /// Returns the images that a container needs, each volume once. Assumes that it mounts every volume if its mounts
    /// exceed the limit.
    fn images(&self, container: &Container) -> Vec<ImageFacts> {
        let mut images = vec![image_facts(container.image.as_str(), container.image_pull_policy.as_str())];
        if !container.volume_mounts.is_complete() {
            images.extend(self.images.iter().cloned());
        } else if !self.images.is_empty() {
            let mut mounted = vec![false; self.images.len()];
            for mount in container.volume_mounts.iter() {
                let Some(place) = self.by_name.get(mount.name.as_str()) else { continue };
                let (Some(mounted), Some(image)) = (mounted.get_mut(*place), self.images.get(*place)) else { continue };
                if !std::mem::replace(mounted, true) {
                    images.push(image.clone());
                }
            }
        }
        images
    }
}

fn image_facts(reference: &str, policy: &str) -> ImageFacts {
    let reference = ImageReference::parse(reference);
    let policy = PullPolicy::parse(policy).unwrap_or_else(|| reference.default_pull_policy());
    ImageFacts { reference: Arc::new(reference), policy }
}

fn container_state(state: ContainerState) -> StateFacts {
    match state {
        ContainerState { waiting: Some(Waiting { reason, message }), .. } => {
            StateFacts::Waiting { reason: reason.into(), message: message.into() }
        }
        ContainerState { running: Some(running), .. } => {
            StateFacts::Running { started_at: to_timestamp(running.started_at.as_ref()) }
        }
        ContainerState { terminated: Some(terminated), .. } => StateFacts::Terminated {
            reason: terminated.reason.into(),
            finished_at: to_timestamp(terminated.finished_at.as_ref()),
        },
        ContainerState { waiting: None, running: None, terminated: None } => StateFacts::Absent,
    }
}
