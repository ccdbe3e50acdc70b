//! Answers scripts: the page's content as JSON, as `openapi.json` describes it.

mod shapes;

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::answer::{Answer, Client, Tag, answer, file};
use super::problem::problem;
use super::router::Shared;
use super::selection::{LIST, NARROWED, Selection};
use super::{Sight, Site};
use image_pull_model::time::Timestamp;

const CONTENT_TYPE: &str = "application/json";
const NO_STORY: &str = "no container of this pod fails, and no failure of it is remembered";

/// What fails.
pub(super) async fn failures(
    State(shared): State<Shared>,
    client: Client,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let url = format!("{}/api/v1/failures", shared.frame.base);
    let make = move |site: &Arc<dyn Site>| {
        selected(
            site,
            &query,
            LIST,
            |_| true,
            move |sight, selection, _, sink| serde_json::to_writer(sink, &shapes::Failures::of(sight, selection, &url)),
        )
    };
    answer(shared, client, headers, make).await
}

/// What failed.
pub(super) async fn history(
    State(shared): State<Shared>,
    client: Client,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let url = format!("{}/api/v1/history", shared.frame.base);
    let make = move |site: &Arc<dyn Site>| {
        selected(
            site,
            &query,
            LIST,
            |_| true,
            move |sight, selection, _, sink| serde_json::to_writer(sink, &shapes::History::of(sight, selection, &url)),
        )
    };
    answer(shared, client, headers, make).await
}

/// How much fails, and why.
pub(super) async fn summary(
    State(shared): State<Shared>,
    client: Client,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let make = move |site: &Arc<dyn Site>| {
        selected(
            site,
            &query,
            NARROWED,
            |_| true,
            |sight, selection, _, sink| serde_json::to_writer(sink, &shapes::Summary::of(sight, selection)),
        )
    };
    answer(shared, client, headers, make).await
}

/// The whole story of one pod.
pub(super) async fn pod(
    State(shared): State<Shared>,
    client: Client,
    Path((namespace, name)): Path<(String, String)>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let make = move |site: &Arc<dyn Site>| {
        let is_there = |sight: &Sight| sight.has_story(&namespace, &name);
        let (namespace, name) = (namespace.clone(), name.clone());
        selected(site, &query, &[], is_there, move |sight, _, site, sink| {
            serde_json::to_writer(sink, &shapes::Story::of(sight, &namespace, &name, site))
        })
    };
    answer(shared, client, headers, make).await
}

/// What all of this looks like.
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    file(headers, CONTENT_TYPE, include_bytes!("api/openapi.json")).await
}

/// Answers with what `write` writes of what the query selects.
fn selected(
    site: &Arc<dyn Site>,
    RawQuery(query): &RawQuery,
    known: &'static [&'static str],
    is_there: impl FnOnce(&Sight) -> bool,
    write: impl Fn(&Sight, &Selection, &dyn Site, &mut dyn Write) -> serde_json::Result<()> + Send + 'static,
) -> Answer {
    let selection = match Selection::parse(query.as_deref().unwrap_or_default(), known) {
        Ok(selection) => selection,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let sight = match site.look() {
        Ok(sight) => sight,
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).and_retry(),
    };
    if !is_there(&sight) {
        return problem(StatusCode::NOT_FOUND, NO_STORY);
    }
    // The same at another time is no news.
    let (timeless, mut tag) = (Sight { now: Timestamp::default(), ..sight.clone() }, Tag::default());
    let tagged = write(&timeless, &selection, &**site, &mut tag);
    drop(timeless);
    let site = Arc::clone(site);
    let answer = Answer::written(CONTENT_TYPE, move |sink| {
        write(&sight, &selection, &*site, sink).map_err(std::io::Error::from)
    });
    if tagged.is_ok() { answer.tagged(tag.finish()) } else { answer }
}
