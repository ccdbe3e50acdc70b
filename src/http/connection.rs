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

use super::ServerLimits;
use super::client_address::ClientAddress;

/// The state of one connection. Requests carry it as an extension.
pub(super) struct Connection {
    peer: Option<SocketAddr>,
    state: Mutex<ConnectionState>,
    /// Tells the task of the connection that a deadline may have changed.
    deadline_changed: Notify,
    close: Notify,
    abort: Notify,
    /// Tells the limit on connections that this one has become idle.
    became_idle: Arc<Notify>,
}

struct ConnectionState {
    /// Requests whose response is not yet sent.
    in_flight: usize,
    phase: Phase,
    since: Instant,
    /// The large responses that are being written.
    responses: Vec<Weak<ResponseProgress>>,
}

/// What a connection without a request is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The end of the first or of another request's header.
    AwaitingHeader,
    /// The begin of another request.
    Idle,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CloseMode {
    /// Once what it sends is sent: it was idle, or in the middle of a header, for too long, or others need the room.
    Graceful,
    /// At once: its client reads a response too slowly.
    Abort,
}

impl Connection {
    pub(super) fn new(peer: Option<SocketAddr>, freed: Arc<Notify>) -> Self {
        let state = ConnectionState {
            in_flight: 0,
            phase: Phase::AwaitingHeader,
            since: Instant::now(),
            responses: Vec::new(),
        };
        Self {
            peer,
            state: Mutex::new(state),
            deadline_changed: Notify::new(),
            close: Notify::new(),
            abort: Notify::new(),
            became_idle: freed,
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
        (state.in_flight == 0).then_some(state.since)
    }

    /// Asks the connection to end once what it sends is sent.
    pub(super) fn request_close(&self) {
        self.close.notify_one();
    }

    /// Ends the connection at once, whatever it sends.
    fn abort(&self) {
        self.abort.notify_one();
    }

    /// Ready when the connection is asked to end.
    pub(super) async fn close_requested(&self) {
        self.close.notified().await;
    }

    /// Records that the connection is ready for its first request.
    pub(super) fn on_open(&self) {
        self.lock().since = Instant::now();
    }

    /// Records that bytes have come: where no request is under way, they begin one, whose header has a time limit.
    pub(super) fn on_read(&self) {
        let mut state = self.lock();
        if state.in_flight == 0 && state.phase == Phase::Idle {
            (state.phase, state.since) = (Phase::AwaitingHeader, Instant::now());
            self.deadline_changed.notify_one();
        }
    }

    /// Counts a request for as long as the guard is there.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.lock().in_flight += 1;
        self.deadline_changed.notify_one();
        InFlight(Arc::clone(self))
    }

    /// Ready when the connection is to end: it is asked to, or a time limit has passed.
    pub(super) async fn until_close(&self, limits: &ServerLimits) -> CloseMode {
        tokio::select! {
            () = self.abort.notified() => CloseMode::Abort,
            () = self.close_requested() => CloseMode::Graceful,
            end = self.until_timeout(limits) => end,
        }
    }

    async fn until_timeout(&self, limits: &ServerLimits) -> CloseMode {
        loop {
            let next = self.deadline(limits);
            let Some((deadline, end)) = next else {
                self.deadline_changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(deadline) => if self.deadline(limits) == next { return end },
                () = self.deadline_changed.notified() => {}
            }
        }
    }

    /// Returns the next time limit.
    fn deadline(&self, limits: &ServerLimits) -> Option<(Instant, CloseMode)> {
        let mut state = self.lock();
        if state.in_flight == 0 {
            let limit = match state.phase {
                Phase::AwaitingHeader => limits.header_timeout,
                Phase::Idle => limits.idle_timeout,
            };
            return Some((state.since + limit, CloseMode::Graceful));
        }
        state.responses.retain(|reading| reading.strong_count() > 0);
        let readings = state.responses.iter().filter_map(Weak::upgrade);
        readings.filter_map(|reading| reading.deadline(limits)).min().map(|deadline| (deadline, CloseMode::Abort))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
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
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.in_flight == 0 {
            (state.phase, state.since) = (Phase::Idle, Instant::now());
            self.0.deadline_changed.notify_one();
            self.0.became_idle.notify_one();
        }
    }
}

/// How fast a client reads one response.
///
/// The client keeps the server waiting while a chunk is ready that the connection does not take, because the client has
/// not read what came before. A server that is slow to write is not held against the client.
pub(super) struct ResponseProgress {
    connection: Option<Arc<Connection>>,
    progress: Mutex<ProgressState>,
}

#[derive(Default)]
struct ProgressState {
    /// Chunks that the connection has not taken.
    pending_chunks: usize,
    /// Since when the connection has taken none, though one was ready.
    stalled_since: Option<Instant>,
    /// The time of all such waits before.
    total_stall: Duration,
}

impl ResponseProgress {
    /// Begins to watch a response on a connection. Without one, which is so in tests of the routes alone, nothing can be
    /// cut off.
    pub(super) fn start(connection: Option<Arc<Connection>>) -> Arc<Self> {
        let reading = Arc::new(Self { connection, progress: Mutex::default() });
        if let Some(connection) = &reading.connection {
            connection.lock().responses.push(Arc::downgrade(&reading));
        }
        reading
    }

    /// Returns what clients are told apart by.
    pub(super) fn client(&self) -> ClientAddress {
        self.connection.as_ref().map_or(ClientAddress::Unknown, |connection| connection.client())
    }

    /// Records that a chunk is ready to be sent.
    pub(super) fn on_chunk_ready(&self) {
        let mut progress = self.lock();
        progress.pending_chunks += 1;
        if progress.stalled_since.is_none() {
            progress.stalled_since = Some(Instant::now());
            drop(progress);
            self.notify();
        }
    }

    /// Records that the connection has taken a chunk.
    pub(super) fn on_chunk_sent(&self) {
        let (mut progress, now) = (self.lock(), Instant::now());
        progress.pending_chunks = progress.pending_chunks.saturating_sub(1);
        let waiting = if progress.pending_chunks > 0 { Some(now) } else { None };
        if let Some(since) = std::mem::replace(&mut progress.stalled_since, waiting) {
            progress.total_stall += now - since;
        }
    }

    /// Returns for how long the connection has taken nothing, and for how long it has kept the server waiting altogether.
    pub(super) fn stall_durations(&self, now: Instant) -> (Duration, Duration) {
        let progress = self.lock();
        let stalled = progress.stalled_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        (stalled, progress.total_stall + stalled)
    }

    /// Cuts the response off, and with it the connection.
    pub(super) fn abort(&self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }

    fn deadline(&self, limits: &ServerLimits) -> Option<Instant> {
        let progress = self.lock();
        let left = limits.stall_timeout.min(limits.total_stall_timeout.saturating_sub(progress.total_stall));
        progress.stalled_since.map(|since| since + left)
    }

    fn notify(&self) {
        if let Some(connection) = &self.connection {
            connection.deadline_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
