//! Basic authentication: checks passwords against bcrypt hashes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use ring::error::Unspecified;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::client_address::ClientAddress;
use super::fair_queue::FairQueue;
use super::fingerprint::Fingerprint;

/// Valid costs of bcrypt. Each step doubles the time of a check.
const MIN_COST: u32 = 4;
const MAX_COST: u32 = 31;
/// Minimum cost of a slow hash, whose check takes about a second or more. Slow checks have a separate queue, so that they do not delay fast
/// ones.
const SLOW_COST: u32 = 14;
/// Pause before the next check of a client address after a wrong password, as a multiple of the duration of that check. One
/// address therefore uses at most half of a CPU.
const PAUSE_FACTOR: u32 = 1;
/// Number of valid, and of invalid, credentials in the cache.
const CACHE_CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// A bcrypt hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BcryptHash {
    text: String,
    cost: u32,
}

/// An invalid hash. The message omits the hash, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a bcrypt hash; create one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`")]
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

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordOutcome {
    /// The user exists and the password matches.
    Valid,
    /// The user does not exist or the password does not match.
    Invalid,
    /// Too many requests are waiting for a check.
    QueueFull,
}

/// Queues of checks, and a cache of their results. Shared by successive configurations, so that a reload keeps the cache.
#[derive(Debug)]
pub(super) struct PasswordVerifier {
    key: hmac::Key,
    valid: Mutex<LruCache<Fingerprint, ()>>,
    invalid: Mutex<LruCache<Fingerprint, ()>>,
    fast: Arc<FairQueue>,
    slow: Arc<FairQueue>,
}

impl PasswordVerifier {
    /// Creates empty queues, and an empty cache with a random key.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(super) fn new() -> Result<Arc<Self>, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let [valid, invalid] = [(); 2].map(|()| Mutex::new(LruCache::new(CACHE_CAPACITY)));
        let [fast, slow] = [(); 2].map(|()| FairQueue::new(1));
        Ok(Arc::new(Self { key, valid, invalid, fast, slow }))
    }

    /// Limits waiting requests to half of the connections, and to another quarter for slow checks.
    pub(super) fn limit_waiting(&self, connections: usize) {
        self.fast.limit_waiting_to_half_of(connections);
        self.slow.limit_waiting_to_half_of(connections / 2);
    }

    fn cached_outcome(&self, credentials: Fingerprint) -> Option<PasswordOutcome> {
        let contains = |cache: &Mutex<LruCache<Fingerprint, ()>>| {
            cache.lock().unwrap_or_else(PoisonError::into_inner).get(&credentials).is_some()
        };
        if contains(&self.valid) {
            return Some(PasswordOutcome::Valid);
        }
        contains(&self.invalid).then_some(PasswordOutcome::Invalid)
    }

    fn cache_outcome(&self, credentials: Fingerprint, is_valid: bool) {
        let cache = if is_valid { &self.valid } else { &self.invalid };
        cache.lock().unwrap_or_else(PoisonError::into_inner).put(credentials, ());
    }
}

/// The users of a configuration.
#[derive(Clone)]
pub(super) struct Users {
    hashes: Arc<BTreeMap<String, BcryptHash>>,
    verifier: Arc<PasswordVerifier>,
}

impl Users {
    /// Returns `None` if there are no users.
    pub(super) fn new(hashes: BTreeMap<String, BcryptHash>, verifier: &Arc<PasswordVerifier>) -> Option<Self> {
        (!hashes.is_empty()).then(|| Self { hashes: Arc::new(hashes), verifier: Arc::clone(verifier) })
    }

    /// Checks a user name and password, from the cache if possible.
    pub(super) async fn check(&self, client: ClientAddress, name: &str, password: &str) -> PasswordOutcome {
        let (Some(hash), is_user) = self.hash_for(name) else { return PasswordOutcome::Invalid };
        // Includes the hash, so that a changed hash invalidates cached results.
        let parts = [&[u8::from(is_user)], name.as_bytes(), hash.text.as_bytes(), password.as_bytes()];
        let credentials = Fingerprint::keyed(&self.verifier.key, &parts);
        if let Some(outcome) = self.verifier.cached_outcome(credentials) {
            return outcome;
        }
        let queue = if hash.is_slow() { &self.verifier.slow } else { &self.verifier.fast };
        let Some(permit) = queue.acquire(client, credentials).await else { return PasswordOutcome::QueueFull };
        // Another request with the same credentials may have been checked meanwhile.
        if let Some(outcome) = self.verifier.cached_outcome(credentials) {
            return outcome;
        }
        let (verifier, hash, password) = (Arc::clone(&self.verifier), hash.clone(), password.to_owned());
        // The check continues if the client disconnects. The next request uses its result.
        let is_valid = spawn_blocking(move || {
            let start = Instant::now();
            let is_valid = hash.matches(&password) && is_user;
            verifier.cache_outcome(credentials, is_valid);
            if !is_valid {
                permit.finish_failed(start.elapsed().saturating_mul(PAUSE_FACTOR));
            }
            is_valid
        });
        if is_valid.await.unwrap_or(false) { PasswordOutcome::Valid } else { PasswordOutcome::Invalid }
    }

    /// Returns the hash to check for a name, and whether a user with this name exists.
    ///
    /// For an unknown name, returns the hash of a user that is chosen by the name. The duration of a check therefore does
    /// not reveal which users exist, even if the costs of their hashes differ.
    fn hash_for(&self, name: &str) -> (Option<&BcryptHash>, bool) {
        let rank = |hash: &&BcryptHash| Fingerprint::unkeyed(&[hash.text.as_bytes(), name.as_bytes()]);
        let decoy = self.hashes.values().max_by_key(rank);
        let hash = self.hashes.get(name);
        (hash.or(decoy), hash.is_some())
    }

    /// Returns a warning for each user with a slow hash.
    pub(super) fn warnings(&self) -> Vec<String> {
        let slow: Vec<_> = self.hashes.iter().filter(|(_, hash)| hash.is_slow()).collect();
        if slow.is_empty() {
            return Vec::new();
        }
        let time_of_cost_6 = time_of_cost_6();
        let warning = |(name, hash): (&String, &BcryptHash)| {
            let time = rounded_duration(time_of_cost_6.saturating_mul(1 << (hash.cost - 6)));
            format!("user {name:?}: checking a password takes about {time} (bcrypt cost {})", hash.cost)
        };
        slow.into_iter().map(warning).collect()
    }
}

/// Measures the duration of a check with a cost of 6.
fn time_of_cost_6() -> Duration {
    let hash = "$2y$06$DZ7pAw50zLjj1gkI93iKp.5QZwQh86mCQZQSYMvFWoXElgMFXPg.m";
    let start = Instant::now();
    let _ = bcrypt::verify("", hash);
    start.elapsed()
}

/// Formats a duration as a number with a single unit.
fn rounded_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [("days", 86400.0), ("h", 3600.0), ("min", 60.0)];
    let (unit, size) = units.into_iter().find(|(_, size)| seconds >= 2.0 * size).unwrap_or(("s", 1.0));
    format!("{:.0} {unit}", (seconds / size).max(1.0))
}

#[cfg(test)]
mod tests;
