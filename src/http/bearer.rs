//! Asks who may come in with a bearer token, and remembers the answers for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use ring::digest;
use tokio::time::{Instant, timeout};

use super::throttle::Throttle;

/// How many questions may be open at a time, and how many may wait. Others are told to come back.
const REVIEWS: (usize, usize) = (4, 32);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many answers of either kind are remembered, and for how long. What was refused is forgotten sooner, so that a right
/// that was just granted is soon of use.
const ALLOWED: (usize, Duration) = (256, Duration::from_mins(1));
const REFUSED: (usize, Duration) = (1024, Duration::from_secs(10));

/// What a request asks for, in Kubernetes' words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method in lower case.
    pub verb: String,
    /// The path.
    pub path: String,
}

/// What comes of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whoever holds the token may.
    Allowed,
    /// The token is nobody's.
    Unknown,
    /// It is somebody's who may not.
    Forbidden,
}

/// Whoever knows who may.
pub trait Reviewer: Send + Sync + 'static {
    /// Decides. The error says why it cannot.
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>>;
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// Too many wait for theirs.
    Busy,
    /// The reviewer cannot tell.
    Unavailable(String),
}

/// A reviewer with a memory.
pub(super) struct Bearers {
    reviewer: Arc<dyn Reviewer>,
    throttle: Throttle,
    allowed: Mutex<Memory>,
    refused: Mutex<Memory>,
}

impl Bearers {
    pub(super) fn new(reviewer: Arc<dyn Reviewer>) -> Self {
        let throttle = Throttle::new(REVIEWS.0, REVIEWS.1);
        Self { reviewer, throttle, allowed: Mutex::default(), refused: Mutex::default() }
    }

    /// Decides on what the holder of `token` asks for.
    pub(super) async fn review(&self, token: &str, asked: Asked) -> Result<Verdict, Undecided> {
        let key = key(token, &asked);
        if let Some(verdict) = self.remembered(&key) {
            return Ok(verdict);
        }
        let _turn = self.throttle.turn().await.ok_or(Undecided::Busy)?;
        // Somebody before us may have asked the same.
        if let Some(verdict) = self.remembered(&key) {
            return Ok(verdict);
        }
        let review = timeout(PATIENCE, self.reviewer.review(token.to_owned(), asked)).await;
        let verdict = review.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(Undecided::Unavailable)?;
        match verdict {
            Verdict::Allowed => remember(&self.allowed, ALLOWED, key, verdict),
            Verdict::Unknown | Verdict::Forbidden => remember(&self.refused, REFUSED, key, verdict),
        }
        Ok(verdict)
    }

    fn remembered(&self, key: &Key) -> Option<Verdict> {
        let now = Instant::now();
        let recall = |memory: &Mutex<Memory>| {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.get(key).filter(|(_, until)| now < *until).map(|(verdict, _)| *verdict)
        };
        recall(&self.allowed).or_else(|| recall(&self.refused))
    }
}

/// A digest of the token and what is asked for: tokens themselves are not kept.
type Key = [u8; 32];
type Memory = HashMap<Key, (Verdict, Instant)>;

fn key(token: &str, asked: &Asked) -> Key {
    let mut digest = digest::Context::new(&digest::SHA256);
    for part in [token, &asked.verb, &asked.path] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finish().as_ref().try_into().unwrap_or_default()
}

/// Remembers a verdict, unless the memory is full of others that still hold.
fn remember(memory: &Mutex<Memory>, (most, time): (usize, Duration), key: Key, verdict: Verdict) {
    let now = Instant::now();
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() >= most {
        memory.retain(|_, (_, until)| now < *until);
    }
    if memory.len() < most {
        memory.insert(key, (verdict, now + time));
    }
}

#[cfg(test)]
mod tests;
