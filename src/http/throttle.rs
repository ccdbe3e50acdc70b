//! Lets few checks run at a time and few wait, so that those who guess slow nobody else.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns at something that costs.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    /// For those at it and those who wait.
    places: Arc<Semaphore>,
    /// For those at it.
    turns: Arc<Semaphore>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Throttle {
    /// So many at a time, and so many who may wait.
    pub(super) fn new(turns: usize, waiting: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(turns + waiting)), turns: Arc::new(Semaphore::new(turns)) }
    }

    /// Waits for a turn; `None` at once when too many wait.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        Some(Turn { _place: place, _turn: turn })
    }
}
