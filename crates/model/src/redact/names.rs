//! Word lists: labels and prefixes of secrets, and ordinary words.

/// The text that replaces a secret.
pub const MARKER: &str = "<redacted>";

/// Suffixes of the names of secrets, without `_`, `-` and `.`: `DB_PASSWORD=…`, `"identitytoken":"…"`,
/// `X-Amz-Signature=…`.
const SECRET_NAME_SUFFIXES: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "tokens",
    "signature",
    "credential",
    "credentials",
    "apikey",
    "accesskey",
    "accesskeyid",
    "secretkey",
    "accountkey",
    "privatekey",
    "googleaccessid",
    "authorization",
    "cookie",
    "sessionid",
    "sessid",
    "assertion",
    "xregistryauth",
    "xregistryconfig",
    "xjfrogartapi",
    "dockerconfigjson",
    "dockercfg",
];

/// Last words of the names of secrets. They can also end harmless words, so they match only at the start of a name,
/// after `_`, `-` or `.`, or at a capital letter in camel case.
const SECRET_LAST_WORDS: &[&str] = &[
    "key", "auth", "pass", "pw", "pat", "jwt", "bearer", "session", "sid", "otp", "psk", "sas", "sig", "se", "api-key",
    "creds",
];

/// Prefixes of the names of signature parameters of AWS and Google.
const SECRET_NAME_PREFIXES: &[&str] = &["x-amz-", "x-goog-"];

/// Parts of the names of XML elements with a secret, as in S3's response to a wrong signature.
const SECRET_ELEMENTS: &[&str] = &[
    "password",
    "secret",
    "token",
    "signature",
    "credential",
    "accesskey",
    "stringtosign",
    "canonicalrequest",
    "hostid",
];

/// Headers whose value is the rest of the line.
const SECRET_HEADERS: &[&str] = &[
    "proxy-authorization",
    "authorization",
    "x-registry-auth",
    "x-registry-config",
    "set-cookie",
    "cookie",
    "x-vault-token",
    "private-token",
];

/// Schemes of the `Authorization` header that also appear without the header.
pub(super) const SCHEMES: &[&str] = &["bearer", "basic"];

/// Schemes that are recognized only in the header; elsewhere they are ordinary words.
pub(super) const HEADER_SCHEMES: &[&str] =
    &["bearer", "basic", "digest", "negotiate", "ntlm", "token", "apikey", "aws4-hmac-sha256"];

