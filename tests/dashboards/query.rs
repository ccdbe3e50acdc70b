//! The queries of a dashboard, with Grafana's variables filled in.

use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// What stands for `$__rate_interval`: a time that nobody would write, so that it is told from a literal.
pub const RATE_INTERVAL: u64 = 61;
/// What stands for `$__interval`.
const INTERVAL: u64 = 59;
/// What stands for `$__range`.
pub const RANGE: u64 = 73;

/// A query of a panel, an annotation or a variable.
pub struct Query {
    /// Where it stands, for a message.
    pub location: String,
    /// The uid of its dashboard.
    pub dashboard_uid: String,
    /// What Prometheus is asked.
    pub promql: String,
    /// Whether it is asked for one moment only.
    pub is_instant: bool,
    /// The names of its series, as `{{label}}`.
    pub legend: String,
    /// Whether it marks moments instead of drawing a series.
    pub is_annotation: bool,
    /// The label whose values a variable takes.
    pub variable_label: Option<String>,
}

/// Every query of a dashboard.
pub fn all(board: &Dashboard) -> Vec<Query> {
    let uid = board.uid().to_owned();
    let query = |place: String, written: &str, is_instant: bool, legend: &str| Query {
        location: place,
        dashboard_uid: uid.clone(),
        promql: substitute_variables(board, written),
        is_instant,
        legend: legend.to_owned(),
        is_annotation: false,
        variable_label: None,
    };
    let mut queries = Vec::new();
    for panel in board.panels() {
        for target in array_at(panel, "/targets") {
            let is_instant = target["instant"] == Value::Bool(true);
            let place = format!("{} ({})", board.panel_location(panel), str_at(target, "/refId"));
            queries.push(query(place, str_at(target, "/expr"), is_instant, str_at(target, "/legendFormat")));
        }
    }
    for annotation in board.annotations() {
        let place = format!("{}: annotation {}", board.file, str_at(annotation, "/name"));
        let marks = query(place, str_at(annotation, "/expr"), false, str_at(annotation, "/textFormat"));
        queries.push(Query { is_annotation: true, ..marks });
    }
    for variable in board.variables().iter().filter(|variable| str_at(variable, "/type") == "query") {
        let place = format!("{}: variable {}", board.file, str_at(variable, "/name"));
        let written = str_at(variable, "/query/query");
        // A variable is written `label_values(series, label)`.
        let inner = written.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or((written, ""));
        let label = label.trim();
        let counted = format!("count by ({label}) ({series})");
        queries.push(Query { variable_label: Some(label.to_owned()), ..query(place, &counted, true, "") });
    }
    queries
}

/// Fills in Grafana's variables and those of the dashboard, each set to All. What is unknown stays.
fn substitute_variables(board: &Dashboard, written: &str) -> String {
    let mut filled = written
        .replace("$__rate_interval", &format!("{RATE_INTERVAL}s"))
        .replace("$__interval", &format!("{INTERVAL}s"))
        .replace("$__range", &format!("{RANGE}s"));
    let mut variables: Vec<&Value> = board.variables().iter().collect();
    // The longest name first, since one may begin with another.
    variables.sort_by_key(|variable| std::cmp::Reverse(str_at(variable, "/name").len()));
    for variable in variables {
        let all = match str_at(variable, "/allValue") {
            "" => ".+",
            all => all,
        };
        filled = filled.replace(&format!("${}", str_at(variable, "/name")), all);
    }
    filled
}
