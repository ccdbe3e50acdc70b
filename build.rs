//! Passes the commit and the compiler version to the binary.

use std::env;
use std::process::Command;

fn main() {
    // A container build has no .git and passes REVISION.
    println!("cargo::rerun-if-env-changed=REVISION");
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
    let revision = env::var("REVISION").ok().or_else(|| first_word("git", &["rev-parse", "--short=12", "HEAD"], 0));
    let rustc = env::var("RUSTC").ok().and_then(|rustc| first_word(&rustc, &["--version"], 1));
    println!("cargo::rustc-env=IMAGE_PULL_EXPORTER_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=IMAGE_PULL_EXPORTER_RUSTC={}", rustc.as_deref().unwrap_or("unknown"));
}

/// Returns one word of the output of a command, if it succeeds.
fn first_word(command: &str, arguments: &[&str], word: usize) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.split_whitespace().nth(word).map(str::to_owned))?
}
