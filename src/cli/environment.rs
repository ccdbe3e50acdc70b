//! Parses the command line with the environment variables that are set and not empty.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::Result;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::Cli;

/// Parses a command line.
///
/// # Errors
/// When it is wrong, or asks for help or the version.
pub fn parse(args: &[OsString]) -> Result<Cli> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Returns the definition of the command line in this environment. An empty variable is the same as none: charts and
/// systemd units set variables for which they have no value.
pub fn command() -> Command {
    without_empty_variables(Cli::command())
}

fn without_empty_variables(command: Command) -> Command {
    command.mut_args(without_empty_variable).mut_subcommands(without_empty_variables)
}

fn without_empty_variable(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::<clap::builder::OsStr>::Reset) } else { arg }
}
