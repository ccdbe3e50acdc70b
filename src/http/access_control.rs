//! Middleware: authentication, authorization and rate limiting of requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use super::basic_auth::{PasswordOutcome, Users};
use super::bearer_auth::{AccessDecision, RequestAttributes, ReviewError, TokenAuthorizer};
use super::client_address::ClientAddress;
use super::paths::PathPrefix;
use super::rejections::{Rejection, RejectionCounters};
use super::web_config::{CurrentWebConfig, WebConfig};

/// Paths that require no authentication, because kubelet probes send no credentials. Their responses contain no secrets.
const UNAUTHENTICATED_PATHS: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// Number of seconds after which a client should retry.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Decides which requests are served.
#[derive(Clone)]
pub(super) struct AccessControl {
    pub(super) web_config: CurrentWebConfig,
    pub(super) route_prefix: PathPrefix,
    pub(super) token_authorizer: Option<Arc<TokenAuthorizer>>,
    pub(super) rejections: Arc<RejectionCounters>,
}

/// A rejected request: the reason, and the text of the response.
type Rejected = (Rejection, String);

/// Serves a request or rejects it, and adds the configured headers to the response.
pub(super) async fn enforce(State(access): State<AccessControl>, request: Request, next: Next) -> Response {
    let web_config = access.web_config.borrow().clone();
    let path = request.uri().path();
    let route = path.strip_prefix(access.route_prefix.as_str());
    let checked = if route.is_some_and(|route| UNAUTHENTICATED_PATHS.contains(&route)) {
        Ok(())
    } else {
        let attributes = RequestAttributes { verb: request.method().as_str().to_lowercase(), path: path.to_owned() };
        let client = ClientAddress::of(request.extensions());
        access.check(&web_config, client, attributes, request.headers()).await
    };
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err((rejection, text)) => {
            access.rejections.count(rejection);
            rejection_response(rejection, text)
        }
    };
    response.headers_mut().extend(web_config.headers.clone());
    response
}

impl AccessControl {
    /// Checks a request. The rate limit is last, so that requests with invalid credentials do not use it up.
    async fn check(
        &self,
        web_config: &WebConfig,
        client: ClientAddress,
        attributes: RequestAttributes,
        headers: &HeaderMap,
    ) -> Result<(), Rejected> {
        match (&web_config.users, &self.token_authorizer) {
            (Some(users), _) => check_basic_auth(users, client, headers).await?,
            (None, Some(authorizer)) => check_bearer_token(authorizer, client, attributes, headers).await?,
            (None, None) => {}
        }
        if web_config.rate_limiter.as_ref().is_some_and(|limiter| !limiter.try_acquire(Instant::now())) {
            return Err((Rejection::RateLimited, "too many requests".to_owned()));
        }
        Ok(())
    }
}

async fn check_bearer_token(
    authorizer: &TokenAuthorizer,
    client: ClientAddress,
    attributes: RequestAttributes,
    headers: &HeaderMap,
) -> Result<(), Rejected> {
    let reject = |rejection, text: &str| Err((rejection, text.to_owned()));
    let unauthenticated = Rejection::Unauthenticated("Bearer");
    let Some(token) = credentials(headers, "Bearer") else { return reject(unauthenticated, "missing bearer token") };
    let forbidden = format!("forbidden: token lacks {} on {}", attributes.verb, attributes.path);
    match authorizer.review(client, token, attributes).await {
        Ok(AccessDecision::Allowed) => Ok(()),
        Ok(AccessDecision::Unauthenticated) => reject(unauthenticated, "invalid bearer token"),
        Ok(AccessDecision::Forbidden) => reject(Rejection::Forbidden, &forbidden),
        Err(ReviewError::QueueFull) => reject(Rejection::QueueFull, "too many token reviews in progress"),
        Err(ReviewError::Unavailable(error)) => {
            tracing::warn!(%error, "cannot review a bearer token");
            reject(Rejection::Unavailable, "cannot review the bearer token: the API server is unavailable")
        }
    }
}

async fn check_basic_auth(users: &Users, client: ClientAddress, headers: &HeaderMap) -> Result<(), Rejected> {
    let unauthenticated = |text: &str| Err((Rejection::Unauthenticated("Basic"), text.to_owned()));
    let Some(credentials) = credentials(headers, "Basic") else {
        return unauthenticated("missing user name and password");
    };
    let decoded = BASE64_STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) else {
        return unauthenticated("malformed Authorization header");
    };
    match users.check(client, name, password).await {
        PasswordOutcome::Valid => Ok(()),
        PasswordOutcome::Invalid => unauthenticated("invalid user name or password"),
        PasswordOutcome::QueueFull => Err((Rejection::QueueFull, "too many password checks in progress".to_owned())),
    }
}

/// Returns the credentials of the Authorization header if it has this scheme.
fn credentials<'a>(headers: &'a HeaderMap, expected_scheme: &str) -> Option<&'a str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, credentials) = values.next()?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    // A proxy may use another one of several headers.
    let is_unique = values.next().is_none();
    (is_unique && scheme.eq_ignore_ascii_case(expected_scheme) && !credentials.is_empty()).then_some(credentials)
}

fn rejection_response(rejection: Rejection, text: String) -> Response {
    let status = match rejection {
        Rejection::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Rejection::Forbidden => StatusCode::FORBIDDEN,
        Rejection::RateLimited | Rejection::QueueFull => StatusCode::TOO_MANY_REQUESTS,
        Rejection::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let header = match rejection {
        Rejection::Unauthenticated(scheme) => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme))),
        Rejection::RateLimited | Rejection::QueueFull => Some((header::RETRY_AFTER, RETRY_AFTER)),
        Rejection::Forbidden | Rejection::Unavailable => None,
    };
    let mut response = (status, text + "\n").into_response();
    response.headers_mut().extend(header);
    response
}
