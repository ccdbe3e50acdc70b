//! The alerts about the exporter itself.

use image_pull_exporter::cluster::WatchRestartCause;

use super::MINUTE;
use crate::timeline::{Annotations, Case};

const TWO_HOURS: std::ops::Range<u32> = 0..7200;
const INSTANCE: &str = "job: image-pull, instance: a";

/// A series of the exporter `a`. `labels` begin with a comma.
fn series(metric: &str, labels: &str) -> String {
    format!("{metric}{{job=\"image-pull\",instance=\"a\"{labels}}}")
}

/// A case with an exporter that is scraped.
fn scraped(name: &str) -> Case {
    Case::with_scrape_interval(name, 15).series(&series("image_pull_exporter_build_info", ""), TWO_HOURS, |_| 1.0)
}

/// Expects the text of an alert about the exporter.
fn with_text(case: Case, at: u32, alert: &'static str, labels: &str, summary: &str, description: &str) -> Case {
    let (labels, annotations) = expected(alert, labels, summary, description);
    case.fires_with_texts(at, alert, vec![(labels, annotations)])
}

fn expected(alert: &str, labels: &str, summary: &str, description: &str) -> (String, Annotations) {
    let annotations = vec![
        ("summary", summary.to_owned()),
        ("description", description.to_owned()),
        ("runbook_url", format!("https://runbooks.example.com/image-pull-exporter/{alert}.md")),
        ("dashboard_url", "https://grafana.example.com/d/image-pull-exporter".to_owned()),
    ];
    (labels.to_owned(), annotations)
}

pub fn cases() -> Vec<Case> {
    [absent(), not_synced(), stale(), watch_failing(), truncated(), unclassified(), labels_not_honored()]
        .into_iter()
        .flatten()
        .chain(std::iter::once(alerts_of_a_named_cluster()))
        .collect()
}

fn absent() -> Vec<Case> {
    let description = "No image-pull-exporter has been scraped successfully for five minutes. The other alerts about image pulls cannot \
                       fire. Check its pods and the targets page of Prometheus.";
    let of_cluster = |case: Case, cluster: &str, during| {
        let series = format!("image_pull_exporter_build_info{{cluster=\"{cluster}\",job=\"image-pull\"}}");
        case.series(&series, during, |_| 1.0)
    };
    let one_of_two = of_cluster(Case::with_scrape_interval("no exporter in one of two clusters", 15), "x", TWO_HOURS);
    vec![
        with_text(
            Case::with_scrape_interval("no exporter", 15)
                .exporter("a", 0..600)
                .fires(15 * MINUTE - 15, &[])
                .fires(15 * MINUTE, &["ImagePullExporterAbsent"]),
            1000,
            "ImagePullExporterAbsent",
            "severity: critical",
            "image-pull-exporter is down",
            description,
        ),
        with_text(
            of_cluster(one_of_two, "y", 0..600)
                .fires(15 * MINUTE - 15, &[])
                .fires(15 * MINUTE, &["ImagePullExporterAbsent in y"])
                .fires(110 * MINUTE, &["ImagePullExporterAbsent in y"]),
            1000,
            "ImagePullExporterAbsent",
            "severity: critical, cluster: y",
            "image-pull-exporter is down in cluster y",
            description,
        ),
        Case::with_scrape_interval("a restart of the exporter", 15)
            .exporter("a", 0..600)
            .exporter("a-again", 840..2000)
            .fires(14 * MINUTE, &[])
            .fires(16 * MINUTE, &[])
            .fires(20 * MINUTE, &[]),
    ]
}

