//! The queries of a dashboard, with Grafana's variables filled in.

use serde_json::Value;

use super::board::{Board, list, text};

/// What stands for `$__rate_interval`: a time that nobody would write, so that it is told from a literal.
pub const RATE_INTERVAL: u64 = 61;
/// What stands for `$__interval`.
const INTERVAL: u64 = 59;
/// What stands for `$__range`.
pub const RANGE: u64 = 73;

/// A query of a panel, an annotation or a variable.
pub struct Query {
    /// Where it stands, for a message.
    pub place: String,
    /// The uid of its dashboard.
    pub board: String,
    /// What Prometheus is asked.
    pub promql: String,
    /// Whether it is asked for one moment only.
    pub is_instant: bool,
    /// The names of its series, as `{{label}}`.
    pub legend: String,
    /// Whether it marks moments instead of drawing a series.
    pub is_annotation: bool,
    /// The label whose values a variable takes.
    pub values_of: Option<String>,
}

/// Every query of a dashboard.
pub fn all(board: &Board) -> Vec<Query> {
    let uid = board.uid().to_owned();
    let query = |place: String, written: &str, is_instant: bool, legend: &str| Query {
        place,
        board: uid.clone(),
        promql: fill(board, written),
        is_instant,
        legend: legend.to_owned(),
        is_annotation: false,
        values_of: None,
    };
    let mut queries = Vec::new();
    for panel in board.panels() {
        for target in list(panel, "/targets") {
            let is_instant = target["instant"] == Value::Bool(true);
            let place = format!("{} ({})", board.place(panel), text(target, "/refId"));
            queries.push(query(place, text(target, "/expr"), is_instant, text(target, "/legendFormat")));
        }
    }
    for annotation in board.annotations() {
        let place = format!("{}: annotation {}", board.file, text(annotation, "/name"));
        let marks = query(place, text(annotation, "/expr"), false, text(annotation, "/textFormat"));
        queries.push(Query { is_annotation: true, ..marks });
    }
    for variable in board.variables().iter().filter(|variable| text(variable, "/type") == "query") {
        let place = format!("{}: variable {}", board.file, text(variable, "/name"));
        let written = text(variable, "/query/query");
        // A variable is written `label_values(series, label)`.
        let inner = written.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(',')).unwrap_or((written, ""));
        let label = label.trim();
        let counted = format!("count by ({label}) ({series})");
        queries.push(Query { values_of: Some(label.to_owned()), ..query(place, &counted, true, "") });
    }
    queries
}

/// Fills in Grafana's variables and those of the dashboard, each set to All. What is unknown stays.
fn fill(board: &Board, written: &str) -> String {
    let mut filled = written
        .replace("$__rate_interval", &format!("{RATE_INTERVAL}s"))
        .replace("$__interval", &format!("{INTERVAL}s"))
        .replace("$__range", &format!("{RANGE}s"));
    let mut variables: Vec<&Value> = board.variables().iter().collect();
    // The longest name first, since one may begin with another.
    variables.sort_by_key(|variable| std::cmp::Reverse(text(variable, "/name").len()));
    for variable in variables {
        let all = match text(variable, "/allValue") {
            "" => ".+",
            all => all,
        };
        filled = filled.replace(&format!("${}", text(variable, "/name")), all);
    }
    filled
}
