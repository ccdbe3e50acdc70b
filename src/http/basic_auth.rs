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
use super::recent_cache::RecentCache;

/// The costs that bcrypt has. Each step doubles the time.
const MIN_COST: u32 = 4;
const MAX_COST: u32 = 31;
/// From this cost on a check takes about a second or more. It then runs beside the quick ones, so that they do not wait.
const SLOW_COST: u32 = 14;
/// After a wrong password, the next check for the same address waits as long as the wrong one took, times this. So one
/// address takes half a processor at most.
const PAUSE_FACTOR: u32 = 1;
/// Pairs of name and password that are cached as right, and as wrong.
const CACHE_CAPACITY: usize = 1024;

/// A bcrypt hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BcryptHash {
    text: String,
    cost: u32,
}

/// Why a hash is refused. The hash itself is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no bcrypt hash: `htpasswd -nBC 10 \"\" | tr -d ':\\n'` makes one")]
pub(super) struct InvalidHash;

impl FromStr for BcryptHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let cost = text.parse::<bcrypt::HashParts>().map_err(|_| InvalidHash)?.get_cost();
        if (MIN_COST..=MAX_COST).contains(&cost) { Ok(Self { text: text.to_owned(), cost }) } else { Err(InvalidHash) }
    }
}

impl BcryptHash {
    fn is_slow(&self) -> bool {
        self.cost >= SLOW_COST
    }

    fn matches(&self, password: &str) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }
}

/// What comes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordOutcome {
    /// The password is the user's.
    Valid,
    /// There is no such user, or it is not the password.
    Invalid,
    /// Too many requests wait for a check.
    QueueFull,
}

/// Results of earlier checks, and queues of checks to come. Outlives a configuration, so that a reload forgets nothing.
#[derive(Debug)]
pub(super) struct PasswordVerifier {
    key: hmac::Key,
    valid: Mutex<RecentCache<()>>,
    invalid: Mutex<RecentCache<()>>,
    quick: Arc<FairQueue>,
    slow: Arc<FairQueue>,
}

impl PasswordVerifier {
    /// Creates empty queues, and a cache of results under a random key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn new() -> Result<Arc<Self>, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let [right, wrong] = [(); 2].map(|()| Mutex::new(RecentCache::new(CACHE_CAPACITY)));
        let [quick, slow] = [(); 2].map(|()| FairQueue::new(1));
        Ok(Arc::new(Self { key, valid: right, invalid: wrong, quick, slow }))
    }

    /// Lets requests that wait for a check hold a half of the connections at most, and another quarter for slow checks.
    pub(super) fn limit_waiting(&self, connections: usize) {
        self.quick.limit_waiting_to_half_of(connections);
        self.slow.limit_waiting_to_half_of(connections / 2);
    }

    fn cached_outcome(&self, pair: Fingerprint) -> Option<PasswordOutcome> {
        let has =
            |recent: &Mutex<RecentCache<()>>| recent.lock().unwrap_or_else(PoisonError::into_inner).get(pair).is_some();
        if has(&self.valid) {
            return Some(PasswordOutcome::Valid);
        }
        has(&self.invalid).then_some(PasswordOutcome::Invalid)
    }

    fn cache_outcome(&self, pair: Fingerprint, is_right: bool) {
        let recent = if is_right { &self.valid } else { &self.invalid };
        recent.lock().unwrap_or_else(PoisonError::into_inner).insert(pair, ());
    }
}

/// The users of a configuration.
#[derive(Clone)]
pub(super) struct Users {
    hashes: Arc<BTreeMap<String, BcryptHash>>,
    checks: Arc<PasswordVerifier>,
}

impl Users {
    /// Users by their names; `None` if there are none.
    pub(super) fn new(hashes: BTreeMap<String, BcryptHash>, checks: &Arc<PasswordVerifier>) -> Option<Self> {
        (!hashes.is_empty()).then(|| Self { hashes: Arc::new(hashes), checks: Arc::clone(checks) })
    }

    /// Checks a name and a password that came from an address.
    pub(super) async fn check(&self, client: ClientAddress, name: &str, password: &str) -> PasswordOutcome {
        let (Some(hash), is_user) = self.hash_for(name) else { return PasswordOutcome::Invalid };
        // With the hash, since a password is right only as long as the user's hash stays the same.
        let parts = [&[u8::from(is_user)], name.as_bytes(), hash.text.as_bytes(), password.as_bytes()];
        let pair = Fingerprint::keyed(&self.checks.key, &parts);
        if let Some(checked) = self.checks.cached_outcome(pair) {
            return checked;
        }
        let queue = if hash.is_slow() { &self.checks.slow } else { &self.checks.quick };
        let Some(slot) = queue.acquire(client, pair).await else { return PasswordOutcome::QueueFull };
        // Another request may have sent the same.
        if let Some(checked) = self.checks.cached_outcome(pair) {
            return checked;
        }
        let (checks, hash, password) = (Arc::clone(&self.checks), hash.clone(), password.to_owned());
        // It does not end when the client goes away: the next request finds its result.
        let is_right = spawn_blocking(move || {
            let began = Instant::now();
            let is_right = hash.matches(&password) && is_user;
            checks.cache_outcome(pair, is_right);
            if !is_right {
                slot.finish_failed(began.elapsed().saturating_mul(PAUSE_FACTOR));
            }
            is_right
        });
        if is_right.await.unwrap_or(false) { PasswordOutcome::Valid } else { PasswordOutcome::Invalid }
    }

    /// Returns the hash to check for a name, and whether there is a user of that name.
    ///
    /// For any other name it is the hash of some user, always the same one for as long as the file has it. So the time that
    /// a check takes does not tell which users exist, whatever the costs of their hashes.
    fn hash_for(&self, name: &str) -> (Option<&BcryptHash>, bool) {
        let rank = |hash: &&BcryptHash| Fingerprint::unkeyed(&[hash.text.as_bytes(), name.as_bytes()]);
        let decoy = self.hashes.values().max_by_key(rank);
        let hash = self.hashes.get(name);
        (hash.or(decoy), hash.is_some())
    }

    /// Returns a line for each user whose password takes long to check.
    pub(super) fn warnings(&self) -> Vec<String> {
        let slow: Vec<_> = self.hashes.iter().filter(|(_, hash)| hash.is_slow()).collect();
        if slow.is_empty() {
            return Vec::new();
        }
        let time_of_cost_6 = time_of_cost_6();
        let note = |(name, hash): (&String, &BcryptHash)| {
            let time = time_of_cost_6.saturating_mul(1 << (hash.cost - 6));
            format!(
                "user {name:?}: checking a password takes about {} (bcrypt cost {})",
                rounded_duration(time),
                hash.cost
            )
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
fn rounded_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [("days", 86400.0), ("h", 3600.0), ("min", 60.0)];
    let (unit, size) = units.into_iter().find(|(_, size)| seconds >= 2.0 * size).unwrap_or(("s", 1.0));
    format!("{:.0} {unit}", (seconds / size).max(1.0))
}

#[cfg(test)]
mod tests;
