//! The program as its user meets it: what it prints, what it answers, and with which code it ends.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use common::{Program, get, samples, sum};

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
    let golden = "tests/golden/recover-push.openmetrics";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(golden, &printed).expect("the golden file can be written");
    }
    assert_eq!(printed, std::fs::read_to_string(golden).expect("the golden file is there"));
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
fn a_wrong_command_line_ends_with_2_and_says_why() {
    for (arguments, why) in [
        (&["--web.listen-address", "nowhere"][..], "an address is HOST:PORT or :PORT"),
        (&["--web.telemetry-path", "metrics"], "must begin with \"/\""),
        (&["replay", "--at", "-1", "x"], "unexpected argument"),
        (&["replay", "/nonexistent"], "cannot open /nonexistent"),
        (&["demo", "--speed", "0"], "a speed is a number from 1 to 1000"),
        (&["--kubeconfig", "/nonexistent"], "cannot use the kubeconfig"),
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
fn http_answers_by_format_encoding_and_method() {
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

#[test]
fn explain_tells_cause_group_and_what_to_do() {
    let output = run(&["explain", common::NOT_FOUND], "");
    let printed = text(&output.stdout);
    assert!(printed.starts_with("image_not_found (image)\n"), "{printed}");
    assert!(printed.contains("registry.example.com/shop/web:1.0"), "{printed}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(run(&["explain"], "").status.code(), Some(2));
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
