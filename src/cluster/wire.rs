//! Decodes the few fields of a pod that are used, forgiving all others.
//!
//! Every field is optional, and null is the same as absent: an API server may leave out anything. What has the wrong
//! type altogether does not decode, and whoever called counts it.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use crate::pull::facts::{ContainerFacts, ContainerKind, ImageFacts, Owner, Phase, PodFacts, PodId, State};
use crate::pull::image::{PullPolicy, default_pull_policy};
use crate::pull::time::Timestamp;

/// Why an object is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It is not a pod as the API defines it.
    #[error("{name}: {problem}")]
    Malformed {
        /// The object's namespace and name, as far as they could be read.
        name: String,
        /// What is wrong, with the place.
        problem: String,
    },
    /// It has no name or no uid.
    #[error("an object without metadata.name or metadata.uid")]
    Anonymous,
}

/// Reads the facts out of a pod's JSON.
///
/// # Errors
/// When the text is no pod, or one that cannot be told from others.
pub fn decode(json: &RawValue) -> Result<PodFacts, Undecodable> {
    let pod: Pod = serde_json::from_str(json.get()).map_err(|error| malformed(json, &error))?;
    pod.into_facts()
}

fn malformed(json: &RawValue, error: &serde_json::Error) -> Undecodable {
    let named: Named = serde_json::from_str(json.get()).unwrap_or_default();
    let name = match (named.metadata.namespace, named.metadata.name) {
        (_, None) => "a nameless object".to_owned(),
        (None, Some(name)) => name,
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
    };
    Undecodable::Malformed { name, problem: error.to_string() }
}

/// The part of an object that tells what it is, where the rest does not decode.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: NamedMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedMetadata {
    namespace: Option<String>,
    name: Option<String>,
}

/// Reads null as the default, as the API server's own decoder does.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list, of which null is no less than an empty one, and neither is an element that is null.
fn list<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let elements: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    Ok(elements.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Pod {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "nullable")]
    namespace: String,
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    uid: String,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    labels: Labels,
    #[serde(deserialize_with = "list")]
    owner_references: Vec<OwnerReference>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Labels {
    #[serde(rename = "pod-template-hash", deserialize_with = "nullable")]
    pod_template_hash: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    #[serde(deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "nullable")]
    node_name: String,
    #[serde(deserialize_with = "nullable")]
    service_account_name: String,
    #[serde(deserialize_with = "list")]
    image_pull_secrets: Vec<PullSecret>,
    #[serde(deserialize_with = "list")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "list")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "list")]
    ephemeral_containers: Vec<Container>,
    #[serde(deserialize_with = "list")]
    volumes: Vec<Volume>,
}

/// What is in it is none of our business.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PullSecret {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    image: String,
    image_pull_policy: Option<String>,
    restart_policy: Option<String>,
    #[serde(deserialize_with = "list")]
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VolumeMount {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Volume {
    #[serde(deserialize_with = "nullable")]
    name: String,
    image: Option<ImageVolume>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageVolume {
    #[serde(deserialize_with = "nullable")]
    reference: String,
    pull_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(deserialize_with = "nullable")]
    phase: String,
    start_time: Option<Time>,
    #[serde(deserialize_with = "list")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "list")]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "list")]
    container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "list")]
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    status: String,
    last_transition_time: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    restart_count: i64,
    #[serde(deserialize_with = "nullable")]
    state: ContainerState,
    #[serde(deserialize_with = "nullable")]
    last_state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    #[serde(deserialize_with = "nullable")]
    reason: String,
    #[serde(deserialize_with = "nullable")]
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    started_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    #[serde(deserialize_with = "nullable")]
    reason: String,
    finished_at: Option<Time>,
}

/// An RFC 3339 instant; one that is none of ours to judge reads as unknown.
struct Time(Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_unix_millis(at.as_millisecond()))))
    }
}

impl Pod {
    fn into_facts(self) -> Result<PodFacts, Undecodable> {
        let Self { metadata, spec, status } = self;
        if metadata.name.is_empty() || metadata.uid.is_empty() {
            return Err(Undecodable::Anonymous);
        }
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
                template_hash: metadata.labels.pod_template_hash,
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
    time.and_then(|Time(at)| *at)
}

/// Every container that the status or the spec names, in the order of the status.
fn containers(spec: &Spec, status: Status) -> Vec<ContainerFacts> {
    let lists = [
        (&spec.init_containers, status.init_container_statuses, ContainerKind::Init),
        (&spec.containers, status.container_statuses, ContainerKind::App),
        (&spec.ephemeral_containers, status.ephemeral_container_statuses, ContainerKind::Ephemeral),
    ];
    let mut facts = Vec::new();
    for (specs, statuses, kind) in lists {
        let first = facts.len();
        for status in statuses {
            let container = specs.iter().find(|container| container.name == status.name);
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
    let restartable = container.is_some_and(|container| container.restart_policy.as_deref() == Some("Always"));
    ContainerFacts {
        name: status.name,
        kind: if kind == ContainerKind::Init && restartable { ContainerKind::Sidecar } else { kind },
        images: container.map(|container| images(container, volumes)).unwrap_or_default(),
        restarts: u32::try_from(status.restart_count).unwrap_or(0),
        last_run_ended: status.last_state.terminated.and_then(|run| instant(run.finished_at.as_ref())),
        state: state(status.state),
    }
}

fn images(container: &Container, volumes: &[Volume]) -> Vec<ImageFacts> {
    let mounted = container.volume_mounts.iter().filter_map(|mount| {
        let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
        volume.image.as_ref().map(|image| image_facts(&image.reference, image.pull_policy.as_deref()))
    });
    let own = image_facts(&container.image, container.image_pull_policy.as_deref());
    std::iter::once(own).chain(mounted).collect()
}

fn image_facts(reference: &str, policy: Option<&str>) -> ImageFacts {
    let written = policy.and_then(|policy| PullPolicy::ALL.iter().find(|known| known.as_str() == policy));
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

#[cfg(test)]
mod tests;
