//! The metrics of containers that wait without an error.

use std::time::Duration;

use image_pull_exporter::cluster::PodEvent;
use image_pull_exporter::metrics::exposition::{Exposition, ExpositionFormat};
use image_pull_exporter::metrics::families;
use image_pull_exporter::metrics::scrape::SelectedSeries;
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, StateFacts, WatchScope};
use image_pull_model::image::PullPolicy;
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

/// A monitor of a cluster, with a clock.
struct TestMonitor {
    monitor: Monitor,
    now: Timestamp,
}

impl TestMonitor {
    fn new(limits: MonitorLimits) -> Self {
        let now = Timestamp::from_unix_millis(1_800_000_000_000);
        let monitor = Monitor::new(IndexConfig::default(), &[WatchScope::Cluster], limits, now);
        for event in [PodEvent::ListStarted, PodEvent::ListCompleted, PodEvent::Synced] {
            monitor.handle_event(&WatchScope::Cluster, event, now);
        }
        Self { monitor, now }
    }

    fn advance(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    /// Applies a pod with one container in this state. Its sandbox is ready since `sandbox_ready`.
    fn apply(&self, name: &str, sandbox_ready: Option<Timestamp>, state: StateFacts) -> PodFacts {
        let container = ContainerFacts {
            name: "app".to_owned(),
            kind: ContainerKind::App,
            images: vec![ImageFacts::new("r.example/app:1", PullPolicy::IfNotPresent)],
            restart_count: 0,
            state,
            last_finished_at: None,
            has_started: false,
            has_run_image: false,
        };
        let pod = PodFacts {
            id: PodId { namespace: "shop".to_owned(), name: name.to_owned(), uid: name.to_owned() },
            node: "node-1".to_owned(),
            scheduled: Some(self.now),
            sandbox_ready,
            is_sandbox_missing: sandbox_ready.is_none(),
            containers: vec![container],
            ..PodFacts::default()
        };
        self.monitor.handle_event(&WatchScope::Cluster, PodEvent::Applied(pod.clone().into()), self.now);
        pod
    }

    fn samples(&self) -> Vec<String> {
        let mut scrape = self.monitor.scrape_snapshot().expect("the cluster is listed");
        scrape.now = self.now;
        let mut exposition = Exposition::new(ExpositionFormat::Text, 0);
        families::write_all(&SelectedSeries::select(&scrape), &mut exposition);
        let text = String::from_utf8(exposition.finish()).expect("it is text");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// Returns the samples of all series that begin with this text.
    fn find(&self, start: &str) -> Vec<String> {
        self.samples().into_iter().filter(|line| line.starts_with(start)).collect()
    }
}

fn creating() -> StateFacts {
    StateFacts::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() }
}

fn running(at: Timestamp) -> StateFacts {
    StateFacts::Running { started_at: Some(at) }
}

#[test]
fn a_pending_container_has_series_from_the_threshold_on() {
    let mut test = TestMonitor::new(MonitorLimits::DEFAULT);
    test.apply("web", Some(test.now), creating());
    assert_eq!(test.find("image_pull_pending_containers"), ["image_pull_pending_containers 1"]);
    assert_eq!(test.find("image_pull_starting_containers"), ["image_pull_starting_containers 0"]);
    assert!(test.find("image_pull_pending_since").is_empty() && test.find("image_pull_pending_info").is_empty());

    test.advance(2 * MINUTE);
    assert!(test.find("image_pull_pending_since").is_empty());
    test.advance(Duration::from_millis(1));
    assert_eq!(
        test.find("image_pull_pending_since"),
        ["image_pull_pending_since_timestamp_seconds{namespace=\"shop\",pod=\"web\",uid=\"web\",container=\"app\",\
          basis=\"sandbox_ready\"} 1800000000"]
    );
    assert_eq!(
        test.find("image_pull_pending_info"),
        [
            "image_pull_pending_info{namespace=\"shop\",pod=\"web\",uid=\"web\",container=\"app\",container_type=\"app\",\
          image=\"r.example/app:1\",registry=\"r.example\",repository=\"app\",tag=\"1\",digest=\"\",\
          pull_policy=\"IfNotPresent\",node=\"node-1\",workload_kind=\"Pod\",workload=\"web\",batch=\"false\"} 1"
        ]
    );
    test.apply("web", Some(test.now), running(test.now));
    assert!(test.find("image_pull_pending_since").is_empty());
    assert_eq!(test.find("image_pull_pending_containers"), ["image_pull_pending_containers 0"]);
}

#[test]
fn a_starting_container_is_counted_from_the_threshold_on_and_has_no_series() {
    let mut test = TestMonitor::new(MonitorLimits::DEFAULT);
    test.apply("web", None, creating());
    test.advance(2 * MINUTE);
    assert_eq!(test.find("image_pull_starting_containers"), ["image_pull_starting_containers 0"]);
    test.advance(MINUTE);
    assert_eq!(test.find("image_pull_starting_containers"), ["image_pull_starting_containers 1"]);
    assert_eq!(test.find("image_pull_pending_containers"), ["image_pull_pending_containers 0"]);
    assert!(test.find("image_pull_pending_info").is_empty());
}

#[test]
fn a_threshold_of_zero_exposes_no_container() {
    let mut test = TestMonitor::new(MonitorLimits { pending_after: Duration::ZERO, ..MonitorLimits::DEFAULT });
    test.apply("web", Some(test.now), creating());
    test.apply("api", None, creating());
    test.advance(60 * MINUTE);
    assert!(test.find("image_pull_pending_since").is_empty() && test.find("image_pull_pending_info").is_empty());
    assert_eq!(test.find("image_pull_pending_containers"), ["image_pull_pending_containers 1"]);
    assert_eq!(test.find("image_pull_starting_containers"), ["image_pull_starting_containers 0"]);
}

#[test]
fn series_beyond_the_limit_go_to_failing_and_then_to_the_oldest_pending_containers() {
    let mut test = TestMonitor::new(MonitorLimits { max_containers: 20, ..MonitorLimits::DEFAULT });
    for number in 0..30 {
        test.apply(&format!("web-{:02}", 29 - number), Some(test.now), creating());
        test.advance(Duration::from_secs(1));
    }
    let failed = StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() };
    for number in 0..5 {
        test.apply(&format!("bad-{number}"), Some(test.now), failed.clone());
    }
    test.advance(10 * MINUTE);
    assert_eq!(test.find("image_pull_failing{").len(), 5);
    let pending = test.find("image_pull_pending_info");
    let expected: Vec<String> = (15..30).map(|number| format!("pod=\"web-{number:02}\"")).collect();
    assert!(pending.iter().zip(&expected).all(|(series, pod)| series.contains(pod)), "{pending:?}");
    assert_eq!(pending.len(), expected.len());
    assert_eq!(test.find("image_pull_exporter_truncated"), ["image_pull_exporter_truncated_containers 15"]);
}

