//! The program as a user runs it: output, responses and exit codes.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use crate::common::{Program, check_golden, get, samples, sum};
use clap::CommandFactory as _;
use image_pull_exporter::cli::Cli;

const RECORDING: &str = "tests/fixtures/traces/recover-push.pods.jsonl";

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may end before it has read everything.
    let _ = child.stdin.take().expect("its input is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it prints text")
}

fn recording() -> String {
    std::fs::read_to_string(RECORDING).expect("the recording is there")
}

#[test]
fn replay_prints_the_metrics_as_they_stand_at_the_end() {
    let output = run(&["replay", RECORDING], "");
    let printed: String = text(&output.stdout)
        .lines()
        .filter(|line| !line.starts_with("image_pull_exporter_build_info"))
        .flat_map(|line| [line, "\n"])
        .collect();
    check_golden("recover-push.openmetrics", &printed);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn replay_shows_an_earlier_moment_and_the_text_format() {
    let output = run(&["replay", "--at", "20", "--format", "text", RECORDING], "");
    let shown = text(&output.stdout);
    assert!(!shown.contains("# EOF"));
    assert_eq!(sum(shown, "image_pull_failing{"), 1.0);
    assert!(shown.contains("reason=\"ImagePullBackOff\"} 1"));
    let later = run(&["replay", "--at", "60", "--format", "text", RECORDING], "");
    assert_eq!(sum(text(&later.stdout), "image_pull_failing{"), 0.0);
}

#[test]
fn kinds_of_batch_can_be_added() {
    let recording = recording();
    let line = recording.lines().find(|line| line.contains("ErrImagePull")).expect("an attempt fails");
    let mut record: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
    for (kind, flags, batch) in [
        ("TaskRun", &[][..], "true"),
        ("Rollout", &[], "false"),
        ("Rollout", &["--batch-kinds=Experiment,Rollout"], "true"),
    ] {
        record["object"]["metadata"]["ownerReferences"] =
            serde_json::json!([{ "kind": kind, "name": "x", "controller": true }]);
        let output = run(&[&["replay", "-"], flags].concat(), &record.to_string());
        let shown = samples(text(&output.stdout));
        let (info, _) =
            shown.iter().find(|(series, _)| series.starts_with("image_pull_failing_info")).expect("it fails");
        assert!(
            info.contains(&format!("workload_kind=\"{kind}\",workload=\"x\",batch=\"{batch}\"")),
            "{flags:?} {info}"
        );
    }
    let output = run(&["replay", "--batch-kinds=TaskRun, Workflow", "-"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected a kind as in a manifest, for example TaskRun"));
}

#[test]
fn replay_reads_standard_input_as_kubectl_prints_it() {
    let mut printed = String::new();
    for line in recording().lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a recording is JSON lines");
        let event = serde_json::json!({ "type": record["type"], "object": record["object"] });
        printed.push_str(&serde_json::to_string_pretty(&event).expect("it is JSON"));
        printed.push('\n');
    }
    let output = run(&["replay", "--format", "text", "-"], &printed);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(sum(text(&output.stdout), "image_pull_failures_ended_total"), 1.0);
}

#[test]
fn a_broken_record_is_named_by_its_line_and_skipped_on_request() {
    let mut lines: Vec<String> = recording().lines().map(str::to_owned).collect();
    lines.insert(3, "{\"t\": 1795468990, \"type\": \"MODI".to_owned());
    lines.insert(6, "{\"t\": 1795468990, \"type\": \"MODIFIED\", \"object\": {\"kind\": \"Pod\"}}".to_owned());
    let broken = lines.join("\n");
    let output = run(&["replay", "-"], &broken);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "image-pull-exporter: cannot replay -: line 4: the record is cut off\n");
    let output = run(&["replay", "--keep-going", "--format", "text", "-"], &broken);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "image-pull-exporter: 2 records skipped\n");
    assert_eq!(sum(text(&output.stdout), "image_pull_exporter_undecodable_objects_total"), 1.0);
    assert_eq!(sum(text(&output.stdout), "image_pull_failures_ended_total"), 1.0);
}

