//! Finds every mistake of a command line, where clap tells the first: whoever has made two wants to hear of both.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

/// What stands below each of clap's errors, and once is enough.
const HINT: &str = "\nFor more information, try '--help'.\n";

/// Returns what to say of a command line that clap refuses with `first`.
#[must_use]
pub fn describe(command: &Command, mut args: Vec<OsString>, first: &Error) -> String {
    let mut text = first.render().to_string();
    let mut passed_over = pass_over(command, &mut args, first);
    while passed_over && let Err(next) = command.clone().try_get_matches_from(&args) {
        text.truncate(text.strip_suffix(HINT).map_or(text.len(), str::len));
        text.push_str(&next.render().to_string());
        passed_over = pass_over(command, &mut args, &next);
    }
    text
}

/// Takes a wrong argument out, so that the others come to light. Returns whether that can be done: it cannot where the
/// mistake is in the environment, or that something is missing.
fn pass_over(command: &Command, args: &mut Vec<OsString>, error: &Error) -> bool {
    let is_known = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => true,
        ErrorKind::UnknownArgument => false,
        _ => return false,
    };
    // `--shard <N>`, as the usage has it.
    let Some(ContextValue::String(usage)) = error.get(ContextKind::InvalidArg) else { return false };
    let flag = usage.split(' ').next().unwrap_or_default();
    let is_joined = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.split('=').next() == Some(flag));
    let Some(at) = args.iter().position(is_joined) else { return false };
    let is_alone = args.remove(at) == flag;
    // What follows a flag that nobody knows is its value, unless it is plainly something else.
    let is_value = |next: &OsString| {
        is_known || next.to_str().is_some_and(|next| !next.starts_with('-') && command.find_subcommand(next).is_none())
    };
    if is_alone && args.get(at).is_some_and(is_value) {
        args.remove(at);
    }
    true
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::Cli;
    use super::describe;

    fn said(args: &[&str]) -> Vec<String> {
        let args = [&["image-pull-exporter"], args].concat();
        let first = Cli::try_parse_from(&args).expect_err("it is refused");
        let text = describe(&Cli::command(), args.iter().map(Into::into).collect(), &first);
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn every_mistake_is_told_and_the_hint_once() {
        let said = said(&["--web.listen-address", "foo", "--shard=x", "--shrd", "3", "--log.level=loud"]);
        let errors: Vec<_> = said.iter().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 4, "{said:#?}");
        for word in ["'foo' for '--web.listen-address", "'--shrd'", "'x' for '--shard", "'loud' for '--log.level"] {
            assert_eq!(errors.iter().filter(|line| line.contains(word)).count(), 1, "{word}: {said:#?}");
        }
        assert_eq!(said.iter().filter(|line| line.contains("try '--help'")).count(), 1, "{said:#?}");
    }

    #[test]
    fn a_command_after_an_unknown_flag_is_none_of_its_values() {
        let said = said(&["--nonsense", "demo", "--speed", "0"]);
        assert!(said.iter().any(|line| line.contains("'0' for '--speed")), "{said:#?}");
    }

    #[test]
    fn one_mistake_is_told_as_clap_tells_it() {
        for args in [&["--shard=x"][..], &["demo", "--speed", "0"], &["replay"], &["--at"], &["list", "-f"], &["x"]] {
            let args = [&["image-pull-exporter"], args].concat();
            let first = Cli::try_parse_from(&args).expect_err("it is refused");
            let text = describe(&Cli::command(), args.iter().map(Into::into).collect(), &first);
            assert_eq!(text, first.render().to_string());
        }
    }
}
