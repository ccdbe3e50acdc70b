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
use super::recent_cache::RecentCache;

/// Reviews that run at a time: of tokens that were never allowed, and of those that were.
const MAX_REVIEWS: usize = 4;
const MAX_RENEWALS: usize = 4;
/// The longest that a review may take.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);
/// After the review of a token that was not allowed, the next review for the same address waits this long.
const PAUSE_AFTER_REJECTION: Duration = Duration::from_millis(50);
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
pub struct RequestAttributes {
    /// The method in lower case.
    pub verb: String,
    /// The path.
    pub path: String,
}

/// What comes of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDecision {
    /// Whoever holds the token may.
    Allowed,
    /// The token is nobody's.
    Unauthenticated,
    /// It is somebody's who may not.
    Forbidden,
}

/// Whoever knows who may.
pub trait AccessReviewer: Send + Sync + 'static {
    /// Decides. The error says why it cannot.
    fn review(&self, token: String, asked: RequestAttributes) -> BoxFuture<'_, Result<AccessDecision, String>>;
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReviewError {
    /// Too many requests wait for a review.
    QueueFull,
    /// The reviewer cannot tell.
    Unavailable(String),
}

/// A reviewer with a cache.
///
/// Tokens that are not known cannot keep the known ones waiting: these are renewed before their verdict expires, and
/// reviewed apart when it did.
pub(super) struct TokenAuthorizer {
    shared: Arc<ReviewCache>,
    queue: Arc<FairQueue>,
    /// Renewals that run in the background, and end with this.
    tasks: Mutex<JoinSet<()>>,
}

struct ReviewCache {
    reviewer: Arc<dyn AccessReviewer>,
    cache: Mutex<DecisionCache>,
    /// Bounds the reviews of tokens that were once allowed.
    renewals: Semaphore,
}

struct DecisionCache {
    allowed: HashMap<Fingerprint, CachedDecision>,
    refused: HashMap<Fingerprint, CachedDecision>,
    /// Tokens that were allowed, whatever they asked for.
    trusted: RecentCache<()>,
    renewing: HashSet<Fingerprint>,
}

#[derive(Clone, Copy)]
struct CachedDecision {
    verdict: AccessDecision,
    since: Instant,
}

/// One question, and the fingerprints under which its answer is cached.
#[derive(Clone)]
struct PendingReview {
    token: String,
    attributes: RequestAttributes,
    /// Of the token.
    token_key: Fingerprint,
    /// Of the token and what is asked for.
    request_key: Fingerprint,
}

impl TokenAuthorizer {
    /// A reviewer of a server that has so many connections at a time.
    pub(super) fn new(reviewer: Arc<dyn AccessReviewer>, connections: usize) -> Self {
        let cache = DecisionCache {
            allowed: HashMap::new(),
            refused: HashMap::new(),
            trusted: RecentCache::new(MAX_TRUSTED),
            renewing: HashSet::new(),
        };
        let shared = ReviewCache { reviewer, cache: Mutex::new(cache), renewals: Semaphore::new(MAX_RENEWALS) };
        let queue = FairQueue::new(MAX_REVIEWS);
        queue.limit_waiting_to_half_of(connections);
        Self { shared: Arc::new(shared), queue, tasks: Mutex::default() }
    }

    /// Decides on what the holder of `token` asks for from an address.
    pub(super) async fn review(
        &self,
        client: ClientAddress,
        token: &str,
        asked: RequestAttributes,
    ) -> Result<AccessDecision, ReviewError> {
        let shared = &self.shared;
        let question = PendingReview::new(token, asked);
        let cached = shared.cache().get(&question);
        if let Some(entry) = cached {
            if entry.verdict == AccessDecision::Allowed && entry.since.elapsed() >= RENEW_AFTER {
                self.renew_in_background(question);
            }
            return Ok(entry.verdict);
        }
        if shared.cache().trusted.get(question.token_key).is_some() {
            return shared.renew(&question).await;
        }
        let slot = self.queue.acquire(client, question.request_key).await.ok_or(ReviewError::QueueFull)?;
        // Another request may have asked the same.
        let cached = shared.cache().get(&question);
        if let Some(entry) = cached {
            return Ok(entry.verdict);
        }
        let verdict = shared.review_now(&question).await?;
        if verdict != AccessDecision::Allowed {
            slot.finish_failed(PAUSE_AFTER_REJECTION);
        }
        Ok(verdict)
    }

