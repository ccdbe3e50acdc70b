//! Authentication, authorization and rate limit of requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use super::Prefix;
use super::bearer::{Asked, Bearers, Undecided, Verdict};
use super::client_address::ClientAddress;
use super::password::{Checked, Users};
use super::refusals::{Refusal, Refusals};
use super::web_config::{Current, WebConfig};

/// The paths that anybody may ask for: the kubelet's probes carry no credentials, and the answer is no secret.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// What the decision needs.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) web: Current,
    /// What every path begins with.
    pub(super) prefix: Prefix,
    pub(super) bearers: Option<Arc<Bearers>>,
    pub(super) refusals: Arc<Refusals>,
}

/// Answers a request, if it may be answered.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let web = access.web.borrow().clone();
    let path = request.uri().path();
    let refused = if path.strip_prefix(access.prefix.as_str()).is_some_and(|path| OPEN.contains(&path)) {
        None
    } else {
        let asked = Asked { verb: request.method().as_str().to_lowercase(), path: request.uri().path().to_owned() };
        let client = ClientAddress::of(request.extensions());
        access.refuse(&web, client, asked, request.headers()).await
    };
    let mut response = match refused {
        None => next.run(request).await,
        Some((refusal, told)) => {
            access.refusals.count(refusal);
            refuse(refusal, &told)
        }
    };
    response.headers_mut().extend(web.headers.clone());
    response
}

impl Access {
    /// Returns why a request is refused, if it is, and what the client is told.
    ///
    /// The rate limit comes last: requests without the right credentials are no reason to refuse one that has them.
    async fn refuse(
        &self,
        web: &WebConfig,
        client: ClientAddress,
        asked: Asked,
        headers: &HeaderMap,
    ) -> Option<(Refusal, String)> {
        let refused = match (&web.users, &self.bearers) {
            (Some(users), _) => refuse_user(users, client, headers).await,
            (None, Some(bearers)) => refuse_holder(bearers, client, asked, headers).await,
            (None, None) => None,
        };
        let is_over_limit = || web.rate.as_ref().is_some_and(|rate| !rate.admits(Instant::now()));
        refused.or_else(|| is_over_limit().then(|| (Refusal::RateLimited, "too many requests\n".to_owned())))
    }
}

async fn refuse_holder(
    bearers: &Bearers,
    client: ClientAddress,
    asked: Asked,
    headers: &HeaderMap,
) -> Option<(Refusal, String)> {
    let Some(token) = credentials(headers, "Bearer") else {
        return Some((Refusal::Unauthenticated("Bearer"), "a bearer token is needed\n".to_owned()));
    };
    let told = format!("the holder of this token may not {} {}\n", asked.verb, asked.path);
    match bearers.review(client, token, asked).await {
        Ok(Verdict::Allowed) => None,
        Ok(Verdict::Unknown) => {
            Some((Refusal::Unauthenticated("Bearer"), "the API server does not know this token\n".to_owned()))
        }
        Ok(Verdict::Forbidden) => Some((Refusal::Forbidden, told)),
        Err(Undecided::Busy) => Some((Refusal::Busy, "too many tokens are being checked\n".to_owned())),
        Err(Undecided::Unavailable(error)) => {
            tracing::warn!(%error, "cannot check a token");
            Some((Refusal::Unavailable, "the API server cannot be asked about this token\n".to_owned()))
        }
    }
}

async fn refuse_user(users: &Users, client: ClientAddress, headers: &HeaderMap) -> Option<(Refusal, String)> {
    let unauthenticated = |told: &str| Some((Refusal::Unauthenticated("Basic"), told.to_owned()));
    let Some(credentials) = credentials(headers, "Basic") else {
        return unauthenticated("a name and a password are needed\n");
    };
    let decoded = BASE64_STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else {
        return unauthenticated("the Authorization header makes no sense\n");
    };
    match users.check(client, name, password).await {
        Checked::Right => None,
        Checked::Wrong => unauthenticated("wrong name or password\n"),
        Checked::Busy => Some((Refusal::Busy, "too many passwords are being checked\n".to_owned())),
    }
}

/// Returns the credentials of the one Authorization header, if they are of this scheme.
fn credentials<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, credentials) = all.next()?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    // Two headers may mean one thing here and another to a proxy.
    let is_meant = all.next().is_none() && scheme.eq_ignore_ascii_case(wanted) && !credentials.is_empty();
    is_meant.then_some(credentials)
}

fn refuse(refusal: Refusal, told: &str) -> Response {
    let code = match refusal {
        Refusal::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::RateLimited | Refusal::Busy => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (code, told.to_owned()).into_response();
    let headers = response.headers_mut();
    match refusal {
        Refusal::Unauthenticated(scheme) => {
            drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme)));
        }
        Refusal::RateLimited | Refusal::Busy => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5")));
        }
        Refusal::Forbidden | Refusal::Unavailable => {}
    }
    response
}
