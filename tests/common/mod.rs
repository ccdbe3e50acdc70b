//! Shared by the tests that run the program: a tiny HTTP client, the program as a child, samples, pods.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub mod browser;
pub mod cluster;
pub mod exposition;
pub mod pki;
pub mod prometheus;
pub mod tls;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything that is waited for may take.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until `condition` holds; fails the test after [`PATIENCE`] with what it last said.
#[track_caller]
pub fn eventually(condition: impl FnMut() -> Result<(), String>) {
    within(PATIENCE, condition);
}

/// The same with another limit.
#[track_caller]
pub fn within(limit: Duration, mut condition: impl FnMut() -> Result<(), String>) {
    #[expect(clippy::disallowed_methods, reason = "a deadline for a real process")]
    let began = Instant::now();
    loop {
        match condition() {
            Ok(()) => return,
            Err(why) => assert!(began.elapsed() < limit, "still not so: {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Does something with a real program, and returns how long that took.
#[expect(clippy::disallowed_methods, reason = "the time of a real program")]
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

/// An HTTP response.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is text")
    }
}

/// GETs `path` from loopback.
pub fn get(port: u16, path: &str, headers: &str) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    let body = bytes[end + 4..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") { unchunk(&body) } else { body };
    Ok(Response { status, head, body })
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").expect("a chunk has a size");
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk's size is hexadecimal");
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}

/// The samples of a text exposition: the series as written, and the number.
pub fn samples(text: &str) -> Vec<(String, f64)> {
    let sample = |line: &str| {
        let line = line.split(" # ").next().expect("a line has a beginning");
        let (series, number) = line.rsplit_once(' ').expect("a sample has a number");
        (series.to_owned(), number.parse().expect("a sample's value is a number"))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect()
}

/// The sum of the samples whose series begins with `prefix`.
pub fn sum(text: &str, prefix: &str) -> f64 {
    samples(text).into_iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, value)| value).sum()
}

/// Compares with `tests/golden/NAME`; with `UPDATE` in the environment, writes it.
#[track_caller]
pub fn check_golden(name: &str, printed: &str) {
    let golden = format!("tests/golden/{name}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, printed).expect("the golden file can be written");
    }
    assert_eq!(printed, std::fs::read_to_string(golden).expect("the golden file is there"), "{name}");
}

/// The program, running.
pub struct Program {
    child: Child,
    /// The port it serves on.
    pub port: u16,
}

impl Program {
    /// Starts the program on a free port of loopback and waits until it says which.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at(0, arguments)
    }

    /// Starts it on this port of loopback, a free one for 0.
    pub fn start_at(port: u16, arguments: &[&str]) -> Self {
        Self::start_with(port, arguments, &[])
    }

    /// Starts it with environment variables.
    pub fn start_with(port: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"));
        command.args(arguments).envs(variables.iter().copied());
        command.args(["--web.listen-address", &format!("127.0.0.1:{port}")]).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts it with at most so many open files.
    pub fn start_with_files(files: u32, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
        command.arg(env!("CARGO_BIN_EXE_image-pull-exporter")).args(arguments);
        command.args(["--web.listen-address", "127.0.0.1:0"]).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts a command that becomes the program, and waits until it says on which port it serves.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .args(["--log.format", "json"])
            // Memory as with musl, for which the program is shipped: one heap for all threads, and what is large is returned
            // at once. glibc's heap of each thread keeps what the largest response has taken.
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let port = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("the log is text") > 0, "it ended before it served");
            let line: Value = serde_json::from_str(&line).expect("the log is JSON");
            let address = line.pointer("/fields/address").and_then(Value::as_str);
            // A Unix socket has none.
            if let Some(port) = address.and_then(|address| address.rsplit(':').next()?.parse().ok()) {
                break port;
            }
        };
        // What nobody reads would stop the program once the pipe is full.
        drop(std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink())));
        Self { child, port }
    }

    /// Its metrics in text 0.0.4.
    pub fn metrics(&self) -> String {
        let response = get(self.port, "/metrics", "").expect("the program answers");
        assert_eq!(response.status, 200, "{}", response.text());
        response.text()
    }

    /// Waits until it is ready.
    pub fn wait_ready(&self) {
        self.wait_ready_within(PATIENCE);
    }

    /// The same with another limit.
    pub fn wait_ready_within(&self, limit: Duration) {
        within(limit, || match get(self.port, "/readyz", "") {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(response.text()),
            Err(error) => Err(error.to_string()),
        });
    }

    /// The most memory it ever had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the program runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        peak.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    /// Ends it at once, as the kernel does when memory is short.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Sends SIGTERM and returns the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().expect("the program ends").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pod with one container, as an API server sends it.
pub fn pod(namespace: &str, name: &str, waiting: Option<(&str, &str)>) -> Value {
    let state = match waiting {
        Some((reason, message)) => json!({ "waiting": { "reason": reason, "message": message } }),
        None => json!({ "running": { "startedAt": "2026-11-23T21:22:56Z" } }),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("{namespace}-{name}-uid"),
            "creationTimestamp": "2026-11-23T21:22:50Z",
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{ "name": "app", "image": "registry.example.com/shop/web:1.0" }],
        },
        "status": {
            "phase": if waiting.is_some() { "Pending" } else { "Running" },
            "conditions": [
                { "type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": "2026-11-23T21:22:52Z" },
            ],
            "containerStatuses": [{ "name": "app", "restartCount": 0, "state": state }],
        },
    })
}

/// The text of a failed attempt at that pod's image.
pub const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \
    \"registry.example.com/shop/web:1.0\": failed to resolve reference \"registry.example.com/shop/web:1.0\": \
    registry.example.com/shop/web:1.0: not found";
