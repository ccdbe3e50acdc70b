//! Limits concurrent large responses. Aborts a slow response while another request waits.
//!
//! A semaphore would let slow clients hold all permits and delay scrapes (`docs/security.md`).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::client_address::ClientAddress;
use super::connection::{Connection, ResponseProgress};

/// Maximum time that a client may stall a response while another request waits. For a client that holds more slots than
/// others, the limit applies to the total stall time.
const CONTENDED_STALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Number of slots that a client may hold in addition to those of a waiting client, before its responses are aborted.
const MAX_EXTRA_SLOTS: usize = 2;

/// The slots, and the requests that wait for one.
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
    progress: Arc<ResponseProgress>,
    is_aborted: bool,
}

struct QueuedResponse {
    progress: Arc<ResponseProgress>,
    grant: oneshot::Sender<ResponseSlot>,
}

/// Permission to write one response, until dropped.
pub(super) struct ResponseSlot {
    slots: Arc<ResponseSlots>,
    progress: Arc<ResponseProgress>,
}

impl ResponseSlots {
    pub(super) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, state: Mutex::default() })
    }

    /// Waits for a slot. Requests of the client with the fewest slots are served first.
    pub(super) async fn acquire(self: &Arc<Self>, connection: Option<Arc<Connection>>) -> ResponseSlot {
        let progress = ResponseProgress::start(connection);
        let mut granted = {
            let mut state = self.lock();
            if state.held.len() < self.slots {
                return self.hold(&mut state, progress);
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push_back(QueuedResponse { progress, grant });
            granted
        };
        loop {
            self.abort_slow(Instant::now());
            tokio::select! {
                slot = &mut granted => if let Ok(slot) = slot { return slot },
                () = sleep(CONTENDED_STALL_TIMEOUT / 4) => {}
            }
        }
    }

    fn hold(self: &Arc<Self>, state: &mut SlotState, progress: Arc<ResponseProgress>) -> ResponseSlot {
        state.held.push(HeldSlot { progress: Arc::clone(&progress), is_aborted: false });
        ResponseSlot { slots: Arc::clone(self), progress }
    }

    /// Aborts the slowest stalled response for each waiting request.
    fn abort_slow(&self, now: Instant) {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let SlotState { held, waiting } = &mut *state;
        let aborting = held.iter().filter(|held| held.is_aborted).count();
        for QueuedResponse { progress: waiting_progress, .. } in waiting.iter().skip(aborting) {
            let max_slots = slots_of_client(held, waiting_progress.client()) + MAX_EXTRA_SLOTS;
            let victim = (0..held.len()).filter_map(|index| {
                let HeldSlot { progress, is_aborted } = held.get(index)?;
                let (stall, total_stall) = progress.stall_durations(now);
                let is_unfair =
                    total_stall >= CONTENDED_STALL_TIMEOUT && slots_of_client(held, progress.client()) >= max_slots;
                (!is_aborted && (stall >= CONTENDED_STALL_TIMEOUT || is_unfair)).then_some((stall, total_stall, index))
            });
            let Some(victim) = victim.max().and_then(|(_, _, index)| held.get_mut(index)) else { return };
            victim.is_aborted = true;
            victim.progress.abort();
        }
    }

    /// Releases a slot to the next waiting request.
    fn release(self: &Arc<Self>, progress: &Arc<ResponseProgress>) {
        let mut state = self.lock();
        state.held.retain(|held| !Arc::ptr_eq(&held.progress, progress));
        state.waiting.retain(|waiting| !waiting.grant.is_closed());
        let SlotState { held, waiting } = &*state;
        let next = (0..waiting.len()).min_by_key(|index| {
            let client = waiting.get(*index).map_or(ClientAddress::Unknown, |waiting| waiting.progress.client());
            (slots_of_client(held, client), *index)
        });
        let Some(QueuedResponse { progress, grant }) = next.and_then(|index| state.waiting.remove(index)) else {
            return;
        };
        let slot = self.hold(&mut state, progress);
        drop(state);
        // If the request is gone, this drops the slot and releases it again.
        drop(grant.send(slot));
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number of slots that a client holds, without aborted responses.
fn slots_of_client(held: &[HeldSlot], client: ClientAddress) -> usize {
    held.iter().filter(|held| !held.is_aborted && held.progress.client() == client).count()
}

impl ResponseSlot {
    /// Returns the progress of the response.
    pub(super) fn progress(&self) -> &Arc<ResponseProgress> {
        &self.progress
    }
}

impl Drop for ResponseSlot {
    fn drop(&mut self) {
        self.slots.release(&self.progress);
    }
}
