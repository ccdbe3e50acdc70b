//! Authorization of bearer tokens by the API server, with a cache of decisions.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use lru::LruCache;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::client_address::ClientAddress;
use super::fair_queue::FairQueue;
use super::fingerprint::Fingerprint;

/// Maximum number of concurrent reviews of tokens that have never been allowed.
const MAX_REVIEWS: usize = 4;
/// Maximum number of concurrent reviews of tokens that have been allowed before.
const MAX_RENEWALS: usize = 4;
/// Maximum duration of a review.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the next review for a client address after a token was rejected.
const PAUSE_AFTER_REJECTION: Duration = Duration::from_millis(50);
/// Capacity and lifetime of cached decisions. Rejections expire earlier, so that a newly granted permission takes effect
/// soon.
const MAX_ALLOWED: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const ALLOWED_LIFETIME: Duration = Duration::from_mins(1);
const MAX_REJECTED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
const REJECTED_LIFETIME: Duration = Duration::from_secs(10);
/// Minimum age of a decision that is renewed in the background when it is used.
const RENEW_AFTER: Duration = Duration::from_secs(30);
/// Number of tokens that are stored as allowed before.
const MAX_TRUSTED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The attributes of a request that a review authorizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestAttributes {
    /// HTTP method in lower case.
    pub verb: String,
    /// Path of the URL.
    pub path: String,
}

/// The result of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDecision {
    /// The token is valid and grants access.
    Allowed,
    /// The token is invalid.
    Unauthenticated,
    /// The token is valid but does not grant access.
    Forbidden,
}

/// Reviews bearer tokens.
pub trait AccessReviewer: Send + Sync + 'static {
    /// Decides whether the token grants access. The error is the reason why no decision is possible.
    fn review(&self, token: String, attributes: RequestAttributes) -> BoxFuture<'_, Result<AccessDecision, String>>;
}

/// The reason why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReviewError {
    /// Too many requests are waiting for a review.
    QueueFull,
    /// The review failed.
    Unavailable(String),
}

/// Authorizes bearer tokens and caches the decisions.
///
/// Unknown tokens do not delay known ones: known tokens are renewed before their decision expires, and are reviewed
/// separately after it has expired.
pub(super) struct TokenAuthorizer {
    reviews: Arc<Reviews>,
    queue: Arc<FairQueue>,
    /// Renewals in the background. Aborted when dropped.
    tasks: Mutex<JoinSet<()>>,
}

struct Reviews {
    reviewer: Arc<dyn AccessReviewer>,
    cache: Mutex<DecisionCache>,
    /// Limits reviews of tokens that have been allowed before.
    renewals: Semaphore,
}

struct DecisionCache {
    allowed: LruCache<Fingerprint, CachedDecision>,
    rejected: LruCache<Fingerprint, CachedDecision>,
    /// Tokens that have been allowed for any request.
    trusted: LruCache<Fingerprint, ()>,
    renewing: HashSet<Fingerprint>,
}

#[derive(Clone, Copy)]
struct CachedDecision {
    decision: AccessDecision,
    since: Instant,
}

/// A token and a request to review, with their cache keys.
#[derive(Clone)]
struct PendingReview {
    token: String,
    attributes: RequestAttributes,
    /// Fingerprint of the token.
    token_key: Fingerprint,
    /// Fingerprint of the token and the request attributes.
    request_key: Fingerprint,
}

impl TokenAuthorizer {
    /// `connections` is the maximum number of connections of the server.
    pub(super) fn new(reviewer: Arc<dyn AccessReviewer>, connections: usize) -> Self {
        let cache = DecisionCache {
            allowed: LruCache::new(MAX_ALLOWED),
            rejected: LruCache::new(MAX_REJECTED),
            trusted: LruCache::new(MAX_TRUSTED),
            renewing: HashSet::new(),
        };
        let reviews = Reviews { reviewer, cache: Mutex::new(cache), renewals: Semaphore::new(MAX_RENEWALS) };
        let queue = FairQueue::new(MAX_REVIEWS);
        queue.limit_waiting_to_half_of(connections);
        Self { reviews: Arc::new(reviews), queue, tasks: Mutex::default() }
    }

