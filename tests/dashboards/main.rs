//! The dashboards: they pass every check, every check detects a defect, and every query has results for a running exporter.

#[path = "../common/mod.rs"]
mod common;

mod colors;
mod dashboard;
mod defects;
mod labels;
mod layout;
mod links;
mod live;
mod queries;
mod query;

use dashboard::Dashboard;

/// Returns the faults of the dashboards, one line each.
type Check = fn(&[Dashboard]) -> Vec<String>;

/// The checks of all dashboards.
const CHECKS: &[Check] = &[
    dashboard::identity,
    dashboard::formatting,
    layout::titles,
    layout::descriptions,
    layout::units,
    layout::no_value,
    layout::stat_panels,
    layout::positions,
    layout::rows,
    layout::panel_ids,
    layout::minimum_interval,
    layout::legends,
    links::data_sources,
    links::variables,
    links::data_links,
    links::dashboard_links,
    colors::consistent,
    colors::complete,
    queries::parse,
    queries::known_metrics_and_labels,
    queries::ranges,
    queries::replicas,
    queries::names_from_labels,
];

fn faults(boards: &[Dashboard]) -> Vec<String> {
    CHECKS.iter().flat_map(|rule| rule(boards)).collect()
}

#[test]
fn dashboards_pass_every_check() {
    let faults = faults(&dashboard::all());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
