//! Listen addresses, and signals.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Program, eventually, get, sum};

const PROGRAM: &str = env!("CARGO_BIN_EXE_image-pull-exporter");

fn start(flags: &[&str]) -> Program {
    let mut command = Command::new(PROGRAM);
    command.arg("demo").args(flags).stdin(Stdio::null());
    Program::spawn(command)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Returns whether `/livez` responds on a connection.
fn is_alive(mut stream: impl Read + Write) -> bool {
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it can be asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n")
}

#[test]
fn a_port_without_a_host_serves_ipv4_and_ipv6() {
    let program = start(&["--web.listen-address", ":0"]);
    assert!(is_alive(TcpStream::connect(("127.0.0.1", program.port)).expect("it listens")));
    assert!(is_alive(TcpStream::connect((Ipv6Addr::LOCALHOST, program.port)).expect("it listens")));
}

#[test]
fn every_given_address_is_served() {
    let (socket, second) = (path("first.sock"), path("second.sock"));
    let address = |path: &PathBuf| format!("unix://{}", path.display());
    let both = format!("127.0.0.1:0,{}", address(&socket));
    let program = start(&["--web.listen-address", &both, "--web.listen-address", &address(&second)]);
    assert!(is_alive(TcpStream::connect(("127.0.0.1", program.port)).expect("it listens")));
    for socket in [&socket, &second] {
        assert!(is_alive(UnixStream::connect(socket).expect("it listens")));
    }
    assert_eq!(program.terminate(), Some(0));
    assert!(!socket.exists() && !second.exists(), "it leaves nothing behind");
}

#[test]
fn systemd_sockets_are_used() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = tcp.local_addr().expect("it has one");
    let socket = path("systemd.sock");
    let _ = std::fs::remove_file(&socket);
    let unix = UnixListener::bind(&socket).expect("it can be bound");
    // A shell passes the sockets with the file descriptors that systemd uses, then executes the program.
    let script = "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", PROGRAM, "demo", "--web.systemd-socket"]);
    command.stdin(OwnedFd::from(tcp)).stdout(OwnedFd::from(unix));
    let program = Program::spawn(command);
    assert_eq!(program.port, address.port());
    assert!(is_alive(TcpStream::connect(address).expect("it listens")));
    assert!(is_alive(UnixStream::connect(&socket).expect("it listens")));
    assert_eq!(program.terminate(), Some(0));
    assert!(socket.exists(), "the file is systemd's");
    std::fs::remove_file(&socket).expect("it is there");

    let output = Command::new(PROGRAM).args(["demo", "--web.systemd-socket"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("systemd passed no socket"), "{said}");
}

#[test]
fn an_address_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it has one").to_string();
    let output = Command::new(PROGRAM).args(["demo", "--web.listen-address", &address]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(&format!("cannot listen on {address}: ")), "{said}");
}

#[test]
fn sighup_reloads_the_web_configuration() {
    let without = start(&["--web.listen-address", "127.0.0.1:0"]);
    without.signal("HUP");
    let config = path("hangup.yml");
    std::fs::write(&config, "http_server_config:\n  headers:\n    X-Frame-Options: deny\n").expect("it can be written");
    let flags = ["--web.listen-address", "127.0.0.1:0", "--web.config.file", config.to_str().expect("it is text")];
    let with = start(&flags);
    with.wait_ready();
    let read_at = || sum(&with.metrics(), "image_pull_exporter_config_last_reload_success_timestamp_seconds");
    let first = read_at();
    with.signal("HUP");
    // The file is unchanged, so only the signal causes a reload.
    eventually(|| if read_at() > first { Ok(()) } else { Err("it was not read again".to_owned()) });
    assert_eq!(get(without.port, "/livez", "").expect("it goes on").status, 200);
    assert_eq!((without.terminate(), with.terminate()), (Some(0), Some(0)));
    std::fs::remove_file(config).expect("it is there");
}

#[test]
fn log_levels_are_case_insensitive() {
    for level in ["WARN", "Warn", "warn"] {
        let output = Command::new(PROGRAM).args(["--config.check", "--log.level", level]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("--log.level"), "{level}: {said}");
    }
}
