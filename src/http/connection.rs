//! The state of a connection: requests in flight, idle time and the progress of its responses.
//!
//! hyper has one timer for headers and idle connections, and none for slow readers. The timeouts are therefore kept here.
//! The state is shared by the task of the connection, the connection limit and the responses.

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

use super::client_address::ClientAddress;
use super::limits::ServerLimits;

/// The state of a connection. Requests carry it as an extension.
pub(super) struct Connection {
    peer: Option<SocketAddr>,
    state: Mutex<ConnectionState>,
    /// Notified when a deadline may have changed.
    deadline_changed: Notify,
    close: Notify,
    abort: Notify,
    /// Notified when the connection becomes idle. Shared by all connections.
    became_idle: Arc<Notify>,
}

struct ConnectionState {
    /// Number of requests whose response has not been sent.
    in_flight: usize,
    phase: Phase,
    since: Instant,
    /// Large responses in progress.
    responses: Vec<Weak<ResponseProgress>>,
}

/// The phase of a connection without a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the end of a request header.
    AwaitingHeader,
    /// Waiting for the first byte of another request.
    Idle,
}

/// How to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CloseMode {
    /// After pending data is sent: the connection timed out, or another one needs its place.
    Graceful,
    /// At once: the client reads a response too slowly.
    Abort,
}

impl Connection {
    pub(super) fn new(peer: Option<SocketAddr>, became_idle: Arc<Notify>) -> Self {
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
            became_idle,
        }
    }

    /// Returns the address of the client. `None` for a Unix socket.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the address that identifies the client.
    pub(super) fn client(&self) -> ClientAddress {
        self.peer.map_or(ClientAddress::Unknown, |peer| peer.ip().into())
    }

    /// Returns the start of the idle time. `None` while a request is in flight.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.in_flight == 0).then_some(state.since)
    }

    /// Closes the connection after pending data is sent.
    pub(super) fn request_close(&self) {
        self.close.notify_one();
    }

    /// Closes the connection at once.
    fn abort(&self) {
        self.abort.notify_one();
    }

    /// Completes when [`Self::request_close`] is called.
    pub(super) async fn close_requested(&self) {
        self.close.notified().await;
    }

    /// Records that the connection is ready for its first request.
    pub(super) fn on_open(&self) {
        self.lock().since = Instant::now();
    }

    /// Records received bytes. On an idle connection, they start a request and its header timeout.
    pub(super) fn on_read(&self) {
        let mut state = self.lock();
        if state.in_flight == 0 && state.phase == Phase::Idle {
            (state.phase, state.since) = (Phase::AwaitingHeader, Instant::now());
            self.deadline_changed.notify_one();
        }
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.lock().in_flight += 1;
        self.deadline_changed.notify_one();
        InFlight(Arc::clone(self))
    }

    /// Completes when the connection must be closed: on request or after a timeout.
    pub(super) async fn until_close(&self, limits: &ServerLimits) -> CloseMode {
        tokio::select! {
            () = self.abort.notified() => CloseMode::Abort,
            () = self.close_requested() => CloseMode::Graceful,
            mode = self.until_timeout(limits) => mode,
        }
    }

    async fn until_timeout(&self, limits: &ServerLimits) -> CloseMode {
        loop {
            let next = self.next_deadline(limits);
            let Some((deadline, mode)) = next else {
                self.deadline_changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(deadline) => if self.next_deadline(limits) == next { return mode },
                () = self.deadline_changed.notified() => {}
            }
        }
    }

    /// Returns the time of the next timeout.
    fn next_deadline(&self, limits: &ServerLimits) -> Option<(Instant, CloseMode)> {
        let mut state = self.lock();
        if state.in_flight == 0 {
            let timeout = match state.phase {
                Phase::AwaitingHeader => limits.header_timeout,
                Phase::Idle => limits.idle_timeout,
            };
            return Some((state.since + timeout, CloseMode::Graceful));
        }
        state.responses.retain(|progress| progress.strong_count() > 0);
        let responses = state.responses.iter().filter_map(Weak::upgrade);
        responses.filter_map(|progress| progress.deadline(limits)).min().map(|deadline| (deadline, CloseMode::Abort))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose response has not been sent.
pub(super) struct InFlight(Arc<Connection>);

impl InFlight {
    /// Keeps the request in flight until its response is sent.
    pub(super) fn until_sent(self, response: Response<Body>) -> Response<Body> {
        // The closure holds the guard until the body is dropped.
        let hold_guard = move |error| {
            let _in_flight = &self;
            error
        };
        response.map(|body| Body::new(body.map_err(hold_guard)))
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

/// The progress of one response, which shows how fast its client reads.
///
/// A client stalls a response while a chunk is ready and the connection does not accept it, because the client has not read
/// earlier ones. Time in which the server writes the response does not count.
pub(super) struct ResponseProgress {
    connection: Option<Arc<Connection>>,
    state: Mutex<ProgressState>,
}

#[derive(Default)]
struct ProgressState {
    /// Number of chunks that the connection has not accepted.
    pending_chunks: usize,
    /// Start of the current stall.
    stalled_since: Option<Instant>,
    /// Total duration of earlier stalls.
    total_stall: Duration,
}

impl ResponseProgress {
    /// Starts to track a response. Without a connection, as in tests of the router, it is never aborted.
    pub(super) fn start(connection: Option<Arc<Connection>>) -> Arc<Self> {
        let progress = Arc::new(Self { connection, state: Mutex::default() });
        if let Some(connection) = &progress.connection {
            connection.lock().responses.push(Arc::downgrade(&progress));
        }
        progress
    }

    /// Returns the address that identifies the client.
    pub(super) fn client(&self) -> ClientAddress {
        self.connection.as_ref().map_or(ClientAddress::Unknown, |connection| connection.client())
    }

    /// Records that a chunk is ready to be sent.
    pub(super) fn on_chunk_ready(&self) {
        let mut state = self.lock();
        state.pending_chunks += 1;
        if state.stalled_since.is_none() {
            state.stalled_since = Some(Instant::now());
            drop(state);
            if let Some(connection) = &self.connection {
                connection.deadline_changed.notify_one();
            }
        }
    }

    /// Records that the connection has accepted a chunk.
    pub(super) fn on_chunk_sent(&self) {
        let (mut state, now) = (self.lock(), Instant::now());
        state.pending_chunks = state.pending_chunks.saturating_sub(1);
        let stalled_since = (state.pending_chunks > 0).then_some(now);
        if let Some(since) = std::mem::replace(&mut state.stalled_since, stalled_since) {
            state.total_stall += now - since;
        }
    }

    /// Returns the duration of the current stall, and the total duration of all stalls.
    pub(super) fn stall_durations(&self, now: Instant) -> (Duration, Duration) {
        let state = self.lock();
        let stall = state.stalled_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        (stall, state.total_stall + stall)
    }

    /// Aborts the response by closing its connection.
    pub(super) fn abort(&self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }

    fn deadline(&self, limits: &ServerLimits) -> Option<Instant> {
        let state = self.lock();
        let remaining = limits.stall_timeout.min(limits.total_stall_timeout.saturating_sub(state.total_stall));
        state.stalled_since.map(|since| since + remaining)
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