/// Prefixes of tokens of known issuers, and the minimum number of token characters after them.
pub(super) const TOKEN_PREFIXES: &[(&str, usize)] = &[
    // AWS: key IDs, then session tokens.
    ("AKIA", 16),
    ("ASIA", 16),
    ("ABIA", 16),
    ("ACCA", 16),
    ("IQoJb3JpZ2lu", 8),
    ("FwoGZXIvYXdz", 8),
    // Google: access token, API key, client secret.
    ("ya29.", 8),
    ("AIza", 16),
    ("GOCSPX-", 8),
    // GitHub, GitLab, Bitbucket and Atlassian, forks of Gitea.
    ("ghp_", 8),
    ("gho_", 8),
    ("ghu_", 8),
    ("ghs_", 8),
    ("ghr_", 8),
    ("github_pat_", 8),
    ("glpat-", 8),
    ("gldt-", 8),
    ("glrt-", 8),
    ("glrtr-", 8),
    ("glcbt-", 8),
    ("glptt-", 8),
    ("glft-", 8),
    ("glimt-", 8),
    ("glagent-", 8),
    ("glsoat-", 8),
    ("glffct-", 8),
    ("gloas-", 8),
    ("GR1348941", 8),
    ("ATATT3", 8),
    ("ATCTT3", 8),
    ("ATBB", 16),
    // Registries: Docker Hub, OpenShift, JFrog, Hugging Face, DigitalOcean, and package registries.
    ("dckr_pat_", 8),
    ("dckr_oat_", 8),
    ("sha256~", 8),
    ("AKCp", 16),
    ("cmVmdGtuOj", 8),
    ("hf_", 12),
    ("dop_v1_", 8),
    ("doo_v1_", 8),
    ("dor_v1_", 8),
    ("npm_", 16),
    ("pypi-", 16),
    ("rubygems_", 16),
    ("oy2", 32),
    // Vault and other services.
    ("hvs.", 8),
    ("hvb.", 8),
    ("hvr.", 8),
    ("xoxb-", 8),
    ("xoxp-", 8),
    ("xoxa-", 8),
    ("xoxe-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("sk-", 20),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("whsec_", 8),
    ("SG.", 16),
    ("glsa_", 8),
    ("glc_", 16),
    ("dapi", 32),
    ("pul-", 32),
    ("tskey-", 8),
    ("shpat_", 8),
    ("figd_", 8),
    ("lin_api_", 8),
    ("PMAK-", 8),
    ("NRAK-", 8),
    ("nfp_", 16),
    ("r8_", 16),
];

/// Words that continue an error text after a label, so that no secret follows: `token: unexpected status`, `Bearer
/// realm="…"`.
const ERROR_WORDS: &[&str] = &[
    "a",
    "access",
    "after",
    "all",
    "an",
    "and",
    "anonymous",
    "any",
    "are",
    "as",
    "at",
    "authenticating",
    "authentication",
    "authorization",
    "authorize",
    "authorized",
    "bad",
    "be",
    "because",
    "been",
    "before",
    "but",
    "by",
    "cannot",
    "can't",
    "challenge",
    "challenges",
    "connect",
    "connection",
    "context",
    "could",
    "couldn't",
    "decode",
    "decoding",
    "decrypting",
    "denied",
    "dial",
    "did",
    "didn't",
    "do",
    "does",
    "doesn't",
    "empty",
    "eof",
    "err",
    "error",
    "errors",
    "exceeded",
    "exec",
    "expected",
    "expired",
    "expires",
    "fail",
    "failed",
    "failure",
    "false",
    "fetch",
    "fetching",
    "forbidden",
    "for",
    "found",
    "from",
    "get",
    "getting",
    "got",
    "had",
    "handler",
    "has",
    "have",
    "head",
    "header",
    "http",
    "https",
    "i/o",
    "if",
    "illegal",
    "in",
    "incorrect",
    "insufficient",
    "internal",
    "invalid",
    "io",
    "is",
    "isn't",
    "it",
    "json",
    "lookup",
    "malformed",
    "may",
    "mismatch",
    "missing",
    "must",
    "needs",
    "net",
    "net/http",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "of",
    "on",
    "open",
    "or",
    "parse",
    "parsing",
    "pattern",
    "permission",
    "please",
    "post",
    "provided",
    "proxyconnect",
    "put",
    "read",
    "reading",
    "realm",
    "received",
    "refresh",
    "refused",
    "rejected",
    "remote",
    "request",
    "requested",
    "required",
    "requires",
    "response",
    "retrieve",
    "retrieving",
    "returned",
    "revoked",
    "rpc",
    "scheme",
    "scope",
    "server",
    "service",
    "should",
    "status",
    "such",
    "temporary",
    "the",
    "this",
    "timed",
    "timeout",
    "tls",
    "to",
    "too",
    "toomanyrequests",
    "true",
    "unable",
    "unauthorized",
    "undefined",
    "unexpected",
    "unknown",
    "unmarshal",
    "unmarshaling",
    "unsupported",
    "verification",
    "verify",
    "was",
    "were",
    "when",
    "while",
    "will",
    "with",
    "without",
    "wrong",
    "x509",
    "yaml",
    "you",
    "your",
];

/// Words that continue an error text like [`ERROR_WORDS`] if another word follows. Alone, they could be a password.
const ERROR_NOUNS: &[&str] = &[
    "account",
    "auth",
    "authority",
    "basic",
    "bearer",
    "body",
    "certificate",
    "client",
    "code",
    "credential",
    "credentials",
    "digest",
    "file",
    "host",
    "image",
    "key",
    "manifest",
    "message",
    "password",
    "registry",
    "repository",
    "secret",
    "secrets",
    "signature",
    "token",
    "tokens",
    "user",
    "username",
    "value",
];

/// Maximum bytes of a name that are read. The longest parameter of S3 has 22.
pub(super) const MAX_NAME_LEN: usize = 40;

/// Whether a value of this name is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let ends = |known: &&str| suffix_start(name, known).is_some();
    let is_last_word = |known: &&str| suffix_start(name, known).is_some_and(|start| starts_name_part(name, start));
    SECRET_NAME_SUFFIXES.iter().any(ends)
        || SECRET_LAST_WORDS.iter().any(is_last_word)
        || SECRET_NAME_PREFIXES.iter().any(|part| contains(name, part))
}

