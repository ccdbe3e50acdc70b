use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::{advance, sleep};

use super::{
    ALLOWED, Asked, Bearers, ClientAddress, PAUSE, REFUSED, RENEW_AFTER, REVIEW_TIMEOUT, Reviewer, Undecided, Verdict,
};

const HERE: ClientAddress = ClientAddress::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: ClientAddress = ClientAddress::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Knows one token for one path, takes its time, and counts how often it is asked.
#[derive(Default)]
struct Doorman {
    asked: AtomicUsize,
    takes: Duration,
    is_away: AtomicBool,
    is_revoked: AtomicBool,
}

impl Doorman {
    fn count(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Reviewer for Doorman {
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_revoked = self.is_revoked.load(Ordering::Relaxed);
        let verdict = match (token.as_str(), asked.path.as_str()) {
            _ if self.is_away.load(Ordering::Relaxed) => Err("away".to_owned()),
            ("good", "/metrics") if !is_revoked => Ok(Verdict::Allowed),
            ("good", _) if !is_revoked => Ok(Verdict::Forbidden),
            _ => Ok(Verdict::Unknown),
        };
        sleep(self.takes).map(|()| verdict).boxed()
    }
}

fn get(path: &str) -> Asked {
    Asked { verb: "get".to_owned(), path: path.to_owned() }
}

fn bearers(doorman: Doorman) -> (Arc<Doorman>, Bearers) {
    let doorman = Arc::new(doorman);
    (Arc::clone(&doorman), Bearers::new(doorman, 256))
}

async fn ask(bearers: &Bearers, token: &str) -> Result<Verdict, Undecided> {
    bearers.review(HERE, token, get("/metrics")).await
}

#[tokio::test(start_paused = true)]
async fn a_verdict_holds_for_a_while_for_that_token_and_path_only() {
    let (doorman, bearers) = bearers(Doorman::default());
    for _ in 0..3 {
        assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
        assert_eq!(bearers.review(HERE, "good", get("/other")).await, Ok(Verdict::Forbidden));
        assert_eq!(ask(&bearers, "bad").await, Ok(Verdict::Unknown));
    }
    assert_eq!(doorman.count(), 3);
    advance(REFUSED.1).await;
    assert_eq!(ask(&bearers, "bad").await, Ok(Verdict::Unknown));
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    assert_eq!(doorman.count(), 4);
    advance(ALLOWED.1).await;
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    assert_eq!(doorman.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_used_is_renewed_once_and_nobody_waits_for_it() {
    let (doorman, bearers) = bearers(Doorman { takes: Duration::from_secs(1), ..Doorman::default() });
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    for renewals in 1..10 {
        advance(RENEW_AFTER).await;
        for _ in 0..20 {
            assert_eq!(ask(&bearers, "good").now_or_never(), Some(Ok(Verdict::Allowed)));
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(doorman.count(), 1 + renewals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_changes_nothing_until_the_verdict_expires() {
    let (doorman, bearers) = bearers(Doorman::default());
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    doorman.is_away.store(true, Ordering::Relaxed);
    advance(RENEW_AFTER).await;
    for asked in 2..4 {
        assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(doorman.count(), asked, "each use tries again");
    }
    advance(RENEW_AFTER).await;
    assert_eq!(ask(&bearers, "good").await, Err(Undecided::Unavailable("away".to_owned())));
    doorman.is_away.store(false, Ordering::Relaxed);
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_finds_out_that_a_token_is_revoked() {
    let (doorman, bearers) = bearers(Doorman::default());
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    doorman.is_revoked.store(true, Ordering::Relaxed);
    advance(RENEW_AFTER).await;
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Unknown));
    assert_eq!(doorman.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_that_fails_or_hangs_lets_nobody_in_and_is_asked_again() {
    let (doorman, bearers_of_one_away) = bearers(Doorman { is_away: true.into(), ..Doorman::default() });
    for _ in 0..2 {
        assert_eq!(ask(&bearers_of_one_away, "good").await, Err(Undecided::Unavailable("away".to_owned())));
    }
    assert_eq!(doorman.count(), 2);
    let (_, slow) = bearers(Doorman { takes: REVIEW_TIMEOUT * 2, ..Doorman::default() });
    assert_eq!(ask(&slow, "good").await, Err(Undecided::Unavailable("no answer in time".to_owned())));
}

/// Sends random tokens on 64 connections from one address, each as soon as the last one is answered.
async fn guess_for_ever(bearers: &Bearers) {
    let connection = async |connection: u32| {
        for number in 0_u64.. {
            let verdict = ask(bearers, &format!("bad-{connection}-{number}")).await;
            assert_eq!(verdict, Ok(Verdict::Unknown));
        }
    };
    join_all((0..64).map(connection)).await;
}

#[tokio::test(start_paused = true)]
async fn random_tokens_never_make_a_right_one_fail() {
    for from in [HERE, ELSEWHERE] {
        let (doorman, bearers) = bearers(Doorman { takes: Duration::from_millis(20), ..Doorman::default() });
        // First used while others guess, and again after a pause that is longer than a verdict holds.
        let scraping = async {
            sleep(Duration::from_secs(1)).await;
            for pause in [1, 15, 30, 59, 61, 1, 61].map(Duration::from_secs) {
                let verdict = bearers.review(from, "good", get("/metrics")).await;
                assert_eq!(verdict, Ok(Verdict::Allowed));
                sleep(pause).await;
            }
        };
        let began = tokio::time::Instant::now();
        tokio::select! {
            () = scraping => {}
            () = guess_for_ever(&bearers) => {}
        }
        let guesses = doorman.count() as f64;
        assert!(
            guesses <= began.elapsed().div_duration_f64(PAUSE) + 200.0,
            "{guesses} reviews in {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_bounded() {
    let (_, bearers) = bearers(Doorman::default());
    assert_eq!(ask(&bearers, "good").await, Ok(Verdict::Allowed));
    for number in 0..2 * REFUSED.0 {
        assert_eq!(ask(&bearers, &format!("bad-{number}")).await, Ok(Verdict::Unknown));
        assert!(bearers.shared.cache().refused.len() <= REFUSED.0);
    }
    assert_eq!(bearers.shared.cache().allowed.len(), 1);
}
