//! Query parameters of the page and the JSON API: filters, sort order and pagination. They select failures and waits.
//!
//! axum's `Query` extractor supports neither repeated parameters nor the error messages below.

#[cfg(test)]
mod tests;

use form_urlencoded::{Serializer, parse};

use crate::present::wait::stage_name;
use crate::terminal::escape_controls;
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::{FailureRef, WaitRef};
use image_pull_model::workload::workload_of;

/// Maximum number of failures in a response.
const MAX_LIMIT: usize = 1000;
/// Number of failures in a response by default.
const DEFAULT_LIMIT: usize = 200;

/// Parameters of a list.
pub(super) const LIST_PARAMETERS: &[&str] = &["namespace", "cause", "cause_group", "registry", "q", "offset", "limit"];
/// Parameters of the list of waits, which have no cause.
pub(super) const WAIT_PARAMETERS: &[&str] = &["namespace", "registry", "q", "offset", "limit"];
/// Parameters of the page.
pub(super) const PAGE_PARAMETERS: &[&str] =
    &["namespace", "cause", "cause_group", "registry", "q", "sort", "offset", "limit"];
/// Parameters of the summary.
pub(super) const SUMMARY_PARAMETERS: &[&str] = &["namespace", "cause", "cause_group", "registry", "q"];

/// Selects failures. A failure must match at least one value of each filter that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FailureQuery {
    pub(super) namespaces: Vec<String>,
    pub(super) causes: Vec<Cause>,
    pub(super) groups: Vec<CauseGroup>,
    pub(super) registries: Vec<String>,
    /// Search text. Case-insensitive.
    pub(super) text: String,
    pub(super) sort: SortOrder,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// Order of the outages on the page, and of the failures in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortOrder {
    /// Largest outage first, oldest failure first.
    #[default]
    Size,
    /// Oldest first.
    Oldest,
    /// Newest first.
    Newest,
}

impl SortOrder {
    pub(super) const ALL: [Self; 3] = [Self::Size, Self::Oldest, Self::Newest];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Oldest => "oldest",
            Self::Newest => "newest",
        }
    }
}

/// An invalid query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidQuery {
    /// The parameter does not exist.
    #[error("unknown parameter \"{name}\" (supported: {supported})")]
    UnknownParameter { name: String, supported: String },
    /// The value is invalid.
    #[error("invalid {name} \"{value}\" (expected {expected})")]
    InvalidValue { name: &'static str, value: String, expected: String },
}

