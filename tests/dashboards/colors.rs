//! Checks colors: a cause has the same color on every panel.

use std::collections::BTreeMap;

use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::failure_event::FailureOutcome;
use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// The labels with one fixed color per value, and their values.
fn colored_labels() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("cause", Cause::ALL.iter().map(|cause| cause.as_str()).collect()),
        ("cause_group", CauseGroup::ALL.iter().map(|group| group.as_str()).collect()),
        ("outcome", FailureOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
    ]
}

/// The values with a fixed color in a panel, and their colors.
fn fixed_colors(panel: &Value) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for override_ in array_at(panel, "/fieldConfig/overrides") {
        for property in array_at(override_, "/properties") {
            let name = str_at(override_, "/matcher/options");
            match str_at(property, "/id") {
                "color" => found.push((name, str_at(property, "/value/fixedColor"))),
                "mappings" => found.extend(mapped_colors(property)),
                _ => {}
            }
        }
    }
    found
}

fn mapped_colors(property: &Value) -> impl Iterator<Item = (&str, &str)> {
    let values = array_at(property, "/value").iter().filter_map(|mapping| mapping["options"].as_object());
    values.flatten().map(|(value, shown)| (value.as_str(), str_at(shown, "/color")))
}

/// Checks that a value has the same color on every panel, and that no two causes share a color.
pub fn consistent(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut colors = BTreeMap::new();
    let names: Vec<&str> = colored_labels().into_iter().flat_map(|(_, names)| names).collect();
    for board in boards {
        for panel in board.panels() {
            for (name, color) in fixed_colors(panel).into_iter().filter(|(name, _)| names.contains(name)) {
                let first = *colors.entry(name).or_insert(color);
                if first != color {
                    wrong.push(format!("{}: {name} is {color}, elsewhere {first}", board.panel_location(panel)));
                }
            }
        }
    }
    for (index, cause) in Cause::ALL.iter().enumerate() {
        let color = |cause: &Cause| colors.get(cause.as_str());
        if let Some(twin) = Cause::ALL[..index].iter().find(|twin| color(twin).is_some() && color(twin) == color(cause))
        {
            wrong.push(format!("{} and {} have the same color", cause.as_str(), twin.as_str()));
        }
    }
    wrong
}

/// Checks that a panel that draws causes, groups or outcomes has a color for each of them.
pub fn complete(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for panel in board.panels() {
            for (label, names) in colored_labels() {
                let fixed = fixed_colors(panel);
                let is_missing = |name: &&&str| !fixed.iter().any(|(colored, _)| colored == *name);
                if let Some(name) = names.iter().find(is_missing).filter(|_| draws_label(panel, label)) {
                    wrong.push(format!("{}: no color for {name}", board.panel_location(panel)));
                }
            }
        }
    }
    wrong
}

/// Whether the series or the columns of a panel are values of the label.
fn draws_label(panel: &Value, label: &str) -> bool {
    let legend = format!("{{{{{label}}}}}");
    array_at(panel, "/targets").iter().any(|target| str_at(target, "/legendFormat") == legend)
        || array_at(panel, "/transformations").iter().any(|step| !step["options"]["indexByName"][label].is_null())
}
