//! Prints the results as a table and writes them as JSON.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

/// Title, JSON pointer, factor, decimal places.
const COLUMNS: &[(&str, &str, f64, usize)] = &[
    ("sync s", "/sync_seconds", 1.0, 2),
    ("sync CPU s", "/sync_cpu_seconds", 1.0, 2),
    ("sync peak MiB", "/sync_peak_kib", 1.0 / 1024.0, 1),
    ("peak MiB", "/peak_kib", 1.0 / 1024.0, 1),
    ("steady MiB", "/steady_kib", 1.0 / 1024.0, 1),
    ("CPU s/10k updates", "/cpu_seconds_per_10k_updates", 1.0, 3),
    ("scrape p50 ms", "/plain/p50_ms", 1.0, 2),
    ("p99 ms", "/plain/p99_ms", 1.0, 2),
    ("MB", "/plain/bytes", 1e-6, 3),
    ("gzip p50 ms", "/gzip/p50_ms", 1.0, 2),
    ("p99 ms", "/gzip/p99_ms", 1.0, 2),
    ("MB", "/gzip/bytes", 1e-6, 3),
];

/// Prints the table in Markdown, and writes the rows to `results.json`.
pub fn write(folder: &Path, rows: &[Value]) -> Result<()> {
    let titles: Vec<&str> = COLUMNS.iter().map(|(title, ..)| *title).collect();
    println!("| cluster | program | {} |", titles.join(" | "));
    println!("|---|---|{}", "--:|".repeat(COLUMNS.len()));
    for row in rows {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|(_, pointer, factor, digits)| {
                let value = row.pointer(pointer).and_then(Value::as_f64);
                value.map_or_else(String::new, |value| format!("{:.digits$}", value * factor))
            })
            .collect();
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        println!("| {} | {} | {} |", text("scenario"), text("way"), cells.join(" | "));
    }
    let report = json!({ "machine": machine(), "rows": rows });
    std::fs::write(folder.join("results.json"), serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

/// Returns the environment of the measurement.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let models: Vec<&str> =
        cpu.lines().filter(|line| line.starts_with("model name")).filter_map(|line| line.split(": ").nth(1)).collect();
    let load = read("/proc/loadavg");
    json!({ "processors": models.len(), "model": models.first(), "kernel": read("/proc/sys/kernel/osrelease").trim(), "load": load.trim() })
}
