use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::{advance, sleep};

use super::{
    ALLOWED_LIFETIME, AccessDecision, AccessReviewer, ClientAddress, MAX_REJECTED, PAUSE_AFTER_REJECTION,
    REJECTED_LIFETIME, RENEW_AFTER, REVIEW_TIMEOUT, RequestAttributes, ReviewError, TokenAuthorizer,
};

const HERE: ClientAddress = ClientAddress::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: ClientAddress = ClientAddress::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Allows one token for one path after a delay, and counts the reviews.
#[derive(Default)]
struct FakeReviewer {
    asked: AtomicUsize,
    takes: Duration,
    is_away: AtomicBool,
    is_revoked: AtomicBool,
}

impl FakeReviewer {
    fn count(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl AccessReviewer for FakeReviewer {
    fn review(&self, token: String, asked: RequestAttributes) -> BoxFuture<'_, Result<AccessDecision, String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_revoked = self.is_revoked.load(Ordering::Relaxed);
        let verdict = match (token.as_str(), asked.path.as_str()) {
            _ if self.is_away.load(Ordering::Relaxed) => Err("away".to_owned()),
            ("good", "/metrics") if !is_revoked => Ok(AccessDecision::Allowed),
            ("good", _) if !is_revoked => Ok(AccessDecision::Forbidden),
            _ => Ok(AccessDecision::Unauthenticated),
        };
        sleep(self.takes).map(|()| verdict).boxed()
    }
}

fn get(path: &str) -> RequestAttributes {
    RequestAttributes { verb: "get".to_owned(), path: path.to_owned() }
}

fn bearers(reviewer: FakeReviewer) -> (Arc<FakeReviewer>, TokenAuthorizer) {
    let reviewer = Arc::new(reviewer);
    (Arc::clone(&reviewer), TokenAuthorizer::new(reviewer, 256))
}

async fn review(bearers: &TokenAuthorizer, token: &str) -> Result<AccessDecision, ReviewError> {
    bearers.review(HERE, token, get("/metrics")).await
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_cached_per_token_and_path() {
    let (reviewer, bearers) = bearers(FakeReviewer::default());
    for _ in 0..3 {
        assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
        assert_eq!(bearers.review(HERE, "good", get("/other")).await, Ok(AccessDecision::Forbidden));
        assert_eq!(review(&bearers, "bad").await, Ok(AccessDecision::Unauthenticated));
    }
    assert_eq!(reviewer.count(), 3);
    advance(REJECTED_LIFETIME).await;
    assert_eq!(review(&bearers, "bad").await, Ok(AccessDecision::Unauthenticated));
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    assert_eq!(reviewer.count(), 4);
    advance(ALLOWED_LIFETIME).await;
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    assert_eq!(reviewer.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_used_decision_is_renewed_once_in_the_background() {
    let (reviewer, bearers) = bearers(FakeReviewer { takes: Duration::from_secs(1), ..FakeReviewer::default() });
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    for renewals in 1..10 {
        advance(RENEW_AFTER).await;
        for _ in 0..20 {
            assert_eq!(review(&bearers, "good").now_or_never(), Some(Ok(AccessDecision::Allowed)));
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(reviewer.count(), 1 + renewals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_the_decision_until_it_expires() {
    let (reviewer, bearers) = bearers(FakeReviewer::default());
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    reviewer.is_away.store(true, Ordering::Relaxed);
    advance(RENEW_AFTER).await;
    for asked in 2..4 {
        assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(reviewer.count(), asked, "each use tries again");
    }
    advance(RENEW_AFTER).await;
    assert_eq!(review(&bearers, "good").await, Err(ReviewError::Unavailable("away".to_owned())));
    reviewer.is_away.store(false, Ordering::Relaxed);
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_detects_a_revoked_token() {
    let (reviewer, bearers) = bearers(FakeReviewer::default());
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    reviewer.is_revoked.store(true, Ordering::Relaxed);
    advance(RENEW_AFTER).await;
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Unauthenticated));
    assert_eq!(reviewer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_hanging_review_rejects_the_request_and_is_retried() {
    let (reviewer, bearers_of_one_away) = bearers(FakeReviewer { is_away: true.into(), ..FakeReviewer::default() });
    for _ in 0..2 {
        assert_eq!(review(&bearers_of_one_away, "good").await, Err(ReviewError::Unavailable("away".to_owned())));
    }
    assert_eq!(reviewer.count(), 2);
    let (_, slow) = bearers(FakeReviewer { takes: REVIEW_TIMEOUT * 2, ..FakeReviewer::default() });
    assert_eq!(review(&slow, "good").await, Err(ReviewError::Unavailable("review timed out".to_owned())));
}

/// Sends random tokens on 64 connections from one address, each after the response to the previous one.
async fn send_random_tokens(bearers: &TokenAuthorizer) {
    let connection = async |connection: u32| {
        for number in 0_u64.. {
            let verdict = review(bearers, &format!("bad-{connection}-{number}")).await;
            assert_eq!(verdict, Ok(AccessDecision::Unauthenticated));
        }
    };
    join_all((0..64).map(connection)).await;
}

#[tokio::test(start_paused = true)]
async fn random_tokens_never_make_a_valid_one_fail() {
    for from in [HERE, ELSEWHERE] {
        let (reviewer, bearers) = bearers(FakeReviewer { takes: Duration::from_millis(20), ..FakeReviewer::default() });
        // First used during the attack, and again after its decision has expired.
        let scraping = async {
            sleep(Duration::from_secs(1)).await;
            for pause in [1, 15, 30, 59, 61, 1, 61].map(Duration::from_secs) {
                let verdict = bearers.review(from, "good", get("/metrics")).await;
                assert_eq!(verdict, Ok(AccessDecision::Allowed));
                sleep(pause).await;
            }
        };
        let began = tokio::time::Instant::now();
        tokio::select! {
            () = scraping => {}
            () = send_random_tokens(&bearers) => {}
        }
        let guesses = reviewer.count() as f64;
        assert!(
            guesses <= began.elapsed().div_duration_f64(PAUSE_AFTER_REJECTION) + 200.0,
            "{guesses} reviews in {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_bounded() {
    let (_, bearers) = bearers(FakeReviewer::default());
    assert_eq!(review(&bearers, "good").await, Ok(AccessDecision::Allowed));
    for number in 0..2 * MAX_REJECTED.get() {
        assert_eq!(review(&bearers, &format!("bad-{number}")).await, Ok(AccessDecision::Unauthenticated));
        assert!(bearers.reviews.cache().rejected.len() <= MAX_REJECTED.get());
    }
    assert_eq!(bearers.reviews.cache().allowed.len(), 1);
}
