//! A cause has one colour, wherever it is drawn.

use std::collections::BTreeMap;

use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::effect::Outcome;
use serde_json::Value;

use super::board::{Board, list, text};

/// The labels whose values have fixed colours, and those values.
fn coloured() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("cause", Cause::ALL.iter().map(|cause| cause.as_str()).collect()),
        ("cause_group", CauseGroup::ALL.iter().map(|group| group.as_str()).collect()),
        ("outcome", Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
    ]
}

/// The names that a panel colours, each with its colour.
fn fixed(panel: &Value) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for override_ in list(panel, "/fieldConfig/overrides") {
        for property in list(override_, "/properties") {
            let name = text(override_, "/matcher/options");
            match text(property, "/id") {
                "color" => found.push((name, text(property, "/value/fixedColor"))),
                "mappings" => found.extend(mapped(property)),
                _ => {}
            }
        }
    }
    found
}

fn mapped(property: &Value) -> impl Iterator<Item = (&str, &str)> {
    let values = list(property, "/value").iter().filter_map(|mapping| mapping["options"].as_object());
    values.flatten().map(|(value, shown)| (value.as_str(), text(shown, "/color")))
}

/// A value has the same colour on every panel, and no two causes share one.
pub fn one_for_each_name(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut colours = BTreeMap::new();
    let names: Vec<&str> = coloured().into_iter().flat_map(|(_, names)| names).collect();
    for board in boards {
        for panel in board.panels() {
            for (name, colour) in fixed(panel).into_iter().filter(|(name, _)| names.contains(name)) {
                let first = *colours.entry(name).or_insert(colour);
                if first != colour {
                    wrong.push(format!("{}: {name} is {colour}, elsewhere {first}", board.place(panel)));
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
pub fn complete(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for panel in board.panels() {
            for (label, names) in coloured() {
                let fixed = fixed(panel);
                let is_missing = |name: &&&str| !fixed.iter().any(|(coloured, _)| coloured == *name);
                if let Some(name) = names.iter().find(is_missing).filter(|_| draws(panel, label)) {
                    wrong.push(format!("{}: no colour for {name}", board.place(panel)));
                }
            }
        }
    }
    wrong
}

/// Whether the series or a column of a panel are values of the label.
fn draws(panel: &Value, label: &str) -> bool {
    let legend = format!("{{{{{label}}}}}");
    list(panel, "/targets").iter().any(|target| text(target, "/legendFormat") == legend)
        || list(panel, "/transformations").iter().any(|step| !step["options"]["indexByName"][label].is_null())
}
