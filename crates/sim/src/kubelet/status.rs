//! Computes a pod's status as the kubelet does (`kubelet_pods.go`, generateAPIPodStatus).

mod conditions;

use serde_json::{Map, Value, json};

use super::super::{
    fault::Reference,
    random::Random,
    script::{ContainerKind, RestartPolicy},
};
use super::{
    container_state::{Exit, Run},
    pod::{Container, Pod, Termination},
    reconcile::PodReconciler,
};

/// The state of a container in its status.
#[derive(Debug)]
enum ContainerState<'a> {
    Waiting {
        reason: &'a str,
        message: Option<&'a str>,
        ran_before: Option<&'a Run>,
    },
    Running(&'a Run),
    Terminated(&'a Run, &'a Exit),
    /// The pod ended before the container ran (status_manager.go:637-708).
    Unknown,
}

impl PodReconciler<'_> {
    /// Returns the status from the results of the last sync.
    pub(super) fn status(&self, pod: &mut Pod) -> Value {
        let shown = states(pod);
        let phase = phase(pod, &shown);
        let of_kind = |kinds: &[ContainerKind]| -> Vec<Value> {
            let of_kind =
                pod.containers.iter().zip(&shown).filter(|(container, _)| kinds.contains(&container.spec.kind));
            of_kind.map(|(container, state)| self.container_status(container, state)).collect()
        };
        let init = of_kind(&[ContainerKind::Init, ContainerKind::Sidecar]);
        let ephemeral = of_kind(&[ContainerKind::Ephemeral]);
        let mut app = of_kind(&[ContainerKind::App]);
        // Sorted by name, unlike init containers (kubelet_pods.go, SortStatusesOfInitContainers and
        // SortedContainerStatuses).
        app.sort_by(|a, b| a.get("name").and_then(Value::as_str).cmp(&b.get("name").and_then(Value::as_str)));
        let observed = conditions::observe(pod, phase);
        let start_time = pod.worker.start_time.unwrap_or(self.now);
        let mut status = json!({
            "observedGeneration": pod.generation,
            "phase": phase,
            "conditions": pod.worker.conditions.update(observed, pod.generation, &self.watch_log.rfc3339(self.now)),
            "hostIP": self.node.ip,
            "hostIPs": [{ "ip": self.node.ip }],
            "startTime": self.watch_log.rfc3339(start_time),
            "containerStatuses": app,
            "qosClass": "BestEffort",
        });
        if let Some(status) = status.as_object_mut() {
            if let Some(ip) = &pod.worker.pod_ip {
                status.insert("podIP".to_owned(), ip.as_str().into());
                status.insert("podIPs".to_owned(), json!([{ "ip": ip }]));
            }
            if matches!(
                pod.worker.termination,
                Termination::Deadline { reported: true } | Termination::Finished { deadline: true }
            ) {
                status.insert("reason".to_owned(), "DeadlineExceeded".into());
                status.insert(
                    "message".to_owned(),
                    "Pod was active on the node longer than the specified deadline".into(),
                );
            }
            insert_if_any(status, "initContainerStatuses", init);
            insert_if_any(status, "ephemeralContainerStatuses", ephemeral);
        }
        status
    }

    fn container_status(&self, container: &Container, state: &ContainerState<'_>) -> Value {
        // A restarted container that cannot pull its image keeps the image and the id of the run before (recording
        // restart-registry-died).
        let (image, image_id) = container
            .run
            .as_ref()
            .map_or_else(|| (container.spec.image.clone(), String::new()), |run| image_and_id(&run.image));
        let (current, last) = match state {
            ContainerState::Waiting { reason, message, ran_before } => {
                let waiting = message.map_or_else(
                    || json!({ "reason": reason }),
                    |message| json!({ "reason": reason, "message": message }),
                );
                let last = ran_before.and_then(|run| run.end.as_ref().map(|end| self.terminated(run, end)));
                (json!({ "waiting": waiting }), last)
            }
            ContainerState::Running(run) => {
                (json!({ "running": { "startedAt": self.watch_log.rfc3339(run.started) } }), self.last_state(container))
            }
            ContainerState::Terminated(run, end) => (self.terminated(run, end), self.last_state(container)),
            ContainerState::Unknown => {
                let message = "The container could not be located when the pod was terminated";
                let terminated = json!({ "exitCode": 137, "reason": "ContainerStatusUnknown", "message": message, "startedAt": null, "finishedAt": null });
                (json!({ "terminated": terminated }), None)
            }
        };
        let running = matches!(state, ContainerState::Running(_));
        let finished_init = container.spec.kind == ContainerKind::Init && container.is_initialized();
        let mut status = json!({
            "name": container.spec.name,
            "state": current,
            "lastState": last.unwrap_or_else(|| json!({})),
            "ready": (running && container.spec.kind != ContainerKind::Init) || finished_init,
            "restartCount": container.restarts,
            "image": image,
            "imageID": image_id,
        });
        if let Some(status) = status.as_object_mut() {
            if container.spec.kind != ContainerKind::Ephemeral {
                status.insert("started".to_owned(), running.into());
            }
            if let Some(run) = &container.run {
                status.insert("containerID".to_owned(), run.container_id.as_str().into());
                status.insert("resources".to_owned(), json!({}));
            }
        }
        status
    }

    fn last_state(&self, container: &Container) -> Option<Value> {
        let run = container.previous.as_ref()?;
        run.end.as_ref().map(|end| self.terminated(run, end))
    }

    fn terminated(&self, run: &Run, end: &Exit) -> Value {
        json!({ "terminated": {
            "exitCode": end.code,
            "reason": if end.code == 0 { "Completed" } else { "Error" },
            "startedAt": self.watch_log.rfc3339(run.started),
            "finishedAt": self.watch_log.rfc3339(end.at),
            "containerID": run.container_id,
        } })
    }
}

