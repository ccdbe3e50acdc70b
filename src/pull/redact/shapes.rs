//! Knows what the secrets in runtime and registry texts look like.
//!
//! Each matcher is given a text and the position of the byte that announces its shape, and returns the range to
//! replace. Each looks only at what it then replaces or at a bounded stretch, which keeps the whole linear.

use std::ops::Range;

use super::MARKER;

/// Ends of names whose value is a secret: `DB_PASSWORD=…`, `"identitytoken":"…"`, `X-Amz-Signature=…`.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "signature",
    "credential",
    "credentials",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "accesskeyid",
    "access_key_id",
    "secretkey",
    "secret_key",
    "accountkey",
    "privatekey",
    "private_key",
    "googleaccessid",
    "authorization",
];

/// Names that are a secret's only when they stand alone: Azure's signature and its expiry, docker's `auth`.
const WHOLE_SECRET_NAMES: &[&str] = &["sig", "se", "auth"];

/// Beginnings of the names of signature parameters of AWS and Google.
const SECRET_NAME_PREFIXES: &[&str] = &["x-amz-", "x-goog-"];

/// How much of a name is looked at; the longest above has 14 bytes, S3's longest parameter 22.
const LONGEST_NAME: usize = 40;

/// How much is looked at for a `user:password@host/` outside a URL.
const LONGEST_USER_INFO: usize = 256;

/// Headers after which nothing on the line is shown. The capital letter keeps containerd's own
/// `may require authorization: server message: …` (core/remotes/docker/resolver.go).
const SECRET_HEADERS: &[&str] = &["Authorization", "AUTHORIZATION", "X-Registry-Auth", "Set-Cookie", "Cookie"];

/// The schemes of an `Authorization` header, which also appear without it.
const SCHEMES: &[&str] = &["bearer", "basic"];

/// What follows a scheme's name in prose and challenges: `no basic auth credentials`, `Bearer realm="…"`; and another
/// scheme, which has the token.
const PROSE_AFTER_SCHEME: &[&str] = &[
    "and",
    "auth",
    "authentication",
    "authorization",
    "basic",
    "bearer",
    "challenge",
    "challenges",
    "credentials",
    "error",
    "for",
    "from",
    "handler",
    "header",
    "in",
    "is",
    "not",
    "or",
    "realm",
    "request",
    "scheme",
    "scope",
    "service",
    "to",
    "token",
    "tokens",
    "was",
];

/// Beginnings of tokens that say what they are, and the least number of token characters after them: AWS key ids,
/// GitHub, GitLab, Docker Hub, Google, `OpenShift`.
const TOKEN_PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 8),
    ("gho_", 8),
    ("ghu_", 8),
    ("ghs_", 8),
    ("ghr_", 8),
    ("github_pat_", 8),
    ("glpat-", 8),
    ("gldt-", 8),
    ("dckr_pat_", 8),
    ("dckr_oat_", 8),
    ("ya29.", 8),
    ("sha256~", 8),
];

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

/// The `user:password` of a URL, of which `url` is what follows the `://`.
pub(super) fn user_info(text: &str, url: Range<usize>) -> Option<Range<usize>> {
    let start = url.start;
    let authority = text.get(url)?.split(['/', '?', '#']).next()?;
    Some(start..start + authority.rfind('@')?)
}

/// The query of a URL, from the `?` at `at`.
pub(super) fn query(text: &str, at: usize) -> Option<Range<usize>> {
    value(text, at + 1)
}

/// The value of `name=value`, from the `=` at `at`, if the name is a secret's.
pub(super) fn pair_value(text: &str, at: usize) -> Option<Range<usize>> {
    if !is_secret_name(name_before(text, at)) {
        return None;
    }
    quoted_value(text, at + 1).or_else(|| value(text, at + 1))
}

/// The value of `"name": "value"`, from the `:` at `at`, if the name is a secret's; the quotes may be escaped ones.
pub(super) fn json_value(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?.strip_suffix(['"', '\''])?;
    let name_end = before.trim_end_matches('\\').len();
    if !is_secret_name(name_before(text, name_end)) {
        return None;
    }
    let after = text.get(at + 1..)?;
    let blanks = after.len() - after.trim_start().len();
    quoted_value(text, at + 1 + blanks)
}

/// The secret that begins with the word at `at`.
pub(super) fn word(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    if !begins_word(text, at) {
        return None;
    }
    header_value(rest)
        .or_else(|| scheme_value(rest))
        .or_else(|| web_token(text, at))
        .or_else(|| prefixed_token(rest))
        .or_else(|| bare_user_info(text, at))
        .map(|range| at + range.start..at + range.end)
}

/// Everything on the line after `Authorization:` and its like, quoted or not.
fn header_value(rest: &str) -> Option<Range<usize>> {
    let after = SECRET_HEADERS.iter().find_map(|header| rest.strip_prefix(header))?;
    let value = after.trim_start_matches(['\\', '"', '\'']).strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
    let start = rest.len() - value.len();
    let len = value.lines().next().unwrap_or_default().len();
    (len > 0).then(|| start..start + len)
}

