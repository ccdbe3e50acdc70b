//! Shows people what fails: one page of everything, one of each pod. Works without script.

mod escape;
mod picture;
mod pod;
mod row;
mod view;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::answer::{Answer, Client, answer};
use super::router::Shared;
use super::selection::{PAGE, Selection};
use super::{Sight, Site};

const CONTENT_TYPE: &str = "text/html; charset=utf-8";
/// What a browser waits before it asks again, while there is nothing to see.
const REFRESH_SECONDS: &str = "5";

/// What every page has.
#[derive(Debug)]
pub(super) struct Frame {
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
struct Message<'a> {
    frame: &'a Frame,
    title: &'a str,
    text: &'a str,
}

/// Everything that fails, as far as the query selects it.
pub(super) async fn index(
    State(shared): State<Shared>,
    client: Client,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let frame = shared.frame.clone();
    let make = move |site: &Arc<dyn Site>| match Selection::parse(&query.unwrap_or_default(), PAGE) {
        Err(error) => message(&frame, StatusCode::BAD_REQUEST, "This link makes no sense", &error.to_string()),
        Ok(selection) => looked(&frame, site, |sight| {
            let (frame, site) = (frame.clone(), Arc::clone(site));
            Answer::written(CONTENT_TYPE, move |sink| {
                view::Index::of(&frame, &sight, &selection, &*site).write_into(sink)
            })
        }),
    };
    answer(shared, client, headers, make).await
}

/// The whole story of one pod.
pub(super) async fn pod(
    State(shared): State<Shared>,
    client: Client,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let frame = shared.frame.clone();
    let make = move |site: &Arc<dyn Site>| {
        looked(&frame, site, |sight| {
            if !sight.has_story(&namespace, &name) {
                return message(&frame, StatusCode::NOT_FOUND, "Nothing to tell of this pod", NO_STORY);
            }
            let (frame, site) = (frame.clone(), Arc::clone(site));
            Answer::written(CONTENT_TYPE, move |sink| {
                pod::Story::of(&frame, &sight, (&namespace, &name), &*site).write_into(sink)
            })
        })
    };
    answer(shared, client, headers, make).await
}

const NO_STORY: &str = "No container of it fails to get its image, and no failure of it is remembered. \
                        The exporter remembers the last failures that ended since it was started.";

/// Makes a page of what there is to see.
fn looked(frame: &Frame, site: &Arc<dyn Site>, make: impl FnOnce(Sight) -> Answer) -> Answer {
    match site.look() {
        Ok(sight) => make(sight),
        Err(reason) => {
            let text = format!("There is nothing to see yet: {reason}. This page tries again every few seconds.");
            let mut answer = message(frame, StatusCode::SERVICE_UNAVAILABLE, "Starting", &text).and_retry();
            answer.headers.push((header::REFRESH, REFRESH_SECONDS));
            answer
        }
    }
}

fn message(frame: &Frame, status: StatusCode, title: &str, text: &str) -> Answer {
    let html = Message { frame, title, text }.render().unwrap_or_default();
    Answer::new(status, CONTENT_TYPE, html.into_bytes())
}
