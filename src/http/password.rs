//! Checks names and passwords against bcrypt hashes.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::client_address::ClientAddress;
use super::fair_queue::FairQueue;
use super::fingerprint::Fingerprint;
use super::recent::Recent;

/// The costs that bcrypt has. Each step doubles the time.
const MIN_COST: u32 = 4;
const MAX_COST: u32 = 31;
/// From this cost on a check takes about a second or more. It then runs beside the quick ones, so that they do not wait.
const SLOW_COST: u32 = 14;
/// After a wrong password, the next check for the same address waits as long as the wrong one took, times this. So one
/// address takes half a processor at most.
const PAUSE_FACTOR: u32 = 1;
/// Pairs of name and password that are cached as right, and as wrong.
const MAX_CACHED: usize = 1024;

/// A bcrypt hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    text: String,
    cost: u32,
}

/// Why a hash is refused. The hash itself is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no bcrypt hash: `htpasswd -nBC 10 \"\" | tr -d ':\\n'` makes one")]
pub(super) struct BadHash;

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let cost = text.parse::<bcrypt::HashParts>().map_err(|_| BadHash)?.get_cost();
        if (MIN_COST..=MAX_COST).contains(&cost) { Ok(Self { text: text.to_owned(), cost }) } else { Err(BadHash) }
    }
}

impl Hash {
    fn is_slow(&self) -> bool {
        self.cost >= SLOW_COST
    }

    fn matches(&self, password: &str) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

/// What comes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// The password is the user's.
    Right,
    /// There is no such user, or it is not the password.
    Wrong,
    /// Too many requests wait for a check.
    Busy,
}

/// Results of earlier checks, and queues of checks to come. Outlives a configuration, so that a reload forgets nothing.
#[derive(Debug)]
pub(super) struct Checks {
    key: hmac::Key,
    right: Mutex<Recent<()>>,
    wrong: Mutex<Recent<()>>,
    quick: Arc<FairQueue>,
    slow: Arc<FairQueue>,
}

impl Checks {
    /// Creates empty queues, and a cache of results under a random key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn new() -> Result<Arc<Self>, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let [right, wrong] = [(); 2].map(|()| Mutex::new(Recent::new(MAX_CACHED)));
        let [quick, slow] = [(); 2].map(|()| FairQueue::new(1));
        Ok(Arc::new(Self { key, right, wrong, quick, slow }))
    }

    /// Lets requests that wait for a check hold a half of the connections at most, and another quarter for slow checks.
    pub(super) fn limit_to_part_of(&self, connections: usize) {
        self.quick.limit_to_half_of(connections);
        self.slow.limit_to_half_of(connections / 2);
    }

    fn recall(&self, pair: Fingerprint) -> Option<Checked> {
        let has =
            |recent: &Mutex<Recent<()>>| recent.lock().unwrap_or_else(PoisonError::into_inner).get(pair).is_some();
        if has(&self.right) {
            return Some(Checked::Right);
        }
        has(&self.wrong).then_some(Checked::Wrong)
    }

    fn remember(&self, pair: Fingerprint, is_right: bool) {
        let recent = if is_right { &self.right } else { &self.wrong };
        recent.lock().unwrap_or_else(PoisonError::into_inner).insert(pair, ());
    }
}

/// The users of a configuration.
#[derive(Clone)]
pub(super) struct Users {
    hashes: Arc<BTreeMap<String, Hash>>,
    checks: Arc<Checks>,
}

impl Users {
    /// Users by their names; `None` if there are none.
    pub(super) fn new(hashes: BTreeMap<String, Hash>, checks: &Arc<Checks>) -> Option<Self> {
        (!hashes.is_empty()).then(|| Self { hashes: Arc::new(hashes), checks: Arc::clone(checks) })
    }

    /// Checks a name and a password that came from an address.
    pub(super) async fn check(&self, client: ClientAddress, name: &str, password: &str) -> Checked {
        let (Some(hash), is_user) = self.hash_for(name) else { return Checked::Wrong };
        // With the hash, since a password is right only as long as the user's hash stays the same.
        let parts = [&[u8::from(is_user)], name.as_bytes(), hash.text.as_bytes(), password.as_bytes()];
        let pair = Fingerprint::keyed(&self.checks.key, &parts);
        if let Some(checked) = self.checks.recall(pair) {
            return checked;
        }
        let queue = if hash.is_slow() { &self.checks.slow } else { &self.checks.quick };
        let Some(slot) = queue.enter(client, pair).await else { return Checked::Busy };
        // Another request may have sent the same.
        if let Some(checked) = self.checks.recall(pair) {
            return checked;
        }
        let (checks, hash, password) = (Arc::clone(&self.checks), hash.clone(), password.to_owned());
        // It does not end when the client goes away: the next request finds its result.
        let is_right = spawn_blocking(move || {
            let began = Instant::now();
            let is_right = hash.matches(&password) && is_user;
            checks.remember(pair, is_right);
            if !is_right {
                slot.end_failed(began.elapsed().saturating_mul(PAUSE_FACTOR));
            }
            is_right
        });
        if is_right.await.unwrap_or(false) { Checked::Right } else { Checked::Wrong }
    }

    /// Returns the hash to check for a name, and whether there is a user of that name.
    ///
    /// For any other name it is the hash of some user, always the same one for as long as the file has it. So the time that
    /// a check takes does not tell which users exist, whatever the costs of their hashes.
    fn hash_for(&self, name: &str) -> (Option<&Hash>, bool) {
        let rank = |hash: &&Hash| Fingerprint::plain(&[hash.text.as_bytes(), name.as_bytes()]);
        let decoy = self.hashes.values().max_by_key(rank);
        let hash = self.hashes.get(name);
        (hash.or(decoy), hash.is_some())
    }

    /// Returns a line for each user whose password takes long to check.
    pub(super) fn notes(&self) -> Vec<String> {
        let slow: Vec<_> = self.hashes.iter().filter(|(_, hash)| hash.is_slow()).collect();
        if slow.is_empty() {
            return Vec::new();
        }
        let time_of_cost_6 = time_of_cost_6();
        let note = |(name, hash): (&String, &Hash)| {
            let time = time_of_cost_6.saturating_mul(1 << (hash.cost - 6));
            format!("user {name:?}: checking a password takes about {} (bcrypt cost {})", duration(time), hash.cost)
        };
        slow.into_iter().map(note).collect()
    }
}

/// Measures how long this machine takes for a hash of cost 6.
fn time_of_cost_6() -> Duration {
    let hash = "$2y$06$DZ7pAw50zLjj1gkI93iKp.5QZwQh86mCQZQSYMvFWoXElgMFXPg.m";
    let began = Instant::now();
    // The result is of no interest.
    let _ = bcrypt::verify("", hash);
    began.elapsed()
}

/// Writes a duration as one number with its unit.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [("days", 86400.0), ("h", 3600.0), ("min", 60.0)];
    let (unit, size) = units.into_iter().find(|(_, size)| seconds >= 2.0 * size).unwrap_or(("s", 1.0));
    format!("{:.0} {unit}", (seconds / size).max(1.0))
}

#[cfg(test)]
mod tests;
