//! Limits how many large responses are written at a time. When a request waits, ends a response whose client reads slowly.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::client_address::ClientAddress;
use super::connection::{Connection, Reading};

/// How long a client may keep others waiting: a response is ended for another when its client has taken nothing for so
/// long, or has kept the server waiting for so long altogether and has more slots than others.
const GRACE: Duration = Duration::from_secs(1);
/// How many more slots than the next client a client may hold before its responses are ended for that one.
const FAIR_LEAD: usize = 2;

/// A number of slots, and the requests that wait for one.
pub(super) struct ResponseSlots {
    slots: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Vec<Held>,
    waiting: VecDeque<Waiting>,
}

struct Held {
    reading: Arc<Reading>,
    is_ended: bool,
}

struct Waiting {
    reading: Arc<Reading>,
    grant: oneshot::Sender<Slot>,
}

/// The right to write one response, until it is dropped.
pub(super) struct Slot {
    slots: Arc<ResponseSlots>,
    reading: Arc<Reading>,
}

impl ResponseSlots {
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, state: Mutex::default() })
    }

    /// Waits for a slot. Among those who wait, the client that holds the fewest is served first.
    pub(super) async fn acquire(self: &Arc<Self>, connection: Option<Arc<Connection>>) -> Slot {
        let reading = Reading::begin(connection);
        let mut granted = {
            let mut state = self.lock();
            if state.held.len() < self.slots {
                return self.hold(&mut state, reading);
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back(Waiting { reading, grant });
            granted
        };
        loop {
            self.end_slow(Instant::now());
            tokio::select! {
                slot = &mut granted => if let Ok(slot) = slot { return slot },
                () = sleep(GRACE / 4) => {}
            }
        }
    }

    fn hold(self: &Arc<Self>, state: &mut State, reading: Arc<Reading>) -> Slot {
        state.held.push(Held { reading: Arc::clone(&reading), is_ended: false });
        Slot { slots: Arc::clone(self), reading }
    }

    /// Ends the slowest response for each request that waits, as far as there are slow ones.
    fn end_slow(&self, now: Instant) {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let State { held, waiting } = &mut *state;
        let leaving = held.iter().filter(|held| held.is_ended).count();
        for Waiting { reading: waits, .. } in waiting.iter().skip(leaving) {
            let fair = of_client(held, waits.client()) + FAIR_LEAD;
            let victim = (0..held.len()).filter_map(|index| {
                let Held { reading, is_ended } = held.get(index)?;
                let (stalled, waited) = reading.waits(now);
                let is_unfair = waited >= GRACE && of_client(held, reading.client()) >= fair;
                (!is_ended && (stalled >= GRACE || is_unfair)).then_some((stalled, waited, index))
            });
            let Some(victim) = victim.max().and_then(|(_, _, index)| held.get_mut(index)) else { return };
            victim.is_ended = true;
            victim.reading.cut_off();
        }
    }

    /// Gives a slot up, to the next request if one waits.
    fn release(self: &Arc<Self>, reading: &Arc<Reading>) {
        let mut state = self.lock();
        state.held.retain(|held| !Arc::ptr_eq(&held.reading, reading));
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let State { held, waiting } = &*state;
        let next = (0..waiting.len()).min_by_key(|index| {
            let client = waiting.get(*index).map_or(ClientAddress::Unknown, |waiting| waiting.reading.client());
            (of_client(held, client), *index)
        });
        let Some(Waiting { reading, grant }) = next.and_then(|index| state.waiting.remove(index)) else { return };
        let slot = self.hold(&mut state, reading);
        drop(state);
        // Who has stopped waiting gives it up again.
        drop(grant.send(slot));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many slots a client holds whose response is not being ended.
fn of_client(held: &[Held], client: ClientAddress) -> usize {
    held.iter().filter(|held| !held.is_ended && held.reading.client() == client).count()
}

impl Slot {
    /// Returns how the response of this slot is read.
    pub(super) fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.release(&self.reading);
    }
}
