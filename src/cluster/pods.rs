//! Watches the pods of one scope: sends what the informer wants to know, and reads the answers to it.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures::{Stream, StreamExt, future, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::client::{self, Connection};
use super::codec::{ApiStatus, Encoding, Items};
use super::frames::{Frame, Frames};
use super::informer::{End, Informer, Moment};
use super::request::{Ask, Target};
use super::selection::{Selection, Shard};
use super::{PodEvent, error_chain};
use image_pull_model::facts::Scope;

/// The most bytes of a page, unpacked: with the pages asked for, ten times what comes.
const MAX_PAGE: usize = 64 * 1024 * 1024;
/// The most bytes of an error.
const MAX_STATUS: usize = 64 * 1024;
/// A driver that waits for an answer wakes up this often, whether or not anything comes.
const WAKE_UP: Duration = Duration::from_secs(5);
/// One that wakes up later than this was not running.
const STALL: Duration = Duration::from_secs(5);
/// Bytes that are decoded before other tasks have their turn: a few milliseconds' work.
const YIELD_AFTER: usize = 256 * 1024;
/// An error that takes longer to come is told without its text.
const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// What to watch.
#[derive(Clone)]
pub struct Source {
    /// The way to the cluster.
    pub connection: Connection,
    /// What of it.
    pub scope: Scope,
    /// Which pods of it.
    pub selection: Selection,
    /// Whether the API server may compress lists, which saves bytes and costs time on both sides.
    pub compress_lists: bool,
}

/// Everything that happens to the pods of `source`, for as long as somebody asks. It begins with all there are.
pub fn watch(source: Source) -> impl Stream<Item = PodEvent> {
    watch_seeded(source, seed())
}

/// The same, with pauses drawn from `seed`, so that a test can be played again.
pub fn watch_seeded(source: Source, seed: u64) -> impl Stream<Item = PodEvent> {
    events(source, Informer::new(seed))
}

/// The same, by means of the verb `list` alone until everything is listed once: for one look, which needs no other right.
pub fn list(source: Source) -> impl Stream<Item = PodEvent> {
    events(source, Informer::listing(seed()))
}

/// No two processes pause alike.
fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

fn events(source: Source, informer: Informer) -> impl Stream<Item = PodEvent> {
    let Source { connection, scope, selection, compress_lists } = source;
    let (field_selector, label_selector) = (selection.field_selector(), selection.labels.clone());
    let informer = if selection.shard.is_some() { informer.of_shard() } else { informer };
    let shard_selector = selection.shard.map(Shard::selector).unwrap_or_default();
    let target = Target { scope, field_selector, label_selector, shard_selector, compress_lists };
    // It is moved for each event.
    let (began, url) = (Instant::now(), String::new());
    let driver = Box::new(Driver { connection, target, informer, began, answer: None, unyielded: 0, url });
    let events = stream::unfold(driver, |mut driver| async move { Some((driver.next().await, driver)) });
    events.filter_map(move |event| future::ready(selection.of_shard(event)))
}

struct Driver {
    connection: Connection,
    /// What was asked for last, without its query.
    url: String,
    target: Target,
    informer: Informer,
    began: Instant,
    answer: Option<Answer>,
    /// Bytes decoded since other tasks had their turn.
    unyielded: usize,
}

/// An answer that is being read.
struct Answer {
    body: Body,
    encoding: Encoding,
    reading: Reading,
}

enum Reading {
    Watch(Frames),
    /// A page that is not complete yet.
    Page(Collected),
    /// The items of a complete page.
    Items(Items),
}

