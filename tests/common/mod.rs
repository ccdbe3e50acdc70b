//! Helpers of the tests that run the program: an HTTP client, the program as a child process, samples, pods.

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
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The time limit of [`eventually`].
pub const TIME_LIMIT: Duration = Duration::from_secs(40);

/// Waits until `condition` holds. After [`TIME_LIMIT`], panics with its last error.
#[track_caller]
pub fn eventually(condition: impl FnMut() -> Result<(), String>) {
    within(TIME_LIMIT, condition);
}

/// Like the function above, with another time limit.
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

/// Runs `work` and returns its result and duration.
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

/// Sends a GET request for `path` to loopback.
pub fn get(port: u16, path: &str, headers: &str) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
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

/// The samples of a text exposition: series and value.
pub fn samples(text: &str) -> Vec<(String, f64)> {
    let sample = |line: &str| {
        let line = line.split(" # ").next().expect("a line has a beginning");
        let (series, number) = line.rsplit_once(' ').expect("a sample has a number");
        (series.to_owned(), number.parse().expect("a sample's value is a number"))
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect()
}

/// The sum of the samples whose series starts with `prefix`.
pub fn sum(text: &str, prefix: &str) -> f64 {
    samples(text).into_iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, value)| value).sum()
}

/// Compares `printed` with `tests/golden/NAME`. With `UPDATE` in the environment, writes the file.
#[track_caller]
pub fn check_golden(name: &str, printed: &str) {
    let golden = format!("tests/golden/{name}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, printed).expect("the golden file can be written");
    }
    assert_eq!(printed, std::fs::read_to_string(golden).expect("the golden file is there"), "{name}");
}

/// The program as a child process.
pub struct Program {
    child: Child,
    /// The port of its HTTP server.
    pub port: u16,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    /// Starts the program on a free port of loopback and waits until it logs the port.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at(0, arguments)
    }

    /// Starts the program on this port of loopback, or on a free one for 0.
    pub fn start_at(port: u16, arguments: &[&str]) -> Self {
        Self::start_with(port, arguments, &[])
    }

    /// Starts the program with environment variables.
    pub fn start_with(port: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"));
        command.args(arguments).envs(variables.iter().copied());
        command.args(["--web.listen-address", &format!("127.0.0.1:{port}")]).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts the program with a limit on open files.
    pub fn start_with_files(files: u32, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
        command.arg(env!("CARGO_BIN_EXE_image-pull-exporter")).args(arguments);
        command.args(["--web.listen-address", "127.0.0.1:0"]).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts a command that executes the program, and waits until the program logs its port.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .args(["--log.format", "json"])
            // The program is shipped for musl, which has one heap for all threads and returns large blocks at once. glibc has a heap per thread, which stays as large as the largest response.
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
            // A Unix socket has no port.
            if let Some(port) = address.and_then(|address| address.rsplit(':').next()?.parse().ok()) {
                break port;
            }
        };
        // A full pipe would block the program.
        let read = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&read);
        drop(std::thread::spawn(move || {
            let mut line = Vec::new();
            while log.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                kept.lock().expect("no thread panics").append(&mut line);
            }
        }));
        Self { child, port, log: read }
    }

    /// The log since the program logged its port.
    pub fn log(&self) -> String {
        String::from_utf8(self.log.lock().expect("no thread panics").clone()).expect("the log is text")
    }

    /// Scrapes the program in text format 0.0.4.
    pub fn metrics(&self) -> String {
        let response = get(self.port, "/metrics", "").expect("the program answers");
        assert_eq!(response.status, 200, "{}", response.text());
        response.text()
    }

    /// Waits until the program is ready.
    pub fn wait_ready(&self) {
        self.wait_ready_within(TIME_LIMIT);
    }

    /// Like the function above, with another time limit.
    pub fn wait_ready_within(&self, limit: Duration) {
        within(limit, || match get(self.port, "/readyz", "") {
            Ok(response) if response.status == 200 => Ok(()),
            Ok(response) => Err(response.text()),
            Err(error) => Err(error.to_string()),
        });
    }

    /// The peak resident memory, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the program runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        peak.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    /// Kills the program with SIGKILL, as the kernel does when memory is short.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
    }

    /// Sends a signal to the program.
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
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pod with one container, in the JSON of the API server.
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

/// The error text of a failed attempt for that pod's image.
pub const NOT_FOUND: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \
    \"registry.example.com/shop/web:1.0\": failed to resolve reference \"registry.example.com/shop/web:1.0\": \
    registry.example.com/shop/web:1.0: not found";
