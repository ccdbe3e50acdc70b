//! A minimal HTTP client that reports the way a body ended.

use std::io;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time,
};

use super::{super::ApiServer, MAX_WAIT};

pub(super) struct ClientResponse {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) bytes: Vec<u8>,
    pub(super) body: Value,
}

/// The way a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    Broken,
    Reset,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionReset { Self::Reset } else { Self::Broken }
    }
}

pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    headers: String,
    /// Received bytes of the body that were not read yet.
    pub(super) text: Vec<u8>,
}

/// Returns a complete response; the body is null if it is not JSON.
pub(super) async fn get(server: &ApiServer, path: &str) -> ClientResponse {
    get_with(server, path, "").await
}

/// Returns the complete response to a request with these headers, each with its line break.
pub(super) async fn get_with(server: &ApiServer, path: &str, headers: &str) -> ClientResponse {
    let mut connection = Connection::send_with(server, path, headers).await;
    let status = connection.head().await.expect("no answer");
    if let Some(length) = connection.header("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        connection.stream.read_exact(&mut body).await.unwrap();
        connection.text = body;
    } else {
        while connection.chunk().await.is_ok() {}
    }
    let body = serde_json::from_slice(&connection.text).unwrap_or_default();
    ClientResponse { status, headers: connection.headers, bytes: connection.text, body }
}

impl Connection {
    /// Sends a request and reads nothing.
    pub(super) async fn send(server: &ApiServer, path: &str) -> Self {
        Self::send_with(server, path, "").await
    }

    /// Sends a request with these headers, each with its end of line, and reads nothing.
    pub(super) async fn send_with(server: &ApiServer, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream: BufReader::new(stream), headers: String::new(), text: Vec::new() }
    }

    /// Opens a watch that must be accepted.
    pub(super) async fn open(server: &ApiServer, path: &str) -> Self {
        let mut connection = Self::send(server, path).await;
        assert_eq!(connection.head().await, Some(200));
        connection
    }

    /// Reads status and headers; `None` if the connection ends instead.
    pub(super) async fn head(&mut self) -> Option<u16> {
        time::timeout(MAX_WAIT, async {
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return None;
                }
                if line == "\r\n" {
                    return self.headers.split_whitespace().nth(1)?.parse().ok();
                }
                self.headers.push_str(&line.to_lowercase());
            }
        })
        .await
        .expect("no head in time")
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(|value| value.trim().to_owned()))
    }

    /// Reads one piece of a chunked body.
    async fn chunk(&mut self) -> Result<(), End> {
        let mut size = String::new();
        if self.stream.read_line(&mut size).await? == 0 {
            return Err(End::Broken);
        }
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| End::Broken)?;
        let mut piece = vec![0; size + 2];
        self.stream.read_exact(&mut piece).await?;
        self.text.extend_from_slice(&piece[..size]);
        if size == 0 { Err(End::Clean) } else { Ok(()) }
    }

    /// Reads to the end of a chunked body.
    pub(super) async fn end(&mut self) -> End {
        let end = async {
            loop {
                if let Err(end) = self.chunk().await {
                    return end;
                }
            }
        };
        time::timeout(MAX_WAIT, end).await.expect("no end in time")
    }

    /// Reads the next line of a watch.
    pub(super) async fn line(&mut self) -> Result<String, End> {
        time::timeout(MAX_WAIT, async {
            loop {
                if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.text.drain(..=end).collect();
                    return Ok(String::from_utf8(line).unwrap());
                }
                self.chunk().await?;
            }
        })
        .await
        .expect("no line in time")
    }

    /// Reads the next frame of a watch in protobuf, without its length.
    pub(super) async fn frame(&mut self) -> Result<Vec<u8>, End> {
        time::timeout(MAX_WAIT, async {
            loop {
                let length = self.text.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
                if let Some(length) = length.filter(|length| self.text.len() >= length + 4) {
                    return Ok(self.text.drain(..length + 4).skip(4).collect());
                }
                self.chunk().await?;
            }
        })
        .await
        .expect("no frame in time")
    }

    /// Reads the next event of a watch.
    pub(super) async fn event(&mut self) -> Result<Value, End> {
        self.line().await.map(|line| serde_json::from_str(&line).unwrap())
    }
}
