//! The table of metric families: name, help text, type, labels and the source of the values.
//!
//! METRICS.md is generated from it, and tests compare dashboards and alerts with it. The counters about the exporter
//! itself are declared in `counters::exporter` and appended.

mod counted;
mod exporter;
mod failing;
mod info;
mod pending;
mod series;

use std::sync::LazyLock;

use super::counters::{EXPORTER_COUNTERS, ExporterCounter, ExporterCounterFamily};
use super::exposition::{Exposition, FamilyHeader, FamilyType};
use super::scrape::SelectedSeries;
use series::SeriesWriter;

/// The compatibility promise of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Name, type and labels change only in a major version.
    Stable,
    /// May change in any version.
    Alpha,
}

/// A metric family.
#[derive(Clone, Copy)]
pub struct Family {
    /// Name, help text, type and unit.
    pub header: FamilyHeader,
    /// The names of the labels, in the order in which their values are written.
    pub labels: &'static [&'static str],
    /// The compatibility promise.
    pub stability: Stability,
    source: Source,
}

/// The source of a family's series.
#[derive(Clone, Copy)]
enum Source {
    Function(WriteSeries),
    Counter(ExporterCounter),
}

type WriteSeries = fn(&SelectedSeries<'_>, &mut SeriesWriter<'_>);

/// Writes every family.
pub fn write_all(selected: &SelectedSeries<'_>, exposition: &mut Exposition) {
    for family in FAMILIES.iter() {
        exposition.begin_family(&family.header, family.labels);
        let mut series = SeriesWriter::new(family.header.family_type, exposition);
        match family.source {
            Source::Function(write_series) => write_series(selected, &mut series),
            Source::Counter(counter) => counted::exporter_counter(counter, selected, &mut series),
        }
    }
}

const fn family(
    family_type: FamilyType,
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    write_series: WriteSeries,
) -> Family {
    let header = FamilyHeader { name, help, family_type, unit: None };
    Family { header, labels, stability: Stability::Stable, source: Source::Function(write_series) }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    write_series: WriteSeries,
) -> Family {
    family(FamilyType::Gauge, name, help, labels, write_series)
}

const fn counter(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    write_series: WriteSeries,
) -> Family {
    family(FamilyType::Counter, name, help, labels, write_series)
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    write_series: WriteSeries,
) -> Family {
    family(FamilyType::Histogram, name, help, labels, write_series).seconds()
}

const fn size_histogram(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    write_series: WriteSeries,
) -> Family {
    family(FamilyType::Histogram, name, help, labels, write_series).bytes()
}

impl Family {
    const fn seconds(mut self) -> Self {
        self.header.unit = Some("seconds");
        self
    }

    const fn bytes(mut self) -> Self {
        self.header.unit = Some("bytes");
        self
    }

    /// Follows the stability of the kube-state-metrics family with this name.
    const fn alpha(mut self) -> Self {
        self.stability = Stability::Alpha;
        self
    }
}

impl From<&ExporterCounterFamily> for Family {
    fn from(row: &ExporterCounterFamily) -> Self {
        let header = FamilyHeader { name: row.name, help: row.help, family_type: FamilyType::Counter, unit: None };
        Self { header, labels: row.labels, stability: Stability::Stable, source: Source::Counter(row.counter) }
    }
}

/// Every family, in the order of the exposition.
pub static FAMILIES: LazyLock<Vec<Family>> =
    LazyLock::new(|| TABLE.iter().copied().chain(EXPORTER_COUNTERS.iter().map(Family::from)).collect());

