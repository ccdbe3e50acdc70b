//! Handlers of the status page. Each element is a template in `page/` and, if it needs data, a Rust file of the same name.

mod day_chart;
mod ended_failures;
mod escape;
mod failure_row;
mod filters;
mod image;
mod index_page;
mod labels;
pub(super) mod layout;
mod message;
mod next_attempt;
mod outage;
mod pager;
mod pod_page;
mod timeline;
mod waiting;
mod watch_banner;

use std::sync::Arc;

use askama::Template as _;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::backend::Overview;
use super::failure_query::{FailureQuery, PAGE_PARAMETERS};
use super::request::BackendRequest;
use super::response::PendingResponse;
use index_page::IndexPage;
use message::{CONTENT_TYPE, message_response};
use pod_page::PodPage;

/// Interval at which browsers reload the page until the first list is complete.
const REFRESH_SECONDS: &str = "5";
const UNKNOWN_POD: &str = "This pod has no open image pull failure and none in the history, and none of its containers waits. \
                           The history keeps the latest ended failures since the exporter started.";

/// Returns the page of all failures that match the query.
pub(super) async fn index(request: BackendRequest) -> Response {
    let build = |request: &BackendRequest| match FailureQuery::parse(&request.query, PAGE_PARAMETERS) {
        Err(error) => {
            message_response(&request.state.layout, StatusCode::BAD_REQUEST, "Invalid query", &error.to_string())
        }
        Ok(query) => with_overview(request, |overview| {
            let (layout, backend) = (Arc::clone(&request.state.layout), Arc::clone(&request.state.backend));
            PendingResponse::streamed(CONTENT_TYPE, move |sink| {
                IndexPage::new(&layout, &overview, &query, &*backend).write_into(sink)
            })
        }),
    };
    request.respond(build).await
}

/// Returns the page of one pod.
pub(super) async fn pod(Path((namespace, name)): Path<(String, String)>, request: BackendRequest) -> Response {
    let build = move |request: &BackendRequest| {
        with_overview(request, |overview| {
            let (layout, backend) = (Arc::clone(&request.state.layout), Arc::clone(&request.state.backend));
            if !overview.has_pod(&namespace, &name) {
                return message_response(&layout, StatusCode::NOT_FOUND, "No failures of this pod", UNKNOWN_POD);
            }
            PendingResponse::streamed(CONTENT_TYPE, move |sink| {
                PodPage::new(&layout, &overview, (&namespace, &name), &*backend).write_into(sink)
            })
        })
    };
    request.respond(build).await
}

/// Builds a page of the current overview, or a page that reloads itself until the first list is complete.
fn with_overview(request: &BackendRequest, build: impl FnOnce(Overview) -> PendingResponse) -> PendingResponse {
    match request.state.backend.overview() {
        Ok(overview) => build(overview),
        Err(reason) => {
            let text = format!("No data yet: {reason}. This page reloads every few seconds.");
            message_response(&request.state.layout, StatusCode::SERVICE_UNAVAILABLE, "Starting", &text)
                .with_retry_after()
                .with_header(header::REFRESH, REFRESH_SECONDS)
        }
    }
}
