//! The routes and the middleware of all responses.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get};

use super::access_control::{AccessControl, enforce};
use super::backend::Backend;
use super::bearer_auth::TokenAuthorizer;
use super::config::HttpConfig;
use super::page::layout::Layout;
use super::response_slots::ResponseSlots;
use super::state::AppState;
use super::{api, assets, health, log_level, page, problem_details, scrape};

/// All routes except the metrics path.
fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![
        ("/", get(page::index)),
        ("/failures/{namespace}/{pod}", get(page::pod)),
        ("/api/v1/failures", get(api::failures)),
        ("/api/v1/failures/{namespace}/{pod}", get(api::pod)),
        ("/api/v1/waiting", get(api::waiting)),
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

/// Returns the router. axum's `get` also serves HEAD, and rejects other methods with an Allow header.
pub fn router(backend: Arc<dyn Backend>, config: &HttpConfig) -> Router {
    let HttpConfig { telemetry_path, route_prefix, link_prefix, limits, .. } = config;
    let prefix = route_prefix.as_str();
    let layout = Layout {
        base: link_prefix.as_str().to_owned(),
        telemetry_path: telemetry_path.as_str().to_owned(),
        version: crate::build::VERSION,
    };
    let state = AppState {
        backend,
        scrape_slots: ResponseSlots::new(limits.max_scrapes),
        page_slots: ResponseSlots::new(limits.max_pages),
        layout: Arc::new(layout),
    };
    let authorizer = |reviewer| Arc::new(TokenAuthorizer::new(reviewer, limits.max_connections));
    let access_control = AccessControl {
        web_config: config.web_config.clone(),
        route_prefix: route_prefix.clone(),
        token_authorizer: config.access_reviewer.clone().map(authorizer),
        rejections: Arc::clone(&config.rejections),
    };
    let log_level_routes = config.set_log_level.clone().map(log_level::routes).unwrap_or_default();
    let mut router = Router::new().route(&format!("{prefix}{}", telemetry_path.as_str()), get(scrape::scrape));
    for (path, handler) in routes() {
        router = router.route(&format!("{prefix}{path}"), handler);
    }
    if !prefix.is_empty() {
        let index = format!("{}/", link_prefix.as_str());
        let redirect = get(async move || Redirect::temporary(&index));
        router = router.route("/", redirect.clone()).route(prefix, redirect);
    }
    router
        .fallback(async |uri: Uri| error_response(&uri, StatusCode::NOT_FOUND, "not found"))
        .method_not_allowed_fallback(async |uri: Uri| {
            error_response(&uri, StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .with_state(state)
        .merge(log_level_routes)
        .layer(map_response(add_security_headers))
        .layer(from_fn_with_state(access_control, enforce))
}

/// Returns an error as problem details for paths of the JSON API, and as plain text for others.
fn error_response(uri: &Uri, status: StatusCode, detail: &str) -> Response {
    if uri.path().contains("/api/") {
        let body = problem_details::problem_body(status, detail);
        return (status, [(header::CONTENT_TYPE, problem_details::CONTENT_TYPE)], body).into_response();
    }
    (status, format!("{detail}\n")).into_response()
}

/// Adds headers that restrict what a browser may load and run.
async fn add_security_headers(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
