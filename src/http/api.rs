//! Handlers of the JSON API. `api/openapi.json` describes the responses.

mod schema;

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::backend::{Backend, Overview};
use super::failure_query::{FailureQuery, LIST_PARAMETERS, SUMMARY_PARAMETERS, WAIT_PARAMETERS};
use super::problem_details::problem_response;
use super::request::BackendRequest;
use super::response::{EtagHasher, PendingResponse, static_file};
use image_pull_model::time::Timestamp;
use schema::{FailuresResponse, HistoryResponse, PodResponse, SummaryResponse, WaitsResponse};

const CONTENT_TYPE: &str = "application/json";
const UNKNOWN_POD: &str = "no open or recent failure of this pod, and no container of it waits";

/// Lists open failures.
pub(super) async fn failures(request: BackendRequest) -> Response {
    list(request, "failures", LIST_PARAMETERS, |overview, query, url, sink| {
        serde_json::to_writer(sink, &FailuresResponse::new(overview, query, url))
    })
    .await
}

/// Lists containers that wait without an error.
pub(super) async fn waiting(request: BackendRequest) -> Response {
    list(request, "waiting", WAIT_PARAMETERS, |overview, query, url, sink| {
        serde_json::to_writer(sink, &WaitsResponse::new(overview, query, url))
    })
    .await
}

/// Lists ended failures.
pub(super) async fn history(request: BackendRequest) -> Response {
    list(request, "history", LIST_PARAMETERS, |overview, query, url, sink| {
        serde_json::to_writer(sink, &HistoryResponse::new(overview, query, url))
    })
    .await
}

/// Returns totals and failures by cause and registry.
pub(super) async fn summary(request: BackendRequest) -> Response {
    let write = |overview: &Overview, query: &FailureQuery, _: &dyn Backend, sink: &mut dyn Write| {
        serde_json::to_writer(sink, &SummaryResponse::new(overview, query))
    };
    respond(request, SUMMARY_PARAMETERS, |_| true, write).await
}

/// Returns all failures and waits of a pod.
pub(super) async fn pod(Path((namespace, name)): Path<(String, String)>, request: BackendRequest) -> Response {
    let (of_namespace, of_name) = (namespace.clone(), name.clone());
    let exists = move |overview: &Overview| overview.has_pod(&of_namespace, &of_name);
    respond(request, &[], exists, move |overview, _, backend, sink| {
        serde_json::to_writer(sink, &PodResponse::new(overview, &namespace, &name, backend))
    })
    .await
}

/// Returns the OpenAPI document.
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    static_file(headers, CONTENT_TYPE, include_bytes!("api/openapi.json")).await
}

/// Responds with one page of a list. `write` receives the URL of the list for the link to the next page.
async fn list(
    request: BackendRequest,
    name: &str,
    parameters: &'static [&'static str],
    write: fn(&Overview, &FailureQuery, &str, &mut dyn Write) -> serde_json::Result<()>,
) -> Response {
    let url = format!("{}/api/v1/{name}", request.state.layout.base);
    respond(request, parameters, |_| true, move |overview, query, _, sink| write(overview, query, &url, sink)).await
}

/// Responds with the JSON of `write`, or with 404 if `exists` is false.
async fn respond(
    request: BackendRequest,
    parameters: &'static [&'static str],
    exists: impl FnOnce(&Overview) -> bool + Send + 'static,
    write: impl Fn(&Overview, &FailureQuery, &dyn Backend, &mut dyn Write) -> serde_json::Result<()> + Send + 'static,
) -> Response {
    let build = move |request: &BackendRequest| {
        let query = match FailureQuery::parse(&request.query, parameters) {
            Ok(query) => query,
            Err(error) => return problem_response(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let backend = Arc::clone(&request.state.backend);
        let overview = match backend.overview() {
            Ok(overview) => overview,
            Err(error) => {
                return problem_response(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).with_retry_after();
            }
        };
        if !exists(&overview) {
            return problem_response(StatusCode::NOT_FOUND, UNKNOWN_POD);
        }
        // The ETag must not depend on the time of the request.
        let (timeless, mut hasher) =
            (Overview { now: Timestamp::default(), ..overview.clone() }, EtagHasher::default());
        let hashed = write(&timeless, &query, &*backend, &mut hasher);
        drop(timeless);
        let response = PendingResponse::streamed(CONTENT_TYPE, move |sink| {
            write(&overview, &query, &*backend, sink).map_err(io::Error::from)
        });
        if hashed.is_ok() { response.with_etag(hasher.finish()) } else { response }
    };
    request.respond(build).await
}