#[test]
fn an_invalid_command_line_exits_with_2_and_the_reason() {
    for (arguments, why) in [
        (&["--web.listen-address", "nowhere"][..], "expected HOST:PORT, :PORT or unix:///PATH"),
        (&["--web.telemetry-path", "metrics"], "must begin with \"/\""),
        (&["replay", "--at", "-1", "x"], "unexpected argument"),
        (&["replay", "/nonexistent"], "cannot open /nonexistent"),
        (&["demo", "--speed", "0"], "expected a number from 1 to 1000"),
        (
            &["--kubeconfig", "/nonexistent"],
            "cannot use the kubeconfig: failed to read kubeconfig from '\"/nonexistent\"': No such file or directory (os error 2)\n",
        ),
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(why), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_demo_serves_failures_of_every_kind() {
    let demo = Program::start(&["demo", "--speed", "10"]);
    demo.wait_ready();
    let metrics = demo.metrics();
    for kind in ["app", "init", "sidecar", "ephemeral"] {
        assert!(sum(&metrics, "image_pull_failing{") > 20.0);
        assert!(metrics.contains(&format!("container_type=\"{kind}\"}} 1")), "no {kind} container fails");
    }
    let mut series: Vec<String> = samples(&metrics).into_iter().map(|(series, _)| series).collect();
    let all = series.len();
    series.sort();
    series.dedup();
    assert_eq!(series.len(), all, "every series once");
    assert_eq!(demo.terminate(), Some(0), "SIGTERM is no failure");
}

#[test]
fn http_negotiates_format_encoding_and_method() {
    let demo = Program::start(&["demo"]);
    demo.wait_ready();
    let open_metrics = get(demo.port, "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    let open_metrics = open_metrics.expect("it answers").text();
    assert!(open_metrics.ends_with("# EOF\n"));
    let zipped = get(demo.port, "/metrics", "Accept-Encoding: gzip\r\n").expect("it answers");
    assert!(zipped.head.contains("content-encoding: gzip"), "{}", zipped.head);
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*zipped.body).read_to_string(&mut plain).expect("it is gzip of text");
    assert!(plain.contains("image_pull_failing{"));
    let protobuf =
        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";
    let protobuf = get(demo.port, "/metrics", protobuf).expect("it answers");
    assert!(protobuf.head.contains("application/vnd.google.protobuf"), "{}", protobuf.head);
    for path in ["/livez", "/readyz", "/healthz", "/"] {
        assert_eq!(get(demo.port, path, "").expect("it answers").status, 200, "{path}");
    }
    assert_eq!(get(demo.port, "/nothing", "").expect("it answers").status, 404);
}

/// A pod list with one pod, which waits for its image or not.
fn list_of(waiting: Option<(&str, &str)>) -> String {
    serde_json::json!({ "kind": "List", "items": [crate::common::pod("shop", "web", waiting)] }).to_string()
}

#[test]
fn list_says_by_its_exit_code_whether_something_fails() {
    let fails = list_of(Some(("ErrImagePull", crate::common::NOT_FOUND)));
    let list = |more: &[&str], input: &str| {
        let output = run(&[&["list", "-f", "-"], more].concat(), input);
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let (code, printed, said) = list(&[], &fails);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(printed.contains("shop       pod/web   1     ") && printed.contains("image_not_found"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "colors are for terminals");
    let (code, printed, said) = list(&[], &list_of(None));
    assert_eq!((code, printed.as_str(), said.as_str()), (Some(0), "", "No image pull failures in 1 pod.\n"));
    assert_eq!(list(&["--cause", "rate_limited,forbidden"], &fails).0, Some(0));
    assert_eq!(list(&["--registry", "registry.example.com", "-n", "shop"], &fails).0, Some(1));
    let (code, printed, said) = list(&["-o", "json"], &list_of(None));
    let json: serde_json::Value = serde_json::from_str(&printed).expect("it is JSON");
    assert_eq!((code, &json["failing"], said.as_str()), (Some(0), &serde_json::json!([]), ""));
    // It is unknown whether the undecodable pod fails.
    let (code, _, said) = list(&[], "{\"kind\": \"List\", \"items\": [{\"metadata\": {\"name\": \"x\"}}]}");
    assert_eq!(code, Some(2));
    assert!(said.contains("skipped x: metadata.name or metadata.uid is missing"), "{said}");
    let (code, printed, said) = list(&[], "");
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert_eq!(said, "image-pull-exporter: cannot read - as a list of pods: the file is empty\n");
    let (code, _, said) = list(&[], "{\"items\": [");
    assert_eq!((code, said.matches("EOF").count()), (Some(2), 1), "{said}");
    assert_eq!(list(&["--cause", "nonsense"], &fails).0, Some(2));
    assert_eq!(run(&["list", "--kubeconfig", "/nonexistent"], "").status.code(), Some(2));
}

#[test]
fn an_unreachable_api_server_is_reported_once_and_without_colors() {
    let kubeconfig = std::env::temp_dir().join(format!("image-pull-exporter-{}.kubeconfig", std::process::id()));
    let config = "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}], \
                  clusters: [{name: x, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: x, user: {}}]}";
    std::fs::write(&kubeconfig, config).expect("the file can be written");
    let place = ["list", "--kubeconfig", kubeconfig.to_str().expect("it is text")];
    let output = run(&place, "");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    let said = text(&output.stderr);
    assert!(said.starts_with("image-pull-exporter: cannot list pods: ") && said.lines().count() == 1, "{said}");
    let logged = |level: &str| text(&run(&[&place[..], &["--log.level", level]].concat(), "").stderr).to_owned();
    assert_eq!(logged("error"), said);
    let logged = logged("debug");
    assert!(logged.lines().count() > 1 && logged.ends_with(said) && !logged.contains('\u{1b}'), "{logged}");
    std::fs::remove_file(kubeconfig).expect("the file is there");
}

#[test]
fn list_reports_waiting_containers_by_its_exit_code() {
    let cases = "tests/fixtures/cases/08-stuck-pulling.json";
    for (more, code) in
        [(&[][..], 1), (&["--pending-after", "0"], 0), (&["--pending-after", "9999h"], 0), (&["-n", "x"], 0)]
    {
        let output = run(&[&["list", "-f", cases], more].concat(), "");
        assert_eq!(output.status.code(), Some(code), "{more:?}");
        let notes = String::from_utf8_lossy(&output.stderr);
        let has_waits = more != ["-n", "x"];
        assert_eq!(notes.contains("4 containers"), has_waits, "{more:?}: {notes}");
    }
    assert_eq!(run(&["list", "-f", cases, "--pending-after", "soon"], "").status.code(), Some(2));
}

#[test]
fn list_is_colored_on_a_terminal_unless_disabled() {
    let pods = std::env::temp_dir().join(format!("image-pull-exporter-{}.json", std::process::id()));
    std::fs::write(&pods, list_of(Some(("ErrImagePull", crate::common::NOT_FOUND)))).expect("the file can be written");
    let command = format!("{} list -f {}", env!("CARGO_BIN_EXE_image-pull-exporter"), pods.display());
    // script(1), of every Linux, gives the program a terminal.
    let shown = |variable: (&str, &str)| {
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null());
        let output = script.env(variable.0, variable.1).output().expect("script is there");
        assert_eq!(output.status.code(), Some(1));
        text(&output.stdout).to_owned()
    };
    assert!(shown(("X", "")).contains("\u{1b}[31mimage_not_found\u{1b}[0m"));
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = shown(plain);
        assert!(shown.contains("image_not_found") && !shown.contains('\u{1b}'), "{plain:?}: {shown}");
    }
    std::fs::remove_file(pods).expect("the file is there");
}

#[test]
fn explain_of_recorded_errors_reads_as_agreed() {
    let mut texts = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir("tests/fixtures/traces").expect("the recordings are there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let recording = std::fs::read_to_string(path).expect("a recording is text");
            for record in recording.lines() {
                let record: serde_json::Value = serde_json::from_str(record).expect("a recording is JSON lines");
                let statuses = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
                let statuses = statuses.iter().filter_map(|list| record["object"]["status"][list].as_array()).flatten();
                let waiting = statuses.filter_map(|status| status["state"]["waiting"].as_object());
                let failed = waiting.filter(|waiting| waiting["reason"] == "ErrImagePull");
                texts.extend(failed.filter_map(|waiting| Some(waiting.get("message")?.as_str()?.to_owned())));
            }
        }
    }
    let texts: Vec<String> = texts.into_iter().collect();
    let explained = |format: &str| {
        let output = run(&["explain", "-o", format, "-f", "-"], &texts.join("\n"));
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout).to_owned()
    };
    check_golden("explain.text", &explained("text"));
    check_golden("explain.jsonl", &explained("json"));
}

