//! Finds labeled secrets: values after a name, a header, a scheme, a flag or an XML tag.

use std::ops::Range;

use super::names::{
    HEADER_SCHEMES, MARKER, MAX_NAME_LEN, SCHEMES, continues_error_text, is_password, is_prose, is_secret_element,
    is_secret_header, is_secret_name,
};
use super::span::{blank_count, closing_quote, line_end, name_before, prefix_len, quoted_value, unquoted_value};
use super::url;

/// Maximum number of further words of a password with spaces.
const MAX_PASSWORD_WORDS: usize = 8;

/// Maximum bytes of a quoted value after `password`.
const MAX_QUOTED_LEN: usize = 256;

/// Bytes before `-p` and `password` that are searched for `login`.
const LOGIN_LOOKBEHIND: usize = 128;

/// Returns the value of `name=value`, with the `=` at `at`, if the name is that of a secret.
pub(super) fn value_after_equals(text: &str, at: usize) -> Option<Range<usize>> {
    if !is_secret_key(key_before_sign(text, at)) {
        return None;
    }
    let signs = prefix_len(text.get(at..)?, |b| matches!(b, b'=' | b'>'));
    let blanks = blank_count(text, at + signs);
    let start = at + signs + blanks;
    let is_next_pair = blanks > 0 && !text.get(..at)?.ends_with(' ') && {
        let next = text.get(start..text.floor_char_boundary(start + MAX_NAME_LEN))?;
        let name = prefix_len(next, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        name > 0 && next.get(name..)?.starts_with('=')
    };
    // Secrets in URLs and flags have matchers of their own, because they can be longer than a word.
    let rest = text.get(start..)?;
    if is_next_pair || blanks > 0 && (is_url_digest_or_struct(rest) || rest.starts_with("--")) {
        return None;
    }
    whole_value(text, start)
}

/// Returns the value of `name: value` or `"name": "value"`, with the `:` at `at`, if the name is that of a secret. The
/// quotes may be escaped.
pub(super) fn value_after_colon(text: &str, at: usize, is_in_url: bool) -> Option<Range<usize>> {
    if let port @ Some(_) = url::invalid_port(text, at) {
        return port;
    }
    let name = key_before_sign(text, at);
    if !is_secret_key(name) {
        return None;
    }
    let is_quoted = text.get(..at)?.ends_with(['"', '\'', '`']);
    // `:=`, as in Go.
    let sign = at + 1 + usize::from(text.get(at + 1..)?.starts_with('='));
    let blanks = blank_count(text, sign);
    let start = sign + blanks;
    let rest = text.get(start..)?;
    let is_of_path = text.get(..at)?.strip_suffix(name.text).is_some_and(|before| before.ends_with('/'));
    if is_of_path && (is_in_url || blanks == 0) {
        return None;
    }
    // An escaped line break, followed by nothing or by the rest of an error text.
    let line = rest.trim_start_matches("\\n").trim_start_matches("\\r");
    if line.len() < rest.len() && (line.trim().is_empty() || continues_error_text(line)) {
        return None;
    }
    let is_prose = blanks > 0
        && (rest.starts_with("--")
            || continues_error_text(rest.strip_prefix('[').unwrap_or(rest))
            || is_http_status(rest)
            || is_url_digest_or_struct(rest));
    if is_prose || rest.starts_with('{') || blanks == 0 && !is_quoted && is_image_tag(rest) {
        return None;
    }
    if is_quoted && ["null", "true", "false"].iter().any(|word| rest.starts_with(word)) {
        return None;
    }
    let secret = whole_value(text, start)?;
    let is_bare = secret.start == start;
    Some(if blanks > 0 && !is_quoted && is_bare { secret.start..extend_over_words(text, secret.end) } else { secret })
}

/// Returns the value of `--password value`, `["--password","value"]`, `login -p value` and `--user name:value`.
pub(super) fn flag_value(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?;
    let is_inside =
        before.ends_with(|c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`' | '[' | '(' | '{' | '>' | ','));
    if is_inside && !["\\n", "\\r", "\\t"].iter().any(|escape| before.ends_with(escape)) {
        return None;
    }
    let near = text.get(at..text.floor_char_boundary(at + MAX_NAME_LEN))?;
    let dashes = prefix_len(near, |b| b == b'-');
    let name_len = prefix_len(near.get(dashes..)?, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let name = near.get(dashes..dashes + name_len)?;
    let between = prefix_len(near.get(dashes + name_len..)?, |b| matches!(b, b'"' | b'\'' | b' ' | b',' | b'='));
    let is_apart = near.get(dashes + name_len..dashes + name_len + between)?.contains([' ', ',', '=']);
    let start = at + dashes + name_len + between;
    // `-pPASSWORD`, which docker accepts too.
    if dashes == 1 && name.starts_with('p') && name.len() > 1 && follows_login(text, at) {
        return unquoted_value(text, at + 2);
    }
    let rest = text.get(start..)?;
    if dashes > 2 || !is_apart || rest.starts_with('-') || is_url_digest_or_struct(rest) {
        return None;
    }
    let is_pair = || {
        let given = text.get(start..text.floor_char_boundary(start + MAX_NAME_LEN)).unwrap_or_default();
        let given = given.split([' ', '"', '\'', ',']).next().unwrap_or_default();
        given.split_once(':').is_some_and(|(user, _)| !user.bytes().all(|b| b.is_ascii_digit()) && !user.contains('/'))
    };
    let is_secret = match name {
        "u" | "user" => is_pair(),
        "p" => follows_login(text, at),
        _ => is_secret_name(name),
    };
    if !is_secret {
        return None;
    }
    // A quoted value may contain spaces.
    if text.get(..start)?.ends_with(['"', '\'']) { quoted_value(text, start - 1) } else { bare_value(text, start) }
}

/// Whether `login` is within [`LOGIN_LOOKBEHIND`] bytes before `at`.
fn follows_login(text: &str, at: usize) -> bool {
    let before = text.get(text.ceil_char_boundary(at.saturating_sub(LOGIN_LOOKBEHIND))..at);
    before.is_some_and(|before| before.contains("login "))
}

/// Returns the text of an XML element, with the `>` of its tag at `at`, or the value of `name -> value`.
pub(super) fn element_text(text: &str, at: usize) -> Option<Range<usize>> {
    if text.get(..at)?.ends_with('-') {
        let start = at + 1 + blank_count(text, at + 1);
        return is_secret_key(key_before_sign(text, at - 1)).then(|| whole_value(text, start)).flatten();
    }
    let name = name_before(text, at);
    let is_element = text.get(..at)?.strip_suffix(name)?.ends_with('<') && is_secret_element(name);
    if !is_element {
        return None;
    }
    let end = text.get(at + 1..)?.find('<').map_or(text.len(), |len| at + 1 + len);
    (at + 1 < end).then_some(at + 1..end)
}

/// Returns the value of a pair with the separator `%3D`, `%3A`, `\u003d` or `\u003a`, or of a parameter after `\u0026`.
pub(super) fn value_after_encoded_sign(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..text.floor_char_boundary(at + "\\u0026".len()))?;
    if rest.eq_ignore_ascii_case("\\u0026") {
        return url::parameter_value_at(text, at + rest.len() - 1);
    }
    let is_short = ["%3d", "%3a"].iter().any(|sign| rest.get(..3).is_some_and(|rest| rest.eq_ignore_ascii_case(sign)));
    let is_long = ["\\u003d", "\\u003a"].iter().any(|sign| rest.eq_ignore_ascii_case(sign));
    let len = if is_short { 3 } else { rest.len() };
    let before = text.get(..at)?;
    let name = KeyName::before(text, before.strip_suffix("%22").unwrap_or(before).len());
    ((is_short || is_long) && is_secret_key(name)).then(|| unquoted_value(text, at + len)).flatten()
}

/// Returns the secret that is labeled by the word at `at`.
pub(super) fn value_after_word(text: &str, at: usize) -> Option<Range<usize>> {
    header_value(text, at).or_else(|| scheme_value(text, at)).or_else(|| value_after_noun(text, at))
}

/// Returns the rest of the line after `Authorization:` and similar headers, or the quoted or bracketed value.
fn header_value(text: &str, at: usize) -> Option<Range<usize>> {
    let near = text.get(at..text.floor_char_boundary(at + MAX_NAME_LEN))?;
    let name = near.get(..prefix_len(near, |b| b.is_ascii_alphanumeric() || b == b'-'))?;
    if !is_secret_header(name) {
        return None;
    }
    let after = text.get(at + name.len()..)?;
    let quotes = prefix_len(after, |b| matches!(b, b'\\' | b'"' | b'\''));
    let sign = at + name.len() + quotes + blank_count(text, at + name.len() + quotes);
    text.get(sign..)?.strip_prefix([':', '='])?;
    let signs = prefix_len(text.get(sign..)?, |b| matches!(b, b':' | b'=' | b'>'));
    let start = sign + signs + blank_count(text, sign + signs);
    let rest = text.get(start..)?;
    let begins_with_scheme = HEADER_SCHEMES.iter().any(|scheme| starts_with_word(rest, scheme));
    if rest.starts_with(MARKER) || rest.starts_with("--") || !begins_with_scheme && continues_error_text(rest) {
        return None;
    }
    if quotes > 0 || rest.starts_with(['[', '"', '\'']) {
        return whole_value(text, start);
    }
    let end = line_end(text, start);
    // A quote before the name also ends the value.
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

/// Returns the token after `Bearer` or `Basic`.
fn scheme_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let scheme = SCHEMES.iter().find(|scheme| starts_with_word(rest, scheme))?;
    let blanks = blank_count(text, at + scheme.len());
    let start = at + scheme.len() + blanks;
    let token = text.get(start..)?;
    (blanks > 0 && !token.starts_with(MARKER) && !token.starts_with("--") && !is_prose(token))
        .then(|| unquoted_value(text, start))
        .flatten()
}

/// Returns the value after `password` or `token` in a sentence, unless it is an ordinary word.
fn value_after_noun(text: &str, at: usize) -> Option<Range<usize>> {
    let near = text.get(at..text.floor_char_boundary(at + MAX_NAME_LEN))?;
    let noun = near.get(..prefix_len(near, |b| b.is_ascii_alphabetic()))?;
    let is_key = noun.eq_ignore_ascii_case("key");
    if !is_password(noun) && !is_key && !noun.eq_ignore_ascii_case("token") {
        return None;
    }
    let mut start = at + noun.len();
    start += blank_count(text, start);
    if start == at + noun.len() {
        return None;
    }
    if let Some(verb) =
        ["is", "was", "of"].iter().find(|verb| starts_with_word(text.get(start..).unwrap_or_default(), verb))
    {
        start += verb.len() + blank_count(text, start + verb.len());
    } else if is_key {
        // `key` is often followed by the name of a key.
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
    let near = text.get(..text.floor_char_boundary(start + MAX_QUOTED_LEN))?;
    if let Some(quoted) = quoted_value(near, start) {
        return Some(quoted).filter(|quoted| is_password(noun) || is_made(quoted));
    }
    // In the format of `.netrc`, any word can be the password.
    let rest = text.get(start..)?;
    if rest.starts_with("--") || is_url_digest_or_struct(rest) {
        return None;
    }
    let given = bare_value(text, start)?;
    let len = text.get(given)?.split('<').next()?.len();
    Some(start..start + len)
        .filter(|secret| len > 0 && (is_made(secret) || is_password(noun) && follows_login(text, at)))
}

/// Returns the value at `start`: the contents of quotes or brackets, or the text up to the next space.
fn whole_value(text: &str, start: usize) -> Option<Range<usize>> {
    if text.get(start..)?.starts_with(MARKER) {
        return None;
    }
    quoted_value(text, start).or_else(|| bracketed(text, start)).or_else(|| bare_value(text, start))
}

/// Returns the word at `start`, and the next word if it is an authentication scheme.
fn bare_value(text: &str, start: usize) -> Option<Range<usize>> {
    let mut word = unquoted_value(text, start)?;
    let is_scheme = |word: &Range<usize>| {
        let word = text.get(word.clone()).unwrap_or_default();
        HEADER_SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
    };
    while is_scheme(&word) {
        let next = word.end + blank_count(text, word.end);
        let rest = text.get(next..)?;
        let Some(next) =
            unquoted_value(text, next).filter(|_| !rest.starts_with("--") && !is_url_digest_or_struct(rest))
        else {
            break;
        };
        word = next;
    }
    Some(start..word.end)
}

/// Returns the contents of the brackets that open at `at`.
fn bracketed(text: &str, at: usize) -> Option<Range<usize>> {
    let start = at + 1;
    let rest = text.get(at..)?.strip_prefix('[')?;
    if let Some(first) = quoted_value(text, start) {
        let mut end = first.end;
        loop {
            let signs = prefix_len(text.get(end..)?, |b| matches!(b, b'\\' | b'"' | b'\'' | b'`'));
            let between = prefix_len(text.get(end + signs..)?, |b| matches!(b, b',' | b' ' | b'\n'));
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

/// Extends a value that ends at `end` over further words, up to an ordinary word or a structured value.
fn extend_over_words(text: &str, end: usize) -> usize {
    let mut end = end;
    for _ in 0..MAX_PASSWORD_WORDS {
        let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(' ')) else { break };
        let near = rest.get(..rest.floor_char_boundary(MAX_NAME_LEN)).unwrap_or_default();
        let len = prefix_len(near, |b| !b.is_ascii() || b.is_ascii_alphanumeric() || b"!#$%^&*+~_-@?".contains(&b));
        let after = near.get(len..).unwrap_or_default();
        let is_structure = after.starts_with(['=', ':', '/', '(', '<', '"', '\\'])
            || after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_alphanumeric()));
        if len == 0 || len == near.len() && len < rest.len() || is_structure || continues_error_text(rest) {
            break;
        }
        end += 1 + len;
    }
    end
}

