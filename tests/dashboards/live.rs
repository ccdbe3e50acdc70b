//! Runs every query in a Prometheus that scrapes a demo: as one replica, as two replicas, as two shards, and with native histograms.

use std::collections::BTreeMap;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr};
use serde_json::Value;

use super::common::prometheus::Prometheus;
use super::common::{Program, eventually};
use super::dashboard;
use super::query::{self, Query};

/// Variables without values in this test: the scrape configuration does not set these labels.
const EMPTY_VARIABLES: &[&str] = &["cluster"];

/// Starts a demo, and a Prometheus that scrapes it as two targets with these labels.
fn start_two_targets(name: &str, labels: [&str; 2]) -> (Program, Prometheus) {
    let demo = Program::start(&["demo", "--speed", "20"]);
    demo.wait_ready();
    let port = demo.port;
    let [first, second] = labels;
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: image-pull\n  \
         honor_labels: true\n  static_configs:\n  - {{targets: ['127.0.0.1:{port}'], labels: {{{first}}}}}\n  \
         - {{targets: ['localhost:{port}'], labels: {{{second}}}}}\n"
    );
    let prometheus = Prometheus::start(name, &config, &[]);
    (demo, prometheus)
}

/// The series of an instant query.
fn series(prometheus: &Prometheus, promql: &str) -> Result<Vec<Value>, String> {
    let encoded = promql.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let answer = prometheus.get(&format!("/api/v1/query?query={encoded}"))?;
    let result = answer.pointer("/data/result").and_then(Value::as_array);
    result.cloned().ok_or_else(|| format!("{promql} gives {answer}"))
}

fn queries() -> Vec<Query> {
    dashboard::all().iter().flat_map(query::all).collect()
}

fn check_result(prometheus: &Prometheus, query: &Query) -> Result<(), String> {
    let found = series(prometheus, &query.promql)?;
    let has_value =
        |series: &Value| query.variable_label.as_ref().is_none_or(|label| !series["metric"][label].is_null());
    let is_empty = query.variable_label.as_ref().is_some_and(|label| EMPTY_VARIABLES.contains(&label.as_str()));
    if is_empty || found.iter().any(has_value) { Ok(()) } else { Err(format!("{}: {}", query.location, query.promql)) }
}

#[test]
fn every_query_has_results_and_two_replicas_count_once() {
    let (demo, prometheus) = start_two_targets("dashboards", ["", ""]);
    for query in queries() {
        eventually(|| check_result(&prometheus, &query));
    }
    for query in queries().iter().filter(|query| is_about_pulls(query)) {
        let replica = restricted_to(&query.promql, &format!("127.0.0.1:{}", demo.port));
        eventually(|| check_ratio(1.0, &prometheus, &query.promql, &replica));
    }
}

/// Two shards never expose the same container. Their counters add up.
#[test]
fn two_shards_count_as_both() {
    let (demo, prometheus) = start_two_targets("dashboards-shards", ["shard: '0'", "shard: '1'"]);
    for query in queries() {
        eventually(|| check_result(&prometheus, &query));
    }
    for query in queries().iter().filter(|query| is_about_pulls(query)) {
        let shard = restricted_to(&query.promql, &format!("127.0.0.1:{}", demo.port));
        let promql = &query.promql;
        let is_rate = ["rate(", "increase("].iter().any(|call| promql.contains(call));
        let factor = if is_rate && !promql.contains("histogram_quantile(") { 2.0 } else { 1.0 };
        eventually(|| check_ratio(factor, &prometheus, promql, &shard));
    }
}

/// The dashboard about the exporter shows each replica.
fn is_about_pulls(query: &Query) -> bool {
    query.dashboard_uid != "image-pull-exporter" && query.variable_label.is_none() && !query.is_annotation
}

/// The query, restricted to one replica.
fn restricted_to(promql: &str, instance: &str) -> String {
    let mut expr = parser::parse(promql).expect("it is PromQL");
    add_instance_matcher(&mut expr, instance);
    expr.to_string()
}

fn add_instance_matcher(expr: &mut Expr, instance: &str) {
    let matcher = || Matcher::new(MatchOp::Equal, "instance", instance);
    match expr {
        Expr::Paren(paren) => add_instance_matcher(&mut paren.expr, instance),
        Expr::Unary(unary) => add_instance_matcher(&mut unary.expr, instance),
        Expr::Aggregate(aggregate) => add_instance_matcher(&mut aggregate.expr, instance),
        Expr::Binary(binary) => {
            add_instance_matcher(&mut binary.lhs, instance);
            add_instance_matcher(&mut binary.rhs, instance);
        }
        Expr::Call(call) => call.args.args.iter_mut().for_each(|argument| add_instance_matcher(argument, instance)),
        Expr::VectorSelector(selector) => selector.matchers.matchers.push(matcher()),
        Expr::MatrixSelector(matrix) => matrix.vs.matchers.matchers.push(matcher()),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Subquery(_) | Expr::Extension(_) => {}
    }
}

/// Finite values by series. Omits NaN, for example the quantile of an empty histogram.
fn finite_values(series: &[Value]) -> BTreeMap<String, f64> {
    let number = |series: &Value| series["value"][1].as_str().and_then(|number| number.parse::<f64>().ok());
    let keyed = series.iter().map(|series| (series["metric"].to_string(), number(series).unwrap_or(f64::NAN)));
    keyed.filter(|(_, number)| number.is_finite()).collect()
}

/// Checks that the values of both targets are `factor` times those of one. The targets are not scraped at the same moment, so values may
/// differ a little, and numbers of events in a minute by one.
fn check_ratio(factor: f64, prometheus: &Prometheus, both: &str, one: &str) -> Result<(), String> {
    let (found, wanted) = (finite_values(&series(prometheus, both)?), finite_values(&series(prometheus, one)?));
    let counts_events = ["60 * sum", "increase("].iter().any(|part| both.contains(part));
    let slack = if counts_events && !both.contains("histogram_quantile(") { 1.2 } else { 1e-3 };
    let is_near = |(key, wanted): (&String, &f64)| {
        found.get(key).is_some_and(|found| (found - factor * wanted).abs() <= 0.3 * wanted.abs() + slack)
    };
    let is_same = wanted.iter().all(is_near) && wanted.len() == found.len();
    if is_same { Ok(()) } else { Err(format!("{both} gives {found:?}, one target {wanted:?}")) }
}

#[test]
fn every_histogram_query_has_results_with_native_histograms() {
    let demo = Program::start(&["demo", "--speed", "20"]);
    demo.wait_ready();
    let prometheus = Prometheus::scraping(demo.port, "dashboards-native", "native-histograms");
    for query in queries().iter().filter(|query| query.promql.contains("_bucket")) {
        eventually(|| check_result(&prometheus, query));
    }
}
