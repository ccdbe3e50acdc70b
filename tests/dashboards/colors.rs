//! A cause has one colour, wherever it is drawn.

use std::collections::BTreeMap;

use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::effect::FailureOutcome;
use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// The labels whose values have fixed colours, and those values.
fn colored_labels() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("cause", Cause::ALL.iter().map(|cause| cause.as_str()).collect()),
        ("cause_group", CauseGroup::ALL.iter().map(|group| group.as_str()).collect()),
        ("outcome", FailureOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
    ]
}

/// The names that a panel colours, each with its colour.
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

/// A value has the same colour on every panel, and no two causes share one.
pub fn consistent(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut colours = BTreeMap::new();
    let names: Vec<&str> = colored_labels().into_iter().flat_map(|(_, names)| names).collect();
    for board in boards {
        for panel in board.panels() {
            for (name, colour) in fixed_colors(panel).into_iter().filter(|(name, _)| names.contains(name)) {
                let first = *colours.entry(name).or_insert(colour);
                if first != colour {
                    wrong.push(format!("{}: {name} is {colour}, elsewhere {first}", board.panel_location(panel)));
                }
            }
        }
    }
    for (index, cause) in Cause::ALL.iter().enumerate() {
        let colour = |cause: &Cause| colours.get(cause.as_str());
        if let Some(twin) =
            Cause::ALL[..index].iter().find(|twin| colour(twin).is_some() && colour(twin) == colour(cause))
        {
            wrong.push(format!("{} and {} have the same colour", cause.as_str(), twin.as_str()));
        }
    }
    wrong
}

/// A panel that draws causes, groups or outcomes has a colour for each there is.
pub fn complete(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for panel in board.panels() {
            for (label, names) in colored_labels() {
                let fixed = fixed_colors(panel);
                let is_missing = |name: &&&str| !fixed.iter().any(|(coloured, _)| coloured == *name);
                if let Some(name) = names.iter().find(is_missing).filter(|_| draws_label(panel, label)) {
                    wrong.push(format!("{}: no colour for {name}", board.panel_location(panel)));
                }
            }
        }
    }
    wrong
}

/// Whether the series or a column of a panel are values of the label.
fn draws_label(panel: &Value, label: &str) -> bool {
    let legend = format!("{{{{{label}}}}}");
    array_at(panel, "/targets").iter().any(|target| str_at(target, "/legendFormat") == legend)
        || array_at(panel, "/transformations").iter().any(|step| !step["options"]["indexByName"][label].is_null())
}
