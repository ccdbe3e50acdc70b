//! Finds the limits of names, values and quoted texts.

use std::ops::Range;

use super::names::{MARKER, MAX_NAME_LEN};

/// Returns the marker of an earlier pass at `at`.
pub(super) fn existing_marker(text: &str, at: usize) -> Option<Range<usize>> {
    text.get(at..)?.starts_with(MARKER).then(|| at..at + MARKER.len())
}

/// Returns the PEM block at `at`. A block without its last line extends to the end of the text.
pub(super) fn pem_block(text: &str, at: usize) -> Option<Range<usize>> {
    let body = text.get(at..)?.strip_prefix("-----BEGIN ")?;
    let end = body.split_once("-----END ").and_then(|(_, tail)| {
        let (_, after) = tail.split_once("-----")?;
        Some(text.len() - after.len())
    });
    Some(at..end.unwrap_or(text.len()))
}

/// Whether a word can begin at `at`: the previous character is not a letter or digit, or it belongs to an escape like
/// `\n`.
pub(super) fn is_word_start(text: &str, at: usize) -> bool {
    match text.as_bytes().get(..at) {
        Some([.., b'\\', b'n' | b'r' | b't']) => true,
        Some([.., last]) => !last.is_ascii_alphanumeric(),
        _ => true,
    }
}

/// Returns the name that ends at `end`, or its last [`MAX_NAME_LEN`] bytes. Go writes `&` in JSON as `\u0026`.
pub(super) fn name_before(text: &str, end: usize) -> &str {
    let before = text.as_bytes().get(end.saturating_sub(MAX_NAME_LEN)..end).unwrap_or_default();
    let len = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    let name = text.get(end - len..end).unwrap_or_default();
    name.strip_prefix("u0026").unwrap_or(name)
}

/// Returns the contents of the quotes that open at `at`. The closing quote has no more backslashes before it than the
/// opening one.
pub(super) fn quoted_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.as_bytes().get(at..)?;
    let depth = rest.iter().take_while(|b| **b == b'\\').count();
    let quote = *rest.get(depth).filter(|b| matches!(b, b'"' | b'\'' | b'`'))?;
    let start = at + depth + 1;
    let end = closing_quote(text, start, depth, quote).unwrap_or(text.len());
    (start < end).then_some(start..end)
}

/// Returns the end of a quoted text that begins at `start`: a quote with at most `depth` backslashes before it.
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

/// Returns the text at `at` up to white space or a double quote, without trailing punctuation.
pub(super) fn unquoted_value(text: &str, at: usize) -> Option<Range<usize>> {
    let run = text.get(at..unquoted_end(text, at))?;
    let len = run.trim_end_matches([':', ',', ';', '.', ')', ']', '}', '\'']).len();
    (len > 0).then_some(at..at + len)
}

/// Returns the position of the next white space, quote or escaped quote from `at`.
pub(super) fn unquoted_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let run = rest.split(|c: char| c.is_whitespace() || matches!(c, '"' | '`')).next().unwrap_or_default();
    at + run.trim_end_matches('\\').len()
}

/// Returns the end of the line at `at`. An escaped `\n` or `\r` also ends a line.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let escaped = line.match_indices('\\').find(|(i, _)| matches!(line.as_bytes().get(i + 1), Some(b'n' | b'r')));
    at + escaped.map_or(line.len(), |(i, _)| i)
}

/// Counts the spaces and tabs at `at`.
pub(super) fn blank_count(text: &str, at: usize) -> usize {
    prefix_len(text.get(at..).unwrap_or_default(), |b| matches!(b, b' ' | b'\t'))
}

/// Counts the leading bytes of `text` that satisfy `belongs`.
pub(super) fn prefix_len(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|b| belongs(*b)).count()
}
