//! Answers LIST, page by page.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    Context,
    body::Problem,
    encoding::Encoding,
    faults::Habit,
    query::{Continue, Query},
};

/// The namespace of pods that there are not, after that of every other.
const INVENTED: &str = "~";

/// Returns the bytes of a page. Later pages show the state of the first one, or 410 if that is forgotten.
pub(super) fn list(context: &Context, query: &Query, encoding: Encoding) -> Result<Vec<u8>, Problem> {
    let (revision, pods) = {
        let store = context.store.lock();
        let revision = match (&query.page, query.resource_version) {
            (Some(page), _) => page.revision,
            (None, Some(asked)) if asked > store.revision() => return Err(Problem::too_large(asked, store.revision())),
            (None, Some(asked)) if query.version_match.as_deref() == Some("Exact") => asked,
            (None, _) => store.revision(),
        };
        (revision, store.pods_at(revision))
    };
    // The messages of a real API server (etcd3 store, continueToken handling and interpretListError).
    let message = match query.page {
        Some(_) => "The provided continue parameter is too old to display a consistent list result.",
        None => "The resourceVersion for the provided list is too old.",
    };
    let pods = pods.map_err(|_| Problem::new(410, "Expired", message))?;
    let begin = query.page.as_ref().map_or(Bound::Unbounded, |page| Bound::Excluded(page.after.clone()));
    let mut selected = pods.range((begin, Bound::Unbounded)).filter(|(_, pod)| query.selector.matches(pod));
    let page: Vec<_> = selected.by_ref().take(query.limit.unwrap_or(usize::MAX)).collect();
    let remaining = selected.count();
    context.faults.count_listed(page.len());
    if let Some((token, invented)) = without_end(context, query, revision, remaining) {
        let metadata = json!({ "resourceVersion": revision.to_string(), "continue": token.token() });
        return Ok(encoding.list(&metadata, page.into_iter().map(|(_, pod)| &**pod).chain(&invented)));
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let (Some((key, _)), Some(metadata), true) = (page.last(), metadata.as_object_mut(), remaining > 0) {
        metadata.insert("continue".to_owned(), Continue { revision, after: (*key).clone() }.token().into());
        // Only known without a selector (meta/v1, ListMeta.remainingItemCount).
        if query.selector.is_everything() {
            metadata.insert("remainingItemCount".to_owned(), remaining.into());
        }
    }
    Ok(encoding.list(&metadata, page.into_iter().map(|(_, pod)| &**pod)))
}

/// Returns how a list that leads nowhere goes on after a page, and what the page has beside its pods.
fn without_end(context: &Context, query: &Query, revision: u64, remaining: usize) -> Option<(Continue, Option<Value>)> {
    let (namespace, name) = query.page.as_ref().map(|page| page.after.clone()).unwrap_or_default();
    let turn = name.parse::<u64>().unwrap_or_default() + 1;
    if context.faults.has(Habit::RepeatsPages) {
        // Before every namespace.
        return Some((Continue { revision, after: (String::new(), turn.to_string()) }, None));
    }
    if !context.faults.has(Habit::InventsPods) || remaining > 0 {
        return None;
    }
    let turn = if namespace == INVENTED { turn } else { 1 };
    let metadata =
        json!({ "name": format!("invented-{turn}"), "namespace": "invented", "uid": format!("invented-{turn}") });
    let pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": { "containers": null }, "status": {} });
    Some((Continue { revision, after: (INVENTED.to_owned(), turn.to_string()) }, Some(pod)))
}
