//! The dashboards: each keeps the rules, each rule can fail, and each query answers over a running exporter.

#[path = "../common/mod.rs"]
mod common;

mod colors;
mod dashboard;
mod labels;
mod layout;
mod links;
mod live;
mod mistakes;
mod queries;
mod query;

use dashboard::Dashboard;

/// Finds what is wrong, one line for each fault.
type Check = fn(&[Dashboard]) -> Vec<String>;

/// What every dashboard has to keep.
const CHECKS: &[Check] = &[
    dashboard::identity,
    dashboard::formatting,
    layout::titles,
    layout::descriptions,
    layout::units,
    layout::no_value,
    layout::stat_panels,
    layout::positions,
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
