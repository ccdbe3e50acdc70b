mod access;
mod connections;
mod http2;
mod responses;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::sync::oneshot;

use super::server::serve_router;
use super::{Backend, HttpConfig, NotReady, Overview, ServerLimits, router};
use crate::metrics::exposition::ExpositionFormat;
use image_pull_model::facts::PodId;
use image_pull_model::history::TimelinePoint;

/// Timeout for events that should happen at once.
const LONG: Duration = Duration::from_secs(20);

/// The behavior of a [`FakeBackend`] when it is scraped.
enum FakeScrape {
    /// Returns the name of the format, repeated.
    Repeat(usize),
    NotReady,
    Panic,
    /// Fails after it has written a part of the body.
    Break,
    /// Signals its start, then waits for a signal to continue.
    Wait(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>),
}

struct FakeBackend(FakeScrape);

impl Backend for FakeBackend {
    fn scrape(&self, format: ExpositionFormat) -> Result<super::BodyWriter, NotReady> {
        let body = match &self.0 {
            FakeScrape::Repeat(times) => format!("{format:?}").repeat(*times),
            FakeScrape::NotReady => return Err(NotReady("the first list is not complete".to_owned())),
            FakeScrape::Panic => panic!("scrape"),
            FakeScrape::Wait(begun, go) => {
                begun.send(()).unwrap();
                let _ = go.lock().unwrap().recv();
                "waited".to_owned()
            }
            FakeScrape::Break => "begun".to_owned(),
        };
        let breaks = matches!(self.0, FakeScrape::Break);
        Ok(Box::new(move |mut sink| {
            // In pieces, like a real exposition. An error means that the client has disconnected.
            let _ = body.as_bytes().chunks(64 << 10).try_for_each(|piece| sink.write_all(piece));
            assert!(!breaks, "it breaks off");
            Ok(())
        }))
    }

    fn overview(&self) -> Result<Overview, NotReady> {
        match &self.0 {
            FakeScrape::NotReady => Err(NotReady("the first list is not complete".to_owned())),
            FakeScrape::Panic => panic!("look"),
            FakeScrape::Repeat(_) | FakeScrape::Break | FakeScrape::Wait(..) => Ok(Overview::default()),
        }
    }

    fn timelines(&self, _: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        Vec::new()
    }

    fn ready(&self) -> Result<Vec<String>, String> {
        match &self.0 {
            FakeScrape::NotReady => Err("the first list is not complete".to_owned()),
            FakeScrape::Repeat(_) | FakeScrape::Panic | FakeScrape::Break | FakeScrape::Wait(..) => Ok(Vec::new()),
        }
    }

    fn live(&self) -> Result<(), String> {
        match &self.0 {
            FakeScrape::Panic => Err("a task has ended".to_owned()),
            FakeScrape::Repeat(_) | FakeScrape::NotReady | FakeScrape::Break | FakeScrape::Wait(..) => Ok(()),
        }
    }
}

/// A server on loopback with its own runtime.
struct TestServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    fn start(scrape: FakeScrape) -> Self {
        Self::with_limits(scrape, ServerLimits::default())
    }

    fn with_limits(scrape: FakeScrape, limits: ServerLimits) -> Self {
        Self::with_config(scrape, HttpConfig { limits, ..HttpConfig::default() })
    }

    fn with_config(scrape: FakeScrape, config: HttpConfig) -> Self {
        Self::with_router(config, |config| router(Arc::new(FakeBackend(scrape)), config))
    }

    fn with_router(config: HttpConfig, router: impl FnOnce(&HttpConfig) -> Router + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap().into();
                let shutdown = async { drop(stopped.await) };
                serve_router(listener, router(&config), config, shutdown).await;
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server and waits until it has ended.
    fn join(mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends a request on a new connection and returns the response, which ends when the server closes the connection.
    fn send(&self, request: &str) -> ParsedResponse {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        ParsedResponse::parse(&read_to_end(&mut stream))
    }

    fn get(&self, path: &str, headers: &str) -> ParsedResponse {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }
}

struct ParsedResponse {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl ParsedResponse {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of header");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self { status, head, body: bytes[end + 4..].to_vec() };
        // The response to HEAD has no body.
        if answer.header("transfer-encoding") == Some("chunked") && !answer.body.is_empty() {
            answer.body = decode_chunked(&answer.body).expect("the last chunk is missing");
        }
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Decodes a chunked body. Returns `None` if the last chunk is missing.
fn decode_chunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        whole.extend_from_slice(bytes.get(end + 2..end + 2 + length)?);
        bytes = bytes.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some(whole);
        }
    }
}

/// Reads until the server closes or resets the connection.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("the server does not close")
        }
        _ => bytes,
    }
}