#[test]
fn observed_stretches_are_measured_by_outcome() {
    let mut test = TestMonitor::new(MonitorLimits::DEFAULT);
    let count = |test: &TestMonitor, outcome: &str| {
        test.find(&format!("image_pull_pending_duration_seconds_count{{registry=\"r.example\",outcome=\"{outcome}\"}}"))
    };
    let is = |number: u32, samples: &[String]| samples.iter().all(|line| line.ends_with(&format!(" {number}")));

    test.apply("web", Some(test.now), creating());
    // At zero, so that increase() includes the first observation.
    assert!(is(0, &count(&test, "started")) && count(&test, "started").len() == 1);
    test.advance(Duration::from_secs(7));
    test.apply("web", Some(test.now), running(test.now));
    assert!(is(1, &count(&test, "started")));
    let sum = "image_pull_pending_duration_seconds_sum{registry=\"r.example\",outcome=\"started\"}";
    assert_eq!(test.find(sum), [format!("{sum} 7")]);

    test.apply("bad", Some(test.now), creating());
    test.advance(Duration::from_secs(1));
    test.apply(
        "bad",
        Some(test.now),
        StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() },
    );
    assert!(is(1, &count(&test, "failed")) && count(&test, "failed").len() == 1);
    assert!(count(&test, "pod_deleted").is_empty());

    let pod = test.apply("gone", Some(test.now), creating());
    test.advance(Duration::from_secs(1));
    test.monitor.handle_event(&WatchScope::Cluster, PodEvent::Deleted(pod.into()), test.now);
    assert!(is(1, &count(&test, "pod_deleted")) && count(&test, "pod_deleted").len() == 1);
    assert_eq!(test.find("image_pull_pending_duration_seconds_count").len(), 3);
    assert!(test.find("image_pull_backoff_duration_seconds_count").len() == 1, "only the registry with a failure");
}

#[test]
fn metrics_from_events_are_absent_without_events() {
    let test = TestMonitor::new(MonitorLimits::DEFAULT);
    for family in ["image_pulls_total", "image_pull_duration", "image_pull_queue_duration", "image_pull_size"] {
        assert!(test.find(family).is_empty());
    }
    assert_eq!(test.find("image_pull_exporter_events_enabled"), ["image_pull_exporter_events_enabled 0"]);
}
