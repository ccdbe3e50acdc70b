//! Checks titles, descriptions, units and positions of panels.

use std::collections::BTreeSet;

use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// The width of a dashboard, in grid columns.
const COLUMNS: u64 = 24;
/// Grafana truncates a title with more characters per grid column.
const CHARACTERS_PER_COLUMN: u64 = 5;

fn faults(boards: &[Dashboard], what: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for board in boards {
        for panel in board.panels() {
            faults.extend(what(panel).map(|fault| format!("{}: {fault}", board.panel_location(panel))));
        }
    }
    faults
}

/// Checks that the title of a panel is unique and fits.
pub fn titles(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = faults(boards, |panel| {
        let title = str_at(panel, "/title");
        let room = panel["gridPos"]["w"].as_u64().unwrap_or_default() * CHARACTERS_PER_COLUMN;
        (title.is_empty() || title.len() as u64 > room).then(|| format!("its title is empty or too long: {title:?}"))
    });
    for board in boards {
        let mut seen = BTreeSet::new();
        for panel in board.panels().into_iter().filter(|panel| !seen.insert(str_at(panel, "/title"))) {
            wrong.push(format!("{}: a title twice", board.panel_location(panel)));
        }
    }
    wrong
}

/// Checks that a panel has a description.
pub fn descriptions(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let description = str_at(panel, "/description");
        (description.len() < 60 || !description.ends_with('.')).then(|| "no description".to_owned())
    })
}

/// Checks that a panel has a unit, and a heat map one on its axis.
pub fn units(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let is_axis_bare = str_at(panel, "/type") == "heatmap" && str_at(panel, "/options/yAxis/unit").is_empty();
        let is_bare = str_at(panel, "/fieldConfig/defaults/unit").is_empty();
        (is_bare || is_axis_bare).then(|| "no unit".to_owned())
    })
}

/// Checks that a panel explains the absence of data.
pub fn no_value(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let is_silent = str_at(panel, "/fieldConfig/defaults/noValue").is_empty();
        is_silent.then(|| "it does not explain what no data means".to_owned())
    })
}

/// Checks that stat panels use instant queries: the last value of a range may be of a series that has ended.
pub fn stat_panels(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let is_of_the_end = array_at(panel, "/targets").iter().all(|target| target["instant"] == true);
        (str_at(panel, "/type") == "stat" && !is_of_the_end)
            .then(|| "a number of a series that may have ended".to_owned())
    })
}

/// Position and size of a panel: x, y, width, height.
fn area(panel: &Value) -> Option<[u64; 4]> {
    let side = |name: &str| panel["gridPos"][name].as_u64();
    Some([side("x")?, side("y")?, side("w")?, side("h")?])
}

/// Checks that panels and rows do not overlap and do not exceed the width of the dashboard.
pub fn positions(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let panels = board.panels_and_rows();
        for (index, panel) in panels.iter().enumerate() {
            if !area(panel).is_some_and(|[x, _, w, h]| w > 0 && h > 0 && x + w <= COLUMNS) {
                wrong.push(format!("{}: not inside the columns", board.panel_location(panel)));
            }
            for other in &panels[..index] {
                let (Some([x, y, w, h]), Some([x2, y2, w2, h2])) = (area(panel), area(other)) else { continue };
                if x < x2 + w2 && x2 < x + w && y < y2 + h2 && y2 < y + h {
                    wrong.push(format!("{}: overlaps {:?}", board.panel_location(panel), str_at(other, "/title")));
                }
            }
        }
    }
    wrong
}

/// Checks that rows are open, so that Grafana draws the panels below them, and span the dashboard.
pub fn rows(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for row in board.panels_and_rows().iter().filter(|panel| str_at(panel, "/type") == "row") {
            let is_open = row["collapsed"] == false && array_at(row, "/panels").is_empty();
            if !is_open || area(row).is_none_or(|[x, _, w, h]| [x, w, h] != [0, COLUMNS, 1]) {
                wrong.push(format!("{}: not an open row of the full width", board.panel_location(row)));
            }
        }
    }
    wrong
}

/// Checks that panels have unique ids. Links to panels contain them.
pub fn panel_ids(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let mut seen = BTreeSet::new();
        for panel in board.panels_and_rows() {
            if !panel["id"].as_u64().is_some_and(|id| seen.insert(id)) {
                wrong.push(format!("{}: no id of its own", board.panel_location(panel)));
            }
        }
    }
    wrong
}

/// Checks the minimum interval: points closer than the scrape interval have no data.
pub fn minimum_interval(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let is_set = ["30s", "1m", "5m"].contains(&str_at(panel, "/interval"));
        (!is_set).then(|| "no minimum interval of 30s, 1m or 5m".to_owned())
    })
}

/// Checks that a panel with several series has a legend.
pub fn legends(boards: &[Dashboard]) -> Vec<String> {
    faults(boards, |panel| {
        let targets = array_at(panel, "/targets");
        let is_table = |target: &Value| str_at(target, "/format") == "table";
        if targets.iter().any(|target| !is_table(target) && ["", "__auto"].contains(&str_at(target, "/legendFormat"))) {
            return Some("a target without a legend".to_owned());
        }
        let are_many = targets.len() > 1 || targets.iter().any(|target| str_at(target, "/legendFormat").contains("{{"));
        let is_shown = panel.pointer("/options/legend/showLegend") == Some(&Value::Bool(true));
        let needs_one = ["timeseries", "state-timeline"].contains(&str_at(panel, "/type"));
        (needs_one && are_many && !is_shown).then(|| "many series and no legend".to_owned())
    })
}
