//! Answers scripts: the page's content as JSON, as `openapi.json` describes it.

mod schema;

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::failure_query::{FailureQuery, LIST_PARAMETERS, SUMMARY_PARAMETERS};
use super::problem_details::problem_response;
use super::response::{ClientConnection, EtagHasher, PendingResponse, respond_from_backend, static_file};
use super::router::AppState;
use super::{Backend, Overview};
use image_pull_model::time::Timestamp;

const CONTENT_TYPE: &str = "application/json";
const NO_FAILURES_OF_POD: &str = "no container of this pod fails, and no failure of it is remembered";

/// What fails.
pub(super) async fn failures(
    State(shared): State<AppState>,
    client: ClientConnection,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let url = format!("{}/api/v1/failures", shared.layout.base);
    let make = move |site: &Arc<dyn Backend>| {
        query_backend(
            site,
            &query,
            LIST_PARAMETERS,
            |_| true,
            move |sight, selection, _, sink| {
                serde_json::to_writer(sink, &schema::FailuresResponse::of(sight, selection, &url))
            },
        )
    };
    respond_from_backend(shared, client, headers, make).await
}

/// What failed.
pub(super) async fn history(
    State(shared): State<AppState>,
    client: ClientConnection,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let url = format!("{}/api/v1/history", shared.layout.base);
    let make = move |site: &Arc<dyn Backend>| {
        query_backend(
            site,
            &query,
            LIST_PARAMETERS,
            |_| true,
            move |sight, selection, _, sink| {
                serde_json::to_writer(sink, &schema::HistoryResponse::of(sight, selection, &url))
            },
        )
    };
    respond_from_backend(shared, client, headers, make).await
}

/// How much fails, and why.
pub(super) async fn summary(
    State(shared): State<AppState>,
    client: ClientConnection,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let make = move |site: &Arc<dyn Backend>| {
        query_backend(
            site,
            &query,
            SUMMARY_PARAMETERS,
            |_| true,
            |sight, selection, _, sink| serde_json::to_writer(sink, &schema::SummaryResponse::of(sight, selection)),
        )
    };
    respond_from_backend(shared, client, headers, make).await
}

/// The whole story of one pod.
pub(super) async fn pod(
    State(shared): State<AppState>,
    client: ClientConnection,
    Path((namespace, name)): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let make = move |site: &Arc<dyn Backend>| {
        let is_there = |sight: &Overview| sight.has_failures_of_pod(&namespace, &name);
        let (namespace, name) = (namespace.clone(), name.clone());
        query_backend(site, &query, &[], is_there, move |sight, _, site, sink| {
            serde_json::to_writer(sink, &schema::PodResponse::of(sight, &namespace, &name, site))
        })
    };
    respond_from_backend(shared, client, headers, make).await
}

/// What all of this looks like.
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    static_file(headers, CONTENT_TYPE, include_bytes!("api/openapi.json")).await
}

/// Answers with what `write` writes of what the query selects.
fn query_backend(
    site: &Arc<dyn Backend>,
    RawQuery(query): &RawQuery,
    known: &'static [&'static str],
    is_there: impl FnOnce(&Overview) -> bool,
    write: impl Fn(&Overview, &FailureQuery, &dyn Backend, &mut dyn Write) -> serde_json::Result<()> + Send + 'static,
) -> PendingResponse {
    let selection = match FailureQuery::parse(query.as_deref().unwrap_or_default(), known) {
        Ok(selection) => selection,
        Err(error) => return problem_response(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let sight = match site.overview() {
        Ok(sight) => sight,
        Err(error) => return problem_response(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).with_retry_after(),
    };
    if !is_there(&sight) {
        return problem_response(StatusCode::NOT_FOUND, NO_FAILURES_OF_POD);
    }
    // The same at another time is no news.
    let (timeless, mut tag) = (Overview { now: Timestamp::default(), ..sight.clone() }, EtagHasher::default());
    let tagged = write(&timeless, &selection, &**site, &mut tag);
    drop(timeless);
    let site = Arc::clone(site);
    let answer = PendingResponse::streamed(CONTENT_TYPE, move |sink| {
        write(&sight, &selection, &*site, sink).map_err(std::io::Error::from)
    });
    if tagged.is_ok() { answer.with_etag(tag.finish()) } else { answer }
}
