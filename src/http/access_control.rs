//! Authentication, authorization and rate limit of requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use super::PathPrefix;
use super::basic_auth::{PasswordOutcome, Users};
use super::bearer_auth::{AccessDecision, RequestAttributes, ReviewError, TokenAuthorizer};
use super::client_address::ClientAddress;
use super::rejections::{Rejection, RejectionCounters};
use super::web_config::{CurrentWebConfig, WebConfig};

/// The paths that anybody may ask for: the kubelet's probes carry no credentials, and the answer is no secret.
const UNAUTHENTICATED_PATHS: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// What the decision needs.
#[derive(Clone)]
pub(super) struct AccessControl {
    pub(super) web_config: CurrentWebConfig,
    /// What every path begins with.
    pub(super) route_prefix: PathPrefix,
    pub(super) token_authorizer: Option<Arc<TokenAuthorizer>>,
    pub(super) rejections: Arc<RejectionCounters>,
}

/// Answers a request, if it may be answered.
pub(super) async fn enforce(State(access): State<AccessControl>, request: Request, next: Next) -> Response {
    let web = access.web_config.borrow().clone();
    let path = request.uri().path();
    let refused = if path
        .strip_prefix(access.route_prefix.as_str())
        .is_some_and(|path| UNAUTHENTICATED_PATHS.contains(&path))
    {
        None
    } else {
        let asked =
            RequestAttributes { verb: request.method().as_str().to_lowercase(), path: request.uri().path().to_owned() };
        let client = ClientAddress::of(request.extensions());
        access.reject(&web, client, asked, request.headers()).await
    };
    let mut response = match refused {
        None => next.run(request).await,
        Some((refusal, told)) => {
            access.rejections.count(refusal);
            rejection_response(refusal, &told)
        }
    };
    response.headers_mut().extend(web.headers.clone());
    response
}

impl AccessControl {
    /// Returns why a request is refused, if it is, and what the client is told.
    ///
    /// The rate limit comes last: requests without the right credentials are no reason to refuse one that has them.
    async fn reject(
        &self,
        web: &WebConfig,
        client: ClientAddress,
        asked: RequestAttributes,
        headers: &HeaderMap,
    ) -> Option<(Rejection, String)> {
        let refused = match (&web.users, &self.token_authorizer) {
            (Some(users), _) => check_basic_auth(users, client, headers).await,
            (None, Some(bearers)) => check_bearer_token(bearers, client, asked, headers).await,
            (None, None) => None,
        };
        let is_over_limit = || web.rate_limiter.as_ref().is_some_and(|rate| !rate.try_acquire(Instant::now()));
        refused.or_else(|| is_over_limit().then(|| (Rejection::RateLimited, "too many requests\n".to_owned())))
    }
}

async fn check_bearer_token(
    bearers: &TokenAuthorizer,
    client: ClientAddress,
    asked: RequestAttributes,
    headers: &HeaderMap,
) -> Option<(Rejection, String)> {
    let Some(token) = credentials(headers, "Bearer") else {
        return Some((Rejection::Unauthenticated("Bearer"), "a bearer token is needed\n".to_owned()));
    };
    let told = format!("the holder of this token may not {} {}\n", asked.verb, asked.path);
    match bearers.review(client, token, asked).await {
        Ok(AccessDecision::Allowed) => None,
        Ok(AccessDecision::Unauthenticated) => {
            Some((Rejection::Unauthenticated("Bearer"), "the API server does not know this token\n".to_owned()))
        }
        Ok(AccessDecision::Forbidden) => Some((Rejection::Forbidden, told)),
        Err(ReviewError::QueueFull) => Some((Rejection::QueueFull, "too many tokens are being checked\n".to_owned())),
        Err(ReviewError::Unavailable(error)) => {
            tracing::warn!(%error, "cannot check a token");
            Some((Rejection::Unavailable, "the API server cannot be asked about this token\n".to_owned()))
        }
    }
}

async fn check_basic_auth(users: &Users, client: ClientAddress, headers: &HeaderMap) -> Option<(Rejection, String)> {
    let unauthenticated = |told: &str| Some((Rejection::Unauthenticated("Basic"), told.to_owned()));
    let Some(credentials) = credentials(headers, "Basic") else {
        return unauthenticated("a name and a password are needed\n");
    };
    let decoded = BASE64_STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else {
        return unauthenticated("the Authorization header makes no sense\n");
    };
    match users.check(client, name, password).await {
        PasswordOutcome::Valid => None,
        PasswordOutcome::Invalid => unauthenticated("wrong name or password\n"),
        PasswordOutcome::QueueFull => Some((Rejection::QueueFull, "too many passwords are being checked\n".to_owned())),
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

fn rejection_response(refusal: Rejection, told: &str) -> Response {
    let code = match refusal {
        Rejection::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Rejection::Forbidden => StatusCode::FORBIDDEN,
        Rejection::RateLimited | Rejection::QueueFull => StatusCode::TOO_MANY_REQUESTS,
        Rejection::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (code, told.to_owned()).into_response();
    let headers = response.headers_mut();
    match refusal {
        Rejection::Unauthenticated(scheme) => {
            drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme)));
        }
        Rejection::RateLimited | Rejection::QueueFull => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5")));
        }
        Rejection::Forbidden | Rejection::Unavailable => {}
    }
    response
}
