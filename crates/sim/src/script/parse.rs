//! Reads the text of a script.

mod words;

use std::time::Duration;

use super::super::{fault::PullFault, time};
use super::action::{
    Action, ContainerKind, ContainerSpec, Grace, ImageVolume, KubeletSetting, Owner, PodSelector, PodTemplate,
    PullBehavior, PullOutcome, PullPolicy, PullScope, RestartPolicy, SandboxReport, Script, TimedAction,
};
use super::error::{ScriptError, ScriptProblem};
use words::{Options, Tokens};

const PULL_EXPECTED: &str = "ok, hung, fails, free-text or a fault such as not-found, unauthorized, rate-limited, dns, refused; the module sim::script lists them";

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    /// On the first invalid line.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut actions = Vec::new();
        for mut line in words::lines(text)? {
            let first = line.number();
            read_line(&mut line, &mut actions)
                .map_err(|problem| ScriptError { line: line.number().max(first), problem })?;
        }
        // Stable: what is written first happens first.
        actions.sort_by_key(|timed: &TimedAction| timed.at);
        Ok(Self { actions })
    }
}

fn read_line(line: &mut Tokens, actions: &mut Vec<TimedAction>) -> Result<(), ScriptProblem> {
    let word = line.next("a time")?;
    let at = time::parse_time(&word).ok_or(ScriptProblem::InvalidTime(word))?;
    let verb = line.next("a verb")?;
    let action = match verb.as_str() {
        "pod" => return read_pod(line, at, actions),
        "ephemeral" => read_ephemeral(line, at, actions)?,
        "patch" => read_patch(line)?,
        "crash" => read_crash(line)?,
        "delete" => read_delete(line)?,
        "image" => read_pull(line, PullScope::Image)?,
        "registry" => read_pull(line, PullScope::Registry)?,
        "node" => read_pull(line, PullScope::Node)?,
        "sandbox" => read_pull(line, PullScope::Sandbox)?,
        "secret" => {
            let PodSelector { namespace, name, .. } = read_pods(line)?;
            Action::CreateSecret { namespace, name }
        }
        "hang-kubelet" => Action::HangKubelet { node: line.next("a node")? },
        "kubelet" => return read_kubelet(line, at, actions),
        "restart-kubelet" => Action::RestartKubelet { node: line.next("a node")? },
        _ => return Err(ScriptProblem::UnknownVerb(verb)),
    };
    line.end()?;
    actions.push(TimedAction { at, action });
    Ok(())
}

fn read_pod(line: &mut Tokens, at: time::SimTime, actions: &mut Vec<TimedAction>) -> Result<(), ScriptProblem> {
    let pods = read_pods(line)?;
    let mut options =
        line.options(&["owner", "node", "replicas", "restart", "deadline", "pull-secrets", "every", "times"])?;
    let owner = options.take_value("owner").map(|text| read_owner(&text)).transpose()?;
    let nodes =
        options.take_value("node").unwrap_or_else(|| "node-1".to_owned()).split(',').map(str::to_owned).collect();
    let replicas = read_count(&mut options, "replicas")?;
    let restart = match options.take_value("restart").as_deref() {
        None | Some("Always") => RestartPolicy::Always,
        Some("OnFailure") => RestartPolicy::OnFailure,
        Some("Never") => RestartPolicy::Never,
        Some(value) => return Err(invalid_value("restart", value, "Always, OnFailure or Never")),
    };
    let deadline = read_duration(&mut options, "deadline")?;
    let pull_secrets = options.take_value("pull-secrets").map(|names| names.split(',').map(str::to_owned).collect());
    let every = read_duration(&mut options, "every")?.unwrap_or_default();
    let times = read_count(&mut options, "times")?;
    if replicas * times > 1 && !pods.prefix {
        return Err(invalid_value("the name of many pods", &pods.name, "it with * at its end"));
    }
    let mut template = PodTemplate {
        pods,
        owner,
        nodes,
        replicas,
        restart,
        deadline,
        containers: Vec::new(),
        volumes: Vec::new(),
        pull_secrets: pull_secrets.unwrap_or_default(),
    };
    while let Some(part) = line.next_if_any() {
        match part.as_str() {
            "container" => template.containers.push(read_container(line, ContainerKind::App, at, actions)?),
            "init" => template.containers.push(read_container(line, ContainerKind::Init, at, actions)?),
            "sidecar" => template.containers.push(read_container(line, ContainerKind::Sidecar, at, actions)?),
            "volume" => template.volumes.push(read_volume(line, at, actions)?),
            _ => return Err(ScriptProblem::Unexpected(part)),
        }
    }
    if !template.containers.iter().any(|container| container.kind == ContainerKind::App) {
        return Err(ScriptProblem::Missing("a container (add: container NAME image=REF)"));
    }
    for time in 0..times {
        actions.push(TimedAction { at: at + every * time, action: Action::CreatePods(template.clone()) });
    }
    Ok(())
}

