//! Parses the command line, starts the log and maps errors to exit codes.

use std::backtrace::Backtrace;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic;
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;

use anyhow::{Context, Result, bail};
use image_pull_exporter::cli::{Cli, Command, ExplainArgs, ListArgs, LogArgs, LogLevel, ReplayArgs};
use image_pull_exporter::clock::Clock;
use image_pull_exporter::cluster::client;
#[cfg(feature = "demo")]
use image_pull_exporter::demo;
use image_pull_exporter::list::{self, ListReport};
use image_pull_exporter::terminal::Terminal;
use image_pull_exporter::{explain, log, manual, replay, serve};

/// Exit code of `list` when a container fails, or waits for too long.
const EXIT_CONTAINERS_FOUND: u8 = 1;
/// Exit code for errors, including command-line errors.
const EXIT_ERROR: u8 = 2;

fn main() -> ExitCode {
    abort_on_panic();
    let Cli { command, serve } = Cli::parse_or_exit();
    match run(command.unwrap_or_else(|| Command::Serve(Box::new(serve)))) {
        Ok(code) => {
            log::flush();
            code
        }
        // The reader of the output has closed it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut lines = String::new();
            for line in format!("{error:#}").lines() {
                lines.push_str("image-pull-exporter: ");
                lines.push_str(line);
                lines.push('\n');
            }
            log::write_final(&lines);
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            let level = start_log(&args.log, LogLevel::Info)?;
            block_on(serve::run(&args, level))?;
        }
        #[cfg(feature = "demo")]
        Command::Demo(args) => {
            let level = start_log(&args.log, LogLevel::Info)?;
            block_on(demo::run(&args, level))?;
        }
        Command::List(args) => {
            // Errors end the command and are printed once. The log would repeat them.
            if args.log.level.is_some() {
                start_log(&args.log, LogLevel::Error)?;
            }
            return run_list(&args);
        }
        Command::Replay(args) => {
            start_log(&args.log, LogLevel::Error)?;
            run_replay(&args)?;
        }
        Command::Explain(args) => run_explain(&args)?,
        Command::Completions { shell } => manual::completion_script(shell, &mut io::stdout().lock())?,
        Command::Man { command } => manual::man_page(command.as_deref(), &mut io::stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn start_log(args: &LogArgs, default: LogLevel) -> Result<log::LevelHandle> {
    args.start(default).context("cannot start the log")
}

fn run_list(args: &ListArgs) -> Result<ExitCode> {
    let (filter, clock) = (args.filter(), || Clock::System.now());
    let report = match &args.file {
        Some(file) => {
            let mut bytes = Vec::new();
            open_input(file)?.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            list::list_file(&text, &filter, clock())
                .with_context(|| format!("cannot read {} as a list of pods", file.display()))?
        }
        None => block_on(async {
            let client = client::connect(&args.connection.cluster_config()).await?;
            list::list_cluster(client, &filter, clock).await
        })?,
    };
    let printed = list::print(&report, args.output, Terminal::of_stdout(), io::stdout().lock());
    // A closed output does not change the exit code.
    if let Err(error) = printed
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error.into());
    }
    list::print_notes(&report, args.output, io::stderr().lock())?;
    Ok(match report {
        _ if report.has_containers() => ExitCode::from(EXIT_CONTAINERS_FOUND),
        // Skipped pods may be failing.
        ListReport { skipped, .. } if !skipped.is_empty() => ExitCode::from(EXIT_ERROR),
        _ => ExitCode::SUCCESS,
    })
}

fn run_replay(args: &ReplayArgs) -> Result<()> {
    let options = replay::Options {
        settings: args.metrics.index_settings(),
        limits: args.metrics.limits(),
        until: args.at,
        keep_going: args.keep_going,
    };
    let clock = || Clock::System.now();
    let pods = open_input(&args.file)?;
    let replayed = match &args.events {
        None => replay::replay(pods, &options, clock).map_err(|error| (error, &args.file)),
        Some(file) if *file == args.file => bail!("the pods and the Events are in one file"),
        Some(file) => match replay::replay_with_events(pods, open_input(file)?, &options, clock) {
            Err(replay::Error::Events(error)) => Err((*error, file)),
            replayed => replayed.map_err(|error| (error, &args.file)),
        },
    };
    let replayed = replayed
        .map_err(|(error, file)| anyhow::Error::from(error).context(format!("cannot replay {}", file.display())))?;
    replay::print(&replayed, args.format, io::stdout().lock())?;
    if replayed.skipped > 0 {
        writeln!(io::stderr(), "image-pull-exporter: {} records skipped", replayed.skipped)?;
    }
    Ok(())
}

fn run_explain(args: &ExplainArgs) -> Result<()> {
    let (output, out) = (args.output, io::stdout().lock());
    match (&args.text, &args.file) {
        (Some(text), _) => explain::explain(text.replace('\n', " ").as_bytes(), output, out)?,
        (None, Some(file)) => explain::explain(open_input(file)?, output, out)?,
        // clap requires one of the two.
        (None, None) => {}
    }
    Ok(())
}

/// Opens an input file; `-` is standard input.
fn open_input(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    // One thread runs all tasks: passing each part of a watch between threads cost more than decoding it. Scrapes and
    // password checks run on threads of their own.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let done = runtime.block_on(future);
    // Do not wait for blocking threads, which may check a password or hang on a file system.
    runtime.shutdown_background();
    done
}

/// Aborts the process on a panic in any task, also in debug builds. A process without one of its tasks would serve
/// stale metrics. The default hook could block forever on standard error.
fn abort_on_panic() {
    panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        log::write_final(&format!("thread '{name}' {info}\n{}\n", Backtrace::capture()));
        process::abort();
    }));
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
