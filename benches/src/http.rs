//! A minimal HTTP/1.1 parser for the simulated API server.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A GET request.
pub struct Request {
    pub path: String,
    query: String,
    pub accept: String,
}

impl Request {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.parameter(name)?.parse().ok()
    }
}

/// Reads the head of a request. Returns `None` if the connection closes first. Excess bytes remain in `rest`.
pub async fn read_request(reading: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = rest.windows(4).position(|here| here == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest.drain(..end + 4);
            return Ok(Some(parse(&head)));
        }
        if reading.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(head: &str) -> Request {
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let accept = lines.find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("accept")));
    let accept = accept.map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
    // Clients may leave slashes unescaped.
    Request { path: path.trim_end_matches('/').to_owned(), query: query.to_owned(), accept }
}

pub async fn respond(out: &mut (impl AsyncWrite + Unpin), code: u16, media_type: &str, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 {code} x\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    out.write_all(head.as_bytes()).await?;
    out.write_all(body).await
}

pub async fn begin_chunked(out: &mut (impl AsyncWrite + Unpin), media_type: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    out.write_all(head.as_bytes()).await
}

pub async fn chunk(out: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    out.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    out.write_all(bytes).await?;
    out.write_all(b"\r\n").await
}

pub async fn end_chunked(out: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    out.write_all(b"0\r\n\r\n").await
}
