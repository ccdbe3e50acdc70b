//! Many clients at once, and clients with malformed requests. They affect neither the watch nor other scrapes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::cluster::Cluster;
use crate::common::{NOT_FOUND, Program, TIME_LIMIT, eventually, get, pod, sum, timed};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));
/// The cause follows from the reason. Classifying 100,000 texts takes minutes in a debug build.
const NEVER: Option<(&str, &str)> = Some((
    "ErrImageNeverPull",
    "Container image \"registry.example.com/shop/web:1.0\" is not present with pull policy of Never",
));
/// Prometheus aborts a scrape after ten seconds by default.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

fn start_with_failing_pods(name: &str, pods: usize) -> (Cluster, Program) {
    let cluster = Cluster::new(name);
    for number in 0..pods {
        cluster.store.put(pod("shop", &format!("pod-{number}"), ERR));
    }
    let program = cluster.start(&[]);
    program.wait_ready();
    (cluster, program)
}

/// Checks that the program still receives watch events.
#[track_caller]
fn check_watch(cluster: &Cluster, program: &Program, failing: usize) {
    cluster.store.put(pod("shop", "late", ERR));
    eventually(|| {
        let shown = sum(&program.metrics(), "image_pull_failing_containers");
        if shown == failing as f64 { Ok(()) } else { Err(format!("{shown} fail")) }
    });
}

#[test]
fn a_thousand_idle_connections_delay_no_scrape() {
    let (cluster, program) = start_with_failing_pods("idle", 10);
    let connect = |_| TcpStream::connect(("127.0.0.1", program.port)).expect("the program accepts");
    let idle: Vec<TcpStream> = (0..500).map(connect).collect();
    let mut hesitant: Vec<TcpStream> = (0..500).map(connect).collect();
    for stream in &mut hesitant {
        // Some were closed in favor of others.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ");
    }
    for _ in 0..20 {
        let (metrics, took) = timed(|| program.metrics());
        assert_eq!(sum(&metrics, "image_pull_failing{"), 10.0);
        assert!(took < SCRAPE_TIMEOUT / 2, "{took:?}");
    }
    check_watch(&cluster, &program, 11);
    drop((idle, hesitant));
}

#[test]
fn scrapes_succeed_with_a_low_file_limit() {
    let cluster = Cluster::new("files");
    cluster.store.put(pod("shop", "web", ERR));
    let program = Program::start_with_files(64, &cluster.flags());
    program.wait_ready();
    // More than the file limit, half of them with an incomplete request.
    let idle: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = TcpStream::connect(("127.0.0.1", program.port)).expect("the program accepts");
            let request: &[u8] = if number % 2 == 0 { b"" } else { b"GET /metrics HTTP/1.1\r\nHost: " };
            // Some were closed in favor of others.
            let _ = stream.write_all(request);
            stream
        })
        .collect();
    for _ in 0..10 {
        let metrics = program.metrics();
        assert_eq!(sum(&metrics, "image_pull_failing{"), 1.0);
        // It reserves some for other work.
        let (open, most) = (sum(&metrics, "process_open_fds"), sum(&metrics, "process_max_fds"));
        assert!(most == 64.0 && open < most - 8.0, "{open} of {most}");
    }
    // The watch continues, and a new one can be started.
    check_watch(&cluster, &program, 2);
    drop(idle);
}

/// Reads responses at 512 B/s, each until it is aborted.
fn read_slowly(port: u16, path: &'static str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut stream = connect_with_small_buffer(port);
        if stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).is_err() {
            continue;
        }
        let mut bytes = [0; 128];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => thread::sleep(Duration::from_millis(250)),
            }
        }
    }
}

/// A connection with a small receive buffer.
fn connect_with_small_buffer(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    socket.set_recv_buffer_size(16 * 1024).expect("its buffer can be set");
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the program accepts");
    socket.into()
}

#[test]
fn sixteen_slow_readers_delay_no_scrape_and_no_page() {
    let (cluster, program) = start_with_failing_pods("slow", 10_000);
    let (port, stop) = (program.port, AtomicBool::new(false));
    thread::scope(|scope| {
        let slow: Vec<_> = (0..16).map(|_| scope.spawn(|| read_slowly(port, "/metrics", &stop))).collect();
        let slow_pages = scope.spawn(|| read_slowly(port, "/?limit=1000", &stop));
        // Each competes with the slow clients, which reconnect as soon as they are disconnected.
        for _ in 0..5 {
            let (metrics, took) = timed(|| program.metrics());
            assert_eq!(sum(&metrics, "image_pull_failing{"), 10_000.0);
            assert!(took < SCRAPE_TIMEOUT, "{took:?}");
            assert_eq!(get(port, "/", "").expect("it answers").status, 200);
        }
        stop.store(true, Ordering::Relaxed);
        drop((slow, slow_pages));
        let cut_off = sum(&program.metrics(), "image_pull_exporter_http_refusals_total{reason=\"slow_reader\"");
        assert!(cut_off >= 5.0, "{cut_off} cut off");
    });
    check_watch(&cluster, &program, 10_001);
}