/// Whether an XML element of this name contains a secret.
pub(super) fn is_secret_element(name: &str) -> bool {
    is_secret_name(name) || SECRET_ELEMENTS.iter().any(|part| contains(name, part))
}

/// Whether the name is a header whose value is the rest of the line.
pub(super) fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header))
}

/// Whether the name of a secret means a password, so that the next word can be one even without a separator.
pub(super) fn is_password(word: &str) -> bool {
    ["password", "passwd", "passphrase", "passcode", "pwd"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether the first words of `text` continue an error text.
pub(super) fn continues_error_text(text: &str) -> bool {
    let word = first_word(text);
    let is = |known: &&str| word.eq_ignore_ascii_case(known);
    let follows = || {
        let rest = text.get(word.len()..).unwrap_or_default();
        let next = rest.strip_prefix([':', ',']).unwrap_or(rest).strip_prefix(' ');
        next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"'))
    };
    let is_pair = text.get(word.len()..).is_some_and(|rest| rest.starts_with('='));
    // Go's multierror: `password: 2 errors occurred`.
    let is_count = !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_digit())
        && text.get(word.len()..).is_some_and(|rest| rest.starts_with(" error"));
    is_count || !is_pair && (ERROR_WORDS.iter().any(is) || ERROR_NOUNS.iter().any(is) && follows())
}

/// Whether the first word of `text` is an ordinary word.
pub(super) fn is_prose(text: &str) -> bool {
    let word = first_word(text);
    ERROR_WORDS.iter().chain(ERROR_NOUNS).any(|known| word.eq_ignore_ascii_case(known))
}

/// Returns the text up to punctuation that is unlikely at the end of a password.
fn first_word(text: &str) -> &str {
    text.split(|c: char| !is_word_char(c)).next().unwrap_or_default()
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\'' | '_' | '-' | '!' | '#' | '$' | '%' | '&' | '*' | '+' | '@' | '~' | '^')
}

/// Returns where the suffix `end` of `name` begins. Ignores case and separators.
fn suffix_start(name: &str, end: &str) -> Option<usize> {
    let mut letters = name.bytes().enumerate().rev().filter(|(_, b)| !matches!(b, b'_' | b'-' | b'.'));
    let mut start = None;
    for wanted in end.bytes().rev() {
        start = Some(letters.next().filter(|(_, b)| b.eq_ignore_ascii_case(&wanted))?.0);
    }
    start
}

/// Whether a part of `name` begins at `start`: `apiKey`, `api_key` and `API2key` contain the part `key`; `monkey` does
/// not.
fn starts_name_part(name: &str, start: usize) -> bool {
    let bytes = name.as_bytes();
    match start.checked_sub(1).and_then(|before| bytes.get(before)) {
        Some(before) if before.is_ascii_lowercase() => bytes.get(start).is_some_and(u8::is_ascii_uppercase),
        Some(before) => !before.is_ascii_uppercase(),
        None => true,
    }
}

fn contains(name: &str, part: &str) -> bool {
    name.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
