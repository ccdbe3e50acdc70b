//! Watches the objects of one scope: sends the informer's requests and passes it the responses.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures::{Stream, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::client::{self, Connection};
use super::codec::{ApiStatus, Encoding, ListItems};
use super::error_chain::error_chain;
use super::event::InformerEvent;
use super::frames::{Frame, FrameReader};
use super::informer::{Elapsed, Informer, ResponseEnd};
use super::request::{RequestTarget, ResourceRequest};
use super::watched_object::WatchedObject;

/// Maximum size of a page, decompressed: ten times the usual size of the requested pages.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Maximum size of an error body.
const MAX_STATUS_BYTES: usize = 64 * 1024;
/// Interval at which a watcher wakes up while it waits for data, to detect that the process was stopped.
const WAKE_UP_INTERVAL: Duration = Duration::from_secs(5);
/// A wake-up that is later than this means that the process was stopped.
const STALL_THRESHOLD: Duration = Duration::from_secs(5);
/// Bytes decoded before other tasks run: a few milliseconds of work.
const YIELD_AFTER_BYTES: usize = 256 * 1024;
/// Maximum time for the body of an error. Without it, the error has no message.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns an endless stream of the events of `informer`, which watches `target`.
pub(super) fn events<O: WatchedObject>(
    connection: Connection,
    target: RequestTarget,
    informer: Informer<O>,
) -> impl Stream<Item = InformerEvent<O>> {
    // Boxed because it moves with each event.
    let watcher = Box::new(Watcher {
        connection,
        target,
        informer,
        started_at: Instant::now(),
        response: None,
        bytes_since_yield: 0,
        url: String::new(),
    });
    stream::unfold(watcher, |mut watcher| async move { Some((watcher.next().await, watcher)) })
}

/// Returns a seed that differs between processes.
pub(super) fn random_seed() -> u64 {
    RandomState::new().hash_one(0)
}

struct Watcher<O> {
    connection: Connection,
    /// URL of the last request, without its query.
    url: String,
    target: RequestTarget,
    informer: Informer<O>,
    started_at: Instant,
    response: Option<ResponseReader>,
    /// Bytes decoded since other tasks last ran.
    bytes_since_yield: usize,
}

/// A response that is being read.
struct ResponseReader {
    body: Body,
    encoding: Encoding,
    state: ReadState,
}

enum ReadState {
    Watch(FrameReader),
    /// A page that has not been received completely.
    Page(PageBuffer),
    /// The items of a complete page.
    Items(ListItems),
}

impl<O: WatchedObject> Watcher<O> {
    async fn next(&mut self) -> InformerEvent<O> {
        loop {
            match self.informer.poll_event() {
                Some(InformerEvent::WatchFailed(mut failure)) => {
                    failure.error = format!("{} at {}", failure.error, self.url);
                    self.connection.on_request_failed();
                    return InformerEvent::WatchFailed(failure);
                }
                Some(event) => return event,
                None => {}
            }
            self.response = match self.response.take() {
                // Boxed because it is large and rare and would enlarge every future that reads.
                None => Box::pin(self.send_next_request()).await,
                Some(reader) => self.read_response(reader).await,
            };
        }
    }

    fn now(&self) -> Elapsed {
        self.started_at.elapsed()
    }

    /// Sends the next request. Returns the response if it has a success status.
    async fn send_next_request(&mut self) -> Option<ResponseReader> {
        let (at, resource_request) = self.informer.next_request();
        sleep_until(self.started_at + at).await;
        let watch_seconds = self.informer.watch_timeout_seconds();
        let http_request = resource_request.to_http(&self.target, self.informer.capabilities(), watch_seconds);
        self.informer.on_request_sent(&resource_request, self.now());
        let response = match http_request {
            Ok(request) => {
                let deadline = self.started_at + self.informer.deadline().unwrap_or_default();
                self.send(request, deadline).await
            }
            Err(error) => Err(ResponseEnd::ConnectionError(error.to_string())),
        };
        match response.and_then(|response| start_reading(&resource_request, response)) {
            Ok(reader) => {
                self.informer.on_response_started(self.now());
                Some(reader)
            }
            Err(end) => {
                self.informer.on_response_end(end, self.now());
                None
            }
        }
    }

