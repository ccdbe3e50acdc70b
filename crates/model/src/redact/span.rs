//! Measures stretches of a text: names, values, quotations.

use std::ops::Range;

use super::MARKER;
use super::names::LONGEST_NAME;

/// Where an earlier run left its marker.
pub(super) fn marker(text: &str, at: usize) -> Option<Range<usize>> {
    text.get(at..)?.starts_with(MARKER).then(|| at..at + MARKER.len())
}

/// A PEM block, to the end of the text if it was cut off before its last line.
pub(super) fn pem_block(text: &str, at: usize) -> Option<Range<usize>> {
    let body = text.get(at..)?.strip_prefix("-----BEGIN ")?;
    let end = body.split_once("-----END ").and_then(|(_, tail)| {
        let (_, after) = tail.split_once("-----")?;
        Some(text.len() - after.len())
    });
    Some(at..end.unwrap_or(text.len()))
}

/// Whether a word can begin at `at`: not inside another word, though `\n` before it is no letter.
pub(super) fn begins_word(text: &str, at: usize) -> bool {
    match text.as_bytes().get(..at) {
        Some([.., b'\\', b'n' | b'r' | b't']) => true,
        Some([.., last]) => !last.is_ascii_alphanumeric(),
        _ => true,
    }
}

/// The name that ends before `end`, or the last [`LONGEST_NAME`] bytes of it. Go prints `&` in JSON as `\u0026`.
pub(super) fn name_before(text: &str, end: usize) -> &str {
    let before = text.as_bytes().get(end.saturating_sub(LONGEST_NAME)..end).unwrap_or_default();
    let len = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    let name = text.get(end - len..end).unwrap_or_default();
    name.strip_prefix("u0026").unwrap_or(name)
}

/// The text in quotes that begins at `at`. It ends at a quote behind no more backslashes than the first one has.
pub(super) fn quoted_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.as_bytes().get(at..)?;
    let depth = rest.iter().take_while(|b| **b == b'\\').count();
    let quote = *rest.get(depth).filter(|b| matches!(b, b'"' | b'\'' | b'`'))?;
    let start = at + depth + 1;
    let end = closing_quote(text, start, depth, quote).unwrap_or(text.len());
    (start < end).then_some(start..end)
}

/// Where the quotation that is open at `start` ends: at a quote behind no more backslashes than the first one has.
pub(super) fn closing_quote(text: &str, start: usize, depth: usize, quote: u8) -> Option<usize> {
    let mut backslashes = 0;
    for (i, b) in text.bytes().enumerate().skip(start) {
        match b {
            b'\\' => backslashes += 1,
            _ if b == quote && backslashes <= depth => return Some(i - backslashes),
            _ => backslashes = 0,
        }
    }
    None
}

/// The text without blanks or double quotes that begins at `at`, without the punctuation of the sentence around it.
pub(super) fn value(text: &str, at: usize) -> Option<Range<usize>> {
    let run = text.get(at..unquoted_end(text, at))?;
    let len = run.trim_end_matches([':', ',', ';', '.', ')', ']', '}', '\'']).len();
    (len > 0).then_some(at..at + len)
}

/// Where the text from `at` comes to a blank, a quote or an escaped quote.
pub(super) fn unquoted_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let run = rest.split(|c: char| c.is_whitespace() || matches!(c, '"' | '`')).next().unwrap_or_default();
    at + run.trim_end_matches('\\').len()
}

/// Where the line that `at` is on ends; a line break that is written `\n` or `\r` is one.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let escaped = line.match_indices('\\').find(|(i, _)| matches!(line.as_bytes().get(i + 1), Some(b'n' | b'r')));
    at + escaped.map_or(line.len(), |(i, _)| i)
}

/// How many blanks are at `at`.
pub(super) fn blanks(text: &str, at: usize) -> usize {
    run(text.get(at..).unwrap_or_default(), |b| matches!(b, b' ' | b'\t'))
}

/// How many of the first bytes of `text` belong.
pub(super) fn run(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|b| belongs(*b)).count()
}
