//! The standard `process_*` metrics of Prometheus client libraries.
//!
//! prometheus-client does not have them, and the procfs crate would replace only the parsing of three lines.

use std::fs;
use std::str::FromStr;
use std::time::Duration;

use image_pull_model::time::Timestamp;

/// Resource usage of this process. All zero without `/proc`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessStats {
    /// User and system CPU time.
    pub(crate) cpu_seconds: f64,
    pub(crate) open_fds: f64,
    pub(crate) max_fds: f64,
    pub(crate) virtual_memory_bytes: f64,
    pub(crate) resident_memory_bytes: f64,
}

/// Clock ticks per second in `/proc`: `USER_HZ`, which is 100 on every Linux architecture (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

impl ProcessStats {
    /// Reads the usage of this process from `/proc`.
    pub(crate) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let kibibytes = |name: &str| number_after::<f64>(&status, name).unwrap_or_default() * 1024.0;
        Self {
            cpu_seconds: cpu_seconds(&stat).unwrap_or_default(),
            open_fds: fs::read_dir("/proc/self/fd").map_or(0.0, |fds| fds.count() as f64),
            max_fds: number_after(&limits, "Max open files").unwrap_or_default(),
            virtual_memory_bytes: kibibytes("VmSize:"),
            resident_memory_bytes: kibibytes("VmRSS:"),
        }
    }
}

/// Returns the limit of open files of this process. `None` if it is unlimited or unknown.
pub(crate) fn max_open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    number_after(&limits, "Max open files")
}

fn number_after<N: FromStr>(text: &str, name: &str) -> Option<N> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the CPU time of a process: the sum of fields 14 and 15 of `/proc/self/stat`. The command name before them may
/// contain spaces (proc(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    Some((ticks.next()? + ticks.next()?) / TICKS_PER_SECOND)
}

/// Returns the start time of this process: `now` less its age. Call it once, since the clock may be set later.
pub(crate) fn start_time(now: Timestamp) -> Timestamp {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    now.saturating_sub(age(&stat, &uptime).unwrap_or_default())
}

/// Returns the age of a process: the uptime of the system less field 22 of `/proc/self/stat`.
fn age(stat: &str, uptime: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let start_ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - start_ticks / TICKS_PER_SECOND).ok()
}

#[cfg(test)]
mod tests;
