use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use proptest::prelude::*;

use super::{
    BcryptHash, ClientAddress, Fingerprint, InvalidHash, PasswordOutcome, PasswordVerifier, Users, rounded_duration,
};

const HERE: ClientAddress = ClientAddress::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: ClientAddress = ClientAddress::V4(Ipv4Addr::new(10, 0, 0, 1));

fn hash(password: &str, cost: u32) -> BcryptHash {
    bcrypt::hash(password, cost).unwrap().parse().unwrap()
}

fn users_of<const N: usize>(hashes: [(&str, BcryptHash); N], verifier: &Arc<PasswordVerifier>) -> Users {
    let hashes: BTreeMap<_, _> = hashes.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect();
    Users::new(hashes, verifier).unwrap()
}

fn users<const N: usize>(names: [(&str, &str); N]) -> Users {
    users_of(names.map(|(name, password)| (name, hash(password, 4))), &PasswordVerifier::new().unwrap())
}

#[tokio::test]
async fn a_password_is_right_for_its_own_user_only() {
    let users = users([("alice", "correct horse"), ("bob", "")]);
    for _ in 0..2 {
        assert_eq!(users.check(HERE, "alice", "correct horse").await, PasswordOutcome::Valid);
        assert_eq!(users.check(HERE, "bob", "").await, PasswordOutcome::Valid);
        for (name, password) in [
            ("alice", ""),
            ("alice", "correct horse "),
            ("bob", "correct horse"),
            ("", ""),
            ("carol", "correct horse"),
            ("carol", ""),
        ] {
            assert_eq!(users.check(HERE, name, password).await, PasswordOutcome::Invalid, "{name}:{password}");
        }
    }
}

