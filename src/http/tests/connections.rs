use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::net::TcpSocket;

use super::{FakeScrape, LONG, ParsedResponse, TestServer, decode_chunked, read_to_end};
use crate::http::{HttpConfig, ServerLimits};

const SHORT: Duration = Duration::from_millis(50);
const GET_METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const GET_LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a health check on a persistent connection and reads the response.
fn check_alive(stream: &mut TcpStream) {
    stream.write_all(GET_LIVEZ).unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\nok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    assert_eq!(ParsedResponse::parse(&bytes).status, 200);
}

/// A connection with a small receive buffer. The default one may hold a whole scrape.
fn connect_with_small_buffer(server: &TestServer) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(server.address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// A blocked scrape, a receiver that is notified of its start, and a sender that lets it continue.
fn blocked_scrape() -> (FakeScrape, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    (FakeScrape::Wait(begun, Mutex::new(may_go)), has_begun, go)
}

#[test]
fn a_connection_serves_many_requests() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    let mut stream = server.connect();
    for _ in 0..3 {
        check_alive(&mut stream);
    }
    server.join();
}

#[test]
fn a_request_carries_the_address_of_its_client() {
    let address = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string());
    let server = TestServer::with_router(HttpConfig::default(), move |_| Router::new().route("/", address));
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = ParsedResponse::parse(&read_to_end(&mut stream));
    assert_eq!(answer.text(), stream.local_addr().unwrap().to_string());
    server.join();
}

#[test]
fn an_unfinished_header_times_out() {
    let server = TestServer::with_limits(
        FakeScrape::Repeat(1),
        ServerLimits { header_timeout: SHORT, ..ServerLimits::default() },
    );
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nX-A: ").unwrap();
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut slow), b"");
    server.join();
}

#[test]
fn a_trickled_header_times_out() {
    let limits = ServerLimits { header_timeout: SHORT, ..ServerLimits::default() };
    let server = TestServer::with_limits(FakeScrape::Repeat(1), limits);
    let mut stream = server.connect();
    stream.set_read_timeout(Some(SHORT / 10)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a deadline for a real connection")]
    let begin = Instant::now();
    while stream.write_all(b"G").is_ok() {
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => assert!(begin.elapsed() < LONG),
            Ok(_) | Err(_) => break,
        }
    }
    server.join();
}

#[test]
fn an_oversized_header_is_rejected() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    let header = |length: usize| format!("X-A: {}\r\n", "a".repeat(length));
    assert_eq!(server.get("/livez", &header(15 * 1024)).status, 200);
    assert_eq!(server.get("/livez", &header(16 * 1024)).status, 431);
    assert_eq!(server.get("/livez", &"A: b\r\n".repeat(101)).status, 431);
    server.join();
}

#[test]
fn garbage_is_a_bad_request() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    for garbage in
        ["\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"]
    {
        assert_eq!(server.send(garbage).status, 400, "{garbage:?}");
    }
    server.join();
}

#[test]
fn a_slow_scrape_times_out() {
    let (scrape, has_begun, go) = blocked_scrape();
    let server = TestServer::with_limits(scrape, ServerLimits { request_timeout: SHORT, ..ServerLimits::default() });
    assert_eq!(server.get("/metrics", "").status, 503);
    has_begun.recv().unwrap();
    drop(go);
    server.join();
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let server = TestServer::with_limits(
        FakeScrape::Repeat(8 << 20),
        ServerLimits { total_stall_timeout: SHORT, max_scrapes: 1, ..ServerLimits::default() },
    );
    let mut deaf = connect_with_small_buffer(&server);
    deaf.write_all(GET_METRICS).unwrap();
    deaf.read_exact(&mut [0]).unwrap();
    // There is one scrape slot, so this request succeeds only after the other one has been dropped.
    assert_eq!(server.send("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status, 200);
    assert!(read_to_end(&mut deaf).len() < 32 << 20);
    server.join();
}

#[test]
fn a_failed_scrape_ends_with_a_broken_chunked_body() {
    let server = TestServer::start(FakeScrape::Break);
    let mut stream = server.connect();
    stream.write_all(GET_METRICS).unwrap();
    let bytes = read_to_end(&mut stream);
    // It may fail before its header is sent.
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    assert_eq!(end.and_then(|end| decode_chunked(&bytes[end + 4..])), None);
    server.join();
}

#[test]
fn connections_beyond_the_limit_wait_while_all_are_busy() {
    let (scrape, has_begun, go) = blocked_scrape();
    let server = TestServer::with_limits(scrape, ServerLimits { max_connections: 1, ..ServerLimits::default() });
    let mut first = server.connect();
    first.write_all(GET_METRICS).unwrap();
    has_begun.recv().unwrap();
    let mut second = server.connect();
    second.write_all(GET_LIVEZ).unwrap();
    second.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    go.send(()).unwrap();
    let answer = ParsedResponse::parse(&read_to_end(&mut first));
    assert_eq!((answer.status, answer.text()), (200, "waited"));
    second.set_read_timeout(Some(LONG)).unwrap();
    second.read_exact(&mut [0]).unwrap();
    server.join();
}

#[test]
fn idle_connections_are_closed_for_new_ones() {
    let server =
        TestServer::with_limits(FakeScrape::Repeat(1), ServerLimits { max_connections: 2, ..ServerLimits::default() });
    let mut used = server.connect();
    check_alive(&mut used);
    let (mut fresh, mut half) = (server.connect(), server.connect());
    half.write_all(&GET_LIVEZ[..9]).unwrap();
    for _ in 0..10 {
        check_alive(&mut server.connect());
    }
    for gone in [&mut used, &mut fresh, &mut half] {
        assert_eq!(read_to_end(gone), b"");
    }
    server.join();
}

#[test]
fn shutdown_closes_idle_connections_and_drains_requests() {
    let (scrape, has_begun, go) = blocked_scrape();
    let mut server = TestServer::start(scrape);
    let (mut idle, mut fresh) = (server.connect(), server.connect());
    check_alive(&mut idle);
    let mut busy = server.connect();
    busy.write_all(GET_METRICS).unwrap();
    has_begun.recv().unwrap();

    server.stop();
    assert_eq!(read_to_end(&mut idle), b"");
    assert_eq!(read_to_end(&mut fresh), b"");
    assert!(TcpStream::connect(server.address).is_err());
    go.send(()).unwrap();
    let answer = ParsedResponse::parse(&read_to_end(&mut busy));
    assert_eq!((answer.status, answer.text()), (200, "waited"));
    server.join();
}

#[test]
fn shutdown_is_bounded_by_the_drain_timeout() {
    let (scrape, has_begun, go) = blocked_scrape();
    let mut server = TestServer::with_limits(scrape, ServerLimits { drain_timeout: SHORT, ..ServerLimits::default() });
    let mut busy = server.connect();
    busy.write_all(GET_METRICS).unwrap();
    has_begun.recv().unwrap();
    server.stop();
    assert_eq!(read_to_end(&mut busy), b"");
    drop(go);
    server.join();
}
