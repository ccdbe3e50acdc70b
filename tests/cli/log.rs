//! The log of the real program: its size, its fields, and slow readers.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::common::cluster::Cluster;
use crate::common::prometheus::free_port;
use crate::common::{eventually, get, pod, sum};
use serde_json::Value;

/// The program, whose log the test reads itself.
struct Logging {
    child: Child,
    log: BufReader<ChildStderr>,
    port: u16,
}

impl Logging {
    /// Starts it with the JSON log and waits until it serves.
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"))
            .args(["--web.listen-address", "127.0.0.1:0", "--log.format", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut program = Self { child, log, port: 0 };
        let serving = program.line(|line| line.contains("\"serving\""));
        let serving: Value = serde_json::from_str(&serving).expect("the log is JSON");
        let address = serving.pointer("/fields/address").and_then(Value::as_str).expect("it says where");
        program.port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("an address has a port");
        program
    }

    /// Reads up to the first line that is meant.
    fn line(&mut self, is_meant: impl Fn(&str) -> bool) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).expect("the log is text") > 0, "it ended");
            if is_meant(&line) {
                return line;
            }
        }
    }

    fn metrics(&self) -> Result<String, String> {
        let response = get(self.port, "/metrics", "").map_err(|error| error.to_string())?;
        if response.status == 200 { Ok(response.text()) } else { Err(response.text()) }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kubeconfig(cluster: &Cluster) -> String {
    cluster.kubeconfig.to_str().expect("a path is text").to_owned()
}

/// A pod with an unrecognized error text of this size.
fn unknown(number: usize, bytes: usize) -> Value {
    let message = format!("{number} {}", "strange ".repeat(bytes / 8));
    pod(&format!("ns-{number}"), "web", Some(("ErrImagePull", &message)))
}

#[test]
fn an_unread_pipe_does_not_stop_the_program() {
    let cluster = Cluster::new("log-unread");
    let mut program = Logging::start(&["--kubeconfig", &kubeconfig(&cluster)]);
    let pods = 2000;
    for number in 0..pods {
        cluster.store.put(unknown(number, 480));
    }
    // A pipe holds 64 KiB; 200 of these texts are more.
    eventually(|| {
        let failing = sum(&program.metrics()?, "image_pull_failing_containers");
        if failing == 2000.0 { Ok(()) } else { Err(format!("{failing} fail")) }
    });
    assert_eq!(get(program.port, "/livez", "").expect("it answers").status, 200);
    let metrics = program.metrics().expect("it answers");
    let dropped = sum(&metrics, "image_pull_exporter_log_lines_dropped_total");
    assert!(dropped > 3000.0, "{dropped} of 4000 lines and more");
    // SIGTERM stops it although its last lines are not read.
    let killed = Command::new("kill").args(["-TERM", &program.child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(program.child.wait().expect("it ends").code(), Some(0));
    let mut rest = String::new();
    program.log.read_to_string(&mut rest).expect("the log is text");
    let lines: Vec<&str> = rest.lines().collect();
    // The last line may have been cut off by the end of the process.
    assert!(lines[..lines.len() - 1].iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let kind = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
    assert!((1..400).contains(&kind("\"cause unknown\"")), "{}", kind("\"cause unknown\""));
}

#[test]
fn no_pod_can_write_a_key_of_the_log() {
    let cluster = Cluster::new("log-keys");
    let mut program = Logging::start(&["--kubeconfig", &kubeconfig(&cluster)]);
    let forged = "nobody knows this\",\"message\":\"forged\n{\"level\":\"ERROR\"}";
    cluster.store.put(pod("shop", "web", Some(("ErrImagePull", forged))));
    let line = program.line(|line| line.contains("cause unknown"));
    // A quote within a text is escaped, so these are keys.
    for key in ["message", "level", "timestamp", "fields", "error"] {
        let keys = line.matches(&format!("{{\"{key}\":")).count() + line.matches(&format!(",\"{key}\":")).count();
        assert_eq!(keys, 1, "{key} in {line}");
    }
    let line: Value = serde_json::from_str(&line).expect("the log is JSON");
    assert_eq!(line.pointer("/fields/message").and_then(Value::as_str), Some("cause unknown"));
    assert!(line.pointer("/fields/error").and_then(Value::as_str).is_some_and(|error| error.contains("forged")));
}

#[test]
fn a_fault_of_the_api_server_is_logged_once() {
    let cluster = Cluster::new("log-once");
    let config = std::fs::read_to_string(&cluster.kubeconfig).expect("the kubeconfig is there");
    let away = config.replace(&cluster.server().address().to_string(), &format!("127.0.0.1:{}", free_port()));
    std::fs::write(&cluster.kubeconfig, away).expect("the kubeconfig can be written");
    let mut program = Logging::start(&["--kubeconfig", &kubeconfig(&cluster)]);
    for _ in 0..3 {
        let line = program.line(|_| true);
        assert!(line.contains("watch failed"), "{line}");
    }
}