    /// Decides whether a token grants access, from the cache if possible.
    pub(super) async fn review(
        &self,
        client: ClientAddress,
        token: &str,
        attributes: RequestAttributes,
    ) -> Result<AccessDecision, ReviewError> {
        let reviews = &self.reviews;
        let review = PendingReview::new(token, attributes);
        let cached = reviews.cache().get(&review);
        if let Some(cached) = cached {
            if cached.decision == AccessDecision::Allowed && cached.since.elapsed() >= RENEW_AFTER {
                self.renew_in_background(review);
            }
            return Ok(cached.decision);
        }
        let is_trusted = reviews.cache().trusted.get(&review.token_key).is_some();
        if is_trusted {
            return reviews.renew(&review).await;
        }
        let permit = self.queue.acquire(client, review.request_key).await.ok_or(ReviewError::QueueFull)?;
        // Another request with the same token may have been reviewed meanwhile.
        let cached = reviews.cache().get(&review);
        if let Some(cached) = cached {
            return Ok(cached.decision);
        }
        let decision = reviews.review_now(&review).await?;
        if decision != AccessDecision::Allowed {
            permit.finish_failed(PAUSE_AFTER_REJECTION);
        }
        Ok(decision)
    }

    /// Renews a decision in the background, unless a renewal is running.
    fn renew_in_background(&self, review: PendingReview) {
        if !self.reviews.cache().renewing.insert(review.request_key) {
            return;
        }
        let reviews = Arc::clone(&self.reviews);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // After an error, the decision stays valid until it expires. Its next use retries.
            if let Err(ReviewError::Unavailable(error)) = reviews.renew(&review).await {
                tracing::warn!(%error, "cannot renew the review of a bearer token");
            }
            reviews.cache().renewing.remove(&review.request_key);
        });
    }
}

impl Reviews {
    fn cache(&self) -> MutexGuard<'_, DecisionCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reviews a token that has been allowed before.
    async fn renew(&self, review: &PendingReview) -> Result<AccessDecision, ReviewError> {
        let _permit = self.renewals.acquire().await;
        // Another request with the same token may have been reviewed meanwhile.
        let fresh = self.cache().get(review).filter(|cached| cached.since.elapsed() < RENEW_AFTER);
        match fresh {
            Some(cached) => Ok(cached.decision),
            None => self.review_now(review).await,
        }
    }

    async fn review_now(&self, review: &PendingReview) -> Result<AccessDecision, ReviewError> {
        let since = Instant::now();
        let reviewed = self.reviewer.review(review.token.clone(), review.attributes.clone());
        let decision = timeout(REVIEW_TIMEOUT, reviewed).await.unwrap_or_else(|_| Err("review timed out".to_owned()));
        let decision = decision.map_err(ReviewError::Unavailable)?;
        self.cache().insert(review, CachedDecision { decision, since });
        Ok(decision)
    }
}

impl DecisionCache {
    fn get(&mut self, review: &PendingReview) -> Option<CachedDecision> {
        let key = &review.request_key;
        let is_fresh = |cached: &CachedDecision, lifetime| cached.since.elapsed() < lifetime;
        let allowed = self.allowed.get(key).copied().filter(|cached| is_fresh(cached, ALLOWED_LIFETIME));
        allowed.or_else(|| self.rejected.get(key).copied().filter(|cached| is_fresh(cached, REJECTED_LIFETIME)))
    }

    fn insert(&mut self, review: &PendingReview, cached: CachedDecision) {
        let key = review.request_key;
        self.allowed.pop(&key);
        self.rejected.pop(&key);
        match cached.decision {
            AccessDecision::Allowed => {
                self.trusted.put(review.token_key, ());
                self.allowed.put(key, cached);
            }
            AccessDecision::Unauthenticated => {
                self.trusted.pop(&review.token_key);
                self.rejected.put(key, cached);
            }
            AccessDecision::Forbidden => drop(self.rejected.put(key, cached)),
        }
    }
}

impl PendingReview {
    fn new(token: &str, attributes: RequestAttributes) -> Self {
        let token_key = Fingerprint::unkeyed(&[token.as_bytes()]);
        let parts = [token.as_bytes(), attributes.verb.as_bytes(), attributes.path.as_bytes()];
        let request_key = Fingerprint::unkeyed(&parts);
        Self { token: token.to_owned(), attributes, token_key, request_key }
    }
}

#[cfg(test)]
mod tests;
