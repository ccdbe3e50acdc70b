//! Many clients at once, and clients that lie about their requests: neither harms the watch or the scrapes of others.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::cluster::Cluster;
use common::{NOT_FOUND, PATIENCE, Program, eventually, get, pod, sum, timed};

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));
/// Prometheus gives up on a scrape after ten seconds.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

fn crowd(name: &str, pods: usize) -> (Cluster, Program) {
    let cluster = Cluster::new(name);
    for number in 0..pods {
        cluster.store.put(pod("shop", &format!("pod-{number}"), ERR));
    }
    let program = cluster.start(&[]);
    program.wait_ready();
    (cluster, program)
}

/// The program still hears of the cluster.
#[track_caller]
fn check_watch(cluster: &Cluster, program: &Program, failing: usize) {
    cluster.store.put(pod("shop", "late", ERR));
    eventually(|| {
        let shown = sum(&program.metrics(), "image_pull_failing_containers");
        if shown == failing as f64 { Ok(()) } else { Err(format!("{shown} fail")) }
    });
}

#[test]
fn a_thousand_idle_connections_keep_no_scrape_waiting() {
    let (cluster, program) = crowd("idle", 10);
    let connect = |_| TcpStream::connect(("127.0.0.1", program.port)).expect("the program accepts");
    let idle: Vec<TcpStream> = (0..500).map(connect).collect();
    let mut hesitant: Vec<TcpStream> = (0..500).map(connect).collect();
    for stream in &mut hesitant {
        // Some were closed to make room for others.
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
fn a_hundred_scrapes_at_once_all_get_ten_thousand_failing_containers() {
    let (cluster, program) = crowd("scrapes", 10_000);
    let port = program.port;
    let scrapes: Vec<_> =
        (0..100).map(|_| thread::spawn(move || get(port, "/metrics", "").expect("it answers"))).collect();
    // Whoever looks whether the program lives is not kept waiting by those who scrape.
    let (alive, took) = timed(|| get(port, "/livez", "").expect("it answers"));
    assert_eq!(alive.status, 200);
    assert!(took < SCRAPE_TIMEOUT / 2, "{took:?}");
    for scrape in scrapes {
        let scrape = scrape.join().expect("it was answered");
        assert_eq!((scrape.status, sum(&scrape.text(), "image_pull_failing{")), (200, 10_000.0));
    }
    check_watch(&cluster, &program, 10_001);
    // What they keep while they wait is no body each: a hundred bodies would be more than a gigabyte.
    let peak = program.peak_kib();
    assert!(peak < 128 * 1024, "{peak} KiB");
}

/// What comes back for these bytes until the server closes the connection.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the program accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    stream.write_all(request.as_bytes()).expect("it can be sent");
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_request_hides_in_another() {
    let (_cluster, program) = crowd("smuggling", 1);
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
        // hyper refuses it, or says no to the request and ends the connection.
        assert!(matches!(*statuses, [] | ["400" | "405"]), "{framing:?}: {answers}");
    }
    assert_eq!(get(program.port, "/livez", "").expect("it answers").status, 200);
}

#[test]
fn told_to_stop_it_serves_who_reads_and_waits_for_nobody_else() {
    let (_cluster, program) = crowd("stop", 10_000);
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
        // Nobody is let in once it has been told to stop, and most of the body is still to be sent then.
        eventually(|| connect().map_or(Ok(()), |_| Err("it lets others in".to_owned())));
        let mut rest = Vec::new();
        reads.read_to_end(&mut rest).expect("it goes on");
        rest
    });
    let (code, took) = timed(|| program.terminate());
    assert_eq!(code, Some(0));
    // Five seconds, and what a busy machine adds.
    assert!(Duration::from_secs(4) < took && took < Duration::from_secs(8), "{took:?}");
    let rest = reader.join().expect("it reads");
    assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", rest.len());
}
