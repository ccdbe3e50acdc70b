//! The prose of the repository: its spelling, and the words and constructions that `tests/style/rules.toml` bans.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a tool of `target/tools` and returns whether it succeeded, with its output.
fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(format!("target/tools/bin/{program}")).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `tests/run` installs the tools"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn words_are_spelled_correctly() {
    let (is_ok, report) = run("typos", &["--format", "brief"]);
    assert!(is_ok, "correct these, or add names of third parties to _typos.toml:\n{report}");
}

#[test]
fn prose_follows_the_style_rules() {
    let (is_ok, report) = run("python", &["tests/style/check.py", "--all"]);
    assert!(is_ok, "rewrite these (see tests/style/rules.toml):\n{report}");
}

#[test]
fn style_rules_find_sentences_of_the_old_kind_and_no_others() {
    let (is_ok, report) = run("python", &["tests/style/check.py", "--self-test"]);
    assert!(is_ok, "{report}");
}

/// The text of every Rust file of the workspace.
fn sources() -> String {
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("crates"), PathBuf::from("tests")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder exists").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(&path).expect("the file is text");
            }
        }
    }
    text
}

#[test]
fn documents_name_existing_files_and_tests() {
    const FOLDERS: [&str; 8] = ["src/", "crates/", "tests/", "docs/", "deploy/", "alerts/", "benches/", "fuzz/"];
    let sources = sources();
    let mut documents =
        vec![PathBuf::from("ARCHITECTURE.md"), PathBuf::from("CONTRIBUTING.md"), PathBuf::from("README.md")];
    for folder in ["docs", "docs/decisions"] {
        documents.extend(fs::read_dir(folder).expect("the folder exists").flatten().map(|entry| entry.path()));
    }
    let mut found = 0;
    for document in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(document).expect("the document is text");
        for quoted in text.split('`').skip(1).step_by(2) {
            // A test has a long name; shorter names may be those of fields or functions of others.
            let is_test = quoted.matches('_').count() > 4 && quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if FOLDERS.iter().any(|folder| quoted.starts_with(folder)) && !quoted.contains([' ', '…']) {
                assert!(Path::new(quoted).exists(), "{} names {quoted}", document.display());
                found += 1;
            } else if quoted.starts_with("enum ") {
                assert!(sources.contains(&format!("pub {quoted} {{")), "{} names {quoted}", document.display());
            } else if is_test && !quoted.starts_with("image_pull_") {
                assert!(sources.contains(&format!("fn {quoted}(")), "{} names {quoted}", document.display());
                found += 1;
            }
        }
    }
    assert!(found > 100, "{found} names");
}
