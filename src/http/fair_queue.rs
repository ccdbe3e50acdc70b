//! A queue for checks of new credentials, fair between client addresses.
//!
//! A semaphore serves requests in order of arrival, so a client that guesses passwords would delay all others and fill the
//! queue. This queue guarantees that valid credentials are accepted during an attack (`docs/security.md`).

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client_address::ClientAddress;
use super::fingerprint::Fingerprint;

/// Maximum number of waiting requests. Lower if there are fewer than 256 connections.
const MAX_WAITING: usize = 128;
/// Number of client addresses whose last failed check is stored.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// Number of rejected credentials that keep their place in the queue.
const MAX_REJECTED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Limits concurrent checks and chooses the next one.
///
/// - A client address has at most one running check. After a failed check, its next one waits for a pause.
/// - Addresses without a failed check precede others. Among the others, the one whose pause ends first is next. Within an
///   address, the order is first in, first out.
/// - A full queue rejects the newest request of the address with the most requests. The rejected credentials keep their
///   place: when they are sent again, they precede all later requests. Credentials that are resent are therefore checked
///   eventually, even if the same address sends many others.
#[derive(Debug)]
pub(super) struct FairQueue {
    /// Maximum number of concurrent checks.
    permits: usize,
    state: Mutex<QueueState>,
}

#[derive(Debug)]
struct QueueState {
    running: Vec<ClientAddress>,
    waiting: Vec<QueuedCheck>,
    max_waiting: usize,
    /// End of the pause of each address, in the past or in the future.
    pauses: LruCache<ClientAddress, Instant>,
    /// Numbers of rejected requests.
    rejected: LruCache<Fingerprint, u64>,
    next_number: u64,
}

#[derive(Clone, Debug)]
struct QueuedCheck {
    /// Order of arrival. Identifies the request.
    number: u64,
    client: ClientAddress,
    credentials: Fingerprint,
    /// Notified when the check may be able to start.
    wake: Arc<Notify>,
}

/// The next step of a waiting request.
enum NextStep {
    Start,
    WaitUntil(Instant),
    Wait,
    Rejected,
}

impl FairQueue {
    /// Creates a queue with a maximum number of concurrent checks.
    pub(super) fn new(permits: usize) -> Arc<Self> {
        let state = QueueState {
            running: Vec::new(),
            waiting: Vec::new(),
            max_waiting: MAX_WAITING,
            pauses: LruCache::new(MAX_ADDRESSES),
            rejected: LruCache::new(MAX_REJECTED),
            next_number: 0,
        };
        Arc::new(Self { permits, state: Mutex::new(state) })
    }

    /// Limits waiting requests to half of the connections, which leaves the others to requests that need no check.
    pub(super) fn limit_waiting_to_half_of(&self, connections: usize) {
        self.lock().max_waiting = MAX_WAITING.min(connections / 2);
    }

