//! Handles LIST, with pagination.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    body::StatusError,
    context::Context,
    encoding::ResponseEncoding,
    faults::PersistentFault,
    query::{Continue, ListOptions},
};

/// Sort key of generated objects: after every namespace.
const ENDLESS_NAMESPACE: &str = "~";

/// Returns an encoded page. All pages of a list show the revision of the first; if it is compacted, returns 410.
pub(super) fn list(context: &Context, query: &ListOptions, encoding: ResponseEncoding) -> Result<Vec<u8>, StatusError> {
    let (revision, objects) = {
        let store = context.store.lock();
        let revision = match (&query.page, query.resource_version) {
            (Some(page), _) => page.revision,
            (None, Some(asked)) if asked > store.revision() => {
                return Err(StatusError::too_large(asked, store.revision()));
            }
            (None, Some(asked)) if query.version_match.as_deref() == Some("Exact") => asked,
            (None, _) => store.revision(),
        };
        (revision, store.objects_at(query.resource, revision))
    };
    // Messages of the API server (etcd3 store, continueToken handling and interpretListError).
    let message = match query.page {
        Some(_) => "The provided continue parameter is too old to display a consistent list result.",
        None => "The resourceVersion for the provided list is too old.",
    };
    let objects = objects.map_err(|_| StatusError::new(410, "Expired", message))?;
    let begin = query.page.as_ref().map_or(Bound::Unbounded, |page| Bound::Excluded(page.after.clone()));
    let mut selected = objects.range((begin, Bound::Unbounded)).filter(|(_, object)| query.selector.matches(object));
    let page: Vec<_> = selected.by_ref().take(query.limit.unwrap_or(usize::MAX)).collect();
    let remaining = selected.count();
    context.faults.count_listed(page.len());
    if let Some((token, invented)) = endless_continuation(context, query, revision, remaining) {
        let metadata = json!({ "resourceVersion": revision.to_string(), "continue": token.token() });
        return Ok(encoding.list(
            query.resource,
            &metadata,
            page.into_iter().map(|(_, object)| &**object).chain(&invented),
        ));
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let (Some((key, _)), Some(metadata), true) = (page.last(), metadata.as_object_mut(), remaining > 0) {
        metadata.insert("continue".to_owned(), Continue { revision, after: (*key).clone() }.token().into());
        // Set only without a selector (meta/v1, ListMeta.remainingItemCount).
        if query.selector.is_everything() {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
    }
    Ok(encoding.list(query.resource, &metadata, page.into_iter().map(|(_, object)| &**object)))
}

/// Returns the next token of a list without end, and a generated object for this page.
fn endless_continuation(
    context: &Context,
    query: &ListOptions,
    revision: u64,
    remaining: usize,
) -> Option<(Continue, Option<Value>)> {
    let (namespace, name) = query.page.as_ref().map(|page| page.after.clone()).unwrap_or_default();
    let turn = name.parse::<u64>().unwrap_or_default() + 1;
    if context.faults.has(PersistentFault::RepeatPages) {
        // Sorts before every namespace.
        return Some((Continue { revision, after: (String::new(), turn.to_string()) }, None));
    }
    if !context.faults.has(PersistentFault::ListEndlessPods) || remaining > 0 {
        return None;
    }
    let turn = if namespace == ENDLESS_NAMESPACE { turn } else { 1 };
    let metadata =
        json!({ "name": format!("invented-{turn}"), "namespace": "invented", "uid": format!("invented-{turn}") });
    let object = query.resource.empty_object(&metadata);
    Some((Continue { revision, after: (ENDLESS_NAMESPACE.to_owned(), turn.to_string()) }, Some(object)))
}