#[test]
fn explain_prints_cause_group_and_advice() {
    let output = run(&["explain", crate::common::NOT_FOUND], "");
    let printed = text(&output.stdout);
    assert!(printed.starts_with("image_not_found (image)\n"), "{printed}");
    assert!(printed.contains("registry.example.com/shop/web:1.0"), "{printed}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(run(&["explain"], "").status.code(), Some(2));
    for nothing in ["", " ", "\n"] {
        let output = run(&["explain", nothing], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("expected an error text"), "{}", text(&output.stderr));
    }
    for bare in ["Back-off pulling image \"reg.example/app:1\"", "ErrImagePull", "ImagePullBackOff"] {
        let output = run(&["explain", bare], "");
        let printed = text(&output.stdout);
        assert!(printed.starts_with("unknown (unknown)\n  The kubelet gave no error text.\n"), "{printed}");
        assert!(printed.contains("Failed to pull image"), "{printed}");
    }
    let output =
        run(&["explain", "Failed to apply default image tag \"https://u:hunter2@reg.example/x:1\": invalid"], "");
    let printed = text(&output.stdout);
    assert!(printed.starts_with("invalid_reference (image)\n") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn explain_gives_one_json_object_a_line() {
    let rows = std::fs::read_to_string("tests/fixtures/pull-errors.tsv").expect("the texts are there");
    let rows: Vec<Vec<&str>> = rows.lines().skip(1).map(|row| row.split('\t').collect()).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row[2]).collect();
    let output = run(&["explain", "-o", "json", "-f", "-"], &texts.join("\n"));
    let answers: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(answers.len(), rows.len());
    for (row, answer) in rows.iter().zip(&answers) {
        assert_eq!(answer["cause"], row[1], "{}", row[2]);
        assert!(answer["cause_group"].is_string() && answer["summary"].is_string());
        assert!(answer["advice"].as_array().is_some_and(|advice| !advice.is_empty()));
    }
}

#[test]
fn completions_include_every_command_flag_and_cause() {
    for (shell, words) in
        [("bash", ["list", "--ksm-families"]), ("zsh", ["list", "--cause"]), ("fish", ["list", "cause"])]
    {
        let output = run(&["completions", shell], "");
        assert_eq!(output.status.code(), Some(0));
        for word in words.into_iter().chain(["rate_limited"]) {
            assert!(text(&output.stdout).contains(word), "{shell}: {word}");
        }
    }
    // The one shell that is everywhere takes its script, and completes with it.
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c"]).arg(
        "set -e; source <(\"$0\" completions bash); COMP_WORDS=(image-pull-exporter list --cause rate); COMP_CWORD=3; \
         complete -p image-pull-exporter >&2; _image__pull__exporter image-pull-exporter rate --cause; echo \"${COMPREPLY[*]}\"",
    );
    let output = bash.arg(env!("CARGO_BIN_EXE_image-pull-exporter")).output().expect("bash runs");
    assert_eq!(text(&output.stdout), "rate_limited\n", "{}", text(&output.stderr));
}

#[test]
fn the_manual_page_has_every_flag_and_command() {
    let page = run(&["man"], "");
    let list = run(&["man", "list"], "");
    for (page, words) in [
        (&page, ["web.listen\\-address", "image\\-pull\\-exporter\\-list(1)", "max\\-registries"]),
        (&list, ["rate_limited", "kubeconfig", "kubectl get pods"]),
    ] {
        assert_eq!(page.status.code(), Some(0));
        assert!(text(&page.stdout).starts_with(".ie"), "it is roff");
        for word in words {
            assert!(text(&page.stdout).contains(word), "{word}\n{}", text(&page.stdout));
        }
    }
    let none = run(&["man", "nonsense"], "");
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(2), ""));
}

#[test]
fn an_empty_environment_variable_is_the_same_as_none() {
    let definition = Cli::command();
    let all = definition.get_subcommands().chain([&definition]).flat_map(clap::Command::get_arguments);
    let variables: Vec<_> = all.filter_map(clap::Arg::get_env).map(|name| (name, "")).collect();
    assert!(variables.len() > 40, "{variables:?}");
    let kubeconfig = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-variables.kubeconfig");
    let config = "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}], \
                  clusters: [{name: x, cluster: {server: 'http://127.0.0.1:1'}}]}";
    std::fs::write(kubeconfig, config).expect("it can be written");
    for command in [&["serve"][..], &[]] {
        let output = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"))
            .args(command)
            .args(["--config.check", "--kubeconfig", kubeconfig])
            .envs(variables.iter().copied())
            .output()
            .expect("it runs");
        let said = text(&output.stderr);
        assert!(output.status.success() && said.contains("the configuration is valid"), "{said}");
        assert!(!said.contains("auth-filter"), "{said}");
    }
}
