//! Answers scripts: the page's content as JSON, as `openapi.json` describes it.

mod shapes;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::answer::{Answer, answer, etag_of};
use super::problem::problem;
use super::router::Shared;
use super::selection::{LIST, NARROWED, Selection};
use super::{Sight, Site};
use crate::pull::time::Timestamp;

const CONTENT_TYPE: &str = "application/json";
const NO_STORY: &str = "no container of this pod fails, and no failure of it is remembered";

/// What fails.
pub(super) async fn failures(State(shared): State<Shared>, query: RawQuery, headers: HeaderMap) -> Response {
    let url = format!("{}/api/v1/failures", shared.frame.base);
    let make = move |site: &dyn Site| {
        selected(site, &query, LIST, |sight, selection| Some(shapes::Failures::of(sight, selection, &url)))
    };
    answer(shared, headers, make).await
}

/// What failed.
pub(super) async fn history(State(shared): State<Shared>, query: RawQuery, headers: HeaderMap) -> Response {
    let url = format!("{}/api/v1/history", shared.frame.base);
    let make = move |site: &dyn Site| {
        selected(site, &query, LIST, |sight, selection| Some(shapes::History::of(sight, selection, &url)))
    };
    answer(shared, headers, make).await
}

/// How much fails, and why.
pub(super) async fn summary(State(shared): State<Shared>, query: RawQuery, headers: HeaderMap) -> Response {
    let make = move |site: &dyn Site| {
        selected(site, &query, NARROWED, |sight, selection| Some(shapes::Summary::of(sight, selection)))
    };
    answer(shared, headers, make).await
}

/// The whole story of one pod.
pub(super) async fn pod(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let make = move |site: &dyn Site| {
        selected(site, &query, &[], |sight, _| shapes::Story::of(sight, &namespace, &name, site))
    };
    answer(shared, headers, make).await
}

/// What all of this looks like.
pub(super) async fn openapi(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    answer(shared, headers, |_| {
        let document = include_bytes!("openapi.json");
        Answer::new(StatusCode::OK, CONTENT_TYPE, document.to_vec()).tagged(etag_of(document))
    })
    .await
}

/// Answers with what `make` makes of what the query selects, if anything.
fn selected<T: Serialize>(
    site: &dyn Site,
    RawQuery(query): &RawQuery,
    known: &'static [&'static str],
    make: impl Fn(&Sight, &Selection) -> Option<T>,
) -> Answer {
    let selection = match Selection::parse(query.as_deref().unwrap_or_default(), known) {
        Ok(selection) => selection,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let sight = match site.look() {
        Ok(sight) => sight,
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).and_retry(),
    };
    let json = |sight: &Sight| serde_json::to_vec(&make(sight, &selection)?).ok();
    let Some(body) = json(&sight) else { return problem(StatusCode::NOT_FOUND, NO_STORY) };
    // The same at another time is no news.
    let timeless = json(&Sight { now: Timestamp::default(), ..sight }).unwrap_or_default();
    Answer::new(StatusCode::OK, CONTENT_TYPE, body).tagged(etag_of(&timeless))
}
