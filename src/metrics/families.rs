//! The one table of metric families: names, help, labels, and where the numbers come from.
//!
//! METRICS.md is generated from it, and dashboards and alerts are checked against it.

mod counted;
mod exporter;
mod failing;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::Metric;

use super::exposition::{CounterSample, Exposition, FamilyHeader, FamilyType};
use super::scrape::SelectedSeries;

/// How much a family may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Name, type and labels change only in a major version.
    Stable,
    /// May change in any version.
    Alpha,
}

/// One family.
#[derive(Clone, Copy)]
pub struct Family {
    /// Its name, help, type and unit.
    pub header: FamilyHeader,
    /// The names of its labels, in the order they are written.
    pub labels: &'static [&'static str],
    /// How much it may change.
    pub stability: Stability,
    /// Writes its series.
    pub write_series: WriteSeries,
}

/// Takes the series of one family.
pub struct SeriesWriter<'a> {
    family: &'static Family,
    exposition: &'a mut Exposition,
}

impl SeriesWriter<'_> {
    /// Writes a series: the values of the family's labels in order, and the number.
    pub fn write(&mut self, values: &[&str], number: f64) {
        match self.family.header.family_type {
            FamilyType::Counter => {
                self.write_counter(values, &CounterSample { value: number, ..CounterSample::default() })
            }
            FamilyType::Gauge | FamilyType::Histogram => self.exposition.write_gauge(values, number),
        }
    }

    /// Writes a series of a counter: the values of the family's labels in order, and the sample.
    pub fn write_counter(&mut self, values: &[&str], sample: &CounterSample<'_>) {
        self.exposition.write_counter(values, sample);
    }

    /// Writes a series of a histogram.
    pub fn write_histogram(&mut self, metric: &Metric) {
        self.exposition.write_metric(metric);
    }
}

/// Writes every family.
pub fn write_all(shown: &SelectedSeries<'_>, exposition: &mut Exposition) {
    for family in FAMILIES {
        exposition.begin_family(&family.header, family.labels);
        (family.write_series)(shown, &mut SeriesWriter { family, exposition });
    }
}

/// What writes the series of a family.
type WriteSeries = fn(&SelectedSeries<'_>, &mut SeriesWriter<'_>);

const fn family(
    kind: FamilyType,
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: WriteSeries,
) -> Family {
    Family {
        header: FamilyHeader { name, help, family_type: kind, unit: None },
        labels,
        stability: Stability::Stable,
        write_series: series,
    }
}

const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str], series: WriteSeries) -> Family {
    family(FamilyType::Gauge, name, help, labels, series)
}

const fn counter(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: WriteSeries,
) -> Family {
    family(FamilyType::Counter, name, help, labels, series)
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: WriteSeries,
) -> Family {
    family(FamilyType::Histogram, name, help, labels, series).seconds()
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

    /// As unstable as kube-state-metrics' family of that name.
    const fn alpha(mut self) -> Self {
        self.stability = Stability::Alpha;
        self
    }
}

