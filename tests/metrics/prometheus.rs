//! A real Prometheus scrapes the program in OpenMetrics, and in protobuf for native histograms.
//!
//! Requires Prometheus and promtool in the PATH (Debian package `prometheus`, installed by `tests/run`).

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::Program;
use crate::common::prometheus::Prometheus;

#[test]
fn promtool_accepts_the_exposition() {
    let demo = Program::start(&["demo", "--speed", "100"]);
    demo.wait_ready();
    let metrics = demo.metrics();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs (Debian's package prometheus)");
    promtool.stdin.take().expect("its input is piped").write_all(metrics.as_bytes()).expect("it reads everything");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn prometheus_scrapes_openmetrics() {
    let demo = Program::start(&["demo", "--speed", "100"]);
    demo.wait_ready();
    let prometheus = Prometheus::scraping(demo.port, "openmetrics", "exemplar-storage");
    prometheus.wait_for_scrapes(8.0);
    assert!(prometheus.query("sum(image_pull_failing)").is_ok_and(|failing| failing > 10.0));
    assert!(prometheus.query("max(time() - image_pull_failing_since_timestamp_seconds)").is_ok_and(|age| age > 60.0));
    assert!(prometheus.query("min(time() - image_pull_failing_since_timestamp_seconds)").is_ok_and(|age| age >= 0.0));
    assert!(prometheus.query("sum(image_pull_backoff_duration_seconds_bucket{le=\"35.0\"})").is_ok());
    let exemplars =
        prometheus.get("/api/v1/query_exemplars?query=image_pull_failed_attempts_total&start=0&end=9999999999");
    assert!(exemplars.is_ok_and(|answer| answer.pointer("/data/0/exemplars/0/labels/pod").is_some()));
}

#[test]
fn prometheus_scrapes_native_histograms() {
    let demo = Program::start(&["demo", "--speed", "100"]);
    demo.wait_ready();
    let prometheus = Prometheus::scraping(demo.port, "native", "native-histograms");
    prometheus.wait_for_scrapes(8.0);
    let observed = prometheus.query("sum(histogram_count(image_pull_backoff_duration_seconds))");
    assert!(observed.is_ok_and(|count| count > 0.0));
    // Intervals of the kubelet's back-off are between 10 s and somewhat more than 5 min.
    let median = prometheus.query("histogram_quantile(0.5, sum(image_pull_backoff_duration_seconds))");
    assert!(median.is_ok_and(|median| (10.0..400.0).contains(&median)));
    assert!(prometheus.query("sum(image_pull_failing)").is_ok_and(|failing| failing > 10.0));
}