const CONTAINER_OPTIONS: &[&str] =
    &["image", "policy", "runs", "exit", "config-error", "pull", "text", "takes", "size"];

fn read_container(
    line: &mut Tokens,
    kind: ContainerKind,
    at: time::SimTime,
    actions: &mut Vec<TimedAction>,
) -> Result<ContainerSpec, ScriptProblem> {
    let name = line.next("a container name")?;
    let mut options = line.options(CONTAINER_OPTIONS)?;
    let image = options.required("image", "image=REF")?;
    read_pull_option(&mut options, &image, at, actions)?;
    let policy = read_policy(&mut options, &image)?;
    let default_runs = (kind == ContainerKind::Init).then_some(Duration::from_secs(1));
    let runs = read_duration(&mut options, "runs")?.or(default_runs);
    let exit_code = read_exit_code(&mut options, 0)?;
    let config_error = options.take_value("config-error");
    options.end()?;
    Ok(ContainerSpec { kind, name, image, policy, runs, exit_code, config_error })
}

fn read_volume(
    line: &mut Tokens,
    at: time::SimTime,
    actions: &mut Vec<TimedAction>,
) -> Result<ImageVolume, ScriptProblem> {
    let name = line.next("a volume name")?;
    let mut options = line.options(&["image", "policy", "mount", "pull", "text", "takes", "size"])?;
    let image = options.required("image", "image=REF")?;
    read_pull_option(&mut options, &image, at, actions)?;
    let policy = read_policy(&mut options, &image)?;
    let mounts = options.required("mount", "mount=CONTAINER")?.split(',').map(str::to_owned).collect();
    options.end()?;
    Ok(ImageVolume { name, image, policy, mounts })
}

fn read_ephemeral(
    line: &mut Tokens,
    at: time::SimTime,
    actions: &mut Vec<TimedAction>,
) -> Result<Action, ScriptProblem> {
    let pods = read_pods(line)?;
    let container = read_container(line, ContainerKind::Ephemeral, at, actions)?;
    Ok(Action::AddEphemeral { pods, container })
}

fn read_patch(line: &mut Tokens) -> Result<Action, ScriptProblem> {
    let pods = read_pods(line)?;
    let container = line.next("a container name")?;
    let image = line.options(&["image"])?.required("image", "image=REF")?;
    Ok(Action::PatchImage { pods, container, image })
}

fn read_crash(line: &mut Tokens) -> Result<Action, ScriptProblem> {
    let pods = read_pods(line)?;
    let container = line.next("a container name")?;
    let exit_code = read_exit_code(&mut line.options(&["exit"])?, 1)?;
    Ok(Action::Crash { pods, container, exit_code })
}

fn read_delete(line: &mut Tokens) -> Result<Action, ScriptProblem> {
    let pods = read_pods(line)?;
    let mut options = line.options(&["grace", "force"])?;
    let period = read_duration(&mut options, "grace")?.unwrap_or(Duration::from_secs(30));
    let grace = match options.take_value("force").as_deref() {
        None => Grace::Period(period),
        Some("true") => Grace::Force,
        Some(value) => return Err(invalid_value("force", value, "force=true or nothing")),
    };
    Ok(Action::Delete { pods, grace })
}

fn read_pull(line: &mut Tokens, scope: impl FnOnce(String) -> PullScope) -> Result<Action, ScriptProblem> {
    let of = scope(line.next("what is pulled")?);
    let word = line.next("how its pulls end")?;
    let mut options = line.options(&["text", "takes", "size"])?;
    let pull = read_pull_behavior(&word, &mut options)?;
    options.end()?;
    Ok(Action::SetPull { of, pull })
}

/// Turns `pull=…` on a container into the action it is short for.
fn read_pull_option(
    options: &mut Options,
    image: &str,
    at: time::SimTime,
    actions: &mut Vec<TimedAction>,
) -> Result<(), ScriptProblem> {
    if let Some(word) = options.take_value("pull") {
        let pull = read_pull_behavior(&word, options)?;
        actions.push(TimedAction { at, action: Action::SetPull { of: PullScope::Image(image.to_owned()), pull } });
    }
    Ok(())
}

fn read_pull_behavior(word: &str, options: &mut Options) -> Result<PullBehavior, ScriptProblem> {
    let outcome = match word {
        "ok" => PullOutcome::Success,
        "hung" => PullOutcome::Hung,
        "fails" => PullOutcome::ErrImagePull(options.required("text", "text=\"…\"")?),
        "free-text" => PullOutcome::FreeText(options.required("text", "text=\"…\"")?),
        _ => PullOutcome::Fault(PullFault::by_name(word).ok_or_else(|| invalid_value("a pull", word, PULL_EXPECTED))?),
    };
    Ok(PullBehavior { outcome, takes: read_duration(options, "takes")?, size: read_size(options)? })
}

