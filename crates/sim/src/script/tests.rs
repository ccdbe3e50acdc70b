//! Checks what is read from a script, and what is said about a wrong one.

use super::super::{DEMO, SimTime, fault::FAULTS};
use std::time::Duration;

use super::super::fault::PullFault;
use super::*;

fn actions(text: &str) -> Vec<TimedAction> {
    Script::parse(text).unwrap().actions
}

fn error(text: &str) -> String {
    Script::parse(text).unwrap_err().to_string()
}

#[test]
fn a_pod_is_read_with_its_parts_over_several_lines() {
    let text = "
# a comment
-20m pod shop/web-7d9f-* owner=ReplicaSet/web-7d9f replicas=3 node=a,b deadline=1h5m restart=Never pull-secrets=a,b
     init migrate image=x/m:1 runs=3s exit=2   # another
     container web image=x/web:1 config-error=\"secret \\\"db\\\" not found\"
     volume model image=x/model mount=web,cache policy=Never
";
    let pod = PodTemplate {
        pods: PodSelector { namespace: "shop".into(), name: "web-7d9f-".into(), prefix: true },
        owner: Some(Owner { kind: "ReplicaSet".into(), name: "web-7d9f".into() }),
        nodes: vec!["a".into(), "b".into()],
        replicas: 3,
        restart: RestartPolicy::Never,
        deadline: Some(Duration::from_secs(3900)),
        containers: vec![
            ContainerSpec {
                kind: ContainerKind::Init,
                name: "migrate".into(),
                image: "x/m:1".into(),
                policy: PullPolicy::IfNotPresent,
                runs: Some(Duration::from_secs(3)),
                exit_code: 2,
                config_error: None,
            },
            ContainerSpec {
                kind: ContainerKind::App,
                name: "web".into(),
                image: "x/web:1".into(),
                policy: PullPolicy::IfNotPresent,
                runs: None,
                exit_code: 0,
                config_error: Some("secret \"db\" not found".into()),
            },
        ],
        volumes: vec![ImageVolume {
            name: "model".into(),
            image: "x/model".into(),
            policy: PullPolicy::Never,
            mounts: vec!["web".into(), "cache".into()],
        }],
        pull_secrets: vec!["a".into(), "b".into()],
    };
    assert_eq!(actions(text), [TimedAction { at: SimTime::from_millis(-1_200_000), action: Action::CreatePods(pod) }]);
}

#[test]
fn every_other_verb_is_read() {
    let pods = || PodSelector { namespace: "a".into(), name: "b".into(), prefix: false };
    let fault =
        |word| PullBehavior { outcome: PullOutcome::Fault(PullFault::by_name(word).unwrap()), takes: None, size: None };
    let cases = [
        ("patch a/b c image=d", Action::PatchImage { pods: pods(), container: "c".into(), image: "d".into() }),
        ("crash a/b c", Action::Crash { pods: pods(), container: "c".into(), exit_code: 1 }),
        ("crash a/b c exit=137", Action::Crash { pods: pods(), container: "c".into(), exit_code: 137 }),
        ("delete a/b", Action::Delete { pods: pods(), grace: Grace::Period(Duration::from_secs(30)) }),
        ("delete a/b grace=1s", Action::Delete { pods: pods(), grace: Grace::Period(Duration::from_secs(1)) }),
        ("delete a/b force=true", Action::Delete { pods: pods(), grace: Grace::Force }),
        ("registry r.example dns", Action::SetPull { of: PullScope::Registry("r.example".into()), pull: fault("dns") }),
        ("node n disk-full", Action::SetPull { of: PullScope::Node("n".into()), pull: fault("disk-full") }),
        (
            "image i ok takes=250ms",
            Action::SetPull {
                of: PullScope::Image("i".into()),
                pull: PullBehavior {
                    outcome: PullOutcome::Success,
                    takes: Some(Duration::from_millis(250)),
                    size: None,
                },
            },
        ),
        (
            "image i fails text=\"no way\"",
            Action::SetPull {
                of: PullScope::Image("i".into()),
                pull: PullBehavior { outcome: PullOutcome::ErrImagePull("no way".into()), takes: None, size: None },
            },
        ),
        (
            "image i hung size=12GB",
            Action::SetPull {
                of: PullScope::Image("i".into()),
                pull: PullBehavior { outcome: PullOutcome::Hung, takes: None, size: Some(12_000_000_000) },
            },
        ),
        ("sandbox n not-found", Action::SetPull { of: PullScope::Sandbox("n".into()), pull: fault("not-found") }),
        ("secret a/b", Action::CreateSecret { namespace: "a".into(), name: "b".into() }),
        ("hang-kubelet n", Action::HangKubelet { node: "n".into() }),
        (
            "kubelet n pulls=parallel",
            Action::SetKubelet { node: "n".into(), setting: KubeletSetting::ParallelPulls(true) },
        ),
        (
            "kubelet n sandbox=late",
            Action::SetKubelet { node: "n".into(), setting: KubeletSetting::SandboxReport(SandboxReport::AfterSync) },
        ),
        ("restart-kubelet n", Action::RestartKubelet { node: "n".into() }),
    ];
    for (line, action) in cases {
        let at = SimTime::from_millis(90_000);
        assert_eq!(actions(&format!("90s {line}")), [TimedAction { at, action }], "{line}");
    }
}

