//! Removes secrets from text that leaves the process.
//!
//! Runtimes print whatever a registry sends them: presigned blob URLs, token endpoints with credentials in the query,
//! response headers (containerd#5453, amazon-ecs-agent#3885). Three rules decide, from the most to the least specific:
//!
//! 1. Where something announces a secret (a name, a header, a flag, a URL's user information or query), all that follows
//!    is hidden, except words with which an error goes on.
//! 2. What begins as the tokens of a known issuer begin is hidden anywhere.
//! 3. A word that no person wrote is hidden, unless it is a digest or part of a path, a host or an image reference.
//!
//! One pass over the bytes finds the places where a secret can begin and asks the few matchers that fit that byte. When
//! in doubt the matchers hide too much. See `docs/decisions/0008-redaction-by-place-and-shape.md`.

mod announced;
mod names;
mod opaque;
mod span;
#[cfg(test)]
mod tests;
mod url;

use std::borrow::Cow;
use std::ops::Range;

/// What stands where a secret was.
pub const MARKER: &str = "<redacted>";

/// How often a text is read again, since what is hidden may bring to light what looks like a secret then. Runtimes' texts
/// need one reading more than the first; what needs more than these was made to.
const READINGS: usize = 8;

/// Replaces every secret in `text` by [`MARKER`], and leaves a text without one as it is.
///
/// Redacting twice is redacting once. Takes linear time; the result has at most [`MARKER`]'s length for each byte that
/// was hidden.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut shown = match redact_once(text) {
        Cow::Borrowed(_) => return Cow::Borrowed(text),
        Cow::Owned(shown) => shown,
    };
    for _ in 0..READINGS {
        match redact_once(&shown) {
            Cow::Borrowed(_) => return Cow::Owned(shown),
            Cow::Owned(again) => shown = again,
        }
    }
    Cow::Borrowed(MARKER)
}

/// Reads the text once; a marker in it is stepped over.
fn redact_once(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut scan = Scan { text, at: 0, run: url::Run::default(), url_end: 0, word: opaque::Word::default() };
    while scan.at < text.len() {
        let Some(secret) = scan.secret() else {
            scan.at += 1;
            continue;
        };
        // A span may begin a little behind `at`, never behind what is copied already.
        let start = secret.start.max(copied);
        scan.at = secret.end.max(scan.at + 1);
        if start < secret.end && text.get(start..secret.end) != Some(MARKER) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            // Two secrets without anything between them are shown as one.
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

/// A position in a text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// The stretch without blanks that was last entered.
    run: url::Run,
    /// Where the URL that was last entered ends; a `?` before it begins a query.
    url_end: usize,
    /// The word that was last entered.
    word: opaque::Word,
}

impl Scan<'_> {
    /// Returns the secret that this position announces, if it does.
    fn secret(&mut self) -> Option<Range<usize>> {
        let (text, at) = (self.text, self.at);
        match text.as_bytes().get(at)? {
            b'<' => span::marker(text, at),
            b'-' => span::pem_block(text, at).or_else(|| announced::flag(text, at)),
            b'=' => announced::assigned(text, at),
            b'>' => announced::element(text, at),
            b'%' | b'\\' => announced::encoded(text, at),
            b'?' => url::query(text, at, at < self.url_end),
            b'&' => url::parameter(text, at),
            b':' if text.get(at..)?.starts_with("://") => self.enter_url(),
            b':' => announced::after_colon(text, at, at < self.url_end),
            b if b.is_ascii_alphanumeric() && span::begins_word(text, at) => self.begin_word(),
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
            .or_else(|| announced::word(text, at))
            .or_else(|| opaque::web_token(text, at))
            .or_else(|| opaque::token(text, at))
            .or_else(|| opaque::opaque(text, at, &self.word))
    }
}
