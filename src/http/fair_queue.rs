//! A queue for checks of credentials that are not known yet, fair between client addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client_address::ClientAddress;
use super::fingerprint::Fingerprint;
use super::recent::Recent;

/// Requests that may wait for a check, unless the connections are fewer than twice as many.
const MAX_WAITING: usize = 128;
/// Addresses whose last failed check is remembered.
const MAX_ADDRESSES: usize = 1024;
/// Credentials that were turned away and keep their number in the queue.
const MAX_TURNED_AWAY: usize = 4096;

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
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: Vec<ClientAddress>,
    waiting: Vec<Waiting>,
    max_waiting: usize,
    /// When the pause of an address ends or ended.
    pauses: HashMap<ClientAddress, Instant>,
    turned_away: Recent<u64>,
    next_number: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    /// Order of arrival. No two are the same.
    number: u64,
    client: ClientAddress,
    credentials: Fingerprint,
    /// Notified when the request should look again whether it may start.
    wake: Arc<Notify>,
}

/// What a waiting request does next.
enum Next {
    Start,
    WaitUntil(Instant),
    Wait,
    TurnedAway,
}

impl FairQueue {
    /// Creates a queue of which so many checks may run at a time.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        let state = State {
            running: Vec::new(),
            waiting: Vec::new(),
            max_waiting: MAX_WAITING,
            pauses: HashMap::new(),
            turned_away: Recent::new(MAX_TURNED_AWAY),
            next_number: 0,
        };
        Arc::new(Self { slots, state: Mutex::new(state) })
    }

    /// Lets requests that wait hold half of the connections at most, so that there are others for requests that need not.
    pub(super) fn limit_to_half_of(&self, connections: usize) {
        self.lock().max_waiting = MAX_WAITING.min(connections / 2);
    }

    /// Waits until the check of these credentials may run. Returns `None` if the queue is full.
    pub(super) async fn enter(self: &Arc<Self>, client: ClientAddress, credentials: Fingerprint) -> Option<Slot> {
        let Waiting { number, wake, .. } = self.lock().push(client, credentials)?;
        // Leaves the queue when the client goes away.
        let _ticket = Ticket { queue: self, number };
        loop {
            let next = self.lock().next(number, self.slots, Instant::now());
            match next {
                Next::Start => return Some(Slot { queue: Arc::clone(self), client }),
                Next::WaitUntil(instant) => tokio::select! {
                    () = sleep_until(instant) => {}
                    () = wake.notified() => {}
                },
                Next::Wait => wake.notified().await,
                Next::TurnedAway => return None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a request, and returns it unless it is the one that is turned away.
    fn push(&mut self, client: ClientAddress, credentials: Fingerprint) -> Option<Waiting> {
        let number = self.turned_away.remove(credentials).unwrap_or(self.next_number);
        self.next_number += u64::from(number == self.next_number);
        let waiting = Waiting { number, client, credentials, wake: Arc::default() };
        self.waiting.push(waiting.clone());
        let Some(last) = self.excess(client) else { return Some(waiting) };
        self.turn_away(last);
        (last != number).then_some(waiting)
    }

    /// Returns the number of the request to turn away, if there are too many.
    fn excess(&self, client: ClientAddress) -> Option<u64> {
        // Three quarters for one address leave room for the first requests of others.
        if self.count(client) > (self.max_waiting * 3 / 4).max(1) {
            return self.waiting.iter().filter(|waiting| waiting.client == client).map(|waiting| waiting.number).max();
        }
        if self.waiting.len() <= self.max_waiting {
            return None;
        }
        let rank = |waiting: &&Waiting| (self.count(waiting.client), self.pause_of(waiting), waiting.number);
        self.waiting.iter().max_by_key(rank).map(|waiting| waiting.number)
    }

    /// Returns how many requests of an address wait.
    fn count(&self, client: ClientAddress) -> usize {
        self.waiting.iter().filter(|waiting| waiting.client == client).count()
    }

    fn pause_of(&self, waiting: &Waiting) -> Option<Instant> {
        self.pauses.get(&waiting.client).copied()
    }

    /// Removes a request, if it still waits, and keeps its number for the next time.
    fn turn_away(&mut self, number: u64) {
        if let Some(waiting) = self.remove(number) {
            self.turned_away.insert(waiting.credentials, number);
            waiting.wake.notify_one();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.number == number)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Returns the request that starts next, once its pause has ended.
    fn first(&self, now: Instant) -> Option<&Waiting> {
        let candidates = self.waiting.iter().filter(|waiting| !self.running.contains(&waiting.client));
        candidates.min_by_key(|waiting| {
            let pause = self.pause_of(waiting);
            (pause.filter(|end| *end > now), pause, waiting.number)
        })
    }

    /// Has the request that starts next look whether it may.
    fn wake_first(&self, now: Instant) {
        if let Some(first) = self.first(now) {
            first.wake.notify_one();
        }
    }

    /// Returns what a request does next; when that is to start, it no longer waits.
    fn next(&mut self, number: u64, slots: usize, now: Instant) -> Next {
        if !self.waiting.iter().any(|waiting| waiting.number == number) {
            return Next::TurnedAway;
        }
        let Some(first) = self.first(now).filter(|_| self.running.len() < slots) else { return Next::Wait };
        if first.number != number {
            first.wake.notify_one();
            return Next::Wait;
        }
        if let Some(end) = self.pause_of(first).filter(|end| *end > now) {
            return Next::WaitUntil(end);
        }
        self.running.push(first.client);
        self.remove(number);
        self.wake_first(now);
        Next::Start
    }

    /// Ends a check.
    fn end(&mut self, client: ClientAddress, now: Instant) {
        if let Some(at) = self.running.iter().position(|running| *running == client) {
            self.running.swap_remove(at);
        }
        self.wake_first(now);
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
struct Ticket<'a> {
    queue: &'a FairQueue,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.turn_away(self.number);
        state.wake_first(Instant::now());
    }
}

/// The right to run one check.
#[derive(Debug)]
pub(super) struct Slot {
    queue: Arc<FairQueue>,
    client: ClientAddress,
}

impl Slot {
    /// Ends a check that failed: the next one of the same address waits for `pause`.
    pub(super) fn end_failed(self, pause: Duration) {
        self.queue.lock().pause(self.client, Instant::now(), pause);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.lock().end(self.client, Instant::now());
    }
}

#[cfg(test)]
mod tests;
