//! The filter form and the chips of the cause groups.

use std::collections::BTreeMap;

use super::labels::{cause_title, group_owner};
use crate::http::failure_query::{FailureQuery, SortOrder};
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::snapshot::{FailureRef, WaitRef};

/// The options of all filters.
pub(super) struct Filters {
    pub(super) namespaces: Vec<FilterOption>,
    pub(super) registries: Vec<FilterOption>,
    pub(super) causes: Vec<FilterOption>,
    pub(super) groups: Vec<FilterOption>,
    pub(super) sort_orders: Vec<FilterOption>,
    /// The search text.
    pub(super) text: String,
}

/// An option of a filter.
pub(super) struct FilterOption {
    pub(super) value: String,
    pub(super) label: String,
    /// Number of failing and waiting containers with this value.
    pub(super) count: usize,
    pub(super) is_selected: bool,
    /// Query string that selects this option. Empty except for cause groups.
    pub(super) query: String,
}

impl Filters {
    /// `failures` and `waits` are all that the page lists without a query.
    pub(super) fn new(failures: &[FailureRef<'_>], waits: &[WaitRef<'_>], query: &FailureQuery) -> Self {
        let namespaces = failures.iter().map(|(pod, _, _)| &*pod.id.namespace);
        let namespaces = namespaces.chain(waits.iter().map(|(pod, _, _)| &*pod.id.namespace));
        let registries = failures.iter().map(|(_, _, failure)| failure.image.registry());
        let registries = registries.chain(waits.iter().map(|(_, _, wait)| wait.image.registry()));
        Self {
            namespaces: options(namespaces, &query.namespaces),
            registries: options(registries, &query.registries),
            causes: cause_options(failures, query),
            groups: group_options(failures, query),
            sort_orders: SortOrder::ALL.iter().map(|order| sort_option(*order, query)).collect(),
            text: query.text.clone(),
        }
    }
}

/// Returns an option for each value, including selected values without failures.
fn options<'a>(values: impl Iterator<Item = &'a str>, selected: &'a [String]) -> Vec<FilterOption> {
    let mut counts: BTreeMap<&str, usize> = selected.iter().map(|value| (value.as_str(), 0)).collect();
    for value in values.filter(|value| !value.is_empty()) {
        *counts.entry(value).or_default() += 1;
    }
    let option = |(value, count): (&str, usize)| FilterOption {
        value: value.to_owned(),
        label: value.to_owned(),
        count,
        is_selected: selected.iter().any(|selected| selected == value),
        query: String::new(),
    };
    counts.into_iter().map(option).collect()
}

fn cause_options(failures: &[FailureRef<'_>], query: &FailureQuery) -> Vec<FilterOption> {
    let selected: Vec<String> = query.causes.iter().map(|cause| cause.as_str().to_owned()).collect();
    let mut causes = options(failures.iter().map(|(_, _, failure)| failure.cause().as_str()), &selected);
    for option in &mut causes {
        let cause = Cause::ALL.iter().find(|cause| cause.as_str() == option.value);
        option.label = cause.map(|cause| cause_title(*cause)).unwrap_or_default();
    }
    causes
}

fn group_options(failures: &[FailureRef<'_>], query: &FailureQuery) -> Vec<FilterOption> {
    let option = |group: &CauseGroup| {
        let count = failures.iter().filter(|(_, _, failure)| failure.cause_group() == *group).count();
        let only_group = FailureQuery { groups: vec![*group], offset: 0, causes: Vec::new(), ..query.clone() };
        FilterOption {
            value: group.as_str().to_owned(),
            label: group_owner(*group).to_owned(),
            count,
            is_selected: query.groups.contains(group),
            query: only_group.query_string(),
        }
    };
    CauseGroup::ALL.iter().map(option).filter(|option| option.count > 0 || option.is_selected).collect()
}

fn sort_option(order: SortOrder, query: &FailureQuery) -> FilterOption {
    let label = match order {
        SortOrder::Size => "largest first",
        SortOrder::Oldest => "oldest first",
        SortOrder::Newest => "newest first",
    };
    FilterOption {
        value: order.as_str().to_owned(),
        label: label.to_owned(),
        count: 0,
        is_selected: query.sort == order,
        query: String::new(),
    }
}