impl Driver {
    async fn next(&mut self) -> PodEvent {
        loop {
            match self.informer.event() {
                Some(PodEvent::WatchFailed(mut failure)) => {
                    failure.error = format!("{} at {}", failure.error, self.url);
                    self.connection.doubt();
                    return PodEvent::WatchFailed(failure);
                }
                Some(event) => return event,
                None => {}
            }
            self.answer = match self.answer.take() {
                // Large, rare, and else a part of every future that reads.
                None => Box::pin(self.ask()).await,
                Some(answer) => self.read(answer).await,
            };
        }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// Sends the next request and returns its answer, if it is one to read.
    async fn ask(&mut self) -> Option<Answer> {
        let (at, ask) = self.informer.next();
        sleep_until(self.began + at).await;
        let watch_seconds = self.informer.watch_seconds();
        let request = ask.request(&self.target, self.informer.words(), watch_seconds);
        self.informer.asked(&ask, self.now());
        let answered = match request {
            Ok(request) => {
                let deadline = self.began + self.informer.deadline().unwrap_or_default();
                self.send(request, deadline).await
            }
            Err(error) => Err(End::Broken(error.to_string())),
        };
        match answered.and_then(|response| answer(&ask, response)) {
            Ok(answer) => {
                self.informer.answered(self.now());
                Some(answer)
            }
            Err(end) => {
                self.informer.ended(end, self.now());
                None
            }
        }
    }

    async fn send(&mut self, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, End> {
        let current = timeout_at(deadline, self.connection.current()).await.map_err(|_| End::Late)?;
        let current = current.map_err(|error| End::NoCredentials(error.to_string()))?;
        self.url = format!("{}{}", current.url, request.uri().path());
        let response = send(&current.client, request, deadline).await;
        if matches!(&response, Err(End::Refused(status)) if status.code == 401) {
            self.connection.reject();
        }
        response
    }

    /// Reads on, and returns the answer if more of it may come.
    async fn read(&mut self, mut answer: Answer) -> Option<Answer> {
        // Other tasks wait for the thread, and more may be here already than is read in a moment.
        if self.unyielded > YIELD_AFTER {
            self.unyielded = 0;
            yield_now().await;
        }
        if let Reading::Items(items) = answer.reading {
            let items = self.read_item(items)?;
            return Some(Answer { reading: Reading::Items(items), ..answer });
        }
        let (before, deadline) = (self.now(), self.informer.deadline()?);
        // A timeout does not fire while there is always more to read.
        if before >= deadline && !self.informer.is_patient(before) {
            self.informer.ended(End::Late, before);
            return None;
        }
        let wake_up = deadline.min(before + WAKE_UP);
        let part = timeout_at(self.began + wake_up, answer.body.frame()).await;
        let now = self.now();
        if now.saturating_sub(before) > WAKE_UP + STALL {
            self.informer.stalled(now);
        }
        let end = match part {
            Err(_) if now < deadline || self.informer.is_patient(now) => return Some(answer),
            Err(_) => End::Late,
            Ok(Some(Err(error))) => End::Broken(error_chain(&error)),
            Ok(Some(Ok(part))) => {
                // Trailers say nothing.
                let Ok(bytes) = part.into_data() else { return Some(answer) };
                match self.take(&mut answer, bytes, now) {
                    Ok(true) => return Some(answer),
                    Ok(false) => return None,
                    Err(end) => end,
                }
            }
            Ok(None) => match answer.reading {
                Reading::Watch(frames) if frames.is_between() => End::Complete,
                Reading::Watch(_) => End::Broken("the connection ended in the middle of an event".to_owned()),
                Reading::Page(collected) => match collected.items(answer.encoding) {
                    Ok(items) => return Some(Answer { reading: Reading::Items(items), ..answer }),
                    Err(end) => end,
                },
                Reading::Items(_) => return None,
            },
        };
        self.informer.ended(end, now);
        None
    }

    /// Takes a part of an answer. Returns whether more may come.
    fn take(&mut self, answer: &mut Answer, bytes: Bytes, now: Moment) -> Result<bool, End> {
        let frames = match &mut answer.reading {
            Reading::Page(collected) => {
                self.informer.received(now);
                return collected.push(&bytes).map(|()| true);
            }
            Reading::Watch(frames) => frames,
            Reading::Items(_) => return Ok(true),
        };
        self.unyielded += bytes.len();
        frames.push(bytes);
        while let Some(frame) = frames.next_frame().map_err(|error| End::Garbled(error.to_string()))? {
            let word = match frame {
                Frame::TooLarge { beginning, length } => answer.encoding.too_large(&beginning, length),
                Frame::Whole(frame) => answer.encoding.word(&frame).map_err(|error| End::Garbled(error.to_string()))?,
            };
            if !self.informer.heard(word, now) {
                return Ok(false);
            }
        }
        self.informer.is_left_with(!frames.is_between(), now);
        Ok(true)
    }

    /// Takes the next item of a page, and returns the others if there are any.
    fn read_item(&mut self, mut items: Items) -> Option<Items> {
        let before = items.remaining();
        let read = items.next_pod();
        self.unyielded += before.saturating_sub(items.remaining());
        let end = match read {
            Ok(Some(pod)) => {
                self.informer.listed(pod);
                return Some(items);
            }
            Ok(None) => items.page(),
            Err(error) => Err(error),
        };
        match end {
            Ok(page) => self.informer.paged(page, self.now()),
            Err(error) => self.informer.ended(End::Garbled(error.to_string()), self.now()),
        }
        None
    }
}

/// Sends a request and returns the response to it, if it says yes before `deadline`.
async fn send(client: &Client, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, End> {
    let response = timeout_at(deadline, client.send(request)).await.map_err(|_| End::Late)?;
    let response = response.map_err(|error| match client::problem(&error) {
        Some(problem) => End::NoCredentials(problem),
        None => End::Broken(error_chain(&error)),
    })?;
    if response.status().is_success() { Ok(response) } else { Err(End::Refused(refusal(response).await)) }
}

/// Makes an answer of a response that says yes.
fn answer(ask: &Ask, response: Response<Body>) -> Result<Answer, End> {
    let content_type = text(response.headers(), header::CONTENT_TYPE);
    let Some(encoding) = Encoding::from_content_type(content_type) else {
        return Err(End::Garbled(format!("the answer is of type \"{content_type}\"")));
    };
    let content_encoding = text(response.headers(), header::CONTENT_ENCODING);
    let reading = match (ask, content_encoding) {
        (Ask::List { .. } | Ask::Check, "" | "identity") => Reading::Page(Collected::Plain(BytesMut::new())),
        (Ask::List { .. } | Ask::Check, "gzip") => {
            Reading::Page(Collected::Gzip(Box::new(GzDecoder::new(Page(BytesMut::new())))))
        }
        (Ask::WatchList | Ask::Watch { .. }, "" | "identity") => Reading::Watch(Frames::new(encoding.framing())),
        (_, other) => return Err(End::Garbled(format!("the answer is compressed as \"{other}\""))),
    };
    Ok(Answer { body: response.into_body(), encoding, reading })
}

/// Reads an answer that says no.
async fn refusal(response: Response<Body>) -> ApiStatus {
    let (head, body) = response.into_parts();
    let body = timeout(STATUS_LIMIT, Limited::new(body, MAX_STATUS).collect()).await;
    let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut status = Encoding::status(
        Encoding::from_content_type(text(&head.headers, header::CONTENT_TYPE)),
        head.status.as_u16(),
        &body,
    );
    let seconds = text(&head.headers, header::RETRY_AFTER).parse().ok().map(Duration::from_secs);
    status.retry_after = seconds.or(status.retry_after);
    if status.message.is_empty() {
        head.status.canonical_reason().unwrap_or("no reason given").clone_into(&mut status.message);
    }
    status
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The parts of a page, unpacked.
enum Collected {
    Plain(BytesMut),
    Gzip(Box<GzDecoder<Page>>),
}

/// What a page is unpacked into: never more than [`MAX_PAGE`], whatever a few bytes claim to be.
struct Page(BytesMut);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > MAX_PAGE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Collected {
    fn push(&mut self, bytes: &[u8]) -> Result<(), End> {
        match self {
            Self::Plain(page) if page.len().saturating_add(bytes.len()) > MAX_PAGE => Err(End::TooLarge),
            Self::Plain(page) => {
                page.extend_from_slice(bytes);
                Ok(())
            }
            Self::Gzip(decoder) => decoder.write_all(bytes).map_err(|error| unpacking(&error)),
        }
    }

    fn items(self, encoding: Encoding) -> Result<Items, End> {
        let body = match self {
            Self::Plain(page) => page.freeze(),
            Self::Gzip(decoder) => decoder.finish().map_err(|error| unpacking(&error))?.0.freeze(),
        };
        encoding.items(body).map_err(|error| End::Garbled(error.to_string()))
    }
}

fn unpacking(error: &std::io::Error) -> End {
    match error.kind() {
        std::io::ErrorKind::FileTooLarge => End::TooLarge,
        _ => End::Garbled(format!("the answer cannot be unpacked: {error}")),
    }
}
