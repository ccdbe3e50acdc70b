//! Derives the labels of the result of a query, and finds metrics and labels that do not exist.

use std::collections::BTreeSet;

use image_pull_exporter::metrics::exposition::FamilyType;
use image_pull_exporter::metrics::families::FAMILIES;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, MatrixSelector, VectorMatchCardinality,
    VectorSelector,
};

type Labels = BTreeSet<String>;

/// Labels that Prometheus adds to every series of a target.
const TARGET_LABELS: [&str; 4] = ["cluster", "job", "instance", "shard"];
/// Series that Prometheus creates for every target.
const PROMETHEUS_SERIES: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];

/// The labels that the result may have, or an error if the query uses a metric or a label that does not exist.
pub fn of_expr(expr: &Expr) -> Result<Labels, String> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(Labels::new()),
        Expr::Paren(paren) => of_expr(&paren.expr),
        Expr::Unary(unary) => of_expr(&unary.expr),
        Expr::VectorSelector(selector) => of_selector(selector).map(|(_, labels)| labels),
        Expr::MatrixSelector(MatrixSelector { vs, .. }) => of_selector(vs).map(|(_, labels)| labels),
        Expr::Aggregate(aggregate) => of_aggregate(aggregate),
        Expr::Binary(binary) => of_binary(binary),
        Expr::Call(call) => of_call(call),
        Expr::Subquery(_) | Expr::Extension(_) => Err(format!("{expr} is not supported by this test")),
    }
}

/// The kind of the selected family, `None` for series of Prometheus, and the labels of its series.
fn of_selector(selector: &VectorSelector) -> Result<(Option<FamilyType>, Labels), String> {
    let name = selector.name.as_deref().ok_or_else(|| format!("{selector} names no metric"))?;
    let mut labels: Labels = TARGET_LABELS.map(str::to_owned).into();
    let family = |name: &str| FAMILIES.iter().find(|family| family.header.name == name);
    let part = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| Some((name.strip_suffix(end)?, end)));
    let found = match (family(name), part) {
        (Some(family), _) => Some((family, "")),
        (None, Some((whole, end))) => {
            family(whole).filter(|f| f.header.family_type == FamilyType::Histogram).map(|f| (f, end))
        }
        (None, None) => None,
    };
    let kind = match found {
        Some((family, end)) => {
            labels.extend(family.labels.iter().map(|label| (*label).to_owned()));
            labels.extend((end == "_bucket").then(|| "le".to_owned()));
            Some(family.header.family_type)
        }
        None if PROMETHEUS_SERIES.contains(&name) => None,
        None => return Err(format!("there is no metric {name}")),
    };
    if !selector.matchers.or_matchers.is_empty() {
        return Err(format!("{selector} has alternatives, which Prometheus does not support"));
    }
    for matcher in &selector.matchers.matchers {
        check_label(&matcher.name, &labels, &format!("{selector}"))?;
    }
    Ok((kind, labels))
}

fn check_label(label: &str, labels: &Labels, place: &str) -> Result<(), String> {
    if labels.contains(label) { Ok(()) } else { Err(format!("no label {label} in {place}")) }
}

fn modifier_labels(modifier: &LabelModifier, labels: &Labels, place: &Expr) -> Result<Labels, String> {
    let named: Labels = modifier.labels().labels.iter().cloned().collect();
    named.iter().try_for_each(|label| check_label(label, labels, &place.to_string()))?;
    Ok(named)
}

fn of_aggregate(aggregate: &AggregateExpr) -> Result<Labels, String> {
    let inner = of_expr(&aggregate.expr)?;
    if ["topk", "bottomk"].contains(&aggregate.op.to_string().as_str()) {
        return Ok(inner);
    }
    match &aggregate.modifier {
        None => Ok(Labels::new()),
        Some(modifier @ LabelModifier::Include(_)) => modifier_labels(modifier, &inner, &aggregate.expr),
        Some(modifier @ LabelModifier::Exclude(_)) => Ok(&inner - &modifier_labels(modifier, &inner, &aggregate.expr)?),
    }
}

