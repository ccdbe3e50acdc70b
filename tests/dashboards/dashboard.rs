//! Reads the dashboards, and checks their metadata and formatting.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

/// The file and the uid of each dashboard. Links and alerts depend on them.
pub const UIDS: &[(&str, &str)] = &[
    ("exporter.json", "image-pull-exporter"),
    ("failure.json", "image-pull-failure"),
    ("overview.json", "image-pull-overview"),
    ("registry.json", "image-pull-registry"),
];

#[derive(Clone)]
pub struct Dashboard {
    pub file: String,
    /// The text of the file.
    pub source: String,
    pub json: Value,
}

impl Dashboard {
    pub fn uid(&self) -> &str {
        str_at(&self.json, "/uid")
    }

    /// The panels, without the headings of rows.
    pub fn panels(&self) -> Vec<&Value> {
        self.panels_and_rows().iter().filter(|panel| str_at(panel, "/type") != "row").collect()
    }

    pub fn panels_and_rows(&self) -> &[Value] {
        array_at(&self.json, "/panels")
    }

    pub fn variables(&self) -> &[Value] {
        array_at(&self.json, "/templating/list")
    }

    pub fn annotations(&self) -> &[Value] {
        array_at(&self.json, "/annotations/list")
    }

    pub fn variable_names(&self) -> BTreeSet<&str> {
        self.variables().iter().map(|variable| str_at(variable, "/name")).collect()
    }

    /// The file name and the title of a panel, for messages.
    pub fn panel_location(&self, panel: &Value) -> String {
        format!("{}: {}", self.file, str_at(panel, "/title"))
    }
}

/// The string at a JSON pointer. Empty if it does not exist.
pub fn str_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The array at a JSON pointer. Empty if it does not exist.
pub fn array_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Reads all dashboards, sorted by file name.
pub fn all() -> Vec<Dashboard> {
    let mut boards: Vec<Dashboard> = fs::read_dir("dashboards")
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let source = fs::read_to_string(&path).expect("a dashboard is text");
            let json = serde_json::from_str(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = path.file_name().and_then(|name| name.to_str()).expect("a file has a name").to_owned();
            Dashboard { file, source, json }
        })
        .collect();
    boards.sort_by(|a, b| a.file.cmp(&b.file));
    boards
}

/// Checks uids, titles, tags and schema versions.
pub fn identity(boards: &[Dashboard]) -> Vec<String> {
    let mut faults = Vec::new();
    let uids: Vec<(&str, &str)> = boards.iter().map(|board| (board.file.as_str(), board.uid())).collect();
    if uids != UIDS {
        faults.push(format!("the uids are {uids:?}, not {UIDS:?}"));
    }
    for Dashboard { file, json, .. } in boards {
        let mut wrong = |what: &str| faults.push(format!("{file}: {what}"));
        if !str_at(json, "/title").starts_with("Image pulls / ") {
            wrong("its title does not begin with \"Image pulls / \"");
        }
        if !str_at(json, "/description").ends_with('.') {
            wrong("it has no description");
        }
        if json.get("editable") != Some(&Value::Bool(false)) {
            wrong("it is editable");
        }
        if json.get("tags") != Some(&serde_json::json!(["image-pull"])) {
            wrong("its tags are not [\"image-pull\"]");
        }
        // Grafana 11 reads these versions, and Grafana 12 migrates them.
        if !json["schemaVersion"].as_u64().is_some_and(|version| (39..=42).contains(&version)) {
            wrong("its schemaVersion is not 39 to 42");
        }
        for key in ["id", "__inputs", "__requires", "__elements", "iteration"] {
            if json.get(key).is_some() {
                wrong(&format!("it has {key}, an export from one Grafana instance"));
            }
        }
    }
    faults
}

/// Checks the formatting: sorted keys, indented by two spaces.
pub fn formatting(boards: &[Dashboard]) -> Vec<String> {
    let printed = |board: &Dashboard| serde_json::to_string_pretty(&board.json).expect("it was JSON") + "\n";
    let untidy = boards.iter().filter(|board| printed(board) != board.source);
    untidy.map(|board| format!("{}: write it as `jq -S .` prints it", board.file)).collect()
}
