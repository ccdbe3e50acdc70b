//! Makes room for new connections where all places are taken: whoever asks for nothing goes first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt;
use tokio::sync::Notify;

/// The places of all connections, in the order in which they were taken.
#[derive(Default)]
pub(super) struct Seats {
    taken: VecDeque<Arc<Seat>>,
    freed: Arc<Notify>,
}

/// The place of one connection.
pub(super) struct Seat {
    busy: AtomicBool,
    leave: Notify,
    freed: Arc<Notify>,
}

impl Seats {
    /// Gives a connection its place, for as long as it holds it.
    pub(super) fn take(&mut self) -> Arc<Seat> {
        self.taken.retain(|seat| Arc::strong_count(seat) > 1);
        let seat = Seat { busy: AtomicBool::new(false), leave: Notify::new(), freed: Arc::clone(&self.freed) };
        let seat = Arc::new(seat);
        self.taken.push_back(Arc::clone(&seat));
        seat
    }

    /// Tells the oldest idle connection to go. Returns whether there is one.
    pub(super) fn make_room(&mut self) -> bool {
        let oldest = self.taken.iter().position(Seat::is_idle);
        let seat = oldest.and_then(|oldest| self.taken.remove(oldest));
        seat.inspect(|seat| seat.leave.notify_one()).is_some()
    }

    /// Ready when a connection has become idle.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Seat {
    fn is_idle(seat: &Arc<Self>) -> bool {
        Arc::strong_count(seat) > 1 && !seat.busy.load(Ordering::Relaxed)
    }

    /// Ready when the connection is to go.
    pub(super) async fn leave(&self) {
        self.leave.notified().await;
    }

    /// Marks the connection as busy for as long as the guard is there.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.store(true, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Seat>);

impl Busy {
    /// Keeps the connection busy until all of a response was taken.
    pub(super) fn until_sent(self, response: Response<Body>) -> Response<Body> {
        // The body owns the closure, and with it the guard, to its end.
        let keep = move |error| {
            let _busy = &self;
            error
        };
        response.map(|body| Body::new(body.map_err(keep)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}
