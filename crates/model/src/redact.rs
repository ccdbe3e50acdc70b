//! Redacts secrets in text before it leaves the process.
//!
//! Runtimes forward what registries send: presigned blob URLs, token endpoints with credentials in the query, response
//! headers (containerd#5453, amazon-ecs-agent#3885). Three rules apply, from the most to the least specific:
//!
//! 1. After a label of a secret (a name, a header, a flag, the user information or query of a URL), the value is
//!    redacted, except for words that continue an error text.
//! 2. A token with the prefix of a known issuer is redacted anywhere.
//! 3. A word that appears random is redacted, unless it is a digest or part of a path, a host name or an image
//!    reference.
//!
//! One pass over the bytes finds the positions where a secret can begin, and calls the few matchers for that byte.
//! Matchers prefer to redact too much. See `docs/decisions/0008-redaction-by-place-and-shape.md`.

mod labeled;
mod names;
mod opaque;
mod span;
#[cfg(test)]
mod tests;
mod url;

use std::borrow::Cow;
use std::ops::Range;

pub use names::MARKER;

/// Maximum number of passes after the first one. Redacting one secret can make another one detectable. Texts of
/// runtimes need one more pass; a text that needs more than this limit was crafted.
const MAX_PASSES: usize = 8;

/// Replaces every secret in `text` by [`MARKER`]. Borrows a text without secrets.
///
/// Idempotent. Takes linear time. The result has at most the length of [`MARKER`] for each redacted byte.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut shown = match redact_pass(text) {
        Cow::Borrowed(_) => return Cow::Borrowed(text),
        Cow::Owned(shown) => shown,
    };
    for _ in 0..MAX_PASSES {
        match redact_pass(&shown) {
            Cow::Borrowed(_) => return Cow::Owned(shown),
            Cow::Owned(again) => shown = again,
        }
    }
    Cow::Borrowed(MARKER)
}

/// Makes one pass. Skips markers of earlier passes.
fn redact_pass(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut scan =
        Scanner { text, at: 0, run: url::UnquotedRun::default(), url_end: 0, word: opaque::CurrentWord::default() };
    while scan.at < text.len() {
        let Some(secret) = scan.secret_here() else {
            scan.at += 1;
            continue;
        };
        // A secret may begin before `at`, but not before the text that is already copied.
        let start = secret.start.max(copied);
        scan.at = secret.end.max(scan.at + 1);
        if start < secret.end && text.get(start..secret.end) != Some(MARKER) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            // Adjacent secrets share one marker.
            if copied != start || copied == 0 {
                out.push_str(MARKER);
            }
            copied = secret.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The state of a pass over a text.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The current run of text without white space or double quotes.
    run: url::UnquotedRun,
    /// End of the current URL; a `?` before it begins a query.
    url_end: usize,
    /// The current word.
    word: opaque::CurrentWord,
}

impl Scanner<'_> {
    /// Returns the range of the secret that is labeled or begins at the current position.
    fn secret_here(&mut self) -> Option<Range<usize>> {
        let (text, at) = (self.text, self.at);
        match text.as_bytes().get(at)? {
            b'<' => span::existing_marker(text, at),
            b'-' => span::pem_block(text, at).or_else(|| labeled::flag_value(text, at)),
            b'=' => labeled::value_after_equals(text, at),
            b'>' => labeled::element_text(text, at),
            b'%' | b'\\' => labeled::value_after_encoded_sign(text, at),
            b'?' => url::query_value(text, at, at < self.url_end),
            b'&' => url::parameter_value_at(text, at),
            b':' if text.get(at..)?.starts_with("://") => self.enter_url(),
            b':' => labeled::value_after_colon(text, at, at < self.url_end),
            b if b.is_ascii_alphanumeric() && span::is_word_start(text, at) => self.begin_word(),
            _ => None,
        }
    }

    fn enter_url(&mut self) -> Option<Range<usize>> {
        let user_info = self.run.enter(self.text, self.at);
        self.url_end = self.run.end;
        user_info.or_else(|| self.run.enter_url(self.text, self.at))
    }

    fn begin_word(&mut self) -> Option<Range<usize>> {
        let (text, at) = (self.text, self.at);
        self.word.enter(text, at);
        self.run
            .enter(text, at)
            .or_else(|| labeled::value_after_word(text, at))
            .or_else(|| opaque::json_web_token(text, at))
            .or_else(|| opaque::issued_token(text, at))
            .or_else(|| opaque::opaque_word(text, at, &self.word))
    }
}
