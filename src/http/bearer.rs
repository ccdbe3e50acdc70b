//! Asks who may come in with a bearer token, and caches the verdicts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::client_address::ClientAddress;
use super::fair_queue::FairQueue;
use super::fingerprint::Fingerprint;
use super::recent::Recent;

/// Reviews that run at a time: of tokens that were never allowed, and of those that were.
const REVIEWS: usize = 4;
const RENEWALS: usize = 4;
/// The longest that a review may take.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);
/// After the review of a token that was not allowed, the next review for the same address waits this long.
const PAUSE: Duration = Duration::from_millis(50);
/// Verdicts of either kind that are cached, and for how long. What was refused is cached for less time, so that a right
/// that was just granted is soon of use.
const ALLOWED: (usize, Duration) = (256, Duration::from_mins(1));
const REFUSED: (usize, Duration) = (1024, Duration::from_secs(10));
/// The age from which a verdict is renewed in the background when it is used.
const RENEW_AFTER: Duration = Duration::from_secs(30);
/// Tokens that were once allowed, which are reviewed apart from all others.
const MAX_TRUSTED: usize = 1024;

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
    /// Too many requests wait for a review.
    Busy,
    /// The reviewer cannot tell.
    Unavailable(String),
}

/// A reviewer with a cache.
///
/// Tokens that are not known cannot keep the known ones waiting: these are renewed before their verdict expires, and
/// reviewed apart when it did.
pub(super) struct Bearers {
    shared: Arc<Shared>,
    queue: Arc<FairQueue>,
    /// Renewals that run in the background, and end with this.
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    reviewer: Arc<dyn Reviewer>,
    cache: Mutex<Cache>,
    /// Bounds the reviews of tokens that were once allowed.
    renewals: Semaphore,
}

struct Cache {
    allowed: HashMap<Fingerprint, Entry>,
    refused: HashMap<Fingerprint, Entry>,
    /// Tokens that were allowed, whatever they asked for.
    trusted: Recent<()>,
    renewing: HashSet<Fingerprint>,
}

#[derive(Clone, Copy)]
struct Entry {
    verdict: Verdict,
    since: Instant,
}

/// One question, and the fingerprints under which its answer is cached.
#[derive(Clone)]
struct Question {
    token: String,
    asked: Asked,
    /// Of the token.
    holder: Fingerprint,
    /// Of the token and what is asked for.
    key: Fingerprint,
}

impl Bearers {
    /// A reviewer of a server that has so many connections at a time.
    pub(super) fn new(reviewer: Arc<dyn Reviewer>, connections: usize) -> Self {
        let cache = Cache {
            allowed: HashMap::new(),
            refused: HashMap::new(),
            trusted: Recent::new(MAX_TRUSTED),
            renewing: HashSet::new(),
        };
        let shared = Shared { reviewer, cache: Mutex::new(cache), renewals: Semaphore::new(RENEWALS) };
        let queue = FairQueue::new(REVIEWS);
        queue.limit_to_half_of(connections);
        Self { shared: Arc::new(shared), queue, tasks: Mutex::default() }
    }

    /// Decides on what the holder of `token` asks for from an address.
    pub(super) async fn review(&self, client: ClientAddress, token: &str, asked: Asked) -> Result<Verdict, Undecided> {
        let shared = &self.shared;
        let question = Question::new(token, asked);
        let cached = shared.cache().recall(&question);
        if let Some(entry) = cached {
            if entry.verdict == Verdict::Allowed && entry.since.elapsed() >= RENEW_AFTER {
                self.renew(question);
            }
            return Ok(entry.verdict);
        }
        if shared.cache().trusted.get(question.holder).is_some() {
            return shared.renew(&question).await;
        }
        let slot = self.queue.enter(client, question.key).await.ok_or(Undecided::Busy)?;
        // Another request may have asked the same.
        let cached = shared.cache().recall(&question);
        if let Some(entry) = cached {
            return Ok(entry.verdict);
        }
        let verdict = shared.ask(&question).await?;
        if verdict != Verdict::Allowed {
            slot.end_failed(PAUSE);
        }
        Ok(verdict)
    }

    /// Renews a verdict in the background, unless that is under way.
    fn renew(&self, question: Question) {
        if !self.shared.cache().renewing.insert(question.key) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Without an answer the verdict stays until it expires, and its next use tries again.
            if let Err(Undecided::Unavailable(error)) = shared.renew(&question).await {
                tracing::warn!(%error, "cannot renew the review of a token");
            }
            shared.cache().renewing.remove(&question.key);
        });
    }
}

impl Shared {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reviews a token that was once allowed.
    async fn renew(&self, question: &Question) -> Result<Verdict, Undecided> {
        let turn = self.renewals.acquire().await;
        // Another request may have asked the same.
        let fresh = self.cache().recall(question).filter(|entry| entry.since.elapsed() < RENEW_AFTER);
        let verdict = match fresh {
            Some(entry) => Ok(entry.verdict),
            None => self.ask(question).await,
        };
        drop(turn);
        verdict
    }

    async fn ask(&self, Question { token, asked, holder, key }: &Question) -> Result<Verdict, Undecided> {
        let since = Instant::now();
        let review = timeout(REVIEW_TIMEOUT, self.reviewer.review(token.clone(), asked.clone())).await;
        let verdict = review.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(Undecided::Unavailable)?;
        self.cache().insert(*holder, *key, Entry { verdict, since });
        Ok(verdict)
    }
}

impl Cache {
    fn recall(&self, question: &Question) -> Option<Entry> {
        let get = |entries: &HashMap<Fingerprint, Entry>, time| {
            entries.get(&question.key).copied().filter(|entry| entry.since.elapsed() < time)
        };
        get(&self.allowed, ALLOWED.1).or_else(|| get(&self.refused, REFUSED.1))
    }

    fn insert(&mut self, holder: Fingerprint, key: Fingerprint, entry: Entry) {
        self.allowed.remove(&key);
        self.refused.remove(&key);
        match entry.verdict {
            Verdict::Allowed => {
                self.trusted.insert(holder, ());
                insert(&mut self.allowed, ALLOWED.0, key, entry);
            }
            Verdict::Unknown => {
                self.trusted.remove(holder);
                insert(&mut self.refused, REFUSED.0, key, entry);
            }
            Verdict::Forbidden => insert(&mut self.refused, REFUSED.0, key, entry),
        }
    }
}

/// Inserts an entry; the oldest one makes room for it where there are too many.
fn insert(entries: &mut HashMap<Fingerprint, Entry>, most: usize, key: Fingerprint, entry: Entry) {
    if entries.len() >= most {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| *key);
        oldest.map(|oldest| entries.remove(&oldest));
    }
    entries.insert(key, entry);
}

impl Question {
    fn new(token: &str, asked: Asked) -> Self {
        let holder = Fingerprint::plain(&[token.as_bytes()]);
        let key = Fingerprint::plain(&[token.as_bytes(), asked.verb.as_bytes(), asked.path.as_bytes()]);
        Self { token: token.to_owned(), asked, holder, key }
    }
}

#[cfg(test)]
mod tests;