static TABLE: &[Family] = &[
    gauge(
        "kube_pod_container_status_waiting_reason",
        "[STABLE] Describes the reason the container is currently in waiting state.",
        &["namespace", "pod", "uid", "container", "reason"],
        failing::waiting_reason,
    ),
    gauge(
        "kube_pod_init_container_status_waiting_reason",
        "Describes the reason the init container is currently in waiting state.",
        &["namespace", "pod", "uid", "container", "reason"],
        failing::init_waiting_reason,
    )
    .alpha(),
    gauge(
        "image_pull_failing",
        "Whether the container is failing to pull its image. Always 1; the series exists only while the failure lasts.",
        &["namespace", "pod", "uid", "container", "container_type"],
        failing::failing,
    ),
    gauge(
        "image_pull_failing_info",
        "Metadata of a failing container: image, cause, workload, node. Always 1.",
        &[
            "namespace",
            "pod",
            "uid",
            "container",
            "container_type",
            "image",
            "registry",
            "repository",
            "tag",
            "digest",
            "pull_policy",
            "cause",
            "cause_group",
            "node",
            "workload_kind",
            "workload",
            "batch",
        ],
        failing::info,
    ),
    gauge(
        "image_pull_failing_since_timestamp_seconds",
        "Start of the failure in Unix time. The label basis states how the start time is known.",
        &["namespace", "pod", "uid", "container", "basis"],
        failing::since,
    )
    .seconds(),
    gauge(
        "image_pull_failing_cause_since_timestamp_seconds",
        "Start of the current cause of the failure in Unix time, or the time of its first observation if its start was not observed.",
        &["namespace", "pod", "uid", "container"],
        failing::cause_since,
    )
    .seconds(),
    gauge(
        "image_pull_failing_attempts",
        "Failed pull attempts observed during the current failure. A lower bound after a restart of the exporter.",
        &["namespace", "pod", "uid", "container"],
        failing::attempts,
    ),
    gauge(
        "image_pull_last_attempt_timestamp_seconds",
        "Time at which the last failed pull attempt appeared in the pod status, in Unix time.",
        &["namespace", "pod", "uid", "container"],
        failing::last_attempt,
    )
    .seconds(),
    gauge(
        "image_pull_next_attempt_timestamp_seconds",
        "Expected time of the kubelet's next pull attempt, in Unix time. Absent if the kubelet does not back off or the time is unknown.",
        &["namespace", "pod", "uid", "container"],
        failing::next_attempt,
    )
    .seconds(),
    gauge(
        "image_pull_failing_stale_since_timestamp_seconds",
        "Last change of a stale pod status in Unix time. A status is stale after 15 minutes without an expected change.",
        &["namespace", "pod", "uid", "container"],
        failing::stale_since,
    )
    .seconds(),
    gauge(
        "image_pull_stale_containers",
        "Failing containers with a stale pod status. Their current state is unknown.",
        &[],
        failing::stale_containers,
    ),
    gauge("image_pull_failing_containers", "Containers that are failing to pull their image, by cause.", &["cause"], failing::containers),
    gauge("image_pull_failing_pods", "Pods with at least one container that is failing to pull its image.", &[], failing::pods),
    gauge(
        "image_pull_pending_since_timestamp_seconds",
        "Time since which only the pull of the image is left, in Unix time. From --pending-after on. The label basis states the evidence.",
        &["namespace", "pod", "uid", "container", "basis"],
        pending::since,
    )
    .seconds(),
    gauge(
        "image_pull_pending_info",
        "Metadata of a container that has been pending for longer than --pending-after: image, workload, node. Always 1.",
        &[
            "namespace",
            "pod",
            "uid",
            "container",
            "container_type",
            "image",
            "registry",
            "repository",
            "tag",
            "digest",
            "pull_policy",
            "node",
            "workload_kind",
            "workload",
            "batch",
        ],
        pending::info,
    ),
    gauge(
        "image_pull_pending_containers",
        "Containers that only need their image: it is being pulled, is queued, or the runtime hangs.",
        &[],
        pending::containers,
    ),
    gauge(
        "image_pull_starting_containers",
        "Containers that have awaited volumes, sandbox or image for longer than --pending-after; the status does not report which.",
        &[],
        pending::starting_containers,
    ),
    histogram(
        "image_pull_pending_duration_seconds",
        "Time during which containers were pending, by outcome. Only if start and end were observed. About the time of a pull.",
        &["registry", "outcome"],
        counted::pending_durations,
    ),
    counter(
        "image_pulls_total",
        "Image pulls by result, from the kubelet's Events. A lower bound: kubelets drop Events. Only with --events.",
        &["registry", "result"],
        counted::pulls,
    ),
    histogram(
        "image_pull_duration_seconds",
        "Time of successful pulls without the time in the kubelet's queue. A sample: kubelets drop Events. Only with --events.",
        &["registry"],
        counted::pull_durations,
    ),
    histogram(
        "image_pull_queue_duration_seconds",
        "Time of successful pulls in the kubelet's queue. A sample: kubelets drop Events. Only with --events and kubelets 1.25 and later.",
        &["registry"],
        counted::pull_queue_durations,
    ),
    size_histogram(
        "image_pull_size_bytes",
        "Size of pulled images. A sample: kubelets drop Events. Only with --events and kubelets 1.30 and later.",
        &["registry"],
        counted::pull_sizes,
    ),
    counter(
        "image_pull_failed_attempts_total",
        "Failed image pull attempts, by cause.",
        &["namespace", "registry", "cause"],
        counted::attempts,
    ),
    counter(
        "image_pull_failures_started_total",
        "Failures that started, or that were in progress when first observed.",
        &["namespace", "registry"],
        counted::started,
    ),
    counter(
        "image_pull_failures_ended_total",
        "Failures that ended, by outcome.",
        &["namespace", "registry", "outcome"],
        counted::ended,
    ),
    histogram(
        "image_pull_backoff_duration_seconds",
        "Time from one failed pull attempt to the next, or to recovery. Only intervals that were observed without a gap.",
        &["registry"],
        counted::backoff_durations,
    ),
    histogram(
        "image_pull_failure_duration_seconds",
        "Duration of failures. Only failures whose start and end times are known.",
        &["registry", "outcome"],
        counted::failure_durations,
    ),
    gauge(
        "image_pull_exporter_build_info",
        "Build information about the exporter. Always 1.",
        &["version", "revision", "rust_version"],
        exporter::build_info,
    ),
    gauge(
        "image_pull_exporter_events_enabled",
        "Whether the Events of kubelets are read (1), or are off or refused by the API server (0).",
        &[],
        exporter::events_enabled,
    ),
    gauge(
        "image_pull_exporter_watch_synced",
        "Whether the view of the cluster is complete and up to date (1) or not (0).",
        &[],
        exporter::synced,
    ),
    gauge(
        "image_pull_exporter_watch_namespace_synced",
        "Whether the view of the namespace is complete and up to date (1) or not (0). Absent without --namespaces.",
        &["namespace"],
        exporter::namespace_synced,
    ),
    gauge(
        "image_pull_exporter_watch_last_event_timestamp_seconds",
        "Time of the last data from the API server, in Unix time, on the watch with the oldest data. Absent before the first event.",
        &[],
        exporter::last_event,
    )
    .seconds(),
    gauge("image_pull_exporter_listed_pods", "Pods in the last complete list.", &[], exporter::listed_pods),
    gauge(
        "image_pull_exporter_tracked_containers",
        "Containers held in memory: failing, pending and starting ones, and those whose waiting reason is exposed.",
        &[],
        exporter::tracked_containers,
    ),
    gauge(
        "image_pull_exporter_truncated_containers",
        "Failing and pending containers without series of their own because of --max-container-series.",
        &[],
        exporter::truncated_containers,
    ),
    counter(
        "image_pull_exporter_events_dropped_total",
        "Events dropped before the status of their pod came, because there were too many. Their pulls are counted.",
        &[],
        exporter::dropped_events,
    ),
    counter(
        "image_pull_exporter_history_forgotten_total",
        "Entries evicted from the in-memory history: ended failures (see --history), and status changes of open failures.",
        &["what"],
        exporter::history_evictions,
    ),
    counter(
        "image_pull_exporter_log_lines_dropped_total",
        "Log lines dropped because there were too many of one kind (rate_limited) or standard error was not read (unread).",
        &["reason"],
        exporter::log_lines_dropped,
    ),
    counter(
        "image_pull_exporter_http_refusals_total",
        "HTTP requests and TLS handshakes rejected, by reason.",
        &["reason"],
        exporter::http_refusals,
    ),
    gauge(
        "image_pull_exporter_config_last_reload_successful",
        "Whether the last reload of the web configuration file succeeded (1) or failed (0). Absent without such a file.",
        &[],
        exporter::reload_successful,
    ),
    gauge(
        "image_pull_exporter_config_last_reload_success_timestamp_seconds",
        "Time of the last successful reload of the web configuration file, in Unix time. Absent without such a file.",
        &[],
        exporter::reload_time,
    )
    .seconds(),
    gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", &[], exporter::start_time).seconds(),
    counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", &[], exporter::cpu).seconds(),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", &[], exporter::resident_memory).bytes(),
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", &[], exporter::virtual_memory).bytes(),
    gauge("process_open_fds", "Number of open file descriptors.", &[], exporter::open_fds),
    gauge("process_max_fds", "Maximum number of open file descriptors.", &[], exporter::max_fds),
];
