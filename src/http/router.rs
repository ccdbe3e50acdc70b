//! Says which path and method is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::access::{self, Access};
use super::bearer::Bearers;
use super::{Config, Site, health, index, lifecycle, metrics};

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) site: Arc<dyn Site>,
    /// One permit for each scrape that may be in memory.
    pub(super) scrapes: Arc<Semaphore>,
    pub(super) index: Arc<str>,
}

/// Returns the routes of a site. `get` answers HEAD too, and refuses every other method with `Allow`.
pub fn router(site: Arc<dyn Site>, config: &Config) -> Router {
    let path = config.telemetry_path.as_str();
    let shared =
        Shared { site, scrapes: Arc::new(Semaphore::new(config.limits.scrapes)), index: index::render(path).into() };
    let bearers = config.reviewer.clone().map(|reviewer| Arc::new(Bearers::new(reviewer)));
    let access = Access { web: config.web.clone(), bearers, refusals: Arc::clone(&config.refusals) };
    let lifecycle = config.set_log_level.clone().map(lifecycle::routes).unwrap_or_default();
    Router::new()
        .route("/", get(index::page))
        .route("/style.css", get(index::style))
        .route(path, get(metrics::scrape))
        .route("/livez", get(health::live))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"))
        .with_state(shared)
        .merge(lifecycle)
        .layer(map_response(harden))
        .layer(from_fn_with_state(access, access::guard))
}

/// Adds the headers that keep a browser from doing more than show the page.
async fn harden<B>(mut response: Response<B>) -> Response<B> {
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
