//! Finds the secrets that something announces: a name, a header, a scheme, a flag, an element.

use std::ops::Range;

use super::MARKER;
use super::names::{
    HEADER_SCHEMES, LONGEST_NAME, SCHEMES, goes_on, is_password, is_prose, is_secret_element, is_secret_header,
    is_secret_name,
};
use super::span::{blanks, closing_quote, line_end, name_before, quoted_value, run, value};
use super::url;

/// How many words behind a password with blanks in it are looked at.
const MOST_WORDS: usize = 8;

/// How much of a quotation behind `password` is looked at.
const LONGEST_QUOTED: usize = 256;

/// How many bytes before `-p` and `password` a `login` is looked for.
const LOGIN_BEFORE: usize = 128;

/// The value of `name=value`, from the `=` at `at`, if the name is a secret's.
pub(super) fn assigned(text: &str, at: usize) -> Option<Range<usize>> {
    if !is_secret(name_of(text, at)) {
        return None;
    }
    let signs = run(text.get(at..)?, |b| matches!(b, b'=' | b'>'));
    let blanks = blanks(text, at + signs);
    let start = at + signs + blanks;
    let is_next_pair = blanks > 0 && !text.get(..at)?.ends_with(' ') && {
        let next = text.get(start..text.floor_char_boundary(start + LONGEST_NAME))?;
        let name = run(next, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        name > 0 && next.get(name..)?.starts_with('=')
    };
    // A URL and a flag have their own secrets, which may be longer than a word.
    let rest = text.get(start..)?;
    if is_next_pair || blanks > 0 && (is_structure(rest) || rest.starts_with("--")) {
        return None;
    }
    whole_value(text, start)
}

/// The value of `name: value` or `"name": "value"`, from the `:` at `at`, if the name is a secret's. The quotes may be
/// escaped ones.
pub(super) fn after_colon(text: &str, at: usize, is_in_url: bool) -> Option<Range<usize>> {
    if let port @ Some(_) = url::invalid_port(text, at) {
        return port;
    }
    let name = name_of(text, at);
    if !is_secret(name) {
        return None;
    }
    let is_quoted = text.get(..at)?.ends_with(['"', '\'', '`']);
    // Go's and Pascal's `:=`.
    let sign = at + 1 + usize::from(text.get(at + 1..)?.starts_with('='));
    let blanks = blanks(text, sign);
    let start = sign + blanks;
    let rest = text.get(start..)?;
    let is_of_path = text.get(..at)?.strip_suffix(name.text).is_some_and(|before| before.ends_with('/'));
    if is_of_path && (is_in_url || blanks == 0) {
        return None;
    }
    // A line break that is written `\n`, with nothing of interest behind it.
    let line = rest.trim_start_matches("\\n").trim_start_matches("\\r");
    if line.len() < rest.len() && (line.trim().is_empty() || goes_on(line)) {
        return None;
    }
    let is_prose = blanks > 0
        && (rest.starts_with("--")
            || goes_on(rest.strip_prefix('[').unwrap_or(rest))
            || is_status(rest)
            || is_structure(rest));
    if is_prose || rest.starts_with('{') || blanks == 0 && !is_quoted && is_version(rest) {
        return None;
    }
    if is_quoted && ["null", "true", "false"].iter().any(|word| rest.starts_with(word)) {
        return None;
    }
    let secret = whole_value(text, start)?;
    let is_bare = secret.start == start;
    Some(if blanks > 0 && !is_quoted && is_bare { secret.start..with_blanks(text, secret.end) } else { secret })
}

/// The value of `--password value`, `["--password","value"]`, `login -p value` and `--user name:value`.
pub(super) fn flag(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?;
    let is_inside =
        before.ends_with(|c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`' | '[' | '(' | '{' | '>' | ','));
    if is_inside && !["\\n", "\\r", "\\t"].iter().any(|escape| before.ends_with(escape)) {
        return None;
    }
    let near = text.get(at..text.floor_char_boundary(at + LONGEST_NAME))?;
    let dashes = run(near, |b| b == b'-');
    let name_len = run(near.get(dashes..)?, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let name = near.get(dashes..dashes + name_len)?;
    let between = run(near.get(dashes + name_len..)?, |b| matches!(b, b'"' | b'\'' | b' ' | b',' | b'='));
    let is_apart = near.get(dashes + name_len..dashes + name_len + between)?.contains([' ', ',', '=']);
    let start = at + dashes + name_len + between;
    // `-pPASSWORD`, as docker takes it too.
    if dashes == 1 && name.starts_with('p') && name.len() > 1 && is_behind_login(text, at) {
        return value(text, at + 2);
    }
    let rest = text.get(start..)?;
    if dashes > 2 || !is_apart || rest.starts_with('-') || is_structure(rest) {
        return None;
    }
    let is_pair = || {
        let given = text.get(start..text.floor_char_boundary(start + LONGEST_NAME)).unwrap_or_default();
        let given = given.split([' ', '"', '\'', ',']).next().unwrap_or_default();
        given.split_once(':').is_some_and(|(user, _)| !user.bytes().all(|b| b.is_ascii_digit()) && !user.contains('/'))
    };
    let is_secret = match name {
        "u" | "user" => is_pair(),
        "p" => is_behind_login(text, at),
        _ => is_secret_name(name),
    };
    if !is_secret {
        return None;
    }
    // A quoted value may hold blanks.
    if text.get(..start)?.ends_with(['"', '\'']) { quoted_value(text, start - 1) } else { bare_value(text, start) }
}

/// Whether a `login` stands a little before `at`.
fn is_behind_login(text: &str, at: usize) -> bool {
    let before = text.get(text.ceil_char_boundary(at.saturating_sub(LOGIN_BEFORE))..at);
    before.is_some_and(|before| before.contains("login "))
}

/// The text of an XML element, from the `>` at `at`; the value of `name -> value`.
pub(super) fn element(text: &str, at: usize) -> Option<Range<usize>> {
    if text.get(..at)?.ends_with('-') {
        let start = at + 1 + blanks(text, at + 1);
        return is_secret(name_of(text, at - 1)).then(|| whole_value(text, start)).flatten();
    }
    let name = name_before(text, at);
    let is_element = text.get(..at)?.strip_suffix(name)?.ends_with('<') && is_secret_element(name);
    if !is_element {
        return None;
    }
    let end = text.get(at + 1..)?.find('<').map_or(text.len(), |len| at + 1 + len);
    (at + 1 < end).then_some(at + 1..end)
}

/// The value of a pair whose sign is written `%3D`, `%3A`, `\u003d` or `\u003a`, and of a parameter behind `\u0026`.
pub(super) fn encoded(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..text.floor_char_boundary(at + "\\u0026".len()))?;
    if rest.eq_ignore_ascii_case("\\u0026") {
        return url::parameter(text, at + rest.len() - 1);
    }
    let is_short = ["%3d", "%3a"].iter().any(|sign| rest.get(..3).is_some_and(|rest| rest.eq_ignore_ascii_case(sign)));
    let is_long = ["\\u003d", "\\u003a"].iter().any(|sign| rest.eq_ignore_ascii_case(sign));
    let len = if is_short { 3 } else { rest.len() };
    let before = text.get(..at)?;
    let name = Name::before(text, before.strip_suffix("%22").unwrap_or(before).len());
    ((is_short || is_long) && is_secret(name)).then(|| value(text, at + len)).flatten()
}

/// The secret that the word at `at` announces or begins.
pub(super) fn word(text: &str, at: usize) -> Option<Range<usize>> {
    header(text, at).or_else(|| scheme_value(text, at)).or_else(|| behind_noun(text, at))
}

/// Everything on the line after `Authorization:` and its like, or in the quotes or brackets there.
fn header(text: &str, at: usize) -> Option<Range<usize>> {
    let near = text.get(at..text.floor_char_boundary(at + LONGEST_NAME))?;
    let name = near.get(..run(near, |b| b.is_ascii_alphanumeric() || b == b'-'))?;
    if !is_secret_header(name) {
        return None;
    }
    let after = text.get(at + name.len()..)?;
    let quotes = run(after, |b| matches!(b, b'\\' | b'"' | b'\''));
    let sign = at + name.len() + quotes + blanks(text, at + name.len() + quotes);
    text.get(sign..)?.strip_prefix([':', '='])?;
    let signs = run(text.get(sign..)?, |b| matches!(b, b':' | b'=' | b'>'));
    let start = sign + signs + blanks(text, sign + signs);
    let rest = text.get(start..)?;
    let begins_with_scheme = HEADER_SCHEMES.iter().any(|scheme| begins(rest, scheme));
    if rest.starts_with(MARKER) || rest.starts_with("--") || !begins_with_scheme && goes_on(rest) {
        return None;
    }
    if quotes > 0 || rest.starts_with(['[', '"', '\'']) {
        return whole_value(text, start);
    }
    let end = line_end(text, start);
    // The quote before the name ends the value too.
    let before = text.get(..at)?;
    let end = match before.as_bytes().last() {
        Some(quote @ (b'"' | b'\'')) => {
            let depth = before.len() - 1 - before.get(..before.len() - 1)?.trim_end_matches('\\').len();
            closing_quote(text.get(..end)?, start, depth, *quote).unwrap_or(end)
        }
        _ => end,
    };
    (start < end).then_some(start..end)
}

/// The token after `Bearer` or `Basic`.
fn scheme_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let scheme = SCHEMES.iter().find(|scheme| begins(rest, scheme))?;
    let blanks = blanks(text, at + scheme.len());
    let start = at + scheme.len() + blanks;
    let token = text.get(start..)?;
    (blanks > 0 && !token.starts_with(MARKER) && !token.starts_with("--") && !is_prose(token))
        .then(|| value(text, start))
        .flatten()
}

/// What stands behind `password` or `token` in a sentence, where it is no word of a sentence.
fn behind_noun(text: &str, at: usize) -> Option<Range<usize>> {
    let near = text.get(at..text.floor_char_boundary(at + LONGEST_NAME))?;
    let noun = near.get(..run(near, |b| b.is_ascii_alphabetic()))?;
    let is_key = noun.eq_ignore_ascii_case("key");
    if !is_password(noun) && !is_key && !noun.eq_ignore_ascii_case("token") {
        return None;
    }
    let mut start = at + noun.len();
    start += blanks(text, start);
    if start == at + noun.len() {
        return None;
    }
    if let Some(verb) = ["is", "was", "of"].iter().find(|verb| begins(text.get(start..).unwrap_or_default(), verb)) {
        start += verb.len() + blanks(text, start + verb.len());
    } else if is_key {
        // A key is as often the name of one.
        return None;
    }
    let is_made = |secret: &Range<usize>| {
        let secret = text.get(secret.clone()).unwrap_or_default();
        let has = |class: fn(&u8) -> bool| secret.bytes().any(|b| class(&b));
        let has_sign = secret.contains(['!', '#', '$', '%', '^', '&', '*', '~', '+']);
        let is_made = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) || has_sign;
        let is_name = secret.contains([':', '(']) || secret.starts_with('/');
        is_made && !is_name && (is_password(noun) || secret.len() >= 8)
    };
    let near = text.get(..text.floor_char_boundary(start + LONGEST_QUOTED))?;
    if let Some(quoted) = quoted_value(near, start) {
        return Some(quoted).filter(|quoted| is_password(noun) || is_made(quoted));
    }
    // As a `.netrc` has it, any word can be the password.
    let rest = text.get(start..)?;
    if rest.starts_with("--") || is_structure(rest) {
        return None;
    }
    let given = bare_value(text, start)?;
    let len = text.get(given)?.split('<').next()?.len();
    Some(start..start + len)
        .filter(|secret| len > 0 && (is_made(secret) || is_password(noun) && is_behind_login(text, at)))
}

/// The value at `start`: a quotation, the inside of brackets, or all to the next blank.
fn whole_value(text: &str, start: usize) -> Option<Range<usize>> {
    if text.get(start..)?.starts_with(MARKER) {
        return None;
    }
    quoted_value(text, start).or_else(|| bracketed(text, start)).or_else(|| bare_value(text, start))
}

/// The word at `start`, and what follows where it is a scheme.
fn bare_value(text: &str, start: usize) -> Option<Range<usize>> {
    let mut word = value(text, start)?;
    let is_scheme = |word: &Range<usize>| {
        let word = text.get(word.clone()).unwrap_or_default();
        HEADER_SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
    };
    while is_scheme(&word) {
        let next = word.end + blanks(text, word.end);
        let rest = text.get(next..)?;
        let Some(next) = value(text, next).filter(|_| !rest.starts_with("--") && !is_structure(rest)) else { break };
        word = next;
    }
    Some(start..word.end)
}

/// What stands in the brackets that begin at `at`: quotations, or all of it.
fn bracketed(text: &str, at: usize) -> Option<Range<usize>> {
    let start = at + 1;
    let rest = text.get(at..)?.strip_prefix('[')?;
    if let Some(first) = quoted_value(text, start) {
        let mut end = first.end;
        loop {
            let signs = run(text.get(end..)?, |b| matches!(b, b'\\' | b'"' | b'\'' | b'`'));
            let between = run(text.get(end + signs..)?, |b| matches!(b, b',' | b' ' | b'\n'));
            let next = end + signs + between;
            match quoted_value(text, next).filter(|_| between > 0) {
                Some(value) => end = value.end,
                None => return Some(first.start..end),
            }
        }
    }
    let end = rest.find([']', '\n']).map_or(text.len(), |len| start + len);
    (start < end).then_some(start..end)
}

