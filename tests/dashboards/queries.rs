//! Checks that queries are valid and use existing metrics and labels.

use std::collections::BTreeSet;

use promql_parser::parser::{self, Expr};

use super::dashboard::{Dashboard, array_at, str_at};
use super::labels;
use super::query::{self, Query, RANGE, RATE_INTERVAL};

fn parsed(query: &Query) -> Result<Expr, String> {
    if query.promql.contains('$') {
        return Err(format!("a variable that the dashboard does not have in {}", query.promql));
    }
    parser::parse(&query.promql).map_err(|error| format!("{error} in {}", query.promql))
}

fn faults(boards: &[Dashboard], what: impl Fn(&Query) -> Result<(), String>) -> Vec<String> {
    let queries = boards.iter().flat_map(query::all);
    queries.filter_map(|query| what(&query).err().map(|fault| format!("{}: {fault}", query.location))).collect()
}

/// Checks that every panel has queries, and that they are valid PromQL.
pub fn parse(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = faults(boards, |query| parsed(query).map(drop));
    for board in boards {
        for panel in board.panels().into_iter().filter(|panel| array_at(panel, "/targets").is_empty()) {
            wrong.push(format!("{}: it has no query", board.panel_location(panel)));
        }
    }
    wrong
}

/// Checks that queries use existing metrics and labels.
pub fn known_metrics_and_labels(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |query| labels::of_expr(&parsed(query)?).map(drop))
}

/// Checks the ranges: range queries use `$__rate_interval`, and instant queries may use `$__range`.
pub fn ranges(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |query| {
        let expr = parsed(query)?;
        let mut wrong = Ok(());
        labels::walk(&expr, &mut |part| {
            let Expr::MatrixSelector(matrix) = part else { return };
            let seconds = matrix.range.as_secs();
            if seconds != RATE_INTERVAL && !(query.is_instant && seconds == RANGE) {
                wrong = Err(format!("{matrix} does not use $__rate_interval"));
            }
        });
        wrong
    })
}

/// Checks that sums and counts include each replica of the exporter once, and all of its shards. The dashboard about the exporter shows
/// replicas, so it is exempt.
pub fn replicas(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |query| {
        if query.dashboard_uid == "image-pull-exporter" || query.variable_label.is_some() || query.is_annotation {
            return Ok(());
        }
        let expr = parsed(query)?;
        if labels::of_expr(&expr)?.contains("instance") {
            return Err(format!("a result for each replica in {expr}"));
        }
        // Counting each observation twice does not change a quantile.
        let mut in_quantiles = Vec::new();
        labels::walk(&expr, &mut |part| {
            if matches!(part, Expr::Call(call) if call.func.name == "histogram_quantile") {
                labels::walk(part, &mut |inner| in_quantiles.push(inner));
            }
        });
        let mut wrong = Ok(());
        labels::walk(&expr, &mut |part| {
            let Expr::Aggregate(aggregate) = part else { return };
            let adds = ["sum", "count"].contains(&aggregate.op.to_string().as_str());
            let is_in_quantile = in_quantiles.iter().any(|inner| std::ptr::eq(*inner, part));
            let is_of_replicas = labels::of_expr(&aggregate.expr).is_ok_and(|labels| labels.contains("instance"));
            if adds && !is_in_quantile && is_of_replicas {
                wrong = Err(format!("two replicas count twice in {aggregate}"));
            }
            let counts = matches!(&*aggregate.expr, Expr::Call(call) if ["rate", "increase"].contains(&call.func.name));
            let keeps_shards = labels::of_expr(part).is_ok_and(|labels| labels.contains("shard"));
            if counts && !adds && !is_in_quantile && !keeps_shards {
                wrong = Err(format!("only one of the shards counts in {aggregate}"));
            }
        });
        wrong
    })
}

/// The names in placeholders, for example `{{…}}` or `${__data.fields.…}`.
fn placeholders<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(name, _)| name.trim()).collect()
}

/// Checks that legends and links use labels of the result.
pub fn names_from_labels(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = faults(boards, |query| {
        let labels = labels::of_expr(&parsed(query)?)?;
        match placeholders(&query.legend, "{{", "}}").into_iter().find(|name| !labels.contains(*name)) {
            Some(name) => Err(format!("its legend takes the label {name}, which the result does not have")),
            None => Ok(()),
        }
    });
    for board in boards {
        let queries = query::all(board);
        for panel in board.panels() {
            let place = board.panel_location(panel);
            let of_panel = queries.iter().filter(|query| query.location.starts_with(&format!("{place} (")));
            let labels: BTreeSet<String> =
                of_panel.filter_map(|query| labels::of_expr(&parsed(query).ok()?).ok()).flatten().collect();
            for url in super::links::panel_links(panel).iter().map(|link| str_at(link, "/url")) {
                let fields = placeholders(url, "${__data.fields.", "}").into_iter();
                for name in fields.chain(placeholders(url, "${__field.labels.", "}")) {
                    if !labels.contains(name) {
                        wrong.push(format!("{place}: a link takes {name}, which no query gives"));
                    }
                }
            }
        }
    }
    wrong
}
