//! Shell completions and manual pages, generated from the definition of the command line.
//!
//! They are generated at run time, since a build script cannot use the types of the crate that it builds.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{Cli, CompletionShell};

const NAME: &str = "image-pull-exporter";

/// Writes the completion script for `shell`.
pub fn completion_script(shell: CompletionShell, out: &mut impl Write) -> io::Result<()> {
    let generator = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    // `generate` panics if a write fails, and a write to a Vec does not.
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), NAME, &mut script);
    if shell == CompletionShell::Bash {
        // The generated labels spell a name with a hyphen in two ways (clap-rs/clap#6421).
        let (wrong, right) = (NAME.replace('-', "__subcmd__"), NAME.replace('-', "__"));
        script = String::from_utf8_lossy(&script).replace(&wrong, &right).into_bytes();
    }
    out.write_all(&script)
}

/// Writes the manual page of the program or of one subcommand. Fails if there is no such subcommand.
pub fn man_page(command: Option<&str>, out: &mut impl Write) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Sets the full names of the subcommands.
    program.build();
    let selected = match command {
        None => Some(&program),
        Some(name) => program.find_subcommand(name),
    };
    let selected = selected.with_context(|| format!("unknown subcommand {}", command.unwrap_or_default()))?;
    Ok(Man::new(selected.clone()).render(out)?)
}
