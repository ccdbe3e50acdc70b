//! Removes secrets from text that leaves the process.
//!
//! Runtimes print whatever a registry sends them: presigned blob URLs, token endpoints with credentials in the query,
//! response headers (containerd#5453, amazon-ecs-agent#3885). One pass over the bytes finds the places where a secret
//! can begin and asks the few matchers that fit that byte. When in doubt the matchers take too much.

mod shapes;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

/// What stands where a secret was.
pub const MARKER: &str = "<redacted>";

/// How often a text is read again, since what is hidden may bring to light what looks like a secret then. Runtimes' texts
/// need one reading more than the first; what needs more than these was made to.
const READINGS: usize = 8;

/// Replaces every secret in `text` by [`MARKER`], and leaves a text without one as it is.
///
/// Redacting twice is redacting once.
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
    let mut scan = Scan { text, at: 0, url_end: 0 };
    while scan.at < text.len() {
        let Some(secret) = scan.secret() else {
            scan.at += 1;
            continue;
        };
        // A span may begin a little behind `at`, never behind what is copied already.
        let start = secret.start.max(copied);
        scan.at = secret.end.max(scan.at + 1);
        if text.get(start..secret.end) != Some(MARKER) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(MARKER);
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
    /// Where the URL that was last entered ends; a `?` before it begins a query.
    url_end: usize,
}

impl Scan<'_> {
    /// Returns the secret that this position announces, if it does.
    fn secret(&mut self) -> Option<Range<usize>> {
        match self.text.as_bytes().get(self.at)? {
            b'<' => shapes::marker(self.text, self.at),
            b'-' => shapes::pem_block(self.text, self.at),
            b'=' => shapes::pair_value(self.text, self.at),
            b'?' if self.at < self.url_end => shapes::query(self.text, self.at),
            b':' => self.enter_url().or_else(|| shapes::json_value(self.text, self.at)),
            b if b.is_ascii_alphabetic() => shapes::word(self.text, self.at),
            _ => None,
        }
    }

    /// Notes the end of the URL whose `://` is here, and returns the credentials in it.
    fn enter_url(&mut self) -> Option<Range<usize>> {
        let start = self.at + "://".len();
        if !self.text.get(self.at..)?.starts_with("://") {
            return None;
        }
        if self.url_end <= self.at {
            self.url_end = shapes::unquoted_end(self.text, start);
        }
        shapes::user_info(self.text, start..self.url_end)
    }
}
