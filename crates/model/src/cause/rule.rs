//! A classification rule, and how its patterns match an error text.

use super::taxonomy::Cause;

/// Patterns of error texts that have one cause, and the source of those texts.
///
/// Error texts are lower-cased and their names masked (`error_text::normalize_and_mask_names`) before they are matched.
/// In a pattern, `*` matches any text, and `#404` matches that HTTP status in any of the spellings of
/// [`STATUS_PREFIXES`]. A match begins and ends at a word boundary.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The cause of a matching text.
    pub cause: Cause,
    /// Author of such texts: a runtime, a registry, the kubelet.
    pub written_by: &'static str,
    /// Source of such texts: a source file, a recording, an issue.
    pub source: &'static str,
    any_of: &'static [&'static str],
    none_of: &'static [&'static str],
}

/// Texts before an HTTP status: CRI-O's `StatusCode: 403`, Docker's `HTTP 403 response body`, containers/image v4's
/// `from registry 404 (Not Found)`, containerd's `unexpected status: 403` and, after a URL, `https://…: 403`. The
/// reason phrase after it is not significant: Azure Storage writes its own.
const STATUS_PREFIXES: &[&str] = &[
    "@: ",
    "status: ",
    "status ",
    "status code ",
    "status code: ",
    "statuscode: ",
    "http ",
    "http error ",
    "from registry ",
    "code: ",
    "code=",
];

impl Rule {
    pub(super) const fn new(
        cause: Cause,
        written_by: &'static str,
        seen_in: &'static str,
        any_of: &'static [&'static str],
    ) -> Self {
        Self { cause, written_by, source: seen_in, any_of, none_of: &[] }
    }

    /// Adds patterns that prevent a match.
    pub(super) const fn unless(self, none_of: &'static [&'static str]) -> Self {
        Self { none_of, ..self }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let found = |patterns: &[&str]| patterns.iter().any(|pattern| pattern_matches(text, pattern));
        found(self.any_of) && !found(self.none_of)
    }

    #[cfg(test)]
    pub(super) fn patterns(&self) -> impl Iterator<Item = &'static str> {
        self.any_of.iter().copied()
    }
}

pub(super) fn pattern_matches(text: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('#') {
        Some(status) => text.match_indices(status).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + status.len()..).unwrap_or_default();
            STATUS_PREFIXES.iter().any(|spelling| before.ends_with(spelling)) && !after.starts_with(is_word_char)
        }),
        None => pieces_match_in_order(text, pattern),
    }
}

/// Searches for the pieces between `*` in order. Each search starts where the previous match ended, so the text is read
/// once. The first piece begins and the last one ends at a word boundary.
fn pieces_match_in_order(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('*').peekable();
    let mut rest = text;
    let mut is_first = true;
    while let Some(piece) = pieces.next() {
        // Fast path for most patterns: for short needles, `contains` is faster than `match_indices`.
        if !rest.contains(piece) {
            return false;
        }
        let is_last = pieces.peek().is_none();
        let found = rest.match_indices(piece).find(|(at, _)| {
            let before = rest.get(..*at).unwrap_or_default();
            let after = rest.get(at + piece.len()..).unwrap_or_default();
            let begins = !is_first || !piece.starts_with(is_word_char) || !before.ends_with(is_name_char);
            let ends =
                !is_last || !piece.ends_with(is_word_char) || !after.starts_with(|c| is_word_char(c) || c == '/');
            begins && ends
        });
        let Some((at, _)) = found else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
        is_first = false;
    }
    true
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether a character can be part of a path or a host name. A word directly after one is part of that name.
fn is_name_char(c: char) -> bool {
    is_word_char(c) || matches!(c, '/' | '.')
}
