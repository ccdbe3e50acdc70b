//! Reads what this process uses, as every Prometheus client library reports it.

use std::fs;
use std::str::FromStr;

use image_pull_model::time::Timestamp;

/// What the process uses; zero where the system does not say (it has no /proc).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessStats {
    /// User and system CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub open_fds: f64,
    /// How many may be open.
    pub max_fds: f64,
    /// Virtual memory, in bytes.
    pub virtual_memory_bytes: f64,
    /// Resident memory, in bytes.
    pub resident_memory_bytes: f64,
}

/// Clock ticks a second in /proc: `USER_HZ`, 100 on every architecture that Linux has (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

impl ProcessStats {
    /// Reads the figures of this process from /proc.
    #[must_use]
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let kibibytes = |name: &str| number_after::<f64>(&status, name).unwrap_or_default() * 1024.0;
        Self {
            cpu_seconds: cpu_ticks(&stat).unwrap_or_default() / TICKS_PER_SECOND,
            open_fds: fs::read_dir("/proc/self/fd").map_or(0.0, |fds| fds.count() as f64),
            max_fds: number_after(&limits, "Max open files").unwrap_or_default(),
            virtual_memory_bytes: kibibytes("VmSize:"),
            resident_memory_bytes: kibibytes("VmRSS:"),
        }
    }
}

/// Returns how many files this process may open; `None` without a limit.
#[must_use]
pub fn max_open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    number_after(&limits, "Max open files")
}

fn number_after<N: FromStr>(text: &str, name: &str) -> Option<N> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of /proc/self/stat, counted behind the command name, which may hold blanks (proc(5)).
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    Some(ticks.next()? + ticks.next()?)
}

/// When this process started, to be asked once: the system's clock less the age of the process.
#[must_use]
pub fn start_time(now: Timestamp) -> Timestamp {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let age = || {
        let (_, fields) = stat.rsplit_once(')')?;
        let began: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        std::time::Duration::try_from_secs_f64(uptime - began / TICKS_PER_SECOND).ok()
    };
    now.saturating_sub(age().unwrap_or_default())
}