    /// Waits until the check of these credentials may run. Returns `None` if the queue is full.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        client: ClientAddress,
        credentials: Fingerprint,
    ) -> Option<CheckPermit> {
        let QueuedCheck { number, wake, .. } = self.lock().enqueue(client, credentials)?;
        // Removes the request if the client disconnects.
        let _guard = QueueEntryGuard { queue: self, number };
        loop {
            let next = self.lock().next_step(number, self.permits, Instant::now());
            match next {
                NextStep::Start => return Some(CheckPermit { queue: Arc::clone(self), client }),
                NextStep::WaitUntil(instant) => tokio::select! {
                    () = sleep_until(instant) => {}
                    () = wake.notified() => {}
                },
                NextStep::Wait => wake.notified().await,
                NextStep::Rejected => return None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    /// Adds a request. Returns `None` if the queue is full and rejects it.
    fn enqueue(&mut self, client: ClientAddress, credentials: Fingerprint) -> Option<QueuedCheck> {
        let number = self.rejected.pop(&credentials).unwrap_or(self.next_number);
        self.next_number += u64::from(number == self.next_number);
        let check = QueuedCheck { number, client, credentials, wake: Arc::default() };
        self.waiting.push(check.clone());
        let Some(rejected) = self.request_over_limit(client) else { return Some(check) };
        self.reject(rejected);
        (rejected != number).then_some(check)
    }

    /// Returns the number of the request to reject if the queue exceeds its limits.
    fn request_over_limit(&self, client: ClientAddress) -> Option<u64> {
        // One address may use three quarters, which leaves room for requests of others.
        if self.waiting_from(client) > (self.max_waiting * 3 / 4).max(1) {
            return self.waiting.iter().filter(|check| check.client == client).map(|check| check.number).max();
        }
        if self.waiting.len() <= self.max_waiting {
            return None;
        }
        let rank = |check: &&QueuedCheck| (self.waiting_from(check.client), self.pause_of(check), check.number);
        self.waiting.iter().max_by_key(rank).map(|check| check.number)
    }

    /// Returns the number of waiting requests of an address.
    fn waiting_from(&self, client: ClientAddress) -> usize {
        self.waiting.iter().filter(|check| check.client == client).count()
    }

    fn pause_of(&self, check: &QueuedCheck) -> Option<Instant> {
        self.pauses.peek(&check.client).copied()
    }

    /// Removes a request if it is waiting. Its credentials keep their place.
    fn reject(&mut self, number: u64) {
        if let Some(check) = self.remove(number) {
            self.rejected.put(check.credentials, number);
            check.wake.notify_one();
        }
    }

    fn remove(&mut self, number: u64) -> Option<QueuedCheck> {
        let index = self.waiting.iter().position(|check| check.number == number)?;
        Some(self.waiting.swap_remove(index))
    }

    /// Returns the request that starts next, as soon as its pause ends.
    fn next_to_start(&self, now: Instant) -> Option<&QueuedCheck> {
        let candidates = self.waiting.iter().filter(|check| !self.running.contains(&check.client));
        candidates.min_by_key(|check| {
            let pause = self.pause_of(check);
            (pause.filter(|end| *end > now), pause, check.number)
        })
    }

    fn wake_next(&self, now: Instant) {
        if let Some(next) = self.next_to_start(now) {
            next.wake.notify_one();
        }
    }

    /// Returns the next step of a request. If it starts, moves the request from waiting to running.
    fn next_step(&mut self, number: u64, permits: usize, now: Instant) -> NextStep {
        if !self.waiting.iter().any(|check| check.number == number) {
            return NextStep::Rejected;
        }
        let Some(next) = self.next_to_start(now).filter(|_| self.running.len() < permits) else {
            return NextStep::Wait;
        };
        if next.number != number {
            next.wake.notify_one();
            return NextStep::Wait;
        }
        if let Some(end) = self.pause_of(next).filter(|end| *end > now) {
            return NextStep::WaitUntil(end);
        }
        self.running.push(next.client);
        self.remove(number);
        self.wake_next(now);
        NextStep::Start
    }

    /// Removes a running check.
    fn finish(&mut self, client: ClientAddress, now: Instant) {
        if let Some(index) = self.running.iter().position(|running| *running == client) {
            self.running.swap_remove(index);
        }
        self.wake_next(now);
    }
}

/// Removes a waiting request from the queue when dropped.
struct QueueEntryGuard<'a> {
    queue: &'a FairQueue,
    number: u64,
}

impl Drop for QueueEntryGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.reject(self.number);
        state.wake_next(Instant::now());
    }
}

/// Permission to run one check, until dropped.
#[derive(Debug)]
pub(super) struct CheckPermit {
    queue: Arc<FairQueue>,
    client: ClientAddress,
}

impl CheckPermit {
    /// Ends a failed check. The next check of the same address waits for `pause`.
    pub(super) fn finish_failed(self, pause: Duration) {
        self.queue.lock().pauses.put(self.client, Instant::now() + pause);
    }
}

impl Drop for CheckPermit {
    fn drop(&mut self) {
        self.queue.lock().finish(self.client, Instant::now());
    }
}

#[cfg(test)]
mod tests;
