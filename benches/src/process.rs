//! Starts a program and reads its resource usage.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::baseline::SYNCED;

/// A measured program.
pub struct Process {
    child: Child,
    clock: ClockId,
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Peak resident set size (`VmHWM`).
    pub peak: u64,
    /// Resident set size (`VmRSS`).
    pub now: u64,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let clock = clock_getcpuclockid(Pid::from_raw(child.id().cast_signed()))?;
        Ok(Self { child, clock })
    }

    /// Starts the exporter and returns its port.
    pub fn exporter(program: &Path, kubeconfig: &Path, flags: &[&str]) -> Result<(Self, u16)> {
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(kubeconfig).args([
            "--web.listen-address",
            "127.0.0.1:0",
            "--log.format",
            "json",
        ]);
        command.args(flags).stderr(Stdio::piped());
        let mut process = Self::start(&mut command)?;
        let mut log = BufReader::new(process.child.stderr.take().context("its log is piped")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                bail!("the exporter ended before it listened");
            }
            let logged: Value = serde_json::from_str(&line).unwrap_or_default();
            let address = logged.pointer("/fields/address").and_then(Value::as_str);
            if let Some(port) = address.and_then(|address| address.rsplit(':').next()?.parse().ok()) {
                break port;
            }
        };
        // A full pipe would block the process.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok((process, port))
    }

    /// Starts a baseline, a subcommand of this program, and waits until it has received all pods.
    pub fn baseline(name: &str, kubeconfig: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).arg(kubeconfig).stdout(Stdio::piped());
        let mut process = Self::start(&mut command)?;
        let mut said = BufReader::new(process.child.stdout.take().context("its output is piped")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        if !line.starts_with(SYNCED) {
            let mut rest = String::new();
            said.read_to_string(&mut rest)?;
            bail!("{name} said \"{line}{rest}\"");
        }
        Ok(process)
    }

    /// Returns the CPU time of all threads.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(Duration::from(self.clock.now()?))
    }

    pub fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let (peak, now) = field("VmHWM:").zip(field("VmRSS:")).context("the process is gone")?;
        Ok(Memory { peak, now })
    }

    /// Stops the process and returns whether it exited successfully.
    pub fn stop(mut self) -> Result<bool> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A memory limit: a control group that is removed on drop.
pub struct MemoryLimit {
    folder: PathBuf,
    parent: PathBuf,
    pid: String,
}

impl MemoryLimit {
    /// Limits the memory of `process`. Requires the permission to create control groups.
    pub fn of(process: &Process, bytes: u64) -> Result<Self> {
        let pid = process.child.id().to_string();
        // cgroup v1 has a separate memory hierarchy, v2 a single one.
        let hierarchies = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        let is_there = |(parent, _): &&(&str, &str)| Path::new(parent).join("cgroup.procs").exists();
        let (parent, file) = hierarchies.iter().find(is_there).context("there are no control groups")?;
        let folder = Path::new(parent).join(format!("image-pull-exporter-{pid}"));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let limit = Self { folder, parent: PathBuf::from(parent), pid };
        std::fs::write(limit.folder.join(file), bytes.to_string())?;
        std::fs::write(limit.folder.join("cgroup.procs"), &limit.pid)?;
        Ok(limit)
    }

    /// Returns how often the limit was reached. The kernel then reclaims page cache, and kills the process if that is not enough.
    pub fn reached(&self) -> Option<u64> {
        let version_1 = std::fs::read_to_string(self.folder.join("memory.failcnt")).ok();
        let version_2 = || {
            let events = std::fs::read_to_string(self.folder.join("memory.events")).ok()?;
            events.lines().find_map(|line| line.strip_prefix("max ")).map(str::to_owned)
        };
        version_1.or_else(version_2)?.trim().parse().ok()
    }
}

impl std::ops::Drop for MemoryLimit {
    fn drop(&mut self) {
        // The process has exited, or continues without a limit.
        let _ = std::fs::write(self.parent.join("cgroup.procs"), &self.pid);
        let _ = std::fs::remove_dir(&self.folder);
    }
}
