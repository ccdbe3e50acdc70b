use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::{advance, sleep};

use super::{ALLOWED, Asked, Bearers, PATIENCE, REFUSED, REVIEWS, Reviewer, Undecided, Verdict};

/// Knows one token for one path, takes its time, and counts how often it is asked.
#[derive(Default)]
struct Doorman {
    asked: AtomicUsize,
    takes: Duration,
    is_away: bool,
}

impl Reviewer for Doorman {
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let verdict = match (token.as_str(), asked.path.as_str()) {
            _ if self.is_away => Err("away".to_owned()),
            ("good", "/metrics") => Ok(Verdict::Allowed),
            ("good", _) => Ok(Verdict::Forbidden),
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
    (Arc::clone(&doorman), Bearers::new(doorman))
}

#[tokio::test(start_paused = true)]
async fn a_verdict_holds_for_a_while_for_that_token_and_path_only() {
    let (doorman, bearers) = bearers(Doorman::default());
    let asked = || doorman.asked.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(bearers.review("good", get("/metrics")).await, Ok(Verdict::Allowed));
        assert_eq!(bearers.review("good", get("/other")).await, Ok(Verdict::Forbidden));
        assert_eq!(bearers.review("bad", get("/metrics")).await, Ok(Verdict::Unknown));
    }
    assert_eq!(asked(), 3);
    advance(REFUSED.1).await;
    assert_eq!(bearers.review("bad", get("/metrics")).await, Ok(Verdict::Unknown));
    assert_eq!(bearers.review("good", get("/metrics")).await, Ok(Verdict::Allowed));
    assert_eq!(asked(), 4);
    advance(ALLOWED.1).await;
    assert_eq!(bearers.review("good", get("/metrics")).await, Ok(Verdict::Allowed));
    assert_eq!(asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_reviewer_that_fails_or_hangs_lets_nobody_in_and_is_asked_again() {
    let (doorman, bearers_of_one_away) = bearers(Doorman { is_away: true, ..Doorman::default() });
    for _ in 0..2 {
        let verdict = bearers_of_one_away.review("good", get("/metrics")).await;
        assert_eq!(verdict, Err(Undecided::Unavailable("away".to_owned())));
    }
    assert_eq!(doorman.asked.load(Ordering::Relaxed), 2);
    let (_, slow) = bearers(Doorman { takes: PATIENCE * 2, ..Doorman::default() });
    let verdict = slow.review("good", get("/metrics")).await;
    assert_eq!(verdict, Err(Undecided::Unavailable("no answer in time".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn those_who_guess_neither_fill_the_memory_nor_the_line() {
    let (doorman, bearers) = bearers(Doorman { takes: Duration::from_millis(1), ..Doorman::default() });
    assert_eq!(bearers.review("good", get("/metrics")).await, Ok(Verdict::Allowed));
    let tokens: Vec<String> = (0..10_000).map(|number| format!("bad-{number}")).collect();
    for tokens in tokens.chunks(100) {
        let verdicts = join_all(tokens.iter().map(|token| bearers.review(token, get("/metrics")))).await;
        let busy = verdicts.iter().filter(|verdict| **verdict == Err(Undecided::Busy)).count();
        assert_eq!(busy, 100 - REVIEWS.0 - REVIEWS.1);
        assert!(verdicts.iter().all(|verdict| *verdict != Ok(Verdict::Allowed)));
    }
    assert_eq!(bearers.refused.lock().unwrap().len(), REFUSED.0);
    let asked = doorman.asked.load(Ordering::Relaxed);
    assert_eq!(bearers.review("good", get("/metrics")).await, Ok(Verdict::Allowed));
    assert_eq!(doorman.asked.load(Ordering::Relaxed), asked, "it is still remembered");
}