/// Where a value ends that begins before `end` and may hold blanks: before a word of a sentence, and before what has a
/// structure of its own.
fn with_blanks(text: &str, end: usize) -> usize {
    let mut end = end;
    for _ in 0..MOST_WORDS {
        let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(' ')) else { break };
        let near = rest.get(..rest.floor_char_boundary(LONGEST_NAME)).unwrap_or_default();
        let len = run(near, |b| !b.is_ascii() || b.is_ascii_alphanumeric() || b"!#$%^&*+~_-@?".contains(&b));
        let after = near.get(len..).unwrap_or_default();
        let is_structure = after.starts_with(['=', ':', '/', '(', '<', '"', '\\'])
            || after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_alphanumeric()));
        if len == 0 || len == near.len() && len < rest.len() || is_structure || goes_on(rest) {
            break;
        }
        end += 1 + len;
    }
    end
}

/// A name before a sign.
#[derive(Clone, Copy)]
struct Name<'a> {
    text: &'a str,
    /// Whether its first letter may be that of `\n`.
    is_behind_backslash: bool,
}

impl<'a> Name<'a> {
    fn before(text: &'a str, end: usize) -> Self {
        let name = name_before(text, end);
        let is_behind_backslash = text.get(..end - name.len()).is_some_and(|before| before.ends_with('\\'));
        Self { text: name, is_behind_backslash }
    }
}

