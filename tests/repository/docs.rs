//! Compares the documents with the program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use image_pull_exporter::cli::Cli;
use image_pull_exporter::metrics::families::FAMILIES;
use image_pull_exporter::metrics::reference;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn metrics_md_is_generated_from_the_families() {
    let text = reference::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write("METRICS.md", &text).expect("METRICS.md can be written");
    }
    assert_eq!(read("METRICS.md"), text, "run `UPDATE=1 tests/run metrics_md`");
}

/// Generates docs/configuration.md: one table for each heading of the help.
fn configuration_md() -> String {
    let mut text = "<!-- Generated from src/cli.rs; run `UPDATE=1 tests/run configuration_md` to update. -->\n\n# Configuration\n\n\
        The flags of `serve` and their environment variables. A flag overrides its variable. An empty variable is ignored. \
        `--config.check` validates the configuration and exits.\n\n\
        [web-config.md](web-config.md) describes the web configuration file.\n"
        .to_owned();
    let mut cli = Cli::command();
    cli.build();
    let serve = cli.find_subcommand("serve").expect("it serves");
    let flags = || serve.get_arguments().filter(|flag| flag.get_long().is_some_and(|long| long != "help"));
    let mut headings: Vec<&str> = flags().map(|flag| flag.get_help_heading().unwrap_or("Other")).collect();
    headings.sort_unstable();
    headings.dedup();
    for heading in headings {
        write!(text, "\n## {heading}\n\n| Flag | Environment variable | Default | Description |\n|---|---|---|---|\n")
            .expect("text grows");
        for flag in flags().filter(|flag| flag.get_help_heading().unwrap_or("Other") == heading) {
            let value = flag.get_action().takes_values().then(|| flag.get_value_names()).flatten();
            let value = value.and_then(|names| names.first()).map_or_else(String::new, |name| format!("={name}"));
            let variable = flag.get_env().map_or_else(String::new, |name| format!("`{}`", name.display()));
            let default: Vec<_> =
                flag.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
            let mut help = flag.get_help().expect("a flag has a help").to_string();
            let possible = flag.get_possible_values();
            if value.len() > 1 && !possible.is_empty() {
                let names: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
                write!(help, ": {}", names.join(", ")).expect("text grows");
            }
            let long = flag.get_long().expect("it has one");
            writeln!(text, "| `--{long}{value}` | {variable} | {} | {help} |", default.join(", ")).expect("text grows");
        }
    }
    text
}

#[test]
fn configuration_md_is_generated_from_the_flags() {
    let text = configuration_md();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write("docs/configuration.md", &text).expect("it can be written");
    }
    assert_eq!(read("docs/configuration.md"), text, "run `UPDATE=1 tests/run configuration_md`");
}

/// Returns the path and the text of every document.
fn documents() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![PathBuf::from("."), PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.is_dir() && folder != Path::new(".") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    assert!(paths.len() > 20);
    paths.into_iter().map(|path| (path.display().to_string(), read(&path.display().to_string()))).collect()
}

#[test]
fn every_linked_file_exists() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = Path::new(&path).parent().expect("a document is in a folder").join(target);
            assert!(file.exists(), "{path} links to {target}");
        }
    }
}

#[test]
fn every_documented_flag_exists() {
    let mut known = BTreeSet::new();
    let mut cli = Cli::command();
    cli.build();
    for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
        known.extend(command.get_arguments().filter_map(|flag| flag.get_long()).map(str::to_owned));
    }
    // Flags of other programs in commands.
    let others = [
        "release",
        "locked",
        "output-watch-events",
        "platform",
        "build-arg",
        "cacert",
        "profile",
        "web.config.file",
        "short",
        "namespace",
        "context",
        "previous",
        "set",
        "from-file",
        "dry-run",
        "user",
        "as",
        "data",
        "header",
        "request",
        "all-namespaces",
        "now",
        "image-pull-policy",
        "watch-cache",
        "bump-revision",
    ];
    for (path, text) in
        documents().into_iter().filter(|(path, _)| !path.contains("runbooks") && !path.contains("ARCHITECTURE"))
    {
        for part in text.split("--").skip(1) {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            let name = part.split(|c| !is_part(c)).next().unwrap_or_default().trim_end_matches(['.', '-']);
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(known.contains(name) || others.contains(&name), "{path} names --{name}");
            }
        }
    }
}

#[test]
fn every_documented_metric_exists() {
    for (path, text) in documents() {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named = words.filter(|word| word.starts_with("image_pull_") && *word != "image_pull_exporter_");
        for name in named {
            let plain = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
            let known = |wanted: &str| FAMILIES.iter().any(|family| family.header.name == wanted);
            let exists = known(name) || plain.is_some_and(known) || name.ends_with('_');
            assert!(exists, "{path} names {name}, which METRICS.md does not have");
        }
    }
}

#[test]
fn help_texts_are_sentences_of_bounded_length() {
    for family in FAMILIES.iter() {
        let header = &family.header;
        assert!(header.help.ends_with('.'), "{}", header.name);
        assert!(!header.help.contains('\n') && header.help.len() < 160, "{}", header.name);
        assert!(family.labels.len() <= 17, "{}", header.name);
    }
    let mut names: Vec<_> = FAMILIES.iter().map(|family| family.header.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FAMILIES.len(), "a family is listed twice");
}

#[test]
fn readme_shows_how_to_run_and_test() {
    let readme = read("README.md");
    assert!(readme.contains("cargo run --release -- demo") && readme.contains("tests/run"));
}

#[test]
fn list_md_documents_exactly_the_json_fields() {
    let golden = |path: &str| -> serde_json::Value { serde_json::from_str(&read(path)).expect("it is JSON") };
    let (failing, waiting) = (golden("tests/golden/list.json"), golden("tests/golden/cases/08-stuck-pulling.json"));
    let keys = |object: &serde_json::Value| -> Vec<String> {
        object.as_object().expect("it is an object").keys().cloned().collect()
    };
    let mut fields = [keys(&failing), keys(&failing["failing"][0]), keys(&waiting["waiting"][0])].concat();
    let text = read("docs/list.md");
    let json = text.split_once("## `-o json`").expect("it has a section on JSON").1;
    let cells = json.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split(" |").next());
    let mut documented: Vec<String> =
        cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect();
    fields.sort();
    documented.sort();
    assert_eq!(documented, fields);
}

#[test]
fn readme_shows_a_list_as_printed() {
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
