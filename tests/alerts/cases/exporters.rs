//! The alerts about the exporter itself.

use super::MINUTE;
use crate::timeline::Case;

#[expect(clippy::too_many_lines, reason = "a list of timelines")]
pub fn cases() -> Vec<Case> {
    let target = "{job=\"image-pull\",instance=\"a\"}";
    let named = |metric: &str, more: &str| format!("{metric}{{job=\"image-pull\",instance=\"a\"{more}}}");
    let dashboard = "https://grafana.example.com/d/image-pull-exporter";
    let runbook = |alert: &str| format!("https://runbooks.example.com/image-pull-exporter/{alert}.md");
    let says = |case: Case, at: u32, alert: &'static str, labels: &str, summary: &str, description: &str| {
        case.fires_with_text(
            at,
            alert,
            labels,
            &[
                ("summary", summary),
                ("description", description),
                ("runbook_url", &runbook(alert)),
                ("dashboard_url", dashboard),
            ],
        )
    };
    let broken = |name: &str| {
        Case::with_scrape_interval(name, 15)
            .series(&format!("image_pull_exporter_build_info{target}"), 0..7200, |_| 1.0)
    };
    let here = "job: image-pull, instance: a";
    vec![
        says(
            Case::with_scrape_interval("nobody watches", 15)
                .exporter("a", 0..600)
                .fires(15 * MINUTE - 15, &[])
                .fires(15 * MINUTE, &["ImagePullExporterAbsent"]),
            1000,
            "ImagePullExporterAbsent",
            "severity: critical",
            "Nobody watches for image pull failures",
            "No image-pull-exporter has been scraped with success for five minutes, so none of the other alerts can fire. First look \
             at its pods and at Prometheus' targets page.",
        ),
        ["x", "y"].into_iter().fold(Case::with_scrape_interval("nobody watches one of two clusters", 15), |case, cluster| {
            let series = format!("image_pull_exporter_build_info{{cluster=\"{cluster}\",job=\"image-pull\"}}");
            case.series(&series, 0..if cluster == "x" { 7200 } else { 600 }, |_| 1.0)
        })
        .fires(15 * MINUTE - 15, &[])
        .fires(15 * MINUTE, &["ImagePullExporterAbsent in y"])
        .fires(110 * MINUTE, &["ImagePullExporterAbsent in y"])
        .fires_with_text(
            1000,
            "ImagePullExporterAbsent",
            "severity: critical, cluster: y",
            &[
                ("summary", "Nobody watches cluster y for image pull failures"),
                (
                    "description",
                    "No image-pull-exporter has been scraped with success for five minutes, so none of the other alerts can fire. \
                     First look at its pods and at Prometheus' targets page.",
                ),
                ("runbook_url", &runbook("ImagePullExporterAbsent")),
                ("dashboard_url", dashboard),
            ],
        ),
        broken("what goes wrong in a cluster with a name")
            .series(&named("image_pull_exporter_watch_restarts_total", ",cause=\"forbidden\",cluster=\"x\""), 0..7200, |at| {
                f64::from(at / 60)
            })
            .series(&named("image_pull_exporter_unclassified_messages_total", ",cluster=\"x\""), 0..7200, |at| {
                f64::from(u8::from(at >= 600))
            })
            .series(&named("image_pull_failing", ",exported_namespace=\"shop\",cluster=\"x\""), 0..7200, |_| 1.0)
            .fires(
                30 * MINUTE,
                &[
                    "ImagePullExporterWatchFailing a in x",
                    "ImagePullExporterUnclassified a in x",
                    "ImagePullExporterLabelsNotHonored in x",
                ],
            ),
        // One with a watch for each of many namespaces, each ended by the API server every now and then.
        broken("watches that end as they should")
            .series(&named("image_pull_exporter_watch_restarts_total", ",cause=\"ended\",cluster=\"x\""), 0..7200, |at| {
                f64::from(at / 60)
            })
            .fires(60 * MINUTE, &[]),
        Case::with_scrape_interval("an exporter that restarts", 15)
            .exporter("a", 0..600)
            .exporter("a-again", 840..2000)
            .fires(14 * MINUTE, &[])
            .fires(16 * MINUTE, &[])
            .fires(20 * MINUTE, &[]),
        says(
            broken("a watch that is broken")
                .series(&format!("image_pull_exporter_watch_synced{target}"), 0..7200, |at| {
                    f64::from(u8::from(at < 600))
                })
                .fires(19 * MINUTE + 45, &[])
                .fires(20 * MINUTE, &["ImagePullExporterNotSynced a"]),
            1260,
            "ImagePullExporterNotSynced",
            &format!("severity: warning, {here}"),
            "a has lost sight of the cluster",
            "The watch of pods has been broken for ten minutes: what it shows is the last complete view. First read its log, which names \
             the error and the missing right, and image_pull_exporter_watch_restarts_total.",
        ),
        broken("a watch that breaks for a moment")
            .series(&format!("image_pull_exporter_watch_synced{target}"), 0..7200, |at| {
                f64::from(u8::from(at % 900 > 500))
            })
            .fires(29 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
        says(
            broken("an API server that says nothing")
                .series(&format!("image_pull_exporter_watch_last_event_timestamp_seconds{target}"), 0..7200, |at| {
                    f64::from(at.min(600))
                })
                .fires(45 * MINUTE, &[])
                .fires(45 * MINUTE + 15, &["ImagePullExporterStale a"]),
            2760,
            "ImagePullExporterStale",
            &format!("severity: info, {here}"),
            "a has heard nothing from the API server for 36m 0s",
            "Either no pod of the cluster has changed since, or the watch hangs without an error. First compare with kubectl get events \
             -A --watch; if those go on, restart the exporter.",
        ),
        says(
            broken("a right that is missing")
                .series(&named("image_pull_exporter_watch_restarts_total", ",cause=\"forbidden\""), 0..7200, |at| {
                    f64::from(at / 60)
                })
                .fires(20 * MINUTE, &[])
                .fires(22 * MINUTE, &["ImagePullExporterWatchFailing a"]),
            1800,
            "ImagePullExporterWatchFailing",
            &format!("severity: warning, cause: forbidden, {here}"),
            "a keeps losing its watch: forbidden",
            "15 requests failed within 15 minutes. It recovers each time, late. First read its log; forbidden and unauthorized mean its \
             ClusterRole or its token, too_many_requests the API server's priority and fairness.",
        ),
        broken("an API server that is rolled over")
            .series(&named("image_pull_exporter_watch_restarts_total", ",cause=\"connection\""), 0..7200, |at| {
                f64::from(u8::from(at > 600)) * 4.0
            })
            .fires(20 * MINUTE, &[])
            .fires(40 * MINUTE, &[]),
        says(
            broken("more failures than may be shown")
                .series(&format!("image_pull_exporter_truncated_containers{target}"), 0..7200, |at| {
                    f64::from(u8::from(at >= 600)) * 17.0
                })
                .fires(14 * MINUTE + 45, &[])
                .fires(15 * MINUTE, &["ImagePullExporterTruncated a"]),
            960,
            "ImagePullExporterTruncated",
            &format!("severity: warning, {here}"),
            "a leaves out 17 failing containers",
            "More containers fail than --max-container-series allows to show; those that have been failing longest are shown, and totals \
             count all. First deal with the outage behind it; raise the limit only if it is no outage.",
        ),
        says(
            broken("a text that nobody knows")
                .series(&named("image_pull_exporter_unclassified_messages_total", ""), 0..7200, |at| {
                    f64::from(u8::from(at >= 600))
                })
                .fires(10 * MINUTE - 15, &[])
                .fires(10 * MINUTE + 15, &["ImagePullExporterUnclassified a"])
                .fires(110 * MINUTE, &["ImagePullExporterUnclassified a"]),
            900,
            "ImagePullExporterUnclassified",
            &format!("severity: info, {here}"),
            "a met an error text that it does not know",
            "Its cause shows as unknown. The text is in the log, with its secrets removed, as \"cause unknown\": please report it, so that \
             the next version knows it.",
        ),
        says(
            Case::new("labels that are not honoured")
                .series(
                    &named("image_pull_failing", ",exported_namespace=\"shop\",namespace=\"monitoring\""),
                    0..7200,
                    |_| 1.0,
                )
                .fires(5 * MINUTE - 15, &[])
                .fires(5 * MINUTE, &["ImagePullExporterLabelsNotHonored"]),
            600,
            "ImagePullExporterLabelsNotHonored",
            "severity: warning, job: image-pull",
            "Job image-pull scrapes image-pull-exporter without honor_labels",
            "The namespace, pod and container of what fails have become exported_namespace, exported_pod and exported_container; where \
             other alerts name a namespace, it is the exporter's. First set honor_labels: true in the scrape configuration, honorLabels \
             in a ServiceMonitor.",
        ),
    ]
}
