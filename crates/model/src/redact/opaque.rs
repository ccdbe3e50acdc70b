//! Finds unlabeled secrets: tokens of known issuers, and words that appear random.

use std::ops::Range;

use super::names::TOKEN_PREFIXES;
use super::span;

/// Minimum length of a generated word. The shortest tokens of issuers have 20 letters and digits.
const MIN_OPAQUE_LEN: usize = 20;

/// Minimum length of a base64 word that contains `+`, `/`, `-` or `_`. Keys of AWS have 40 characters.
const MIN_BASE64_LEN: usize = 32;

/// Minimum length of a hexadecimal word, and the lengths of digests and IDs, which are not secrets.
const MIN_HEX_LEN: usize = 32;
const DIGEST_LENGTHS: [usize; 2] = [64, 128];

/// Minimum number of characters after a prefix that could also begin an ordinary name.
const MIN_AMBIGUOUS_TAIL: usize = 12;

/// Maximum bytes after a prefix that are examined.
const MAX_JUDGED_LEN: usize = 64;

/// The current word of a text, and its kind.
#[derive(Clone, Copy, Default)]
pub(super) struct CurrentWord {
    start: usize,
    end: usize,
    kind: WordKind,
}

/// The kind of a word, by its shape.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum WordKind {
    /// Any other word.
    #[default]
    Bare,
    /// Parts separated by slashes: a repository, or base64.
    Slashed,
    /// A URL, a host name, an image reference, a path.
    Name,
    /// Base64, which is a secret as a whole.
    Opaque,
}

impl CurrentWord {
    /// Moves to the word at `at`, unless that is already the current one.
    pub(super) fn enter(&mut self, text: &str, at: usize) {
        if at < self.end {
            return;
        }
        let before = text.get(self.end..at).unwrap_or_default();
        let start = at - before.chars().rev().take_while(|c| !is_delimiter(*c)).map(char::len_utf8).sum::<usize>();
        let rest = text.get(start..).unwrap_or_default();
        let word = rest.split(is_delimiter).next().unwrap_or_default();
        let end = start + word.trim_end_matches(['.', ':']).len();
        *self = Self { start, end: end.max(at + 1), kind: WordKind::of(text.get(start..end).unwrap_or_default()) };
    }
}

impl WordKind {
    fn of(word: &str) -> Self {
        let is_host = word.rsplit_once('.').is_some_and(|(_, last)| {
            (2..=MIN_OPAQUE_LEN).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_lowercase())
        });
        if word.starts_with('/') || word.contains(':') || is_host {
            Self::Name
        } else if is_base64(word) {
            Self::Opaque
        } else if word.contains('/') {
            if word.contains('.') { Self::Name } else { Self::Slashed }
        } else {
            Self::Bare
        }
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '|' | '=' | '\\')
}

/// Returns the token at `at`, if it begins with one of [`TOKEN_PREFIXES`].
pub(super) fn issued_token(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    TOKEN_PREFIXES.iter().find_map(|(prefix, least)| {
        let tail = rest.strip_prefix(prefix)?;
        let near = tail.get(..tail.floor_char_boundary(MAX_JUDGED_LEN)).unwrap_or_default();
        let near = near.get(..span::prefix_len(near, is_token_byte))?.trim_end_matches('.');
        if near.len() < *least || *least >= MIN_AMBIGUOUS_TAIL && !appears_random(near, *least) {
            return None;
        }
        let len = tail.get(..span::prefix_len(tail, is_token_byte))?.trim_end_matches('.').len();
        Some(at..at + prefix.len() + len)
    })
}

/// Whether the text after a prefix appears random, unlike an ordinary name.
fn appears_random(tail: &str, least: usize) -> bool {
    let plain = span::prefix_len(tail, |b| b.is_ascii_alphanumeric());
    plain >= MIN_OPAQUE_LEN || tail.bytes().take(plain.max(least)).any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn is_token_byte(b: u8) -> bool {
    is_base64url(b) || matches!(b, b'.' | b'+' | b'/' | b'=' | b'~')
}

/// Returns the word at `at`, or the part of a name, if it appears random. Such a word is long and mixes letters of both
/// cases and digits.
pub(super) fn opaque_word(text: &str, at: usize, word: &CurrentWord) -> Option<Range<usize>> {
    let run = text.get(at..at + span::prefix_len(text.get(at..)?, |b| b.is_ascii_alphanumeric()))?;
    if word.kind != WordKind::Opaque && !is_opaque(run, word.kind == WordKind::Bare) {
        return None;
    }
    let is_part = |b: u8| is_base64url(b) || matches!(b, b'+' | b'=' | b'~' | b'%');
    let end = at + run.len();
    let padding = |end| end + span::prefix_len(text.get(end..).unwrap_or_default(), is_part);
    match word.kind {
        WordKind::Name => Some(at..padding(end)),
        WordKind::Bare | WordKind::Slashed | WordKind::Opaque => Some(word.start.min(at)..padding(word.end.max(end))),
    }
}

/// Whether a word looks random. In names, only a mix of upper and lower case counts, because hosts, tags and paths
/// contain long numbers in any base.
fn is_opaque(run: &str, is_bare: bool) -> bool {
    if run.len() < MIN_OPAQUE_LEN {
        return false;
    }
    let has = |class: fn(&u8) -> bool| run.bytes().any(|b| class(&b));
    let (small, large, digit) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase), has(u8::is_ascii_digit));
    if !(is_bare || small && large) {
        return false;
    }
    if !(small && large) && run.bytes().all(|b| b.is_ascii_hexdigit()) {
        return small != large && digit && run.len() >= MIN_HEX_LEN && !DIGEST_LENGTHS.contains(&run.len());
    }
    let changes = class_changes(run);
    // In random text, the class changes at more than every second character. In joined words, for example
    // `SignatureDoesNotMatch`, with numbers after them, it changes at every third at most.
    if digit { changes * 4 >= run.len() } else { changes * 5 >= (run.len() - 1) * 2 }
}

/// Whether a word is base64, which `/`, `+`, `-` and `_` can split into short runs. Repositories contain no upper-case
/// letters.
fn is_base64(word: &str) -> bool {
    let has = |class: fn(&u8) -> bool| word.bytes().any(|b| class(&b));
    word.len() >= MIN_BASE64_LEN
        && word.bytes().all(|b| is_base64url(b) || matches!(b, b'+' | b'/' | b'='))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && class_changes(word) * 10 >= word.len() * 3
}

/// Counts the positions at which the character class changes: lower case, digit, other.
fn class_changes(word: &str) -> usize {
    word.as_bytes().windows(2).filter(|pair| char_class(pair.first()) != char_class(pair.last())).count()
}

fn char_class(b: Option<&u8>) -> u8 {
    match b {
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_lowercase() => 1,
        _ => 2,
    }
}

/// Returns the JSON Web Token at `at`: three parts in base64url, beginning with a JSON object.
pub(super) fn json_web_token(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.as_bytes().get(..at)?;
    let rest = text.get(at..)?;
    // `-` and `_` are part of the alphabet. Without this check, a long run of `-eyJ` would be read again from each of
    // them.
    if matches!(before.last(), Some(b'-' | b'_')) || !rest.starts_with("eyJ") {
        return None;
    }
    let head = span::prefix_len(rest, is_base64url);
    let after_head = rest.get(head..)?.strip_prefix('.')?;
    let body = span::prefix_len(after_head, is_base64url);
    let signature = span::prefix_len(after_head.get(body..)?.strip_prefix('.')?, is_base64url);
    (body > 0).then_some(at..at + head + body + signature + 2)
}

fn is_base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}
