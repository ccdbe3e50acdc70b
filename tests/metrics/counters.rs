//! A real Prometheus computes correct rates although counters and histograms appear and disappear.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::eventually;
use crate::common::prometheus::Prometheus;
use image_pull_exporter::cluster::PodEvent;
use image_pull_exporter::metrics::exposition::{Exposition, ExpositionFormat};
use image_pull_exporter::metrics::families;
use image_pull_exporter::metrics::scrape::SelectedSeries;
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, StateFacts, WatchScope};
use image_pull_model::image::{ImageReference, PullPolicy};
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

/// A monitor with a clock under control of the test, and a Prometheus that scrapes it every second.
struct ScrapedMonitor {
    monitor: Arc<Monitor>,
    now: Mutex<Timestamp>,
    prometheus: Prometheus,
}

impl ScrapedMonitor {
    fn new(name: &str, feature: &str, limits: MonitorLimits) -> Self {
        let now = Timestamp::from_unix_millis(1_700_000_000_000);
        let monitor = Arc::new(Monitor::new(IndexConfig::default(), &[WatchScope::Cluster], limits, now));
        for event in [PodEvent::ListStarted, PodEvent::ListCompleted, PodEvent::Synced] {
            monitor.handle_event(&WatchScope::Cluster, event, now);
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let shown = Arc::clone(&monitor);
        drop(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Prometheus may have closed the connection.
                let _ = respond(&shown, &stream);
            }
        }));
        Self { monitor, now: Mutex::new(now), prometheus: Prometheus::scraping(port, name, feature) }
    }

    fn advance(&self, time: Duration) -> Timestamp {
        let mut now = self.now.lock().expect("nobody panicked");
        *now = now.saturating_add(time);
        self.monitor.handle_event(&WatchScope::Cluster, PodEvent::Progress, *now);
        *now
    }

    /// Lets a container in this namespace fail for one minute.
    fn run_failure(&self, namespace: &str, image: &str) {
        let container = ContainerFacts {
            name: "app".to_owned(),
            kind: ContainerKind::App,
            images: vec![ImageFacts { reference: Arc::new(ImageReference::parse(image)), policy: PullPolicy::Always }],
            restart_count: 0,
            state: StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() },
            last_finished_at: None,
            has_started: false,
            has_run_image: false,
        };
        let id = PodId { namespace: namespace.to_owned(), name: "web".to_owned(), uid: "web".to_owned() };
        let pod = PodFacts { id, containers: vec![container], ..PodFacts::default() };
        let now = self.advance(Duration::from_secs(1));
        self.monitor.handle_event(&WatchScope::Cluster, PodEvent::Applied(pod.clone().into()), now);
        let now = self.advance(Duration::from_secs(60));
        self.monitor.handle_event(&WatchScope::Cluster, PodEvent::Deleted(pod.into()), now);
    }

    #[track_caller]
    fn wait_for(&self, query: &str, wanted: f64) {
        eventually(|| match self.prometheus.query(query)? {
            value if (value - wanted).abs() < 1e-9 => Ok(()),
            value => Err(format!("{query} is {value}, not {wanted}")),
        });
    }

    /// Waits until no series matches this selector.
    #[track_caller]
    fn wait_until_gone(&self, selector: &str) {
        self.wait_for(&format!("count({selector}) or vector(0)"), 0.0);
    }

    /// Waits for two more scrapes.
    #[track_caller]
    fn wait_for_scrapes(&self) {
        let count = || self.prometheus.query("count_over_time(up[10m])");
        let before = count().unwrap_or_default();
        eventually(|| count()?.ge(&(before + 2.0)).then_some(()).ok_or_else(|| "too few scrapes".to_owned()));
    }
}

fn respond(monitor: &Monitor, mut stream: &TcpStream) -> std::io::Result<()> {
    let mut accept = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Accept:") {
            value.trim().clone_into(&mut accept);
        }
    }
    let format = ExpositionFormat::negotiate(&accept);
    let mut exposition = Exposition::new(format, 0);
    families::write_all(
        &SelectedSeries::select(&monitor.scrape_snapshot().expect("the cluster is listed")),
        &mut exposition,
    );
    let (body, kind) = (exposition.finish(), format.content_type());
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(&body)
}

/// Checks that `increase()` returns `growth`, plus at most a third by extrapolation to the whole range.
#[track_caller]
fn check_increase(watched: &ScrapedMonitor, of: &str, growth: f64) {
    let increase = watched.prometheus.query(&format!("sum(increase({of}[10m]))")).expect("it is there");
    assert!((growth - 0.01..growth * 1.34).contains(&increase), "increase of {of} is {increase}, not {growth}");
}

fn check_namespace_that_disappears_and_returns(name: &str, feature: &str, observed: &str) {
    let watched = ScrapedMonitor::new(name, feature, MonitorLimits::DEFAULT);
    let (started, ended) = (
        "image_pull_failures_started_total{namespace=\"shop\"}",
        "sum(image_pull_failures_ended_total{namespace=\"shop\"})",
    );
    watched.run_failure("shop", "a.example/web:1");
    watched.wait_for(ended, 1.0);
    watched.wait_for_scrapes();
    // More than a day without events.
    watched.advance(25 * HOUR);
    watched.wait_until_gone(started);
    for number in 0..2 {
        // A counter that restarted at zero would reach and exceed its old value.
        watched.run_failure("shop", &format!("a.example/web:{number}"));
        watched.wait_for(started, 2.0 + f64::from(number));
    }
    watched.wait_for_scrapes();
    watched.wait_for(&format!("resets({started}[10m])"), 0.0);
    check_increase(&watched, started, 2.0);
    check_increase(&watched, "image_pull_failures_ended_total{namespace=\"shop\"}", 2.0);
    watched.wait_for(observed, 3.0);
}

#[test]
fn rate_is_correct_for_a_namespace_that_disappears_and_returns() {
    let observed = "sum(image_pull_failure_duration_seconds_count)";
    check_namespace_that_disappears_and_returns("returns-text", "exemplar-storage", observed);
}

#[test]
fn rate_of_native_histograms_is_correct_for_a_namespace_that_disappears_and_returns() {
    let observed = "sum(histogram_count(image_pull_failure_duration_seconds))";
    check_namespace_that_disappears_and_returns("returns-native", "native-histograms", observed);
}

#[test]
fn rate_is_correct_for_a_registry_that_loses_and_regains_its_label() {
    let limits = MonitorLimits { max_registries: 1, ..MonitorLimits::DEFAULT };
    let watched = ScrapedMonitor::new("names", "exemplar-storage", limits);
    let all = "sum(max_over_time(image_pull_failures_started_total[10m]))";
    let of = |registry: &str| format!("sum(image_pull_failures_started_total{{registry=\"{registry}\"}})");
    // Each registry takes the label from the other one, which no longer fails.
    for round in 0..4_u32 {
        watched.run_failure("shop", "a.example/web:1");
        watched.wait_for(&of("a.example"), f64::from(round) + 1.0);
        watched.run_failure("shop", "b.example/web:1");
        watched.wait_for(&of("b.example"), f64::from(round) + 1.0);
        watched.wait_for_scrapes();
        watched.advance(2 * HOUR);
    }
    watched.wait_for(all, 8.0);
    watched.wait_for("max(resets(image_pull_failures_started_total[10m]))", 0.0);
    watched.wait_for("max(resets(image_pull_failure_duration_seconds_count[10m]))", 0.0);
    watched.wait_for("sum(max_over_time(image_pull_failure_duration_seconds_count[10m]))", 8.0);
    check_increase(&watched, "image_pull_failures_started_total", 6.0);
}
