//! Tests the checks: each detects a defect in a dashboard.

use serde_json::{Value, json};

use super::dashboard::{self, Dashboard};
use super::{Check, colors, layout, links, queries};

/// The name of a defect, the function that makes it, the check that has to detect it, and a part of the message.
type Defect = (&'static str, fn(&mut Value), Check, &'static str);

/// The first panel of this type on the overview dashboard.
fn panel<'a>(overview: &'a mut Value, kind: &str) -> &'a mut Value {
    let panels = overview["panels"].as_array_mut().expect("it has panels");
    panels.iter_mut().find(|panel| panel["type"] == kind).expect("it has one of this type")
}

fn set_expr(overview: &mut Value, expr: &str) {
    panel(overview, "timeseries")["targets"][0]["expr"] = json!(expr);
}

fn link(overview: &mut Value) -> &mut Value {
    let overrides = panel(overview, "table")["fieldConfig"]["overrides"].as_array_mut().expect("it has overrides");
    let mut properties = overrides.iter_mut().filter_map(|found| found["properties"].as_array_mut()).flatten();
    &mut properties.find(|property| property["id"] == "links").expect("it has links")["value"][0]["url"]
}

const DEFECTS: &[Defect] = &[
    ("another uid", |json| json["uid"] = json!("overview"), dashboard::identity, "the uids are"),
    ("editable", |json| json["editable"] = json!(true), dashboard::identity, "it is editable"),
    ("an export's inputs", |json| json["__inputs"] = json!([]), dashboard::identity, "__inputs"),
    ("no title", |json| panel(json, "table")["title"] = json!(""), layout::titles, "its title"),
    (
        "a long title",
        |json| panel(json, "stat")["title"] = json!("Containers that fail now"),
        layout::titles,
        "its title",
    ),
    ("no description", |json| drop(panel(json, "stat")["description"].take()), layout::descriptions, "no description"),
    ("no unit", |json| drop(panel(json, "stat")["fieldConfig"]["defaults"]["unit"].take()), layout::units, "no unit"),
    (
        "no unit on the axis",
        |json| drop(panel(json, "heatmap")["options"]["yAxis"]["unit"].take()),
        layout::units,
        "no unit",
    ),
    (
        "no text for no data",
        |json| drop(panel(json, "stat")["fieldConfig"]["defaults"]["noValue"].take()),
        layout::no_value,
        "what no data means",
    ),
    (
        "a number of the past",
        |json| panel(json, "stat")["targets"][0]["instant"] = json!(false),
        layout::stat_panels,
        "may have ended",
    ),
    ("an overlap", |json| panel(json, "stat")["gridPos"]["w"] = json!(5), layout::positions, "overlaps"),
    (
        "beyond the columns",
        |json| panel(json, "stat")["gridPos"]["x"] = json!(21),
        layout::positions,
        "not inside the columns",
    ),
    (
        "a closed row",
        |json| {
            let at = json!({"h": 1, "w": 24, "x": 0, "y": 99});
            let row = json!({"collapsed": true, "gridPos": at, "id": 99, "panels": [], "title": "Row", "type": "row"});
            json["panels"].as_array_mut().expect("it has panels").push(row);
        },
        layout::rows,
        "not an open row",
    ),
    ("an id twice", |json| panel(json, "table")["id"] = json!(1), layout::panel_ids, "no id of its own"),
    (
        "no minimum interval",
        |json| drop(panel(json, "stat")["interval"].take()),
        layout::minimum_interval,
        "no minimum interval",
    ),
    (
        "a hidden legend",
        |json| panel(json, "timeseries")["options"]["legend"]["showLegend"] = json!(false),
        layout::legends,
        "no legend",
    ),
    (
        "an automatic legend",
        |json| panel(json, "stat")["targets"][0]["legendFormat"] = json!("__auto"),
        layout::legends,
        "without a legend",
    ),
    (
        "another data source",
        |json| panel(json, "stat")["targets"][0]["datasource"]["uid"] = json!("P1"),
        links::data_sources,
        "data source",
    ),
    (
        "a variable that nothing uses",
        |json| json["templating"]["list"][0]["name"] = json!("idle"),
        links::variables,
        "nothing uses it",
    ),
    (
        "a link to nowhere",
        |json| *link(json) = json!("/d/image-pull-pod?${__url_time_range}"),
        links::data_links,
        "there is no dashboard",
    ),
    (
        "a link that sets nothing",
        |json| *link(json) = json!("/d/image-pull-failure?var-tag=1"),
        links::data_links,
        "does not have the variable",
    ),
    (
        "a link that loses the time",
        |json| *link(json) = json!("/d/image-pull-failure?var-pod=1"),
        links::data_links,
        "loses the time",
    ),
    (
        "a link from a column there is not",
        |json| *link(json) = json!("/d/image-pull-failure?var-pod=${__data.fields.reason}&${__url_time_range}"),
        queries::names_from_labels,
        "which no query gives",
    ),
    (
        "no way to the others",
        |json| json["links"][0]["includeVars"] = json!(false),
        links::dashboard_links,
        "no link to the other",
    ),
    (
        "a changed color",
        |json| {
            panel(json, "timeseries")["fieldConfig"]["overrides"][0]["properties"][0]["value"]["fixedColor"] =
                json!("#000000");
        },
        colors::consistent,
        "elsewhere",
    ),
    (
        "a cause without a color",
        |json| drop(panel(json, "timeseries")["fieldConfig"]["overrides"][3].take()),
        colors::complete,
        "no color for",
    ),
    ("no PromQL", |json| set_expr(json, "sum by (cause"), queries::parse, "in sum by (cause"),
    (
        "an unknown metric",
        |json| set_expr(json, "sum by (cause) (image_pull_failed)"),
        queries::known_metrics_and_labels,
        "there is no metric",
    ),
    (
        "an unknown variable",
        |json| set_expr(json, "image_pull_failing{pod=\"$pods\"}"),
        queries::parse,
        "a variable that",
    ),
    (
        "an unknown label",
        |json| set_expr(json, "image_pull_failing{cause=\"x\"}"),
        queries::known_metrics_and_labels,
        "no label cause",
    ),
    (
        "grouped by an unknown label",
        |json| set_expr(json, "sum by (reason) (image_pull_failing)"),
        queries::known_metrics_and_labels,
        "no label reason",
    ),
    (
        "joined on a lost label",
        |json| set_expr(json, "sum by (cause) (image_pull_failing_info) * on (pod) group_left () image_pull_failing"),
        queries::known_metrics_and_labels,
        "no label pod",
    ),
    (
        "a rate of a gauge",
        |json| set_expr(json, "rate(image_pull_failing[$__rate_interval])"),
        queries::known_metrics_and_labels,
        "a gauge",
    ),
    ("a fixed range", |json| set_expr(json, "rate(process_cpu_seconds_total[5m])"), queries::ranges, "does not use"),
    (
        "the whole range in a graph",
        |json| set_expr(json, "rate(process_cpu_seconds_total[$__range])"),
        queries::ranges,
        "does not use",
    ),
    (
        "a quantile of no buckets",
        |json| {
            set_expr(
                json,
                "histogram_quantile(.5, sum(rate(image_pull_backoff_duration_seconds_bucket[$__rate_interval])))",
            );
        },
        queries::known_metrics_and_labels,
        "lost the label le",
    ),
    (
        "replicas that may disagree",
        |json| {
            set_expr(
                json,
                "max by (pod) (image_pull_failing) * on (pod) group_left (basis) \
                 max by (pod, basis) (image_pull_failing_since_timestamp_seconds)",
            );
        },
        queries::known_metrics_and_labels,
        "several series may match",
    ),
    (
        "replicas counted twice",
        |json| set_expr(json, "count by (cause) (image_pull_failing_info)"),
        queries::replicas,
        "two replicas count twice",
    ),
    (
        "rates of replicas added up",
        |json| set_expr(json, "sum(rate(image_pull_failures_started_total[$__rate_interval]))"),
        queries::replicas,
        "two replicas count twice",
    ),
    (
        "a shard for all",
        |json| {
            set_expr(
                json,
                "sum(max by (cluster, registry) (rate(image_pull_failures_started_total[$__rate_interval])))",
            );
        },
        queries::replicas,
        "only one of the shards counts",
    ),
    (
        "replicas side by side",
        |json| set_expr(json, "image_pull_failing_attempts"),
        queries::replicas,
        "a result for each replica",
    ),
    (
        "a legend of a lost label",
        |json| set_expr(json, "sum by (pod) (image_pull_failing_info)"),
        queries::names_from_labels,
        "its legend takes",
    ),
    ("a panel without a query", |json| panel(json, "stat")["targets"] = json!([]), queries::parse, "it has no query"),
];

/// The dashboards, with a defect on the overview dashboard.
fn with_defect(defect: fn(&mut Value)) -> Vec<Dashboard> {
    let mut boards = dashboard::all();
    let overview = boards.iter_mut().find(|board| board.file == "overview.json").expect("there is an overview");
    defect(&mut overview.json);
    overview.source = serde_json::to_string_pretty(&overview.json).expect("it was JSON") + "\n";
    boards
}

#[test]
fn every_defect_is_detected() {
    for (defect, make, rule, words) in DEFECTS {
        let found = rule(&with_defect(*make));
        assert!(found.iter().any(|fault| fault.contains(words)), "{defect} is not found: {found:?}");
    }
}

#[test]
fn an_unformatted_file_is_detected() {
    let mut boards = dashboard::all();
    boards[0].source.push('\n');
    assert_eq!(dashboard::formatting(&boards).len(), 1);
}
