mod access;
mod answers;
mod connections;
mod http2;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::sync::oneshot;

use super::{Config, Limits, NotReady, Sight, Site, router, serve_router};
use crate::metrics::exposition::Format;
use image_pull_model::facts::PodId;
use image_pull_model::history::Point;

/// How long a test waits for what should come at once, before it fails.
const LONG: Duration = Duration::from_secs(20);

/// What a [`Probe`] does when it is scraped.
enum Scrape {
    /// Returns the name of the format, this many times.
    Repeat(usize),
    NotReady,
    Panic,
    /// Breaks off after it has begun.
    Break,
    /// Says that it has begun, then waits to be let go.
    Wait(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>),
}

struct Probe(Scrape);

impl Site for Probe {
    fn scrape(&self, format: Format) -> Result<super::WriteBody, NotReady> {
        let body = match &self.0 {
            Scrape::Repeat(times) => format!("{format:?}").repeat(*times),
            Scrape::NotReady => return Err(NotReady("the first list is not complete".to_owned())),
            Scrape::Panic => panic!("scrape"),
            Scrape::Wait(begun, go) => {
                begun.send(()).unwrap();
                let _ = go.lock().unwrap().recv();
                "waited".to_owned()
            }
            Scrape::Break => "begun".to_owned(),
        };
        let breaks = matches!(self.0, Scrape::Break);
        Ok(Box::new(move |mut sink| {
            // In pieces, as a real one. An error means that the client has gone.
            let _ = body.as_bytes().chunks(64 << 10).try_for_each(|piece| sink.write_all(piece));
            assert!(!breaks, "it breaks off");
            Ok(())
        }))
    }

    fn look(&self) -> Result<Sight, NotReady> {
        match &self.0 {
            Scrape::NotReady => Err(NotReady("the first list is not complete".to_owned())),
            Scrape::Panic => panic!("look"),
            Scrape::Repeat(_) | Scrape::Break | Scrape::Wait(..) => Ok(Sight::default()),
        }
    }

    fn timelines(&self, _: &PodId) -> Vec<(String, Vec<Point>)> {
        Vec::new()
    }

    fn ready(&self) -> Result<Vec<String>, String> {
        match &self.0 {
            Scrape::NotReady => Err("the first list is not complete".to_owned()),
            Scrape::Repeat(_) | Scrape::Panic | Scrape::Break | Scrape::Wait(..) => Ok(Vec::new()),
        }
    }

    fn live(&self) -> Result<(), String> {
        match &self.0 {
            Scrape::Panic => Err("a task has ended".to_owned()),
            Scrape::Repeat(_) | Scrape::NotReady | Scrape::Break | Scrape::Wait(..) => Ok(()),
        }
    }
}

/// A server on loopback with a runtime of its own.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(scrape: Scrape) -> Self {
        Self::with_limits(scrape, Limits::default())
    }

    fn with_limits(scrape: Scrape, limits: Limits) -> Self {
        Self::with_config(scrape, Config { limits, ..Config::default() })
    }

    fn with_config(scrape: Scrape, config: Config) -> Self {
        Self::with_router(config, |config| router(Arc::new(Probe(scrape)), config))
    }

    fn with_router(config: Config, router: impl FnOnce(&Config) -> Router + Send + 'static) -> Self {
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

    /// Stops the server if need be and waits until it has ended.
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

    /// Sends a request on a connection of its own and returns what comes back until the server closes it.
    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::parse(&read_to_end(&mut stream))
    }

    fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of header");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self { status, head, body: bytes[end + 4..].to_vec() };
        // The answer to HEAD has none.
        if answer.header("transfer-encoding") == Some("chunked") && !answer.body.is_empty() {
            answer.body = unchunked(&answer.body).expect("the last chunk is missing");
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

/// Returns what the chunks hold, if the last one is there.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
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

/// Reads until the server closes, whether it does so in order or not.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("the server does not close")
        }
        _ => bytes,
    }
}
