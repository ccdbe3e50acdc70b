//! Checks names and passwords against bcrypt hashes.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::throttle::Throttle;

/// The cheapest hash that bcrypt knows.
const MIN_COST: u32 = 4;
/// The costliest hash that is taken: each step doubles the time, and this one takes about a second.
const MAX_COST: u32 = 14;
/// How many attempts may wait for their check. Others are told to come back.
const WAITING: usize = 8;
/// After a wrong password the next check waits for so many times what the wrong one took, so that those who guess get a
/// fifth of one processor at most.
const REST: u32 = 4;
/// How many pairs of name and password that were right are remembered: more than one for a user, as others may share it.
const REMEMBERED: usize = 64;

/// A bcrypt hash of a bearable cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    text: String,
    cost: u32,
}

/// Why a hash is not taken. The hash itself is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHash {
    #[error("this is no bcrypt hash: `htpasswd -nBC 10 \"\" | tr -d ':\\n'` makes one")]
    NoHash,
    #[error("a bcrypt hash of cost {0} takes seconds to check: use one of {MAX_COST} or less")]
    TooCostly(u32),
}

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let cost = text.parse::<bcrypt::HashParts>().map_err(|_| BadHash::NoHash)?.get_cost();
        match cost {
            MIN_COST..=MAX_COST => Ok(Self { text: text.to_owned(), cost }),
            ..MIN_COST => Err(BadHash::NoHash),
            _ => Err(BadHash::TooCostly(cost)),
        }
    }
}

/// What comes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// The password is the user's.
    Right,
    /// There is no such user, or it is not the password.
    Wrong,
    /// Too many wait for a check.
    Busy,
}

/// Those who may ask.
#[derive(Clone)]
pub(super) struct Users(Arc<Inner>);

struct Inner {
    hashes: BTreeMap<String, Hash>,
    /// Checked for a name that is not there, so that the time an answer takes tells nobody which names are.
    decoy: Hash,
    throttle: Throttle,
    /// When the next check may begin.
    rested: Mutex<Option<Instant>>,
    /// Of pairs that were right, under a key that nobody else has.
    known: Mutex<HashSet<Vec<u8>>>,
    key: hmac::Key,
}

impl Users {
    /// Users by their names; `None` if there are none, or the system has no randomness.
    pub(super) fn new(hashes: Vec<(String, Hash)>) -> Option<Self> {
        let decoy = hashes.iter().map(|(_, hash)| hash).max_by_key(|hash| hash.cost)?.clone();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        let throttle = Throttle::new(1, WAITING);
        let hashes = hashes.into_iter().collect();
        Some(Self(Arc::new(Inner { hashes, decoy, throttle, rested: Mutex::default(), known: Mutex::default(), key })))
    }

    /// Checks a name with a password.
    pub(super) async fn check(&self, name: &str, password: &str) -> Checked {
        let inner = &self.0;
        // A name has no colon, so no two pairs are the same text.
        let pair = hmac::sign(&inner.key, format!("{name}:{password}").as_bytes()).as_ref().to_vec();
        if inner.is_known(&pair) {
            return Checked::Right;
        }
        let Some(turn) = inner.throttle.turn().await else { return Checked::Busy };
        // Somebody before us may have asked the same.
        if inner.is_known(&pair) {
            return Checked::Right;
        }
        if let Some(rested) = inner.rested() {
            sleep_until(rested).await;
        }
        let (shared, name, password) = (Arc::clone(inner), name.to_owned(), password.to_owned());
        // A client that goes away does not end this, so the turn must go with it.
        let checked = spawn_blocking(move || {
            let _turn = turn;
            shared.check(&name, &password, pair)
        });
        if checked.await.unwrap_or(false) { Checked::Right } else { Checked::Wrong }
    }
}

impl Inner {
    fn is_known(&self, pair: &[u8]) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(pair)
    }

    fn rested(&self) -> Option<Instant> {
        *self.rested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, name: &str, password: &str, pair: Vec<u8>) -> bool {
        let began = Instant::now();
        let hash = self.hashes.get(name);
        let is_match = bcrypt::verify(password, &hash.unwrap_or(&self.decoy).text).unwrap_or(false);
        let is_right = is_match && hash.is_some();
        if is_right {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(pair);
        } else {
            let rested = Instant::now() + began.elapsed() * REST;
            *self.rested.lock().unwrap_or_else(PoisonError::into_inner) = Some(rested);
        }
        is_right
    }
}

#[cfg(test)]
mod tests;