    async fn send(&mut self, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, ResponseEnd> {
        let current = timeout_at(deadline, self.connection.current()).await.map_err(|_| ResponseEnd::TimedOut)?;
        let current = current.map_err(|error| ResponseEnd::CredentialsError(error.to_string()))?;
        self.url = format!("{}{}", current.url, request.uri().path());
        let response = send(&current.client, request, deadline).await;
        if matches!(&response, Err(ResponseEnd::ErrorStatus(status)) if status.code == 401) {
            self.connection.on_unauthorized();
        }
        response
    }

    /// Reads the next part of the response. Returns the response unless it has ended.
    async fn read_response(&mut self, mut reader: ResponseReader) -> Option<ResponseReader> {
        // All tasks share one thread, and much data may already be buffered.
        if self.bytes_since_yield > YIELD_AFTER_BYTES {
            self.bytes_since_yield = 0;
            yield_now().await;
        }
        if let ReadState::Items(items) = reader.state {
            let items = self.read_item(items)?;
            return Some(ResponseReader { state: ReadState::Items(items), ..reader });
        }
        let (before, deadline) = (self.now(), self.informer.deadline()?);
        // `timeout_at` never fires while more data is ready.
        if before >= deadline && !self.informer.on_deadline(before) {
            self.informer.on_response_end(ResponseEnd::TimedOut, before);
            return None;
        }
        let wake_up = deadline.min(before + WAKE_UP_INTERVAL);
        let part = timeout_at(self.started_at + wake_up, reader.body.frame()).await;
        let now = self.now();
        if now.saturating_sub(before) > WAKE_UP_INTERVAL + STALL_THRESHOLD {
            self.informer.on_process_stalled(now);
        }
        let end = match part {
            Err(_) if now < deadline || self.informer.on_deadline(now) => return Some(reader),
            Err(_) => ResponseEnd::TimedOut,
            Ok(Some(Err(error))) => ResponseEnd::ConnectionError(error_chain(&error)),
            Ok(Some(Ok(part))) => {
                // Ignore trailers.
                let Ok(bytes) = part.into_data() else { return Some(reader) };
                match self.process_chunk(&mut reader, bytes, now) {
                    Ok(true) => return Some(reader),
                    Ok(false) => return None,
                    Err(end) => end,
                }
            }
            Ok(None) => match reader.state {
                ReadState::Watch(frames) if frames.is_at_frame_boundary() => ResponseEnd::Complete,
                ReadState::Watch(_) => {
                    ResponseEnd::ConnectionError("the connection ended in the middle of an event".to_owned())
                }
                ReadState::Page(buffer) => match buffer.into_items(reader.encoding) {
                    Ok(items) => return Some(ResponseReader { state: ReadState::Items(items), ..reader }),
                    Err(end) => end,
                },
                ReadState::Items(_) => return None,
            },
        };
        self.informer.on_response_end(end, now);
        None
    }

    /// Passes a part of the response to the informer. Returns whether the response may continue.
    fn process_chunk(&mut self, reader: &mut ResponseReader, bytes: Bytes, now: Elapsed) -> Result<bool, ResponseEnd> {
        let frames = match &mut reader.state {
            ReadState::Page(buffer) => {
                self.informer.on_page_bytes(now);
                return buffer.push(&bytes).map(|()| true);
            }
            ReadState::Watch(frames) => frames,
            ReadState::Items(_) => return Ok(true),
        };
        self.bytes_since_yield += bytes.len();
        frames.push(bytes);
        while let Some(frame) = frames.next_frame().map_err(|error| ResponseEnd::Undecodable(error.to_string()))? {
            let event = match frame {
                Frame::TooLarge { prefix, length } => reader.encoding.decode_oversized_event(&prefix, length),
                Frame::Complete(frame) => {
                    reader.encoding.decode_event(&frame).map_err(|error| ResponseEnd::Undecodable(error.to_string()))?
                }
            };
            if !self.informer.on_watch_event(event, now) {
                return Ok(false);
            }
        }
        self.informer.on_buffer_drained(!frames.is_at_frame_boundary(), now);
        Ok(true)
    }

    /// Decodes the next item of a page. Returns the remaining items, if any.
    fn read_item(&mut self, mut items: ListItems) -> Option<ListItems> {
        let before = items.remaining_bytes();
        let read = items.next_object();
        self.bytes_since_yield += before.saturating_sub(items.remaining_bytes());
        let end = match read {
            Ok(Some(object)) => {
                self.informer.on_list_item(object);
                return Some(items);
            }
            Ok(None) => items.into_page_metadata(),
            Err(error) => Err(error),
        };
        match end {
            Ok(page) => self.informer.on_page_end(page, self.now()),
            Err(error) => self.informer.on_response_end(ResponseEnd::Undecodable(error.to_string()), self.now()),
        }
        None
    }
}

/// Sends a request. Returns the response if its headers arrive before `deadline` with a success status.
async fn send(client: &Client, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, ResponseEnd> {
    let response = timeout_at(deadline, client.send(request)).await.map_err(|_| ResponseEnd::TimedOut)?;
    let response = response.map_err(|error| match client::credentials_error(&error) {
        Some(problem) => ResponseEnd::CredentialsError(problem),
        None => ResponseEnd::ConnectionError(error_chain(&error)),
    })?;
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(ResponseEnd::ErrorStatus(read_error_status(response).await))
    }
}

/// Prepares to read the body of a response with a success status.
fn start_reading(request: &ResourceRequest, response: Response<Body>) -> Result<ResponseReader, ResponseEnd> {
    let content_type = header_text(response.headers(), header::CONTENT_TYPE);
    let Some(encoding) = Encoding::from_content_type(content_type) else {
        return Err(ResponseEnd::Undecodable(format!("unsupported content type \"{content_type}\"")));
    };
    let content_encoding = header_text(response.headers(), header::CONTENT_ENCODING);
    let state = match (request, content_encoding) {
        (ResourceRequest::List { .. } | ResourceRequest::VersionCheck, "" | "identity") => {
            ReadState::Page(PageBuffer::Plain(BytesMut::new()))
        }
        (ResourceRequest::List { .. } | ResourceRequest::VersionCheck, "gzip") => {
            ReadState::Page(PageBuffer::Gzip(Box::new(GzDecoder::new(BoundedBuffer(BytesMut::new())))))
        }
        (ResourceRequest::WatchList | ResourceRequest::Watch { .. }, "" | "identity") => {
            ReadState::Watch(FrameReader::new(encoding.framing()))
        }
        (_, other) => return Err(ResponseEnd::Undecodable(format!("unsupported content encoding \"{other}\""))),
    };
    Ok(ResponseReader { body: response.into_body(), encoding, state })
}

/// Reads a response with an error status.
async fn read_error_status(response: Response<Body>) -> ApiStatus {
    let (head, body) = response.into_parts();
    let body = timeout(STATUS_TIMEOUT, Limited::new(body, MAX_STATUS_BYTES).collect()).await;
    let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut status = Encoding::decode_status(
        Encoding::from_content_type(header_text(&head.headers, header::CONTENT_TYPE)),
        head.status.as_u16(),
        &body,
    );
    let seconds = header_text(&head.headers, header::RETRY_AFTER).parse().ok().map(Duration::from_secs);
    status.retry_after = seconds.or(status.retry_after);
    if status.message.is_empty() {
        head.status.canonical_reason().unwrap_or("no reason given").clone_into(&mut status.message);
    }
    status
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The received parts of a page, decompressed.
enum PageBuffer {
    Plain(BytesMut),
    Gzip(Box<GzDecoder<BoundedBuffer>>),
}

/// A buffer of at most [`MAX_PAGE_BYTES`], which protects against decompression bombs.
struct BoundedBuffer(BytesMut);

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > MAX_PAGE_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl PageBuffer {
    fn push(&mut self, bytes: &[u8]) -> Result<(), ResponseEnd> {
        match self {
            Self::Plain(page) if page.len().saturating_add(bytes.len()) > MAX_PAGE_BYTES => {
                Err(ResponseEnd::PageTooLarge)
            }
            Self::Plain(page) => {
                page.extend_from_slice(bytes);
                Ok(())
            }
            Self::Gzip(decoder) => decoder.write_all(bytes).map_err(|error| decompression_error(&error)),
        }
    }

    fn into_items(self, encoding: Encoding) -> Result<ListItems, ResponseEnd> {
        let body = match self {
            Self::Plain(page) => page.freeze(),
            Self::Gzip(decoder) => decoder.finish().map_err(|error| decompression_error(&error))?.0.freeze(),
        };
        encoding.decode_list(body).map_err(|error| ResponseEnd::Undecodable(error.to_string()))
    }
}

fn decompression_error(error: &std::io::Error) -> ResponseEnd {
    match error.kind() {
        std::io::ErrorKind::FileTooLarge => ResponseEnd::PageTooLarge,
        _ => ResponseEnd::Undecodable(format!("cannot decompress the response: {error}")),
    }
}
