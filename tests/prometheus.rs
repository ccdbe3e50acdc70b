//! A real Prometheus scrapes the program, in OpenMetrics and, for native histograms, in protobuf.
//!
//! Needs Prometheus and promtool on the PATH (Debian's package `prometheus`; `tests/run` installs it).

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::{Program, eventually, get};
use serde_json::Value;

/// A Prometheus that scrapes one target every second.
struct Prometheus {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Prometheus {
    fn scraping(target: u16, name: &str, features: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{name}"));
        // It is there only if an earlier run was cut off.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the folder can be made");
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: image-pull\n  \
             honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).expect("the configuration can be written");
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--enable-feature={features}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus runs (Debian's package prometheus)");
        Self { child, port, directory }
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let response = get(self.port, path, "").map_err(|error| error.to_string())?;
        serde_json::from_str(&response.text()).map_err(|error| error.to_string())
    }

    /// The first value of an instant query.
    fn query(&self, query: &str) -> Result<f64, String> {
        let encoded = query.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{query} gives {answer}"))
    }

    /// Waits for so many scrapes, none of which may fail.
    fn wait_for_scrapes(&self, scrapes: f64) {
        eventually(|| match self.query("count_over_time(up[5m])")? {
            count if count >= scrapes => Ok(()),
            count => Err(format!("{count} scrapes")),
        });
        let up = self.query("min_over_time(up[5m])");
        assert_eq!(up, Ok(1.0), "{:?}", self.get("/api/v1/targets"));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when it ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it has an address").port()
}

#[test]
fn promtool_accepts_what_is_served() {
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
fn prometheus_takes_open_metrics() {
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
fn prometheus_takes_native_histograms() {
    let demo = Program::start(&["demo", "--speed", "100"]);
    demo.wait_ready();
    let prometheus = Prometheus::scraping(demo.port, "native", "native-histograms");
    prometheus.wait_for_scrapes(8.0);
    let observed = prometheus.query("sum(histogram_count(image_pull_backoff_duration_seconds))");
    assert!(observed.is_ok_and(|count| count > 0.0));
    // A step of the kubelet's back-off: no interval is shorter than 10 s or longer than a blocked one.
    let median = prometheus.query("histogram_quantile(0.5, sum(image_pull_backoff_duration_seconds))");
    assert!(median.is_ok_and(|median| (10.0..400.0).contains(&median)));
    assert!(prometheus.query("sum(image_pull_failing)").is_ok_and(|failing| failing > 10.0));
}
