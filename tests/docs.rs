//! What the documents say is what the program does.

use image_pull_exporter::metrics::families::{FAMILIES, Source};
use image_pull_exporter::metrics::reference;
use image_pull_exporter::monitor::Limits;
use image_pull_exporter::pull::index::Settings;
use image_pull_exporter::replay::{self, Options};

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn metrics_md_is_the_table_of_families() {
    let text = reference::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write("METRICS.md", &text).expect("METRICS.md can be written");
    }
    assert_eq!(read("METRICS.md"), text, "run `UPDATE=1 tests/run metrics_md`");
}

#[test]
fn every_metric_that_a_document_names_exists() {
    for path in ["README.md", "ARCHITECTURE.md"] {
        let text = read(path);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named = words.filter(|word| {
            (word.starts_with("image_pull_") || word.starts_with("kube_pod_")) && *word != "image_pull_exporter_"
        });
        for name in named {
            let plain = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
            let known = |wanted: &str| FAMILIES.iter().any(|family| family.header.name == wanted);
            let exists = known(name) || plain.is_some_and(known) || name.ends_with('_');
            assert!(exists, "{path} names {name}, which METRICS.md does not have");
        }
    }
}

#[test]
fn help_is_a_sentence_and_labels_are_few() {
    for family in FAMILIES {
        let header = &family.header;
        assert!(header.help.ends_with('.'), "{}", header.name);
        assert!(!header.help.contains('\n') && header.help.len() < 160, "{}", header.name);
        assert!(family.labels.len() <= 16, "{}", header.name);
    }
    let mut names: Vec<_> = FAMILIES.iter().map(|family| family.header.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FAMILIES.len(), "a family twice");
}

#[test]
fn the_readme_tells_how_to_run_and_test() {
    let readme = read("README.md");
    assert!(readme.contains("cargo run --release -- demo") && readme.contains("tests/run"));
}

#[test]
fn list_md_has_every_field_of_the_json_and_no_other() {
    let golden: serde_json::Value = serde_json::from_str(&read("tests/golden/list.json")).expect("it is JSON");
    let keys = |object: &serde_json::Value| -> Vec<String> {
        object.as_object().expect("it is an object").keys().cloned().collect()
    };
    let mut fields = [keys(&golden), keys(&golden["failing"][0])].concat();
    let text = read("docs/list.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split(" |").next());
    let mut documented: Vec<String> =
        cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect();
    fields.sort();
    documented.sort();
    assert_eq!(documented, fields);
}

#[test]
fn the_readme_shows_a_list_as_it_is_printed() {
    let golden = read("tests/golden/list.table");
    let readme = read("README.md");
    let shown: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.contains("NAMESPACE "))
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    assert!(shown.len() > 3);
    for line in shown {
        assert!(golden.lines().any(|printed| printed == line), "{line}");
    }
}

#[test]
fn every_counted_family_is_registered_under_its_name() {
    let recording = read("tests/fixtures/traces/recover-push.pods.jsonl");
    let options = Options {
        settings: Settings::default(),
        limits: Limits { max_registries: 100, max_containers: 100 },
        until: None,
        keep_going: false,
    };
    let replayed = replay::replay(recording.as_bytes(), &options, || panic!("every record has a time"));
    let view = replayed.expect("it is a recording").monitor.view().expect("the cluster is listed");
    let mut counted: Vec<&str> = view.counted.iter().map(|family| family.name.as_str()).collect();
    let tally = FAMILIES.iter().filter(|family| matches!(family.source, Source::Tally));
    let mut families: Vec<&str> = tally.map(|family| family.header.name).collect();
    counted.sort_unstable();
    families.sort_unstable();
    assert_eq!(counted, families);
}