impl FailureQuery {
    /// Parses a query string with these parameters. Ignores parameters without a value, which empty form fields send.
    pub(super) fn parse(query: &str, supported: &'static [&'static str]) -> Result<Self, InvalidQuery> {
        let mut parsed = Self { limit: DEFAULT_LIMIT, ..Self::default() };
        for (name, value) in parse(query.as_bytes()) {
            let Some(name) = supported.iter().copied().find(|supported| *supported == name) else {
                let supported = if supported.is_empty() { "none".to_owned() } else { supported.join(", ") };
                return Err(InvalidQuery::UnknownParameter { name: quotable(&name), supported });
            };
            if !value.is_empty() {
                parsed.set_parameter(name, value.into_owned())?;
            }
        }
        Ok(parsed)
    }

    fn set_parameter(&mut self, name: &'static str, value: String) -> Result<(), InvalidQuery> {
        match name {
            "namespace" => self.namespaces.push(value),
            "registry" => self.registries.push(value),
            "q" => self.text = value,
            "cause" => self.causes.push(parse_word(name, &value, Cause::ALL, Cause::as_str)?),
            "cause_group" => self.groups.push(parse_word(name, &value, CauseGroup::ALL, CauseGroup::as_str)?),
            "sort" => self.sort = parse_word(name, &value, &SortOrder::ALL, SortOrder::as_str)?,
            "offset" => self.offset = parse_number(name, &value, 0..=usize::MAX, "a non-negative integer")?,
            _ => self.limit = parse_number(name, &value, 1..=MAX_LIMIT, "an integer from 1 to 1000")?,
        }
        Ok(())
    }

    /// Returns whether all failures match.
    pub(super) fn is_unfiltered(&self) -> bool {
        let Self { namespaces, causes, groups, registries, text, .. } = self;
        namespaces.is_empty() && causes.is_empty() && groups.is_empty() && registries.is_empty() && text.is_empty()
    }

    /// Returns the failures that match the filters.
    pub(super) fn filter<'a>(&self, failures: impl Iterator<Item = FailureRef<'a>>) -> Vec<FailureRef<'a>> {
        let text = self.text.to_lowercase();
        failures.filter(|failing| self.matches(*failing, &text)).collect()
    }

    fn matches(&self, failing @ (pod, _, failure): FailureRef<'_>, text: &str) -> bool {
        matches_any(&self.namespaces, &pod.id.namespace)
            && matches_any(&self.registries, failure.image.registry())
            && (self.causes.is_empty() || self.causes.contains(&failure.cause()))
            && (self.groups.is_empty() || self.groups.contains(&failure.cause_group()))
            && (text.is_empty() || contains_text(failing, text))
    }

    /// Returns the waits that match the filters. None if the query has a cause or a cause group.
    pub(super) fn filter_waits<'a>(&self, waits: impl Iterator<Item = WaitRef<'a>>) -> Vec<WaitRef<'a>> {
        if !self.causes.is_empty() || !self.groups.is_empty() {
            return Vec::new();
        }
        let text = self.text.to_lowercase();
        waits.filter(|waiting| self.matches_wait(*waiting, &text)).collect()
    }

    fn matches_wait(&self, waiting @ (pod, _, wait): WaitRef<'_>, text: &str) -> bool {
        matches_any(&self.namespaces, &pod.id.namespace)
            && matches_any(&self.registries, wait.image.registry())
            && (text.is_empty() || wait_contains_text(waiting, text))
    }

    /// Returns the part of a list on this page.
    pub(super) fn page<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        let begin = self.offset.min(list.len());
        let end = begin.saturating_add(self.limit).min(list.len());
        list.get(begin..end).unwrap_or_default()
    }

    /// Returns the offset of the next page. `None` on the last page.
    pub(super) fn next_offset(&self, total: usize) -> Option<usize> {
        Some(self.offset.saturating_add(self.limit)).filter(|next| *next < total)
    }

    /// Returns the query string of this query with another offset.
    pub(super) fn query_string_from(&self, offset: usize) -> String {
        Self { offset, ..self.clone() }.query_string()
    }

    /// Returns the query string of this query.
    pub(super) fn query_string(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.namespaces.iter().map(|name| ("namespace", name)));
        query.extend_pairs(self.causes.iter().map(|cause| ("cause", cause.as_str())));
        query.extend_pairs(self.groups.iter().map(|group| ("cause_group", group.as_str())));
        query.extend_pairs(self.registries.iter().map(|name| ("registry", name)));
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if self.sort != SortOrder::default() {
            query.append_pair("sort", self.sort.as_str());
        }
        if self.offset > 0 {
            query.append_pair("offset", &self.offset.to_string());
        }
        if self.limit != DEFAULT_LIMIT {
            query.append_pair("limit", &self.limit.to_string());
        }
        query.finish()
    }
}

/// Returns whether any displayed field of a failure contains a text in lower case. Searches redacted texts only. Otherwise
/// secrets could be guessed letter by letter.
fn contains_text((pod, container, failure): FailureRef<'_>, text: &str) -> bool {
    let workload = workload_of(&pod.id, &pod.owner);
    let names = [&*pod.id.namespace, &pod.id.name, workload.name, &container.name, &pod.node, failure.cause().as_str()];
    let contains = |field: &str| field.to_lowercase().contains(text);
    names.into_iter().any(contains) || contains(&failure.image.redacted()) || contains(&redact(&failure.message))
}

/// Returns whether any displayed field of a wait contains a text in lower case.
fn wait_contains_text((pod, container, wait): WaitRef<'_>, text: &str) -> bool {
    let workload = workload_of(&pod.id, &pod.owner);
    let names = [&*pod.id.namespace, &pod.id.name, workload.name, &container.name, &pod.node, stage_name(wait.stage)];
    let contains = |field: &str| field.to_lowercase().contains(text);
    names.into_iter().any(contains) || contains(&wait.image.redacted())
}

/// Whether a filter is empty or contains a name.
fn matches_any(filter: &[String], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|value| value == name)
}

fn parse_word<T: Copy>(
    name: &'static str,
    value: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, InvalidQuery> {
    let expected = || format!("one of {}", all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", "));
    let found = all.iter().copied().find(|one| word(*one) == value);
    found.ok_or_else(|| InvalidQuery::InvalidValue { name, value: quotable(value), expected: expected() })
}

fn parse_number(
    name: &'static str,
    value: &str,
    range: std::ops::RangeInclusive<usize>,
    expected: &str,
) -> Result<usize, InvalidQuery> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| InvalidQuery::InvalidValue { name, value: quotable(value), expected: expected.to_owned() })
}

/// Truncates and escapes a text of a client, for an error message.
fn quotable(text: &str) -> String {
    escape_controls(text.get(..text.floor_char_boundary(64)).unwrap_or_default()).into_owned()
}
