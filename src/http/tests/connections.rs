use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::net::TcpSocket;

use super::{Answer, LONG, Scrape, Server, read_to_end, unchunked};
use crate::http::{Config, Limits};

const SHORT: Duration = Duration::from_millis(50);
const GET_METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const GET_LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a health check and reads its answer, which the server leaves the connection open after.
fn check_alive(stream: &mut TcpStream) {
    stream.write_all(GET_LIVEZ).unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\nok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    assert_eq!(Answer::parse(&bytes).status, 200);
}

/// A connection for which the kernel keeps little: by itself it may keep a whole scrape.
fn connect_narrowly(server: &Server) -> TcpStream {
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

/// A scrape that waits, with what says that it has begun and what lets it go.
fn waiting() -> (Scrape, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    (Scrape::Wait(begun, Mutex::new(may_go)), has_begun, go)
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::start(Scrape::Repeat(1));
    let mut stream = server.connect();
    for _ in 0..3 {
        check_alive(&mut stream);
    }
    server.join();
}

#[test]
fn a_request_carries_the_address_of_its_client() {
    let address = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string());
    let server = Server::with_router(Config::default(), move |_| Router::new().route("/", address));
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = Answer::parse(&read_to_end(&mut stream));
    assert_eq!(answer.text(), stream.local_addr().unwrap().to_string());
    server.join();
}

#[test]
fn a_client_that_never_ends_its_header_is_cut_off() {
    let server = Server::with_limits(Scrape::Repeat(1), Limits { header: SHORT, ..Limits::default() });
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nX-A: ").unwrap();
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut slow), b"");
    server.join();
}

#[test]
fn a_client_that_trickles_its_header_is_cut_off() {
    let limits = Limits { header: SHORT, ..Limits::default() };
    let server = Server::with_limits(Scrape::Repeat(1), limits);
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
fn an_oversized_header_is_refused() {
    let server = Server::start(Scrape::Repeat(1));
    let header = |length: usize| format!("X-A: {}\r\n", "a".repeat(length));
    assert_eq!(server.get("/livez", &header(15 * 1024)).status, 200);
    assert_eq!(server.get("/livez", &header(16 * 1024)).status, 431);
    assert_eq!(server.get("/livez", &"A: b\r\n".repeat(101)).status, 431);
    server.join();
}

#[test]
fn garbage_is_a_bad_request() {
    let server = Server::start(Scrape::Repeat(1));
    for garbage in
        ["\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"]
    {
        assert_eq!(server.ask(garbage).status, 400, "{garbage:?}");
    }
    server.join();
}

#[test]
fn a_scrape_that_takes_too_long_is_given_up() {
    let (scrape, has_begun, go) = waiting();
    let server = Server::with_limits(scrape, Limits { request: SHORT, ..Limits::default() });
    assert_eq!(server.get("/metrics", "").status, 503);
    has_begun.recv().unwrap();
    drop(go);
    server.join();
}

#[test]
fn a_client_that_does_not_read_loses_its_response() {
    let server =
        Server::with_limits(Scrape::Repeat(8 << 20), Limits { response: SHORT, scrapes: 1, ..Limits::default() });
    let mut deaf = connect_narrowly(&server);
    deaf.write_all(GET_METRICS).unwrap();
    deaf.read_exact(&mut [0]).unwrap();
    // There is one place for a scrape, so this one is answered only once the other has been dropped.
    assert_eq!(server.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status, 200);
    assert!(read_to_end(&mut deaf).len() < 32 << 20);
    server.join();
}

#[test]
fn a_scrape_that_breaks_off_does_not_pass_for_a_whole_one() {
    let server = Server::start(Scrape::Break);
    let mut stream = server.connect();
    stream.write_all(GET_METRICS).unwrap();
    let bytes = read_to_end(&mut stream);
    // It may break off before its header is sent.
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    assert_eq!(end.and_then(|end| unchunked(&bytes[end + 4..])), None);
    server.join();
}

#[test]
fn connections_beyond_the_limit_wait_while_all_are_busy() {
    let (scrape, has_begun, go) = waiting();
    let server = Server::with_limits(scrape, Limits { connections: 1, ..Limits::default() });
    let mut first = server.connect();
    first.write_all(GET_METRICS).unwrap();
    has_begun.recv().unwrap();
    let mut second = server.connect();
    second.write_all(GET_LIVEZ).unwrap();
    second.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    go.send(()).unwrap();
    let answer = Answer::parse(&read_to_end(&mut first));
    assert_eq!((answer.status, answer.text()), (200, "waited"));
    second.set_read_timeout(Some(LONG)).unwrap();
    second.read_exact(&mut [0]).unwrap();
    server.join();
}

#[test]
fn idle_connections_make_room_for_others() {
    let server = Server::with_limits(Scrape::Repeat(1), Limits { connections: 2, ..Limits::default() });
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
fn stopping_ends_idle_connections_and_lets_requests_finish() {
    let (scrape, has_begun, go) = waiting();
    let mut server = Server::start(scrape);
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
    let answer = Answer::parse(&read_to_end(&mut busy));
    assert_eq!((answer.status, answer.text()), (200, "waited"));
    server.join();
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let (scrape, has_begun, go) = waiting();
    let mut server = Server::with_limits(scrape, Limits { drain: SHORT, ..Limits::default() });
    let mut busy = server.connect();
    busy.write_all(GET_METRICS).unwrap();
    has_begun.recv().unwrap();
    server.stop();
    assert_eq!(read_to_end(&mut busy), b"");
    drop(go);
    server.join();
}