/// The token after `Bearer` or `Basic`.
fn scheme_value(rest: &str) -> Option<Range<usize>> {
    let scheme =
        SCHEMES.iter().find(|scheme| rest.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme)))?;
    let after = rest.get(scheme.len()..)?;
    let token = after.trim_start_matches([' ', '\t']);
    if token.len() == after.len() || token.starts_with(MARKER) {
        return None;
    }
    let start = rest.len() - token.len();
    let range = value(rest, start)?;
    let first_word = token.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_prose = PROSE_AFTER_SCHEME.iter().any(|word| word.eq_ignore_ascii_case(first_word));
    (!is_prose).then_some(range)
}

/// A JSON web token: three parts of base64url, of which the first is a JSON object.
fn web_token(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.as_bytes().get(..at)?;
    // `-` and `_` are of the alphabet: without this, a long run of `-eyJ` would be read again from each of them.
    if matches!(before.last(), Some(b'-' | b'_')) {
        return None;
    }
    let rest = text.get(at..)?;
    let head = run(rest, is_base64url);
    let after_head = rest.get(head..)?.strip_prefix('.')?;
    let body = run(after_head, is_base64url);
    let signature = run(after_head.get(body..)?.strip_prefix('.')?, is_base64url);
    (rest.starts_with("eyJ") && body > 0).then_some(0..head + body + signature + 2)
}

/// The `user:password` of `user:password@host/path`, as somebody writes who takes an image for a URL. A digest after
/// the `@` is no host, since no path follows it.
fn bare_user_info(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?.chars().next_back();
    // Inside a URL, a path or a longer name nothing begins, nor behind the marker of an earlier run.
    if before
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | ':' | '/' | '@' | '\\' | '>'))
    {
        return None;
    }
    let near = text.get(..text.floor_char_boundary(at + LONGEST_USER_INFO)).unwrap_or(text);
    let written = near.get(at..unquoted_end(near, at))?;
    // What an earlier run shortened may have become short enough to be looked at.
    let authority = written.split_inclusive(['/', '?', '#']).next()?.strip_suffix('/')?;
    let (user_info, host) = authority.rsplit_once('@').filter(|_| !authority.contains('<'))?;
    (user_info.contains(':') && !host.is_empty()).then_some(0..user_info.len())
}

/// A token that begins as one of [`TOKEN_PREFIXES`].
fn prefixed_token(rest: &str) -> Option<Range<usize>> {
    TOKEN_PREFIXES.iter().find_map(|(prefix, least)| {
        let len = run(rest.strip_prefix(prefix)?, |b| is_base64url(b) || b == b'.');
        (len >= *least).then_some(0..prefix.len() + len)
    })
}

/// Whether a word can begin at `at`: not inside another word, though `\n` before it is no letter.
fn begins_word(text: &str, at: usize) -> bool {
    match text.as_bytes().get(..at) {
        Some([.., b'\\', b'n' | b'r' | b't']) => true,
        Some([.., last]) => !last.is_ascii_alphanumeric(),
        _ => true,
    }
}

fn is_secret_name(name: &str) -> bool {
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    let ends = |known: &&str| {
        let tail = name.len().checked_sub(known.len()).and_then(|start| name.get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(known))
    };
    let has =
        |known: &&str| name.as_bytes().windows(known.len()).any(|part| part.eq_ignore_ascii_case(known.as_bytes()));
    WHOLE_SECRET_NAMES.iter().any(is) || SECRET_NAMES.iter().any(ends) || SECRET_NAME_PREFIXES.iter().any(has)
}

/// The name that ends before `end`, or the last [`LONGEST_NAME`] bytes of it. Go prints `&` in JSON as `\u0026`.
fn name_before(text: &str, end: usize) -> &str {
    let before = text.as_bytes().get(end.saturating_sub(LONGEST_NAME)..end).unwrap_or_default();
    let len = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    let name = text.get(end - len..end).unwrap_or_default();
    name.strip_prefix("u0026").unwrap_or(name)
}

/// The text in quotes that begins at `at`. It ends at a quote behind no more backslashes than the first one has.
fn quoted_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.as_bytes().get(at..)?;
    let depth = rest.iter().take_while(|b| **b == b'\\').count();
    let quote = *rest.get(depth).filter(|b| matches!(b, b'"' | b'\''))?;
    let start = at + depth + 1;
    let mut backslashes = 0;
    for (i, b) in text.bytes().enumerate().skip(start) {
        match b {
            b'\\' => backslashes += 1,
            _ if b == quote && backslashes <= depth => {
                let end = i - backslashes;
                return (start < end).then_some(start..end);
            }
            _ => backslashes = 0,
        }
    }
    (start < text.len()).then_some(start..text.len())
}

/// The text without blanks or double quotes that begins at `at`, without the punctuation of the sentence around it.
fn value(text: &str, at: usize) -> Option<Range<usize>> {
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

fn run(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|b| belongs(*b)).count()
}

fn is_base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}