fn not_synced() -> Vec<Case> {
    let synced = series("image_pull_exporter_watch_synced", "");
    vec![
        with_text(
            scraped("a watch that fails")
                .series(&synced, TWO_HOURS, |at| f64::from(u8::from(at < 600)))
                .fires(19 * MINUTE + 45, &[])
                .fires(20 * MINUTE, &["ImagePullExporterNotSynced a"]),
            1260,
            "ImagePullExporterNotSynced",
            &format!("severity: warning, {INSTANCE}"),
            "a has no current view of the cluster",
            "The watch of pods has been failing for ten minutes; the metrics show the last complete view. Check the log of the exporter \
             for the error and for a missing permission, and image_pull_exporter_watch_restarts_total for the cause.",
        ),
        scraped("a watch that fails for some minutes")
            .series(&synced, TWO_HOURS, |at| f64::from(u8::from(at % 900 > 500)))
            .fires(29 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
    ]
}

fn stale() -> Vec<Case> {
    let last_event = series("image_pull_exporter_watch_last_event_timestamp_seconds", "");
    vec![with_text(
        scraped("an API server that sends no events")
            .series(&last_event, TWO_HOURS, |at| f64::from(at.min(600)))
            .fires(45 * MINUTE, &[])
            .fires(45 * MINUTE + 15, &["ImagePullExporterStale a"]),
        2760,
        "ImagePullExporterStale",
        &format!("severity: info, {INSTANCE}"),
        "a has received no event from the API server for 36m 0s",
        "Either no pod of the cluster has changed since, or the watch hangs without an error. Compare with kubectl get events -A --watch. \
         If this shows new events, restart the exporter.",
    )]
}

/// The advice for each value of the label `cause`.
const fn watch_advice(cause: WatchRestartCause) -> &'static str {
    match cause {
        WatchRestartCause::Forbidden | WatchRestartCause::Unauthorized => "Check its ClusterRole and its token.",
        WatchRestartCause::Credentials => "Check the credential plugin or the token file of its kubeconfig.",
        WatchRestartCause::TooManyRequests => "Check the priority and fairness configuration of the API server.",
        WatchRestartCause::Connection | WatchRestartCause::Timeout | WatchRestartCause::Closed => {
            "Check the API server, and proxies and load balancers in front of it."
        }
        WatchRestartCause::Gone | WatchRestartCause::Rewound => {
            "Check the load and the restarts of the API server and etcd."
        }
        WatchRestartCause::Decode | WatchRestartCause::Unsupported => {
            "Check the version of the API server, and proxies in front of it."
        }
        WatchRestartCause::ServerError | WatchRestartCause::Other => "Check the log of the API server.",
        WatchRestartCause::Ended => "",
    }
}

