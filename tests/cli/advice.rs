//! Tests of the advice: its texts, that its commands are valid shell, and that the tools accept their flags.
//!
//! Requires bash, and kubectl in target/tools, which `tests/run` installs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::common::check_golden;
use image_pull_model::advice::{
    Advice, Condition, FailingRegistryPods, FailureContext, RegistryKind, SERIAL_PULLS, advice, advice_notes,
    advice_of_rule, advice_rules, wait_advice,
};
use image_pull_model::cause::{Cause, FailingHost, HostKind};
use image_pull_model::image::{ImageReference, PullPolicy};
use image_pull_model::image_wait::{PendingBasis, WaitStage};

const STAGES: [WaitStage; 2] = [WaitStage::Pending(PendingBasis::SandboxReady), WaitStage::Starting];

/// Returns an image in a registry of this kind.
fn image_of(kind: RegistryKind) -> &'static str {
    match kind {
        RegistryKind::Ecr => "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.2",
        RegistryKind::EcrPublic => "public.ecr.aws/team/app:1.2",
        RegistryKind::ArtifactRegistry => "europe-docker.pkg.dev/project/images/app:1.2",
        RegistryKind::Gcr => "eu.gcr.io/project/app:1.2",
        RegistryKind::Acr => "corp.azurecr.io/team/app:1.2",
        RegistryKind::OpenShift => "image-registry.openshift-image-registry.svc:5000/tools/app:1.2",
        RegistryKind::Ghcr => "ghcr.io/team/app:1.2",
        RegistryKind::DockerHub => "docker.io/team/app:1.2",
        RegistryKind::Harbor => "harbor.example/team/app:1.2",
        RegistryKind::Quay => "quay.io/team/app:1.2",
        RegistryKind::GitLab => "registry.gitlab.com/team/app:1.2",
        RegistryKind::Other => "reg.example:5000/team/app:1.2",
    }
}

/// An advice with a heading that names its conditions.
struct AdviceSample {
    heading: String,
    source: &'static str,
    advice: Advice,
}

/// Returns all advice: each rule for its first cause, and the default for each cause.
fn all_advice() -> Vec<AdviceSample> {
    let mut said = Vec::new();
    let none = FailingRegistryPods::default();
    for row in advice_rules() {
        let registry = row.when.iter().find_map(|when| match when {
            Condition::Registry(kind) => Some(*kind),
            _ => None,
        });
        let host = row.when.iter().find_map(|when| match when {
            Condition::Host(kind) => Some(FailingHost { name: Arc::from("failing.example:8080"), kind: *kind }),
            _ => None,
        });
        let image = ImageReference::parse(image_of(registry.unwrap_or(RegistryKind::Other)));
        let context = context(&image, host.as_ref(), &none);
        let causes: Vec<&str> = row.causes.iter().map(|cause| cause.as_str()).collect();
        said.push(AdviceSample {
            heading: format!("{} {:?}", causes.join(" "), row.when),
            source: row.source,
            advice: advice_of_rule(row.causes[0], row, &context),
        });
    }
    let image = ImageReference::parse(image_of(RegistryKind::Other));
    for cause in Cause::ALL {
        let context = FailureContext { message: "an error", ..context(&image, None, &none) };
        said.push(AdviceSample { heading: cause.as_str().to_owned(), source: "", advice: advice(*cause, &context) });
    }
    for stage in STAGES {
        let advice = wait_advice(stage, &context(&image, None, &none));
        said.push(AdviceSample { heading: format!("{stage:?}"), source: SERIAL_PULLS.source, advice });
    }
    said
}

fn context<'a>(
    image: &'a ImageReference,
    host: Option<&'a FailingHost>,
    none: &'a FailingRegistryPods,
) -> FailureContext<'a> {
    FailureContext {
        namespace: "shop",
        pod: "web-7d9",
        container: "app",
        node: "node-1",
        service_account: "builder",
        policy: Some(PullPolicy::IfNotPresent),
        ..FailureContext::from_error_text(image, "", host, none)
    }
}

/// `UPDATE=1 cargo nextest run --locked --test cli advice::` regenerates the golden file.
#[test]
fn advice_matches_the_golden_file() {
    let mut text = String::new();
    for AdviceSample { heading, source, advice } in all_advice() {
        let Advice { summary, check_first, commands } = advice;
        writeln!(text, "{heading}\n  {summary}\n  {check_first}").unwrap();
        for command in commands {
            writeln!(text, "  $ {command}").unwrap();
        }
        if !source.is_empty() {
            writeln!(text, "  ({source})").unwrap();
        }
    }
    for note in advice_notes() {
        let groups: Vec<&str> = note.groups.iter().map(|group| group.as_str()).collect();
        writeln!(text, "note: {} {:?}\n  {}\n  ({})", groups.join(" "), note.when, note.sentence, note.source).unwrap();
    }
    check_golden("advice.text", &text);
}

