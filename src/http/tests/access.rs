use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::sync::watch;

use super::{Scrape, Server};
use crate::http::password::{Checks, Users};
use crate::http::rate::Rate;
use crate::http::web_config::WebConfig;
use crate::http::{Asked, Config, Refusals, Reviewer, Verdict};

fn serving(web: WebConfig, reviewer: Option<Arc<dyn Reviewer>>) -> (Server, Arc<Refusals>) {
    let refusals = Arc::new(Refusals::default());
    let (_, web) = watch::channel(Arc::new(web));
    let config = Config { web, reviewer, refusals: Arc::clone(&refusals), ..Config::default() };
    (Server::with_config(Scrape::Repeat(1), config), refusals)
}

fn refused(refusals: &Refusals, reason: &str) -> u64 {
    refusals.counts().into_iter().find(|(name, _)| *name == reason).unwrap().1
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

fn users(name: &str, password: &str) -> Option<Users> {
    let hash = bcrypt::hash(password, 4).unwrap().parse().unwrap();
    Users::new([(name.to_owned(), hash)].into(), &Checks::new().unwrap())
}

#[test]
fn a_name_and_a_password_open_everything_and_health_needs_none() {
    let users = users("alice", "pass:word");
    let (server, refusals) = serving(WebConfig { users, ..WebConfig::default() }, None);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    let good = basic("alice:pass:word");
    assert_eq!(server.get("/metrics", &good).status, 200);
    assert_eq!(server.get("/metrics", &good.replace("Basic", "bASIC")).status, 200);
    for path in ["/metrics", "/", "/nothing", "/style.css", "/livez/", "//livez", "/livez/../metrics", "/%6civez"] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Basic")), "{path}");
    }
    let two = format!("{good}{}", basic("x:y"));
    for wrong in [
        "Authorization: Basic\r\n",
        "Authorization: Basic !\r\n",
        "Authorization: Basic YWxpY2U=\r\n",
        "Authorization: Bearer YWxpY2U6cGFzczp3b3Jk\r\n",
        &basic("alice:pass"),
        &basic("mallory:pass:word"),
        &basic(""),
        &two,
        &format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(b"alice:\xff")),
    ] {
        assert_eq!(server.get("/metrics", wrong).status, 401, "{wrong}");
    }
    assert_eq!(refused(&refusals, "unauthenticated"), 17);
    server.join();
}

/// Knows tokens by their names.
struct Doorman;

impl Reviewer for Doorman {
    fn review(&self, token: String, asked: Asked) -> BoxFuture<'_, Result<Verdict, String>> {
        let verdict = match token.as_str() {
            "prometheus" if asked == (Asked { verb: "get".to_owned(), path: "/metrics".to_owned() }) => {
                Ok(Verdict::Allowed)
            }
            "prometheus" => Ok(Verdict::Forbidden),
            "cursed" => Err("the API server is away".to_owned()),
            _ => Ok(Verdict::Unknown),
        };
        ready(verdict).boxed()
    }
}

#[test]
fn a_bearer_token_opens_what_its_holder_may_have() {
    let (server, refusals) = serving(WebConfig::default(), Some(Arc::new(Doorman)));
    let ask = |path: &str, token: &str| server.get(path, &format!("Authorization: Bearer {token}\r\n"));
    assert_eq!(ask("/metrics", "prometheus").status, 200);
    assert_eq!(server.get("/readyz", "").status, 200);
    let without = server.get("/metrics", "");
    assert_eq!((without.status, without.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(ask("/metrics", "stolen").status, 401);
    let forbidden = ask("/", "prometheus");
    assert_eq!((forbidden.status, forbidden.text()), (403, "the holder of this token may not get /\n"));
    let away = ask("/metrics", "cursed");
    assert_eq!((away.status, away.text()), (503, "the API server cannot be asked about this token\n"));
    let counts: Vec<u64> = refusals.counts().into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [2, 1, 0, 0, 1, 0, 0]);
    server.join();
}

#[test]
fn headers_of_the_file_are_on_every_answer_and_beat_our_own() {
    let headers = [("x-frame-options", "deny"), ("content-security-policy", "default-src https:")];
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let (server, _) = serving(WebConfig { headers, ..WebConfig::default() }, None);
    for path in ["/metrics", "/livez", "/nothing"] {
        let answer = server.get(path, "");
        assert_eq!(answer.header("x-frame-options"), Some("deny"));
        assert_eq!(answer.header("content-security-policy"), Some("default-src https:"));
        assert_eq!(answer.head.matches("content-security-policy").count(), 1);
    }
    server.join();
}

#[test]
fn beyond_the_rate_limit_is_answered_with_when_to_come_back() {
    let rate = Rate::new(std::time::Duration::from_hours(1), 2);
    let (server, refusals) = serving(WebConfig { rate, ..WebConfig::default() }, None);
    let codes: Vec<u16> = (0..4).map(|_| server.get("/metrics", "").status).collect();
    assert_eq!(codes, [200, 200, 429, 429]);
    assert_eq!(server.get("/metrics", "").header("retry-after"), Some("5"));
    assert_eq!(server.get("/livez", "").status, 200);
    assert_eq!(refused(&refusals, "rate_limited"), 3);
    server.join();
}

#[test]
fn requests_without_the_right_password_do_not_count_for_the_rate_limit() {
    let rate = Rate::new(std::time::Duration::from_hours(1), 1);
    let web = WebConfig { rate, users: users("alice", "right"), ..WebConfig::default() };
    let (server, _) = serving(web, None);
    for _ in 0..3 {
        assert_eq!(server.get("/metrics", "").status, 401);
        assert_eq!(server.get("/metrics", &basic("alice:wrong")).status, 401);
    }
    let codes = [(); 2].map(|()| server.get("/metrics", &basic("alice:right")).status);
    assert_eq!(codes, [200, 429]);
    server.join();
}

#[test]
fn the_log_level_changes_only_where_that_is_wanted() {
    let put = |server: &Server, level: &str| {
        server.ask(&format!(
            "PUT /-/log-level HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{level}",
            level.len()
        ))
    };
    let server = Server::start(Scrape::Repeat(1));
    assert_eq!(put(&server, "debug").status, 404);
    server.join();
    let set = |level: &str| if level == "debug" { Ok(()) } else { Err("no such level".to_owned()) };
    let config = Config { set_log_level: Some(Arc::new(set)), ..Config::default() };
    let server = Server::with_config(Scrape::Repeat(1), config);
    assert_eq!(put(&server, "debug\n").status, 200);
    let wrong = put(&server, "loud");
    assert_eq!((wrong.status, wrong.text()), (400, "no such level\n"));
    assert_eq!(put(&server, &"x".repeat(65)).status, 413);
    assert_eq!(server.get("/-/log-level", "").status, 405);
    server.join();
}
