//! Checks data sources, variables and links.

use serde_json::Value;

use super::dashboard::{Dashboard, array_at, str_at};

/// Checks that all panels, queries, annotations and variables use the selected data source.
pub fn data_sources(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let targets = board.panels().into_iter().flat_map(|panel| array_at(panel, "/targets"));
        let variables = board.variables().iter().filter(|variable| str_at(variable, "/type") == "query");
        for asking in board.panels().into_iter().chain(targets).chain(board.annotations()).chain(variables) {
            if str_at(asking, "/datasource/uid") != "${datasource}" {
                let name = [str_at(asking, "/title"), str_at(asking, "/name"), str_at(asking, "/expr")].concat();
                wrong.push(format!("{}: {name}: not the selected data source", board.file));
            }
        }
    }
    wrong
}

/// Checks that variables default to All, have a description, and are used.
pub fn variables(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for variable in board.variables() {
            let name = str_at(variable, "/name");
            let mut fault = |what: &str| wrong.push(format!("{}: variable {name}: {what}", board.file));
            let [dollar, braced] = [format!("${name}"), format!("${{{name}")];
            if board.source.matches(&dollar).count() + board.source.matches(&braced).count() == 0 {
                fault("nothing uses it");
            }
            if str_at(variable, "/type") != "query" {
                continue;
            }
            if !str_at(variable, "/description").ends_with('.') {
                fault("no description");
            }
            if variable["multi"] != true
                || variable["includeAll"] != true
                || str_at(variable, "/current/value/0") != "$__all"
            {
                fault("it does not default to All, with multiple selection");
            }
        }
        for name in ["datasource", "cluster", "job", "page"] {
            if !board.variable_names().contains(name) {
                wrong.push(format!("{}: no variable {name}", board.file));
            }
        }
    }
    wrong
}

/// All data links of a panel, including those of its columns.
pub fn panel_links(panel: &Value) -> Vec<&Value> {
    let properties = array_at(panel, "/fieldConfig/overrides").iter().flat_map(|found| array_at(found, "/properties"));
    let of_columns =
        properties.filter(|property| str_at(property, "/id") == "links").flat_map(|found| array_at(found, "/value"));
    array_at(panel, "/fieldConfig/defaults/links").iter().chain(of_columns).collect()
}

/// The URL of the page about one pod on the exporter.
const PAGE_OF_POD: &str = "${page}/failures/${__data.fields.namespace}/${__data.fields.pod}";

/// Checks that a data link leads to the page of the exporter, or to an existing dashboard with existing variables and the same time range.
pub fn data_links(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for panel in board.panels() {
            for link in panel_links(panel) {
                let url = str_at(link, "/url");
                wrong.extend(
                    link_fault(boards, board, url)
                        .map(|fault| format!("{}: {fault}: {url}", board.panel_location(panel))),
                );
            }
        }
    }
    wrong
}

fn link_fault(boards: &[Dashboard], board: &Dashboard, url: &str) -> Option<String> {
    if url == PAGE_OF_POD {
        return None;
    }
    let Some((uid, query)) = url.strip_prefix("/d/").and_then(|rest| rest.split_once('?')) else {
        return Some("no link to a dashboard".to_owned());
    };
    let Some(goal) = boards.iter().find(|board| board.uid() == uid) else {
        return Some(format!("there is no dashboard {uid}"));
    };
    let mut keeps_time = false;
    for part in query.split('&') {
        keeps_time |= part == "${__url_time_range}";
        let kept = part.strip_prefix("${").and_then(|rest| rest.strip_suffix(":queryparam}"));
        let set = part.strip_prefix("var-").and_then(|rest| rest.split_once('=')).map(|(name, _)| name);
        if kept.is_some_and(|name| !board.variable_names().contains(name)) {
            return Some(format!("it passes on {part}, which this dashboard does not have"));
        }
        if kept.or(set).is_some_and(|name| !goal.variable_names().contains(name)) {
            return Some(format!("{uid} does not have the variable of {part}"));
        }
        if kept.is_none() && set.is_none() && part != "${__url_time_range}" {
            return Some(format!("unexpected {part}"));
        }
    }
    (!keeps_time).then(|| "it loses the time range".to_owned())
}

/// Checks that a dashboard links to the others, with variables and time range, and to the page of the exporter.
pub fn dashboard_links(boards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let links = array_at(&board.json, "/links");
        let is_to_others = |link: &&Value| {
            str_at(link, "/type") == "dashboards"
                && link["tags"] == board.json["tags"]
                && ["asDropdown", "includeVars", "keepTime"].iter().all(|key| link[*key] == true)
        };
        if links.iter().find(is_to_others).is_none() {
            wrong.push(format!("{}: no link to the other dashboards", board.file));
        }
        if !links.iter().any(|link| str_at(link, "/type") == "link" && str_at(link, "/url") == "${page}") {
            wrong.push(format!("{}: no link to the exporter's page", board.file));
        }
    }
    wrong
}