/// Returns every command that can be printed, for hosts of every kind.
fn every_command() -> BTreeSet<String> {
    let mut commands: BTreeSet<String> = all_advice().into_iter().flat_map(|said| said.advice.commands).collect();
    let image = ImageReference::parse(image_of(RegistryKind::DockerHub));
    let none = FailingRegistryPods::default();
    for kind in HostKind::ALL {
        let host = FailingHost { name: Arc::from("failing.example"), kind: *kind };
        for cause in Cause::ALL {
            commands.extend(advice(*cause, &context(&image, Some(&host), &none)).commands);
            commands.extend(advice(*cause, &FailureContext::from_error_text(&image, "", Some(&host), &none)).commands);
        }
    }
    assert!(commands.len() > 80, "{}", commands.len());
    commands
}

#[test]
fn every_command_is_valid_shell() {
    let mut script: Vec<String> = every_command().into_iter().collect();
    let image = ImageReference::parse("reg.example/it's; $(reboot) `id`\n&:1");
    let none = FailingRegistryPods::default();
    let hostile = "a'b\"c$(reboot)`id`;|&<>\n\\";
    let context = FailureContext { namespace: hostile, node: hostile, ..context(&image, None, &none) };
    script.extend(Cause::ALL.iter().flat_map(|cause| advice(*cause, &context).commands));
    script.extend(STAGES.iter().flat_map(|stage| wait_advice(*stage, &context).commands));
    for command in script {
        let output = Command::new("bash").args(["-n", "-c", &command]).output().expect("bash runs");
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Returns kubectl's own flags of a command line: those before `--`, which begins another command.
fn flags(words: &[&str]) -> BTreeSet<String> {
    let own = words.iter().take_while(|word| **word != "--" && **word != "|");
    own.filter(|word| word.starts_with('-')).map(|word| word.split('=').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn kubectl_accepts_every_flag() {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for command in every_command().iter().filter(|command| command.starts_with("kubectl ")) {
        // No relevant word contains a quoted space.
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let mut verb = Vec::new();
        let mut is_value = false;
        for word in &words {
            if !std::mem::take(&mut is_value) && !word.starts_with('-') {
                verb.push(*word);
            }
            is_value = *word == "-n";
        }
        let len = if verb.starts_with(&["create", "secret", "docker-registry"]) { 3 } else { 1 };
        let verb = verb.iter().take(len).copied().collect::<Vec<_>>().join(" ");
        wanted.entry(verb).or_default().extend(flags(&words));
    }
    assert!(wanted.len() >= 6 && wanted.values().map(BTreeSet::len).sum::<usize>() > 15, "{wanted:?}");
    let general = kubectl(&["options"]);
    for (verb, flags) in wanted {
        let arguments: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let help = [kubectl(&arguments), general.clone()].concat();
        for flag in flags {
            let written = |line: &str| match flag.strip_prefix("--") {
                Some(long) => line.contains(&format!("--{long}=")) || line.contains(&format!("--{long} ")),
                None => flag.trim_start_matches('-').chars().all(|short| help.contains(&format!("    -{short}, --"))),
            };
            assert!(help.lines().any(written), "kubectl {verb} has no {flag}");
        }
    }
}

fn kubectl(arguments: &[&str]) -> String {
    let path = format!("{}/target/tools/bin/kubectl", env!("CARGO_MANIFEST_DIR"));
    let output =
        Command::new(path).args(arguments).stdin(Stdio::null()).output().expect("`tests/run` installs kubectl");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("help is text")
}

/// Checks the syntax of crane and crictl against their documentation.
#[test]
fn crane_and_crictl_are_called_as_documented() {
    for command in every_command() {
        let words: Vec<&str> = command.split(' ').collect();
        for (i, word) in words.iter().enumerate() {
            let rest = &words[i + 1..];
            match *word {
                "crane" if i == 0 => {
                    assert!(matches!(rest, ["manifest" | "ls", _] | ["validate", "--remote", _]), "{command}");
                }
                "crictl" => assert!(matches!(rest, ["pull" | "rmi", _] | ["images"]), "{command}"),
                _ => {}
            }
        }
    }
}