/// The name before a separator.
#[derive(Clone, Copy)]
struct KeyName<'a> {
    text: &'a str,
    /// Whether a backslash precedes it, so that its first letter may belong to an escape like `\n`.
    is_behind_backslash: bool,
}

impl<'a> KeyName<'a> {
    fn before(text: &'a str, end: usize) -> Self {
        let name = name_before(text, end);
        let is_behind_backslash = text.get(..end - name.len()).is_some_and(|before| before.ends_with('\\'));
        Self { text: name, is_behind_backslash }
    }
}

/// Returns the name before the separator at `end`. Skips a space and quotes in between.
fn key_before_sign(text: &str, end: usize) -> KeyName<'_> {
    let before = text.get(..end).unwrap_or_default();
    let trimmed = before.strip_suffix(' ').unwrap_or(before);
    let name_end = match trimmed.strip_suffix(['"', '\'', '`']) {
        Some(before) => before.trim_end_matches('\\').len(),
        None => trimmed.len(),
    };
    KeyName::before(text, name_end)
}

fn is_secret_key(name: KeyName<'_>) -> bool {
    let second = name.text.strip_prefix(['n', 'r', 't']).filter(|_| name.is_behind_backslash);
    is_secret_name(name.text) || second.is_some_and(is_secret_name)
}

