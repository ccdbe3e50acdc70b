//! A page with a title and a text.

use askama::Template;
use axum::http::StatusCode;

use super::layout::Layout;
use crate::http::response::PendingResponse;

pub(super) const CONTENT_TYPE: &str = "text/html; charset=utf-8";

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    layout: &'a Layout,
    title: &'a str,
    text: &'a str,
}

/// Returns a page with a title and a text.
pub(super) fn message_response(layout: &Layout, status: StatusCode, title: &str, text: &str) -> PendingResponse {
    let html = MessagePage { layout, title, text }.render().unwrap_or_default();
    PendingResponse::new(status, CONTENT_TYPE, html.into_bytes())
}
