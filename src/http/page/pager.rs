//! Links to the previous and next page of the list.

use crate::http::failure_query::FailureQuery;

/// Position of a page in the list of failures.
pub(super) struct Pager {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) total: usize,
    /// Query string of the previous page.
    pub(super) previous: Option<String>,
    /// Query string of the next page.
    pub(super) next: Option<String>,
}

impl Pager {
    pub(super) fn new(query: &FailureQuery, total: usize) -> Self {
        let FailureQuery { offset, limit, .. } = *query;
        Self {
            first: offset.saturating_add(1).min(total),
            last: offset.saturating_add(limit).min(total),
            total,
            previous: (offset > 0).then(|| query.query_string_from(offset.saturating_sub(limit))),
            next: query.next_offset(total).map(|next| query.query_string_from(next)),
        }
    }
}