fn insert_if_any(object: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(key.to_owned(), list.into());
    }
}

/// Returns image and imageID as containerd reports them of a container that has run.
fn image_and_id(image: &str) -> (String, String) {
    let reference = Reference::parse(image);
    let digest =
        reference.tag.strip_prefix("sha256:").map_or_else(|| Random::from_text(&reference.full).hex64(), str::to_owned);
    let id = format!("{}/{}@sha256:{digest}", reference.host, reference.repository);
    (reference.full, id)
}

/// Returns each container's state, in the order of the pod's containers.
fn states(pod: &Pod) -> Vec<ContainerState<'_>> {
    let default_reason = if pod.has_init_containers() { "PodInitializing" } else { "ContainerCreating" };
    let finished = matches!(pod.worker.termination, Termination::Finished { .. });
    let abandoned_init = finished && !pod.is_initialized();
    let first_init = pod.containers.iter().position(Container::is_initializer);
    pod.containers
        .iter()
        .enumerate()
        .map(|(index, container)| match (&container.waiting, &container.run) {
            // Past its end a pod still shows why it waited unless it is deleted, because then nothing starts
            // (kubelet_pods.go:2744).
            (_, None) if finished && (!abandoned_init || Some(index) == first_init) => ContainerState::Unknown,
            (Some(waiting), run) if pod.should_start(container) => ContainerState::Waiting {
                reason: &waiting.reason,
                message: Some(&waiting.message),
                ran_before: run.as_ref(),
            },
            (_, None) => ContainerState::Waiting { reason: default_reason, message: None, ran_before: None },
            (_, Some(run)) => {
                run.end.as_ref().map_or(ContainerState::Running(run), |end| ContainerState::Terminated(run, end))
            }
        })
        .collect()
}

/// Returns the phase (getPhase, kubelet_pods.go:1653-1875). Ephemeral containers do not count.
fn phase(pod: &Pod, states: &[ContainerState<'_>]) -> &'static str {
    let ended_badly = || {
        let ended_well =
            |state: &ContainerState<'_>| matches!(state, ContainerState::Terminated(_, Exit { code: 0, .. }));
        let mut app =
            pod.containers.iter().zip(states).filter(|(container, _)| container.spec.kind == ContainerKind::App);
        app.any(|(_, state)| !ended_well(state))
    };
    match pod.worker.termination {
        Termination::Deadline { reported: true } | Termination::Finished { deadline: true } => return "Failed",
        Termination::Finished { deadline: false } => return if ended_badly() { "Failed" } else { "Succeeded" },
        Termination::No | Termination::Deadline { reported: false } | Termination::Completed => {}
    }
    let (mut initializing, mut init_failed) = (0, false);
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for (container, state) in pod.containers.iter().zip(states) {
        match (container.spec.kind, state) {
            (ContainerKind::Init, ContainerState::Terminated(_, end)) => init_failed |= end.code != 0,
            (ContainerKind::Init, ContainerState::Waiting { ran_before: Some(Run { end: Some(end), .. }), .. }) => {
                init_failed |= end.code != 0;
            }
            (ContainerKind::Init, _) => initializing += 1,
            // A terminated sidecar does not count; one that never ran counts as an app container.
            (ContainerKind::Ephemeral, _)
            | (
                ContainerKind::Sidecar,
                ContainerState::Terminated(..)
                | ContainerState::Unknown
                | ContainerState::Waiting { ran_before: Some(_), .. },
            ) => {}
            (ContainerKind::App, ContainerState::Terminated(_, end)) => {
                stopped += 1;
                succeeded += usize::from(end.code == 0);
            }
            (ContainerKind::App, ContainerState::Unknown | ContainerState::Waiting { ran_before: Some(_), .. }) => {
                stopped += 1;
            }
            (ContainerKind::App | ContainerKind::Sidecar, ContainerState::Waiting { .. }) => waiting += 1,
            (ContainerKind::App | ContainerKind::Sidecar, ContainerState::Running(_)) => running += 1,
        }
    }
    match pod.restart {
        RestartPolicy::Never if init_failed => "Failed",
        _ if initializing > 0 || init_failed || waiting > 0 => "Pending",
        _ if running > 0 => "Running",
        RestartPolicy::Always => "Running",
        _ if stopped == succeeded => "Succeeded",
        RestartPolicy::Never => "Failed",
        RestartPolicy::OnFailure => "Running",
    }
}