/// Every family, in the order of the exposition.
pub static FAMILIES: &[Family] = &[
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
        "The container cannot get its image. One series from the beginning of the failure to its end.",
        &["namespace", "pod", "uid", "container", "container_type"],
        failing::failing,
    ),
    gauge(
        "image_pull_failing_info",
        "What is known of a failure: the image, why it cannot be had, and what is affected.",
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
        "When the failure began, in Unix time. The basis says how that is known.",
        &["namespace", "pod", "uid", "container", "basis"],
        failing::since,
    )
    .seconds(),
    gauge(
        "image_pull_failing_cause_since_timestamp_seconds",
        "When the present cause of the failure began, in Unix time; when it was first seen where nobody watched it begin.",
        &["namespace", "pod", "uid", "container"],
        failing::cause_since,
    )
    .seconds(),
    gauge(
        "image_pull_failing_attempts",
        "Failed attempts to pull that were seen in this failure: a lower bound after a restart of the exporter.",
        &["namespace", "pod", "uid", "container"],
        failing::attempts,
    ),
    gauge(
        "image_pull_last_attempt_timestamp_seconds",
        "When the last failed attempt showed in the pod's status, in Unix time.",
        &["namespace", "pod", "uid", "container"],
        failing::last_attempt,
    )
    .seconds(),
    gauge(
        "image_pull_next_attempt_timestamp_seconds",
        "When the kubelet is expected to try next, in Unix time. Absent where it does not back off or nobody can tell.",
        &["namespace", "pod", "uid", "container"],
        failing::next_attempt,
    )
    .seconds(),
    gauge(
        "image_pull_failing_stale_since_timestamp_seconds",
        "When the pod's status last changed, in Unix time. Only once it has not for 15 minutes, though the kubelet should retry: its state is not known.",
        &["namespace", "pod", "uid", "container"],
        failing::stale_since,
    )
    .seconds(),
    gauge(
        "image_pull_stale_containers",
        "Failing containers whose status is stale: what they do now is not known.",
        &[],
        failing::stale_containers,
    ),
    gauge("image_pull_failing_containers", "Containers that cannot get their image.", &["cause"], failing::containers),
    gauge("image_pull_failing_pods", "Pods with a container that cannot get its image.", &[], failing::pods),
    counter(
        "image_pull_failed_attempts_total",
        "Failed attempts to pull an image.",
        &["namespace", "registry", "cause"],
        counted::attempts,
    ),
    counter(
        "image_pull_failures_started_total",
        "Failures that began or were found.",
        &["namespace", "registry"],
        counted::started,
    ),
    counter(
        "image_pull_failures_ended_total",
        "Failures that ended, by how.",
        &["namespace", "registry", "outcome"],
        counted::ended,
    ),
    histogram(
        "image_pull_backoff_duration_seconds",
        "From one failed attempt to the next, or to the recovery, as a watcher sees it. Only intervals watched throughout.",
        &["registry"],
        counted::backoff_durations,
    ),
    histogram(
        "image_pull_failure_duration_seconds",
        "From the beginning of a failure to its end. Only failures that were seen to begin.",
        &["registry", "outcome"],
        counted::failure_durations,
    ),
    gauge(
        "image_pull_exporter_build_info",
        "What this exporter was built from; always 1.",
        &["version", "revision", "rust_version"],
        exporter::build_info,
    ),
    gauge(
        "image_pull_exporter_watch_synced",
        "Whether the view of the cluster is complete and being kept up.",
        &[],
        exporter::synced,
    ),
    gauge(
        "image_pull_exporter_watch_namespace_synced",
        "Whether the view of the namespace is complete and being kept up. Absent without --namespaces.",
        &["namespace"],
        exporter::namespace_synced,
    ),
    gauge(
        "image_pull_exporter_watch_last_event_timestamp_seconds",
        "When the API server was last heard of, in Unix time. Absent before the first event.",
        &[],
        exporter::last_event,
    )
    .seconds(),
    counter("image_pull_exporter_watch_events_total", "Events taken from the watch.", &["type"], counted::watch_events),
    counter(
        "image_pull_exporter_watch_restarts_total",
        "Times that the watch of pods began again, by cause; \"ended\" is as it should be, every other one a fault.",
        &["cause"],
        counted::watch_restarts,
    ),
    counter(
        "image_pull_exporter_relists_total",
        "Lists of all pods that were begun: the first one, and one after each gap.",
        &[],
        counted::relists,
    ),
    gauge("image_pull_exporter_listed_pods", "Pods in the last complete list.", &[], exporter::listed_pods),
    gauge(
        "image_pull_exporter_tracked_containers",
        "Containers that the exporter remembers: those that fail or whose waiting reason is mirrored.",
        &[],
        exporter::tracked_containers,
    ),
    gauge(
        "image_pull_exporter_truncated_containers",
        "Failing containers without series of their own, because there are more than --max-container-series.",
        &[],
        exporter::truncated_containers,
    ),
    counter(
        "image_pull_exporter_registries_beyond_cap_events_total",
        "Events counted under the registry \"other\", because there are more registries than --max-registries.",
        &[],
        counted::registries_beyond_cap,
    ),
    counter(
        "image_pull_exporter_namespaces_beyond_cap_events_total",
        "Events counted under the namespace \"_other\", because there are more pairs of namespace and registry than --max-counter-pairs.",
        &[],
        counted::namespaces_beyond_cap,
    ),
    counter(
        "image_pull_exporter_undecodable_objects_total",
        "Objects from the API server that were skipped as no pods.",
        &[],
        counted::undecodable,
    ),
    counter(
        "image_pull_exporter_pod_limits_exceeded_total",
        "Texts that were truncated and list elements that were omitted because a failing pod exceeds the limits of what is read, by which.",
        &["limit"],
        counted::limits_exceeded,
    ),
    counter(
        "image_pull_exporter_duplicate_containers_total",
        "Container statuses that were skipped because another one of the pod has the same name.",
        &[],
        counted::duplicates,
    ),
    counter(
        "image_pull_exporter_unknown_reasons_total",
        "Distinct waiting reasons that the exporter does not know; where there are more than 1,000, some more than once.",
        &[],
        counted::unknown_reasons,
    ),
    counter(
        "image_pull_exporter_unclassified_messages_total",
        "Error texts whose cause no rule knows; each is in the log.",
        &[],
        counted::unclassified,
    ),
    counter(
        "image_pull_exporter_history_forgotten_total",
        "What the page's history had no place for: failures that ended (--history), and statuses of open ones.",
        &["what"],
        exporter::history_forgotten,
    ),
    counter(
        "image_pull_exporter_log_lines_dropped_total",
        "Log lines that were not written: too many of a kind (rate_limited), or standard error is not read (unread).",
        &["reason"],
        exporter::log_lines_dropped,
    ),
    counter(
        "image_pull_exporter_http_refusals_total",
        "Requests and TLS handshakes that were refused, by why.",
        &["reason"],
        exporter::http_refusals,
    ),
    gauge(
        "image_pull_exporter_config_last_reload_successful",
        "Whether the latest change of the web configuration file is in force. Absent without such a file.",
        &[],
        exporter::reload_successful,
    ),
    gauge(
        "image_pull_exporter_config_last_reload_success_timestamp_seconds",
        "When the web configuration in force was read, in Unix time. Absent without such a file.",
        &[],
        exporter::reload_time,
    )
    .seconds(),
    gauge("process_start_time_seconds", "Start time of the process, in Unix time.", &[], exporter::start_time).seconds(),
    counter("process_cpu_seconds_total", "User and system CPU time spent, in seconds.", &[], exporter::cpu).seconds(),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", &[], exporter::resident_memory).bytes(),
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", &[], exporter::virtual_memory).bytes(),
    gauge("process_open_fds", "Number of open file descriptors.", &[], exporter::open_fds),
    gauge("process_max_fds", "Maximum number of open file descriptors.", &[], exporter::max_fds),
];
