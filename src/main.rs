//! Parses the command line, sets up the log, and turns an error into an exit code.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use image_pull_exporter::cli::{Cli, Command, ExplainArgs, LogArgs, LogFormat, LogLevel, ReplayArgs};
use image_pull_exporter::clock::Clock;
use image_pull_exporter::{demo, explain, replay, serve};
use tracing_subscriber::filter::LevelFilter;

/// What somebody asked for could not be done; 2, as with a wrong command line.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    match run(command.unwrap_or(Command::Serve(serve))) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when not even this can be written.
            let _ = writeln!(io::stderr(), "image-pull-exporter: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve(args) => {
            log(&args.log, LogLevel::Info);
            block_on(serve::run(&args))
        }
        Command::Demo(args) => {
            log(&args.log, LogLevel::Info);
            block_on(demo::run(&args))
        }
        Command::Explain(args) => run_explain(&args),
        Command::Replay(args) => {
            log(&args.log, LogLevel::Error);
            run_replay(&args)
        }
    }
}

fn run_replay(args: &ReplayArgs) -> Result<()> {
    let options = replay::Options {
        settings: args.metrics.settings(false),
        limits: args.metrics.limits(),
        until: args.at,
        keep_going: args.keep_going,
    };
    let clock = || Clock::System.now();
    let replayed = if args.file == Path::new("-") {
        replay::replay(io::stdin().lock(), &options, clock)
    } else {
        let file = File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
        replay::replay(BufReader::new(file), &options, clock)
    }
    .with_context(|| format!("cannot replay {}", args.file.display()))?;
    replay::print(&replayed, args.format.into(), io::stdout().lock())?;
    if replayed.skipped > 0 {
        writeln!(io::stderr(), "image-pull-exporter: {} records skipped", replayed.skipped)?;
    }
    Ok(())
}

fn run_explain(args: &ExplainArgs) -> Result<()> {
    let (output, out) = (args.output.into(), io::stdout().lock());
    match (&args.text, &args.file) {
        (Some(text), _) => explain::explain(text.replace('\n', " ").as_bytes(), output, out)?,
        (None, Some(file)) if file == Path::new("-") => explain::explain(io::stdin().lock(), output, out)?,
        (None, Some(file)) => {
            let lines = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
            explain::explain(BufReader::new(lines), output, out)?;
        }
        // The command line asks for one of the two.
        (None, None) => {}
    }
    Ok(())
}

fn block_on(future: impl Future<Output = Result<()>>) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().context("cannot start")?.block_on(future)
}

fn log(args: &LogArgs, default: LogLevel) {
    let level = match args.level.unwrap_or(default) {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_target(false);
    match args.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
