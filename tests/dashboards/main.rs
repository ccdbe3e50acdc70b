//! The dashboards: each keeps the rules, each rule can fail, and each query answers over a running exporter.

#[path = "../common/mod.rs"]
mod common;

mod board;
mod colours;
mod labels;
mod layout;
mod links;
mod live;
mod mutants;
mod queries;
mod query;

use board::Board;

/// Finds what is wrong, one line for each fault.
type Rule = fn(&[Board]) -> Vec<String>;

/// What every dashboard has to keep.
const RULES: &[Rule] = &[
    board::identity,
    board::tidy,
    layout::titles,
    layout::descriptions,
    layout::units,
    layout::no_value,
    layout::big_numbers,
    layout::positions,
    layout::panel_ids,
    layout::minimum_interval,
    layout::legends,
    links::data_sources,
    links::variables,
    links::urls,
    links::dashboard_links,
    colours::one_for_each_name,
    colours::complete,
    queries::parse,
    queries::known_metrics_and_labels,
    queries::ranges,
    queries::replicas,
    queries::names_from_labels,
];

fn faults(boards: &[Board]) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(boards)).collect()
}

#[test]
fn the_dashboards_keep_the_rules() {
    let faults = faults(&board::all());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