fn read_kubelet(line: &mut Tokens, at: time::SimTime, actions: &mut Vec<TimedAction>) -> Result<(), ScriptProblem> {
    let node = line.next("a node")?;
    let mut options = line.options(&["pulls", "sandbox"])?;
    let pulls = match options.take_value("pulls").as_deref() {
        None => None,
        Some("serial") => Some(KubeletSetting::ParallelPulls(false)),
        Some("parallel") => Some(KubeletSetting::ParallelPulls(true)),
        Some(value) => return Err(invalid_value("pulls", value, "serial or parallel")),
    };
    let sandbox = match options.take_value("sandbox").as_deref() {
        None => None,
        Some("early") => Some(KubeletSetting::SandboxReport(SandboxReport::WhenReady)),
        Some("late") => Some(KubeletSetting::SandboxReport(SandboxReport::AfterSync)),
        Some(value) => return Err(invalid_value("sandbox", value, "early or late")),
    };
    let settings: Vec<KubeletSetting> = [pulls, sandbox].into_iter().flatten().collect();
    if settings.is_empty() {
        return Err(ScriptProblem::Missing("a setting (pulls=parallel or sandbox=late)"));
    }
    line.end()?;
    let to_action = |setting| TimedAction { at, action: Action::SetKubelet { node: node.clone(), setting } };
    actions.extend(settings.into_iter().map(to_action));
    Ok(())
}

fn read_pods(line: &mut Tokens) -> Result<PodSelector, ScriptProblem> {
    let word = line.next("a pod (NAMESPACE/NAME)")?;
    match word.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            let stem = name.strip_suffix('*');
            Ok(PodSelector {
                namespace: namespace.to_owned(),
                name: stem.unwrap_or(name).to_owned(),
                prefix: stem.is_some(),
            })
        }
        Some(_) | None => Err(invalid_value("a pod", &word, "NAMESPACE/NAME")),
    }
}

fn read_owner(text: &str) -> Result<Owner, ScriptProblem> {
    let (kind, name) = text.split_once('/').ok_or_else(|| invalid_value("owner", text, "KIND/NAME"))?;
    if !["ReplicaSet", "StatefulSet", "DaemonSet", "Job"].contains(&kind) {
        return Err(invalid_value("owner", text, "ReplicaSet, StatefulSet, DaemonSet or Job, then /NAME"));
    }
    Ok(Owner { kind: kind.to_owned(), name: name.to_owned() })
}

fn read_policy(options: &mut Options, image: &str) -> Result<PullPolicy, ScriptProblem> {
    match options.take_value("policy").as_deref() {
        None => Ok(PullPolicy::default_for(image)),
        Some("Always") => Ok(PullPolicy::Always),
        Some("IfNotPresent") => Ok(PullPolicy::IfNotPresent),
        Some("Never") => Ok(PullPolicy::Never),
        Some(value) => Err(invalid_value("policy", value, "Always, IfNotPresent or Never")),
    }
}

fn read_duration(options: &mut Options, name: &'static str) -> Result<Option<Duration>, ScriptProblem> {
    options
        .take_value(name)
        .map(|text| {
            time::parse_duration(&text).ok_or_else(|| invalid_value(name, &text, "a duration such as 90s or 10m"))
        })
        .transpose()
}

/// Reads the size of an image in bytes, for example `12GB`.
fn read_size(options: &mut Options) -> Result<Option<u64>, ScriptProblem> {
    let Some(text) = options.take_value("size") else { return Ok(None) };
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)];
    let size = units.iter().find_map(|(unit, bytes)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*bytes));
    size.map(Some).ok_or_else(|| invalid_value("size", &text, "a size such as 850MB or 12GB"))
}

/// Reads a number from 1 to 10000; larger numbers are errors in the script.
fn read_count(options: &mut Options, name: &'static str) -> Result<u32, ScriptProblem> {
    let Some(text) = options.take_value(name) else { return Ok(1) };
    text.parse()
        .ok()
        .filter(|count| (1..=10_000).contains(count))
        .ok_or_else(|| invalid_value(name, &text, "a number from 1 to 10000"))
}

fn read_exit_code(options: &mut Options, default: i32) -> Result<i32, ScriptProblem> {
    options
        .take_value("exit")
        .map_or(Ok(default), |text| text.parse().map_err(|_| invalid_value("exit", &text, "a number such as 1")))
}

fn invalid_value(what: &'static str, value: &str, expected: &'static str) -> ScriptProblem {
    ScriptProblem::InvalidValue { what, value: value.to_owned(), expected }
}