fn of_binary(binary: &BinaryExpr) -> Result<Labels, String> {
    let (left, right) = (of_expr(&binary.lhs)?, of_expr(&binary.rhs)?);
    if binary.rhs.value_type() == ValueType::Scalar {
        return Ok(left);
    }
    if binary.lhs.value_type() == ValueType::Scalar {
        return Ok(right);
    }
    let modifier = binary.modifier.as_ref();
    let matching = modifier.and_then(|modifier| modifier.matching.as_ref());
    let matched = match matching {
        Some(on @ LabelModifier::Include(_)) => {
            modifier_labels(on, &left, &binary.lhs)?;
            modifier_labels(on, &right, &binary.rhs)?
        }
        Some(ignoring @ LabelModifier::Exclude(_)) => {
            let either = &left | &right;
            let ignored = modifier_labels(ignoring, &either, &binary.lhs)?;
            if &left - &ignored != &right - &ignored {
                return Err(format!("the sides never match in {binary}"));
            }
            &left - &ignored
        }
        None if left == right => left.clone(),
        None => return Err(format!("the sides have different labels in {binary}")),
    };
    match (binary.op.to_string().as_str(), modifier.map(|BinModifier { card, .. }| card)) {
        ("or", _) => Ok(&left | &right),
        ("and" | "unless", _) => Ok(left),
        (_, Some(VectorMatchCardinality::ManyToOne(more))) => {
            check_one_series_per_match(&binary.rhs, &right, &matched)?;
            grouped_labels(left, &more.labels, &right, &binary.rhs)
        }
        (_, Some(VectorMatchCardinality::OneToMany(more))) => {
            check_one_series_per_match(&binary.lhs, &left, &matched)?;
            grouped_labels(right, &more.labels, &left, &binary.lhs)
        }
        _ => Ok(matched),
    }
}

/// Checks that each match selects one series of this side, even if replicas expose different labels.
fn check_one_series_per_match(expr: &Expr, labels: &Labels, matched: &Labels) -> Result<(), String> {
    let picks_one = matches!(expr, Expr::Aggregate(AggregateExpr { op, param: Some(number), modifier: Some(by), .. })
        if ["topk", "bottomk"].contains(&op.to_string().as_str())
            && number.to_string() == "1"
            && matches!(by, LabelModifier::Include(by) if by.labels.iter().all(|label| matched.contains(label))));
    if picks_one || labels.is_subset(matched) { Ok(()) } else { Err(format!("several series may match in {expr}")) }
}

/// The labels of the "many" side, and the labels that `group_left` or `group_right` adds.
fn grouped_labels(mut many: Labels, more: &[String], one: &Labels, place: &Expr) -> Result<Labels, String> {
    for label in more {
        check_label(label, one, &place.to_string())?;
        many.insert(label.clone());
    }
    Ok(many)
}

fn of_call(call: &Call) -> Result<Labels, String> {
    let arguments: Vec<&Expr> = call.args.args.iter().map(AsRef::as_ref).collect();
    match (call.func.name, arguments.as_slice()) {
        ("time", []) => Ok(Labels::new()),
        ("rate" | "increase", [Expr::MatrixSelector(matrix)]) => {
            let (kind, labels) = of_selector(&matrix.vs)?;
            if kind == Some(FamilyType::Gauge) {
                return Err(format!("{matrix} is a gauge, which has no rate"));
            }
            Ok(labels)
        }
        ("histogram_quantile", [_, buckets]) => {
            let mut labels = of_expr(buckets)?;
            if !labels.remove("le") && reads_buckets(buckets) {
                return Err(format!("{call} has lost the label le"));
            }
            Ok(labels)
        }
        (name, _) => Err(format!("{name} is not supported by this test")),
    }
}

/// Whether an expression reads classic buckets.
fn reads_buckets(expr: &Expr) -> bool {
    selectors(expr).iter().any(|selector| selector.name.as_deref().is_some_and(|name| name.ends_with("_bucket")))
}

/// The selectors of a query.
pub fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    let mut found = Vec::new();
    walk(expr, &mut |part| match part {
        Expr::VectorSelector(selector) => found.push(selector),
        Expr::MatrixSelector(matrix) => found.push(&matrix.vs),
        _ => {}
    });
    found
}

/// Calls `visit` with every part of a query.
pub fn walk<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    match expr {
        Expr::Paren(paren) => walk(&paren.expr, visit),
        Expr::Unary(unary) => walk(&unary.expr, visit),
        Expr::Aggregate(aggregate) => {
            walk(&aggregate.expr, visit);
            if let Some(parameter) = &aggregate.param {
                walk(parameter, visit);
            }
        }
        Expr::Binary(binary) => {
            walk(&binary.lhs, visit);
            walk(&binary.rhs, visit);
        }
        Expr::Call(call) => call.args.args.iter().for_each(|argument| walk(argument, visit)),
        Expr::Subquery(subquery) => walk(&subquery.expr, visit),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
}
