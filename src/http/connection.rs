//! What one connection is doing: whether it is idle, and how fast its client reads responses.
//!
//! Shared by the task that serves the connection, the limit on connections and the responses that are written to it.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Limits;
use super::client_address::ClientAddress;

/// The state of one connection. Requests carry it as an extension.
pub(super) struct Connection {
    peer: Option<SocketAddr>,
    state: Mutex<State>,
    /// Tells the task of the connection that a deadline may have changed.
    changed: Notify,
    close: Notify,
    cut_off: Notify,
    /// Tells the limit on connections that this one has become idle.
    freed: Arc<Notify>,
}

struct State {
    /// Requests whose response is not yet sent.
    requests: usize,
    phase: Phase,
    since: Instant,
    /// The large responses that are being written.
    readings: Vec<Weak<Reading>>,
}

/// What a connection without a request is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The end of the first or of another request's header.
    Header,
    /// The begin of another request.
    Idle,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Once what it sends is sent: it was idle, or in the middle of a header, for too long, or others need the room.
    Close,
    /// At once: its client reads a response too slowly.
    CutOff,
}

impl Connection {
    pub(super) fn new(peer: Option<SocketAddr>, freed: Arc<Notify>) -> Self {
        let state = State { requests: 0, phase: Phase::Header, since: Instant::now(), readings: Vec::new() };
        Self {
            peer,
            state: Mutex::new(state),
            changed: Notify::new(),
            close: Notify::new(),
            cut_off: Notify::new(),
            freed,
        }
    }

    /// Returns the address of the client; `None` on a Unix socket.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns what clients are told apart by.
    pub(super) fn client(&self) -> ClientAddress {
        self.peer.map_or(ClientAddress::Unknown, |peer| peer.ip().into())
    }

    /// Returns since when there has been no request; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.requests == 0).then_some(state.since)
    }

    /// Asks the connection to end once what it sends is sent.
    pub(super) fn close(&self) {
        self.close.notify_one();
    }

    /// Ends the connection at once, whatever it sends.
    fn cut_off(&self) {
        self.cut_off.notify_one();
    }

    /// Ready when the connection is asked to end.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    /// Records that the connection is ready for its first request.
    pub(super) fn on_open(&self) {
        self.lock().since = Instant::now();
    }

    /// Records that bytes have come: where no request is under way, they begin one, whose header has a time limit.
    pub(super) fn on_read(&self) {
        let mut state = self.lock();
        if state.requests == 0 && state.phase == Phase::Idle {
            (state.phase, state.since) = (Phase::Header, Instant::now());
            self.changed.notify_one();
        }
    }

    /// Counts a request for as long as the guard is there.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.lock().requests += 1;
        self.changed.notify_one();
        InFlight(Arc::clone(self))
    }

    /// Ready when the connection is to end: it is asked to, or a time limit has passed.
    pub(super) async fn ends(&self, limits: &Limits) -> End {
        tokio::select! {
            () = self.cut_off.notified() => End::CutOff,
            () = self.closed() => End::Close,
            end = self.expires(limits) => end,
        }
    }

    async fn expires(&self, limits: &Limits) -> End {
        loop {
            let next = self.deadline(limits);
            let Some((deadline, end)) = next else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(deadline) => if self.deadline(limits) == next { return end },
                () = self.changed.notified() => {}
            }
        }
    }

    /// Returns the next time limit.
    fn deadline(&self, limits: &Limits) -> Option<(Instant, End)> {
        let mut state = self.lock();
        if state.requests == 0 {
            let limit = match state.phase {
                Phase::Header => limits.header,
                Phase::Idle => limits.idle,
            };
            return Some((state.since + limit, End::Close));
        }
        state.readings.retain(|reading| reading.strong_count() > 0);
        let readings = state.readings.iter().filter_map(Weak::upgrade);
        readings.filter_map(|reading| reading.deadline(limits)).min().map(|deadline| (deadline, End::CutOff))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose response is not yet sent.
pub(super) struct InFlight(Arc<Connection>);

impl InFlight {
    /// Keeps the request in flight until its response is sent.
    pub(super) fn until_sent(self, response: Response<Body>) -> Response<Body> {
        // The body owns the closure, and with it the guard, to its end.
        let keep = move |error| {
            let _in_flight = &self;
            error
        };
        response.map(|body| Body::new(body.map_err(keep)))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests = state.requests.saturating_sub(1);
        if state.requests == 0 {
            (state.phase, state.since) = (Phase::Idle, Instant::now());
            self.0.changed.notify_one();
            self.0.freed.notify_one();
        }
    }
}

/// How fast a client reads one response.
///
/// The client keeps the server waiting while a chunk is ready that the connection does not take, because the client has
/// not read what came before. A server that is slow to write is not held against the client.
pub(super) struct Reading {
    connection: Option<Arc<Connection>>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Chunks that the connection has not taken.
    ready: usize,
    /// Since when the connection has taken none, though one was ready.
    waiting_since: Option<Instant>,
    /// The time of all such waits before.
    waited: Duration,
}

impl Reading {
    /// Begins to watch a response on a connection. Without one, which is so in tests of the routes alone, nothing can be
    /// cut off.
    pub(super) fn begin(connection: Option<Arc<Connection>>) -> Arc<Self> {
        let reading = Arc::new(Self { connection, progress: Mutex::default() });
        if let Some(connection) = &reading.connection {
            connection.lock().readings.push(Arc::downgrade(&reading));
        }
        reading
    }

    /// Returns what clients are told apart by.
    pub(super) fn client(&self) -> ClientAddress {
        self.connection.as_ref().map_or(ClientAddress::Unknown, |connection| connection.client())
    }

    /// Records that a chunk is ready to be sent.
    pub(super) fn on_ready(&self) {
        let mut progress = self.lock();
        progress.ready += 1;
        if progress.waiting_since.is_none() {
            progress.waiting_since = Some(Instant::now());
            drop(progress);
            self.notify();
        }
    }

    /// Records that the connection has taken a chunk.
    pub(super) fn on_taken(&self) {
        let (mut progress, now) = (self.lock(), Instant::now());
        progress.ready = progress.ready.saturating_sub(1);
        let waiting = if progress.ready > 0 { Some(now) } else { None };
        if let Some(since) = std::mem::replace(&mut progress.waiting_since, waiting) {
            progress.waited += now - since;
        }
    }

    /// Returns for how long the connection has taken nothing, and for how long it has kept the server waiting altogether.
    pub(super) fn waits(&self, now: Instant) -> (Duration, Duration) {
        let progress = self.lock();
        let stalled = progress.waiting_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        (stalled, progress.waited + stalled)
    }

    /// Cuts the response off, and with it the connection.
    pub(super) fn cut_off(&self) {
        if let Some(connection) = &self.connection {
            connection.cut_off();
        }
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let progress = self.lock();
        let left = limits.stall.min(limits.response.saturating_sub(progress.waited));
        progress.waiting_since.map(|since| since + left)
    }

    fn notify(&self) {
        if let Some(connection) = &self.connection {
            connection.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