fn watch_failing() -> Vec<Case> {
    let alert = "ImagePullExporterWatchFailing";
    let restarts = |cause: WatchRestartCause| {
        series("image_pull_exporter_watch_restarts_total", &format!(",cause=\"{}\"", cause.as_str()))
    };
    let every_cause = scraped("a watch that fails repeatedly, for every cause").only_alert(alert);
    let every_cause = WatchRestartCause::ALL
        .iter()
        .copied()
        .fold(every_cause, |case, cause| case.series(&restarts(cause), TWO_HOURS, |at| f64::from(at / 60)));
    let texts = WatchRestartCause::ALL.iter().copied().filter(|cause| *cause != WatchRestartCause::Ended).map(|cause| {
        let name = cause.as_str();
        let description = format!(
            "15 requests failed within 15 minutes. The exporter recovers after each, but with a delay. {} The error is in the log of the \
             exporter.",
            watch_advice(cause)
        );
        expected(
            alert,
            &format!("severity: warning, cause: {name}, {INSTANCE}"),
            &format!("The watch of a fails repeatedly: {name}"),
            &description,
        )
    });
    vec![
        every_cause.fires_with_texts(1800, alert, texts.collect()),
        scraped("a missing permission")
            .series(&restarts(WatchRestartCause::Forbidden), TWO_HOURS, |at| f64::from(at / 60))
            .fires(20 * MINUTE, &[])
            .fires(22 * MINUTE, &["ImagePullExporterWatchFailing a"]),
        scraped("a rolling restart of the API server")
            .series(&restarts(WatchRestartCause::Connection), TWO_HOURS, |at| f64::from(u8::from(at > 600)) * 4.0)
            .fires(20 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
        // An exporter with a watch for each of many namespaces.
        scraped("watches that the API server ends regularly")
            .series(
                &series("image_pull_exporter_watch_restarts_total", ",cause=\"ended\",cluster=\"x\""),
                TWO_HOURS,
                |at| f64::from(at / 60),
            )
            .fires(60 * MINUTE, &[]),
    ]
}

fn truncated() -> Vec<Case> {
    vec![with_text(
        scraped("more failing containers than --max-container-series")
            .series(&series("image_pull_exporter_truncated_containers", ""), TWO_HOURS, |at| {
                f64::from(u8::from(at >= 600)) * 17.0
            })
            .fires(14 * MINUTE + 45, &[])
            .fires(15 * MINUTE, &["ImagePullExporterTruncated a"]),
        960,
        "ImagePullExporterTruncated",
        &format!("severity: warning, {INSTANCE}"),
        "a omits the series of 17 containers",
        "More containers fail or are pending than --max-container-series allows. Totals count all of them. Resolve the outage first. \
         Raise the limit only if it is exceeded without an outage.",
    )]
}

fn unclassified() -> Vec<Case> {
    vec![with_text(
        scraped("an unclassified error message")
            .series(&series("image_pull_exporter_unclassified_messages_total", ""), TWO_HOURS, |at| {
                f64::from(u8::from(at >= 600))
            })
            .fires(10 * MINUTE - 15, &[])
            .fires(10 * MINUTE + 15, &["ImagePullExporterUnclassified a"])
            .fires(110 * MINUTE, &["ImagePullExporterUnclassified a"]),
        900,
        "ImagePullExporterUnclassified",
        &format!("severity: info, {INSTANCE}"),
        "a received an error message that it cannot classify",
        "The failure has the cause unknown. The exporter logs the message, with secrets removed, as \"cause unknown\". Report it, so that \
         the next version can classify it.",
    )]
}

fn labels_not_honored() -> Vec<Case> {
    vec![with_text(
        Case::new("a scrape without honor_labels")
            .series(
                &series("image_pull_failing", ",exported_namespace=\"shop\",namespace=\"monitoring\""),
                TWO_HOURS,
                |_| 1.0,
            )
            .fires(5 * MINUTE - 15, &[])
            .fires(5 * MINUTE, &["ImagePullExporterLabelsNotHonored"]),
        600,
        "ImagePullExporterLabelsNotHonored",
        "severity: warning, job: image-pull",
        "Job image-pull scrapes image-pull-exporter without honor_labels",
        "Prometheus renames the labels namespace, pod and container of failing containers to exported_namespace, exported_pod and \
         exported_container, so other alerts name the namespace of the exporter. Set honor_labels: true in the scrape configuration, or \
         honorLabels: true in the ServiceMonitor or PodMonitor.",
    )]
}

/// Alerts that aggregate keep the label `cluster`.
fn alerts_of_a_named_cluster() -> Case {
    scraped("alerts about the exporter of a named cluster")
        .series(
            &series("image_pull_exporter_watch_restarts_total", ",cause=\"forbidden\",cluster=\"x\""),
            TWO_HOURS,
            |at| f64::from(at / 60),
        )
        .series(&series("image_pull_exporter_unclassified_messages_total", ",cluster=\"x\""), TWO_HOURS, |at| {
            f64::from(u8::from(at >= 600))
        })
        .series(&series("image_pull_failing", ",exported_namespace=\"shop\",cluster=\"x\""), TWO_HOURS, |_| 1.0)
        .fires(
            30 * MINUTE,
            &[
                "ImagePullExporterWatchFailing a in x",
                "ImagePullExporterUnclassified a in x",
                "ImagePullExporterLabelsNotHonored in x",
            ],
        )
}
