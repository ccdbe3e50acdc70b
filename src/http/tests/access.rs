use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::sync::watch;

use super::{FakeScrape, TestServer};
use crate::http::basic_auth::{PasswordVerifier, Users};
use crate::http::rate_limiter::RateLimiter;
use crate::http::web_config::WebConfig;
use crate::http::{AccessDecision, AccessReviewer, HttpConfig, RejectionCounters, RequestAttributes};

fn start_server(web: WebConfig, reviewer: Option<Arc<dyn AccessReviewer>>) -> (TestServer, Arc<RejectionCounters>) {
    let rejections = Arc::new(RejectionCounters::default());
    let (_, web) = watch::channel(Arc::new(web));
    let config = HttpConfig {
        web_config: web,
        access_reviewer: reviewer,
        rejections: Arc::clone(&rejections),
        ..HttpConfig::default()
    };
    (TestServer::with_config(FakeScrape::Repeat(1), config), rejections)
}

fn rejected(rejections: &RejectionCounters, reason: &str) -> u64 {
    rejections.counts().into_iter().find(|(name, _)| *name == reason).unwrap().1
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

fn users(name: &str, password: &str) -> Option<Users> {
    let hash = bcrypt::hash(password, 4).unwrap().parse().unwrap();
    Users::new([(name.to_owned(), hash)].into(), &PasswordVerifier::new().unwrap())
}

#[test]
fn basic_auth_protects_all_paths_except_health() {
    let users = users("alice", "pass:word");
    let (server, rejections) = start_server(WebConfig { users, ..WebConfig::default() }, None);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    let good = basic("alice:pass:word");
    assert_eq!(server.get("/metrics", &good).status, 200);
    assert_eq!(server.get("/metrics", &good.replace("Basic", "bASIC")).status, 200);
    for path in ["/metrics", "/", "/nothing", "/style.css", "/livez/", "//livez", "/livez/../metrics", "/%6civez"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some("Basic")), "{path}");
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
    assert_eq!(rejected(&rejections, "unauthenticated"), 17);
    server.join();
}

/// Decides by the name of the token.
struct FakeReviewer;

impl AccessReviewer for FakeReviewer {
    fn review(&self, token: String, asked: RequestAttributes) -> BoxFuture<'_, Result<AccessDecision, String>> {
        let verdict = match token.as_str() {
            "prometheus" if asked == (RequestAttributes { verb: "get".to_owned(), path: "/metrics".to_owned() }) => {
                Ok(AccessDecision::Allowed)
            }
            "prometheus" => Ok(AccessDecision::Forbidden),
            "cursed" => Err("the API server is away".to_owned()),
            _ => Ok(AccessDecision::Unauthenticated),
        };
        ready(verdict).boxed()
    }
}

#[test]
fn bearer_tokens_are_authorized_per_path() {
    let (server, rejections) = start_server(WebConfig::default(), Some(Arc::new(FakeReviewer)));
    let send = |path: &str, token: &str| server.get(path, &format!("Authorization: Bearer {token}\r\n"));
    assert_eq!(send("/metrics", "prometheus").status, 200);
    assert_eq!(server.get("/readyz", "").status, 200);
    let without = server.get("/metrics", "");
    assert_eq!((without.status, without.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(send("/metrics", "stolen").status, 401);
    let forbidden = send("/", "prometheus");
    assert_eq!((forbidden.status, forbidden.text()), (403, "forbidden: token lacks get on /\n"));
    let away = send("/metrics", "cursed");
    assert_eq!((away.status, away.text()), (503, "cannot review the bearer token: the API server is unavailable\n"));
    let counts: Vec<u64> = rejections.counts().into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [2, 1, 0, 0, 1, 0, 0]);
    server.join();
}

#[test]
fn configured_headers_override_the_defaults() {
    let headers = [("x-frame-options", "deny"), ("content-security-policy", "default-src https:")];
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let (server, _) = start_server(WebConfig { headers, ..WebConfig::default() }, None);
    for path in ["/metrics", "/livez", "/nothing"] {
        let response = server.get(path, "");
        assert_eq!(response.header("x-frame-options"), Some("deny"));
        assert_eq!(response.header("content-security-policy"), Some("default-src https:"));
        assert_eq!(response.head.matches("content-security-policy").count(), 1);
    }
    server.join();
}

#[test]
fn requests_over_the_rate_limit_get_retry_after() {
    let rate_limiter = RateLimiter::new(std::time::Duration::from_hours(1), 2);
    let (server, rejections) = start_server(WebConfig { rate_limiter, ..WebConfig::default() }, None);
    let codes: Vec<u16> = (0..4).map(|_| server.get("/metrics", "").status).collect();
    assert_eq!(codes, [200, 200, 429, 429]);
    assert_eq!(server.get("/metrics", "").header("retry-after"), Some("5"));
    assert_eq!(server.get("/livez", "").status, 200);
    assert_eq!(rejected(&rejections, "rate_limited"), 3);
    server.join();
}

#[test]
fn rejected_credentials_do_not_count_toward_the_rate_limit() {
    let rate_limiter = RateLimiter::new(std::time::Duration::from_hours(1), 1);
    let web = WebConfig { rate_limiter, users: users("alice", "right"), ..WebConfig::default() };
    let (server, _) = start_server(web, None);
    for _ in 0..3 {
        assert_eq!(server.get("/metrics", "").status, 401);
        assert_eq!(server.get("/metrics", &basic("alice:wrong")).status, 401);
    }
    let codes = [(); 2].map(|()| server.get("/metrics", &basic("alice:right")).status);
    assert_eq!(codes, [200, 429]);
    server.join();
}

#[test]
fn the_log_level_endpoint_is_opt_in() {
    let put = |server: &TestServer, level: &str| {
        server.send(&format!(
            "PUT /-/log-level HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{level}",
            level.len()
        ))
    };
    let server = TestServer::start(FakeScrape::Repeat(1));
    assert_eq!(put(&server, "debug").status, 404);
    server.join();
    let set = |level: &str| if level == "debug" { Ok(()) } else { Err("no such level".to_owned()) };
    let config = HttpConfig { set_log_level: Some(Arc::new(set)), ..HttpConfig::default() };
    let server = TestServer::with_config(FakeScrape::Repeat(1), config);
    assert_eq!(put(&server, "debug\n").status, 200);
    let wrong = put(&server, "loud");
    assert_eq!((wrong.status, wrong.text()), (400, "no such level\n"));
    assert_eq!(put(&server, &"x".repeat(65)).status, 413);
    assert_eq!(server.get("/-/log-level", "").status, 405);
    server.join();
}