/// The name before the sign at `end`, without blanks and quotes between.
fn name_of(text: &str, end: usize) -> Name<'_> {
    let before = text.get(..end).unwrap_or_default();
    let trimmed = before.strip_suffix(' ').unwrap_or(before);
    let name_end = match trimmed.strip_suffix(['"', '\'', '`']) {
        Some(before) => before.trim_end_matches('\\').len(),
        None => trimmed.len(),
    };
    Name::before(text, name_end)
}

fn is_secret(name: Name<'_>) -> bool {
    let second = name.text.strip_prefix(['n', 'r', 't']).filter(|_| name.is_behind_backslash);
    is_secret_name(name.text) || second.is_some_and(is_secret_name)
}

/// Whether a text begins with a word, in whatever case.
fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        && !text.get(word.len()..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// A status with its phrase: `401 Unauthorized`.
fn is_status(text: &str) -> bool {
    run(text, |b| b.is_ascii_digit()) == 3
        && text
            .get(3..)
            .and_then(|rest| rest.strip_prefix(' '))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// A URL, a digest, or a structure as Go prints it: their own secrets are found in them.
fn is_structure(text: &str) -> bool {
    let word = text.trim_start_matches(['"', '\'']);
    let word = word.get(..word.floor_char_boundary(LONGEST_NAME)).unwrap_or_default();
    let name = run(word, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'*' | b'&'));
    let rest = word.get(name..).unwrap_or_default();
    name > 0 && (rest.starts_with("://") || rest.starts_with('{'))
        || word.starts_with("sha256:")
        || word.starts_with("sha512:")
}

/// A tag, as of an image that is called as a secret is: `token:latest`, `vault-token:1.0`.
fn is_version(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or(text);
    let digits = run(rest, |b| b.is_ascii_digit());
    let after = rest.get(digits..).unwrap_or_default();
    digits > 0 && after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
        || begins(text, "latest")
}
