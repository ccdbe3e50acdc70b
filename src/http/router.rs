//! Says which path and method is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{MethodRouter, get};

use super::access_control::{self, AccessControl};
use super::bearer_auth::TokenAuthorizer;
use super::page::Layout;
use super::response_slots::ResponseSlots;
use super::{Backend, HttpConfig, api, assets, health, log_level, page, problem_details, scrape};

/// What the handlers share.
#[derive(Clone)]
pub(super) struct AppState {
    pub(super) backend: Arc<dyn Backend>,
    /// Limits how many scrapes are written at a time.
    pub(super) scrape_slots: Arc<ResponseSlots>,
    /// The same of pages and JSON.
    pub(super) page_slots: Arc<ResponseSlots>,
    /// What every page has.
    pub(super) layout: Arc<Layout>,
}

/// Every route but that of the metrics.
fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/", get(page::index)),
        ("/failures/{namespace}/{pod}", get(page::pod)),
        ("/api/v1/failures", get(api::failures)),
        ("/api/v1/failures/{namespace}/{pod}", get(api::pod)),
        ("/api/v1/history", get(api::history)),
        ("/api/v1/summary", get(api::summary)),
        ("/api/v1/openapi.json", get(api::openapi)),
        ("/runbooks/{name}", get(assets::runbook)),
        ("/style.css", get(assets::style)),
        ("/script.js", get(assets::script)),
        ("/favicon.svg", get(assets::icon)),
        ("/livez", get(health::live)),
        ("/healthz", get(health::live)),
        ("/readyz", get(health::ready)),
    ]
}

/// Returns the routes of a site. `get` answers HEAD too, and refuses every other method with `Allow`.
pub fn router(site: Arc<dyn Backend>, config: &HttpConfig) -> Router {
    let HttpConfig { telemetry_path, route_prefix, link_prefix, limits, .. } = config;
    let prefix = route_prefix.as_str();
    let frame = Layout {
        base: link_prefix.as_str().to_owned(),
        telemetry_path: telemetry_path.as_str().to_owned(),
        version: crate::build::VERSION,
    };
    let shared = AppState {
        backend: site,
        scrape_slots: ResponseSlots::new(limits.max_scrapes),
        page_slots: ResponseSlots::new(limits.max_pages),
        layout: Arc::new(frame),
    };
    let bearers =
        config.access_reviewer.clone().map(|reviewer| Arc::new(TokenAuthorizer::new(reviewer, limits.max_connections)));
    let access = AccessControl {
        web_config: config.web_config.clone(),
        route_prefix: route_prefix.clone(),
        token_authorizer: bearers,
        rejections: Arc::clone(&config.rejections),
    };
    let lifecycle = config.set_log_level.clone().map(log_level::routes).unwrap_or_default();
    let mut router = Router::new().route(&format!("{prefix}{}", telemetry_path.as_str()), get(scrape::scrape));
    for (path, answer) in routes() {
        router = router.route(&format!("{prefix}{path}"), answer);
    }
    if !prefix.is_empty() {
        let home = format!("{}/", link_prefix.as_str());
        let redirect = get(async move || Redirect::temporary(&home));
        router = router.route("/", redirect.clone()).route(prefix, redirect);
    }
    router
        .fallback(async |uri: Uri| error_response(&uri, StatusCode::NOT_FOUND, "not found"))
        .method_not_allowed_fallback(async |uri: Uri| {
            error_response(&uri, StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .with_state(shared)
        .merge(lifecycle)
        .layer(map_response(add_security_headers))
        .layer(from_fn_with_state(access, access_control::enforce))
}

/// Refuses a request, in words for a script where a script asks.
fn error_response(uri: &Uri, status: StatusCode, why: &str) -> axum::response::Response {
    if uri.path().contains("/api/") {
        return (
            status,
            [(header::CONTENT_TYPE, problem_details::CONTENT_TYPE)],
            problem_details::problem_body(status, why),
        )
            .into_response();
    }
    (status, format!("{why}\n")).into_response()
}

/// Adds the headers that keep a browser from doing more than show the page.
async fn add_security_headers<B>(mut response: Response<B>) -> Response<B> {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
