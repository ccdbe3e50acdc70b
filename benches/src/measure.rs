//! Measures one program with one cluster.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::Process;
use crate::scrape::{Scraper, percentile};
use crate::server::{Options, Server};
use crate::world::World;

/// The measured program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Exporter,
    Reflector,
    Floor,
}

/// The rows of the table: program, encoding and kind of request.
pub const WAYS: &[(&str, Subject, bool, bool)] = &[
    // Name, program, whether the server supports protobuf, whether it supports WatchList.
    ("exporter, protobuf WatchList", Subject::Exporter, true, true),
    ("exporter, protobuf LIST", Subject::Exporter, true, false),
    ("exporter, JSON WatchList", Subject::Exporter, false, true),
    ("exporter, JSON LIST", Subject::Exporter, false, false),
    ("reflector of Pod, JSON LIST", Subject::Reflector, false, false),
    ("bytes only, protobuf WatchList", Subject::Floor, true, true),
];

/// A simulated cluster: `100k-1` has 100,000 pods, 1 % failing.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: String,
    pub pods: usize,
    pub percent: usize,
}

impl std::str::FromStr for Scenario {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let parsed = name.split_once("k-").and_then(|(thousands, percent)| {
            Some((thousands.parse::<usize>().ok()? * 1000, percent.parse().ok().filter(|percent| *percent <= 100)?))
        });
        let (pods, percent) = parsed.with_context(|| format!("\"{name}\" is not a scenario; example: 100k-1"))?;
        Ok(Self { name: name.to_owned(), pods, percent })
    }
}

/// The configuration of a run.
pub struct Setup {
    pub exporter: PathBuf,
    /// The folder for files.
    pub folder: PathBuf,
    pub tls: bool,
    pub updates: u32,
    pub updates_per_second: u32,
}

const SYNC_LIMIT: Duration = Duration::from_secs(300);

/// Measures one row of the table in one scenario.
pub fn measure(setup: &Setup, scenario: &Scenario, way: &(&'static str, Subject, bool, bool)) -> Result<Value> {
    let (name, subject, protobuf, watch_list) = *way;
    let server =
        Server::start(World::new(scenario.pods, scenario.percent), Options { tls: setup.tls, protobuf, watch_list })?;
    let kubeconfig = setup.folder.join("kubeconfig");
    server.write_kubeconfig(&kubeconfig)?;
    let sizes = server.world().mean_sizes();
    let mut row = json!({
        "scenario": scenario.name, "way": name, "pods": scenario.pods, "failing": server.world().failing(), "tls": setup.tls,
        "pod_bytes_json": sizes[0], "pod_bytes_protobuf": sizes[1],
    });
    let failing = server.world().failing();
    let process = run(setup, subject, &kubeconfig, scenario.pods, Some(failing), &mut row)?;
    churn(setup, &server, &process, &mut row)?;
    finish(process, &mut row)?;
    Ok(row)
}

/// Measures one program with an existing cluster.
pub fn measure_cluster(setup: &Setup, kubeconfig: &Path, subject: Subject, name: &str) -> Result<Value> {
    let mut row = json!({ "scenario": "cluster", "way": name });
    let process = run(setup, subject, kubeconfig, 100_000, None, &mut row)?;
    let (began, before) = (Instant::now(), process.cpu()?);
    sleep(Duration::from_secs(30));
    row["idle_cpu_share"] = ((process.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64()).into();
    finish(process, &mut row)?;
    Ok(row)
}

/// Starts a program, waits until it has received all pods, and scrapes it if it is the exporter.
fn run(
    setup: &Setup,
    subject: Subject,
    kubeconfig: &Path,
    pods: usize,
    failing: Option<usize>,
    row: &mut Value,
) -> Result<Process> {
    let began = Instant::now();
    let (process, mut scraper) = match subject {
        Subject::Reflector => (Process::baseline("reflector", kubeconfig)?, None),
        Subject::Floor => (Process::baseline("floor", kubeconfig)?, None),
        Subject::Exporter => {
            let series = format!("--max-container-series={}", 2 * pods);
            let (process, port) = Process::exporter(&setup.exporter, kubeconfig, &[&series])?;
            let mut scraper = Scraper::new(port)?;
            while scraper.get("/readyz", "")? != 200 {
                if began.elapsed() > SYNC_LIMIT {
                    bail!("it is not ready after {SYNC_LIMIT:?}");
                }
                sleep(Duration::from_millis(5));
            }
            scraper.scrape("")?;
            (process, Some(scraper))
        }
    };
    row["sync_seconds"] = began.elapsed().as_secs_f64().into();
    row["sync_cpu_seconds"] = process.cpu()?.as_secs_f64().into();
    row["sync_peak_kib"] = process.memory()?.peak.into();
    if let Some(scraper) = &mut scraper {
        if let Some(failing) = failing {
            let shown = scraper.sum("image_pull_failing_containers")?;
            if shown != failing as f64 {
                bail!("{shown} containers are shown to fail, not {failing}");
            }
        }
        for (key, headers) in
            [("plain", ""), ("gzip", "Accept-Encoding: gzip\r\nAccept: application/openmetrics-text;version=1.0.0\r\n")]
        {
            row[key] = scrapes(scraper, headers)?;
        }
    }
    Ok(process)
}

fn scrapes(scraper: &mut Scraper, headers: &str) -> Result<Value> {
    let (first, bytes) = scraper.scrape(headers)?;
    // Enough for a p99, but not for minutes.
    let count = if first > Duration::from_millis(50) { 30 } else { 300 };
    let mut times = Vec::new();
    for _ in 0..count {
        times.push(scraper.scrape(headers)?.0);
        sleep(Duration::from_millis(2));
    }
    let ms = |percent| percentile(&mut times.clone(), percent).as_secs_f64() * 1000.0;
    Ok(json!({ "bytes": bytes, "scrapes": count, "p50_ms": ms(50), "p99_ms": ms(99) }))
}

/// Sends updates and measures the CPU time.
fn churn(setup: &Setup, server: &Server, process: &Process, row: &mut Value) -> Result<()> {
    // A program that lists first starts its watch later.
    server.set_rate(setup.updates_per_second);
    wait_until(|| server.sent() > 0, "no watch is served")?;
    let (cpu, first) = (process.cpu()?, server.sent());
    wait_until(|| server.sent() >= first + u64::from(setup.updates), "the updates do not arrive")?;
    let (cpu, updates) = (process.cpu()? - cpu, server.sent() - first);
    server.set_rate(0);
    row["updates"] = updates.into();
    row["cpu_seconds_per_10k_updates"] = (cpu.as_secs_f64() * 10_000.0 / updates as f64).into();
    Ok(())
}

fn wait_until(mut condition: impl FnMut() -> bool, otherwise: &'static str) -> Result<()> {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > SYNC_LIMIT {
            bail!(otherwise);
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn finish(process: Process, row: &mut Value) -> Result<()> {
    sleep(Duration::from_secs(1));
    let memory = process.memory()?;
    row["peak_kib"] = memory.peak.into();
    row["steady_kib"] = memory.now.into();
    row["cpu_seconds"] = process.cpu()?.as_secs_f64().into();
    row["ended_well"] = process.stop()?.into();
    Ok(())
}
