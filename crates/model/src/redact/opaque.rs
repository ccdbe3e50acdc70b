//! Finds the secrets that nothing announces: tokens of known issuers, and words that no person wrote.

use std::ops::Range;

use super::names::TOKEN_PREFIXES;
use super::span;

/// From how many letters and digits on a word can be a secret. Issuers' shortest have 20.
const SHORTEST: usize = 20;

/// From how many characters on base64 with signs in it can be a secret: AWS's have 40.
const SHORTEST_BASE64: usize = 32;

/// From how many hexadecimal digits on they can be a secret, and how many they are where they are a digest or an id.
const SHORTEST_HEX: usize = 32;
const DIGEST_LENGTHS: [usize; 2] = [64, 128];

/// The least number of characters behind a prefix that could also begin a name somebody made up.
const AMBIGUOUS: usize = 12;

/// How much behind such a prefix is judged.
const LONGEST_JUDGED: usize = 64;

/// A word of a text, with what follows from its shape.
#[derive(Clone, Copy, Default)]
pub(super) struct Word {
    start: usize,
    end: usize,
    kind: Kind,
}

/// What a word can be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    /// Nothing else.
    #[default]
    Bare,
    /// Parts with slashes between: a repository, or base64.
    Slashed,
    /// A URL, a host, an image reference, a path.
    Name,
    /// A secret, as a whole.
    Opaque,
}

impl Word {
    /// Enters the word that `at` is in, unless it was entered before.
    pub(super) fn enter(&mut self, text: &str, at: usize) {
        if at < self.end {
            return;
        }
        let before = text.get(self.end..at).unwrap_or_default();
        let start = at - before.chars().rev().take_while(|c| !is_delimiter(*c)).map(char::len_utf8).sum::<usize>();
        let rest = text.get(start..).unwrap_or_default();
        let word = rest.split(is_delimiter).next().unwrap_or_default();
        let end = start + word.trim_end_matches(['.', ':']).len();
        *self = Self { start, end: end.max(at + 1), kind: Kind::of(text.get(start..end).unwrap_or_default()) };
    }
}

impl Kind {
    fn of(word: &str) -> Self {
        let is_host = word.rsplit_once('.').is_some_and(|(_, last)| {
            (2..=SHORTEST).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_lowercase())
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

/// A token that begins as one of [`TOKEN_PREFIXES`].
pub(super) fn token(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    TOKEN_PREFIXES.iter().find_map(|(prefix, least)| {
        let tail = rest.strip_prefix(prefix)?;
        let near = tail.get(..tail.floor_char_boundary(LONGEST_JUDGED)).unwrap_or_default();
        let near = near.get(..span::run(near, is_of_token))?.trim_end_matches('.');
        if near.len() < *least || *least >= AMBIGUOUS && !is_made(near, *least) {
            return None;
        }
        let len = tail.get(..span::run(tail, is_of_token))?.trim_end_matches('.').len();
        Some(at..at + prefix.len() + len)
    })
}

/// Whether what follows a prefix is no name that somebody made up.
fn is_made(tail: &str, least: usize) -> bool {
    let plain = span::run(tail, |b| b.is_ascii_alphanumeric());
    plain >= SHORTEST || tail.bytes().take(plain.max(least)).any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn is_of_token(b: u8) -> bool {
    is_base64url(b) || matches!(b, b'.' | b'+' | b'/' | b'=' | b'~')
}

/// A word, or a part of a name, that no person wrote: long, with letters and digits, large and small ones in no order.
pub(super) fn opaque(text: &str, at: usize, word: &Word) -> Option<Range<usize>> {
    let run = text.get(at..at + span::run(text.get(at..)?, |b| b.is_ascii_alphanumeric()))?;
    if word.kind != Kind::Opaque && !is_opaque(run, word.kind == Kind::Bare) {
        return None;
    }
    let is_part = |b: u8| is_base64url(b) || matches!(b, b'+' | b'=' | b'~' | b'%');
    let end = at + run.len();
    let padding = |end| end + span::run(text.get(end..).unwrap_or_default(), is_part);
    match word.kind {
        Kind::Name => Some(at..padding(end)),
        Kind::Bare | Kind::Slashed | Kind::Opaque => Some(word.start.min(at)..padding(word.end.max(end))),
    }
}

/// Whether letters and digits are in no order. In names only small and large letters together count: hosts, tags and
/// paths hold long numbers in whatever base.
fn is_opaque(run: &str, is_bare: bool) -> bool {
    if run.len() < SHORTEST {
        return false;
    }
    let has = |class: fn(&u8) -> bool| run.bytes().any(|b| class(&b));
    let (small, large, digit) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase), has(u8::is_ascii_digit));
    if !(is_bare || small && large) {
        return false;
    }
    if !(small && large) && run.bytes().all(|b| b.is_ascii_hexdigit()) {
        return small != large && digit && run.len() >= SHORTEST_HEX && !DIGEST_LENGTHS.contains(&run.len());
    }
    let changes = changes(run);
    // Random letters and digits change their class at more than every second place; words that are joined as in
    // `SignatureDoesNotMatch`, with numbers behind them, at every third at most.
    if digit { changes * 4 >= run.len() } else { changes * 5 >= (run.len() - 1) * 2 }
}

/// Whether a word is base64 that `/`, `+`, `-` and `_` may cut into short runs. No repository has large letters.
fn is_base64(word: &str) -> bool {
    let has = |class: fn(&u8) -> bool| word.bytes().any(|b| class(&b));
    word.len() >= SHORTEST_BASE64
        && word.bytes().all(|b| is_base64url(b) || matches!(b, b'+' | b'/' | b'='))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && changes(word) * 10 >= word.len() * 3
}

/// At how many places a small letter, a large one, a digit follows what is none.
fn changes(word: &str) -> usize {
    word.as_bytes().windows(2).filter(|pair| class(pair.first()) != class(pair.last())).count()
}

fn class(b: Option<&u8>) -> u8 {
    match b {
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_lowercase() => 1,
        _ => 2,
    }
}

/// A JSON web token: three parts of base64url, of which the first is a JSON object.
pub(super) fn web_token(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.as_bytes().get(..at)?;
    let rest = text.get(at..)?;
    // `-` and `_` are of the alphabet: without this, a long run of `-eyJ` would be read again from each of them.
    if matches!(before.last(), Some(b'-' | b'_')) || !rest.starts_with("eyJ") {
        return None;
    }
    let head = span::run(rest, is_base64url);
    let after_head = rest.get(head..)?.strip_prefix('.')?;
    let body = span::run(after_head, is_base64url);
    let signature = span::run(after_head.get(body..)?.strip_prefix('.')?, is_base64url);
    (body > 0).then_some(at..at + head + body + signature + 2)
}

fn is_base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}
