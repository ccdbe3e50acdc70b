//! Series, scrape size and memory are bounded, however many names a cluster uses.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::cluster::Cluster;
use common::{eventually, pod, samples, sum};
use image_pull_exporter::cluster::PodEvent;
use image_pull_exporter::metrics::exposition::{Exposition, ExpositionFormat};
use image_pull_exporter::metrics::families;
use image_pull_exporter::metrics::scrape::SelectedSeries;
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, StateFacts, WatchScope};
use image_pull_model::image::{ImageReference, PullPolicy};
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;

fn scrape(monitor: &Monitor) -> String {
    let view = monitor.scrape_snapshot().expect("the cluster is listed");
    let mut exposition = Exposition::new(ExpositionFormat::OpenMetrics, 0);
    families::write_all(&SelectedSeries::select(&view), &mut exposition);
    String::from_utf8(exposition.finish()).expect("the exposition is text")
}

/// Returns the resident memory of this process. nextest runs each test in its own process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
    resident.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// Returns a pod whose container cannot pull its image.
fn failing_pod(namespace: &str, name: &str, image: &str) -> PodFacts {
    let container = ContainerFacts {
        name: "app".to_owned(),
        kind: ContainerKind::App,
        images: vec![ImageFacts { reference: Arc::new(ImageReference::parse(image)), policy: PullPolicy::Always }],
        restart_count: 0,
        state: StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: format!("no {image}: not found") },
        last_finished_at: None,
        has_started: false,
        has_run_image: false,
    };
    let id = PodId { namespace: namespace.to_owned(), name: name.to_owned(), uid: format!("{namespace}/{name}") };
    PodFacts { id, containers: vec![container], ..PodFacts::default() }
}

/// Returns the pod while its image is awaited, and while it runs.
fn starting_pod(namespace: &str, name: &str, image: &str) -> [PodFacts; 2] {
    let creating = StateFacts::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() };
    [creating, StateFacts::Running { started_at: None }].map(|state| {
        let mut pod = failing_pod(namespace, name, image);
        "node-1".clone_into(&mut pod.node);
        pod.sandbox_ready = Some(Timestamp::from_unix_millis(1_800_000_000_000));
        pod.containers.iter_mut().for_each(|container| container.state = state.clone());
        pod
    })
}

/// With `PODS_AN_HOUR=1985`, there are a million pods that fail, and as many that start.
#[test]
fn weeks_of_new_names_leave_series_and_memory_bounded() {
    let pods_an_hour = std::env::var("PODS_AN_HOUR").map_or(24, |number| number.parse().expect("it is a number"));
    let limits = MonitorLimits { max_registries: 10, max_containers: 50, max_pairs: 40, ..MonitorLimits::DEFAULT };
    let mut now = Timestamp::from_unix_millis(1_800_000_000_000);
    let monitor = Monitor::new(IndexConfig::default(), &[WatchScope::Cluster], limits, now).with_history(100);
    for event in [PodEvent::ListStarted, PodEvent::ListCompleted, PodEvent::Synced] {
        monitor.handle_event(&WatchScope::Cluster, event, now);
    }
    let (mut sizes, mut after_a_week) = (Vec::new(), 0);
    for hour in 0..21 * 24 {
        for number in 0..pods_an_hour {
            // Every hour has its own namespaces, registries and images.
            let (namespace, registry) =
                (format!("ci-{hour}-{}", number % 6), format!("r{hour}-{}.example", number % 4));
            let web = failing_pod(&namespace, &format!("web-{number}"), &format!("{registry}/app:{hour}-{number}"));
            monitor.handle_event(&WatchScope::Cluster, PodEvent::Applied(web.clone().into()), now);
            now = now.saturating_add(Duration::from_secs(3600) / pods_an_hour);
            monitor.handle_event(&WatchScope::Cluster, PodEvent::Deleted(web.into()), now);
            for good in starting_pod(&namespace, &format!("good-{number}"), &format!("good{registry}/app:1")) {
                monitor.handle_event(&WatchScope::Cluster, PodEvent::Applied(good.into()), now);
            }
        }
        if hour % 6 == 5 {
            let text = scrape(&monitor);
            sizes.push((samples(&text).len(), text.len()));
        }
        if hour == 7 * 24 {
            after_a_week = resident_kib();
        }
    }
    let most = |scrapes: &[(usize, usize)]| {
        let series = scrapes.iter().map(|scrape| scrape.0).max().unwrap_or_default();
        (series, scrapes.iter().map(|scrape| scrape.1).max().unwrap_or_default())
    };
    // Four scrapes per day, in the first and the last week.
    let ((series_then, bytes_then), (series, bytes)) = (most(&sizes[..28]), most(&sizes[56..]));
    assert!(
        series <= series_then + series_then / 20 && bytes <= bytes_then + bytes_then / 20,
        "{series} and {bytes}, {series_then} and {bytes_then} then"
    );
    assert!(series < 1000, "{series}");
    let at_the_end = resident_kib();
    assert!(at_the_end < after_a_week + 4096, "{at_the_end} KiB at the end, {after_a_week} KiB after a week");
    // Every event was counted.
    let all = sum(&scrape(&monitor), "image_pull_exporter_watch_events_total{type=\"applied\"}");
    assert_eq!(all, f64::from(pods_an_hour * 21 * 24 * 3));
}

#[test]
fn deleted_namespaces_leave_a_bounded_scrape() {
    let cluster = Cluster::new("memory-namespaces");
    let program = cluster.start(&["--max-counter-pairs", "200"]);
    program.wait_ready();
    let namespaces = 3000;
    let mut metrics = String::new();
    for number in 0..namespaces {
        let namespace = format!("ci-{number}");
        cluster.store.put(pod(&namespace, "web", Some(("ErrImagePull", common::NOT_FOUND))));
        cluster.store.delete(&namespace, "web");
        // The API server keeps a limited number of events. A watch that falls behind misses failures.
        if number % 500 == 499 {
            eventually(|| {
                metrics = program.metrics();
                let ended = sum(&metrics, "image_pull_failures_ended_total");
                if ended == f64::from(number + 1) { Ok(()) } else { Err(format!("{ended} ended")) }
            });
        }
    }
    assert_eq!(sum(&metrics, "image_pull_failures_started_total"), f64::from(namespaces));
    assert_eq!(sum(&metrics, "image_pull_failures_started_total{namespace=\"_other\""), f64::from(namespaces - 200));
    let pairs =
        samples(&metrics).iter().filter(|(series, _)| series.starts_with("image_pull_failures_started")).count();
    assert_eq!(pairs, 201);
    assert!(metrics.len() < 300 * 1024, "{} bytes", metrics.len());
    let peak = program.peak_kib();
    assert!(peak < 128 * 1024, "{peak} KiB");
}
