//! Scrapes and measures the duration.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A persistent connection for consecutive scrapes, as Prometheus uses.
pub struct Scraper {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Scraper {
    pub fn new(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream: BufReader::with_capacity(256 * 1024, stream), body: Vec::new() })
    }

    /// Returns the status of a response and stores its body.
    pub fn get(&mut self, path: &str, headers: &str) -> Result<u16> {
        self.body.clear();
        write!(self.stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")?;
        let status =
            self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a response has a status")?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse()?,
                Some(("transfer-encoding", value)) => is_chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        if !is_chunked {
            self.take(length)?;
            return Ok(status);
        }
        loop {
            let size = usize::from_str_radix(self.line()?.trim(), 16)?;
            self.take(size)?;
            self.line()?;
            if size == 0 {
                return Ok(status);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection ended");
        }
        Ok(line.trim_end().to_owned())
    }

    fn take(&mut self, length: usize) -> Result<()> {
        let read = self.stream.by_ref().take(length as u64).read_to_end(&mut self.body)?;
        if read < length {
            bail!("a body ended after {read} of {length} bytes");
        }
        Ok(())
    }

    /// Scrapes, and returns the duration and the size in bytes.
    pub fn scrape(&mut self, headers: &str) -> Result<(Duration, usize)> {
        let began = Instant::now();
        let status = self.get("/metrics", headers)?;
        if status != 200 {
            bail!("a scrape returned {status}");
        }
        Ok((began.elapsed(), self.body.len()))
    }

    /// Returns the sum of the samples of a metric in text format.
    pub fn sum(&mut self, family: &str) -> Result<f64> {
        self.scrape("")?;
        let text = String::from_utf8_lossy(&self.body);
        let samples =
            text.lines().filter(|line| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

/// Returns a percentile of the values.
pub fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or_default()
}
