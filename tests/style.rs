//! The prose of the repository: its spelling, and the words and constructions that `tests/style/rules.toml` bans.

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
    let (is_ok, report) = run("python", &["tests/style/check.py", "--enforced"]);
    assert!(is_ok, "rewrite these (see tests/style/rules.toml):\n{report}");
}

#[test]
fn style_rules_find_sentences_of_the_old_kind_and_no_others() {
    let (is_ok, report) = run("python", &["tests/style/check.py", "--self-test"]);
    assert!(is_ok, "{report}");
}
