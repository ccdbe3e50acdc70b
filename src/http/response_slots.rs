//! Limits how many large responses are written at a time. When a request waits, ends a response whose client reads slowly.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::client_address::ClientAddress;
use super::connection::{Connection, ResponseProgress};

/// How long a client may keep others waiting: a response is ended for another when its client has taken nothing for so
/// long, or has kept the server waiting for so long altogether and has more slots than others.
const MAX_STALL_WHILE_OTHERS_WAIT: Duration = Duration::from_secs(1);
/// How many more slots than the next client a client may hold before its responses are ended for that one.
const FAIR_LEAD: usize = 2;

/// A number of slots, and the requests that wait for one.
pub(super) struct ResponseSlots {
    slots: usize,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    held: Vec<HeldSlot>,
    waiting: VecDeque<QueuedResponse>,
}

struct HeldSlot {
    reading: Arc<ResponseProgress>,
    is_aborted: bool,
}

struct QueuedResponse {
    reading: Arc<ResponseProgress>,
    grant: oneshot::Sender<ResponseSlot>,
}

/// The right to write one response, until it is dropped.
pub(super) struct ResponseSlot {
    slots: Arc<ResponseSlots>,
    reading: Arc<ResponseProgress>,
}

impl ResponseSlots {
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, state: Mutex::default() })
    }

    /// Waits for a slot. Among those who wait, the client that holds the fewest is served first.
    pub(super) async fn acquire(self: &Arc<Self>, connection: Option<Arc<Connection>>) -> ResponseSlot {
        let reading = ResponseProgress::start(connection);
        let mut granted = {
            let mut state = self.lock();
            if state.held.len() < self.slots {
                return self.hold(&mut state, reading);
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back(QueuedResponse { reading, grant });
            granted
        };
        loop {
            self.abort_slow(Instant::now());
            tokio::select! {
                slot = &mut granted => if let Ok(slot) = slot { return slot },
                () = sleep(MAX_STALL_WHILE_OTHERS_WAIT / 4) => {}
            }
        }
    }

    fn hold(self: &Arc<Self>, state: &mut SlotState, reading: Arc<ResponseProgress>) -> ResponseSlot {
        state.held.push(HeldSlot { reading: Arc::clone(&reading), is_aborted: false });
        ResponseSlot { slots: Arc::clone(self), reading }
    }

    /// Ends the slowest response for each request that waits, as far as there are slow ones.
    fn abort_slow(&self, now: Instant) {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let SlotState { held, waiting } = &mut *state;
        let leaving = held.iter().filter(|held| held.is_aborted).count();
        for QueuedResponse { reading: waits, .. } in waiting.iter().skip(leaving) {
            let fair = slots_of_client(held, waits.client()) + FAIR_LEAD;
            let victim = (0..held.len()).filter_map(|index| {
                let HeldSlot { reading, is_aborted: is_ended } = held.get(index)?;
                let (stalled, waited) = reading.stall_durations(now);
                let is_unfair =
                    waited >= MAX_STALL_WHILE_OTHERS_WAIT && slots_of_client(held, reading.client()) >= fair;
                (!is_ended && (stalled >= MAX_STALL_WHILE_OTHERS_WAIT || is_unfair)).then_some((stalled, waited, index))
            });
            let Some(victim) = victim.max().and_then(|(_, _, index)| held.get_mut(index)) else { return };
            victim.is_aborted = true;
            victim.reading.abort();
        }
    }

    /// Gives a slot up, to the next request if one waits.
    fn release(self: &Arc<Self>, reading: &Arc<ResponseProgress>) {
        let mut state = self.lock();
        state.held.retain(|held| !Arc::ptr_eq(&held.reading, reading));
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let SlotState { held, waiting } = &*state;
        let next = (0..waiting.len()).min_by_key(|index| {
            let client = waiting.get(*index).map_or(ClientAddress::Unknown, |waiting| waiting.reading.client());
            (slots_of_client(held, client), *index)
        });
        let Some(QueuedResponse { reading, grant }) = next.and_then(|index| state.waiting.remove(index)) else {
            return;
        };
        let slot = self.hold(&mut state, reading);
        drop(state);
        // Who has stopped waiting gives it up again.
        drop(grant.send(slot));
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many slots a client holds whose response is not being ended.
fn slots_of_client(held: &[HeldSlot], client: ClientAddress) -> usize {
    held.iter().filter(|held| !held.is_aborted && held.reading.client() == client).count()
}

impl ResponseSlot {
    /// Returns how the response of this slot is read.
    pub(super) fn progress(&self) -> &Arc<ResponseProgress> {
        &self.reading
    }
}

impl Drop for ResponseSlot {
    fn drop(&mut self) {
        self.slots.release(&self.reading);
    }
}