/// Whether a text begins with a word. Ignores case.
fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        && !text.get(word.len()..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Whether a text begins with an HTTP status and a reason phrase: `401 Unauthorized`.
fn is_http_status(text: &str) -> bool {
    prefix_len(text, |b| b.is_ascii_digit()) == 3
        && text
            .get(3..)
            .and_then(|rest| rest.strip_prefix(' '))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a text begins with a URL, a digest or a Go struct. Secrets in them have matchers of their own.
fn is_url_digest_or_struct(text: &str) -> bool {
    let word = text.trim_start_matches(['"', '\'']);
    let word = word.get(..word.floor_char_boundary(MAX_NAME_LEN)).unwrap_or_default();
    let name = prefix_len(word, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'*' | b'&'));
    let rest = word.get(name..).unwrap_or_default();
    name > 0 && (rest.starts_with("://") || rest.starts_with('{'))
        || word.starts_with("sha256:")
        || word.starts_with("sha512:")
}

/// Whether a text begins with an image tag. An image can have the name of a secret: `token:latest`, `vault-token:1.0`.
fn is_image_tag(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or(text);
    let digits = prefix_len(rest, |b| b.is_ascii_digit());
    let after = rest.get(digits..).unwrap_or_default();
    digits > 0 && after.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
        || starts_with_word(text, "latest")
}
