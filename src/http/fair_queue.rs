//! A queue for checks of credentials that are not known yet, fair between client addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client_address::ClientAddress;
use super::fingerprint::Fingerprint;
use super::recent_cache::RecentCache;

/// Requests that may wait for a check, unless the connections are fewer than twice as many.
const MAX_WAITING: usize = 128;
/// Addresses whose last failed check is remembered.
const MAX_ADDRESSES: usize = 1024;
/// Credentials that were turned away and keep their number in the queue.
const MAX_REJECTED: usize = 4096;

/// Limits how many checks run at a time, and chooses the next one.
///
/// - Of one address, at most one check runs at a time, and after a failed one its next check waits for a pause.
/// - An address without a failed check goes first, then the one whose pause ended first; within an address, first come,
///   first served.
/// - When the queue is full, the newest request of the address that has most of it is turned away. Its credentials keep
///   their number: when they come again, they are before all who came later. So credentials that are sent again and again
///   are checked in the end, however many others are sent from the same address.
#[derive(Debug)]
pub(super) struct FairQueue {
    slots: usize,
    state: Mutex<QueueState>,
}

#[derive(Debug)]
struct QueueState {
    running: Vec<ClientAddress>,
    waiting: Vec<QueuedCheck>,
    max_waiting: usize,
    /// When the pause of an address ends or ended.
    pauses: HashMap<ClientAddress, Instant>,
    rejected: RecentCache<u64>,
    next_number: u64,
}

#[derive(Clone, Debug)]
struct QueuedCheck {
    /// Order of arrival. No two are the same.
    number: u64,
    client: ClientAddress,
    credentials: Fingerprint,
    /// Notified when the request should look again whether it may start.
    wake: Arc<Notify>,
}

/// What a waiting request does next.
enum NextStep {
    Start,
    WaitUntil(Instant),
    Wait,
    Rejected,
}

impl FairQueue {
    /// Creates a queue of which so many checks may run at a time.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        let state = QueueState {
            running: Vec::new(),
            waiting: Vec::new(),
            max_waiting: MAX_WAITING,
            pauses: HashMap::new(),
            rejected: RecentCache::new(MAX_REJECTED),
            next_number: 0,
        };
        Arc::new(Self { slots, state: Mutex::new(state) })
    }

    /// Lets requests that wait hold half of the connections at most, so that there are others for requests that need not.
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
        // Leaves the queue when the client goes away.
        let _ticket = QueueEntryGuard { queue: self, number };
        loop {
            let next = self.lock().next_step(number, self.slots, Instant::now());
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
    /// Adds a request, and returns it unless it is the one that is turned away.
    fn enqueue(&mut self, client: ClientAddress, credentials: Fingerprint) -> Option<QueuedCheck> {
        let number = self.rejected.remove(credentials).unwrap_or(self.next_number);
        self.next_number += u64::from(number == self.next_number);
        let waiting = QueuedCheck { number, client, credentials, wake: Arc::default() };
        self.waiting.push(waiting.clone());
        let Some(last) = self.request_over_limit(client) else { return Some(waiting) };
        self.reject(last);
        (last != number).then_some(waiting)
    }

    /// Returns the number of the request to turn away, if there are too many.
    fn request_over_limit(&self, client: ClientAddress) -> Option<u64> {
        // Three quarters for one address leave room for the first requests of others.
        if self.waiting_from(client) > (self.max_waiting * 3 / 4).max(1) {
            return self.waiting.iter().filter(|waiting| waiting.client == client).map(|waiting| waiting.number).max();
        }
        if self.waiting.len() <= self.max_waiting {
            return None;
        }
        let rank = |waiting: &&QueuedCheck| (self.waiting_from(waiting.client), self.pause_of(waiting), waiting.number);
        self.waiting.iter().max_by_key(rank).map(|waiting| waiting.number)
    }

    /// Returns how many requests of an address wait.
    fn waiting_from(&self, client: ClientAddress) -> usize {
        self.waiting.iter().filter(|waiting| waiting.client == client).count()
    }

    fn pause_of(&self, waiting: &QueuedCheck) -> Option<Instant> {
        self.pauses.get(&waiting.client).copied()
    }

    /// Removes a request, if it still waits, and keeps its number for the next time.
    fn reject(&mut self, number: u64) {
        if let Some(waiting) = self.remove(number) {
            self.rejected.insert(waiting.credentials, number);
            waiting.wake.notify_one();
        }
    }

    fn remove(&mut self, number: u64) -> Option<QueuedCheck> {
        let at = self.waiting.iter().position(|waiting| waiting.number == number)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Returns the request that starts next, once its pause has ended.
    fn next_to_start(&self, now: Instant) -> Option<&QueuedCheck> {
        let candidates = self.waiting.iter().filter(|waiting| !self.running.contains(&waiting.client));
        candidates.min_by_key(|waiting| {
            let pause = self.pause_of(waiting);
            (pause.filter(|end| *end > now), pause, waiting.number)
        })
    }

    /// Has the request that starts next look whether it may.
    fn wake_next(&self, now: Instant) {
        if let Some(first) = self.next_to_start(now) {
            first.wake.notify_one();
        }
    }

    /// Returns what a request does next; when that is to start, it no longer waits.
    fn next_step(&mut self, number: u64, slots: usize, now: Instant) -> NextStep {
        if !self.waiting.iter().any(|waiting| waiting.number == number) {
            return NextStep::Rejected;
        }
        let Some(first) = self.next_to_start(now).filter(|_| self.running.len() < slots) else { return NextStep::Wait };
        if first.number != number {
            first.wake.notify_one();
            return NextStep::Wait;
        }
        if let Some(end) = self.pause_of(first).filter(|end| *end > now) {
            return NextStep::WaitUntil(end);
        }
        self.running.push(first.client);
        self.remove(number);
        self.wake_next(now);
        NextStep::Start
    }

    /// Ends a check.
    fn finish(&mut self, client: ClientAddress, now: Instant) {
        if let Some(at) = self.running.iter().position(|running| *running == client) {
            self.running.swap_remove(at);
        }
        self.wake_next(now);
    }

    /// Makes the next check of an address wait.
    fn pause(&mut self, client: ClientAddress, now: Instant, pause: Duration) {
        if self.pauses.len() >= MAX_ADDRESSES {
            self.pauses.retain(|_, end| *end > now);
        }
        if self.pauses.len() >= MAX_ADDRESSES {
            let first = self.pauses.iter().min_by_key(|(_, end)| **end).map(|(client, _)| *client);
            first.map(|first| self.pauses.remove(&first));
        }
        self.pauses.insert(client, now + pause);
    }
}

/// The place of a waiting request.
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

/// The right to run one check.
#[derive(Debug)]
pub(super) struct CheckPermit {
    queue: Arc<FairQueue>,
    client: ClientAddress,
}

impl CheckPermit {
    /// Ends a check that failed: the next one of the same address waits for `pause`.
    pub(super) fn finish_failed(self, pause: Duration) {
        self.queue.lock().pause(self.client, Instant::now(), pause);
    }
}

impl Drop for CheckPermit {
    fn drop(&mut self) {
        self.queue.lock().finish(self.client, Instant::now());
    }
}

#[cfg(test)]
mod tests;
