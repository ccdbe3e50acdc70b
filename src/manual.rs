//! Writes what the command line says of itself: completions for shells, and the manual page.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{Cli, CompletionShell};

const NAME: &str = "image-pull-exporter";

/// Writes the script that completes the command line in `shell`.
///
/// # Errors
/// When `out` takes no more.
pub fn completion_script(shell: CompletionShell, out: &mut impl Write) -> io::Result<()> {
    let generator = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    // It panics where it cannot write, so it writes where it always can.
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Cli::command(), NAME, &mut script);
    if shell == CompletionShell::Bash {
        // Its labels spell a name with a hyphen in two ways (clap-rs/clap#6421).
        let (wrong, right) = (NAME.replace('-', "__subcmd__"), NAME.replace('-', "__"));
        script = String::from_utf8_lossy(&script).replace(&wrong, &right).into_bytes();
    }
    out.write_all(&script)
}

/// Writes the manual page of the program, or of one of its commands.
///
/// # Errors
/// When there is no such command, or `out` takes no more.
pub fn man_page(command: Option<&str>, out: &mut impl Write) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives the commands their full names.
    program.build();
    let shown = match command {
        None => Some(&program),
        Some(name) => program.find_subcommand(name),
    };
    let shown = shown.with_context(|| format!("no command is called {}", command.unwrap_or_default()))?;
    Ok(Man::new(shown.clone()).render(out)?)
}