    /// Renews a verdict in the background, unless that is under way.
    fn renew_in_background(&self, question: PendingReview) {
        if !self.shared.cache().renewing.insert(question.request_key) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Without an answer the verdict stays until it expires, and its next use tries again.
            if let Err(ReviewError::Unavailable(error)) = shared.renew(&question).await {
                tracing::warn!(%error, "cannot renew the review of a token");
            }
            shared.cache().renewing.remove(&question.request_key);
        });
    }
}

impl ReviewCache {
    fn cache(&self) -> MutexGuard<'_, DecisionCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reviews a token that was once allowed.
    async fn renew(&self, question: &PendingReview) -> Result<AccessDecision, ReviewError> {
        let turn = self.renewals.acquire().await;
        // Another request may have asked the same.
        let fresh = self.cache().get(question).filter(|entry| entry.since.elapsed() < RENEW_AFTER);
        let verdict = match fresh {
            Some(entry) => Ok(entry.verdict),
            None => self.review_now(question).await,
        };
        drop(turn);
        verdict
    }

    async fn review_now(
        &self,
        PendingReview { token, attributes: asked, token_key: holder, request_key: key }: &PendingReview,
    ) -> Result<AccessDecision, ReviewError> {
        let since = Instant::now();
        let review = timeout(REVIEW_TIMEOUT, self.reviewer.review(token.clone(), asked.clone())).await;
        let verdict =
            review.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(ReviewError::Unavailable)?;
        self.cache().insert(*holder, *key, CachedDecision { verdict, since });
        Ok(verdict)
    }
}

impl DecisionCache {
    fn get(&self, question: &PendingReview) -> Option<CachedDecision> {
        let get = |entries: &HashMap<Fingerprint, CachedDecision>, time| {
            entries.get(&question.request_key).copied().filter(|entry| entry.since.elapsed() < time)
        };
        get(&self.allowed, ALLOWED.1).or_else(|| get(&self.refused, REFUSED.1))
    }

    fn insert(&mut self, holder: Fingerprint, key: Fingerprint, entry: CachedDecision) {
        self.allowed.remove(&key);
        self.refused.remove(&key);
        match entry.verdict {
            AccessDecision::Allowed => {
                self.trusted.insert(holder, ());
                insert_bounded(&mut self.allowed, ALLOWED.0, key, entry);
            }
            AccessDecision::Unauthenticated => {
                self.trusted.remove(holder);
                insert_bounded(&mut self.refused, REFUSED.0, key, entry);
            }
            AccessDecision::Forbidden => insert_bounded(&mut self.refused, REFUSED.0, key, entry),
        }
    }
}

/// Inserts an entry; the oldest one makes room for it where there are too many.
fn insert_bounded(
    entries: &mut HashMap<Fingerprint, CachedDecision>,
    most: usize,
    key: Fingerprint,
    entry: CachedDecision,
) {
    if entries.len() >= most {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| *key);
        oldest.map(|oldest| entries.remove(&oldest));
    }
    entries.insert(key, entry);
}

impl PendingReview {
    fn new(token: &str, asked: RequestAttributes) -> Self {
        let holder = Fingerprint::unkeyed(&[token.as_bytes()]);
        let key = Fingerprint::unkeyed(&[token.as_bytes(), asked.verb.as_bytes(), asked.path.as_bytes()]);
        Self { token: token.to_owned(), attributes: asked, token_key: holder, request_key: key }
    }
}

#[cfg(test)]
mod tests;
