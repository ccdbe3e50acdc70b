//! Answers LIST, page by page.

use std::{ops::Bound, sync::Arc};

use axum::{body::Body, response::Response};
use serde_json::{Value, json};

use super::{
    Context, body,
    query::{Continue, Query},
};

/// Returns a page. Later pages show the state of the first one, or 410 if that is forgotten.
pub(super) fn list(context: &Context, query: &Query) -> Response {
    let (revision, pods) = {
        let store = context.store.lock();
        let revision = query.page.as_ref().map_or_else(|| store.revision(), |page| page.revision);
        (revision, store.pods_at(revision))
    };
    let Ok(pods) = pods else {
        // The message of a real API server (etcd3 store, continueToken handling).
        let message = "The provided continue parameter is too old to display a consistent list result.";
        return body::status(410, "Expired", message);
    };
    let begin = query.page.as_ref().map_or(Bound::Unbounded, |page| Bound::Excluded(page.after.clone()));
    let mut selected = pods.range((begin, Bound::Unbounded)).filter(|(_, pod)| query.selector.matches(pod));
    let page: Vec<_> = selected.by_ref().take(query.limit.unwrap_or(usize::MAX)).collect();
    let remaining = selected.count();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let (Some((key, _)), Some(metadata), true) = (page.last(), metadata.as_object_mut(), remaining > 0) {
        metadata.insert("continue".to_owned(), Continue { revision, after: (*key).clone() }.token().into());
        // Only known without a selector (meta/v1, ListMeta.remainingItemCount).
        if query.selector.is_everything() {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
    }
    let text = write(&metadata, page.into_iter().map(|(_, pod)| pod));
    match context.faults.slow_body() {
        Some(delay) => body::with_body(200, super::faults::slowly(text, delay)),
        None => body::with_body(200, Body::from(text)),
    }
}

/// Writes items as they are in a list: without kind and apiVersion, which the list has for all of them.
fn write<'a>(metadata: &Value, pods: impl Iterator<Item = &'a Arc<Value>>) -> String {
    let items: Vec<String> = pods.map(|pod| item(pod)).collect();
    format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{metadata},\"items\":[{}]}}", items.join(","))
}

/// Writes one item without copying the object first: a page is many of them.
fn item(pod: &Value) -> String {
    let fields =
        pod.as_object().into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    let fields: Vec<String> = fields.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", fields.join(","))
}
