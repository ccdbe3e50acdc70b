//! Shows people what fails: one page of everything, one of each pod. Works without script.

mod escape;
mod failure_row;
mod index_page;
mod pod_page;
mod timeline_svg;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::failure_query::{FailureQuery, PAGE_PARAMETERS};
use super::response::{ClientConnection, PendingResponse, respond_from_backend};
use super::router::AppState;
use super::{Backend, Overview};

const CONTENT_TYPE: &str = "text/html; charset=utf-8";
/// What a browser waits before it asks again, while there is nothing to see.
const REFRESH_SECONDS: &str = "5";

/// What every page has.
#[derive(Debug)]
pub(super) struct Layout {
    /// What every link begins with.
    pub(super) base: String,
    /// Where the metrics are, below that.
    pub(super) telemetry_path: String,
    /// Of the program.
    pub(super) version: &'static str,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    frame: &'a Layout,
    title: &'a str,
    text: &'a str,
}

/// Everything that fails, as far as the query selects it.
pub(super) async fn index(
    State(shared): State<AppState>,
    client: ClientConnection,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let frame = shared.layout.clone();
    let make = move |site: &Arc<dyn Backend>| match FailureQuery::parse(&query.unwrap_or_default(), PAGE_PARAMETERS) {
        Err(error) => message(&frame, StatusCode::BAD_REQUEST, "This link makes no sense", &error.to_string()),
        Ok(selection) => with_overview(&frame, site, |sight| {
            let (frame, site) = (frame.clone(), Arc::clone(site));
            PendingResponse::streamed(CONTENT_TYPE, move |sink| {
                index_page::IndexPage::of(&frame, &sight, &selection, &*site).write_into(sink)
            })
        }),
    };
    respond_from_backend(shared, client, headers, make).await
}

/// The whole story of one pod.
pub(super) async fn pod(
    State(shared): State<AppState>,
    client: ClientConnection,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let frame = shared.layout.clone();
    let make = move |site: &Arc<dyn Backend>| {
        with_overview(&frame, site, |sight| {
            if !sight.has_failures_of_pod(&namespace, &name) {
                return message(&frame, StatusCode::NOT_FOUND, "Nothing to tell of this pod", NO_FAILURES_OF_POD);
            }
            let (frame, site) = (frame.clone(), Arc::clone(site));
            PendingResponse::streamed(CONTENT_TYPE, move |sink| {
                pod_page::PodPage::of(&frame, &sight, (&namespace, &name), &*site).write_into(sink)
            })
        })
    };
    respond_from_backend(shared, client, headers, make).await
}

const NO_FAILURES_OF_POD: &str = "No container of it fails to get its image, and no failure of it is remembered. \
                        The exporter remembers the last failures that ended since it was started.";

/// Makes a page of what there is to see.
fn with_overview(
    frame: &Layout,
    site: &Arc<dyn Backend>,
    make: impl FnOnce(Overview) -> PendingResponse,
) -> PendingResponse {
    match site.overview() {
        Ok(sight) => make(sight),
        Err(reason) => {
            let text = format!("There is nothing to see yet: {reason}. This page tries again every few seconds.");
            let mut answer = message(frame, StatusCode::SERVICE_UNAVAILABLE, "Starting", &text).with_retry_after();
            answer.headers.push((header::REFRESH, REFRESH_SECONDS));
            answer
        }
    }
}

fn message(frame: &Layout, status: StatusCode, title: &str, text: &str) -> PendingResponse {
    let html = MessagePage { frame, title, text }.render().unwrap_or_default();
    PendingResponse::new(status, CONTENT_TYPE, html.into_bytes())
}