#[test]
fn hashes_of_other_tools_are_accepted() {
    for version in ["2a", "2b", "2y"] {
        let hash = format!("${version}$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
        assert!(hash.parse::<BcryptHash>().is_ok_and(|hash| hash.cost == 5 && hash.matches("U*U")), "{hash}");
    }
    for cost in [4, 14, 18, 31] {
        let hash = format!("$2y${cost:02}$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe");
        assert_eq!(hash.parse::<BcryptHash>().map(|hash| hash.cost), Ok(cost));
    }
    for bad in [
        "",
        "password",
        "$2y$03$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe",
        "$2y$32$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe",
        "$1$x$y",
    ] {
        assert_eq!(bad.parse::<BcryptHash>(), Err(InvalidHash), "{bad}");
    }
}

#[tokio::test]
async fn a_valid_password_is_accepted_during_guessing() {
    for right_from in [HERE, ELSEWHERE] {
        let users = users([("alice", "right")]);
        let guesses: Vec<String> = (0..64).map(|number| format!("guess-{number}")).collect();
        let guessing = join_all(guesses.iter().map(|guess| users.check(HERE, "alice", guess)));
        let (guessed, checked) = tokio::join!(guessing, users.check(right_from, "alice", "right"));
        assert_eq!(checked, PasswordOutcome::Valid);
        assert!(guessed.iter().all(|checked| *checked == PasswordOutcome::Invalid), "{guessed:?}");
    }
}

#[tokio::test]
async fn a_known_password_does_not_wait_for_guesses() {
    let users = users([("alice", "right")]);
    assert_eq!(users.check(HERE, "alice", "right").await, PasswordOutcome::Valid);
    let permit = users.verifier.fast.acquire(HERE, Fingerprint::unkeyed(&[])).await;
    for _ in 0..100 {
        // Ready at once, although the only permit is held.
        let checked = users.check(HERE, "alice", "right").now_or_never();
        assert_eq!(checked, Some(PasswordOutcome::Valid));
    }
    drop(permit);
}

#[tokio::test]
async fn a_reload_keeps_cached_passwords_of_unchanged_hashes() {
    let verifier = PasswordVerifier::new().unwrap();
    let (alice, bob) = (hash("right", 4), hash("right", 4));
    let before = users_of([("alice", alice.clone()), ("bob", bob)], &verifier);
    for name in ["alice", "bob"] {
        assert_eq!(before.check(HERE, name, "right").await, PasswordOutcome::Valid);
    }
    assert_eq!(before.check(HERE, "carol", "right").await, PasswordOutcome::Invalid);
    let after = users_of([("alice", alice.clone()), ("bob", hash("other", 4)), ("carol", hash("right", 4))], &verifier);
    // No further check can run.
    let permit = verifier.fast.acquire(HERE, Fingerprint::unkeyed(&[])).await.unwrap();
    let now = |name| after.check(HERE, name, "right").now_or_never();
    assert_eq!(now("alice"), Some(PasswordOutcome::Valid));
    assert_eq!((now("bob"), now("carol")), (None, None));
    drop(permit);
    assert_eq!(after.check(HERE, "bob", "right").await, PasswordOutcome::Invalid);
    assert_eq!(after.check(HERE, "bob", "other").await, PasswordOutcome::Valid);
    assert_eq!(after.check(HERE, "carol", "right").await, PasswordOutcome::Valid);
    let without = users_of([("bob", alice)], &verifier);
    assert_eq!(without.check(HERE, "alice", "right").await, PasswordOutcome::Invalid);
}

#[tokio::test]
async fn a_repeated_wrong_password_is_rejected_from_the_cache() {
    let users = users([("alice", "right")]);
    assert_eq!(users.check(HERE, "alice", "wrong").await, PasswordOutcome::Invalid);
    assert_eq!(users.check(HERE, "mallory", "wrong").await, PasswordOutcome::Invalid);
    let permit = users.verifier.fast.acquire(HERE, Fingerprint::unkeyed(&[])).await;
    for name in ["alice", "mallory"] {
        let checked = users.check(HERE, name, "wrong").now_or_never();
        assert_eq!(checked, Some(PasswordOutcome::Invalid), "{name}");
    }
    drop(permit);
}

#[tokio::test]
async fn a_check_continues_after_its_client_disconnects() {
    let users = users([("alice", "right")]);
    // Starts the check.
    let _ = users.check(HERE, "alice", "right").now_or_never();
    // The next check starts when it ends.
    let permit = users.verifier.fast.acquire(HERE, Fingerprint::unkeyed(&[])).await;
    assert_eq!(users.check(HERE, "alice", "right").now_or_never(), Some(PasswordOutcome::Valid));
    drop(permit);
}

#[tokio::test]
async fn quick_checks_do_not_wait_for_slow_ones() {
    let slow = "$2y$18$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe".parse().unwrap();
    let users = users_of([("alice", hash("right", 4)), ("bob", slow)], &PasswordVerifier::new().unwrap());
    let mut guess = Box::pin(users.check(HERE, "bob", "guess"));
    let permit = users.verifier.slow.acquire(HERE, Fingerprint::unkeyed(&[])).await;
    assert!((&mut guess).now_or_never().is_none());
    assert_eq!(users.check(HERE, "alice", "right").await, PasswordOutcome::Valid);
    drop((guess, permit));
    let notes = users.warnings();
    assert!(notes.len() == 1 && notes[0].starts_with("user \"bob\": checking a password takes about "), "{notes:?}");
    assert!(notes[0].ends_with(" (bcrypt cost 18)"), "{notes:?}");
}

/// Users with hashes of these costs, named by index.
fn users_with_costs(costs: &[u32]) -> Users {
    let hash = |(index, cost): (usize, &u32)| {
        let text = format!("{cost}-{index}");
        (format!("user{index}"), BcryptHash { text, cost: *cost })
    };
    Users::new(costs.iter().enumerate().map(hash).collect(), &PasswordVerifier::new().unwrap()).unwrap()
}

#[test]
fn unknown_users_cost_as_much_as_known_ones() {
    let users = users_with_costs(&[4, 10, 10, 12]);
    let cost = |name: &str| users.hash_for(name).0.unwrap().cost;
    let names: Vec<String> = (0..4000).map(|number| format!("nobody{number}")).collect();
    let share = |wanted: u32| names.iter().filter(|name| cost(name) == wanted).count();
    for (wanted, expected) in [(4, 1000), (10, 2000), (12, 1000)] {
        assert!(share(wanted).abs_diff(expected) < 200, "{wanted}: {}", share(wanted));
    }
    assert!(users.hash_for("user0").1 && !users.hash_for("nobody").1);
}

proptest! {
    #[test]
    fn an_unknown_user_always_costs_the_same(costs in prop::collection::vec(4_u32..32, 1..8), name in "[a-z]{8}") {
        let users = users_with_costs(&costs);
        let cost = users.hash_for(&name).0.unwrap().cost;
        // In another process, and with one more user, unless that one is chosen.
        prop_assert_eq!(users_with_costs(&costs).hash_for(&name).0.unwrap().cost, cost);
        let more: Vec<u32> = costs.iter().copied().chain([13]).collect();
        let with_another = users_with_costs(&more).hash_for(&name).0.unwrap().cost;
        prop_assert!(with_another == cost || with_another == 13);
    }
}

#[test]
fn a_duration_is_one_number() {
    let of = |seconds| rounded_duration(Duration::from_secs(seconds));
    assert_eq!(
        [of(0), of(16), of(119), of(120), of(7200), of(200_000)].join(", "),
        "1 s, 16 s, 119 s, 2 min, 2 h, 2 days"
    );
}
