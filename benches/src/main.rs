//! Measures the exporter and two baselines; see benches/README.md.

mod baseline;
mod hostile;
mod http;
mod measure;
mod pods;
mod process;
mod report;
mod scrape;
mod server;
mod soak;
mod stamp;
mod starts;
mod world;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use measure::{Scenario, Setup, Subject, WAYS};
use server::{Options, Server};
use world::World;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure scenarios, for example 100k-1: 100,000 pods, 1 % failing
    Measure(Measure),
    /// Run a soak test with one fault per minute
    Soak(Soak),
    /// Run with the default limits against hostile tenants and clients
    Hostile(Hostile),
    /// Measure pods that start, with and without their Events
    Starts(Starts),
    /// Run only the simulated API server, and write target/benches/kubeconfig
    Server(Serve),
    /// Baseline: store all pods
    #[command(hide = true)]
    Reflector { kubeconfig: PathBuf },
    /// Baseline: read and discard
    #[command(hide = true)]
    Floor { kubeconfig: PathBuf },
}

#[derive(Args)]
struct Common {
    /// The exporter to measure
    #[arg(long, default_value = "target/release/image-pull-exporter")]
    exporter: PathBuf,
    /// Folder for the kubeconfig and the results
    #[arg(long, default_value = "target/benches")]
    folder: PathBuf,
    /// Serve without TLS
    #[arg(long)]
    plain: bool,
}

#[derive(Args)]
struct Measure {
    #[arg(default_values = ["1k-1", "10k-1", "100k-1", "10k-100", "100k-100"])]
    scenarios: Vec<Scenario>,
    /// Measure only the rows whose name contains this text
    #[arg(long, default_value = "")]
    only: String,
    /// Number of updates to measure after the first list
    #[arg(long, default_value_t = 20_000)]
    updates: u32,
    #[arg(long, default_value_t = 2_000)]
    updates_per_second: u32,
    /// Measure in the cluster of this kubeconfig
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Soak {
    #[arg(default_value = "10k-10")]
    scenario: Scenario,
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Updates per second
    #[arg(long, default_value_t = 500)]
    updates: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Hostile {
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Starts {
    #[arg(default_value = "100k-1")]
    scenario: Scenario,
    #[arg(long, default_value_t = 2)]
    minutes: u32,
    /// Pods that start per minute
    #[arg(long, default_value_t = 1_000)]
    per_minute: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Serve {
    scenario: Scenario,
    /// Updates per second
    #[arg(long, default_value_t = 0)]
    updates: u32,
    #[arg(long)]
    no_protobuf: bool,
    #[arg(long)]
    no_watch_list: bool,
    #[command(flatten)]
    common: Common,
}

impl Common {
    fn setup(self, updates: u32, updates_per_second: u32) -> Result<Setup> {
        std::fs::create_dir_all(&self.folder)?;
        Ok(Setup { exporter: self.exporter, folder: self.folder, tls: !self.plain, updates, updates_per_second })
    }
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Measure(arguments) => measure(arguments),
        Command::Soak(Soak { scenario, minutes, updates, common }) => {
            soak::soak(&common.setup(0, updates)?, &scenario, minutes)
        }
        Command::Hostile(Hostile { minutes, common }) => hostile::hostile(&common.setup(0, 0)?, minutes),
        Command::Starts(Starts { scenario, minutes, per_minute, common }) => {
            starts::starts(&common.setup(0, 0)?, &scenario, per_minute, minutes)
        }
        Command::Server(arguments) => serve(arguments),
        Command::Reflector { kubeconfig } => in_runtime(baseline::reflector(&kubeconfig)),
        Command::Floor { kubeconfig } => in_runtime(baseline::floor(&kubeconfig)),
    }
}

fn measure(arguments: Measure) -> Result<()> {
    let Measure { scenarios, only, updates, updates_per_second, kubeconfig, common } = arguments;
    let setup = common.setup(updates, updates_per_second)?;
    let mut rows = Vec::new();
    if let Some(kubeconfig) = kubeconfig {
        for (name, subject) in
            [("exporter", Subject::Exporter), ("reflector of Pod", Subject::Reflector), ("bytes only", Subject::Floor)]
        {
            rows.push(measure::measure_cluster(&setup, &kubeconfig, subject, name)?);
        }
    } else {
        for scenario in &scenarios {
            for way in WAYS.iter().filter(|(name, ..)| name.contains(&only)) {
                eprintln!("{}: {}", scenario.name, way.0);
                rows.push(measure::measure(&setup, scenario, way)?);
            }
        }
    }
    report::write(&setup.folder, &rows)
}

fn serve(arguments: Serve) -> Result<()> {
    let Serve { scenario, updates, no_protobuf, no_watch_list, common } = arguments;
    let setup = common.setup(0, updates)?;
    let world = World::new(scenario.pods, scenario.percent);
    let [json, protobuf] = world.mean_sizes();
    let options = Options { tls: setup.tls, protobuf: !no_protobuf, watch_list: !no_watch_list };
    let server = Server::start(world, options)?;
    let kubeconfig = setup.folder.join("kubeconfig");
    server.write_kubeconfig(&kubeconfig)?;
    server.set_rate(updates);
    println!(
        "{} pods of {json} bytes in JSON, {protobuf} in protobuf: --kubeconfig {}",
        scenario.pods,
        kubeconfig.display()
    );
    loop {
        std::thread::park();
    }
}

fn in_runtime(program: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(program)
}