#[test]
fn pull_on_a_part_is_an_image_line_before_the_pod() {
    let short = actions("5s pod a/b container c image=d pull=not-found takes=1s");
    let long = actions("5s image d not-found takes=1s\n5s pod a/b container c image=d");
    assert_eq!(short, long);
}

#[test]
fn every_repeats_a_pod() {
    let times: Vec<i64> = actions("-10m pod a/b-* every=10m times=3 container c image=d")
        .iter()
        .map(|timed| timed.at.as_millis() / 60_000)
        .collect();
    assert_eq!(times, [-10, 0, 10]);
}

#[test]
fn actions_come_in_order_of_time_and_then_of_lines() {
    let text = "01:00 image a ok\n-1s image b ok\n60s image c ok\n00:00:30 image d ok";
    let order: Vec<String> = actions(text)
        .into_iter()
        .map(|timed| match timed.action {
            Action::SetPull { of: PullScope::Image(image), .. } => image,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["b", "d", "a", "c"]);
}

#[test]
fn every_fault_has_a_name_of_its_own_that_the_documentation_lists() {
    let documentation = include_str!("../script.rs");
    for fault in FAULTS {
        assert_eq!(PullFault::by_name(fault.name), Some(fault));
        assert!(documentation.contains(&format!("`{}`", fault.name)), "{} is not documented", fault.name);
    }
}

#[test]
fn the_pull_policy_is_defaulted_as_the_api_server_does() {
    for (image, policy) in [
        ("nginx", PullPolicy::Always),
        ("nginx:latest", PullPolicy::Always),
        ("localhost:5000/nginx", PullPolicy::Always),
        ("nginx:latest@sha256:ab", PullPolicy::Always),
        ("nginx@sha256:ab", PullPolicy::IfNotPresent),
        ("localhost:5000/nginx:1.27", PullPolicy::IfNotPresent),
    ] {
        assert_eq!(PullPolicy::default_for(image), policy, "{image}");
    }
}

#[test]
fn an_error_has_the_line_and_the_fix() {
    for (text, expected) in [
        ("\n\nsoon image a ok", "line 3: \"soon\" is no time (write -20m, 90s, 1h5m or 00:30)"),
        ("5 image a ok", "line 1: \"5\" is no time (write -20m, 90s, 1h5m or 00:30)"),
        (
            "5s explode a/b",
            "line 1: unknown verb \"explode\" (verbs are pod, ephemeral, patch, crash, delete, image, registry, node, \
             sandbox, secret, kubelet, restart-kubelet, hang-kubelet)",
        ),
        ("  5s image a ok", "line 1: nothing above to continue (begin the line with a time, or unindent it)"),
        ("5s image a fails text=\"oh", "line 1: quote without end (close it with \" on the same line)"),
        ("5s image a", "line 1: how its pulls end is missing"),
        ("5s image a fails", "line 1: text=\"…\" is missing"),
        ("5s pod a/b\n  container c\n", "line 2: image=REF is missing"),
        ("5s pod a/b\n  init c image=d\n", "line 2: a container (add: container NAME image=REF) is missing"),
        (
            "5s pod a/b nod=c container c image=d",
            "line 1: unknown option \"nod\" (known here: owner, node, replicas, restart, deadline, pull-secrets, every, times)",
        ),
        (
            "5s pod a/b replicas=2 container c image=d",
            "line 1: the name of many pods cannot be \"b\" (write it with * at its end)",
        ),
        (
            "5s pod a/b-* replicas=0 container c image=d",
            "line 1: replicas cannot be \"0\" (write a number from 1 to 10000)",
        ),
        ("5s pod b container c image=d", "line 1: a pod cannot be \"b\" (write NAMESPACE/NAME)"),
        ("5s pod a/b owner=web container c image=d", "line 1: owner cannot be \"web\" (write KIND/NAME)"),
        (
            "5s pod a/b\n  container c image=d text=lost",
            "line 2: unexpected \"text=lost\" (quote a value that has blanks, unindent a line of its own)",
        ),
        (
            "5s image a ok\n -5s image b ok",
            "line 2: unexpected \"-5s\" (quote a value that has blanks, unindent a line of its own)",
        ),
        ("5s image a ok size=12", "line 1: size cannot be \"12\" (write a size such as 850MB or 12GB)"),
        ("5s kubelet n", "line 1: a setting (pulls=parallel or sandbox=late) is missing"),
        ("5s kubelet n pulls=two", "line 1: pulls cannot be \"two\" (write serial or parallel)"),
        ("5s delete a/b grace=30", "line 1: grace cannot be \"30\" (write a duration such as 90s or 10m)"),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn an_unknown_pull_points_to_the_list() {
    assert!(
        error("5s image a nope").starts_with("line 1: a pull cannot be \"nope\" (write ok, hung, fails, free-text")
    );
}

#[test]
fn the_demo_is_a_good_script() {
    assert!(Script::parse(DEMO).is_ok(), "{:?}", Script::parse(DEMO));
}
