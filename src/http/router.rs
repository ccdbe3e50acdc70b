//! Says which path and method is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Response, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{MethodRouter, get};

use super::access::{self, Access};
use super::bearer::Bearers;
use super::page::Frame;
use super::response_slots::ResponseSlots;
use super::{Config, Site, api, assets, health, lifecycle, metrics, page, problem};

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) site: Arc<dyn Site>,
    /// Limits how many scrapes are written at a time.
    pub(super) scrapes: Arc<ResponseSlots>,
    /// The same of pages and JSON.
    pub(super) looks: Arc<ResponseSlots>,
    /// What every page has.
    pub(super) frame: Arc<Frame>,
}

/// Every route but that of the metrics.
fn routes() -> Vec<(&'static str, MethodRouter<Shared>)> {
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
pub fn router(site: Arc<dyn Site>, config: &Config) -> Router {
    let Config { telemetry_path, route_prefix, link_prefix, limits, .. } = config;
    let prefix = route_prefix.as_str();
    let frame = Frame {
        base: link_prefix.as_str().to_owned(),
        telemetry_path: telemetry_path.as_str().to_owned(),
        version: crate::build::VERSION,
    };
    let shared = Shared {
        site,
        scrapes: ResponseSlots::new(limits.scrapes),
        looks: ResponseSlots::new(limits.looks),
        frame: Arc::new(frame),
    };
    let bearers = config.reviewer.clone().map(|reviewer| Arc::new(Bearers::new(reviewer, limits.connections)));
    let access = Access {
        web: config.web.clone(),
        prefix: route_prefix.clone(),
        bearers,
        refusals: Arc::clone(&config.refusals),
    };
    let lifecycle = config.set_log_level.clone().map(lifecycle::routes).unwrap_or_default();
    let mut router = Router::new().route(&format!("{prefix}{}", telemetry_path.as_str()), get(metrics::scrape));
    for (path, answer) in routes() {
        router = router.route(&format!("{prefix}{path}"), answer);
    }
    if !prefix.is_empty() {
        let home = format!("{}/", link_prefix.as_str());
        let redirect = get(async move || Redirect::temporary(&home));
        router = router.route("/", redirect.clone()).route(prefix, redirect);
    }
    router
        .fallback(async |uri: Uri| refuse(&uri, StatusCode::NOT_FOUND, "not found"))
        .method_not_allowed_fallback(async |uri: Uri| {
            refuse(&uri, StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .with_state(shared)
        .merge(lifecycle)
        .layer(map_response(harden))
        .layer(from_fn_with_state(access, access::guard))
}

/// Refuses a request, in words for a script where a script asks.
fn refuse(uri: &Uri, status: StatusCode, why: &str) -> axum::response::Response {
    if uri.path().contains("/api/") {
        return (status, [(header::CONTENT_TYPE, problem::CONTENT_TYPE)], problem::body(status, why)).into_response();
    }
    (status, format!("{why}\n")).into_response()
}

/// Adds the headers that keep a browser from doing more than show the page.
async fn harden<B>(mut response: Response<B>) -> Response<B> {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
