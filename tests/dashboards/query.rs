//! The queries of a dashboard, with the variables of Grafana substituted.

use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// Substitute for `$__rate_interval`, in seconds. An unusual value, to distinguish it from a literal range.
pub const RATE_INTERVAL: u64 = 61;
/// Substitute for `$__interval`, in seconds.
const INTERVAL: u64 = 59;
/// Substitute for `$__range`, in seconds.
pub const RANGE: u64 = 73;

/// A query of a panel, an annotation or a variable.
pub struct Query {
    /// File, panel and query, for messages.
    pub location: String,
    pub dashboard_uid: String,
    /// The query, with variables substituted.
    pub promql: String,
    /// Whether it is an instant query.
    pub is_instant: bool,
    /// The legend format, for example `{{label}}`.
    pub legend: String,
    /// Whether it is the query of an annotation.
    pub is_annotation: bool,
    /// The label with the values of a variable.
    pub variable_label: Option<String>,
}

/// Returns all queries of a dashboard.
pub fn all(board: &Dashboard) -> Vec<Query> {
    let uid = board.uid().to_owned();
    let query = |location: String, written: &str, is_instant: bool, legend: &str| Query {
        location,
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
            let location = format!("{} ({})", board.panel_location(panel), str_at(target, "/refId"));
            queries.push(query(location, str_at(target, "/expr"), is_instant, str_at(target, "/legendFormat")));
        }
    }
    for annotation in board.annotations() {
        let location = format!("{}: annotation {}", board.file, str_at(annotation, "/name"));
        let marks = query(location, str_at(annotation, "/expr"), false, str_at(annotation, "/textFormat"));
        queries.push(Query { is_annotation: true, ..marks });
    }
    for variable in board.variables().iter().filter(|variable| str_at(variable, "/type") == "query") {
        let location = format!("{}: variable {}", board.file, str_at(variable, "/name"));
        let written = str_at(variable, "/query/query");
        // The query of a variable is `label_values(series, label)`.
        let inner = written.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or((written, ""));
        let label = label.trim();
        let counted = format!("count by ({label}) ({series})");
        queries.push(Query { variable_label: Some(label.to_owned()), ..query(location, &counted, true, "") });
    }
    queries
}

/// Substitutes the variables of Grafana and those of the dashboard, each set to All. Unknown variables stay.
fn substitute_variables(board: &Dashboard, written: &str) -> String {
    let mut filled = written
        .replace("$__rate_interval", &format!("{RATE_INTERVAL}s"))
        .replace("$__interval", &format!("{INTERVAL}s"))
        .replace("$__range", &format!("{RANGE}s"));
    let mut variables: Vec<&Value> = board.variables().iter().collect();
    // The longest name first: a name may be the prefix of another one.
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
