//! Runs the exporter with faults for a long time, and measures its memory growth.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::measure::{Scenario, Setup};
use crate::process::Process;
use crate::scrape::{Scraper, percentile};
use crate::server::{Fault, Options, Server};
use crate::world::World;

/// Injected in turn, one per minute.
const FAULTS: &[Fault] = &[Fault::Close, Fault::Break, Fault::Gone, Fault::Busy(5), Fault::Silence];

/// A sample, taken every ten seconds.
struct Sample {
    seconds: f64,
    rss_kib: u64,
}

/// Scrapes every 5 seconds for `minutes` and prints the results.
pub fn soak(setup: &Setup, scenario: &Scenario, minutes: u32) -> Result<()> {
    let options = Options { tls: setup.tls, protobuf: true, watch_list: true };
    let server = Server::start(World::new(scenario.pods, scenario.percent), options)?;
    let kubeconfig = setup.folder.join("soak.kubeconfig");
    server.write_kubeconfig(&kubeconfig)?;
    let series = format!("--max-container-series={}", 2 * scenario.pods);
    let (process, port) = Process::exporter(&setup.exporter, &kubeconfig, &[&series])?;
    let mut scraper = Scraper::new(port)?;
    let mut csv = File::create(setup.folder.join("soak.csv"))?;
    writeln!(csv, "seconds,rss_kib,peak_kib,cpu_seconds,failing,ready,restarts")?;
    server.set_rate(setup.updates_per_second);
    let (began, length) = (Instant::now(), Duration::from_secs(u64::from(minutes) * 60));
    let (mut samples, mut times, mut not_ready, mut faults) = (Vec::new(), Vec::new(), 0, FAULTS.iter().cycle());
    for step in 1_u32.. {
        let next = Duration::from_secs(5) * step;
        if next > length {
            break;
        }
        std::thread::sleep(next.saturating_sub(began.elapsed()));
        let ready = scraper.get("/readyz", "")? == 200;
        not_ready += u32::from(!ready);
        if ready {
            times.push(scraper.scrape("")?.0);
        }
        if step % 2 == 0 {
            let (memory, cpu) = (process.memory()?, process.cpu()?.as_secs_f64());
            let (failing, restarts) = if ready {
                (
                    scraper.sum("image_pull_failing_containers")?,
                    scraper.sum("image_pull_exporter_watch_restarts_total")?,
                )
            } else {
                (f64::NAN, f64::NAN)
            };
            let seconds = began.elapsed().as_secs_f64();
            writeln!(csv, "{seconds:.0},{},{},{cpu:.3},{failing},{ready},{restarts}", memory.now, memory.peak)?;
            samples.push(Sample { seconds, rss_kib: memory.now });
        }
        // None in the last two minutes, so that the exporter has recovered from a silent watch.
        if step % 12 == 0 && next + Duration::from_mins(2) < length {
            server.misbehave(*faults.next().unwrap_or(&Fault::Close));
        }
    }
    server.set_rate(0);
    std::thread::sleep(Duration::from_secs(2));
    let (failing, expected) = (scraper.sum("image_pull_failing_containers")?, server.world().failing());
    let restarts = scraper.sum("image_pull_exporter_watch_restarts_total")?;
    let (memory, cpu) = (process.memory()?, process.cpu()?.as_secs_f64());
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    // In the first minutes, bounded buffers fill up.
    let settled: Vec<&Sample> = samples.iter().filter(|sample| sample.seconds > length.as_secs_f64() / 6.0).collect();
    let mut summary = String::new();
    writeln!(
        summary,
        "{minutes} min, {} updates/s, {} pods of which {expected} fail",
        setup.updates_per_second, scenario.pods
    )?;
    writeln!(
        summary,
        "RSS {} KiB after a sixth of the time, {} KiB at the end, peak {} KiB",
        first(&settled),
        memory.now,
        memory.peak
    )?;
    writeln!(summary, "growth {:.1} KiB/h (least squares after the first sixth)", growth(&settled))?;
    writeln!(summary, "CPU {cpu:.1} s, {:.2} % of one processor", 100.0 * cpu / began.elapsed().as_secs_f64())?;
    writeln!(summary, "{} scrapes, p50 {p50:.2?}, p99 {p99:.2?}; not ready at {not_ready} of them", times.len())?;
    writeln!(summary, "{restarts} restarts of the watch; {failing} fail at the end, as should {expected}")?;
    print!("{summary}");
    let ended_well = process.stop()?;
    let report = json!({
        "minutes": minutes, "updates_per_second": setup.updates_per_second, "pods": scenario.pods, "failing": failing, "expected": expected,
        "rss_kib": memory.now, "peak_kib": memory.peak, "growth_kib_per_hour": growth(&settled), "cpu_seconds": cpu,
        "scrapes": times.len(), "p50_ms": p50.as_secs_f64() * 1000.0, "p99_ms": p99.as_secs_f64() * 1000.0, "not_ready": not_ready,
        "restarts": restarts, "ended_well": ended_well,
    });
    std::fs::write(setup.folder.join("soak.json"), serde_json::to_string_pretty(&report)?)?;
    if failing != expected as f64 || !ended_well {
        bail!("the view is wrong at the end, or the exporter did not end well");
    }
    Ok(())
}

fn first(samples: &[&Sample]) -> u64 {
    samples.first().map_or(0, |sample| sample.rss_kib)
}

/// Returns the slope of the regression line of the samples, in KiB per hour.
fn growth(samples: &[&Sample]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(|sample| of(sample)).sum::<f64>() / count;
    let (seconds, rss) = (mean(|sample| sample.seconds), mean(|sample| sample.rss_kib as f64));
    let (mut over, mut under) = (0.0, 0.0);
    for sample in samples {
        over += (sample.seconds - seconds) * (sample.rss_kib as f64 - rss);
        under += (sample.seconds - seconds).powi(2);
    }
    if under > 0.0 { over / under * 3600.0 } else { 0.0 }
}
