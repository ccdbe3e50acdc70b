//! Measures the cost of pods that start, with and without their Events.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::measure::{Scenario, Setup};
use crate::process::Process;
use crate::scrape::Scraper;
use crate::server::{Options, Server};
use crate::world::World;

/// Runs the exporter without and with `--events`, for `minutes` each.
///
/// A pod makes about eight Events when it starts. The field selector leaves two of them, and the server sends only those.
pub fn starts(setup: &Setup, scenario: &Scenario, per_minute: u32, minutes: u32) -> Result<()> {
    let without = run(setup, scenario, per_minute, minutes, false)?;
    let with = run(setup, scenario, per_minute, minutes, true)?;
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_default();
    println!(
        "with Events: {:.2} times the CPU time, {:+.1} MiB",
        number(&with, "cpu_seconds") / number(&without, "cpu_seconds"),
        (number(&with, "peak_kib") - number(&without, "peak_kib")) / 1024.0
    );
    Ok(())
}

fn run(setup: &Setup, scenario: &Scenario, per_minute: u32, minutes: u32, events: bool) -> Result<Value> {
    let options = Options { tls: setup.tls, protobuf: true, watch_list: true };
    let server = Server::start(World::new(scenario.pods, scenario.percent), options)?;
    let kubeconfig = setup.folder.join("kubeconfig");
    server.write_kubeconfig(&kubeconfig)?;
    let flags: &[&str] = if events { &["--events"] } else { &[] };
    let (process, port) = Process::exporter(&setup.exporter, &kubeconfig, flags)?;
    let mut scraper = Scraper::new(port)?;
    while scraper.get("/readyz", "")? != 200 {
        sleep(Duration::from_millis(20));
    }
    server.set_starts(per_minute);
    sleep(Duration::from_secs(10));
    let (before, first) = (process.cpu()?, server.sent());
    for _ in 0..minutes * 4 {
        sleep(Duration::from_secs(15));
        scraper.scrape("")?;
    }
    let cpu = process.cpu()? - before;
    let pulls = scraper.sum("image_pulls_total")?;
    let stretches = scraper.sum("image_pull_pending_duration_seconds_count")?;
    let expected = f64::from(per_minute * minutes);
    if stretches < expected * 0.9 || (events && pulls < expected * 0.9) {
        bail!("{stretches} pending stretches and {pulls} pulls of {expected} pods");
    }
    let row = json!({
        "scenario": scenario.name, "events": events, "starts": expected, "pulls": pulls, "pending_stretches": stretches,
        "changes": server.sent() - first, "cpu_seconds": cpu.as_secs_f64(), "peak_kib": process.memory()?.peak,
    });
    println!("{row}");
    process.stop()?;
    Ok(row)
}
