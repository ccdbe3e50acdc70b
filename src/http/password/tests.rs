use std::time::Duration;

use futures::future::join_all;

use super::{BadHash, Checked, Hash, Users, WAITING};

fn users(names: &[(&str, &str)]) -> Users {
    let hashed = |password: &str| bcrypt::hash(password, 4).unwrap().parse().unwrap();
    Users::new(names.iter().map(|(name, password)| ((*name).to_owned(), hashed(password))).collect()).unwrap()
}

#[tokio::test]
async fn a_password_is_right_for_its_own_user_only() {
    let users = users(&[("alice", "correct horse"), ("bob", "")]);
    for _ in 0..2 {
        assert_eq!(users.check("alice", "correct horse").await, Checked::Right);
        assert_eq!(users.check("bob", "").await, Checked::Right);
        for (name, password) in
            [("alice", ""), ("alice", "correct horse "), ("bob", "correct horse"), ("", ""), ("carol", "correct horse")]
        {
            assert_eq!(users.check(name, password).await, Checked::Wrong, "{name}:{password}");
        }
    }
}

#[tokio::test]
async fn hashes_of_other_tools_are_taken() {
    // Of "password", by htpasswd and by Python's bcrypt.
    for hash in [
        "$2y$04$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe",
        "$2a$04$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe",
    ] {
        assert_eq!(hash.parse::<Hash>().map(|hash| hash.cost), Ok(4));
    }
    assert_eq!(
        "$2y$15$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe".parse::<Hash>(),
        Err(BadHash::TooCostly(15))
    );
    for bad in ["", "password", "$2y$03$Hyzz4NMdcPm4KcSpxh8kgO1I8hCPQM5CFHyClxeyUQN5FQaPnR2Oe", "$1$x$y"] {
        assert_eq!(bad.parse::<Hash>(), Err(BadHash::NoHash), "{bad}");
    }
}

#[tokio::test]
async fn many_who_guess_are_sent_away_and_those_who_are_known_do_not_notice() {
    let users = users(&[("alice", "right")]);
    assert_eq!(users.check("alice", "right").await, Checked::Right);
    let guesses: Vec<String> = (0..200).map(|number| format!("guess-{number}")).collect();
    let guessing = join_all(guesses.iter().map(|guess| users.check("alice", guess)));
    let knowing = async {
        for _ in 0..100 {
            assert_eq!(users.check("alice", "right").await, Checked::Right);
            tokio::task::yield_now().await;
        }
    };
    let (guessed, ()) = tokio::join!(guessing, knowing);
    let count = |wanted| guessed.iter().filter(|checked| **checked == wanted).count();
    // A few more find a place when a check ends before all have come.
    assert!((1 + WAITING..20).contains(&count(Checked::Wrong)), "{}", count(Checked::Wrong));
    assert_eq!(count(Checked::Wrong) + count(Checked::Busy), 200);
}

#[tokio::test]
async fn a_wrong_password_makes_the_next_check_wait() {
    let users = users(&[("alice", "right")]);
    assert_eq!(users.check("alice", "wrong").await, Checked::Wrong);
    let rested = users.0.rested().unwrap();
    assert_eq!(users.check("alice", "wrong").await, Checked::Wrong);
    assert!(users.0.rested().unwrap() > rested + Duration::from_micros(1));
    assert!(tokio::time::Instant::now() > rested);
}
