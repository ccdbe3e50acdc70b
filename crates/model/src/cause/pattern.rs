//! Matches one error text against one rule.

use super::Cause;

/// What an error text must hold to tell a cause, and where such a text was seen.
///
/// Texts are in lower case, with names hidden (`text::without_names`). In them `*` stands for anything, and
/// `#404` for that HTTP status in any of the spellings of `STATUS_SPELLINGS`. Each begins and ends at a word's edge.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// What the texts tell.
    pub cause: Cause,
    /// Who writes them: a runtime, a registry, the kubelet.
    pub written_by: &'static str,
    /// Where they were read: a source file, a recording, an issue.
    pub seen_in: &'static str,
    any_of: &'static [&'static str],
    none_of: &'static [&'static str],
}

/// What stands before a status: CRI-O's `StatusCode: 403`, docker's `HTTP 403 response body`, containers/image v4's
/// `from registry 404 (Not Found)`, containerd's `unexpected status: 403` and, behind a URL, `https://…: 403`. The phrase
/// behind it is anybody's: Azure's storage writes its own.
const STATUS_SPELLINGS: &[&str] = &[
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
        Self { cause, written_by, seen_in, any_of, none_of: &[] }
    }

    /// Adds texts beside which the rule does not hold.
    pub(super) const fn unless(self, none_of: &'static [&'static str]) -> Self {
        Self { none_of, ..self }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let found = |patterns: &[&str]| patterns.iter().any(|pattern| is_found(text, pattern));
        found(self.any_of) && !found(self.none_of)
    }

    #[cfg(test)]
    pub(super) fn wanted(&self) -> impl Iterator<Item = &'static str> {
        self.any_of.iter().copied()
    }
}

pub(super) fn is_found(text: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('#') {
        Some(status) => text.match_indices(status).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + status.len()..).unwrap_or_default();
            STATUS_SPELLINGS.iter().any(|spelling| before.ends_with(spelling)) && !after.starts_with(is_of_word)
        }),
        None => find_in_order(text, pattern),
    }
}

/// Looks for the pieces between the `*` one after the other; each is sought from where the last ended, so the whole
/// reads the text once. The first piece begins and the last one ends at a word's edge.
fn find_in_order(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('*').peekable();
    let mut rest = text;
    let mut is_first = true;
    while let Some(piece) = pieces.next() {
        // Nearly every pattern ends here, and `contains` has a faster way for short needles than `match_indices`.
        if !rest.contains(piece) {
            return false;
        }
        let is_last = pieces.peek().is_none();
        let found = rest.match_indices(piece).find(|(at, _)| {
            let before = rest.get(..*at).unwrap_or_default();
            let after = rest.get(at + piece.len()..).unwrap_or_default();
            let begins = !is_first || !piece.starts_with(is_of_word) || !before.ends_with(is_of_name);
            let ends = !is_last || !piece.ends_with(is_of_word) || !after.starts_with(|c| is_of_word(c) || c == '/');
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

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// What a path or a host name is made of: a word behind one is a part of it.
fn is_of_name(c: char) -> bool {
    is_of_word(c) || matches!(c, '/' | '.')
}
