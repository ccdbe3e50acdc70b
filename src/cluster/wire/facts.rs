//! Turns a decoded pod into what the pure middle is told.

use super::{
    Condition, Container, ContainerState, ContainerStatus, Pod, Spec, Status, TEMPLATE_HASH, Time, Undecodable, Volume,
    Waiting,
};
use crate::pull::facts::{ContainerFacts, ContainerKind, ImageFacts, Owner, Phase, PodFacts, PodId, State};
use crate::pull::image::{PullPolicy, default_pull_policy};
use crate::pull::time::Timestamp;

impl Pod {
    /// Returns what is known of the pod.
    ///
    /// # Errors
    /// When it cannot be told from others.
    pub(in crate::cluster) fn into_facts(self) -> Result<PodFacts, Undecodable> {
        let Self { metadata, spec, status } = self;
        let (metadata, spec, status) =
            (metadata.unwrap_or_default(), spec.unwrap_or_default(), status.unwrap_or_default());
        if metadata.name.is_empty() || metadata.uid.is_empty() {
            return Err(Undecodable::Anonymous);
        }
        let template_hash = metadata.labels.into_iter().find(|label| label.key == TEMPLATE_HASH);
        let controller = metadata.owner_references.into_iter().find(|owner| owner.controller).unwrap_or_default();
        let condition = |kind: &str| {
            let met = |condition: &&Condition| condition.kind == kind && condition.status == "True";
            status.conditions.iter().find(met).and_then(|condition| instant(condition.last_transition_time.as_ref()))
        };
        Ok(PodFacts {
            id: PodId { namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
            owner: Owner {
                kind: controller.kind,
                name: controller.name,
                template_hash: template_hash.map(|label| label.value).unwrap_or_default(),
            },
            phase: match status.phase.as_str() {
                "Succeeded" | "Failed" => Phase::Finished,
                _ => Phase::Alive,
            },
            deleting: metadata.deletion_timestamp.is_some(),
            created: instant(metadata.creation_timestamp.as_ref()),
            started: instant(status.start_time.as_ref()),
            scheduled: condition("PodScheduled"),
            sandbox_ready: condition("PodReadyToStartContainers"),
            initialized: condition("Initialized"),
            containers: containers(&spec, status),
            node: spec.node_name,
            service_account: spec.service_account_name,
            pull_secrets: spec.image_pull_secrets.into_iter().map(|secret| secret.name).collect(),
        })
    }
}

fn instant(time: Option<&Time>) -> Option<Timestamp> {
    let Time { seconds, nanos } = *time?;
    let millis = seconds.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))?;
    (millis != 0).then(|| Timestamp::from_unix_millis(millis))
}

/// Every container that the status or the spec names, in the order of the status.
fn containers(spec: &Spec, status: Status) -> Vec<ContainerFacts> {
    let ephemeral = spec.ephemeral_containers.iter().filter_map(|container| container.common.as_ref());
    let lists = [
        (spec.init_containers.iter().collect(), status.init_container_statuses, ContainerKind::Init),
        (spec.containers.iter().collect(), status.container_statuses, ContainerKind::App),
        (ephemeral.collect::<Vec<_>>(), status.ephemeral_container_statuses, ContainerKind::Ephemeral),
    ];
    let mut facts = Vec::new();
    for (specs, statuses, kind) in lists {
        let first = facts.len();
        for status in statuses {
            let container = specs.iter().copied().find(|container| container.name == status.name);
            facts.push(container_facts(container, &spec.volumes, kind, status));
        }
        for container in specs {
            let has_status = facts.iter().skip(first).any(|known| known.name == container.name);
            if !has_status {
                let status = ContainerStatus { name: container.name.clone(), ..ContainerStatus::default() };
                facts.push(container_facts(Some(container), &spec.volumes, kind, status));
            }
        }
    }
    facts
}

fn container_facts(
    container: Option<&Container>,
    volumes: &[Volume],
    kind: ContainerKind,
    status: ContainerStatus,
) -> ContainerFacts {
    let restartable = container.is_some_and(|container| container.restart_policy == "Always");
    ContainerFacts {
        name: status.name,
        kind: if kind == ContainerKind::Init && restartable { ContainerKind::Sidecar } else { kind },
        images: container.map(|container| images(container, volumes)).unwrap_or_default(),
        restarts: u32::try_from(status.restart_count).unwrap_or(0),
        last_run_ended: status
            .last_state
            .and_then(|last| last.terminated)
            .and_then(|run| instant(run.finished_at.as_ref())),
        state: status.state.map(state).unwrap_or_default(),
    }
}

fn images(container: &Container, volumes: &[Volume]) -> Vec<ImageFacts> {
    let mounted = container.volume_mounts.iter().filter_map(|mount| {
        let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
        let image = volume.source.as_ref()?.image.as_ref()?;
        Some(image_facts(&image.reference, &image.pull_policy))
    });
    let own = image_facts(&container.image, &container.image_pull_policy);
    std::iter::once(own).chain(mounted).collect()
}

fn image_facts(reference: &str, policy: &str) -> ImageFacts {
    let written = PullPolicy::ALL.iter().find(|known| known.as_str() == policy);
    ImageFacts {
        reference: reference.to_owned(),
        policy: written.copied().unwrap_or_else(|| default_pull_policy(reference)),
    }
}

fn state(state: ContainerState) -> State {
    match state {
        ContainerState { waiting: Some(Waiting { reason, message }), .. } => State::Waiting { reason, message },
        ContainerState { running: Some(running), .. } => {
            State::Running { started: instant(running.started_at.as_ref()) }
        }
        ContainerState { terminated: Some(terminated), .. } => {
            State::Terminated { reason: terminated.reason, finished: instant(terminated.finished_at.as_ref()) }
        }
        ContainerState { waiting: None, running: None, terminated: None } => State::Absent,
    }
}