#[test]
fn scrapes_pages_and_json_of_a_hundred_thousand_failing_containers_fit_into_the_memory_limit() {
    let cluster = Cluster::new("memory");
    for number in 0..10_000 {
        let namespace = format!("team-{}", number % 500);
        let mut failing = pod(&namespace, &format!("pod-{number}"), NEVER);
        failing["spec"]["nodeName"] = format!("node-{}", number % 2000).into();
        for list in ["/spec/containers", "/status/containerStatuses"] {
            let containers = failing.pointer_mut(list).and_then(Value::as_array_mut).expect("a pod has containers");
            let first = containers[0].clone();
            containers.extend((1..10).map(|number| {
                let mut container = first.clone();
                container["name"] = format!("app-{number}").into();
                container
            }));
        }
        cluster.store.put(failing);
    }
    let program = cluster.start(&[]);
    program.wait_ready_within(4 * TIME_LIMIT);
    let (port, before) = (program.port, program.peak_kib());
    let answers: Vec<_> = ["/metrics", "/?limit=1000", "/api/v1/failures?limit=1000"]
        .iter()
        .flat_map(|path| (0..16).map(move |_| (*path, thread::spawn(move || get(port, path, "").expect("it answers")))))
        .collect();
    let mut pages = 0;
    for (path, answer) in answers {
        let answer = answer.join().expect("it was answered");
        match (path, answer.status) {
            ("/metrics", 200) => {
                // The maximum number of containers with series.
                let shown = sum(&answer.text(), "image_pull_failing{");
                assert!((9_000.0..=10_000.0).contains(&shown), "{shown}");
            }
            (_, 200) => pages += 1,
            // A debug build cannot write two at a time within the timeout.
            (path, status) => assert!(path != "/metrics" && status == 503, "{path}: {status}"),
        }
    }
    assert!(pages >= 4, "{pages} pages");
    let peak = program.peak_kib();
    assert!(peak < 128 * 1024, "{peak} KiB, {before} KiB before");
    check_watch(&cluster, &program, 100_001);
}

#[test]
fn a_hundred_scrapes_at_once_all_get_ten_thousand_failing_containers() {
    let (cluster, program) = start_with_failing_pods("scrapes", 10_000);
    let port = program.port;
    let scrapes: Vec<_> =
        (0..100).map(|_| thread::spawn(move || get(port, "/metrics", "").expect("it answers"))).collect();
    // Scrapes do not delay health checks.
    let (alive, took) = timed(|| get(port, "/livez", "").expect("it answers"));
    assert_eq!(alive.status, 200);
    assert!(took < SCRAPE_TIMEOUT / 2, "{took:?}");
    for scrape in scrapes {
        let scrape = scrape.join().expect("it was answered");
        assert_eq!((scrape.status, sum(&scrape.text(), "image_pull_failing{")), (200, 10_000.0));
    }
    check_watch(&cluster, &program, 10_001);
    // Waiting requests hold no body. A hundred bodies would be more than a gigabyte.
    let peak = program.peak_kib();
    assert!(peak < 128 * 1024, "{peak} KiB");
}

/// Sends bytes and returns the response, which ends when the server closes the connection.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the program accepts");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a time limit can be set");
    stream.write_all(request.as_bytes()).expect("it can be sent");
    let mut bytes = Vec::new();
    // A reset ends the response, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn request_smuggling_is_rejected() {
    let (_cluster, program) = start_with_failing_pods("smuggling", 1);
    let hidden = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len();
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        format!("Content-Length: 0, {length}\r\n\r\n"),
        format!("Content-Length: +{length}\r\n\r\n"),
        "Content-Length: -1\r\n\r\n".to_owned(),
        format!("Content-Length : {length}\r\n\r\n"),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n".to_owned(),
        " Folded: yes\r\n\r\n".to_owned(),
        "Bare\rreturn: yes\r\n\r\n".to_owned(),
    ] {
        let answers = exchange(program.port, &format!("POST /readyz HTTP/1.1\r\nHost: x\r\n{framing}{hidden}"));
        let statuses: Vec<&str> =
            answers.match_indices("HTTP/1.1 ").filter_map(|(at, _)| answers.get(at + 9..at + 12)).collect();
        // hyper rejects the request, or the server returns an error and closes the connection.
        assert!(matches!(*statuses, [] | ["400" | "405"]), "{framing:?}: {answers}");
    }
    assert_eq!(get(program.port, "/livez", "").expect("it answers").status, 200);
}

#[test]
fn shutdown_drains_reading_clients_only() {
    let (_cluster, program) = start_with_failing_pods("stop", 10_000);
    let port = program.port;
    let connect = move || TcpStream::connect(("127.0.0.1", port));
    let ask = || {
        let mut stream = connect().expect("the program accepts");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it can be asked");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("it answers");
        assert_eq!(&start, b"HTTP/1.1 200");
        stream
    };
    let mut reads = ask();
    let _reads_no_more = ask();
    let _says_nothing = connect().expect("the program accepts");
    let reader = thread::spawn(move || {
        // After the signal, new connections are rejected. Most of the body has not been sent then.
        eventually(|| connect().map_or(Ok(()), |_| Err("it lets others in".to_owned())));
        let mut rest = Vec::new();
        reads.read_to_end(&mut rest).expect("it goes on");
        rest
    });
    let (code, took) = timed(|| program.terminate());
    assert_eq!(code, Some(0));
    // Five seconds, and a margin for a busy machine.
    assert!(Duration::from_secs(4) < took && took < Duration::from_secs(8), "{took:?}");
    let rest = reader.join().expect("it reads");
    assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", rest.len());
}
