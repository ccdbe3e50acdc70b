//! Reads out of a query which failures somebody wants to see, and picks them.

#[cfg(test)]
mod tests;

use form_urlencoded::{Serializer, parse};

use crate::terminal::escape_controls;
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::workload::workload_of;

/// How many failures one answer has at most.
const MAX_LIMIT: usize = 1000;
/// How many it has where nothing is said.
const DEFAULT_LIMIT: usize = 200;

/// The parameters that narrow what is shown.
const FILTERS: &[&str] = &["namespace", "cause", "cause_group", "registry", "q"];
/// Those of a list.
pub(super) const LIST_PARAMETERS: &[&str] = &["namespace", "cause", "cause_group", "registry", "q", "offset", "limit"];
/// Those of the page.
pub(super) const PAGE_PARAMETERS: &[&str] =
    &["namespace", "cause", "cause_group", "registry", "q", "sort", "offset", "limit"];
/// Those of what is no list.
pub(super) const SUMMARY_PARAMETERS: &[&str] = FILTERS;

/// What somebody wants to see. Of each filter any value will do; of several filters each has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FailureQuery {
    pub(super) namespaces: Vec<String>,
    pub(super) causes: Vec<Cause>,
    pub(super) groups: Vec<CauseGroup>,
    pub(super) registries: Vec<String>,
    /// A text to look for, as it was typed.
    pub(super) text: String,
    pub(super) sort: SortOrder,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// In which order the page shows outages, and failures within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortOrder {
    /// The largest outage first, and its oldest failure first.
    #[default]
    Size,
    /// What has failed longest first.
    Oldest,
    /// What began last first.
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

/// Why a query makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidQuery {
    /// There is no such parameter.
    #[error("there is no parameter \"{name}\" (there are {known})")]
    UnknownParameter { name: String, known: String },
    /// It cannot have this value.
    #[error("{name} cannot be \"{value}\" ({expected})")]
    InvalidValue { name: &'static str, value: String, expected: String },
}

impl FailureQuery {
    /// Reads a query of which these parameters are known. One without a value says nothing, as in an empty field of a form.
    pub(super) fn parse(query: &str, known: &'static [&'static str]) -> Result<Self, InvalidQuery> {
        let mut selection = Self { limit: DEFAULT_LIMIT, ..Self::default() };
        for (name, value) in parse(query.as_bytes()) {
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(InvalidQuery::UnknownParameter { name: quotable(&name), known });
            };
            if !value.is_empty() {
                selection.set_parameter(name, value.into_owned())?;
            }
        }
        Ok(selection)
    }

    fn set_parameter(&mut self, name: &'static str, value: String) -> Result<(), InvalidQuery> {
        match name {
            "namespace" => self.namespaces.push(value),
            "registry" => self.registries.push(value),
            "q" => self.text = value,
            "cause" => self.causes.push(parse_word(name, &value, Cause::ALL, Cause::as_str)?),
            "cause_group" => self.groups.push(parse_word(name, &value, CauseGroup::ALL, CauseGroup::as_str)?),
            "sort" => self.sort = parse_word(name, &value, &SortOrder::ALL, SortOrder::as_str)?,
            "offset" => self.offset = parse_number(name, &value, 0..=usize::MAX, "a number, 0 or more")?,
            _ => self.limit = parse_number(name, &value, 1..=MAX_LIMIT, "a number from 1 to 1000")?,
        }
        Ok(())
    }

    /// Whether everything is wanted.
    pub(super) fn is_unfiltered(&self) -> bool {
        let Self { namespaces, causes, groups, registries, text, .. } = self;
        namespaces.is_empty() && causes.is_empty() && groups.is_empty() && registries.is_empty() && text.is_empty()
    }

    /// Picks what is wanted.
    pub(super) fn filter<'a>(&self, failures: impl Iterator<Item = FailureRef<'a>>) -> Vec<FailureRef<'a>> {
        let text = self.text.to_lowercase();
        failures.filter(|failing| self.matches(*failing, &text)).collect()
    }

    fn matches(&self, failing @ (pod, _, failure): FailureRef<'_>, text: &str) -> bool {
        let is_among = |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
        is_among(&self.namespaces, &pod.id.namespace)
            && is_among(&self.registries, failure.image.registry())
            && (self.causes.is_empty() || self.causes.contains(&failure.cause()))
            && (self.groups.is_empty() || self.groups.contains(&failure.cause().group()))
            && (text.is_empty() || contains_text(failing, text))
    }

    /// The part of a list that is wanted.
    pub(super) fn page<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        let begin = self.offset.min(list.len());
        let end = begin.saturating_add(self.limit).min(list.len());
        list.get(begin..end).unwrap_or_default()
    }

    /// The offset of the next part of a list that is so long; `None` after the last.
    pub(super) fn next_offset(&self, total: usize) -> Option<usize> {
        Some(self.offset.saturating_add(self.limit)).filter(|next| *next < total)
    }

    /// The query that asks for the same from another offset on.
    pub(super) fn query_string_from(&self, offset: usize) -> String {
        Self { offset, ..self.clone() }.query_string()
    }

    /// The query that asks for this.
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

/// Whether anything that is shown of a failure contains a text in lower case. What is redacted cannot be looked for, or
/// it could be guessed letter by letter.
fn contains_text((pod, container, failure): FailureRef<'_>, text: &str) -> bool {
    let workload = workload_of(&pod.id, &pod.owner);
    let names = [&*pod.id.namespace, &pod.id.name, workload.name, &container.name, &pod.node, failure.cause().as_str()];
    let says = |shown: &str| shown.to_lowercase().contains(text);
    names.into_iter().any(says) || says(&failure.image.redacted()) || says(&redact(&failure.message))
}

fn parse_word<T: Copy>(
    name: &'static str,
    value: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, InvalidQuery> {
    let expected = || all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", ");
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

/// As much of a text of a client as an answer repeats.
fn quotable(text: &str) -> String {
    escape_controls(text.get(..text.floor_char_boundary(64)).unwrap_or_default()).into_owned()
}
