//! Variables and links lead somewhere.

use serde_json::Value;

use super::board::{Board, list, text};

/// Every panel, query, annotation and variable asks the data source that was chosen.
pub fn data_sources(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let targets = board.panels().iter().flat_map(|panel| list(panel, "/targets"));
        let variables = board.variables().iter().filter(|variable| text(variable, "/type") == "query");
        for asking in board.panels().iter().chain(targets).chain(board.annotations()).chain(variables) {
            if text(asking, "/datasource/uid") != "${datasource}" {
                let name = [text(asking, "/title"), text(asking, "/name"), text(asking, "/expr")].concat();
                wrong.push(format!("{}: {name}: not the data source that was chosen", board.file));
            }
        }
    }
    wrong
}

/// Variables begin with All, say what they are, and are used.
pub fn variables(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for variable in board.variables() {
            let name = text(variable, "/name");
            let mut fault = |what: &str| wrong.push(format!("{}: variable {name}: {what}", board.file));
            let [dollar, braced] = [format!("${name}"), format!("${{{name}")];
            if board.source.matches(&dollar).count() + board.source.matches(&braced).count() == 0 {
                fault("nothing uses it");
            }
            if text(variable, "/type") != "query" {
                continue;
            }
            if !text(variable, "/description").ends_with('.') {
                fault("no description");
            }
            if variable["multi"] != true
                || variable["includeAll"] != true
                || text(variable, "/current/value/0") != "$__all"
            {
                fault("it does not begin with All of several");
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

/// The data links of a panel and of its columns.
pub fn panel_urls(panel: &Value) -> Vec<&Value> {
    let properties = list(panel, "/fieldConfig/overrides").iter().flat_map(|found| list(found, "/properties"));
    let of_columns =
        properties.filter(|property| text(property, "/id") == "links").flat_map(|found| list(found, "/value"));
    list(panel, "/fieldConfig/defaults/links").iter().chain(of_columns).collect()
}

/// The exporter's page about one pod.
const PAGE_OF_POD: &str = "${page}/failures/${__data.fields.namespace}/${__data.fields.pod}";

/// A data link leads to the exporter's page, or to a dashboard that exists, sets variables that it has, and keeps the time.
pub fn urls(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        for panel in board.panels() {
            for link in panel_urls(panel) {
                let url = text(link, "/url");
                wrong.extend(
                    fault_of(boards, board, url).map(|fault| format!("{}: {fault}: {url}", board.place(panel))),
                );
            }
        }
    }
    wrong
}

fn fault_of(boards: &[Board], board: &Board, url: &str) -> Option<String> {
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
            return Some(format!("what is {part}?"));
        }
    }
    (!keeps_time).then(|| "it loses the time range".to_owned())
}

/// A dashboard offers the others, with variables and time kept, and the exporter's page.
pub fn dashboard_links(boards: &[Board]) -> Vec<String> {
    let mut wrong = Vec::new();
    for board in boards {
        let links = list(&board.json, "/links");
        let is_to_others = |link: &&Value| {
            text(link, "/type") == "dashboards"
                && link["tags"] == board.json["tags"]
                && ["asDropdown", "includeVars", "keepTime"].iter().all(|key| link[*key] == true)
        };
        if links.iter().find(is_to_others).is_none() {
            wrong.push(format!("{}: no link to the other dashboards", board.file));
        }
        if !links.iter().any(|link| text(link, "/type") == "link" && text(link, "/url") == "${page}") {
            wrong.push(format!("{}: no link to the exporter's page", board.file));
        }
    }
    wrong
}
