//! Holds the words that announce a secret, those that begin one, and those that are none.

/// Ends of names, without `_`, `-` and `.`, whose value is a secret: `DB_PASSWORD=…`, `"identitytoken":"…"`, `X-Amz-Signature=…`.
const SECRET_ENDS: &[&str] = &[
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

/// Names of secrets that are also ends of harmless words: they stand alone or behind `_`, `-`, `.` or a small letter that
/// a capital follows.
const SECRET_WORDS: &[&str] = &[
    "key", "auth", "pass", "pw", "pat", "jwt", "bearer", "session", "sid", "otp", "psk", "sas", "sig", "se", "api-key",
    "creds",
];

/// Beginnings of the names of signature parameters of AWS and Google.
const SECRET_NAME_PREFIXES: &[&str] = &["x-amz-", "x-goog-"];

/// Parts of the names of XML elements that hold a secret, as S3 answers a wrong signature.
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

/// The schemes of an `Authorization` header, which also appear without it.
pub(super) const SCHEMES: &[&str] = &["bearer", "basic"];

/// The schemes that are looked for in the header alone: elsewhere they are words.
pub(super) const HEADER_SCHEMES: &[&str] =
    &["bearer", "basic", "digest", "negotiate", "ntlm", "token", "apikey", "aws4-hmac-sha256"];

/// Beginnings of tokens that say what they are, and the least number of token characters after them.
pub(super) const TOKEN_PREFIXES: &[(&str, usize)] = &[
    // AWS: key ids, then session tokens.
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
    // GitHub, GitLab, Bitbucket and Atlassian, Gitea's forks.
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
    // Registries: Docker Hub, OpenShift, JFrog, Hugging Face, DigitalOcean, and package registries beside them.
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
    // Vault and what else keeps or needs secrets.
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

/// Words with which a text goes on that tells no secret: `token: unexpected status`, `Bearer realm="…"`.
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

/// Words that go on as [`ERROR_WORDS`] do where another word follows, and that somebody may have as a password.
const NOUNS: &[&str] = &[
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

/// How much of a name is looked at; S3's longest parameter has 22 bytes.
pub(super) const LONGEST_NAME: usize = 40;

/// Whether a value of this name is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let ends = |known: &&str| start_of_end(name, known).is_some();
    let is_last_word = |known: &&str| start_of_end(name, known).is_some_and(|start| begins_part(name, start));
    SECRET_ENDS.iter().any(ends)
        || SECRET_WORDS.iter().any(is_last_word)
        || SECRET_NAME_PREFIXES.iter().any(|part| contains(name, part))
}

/// Whether an XML element of this name holds a secret.
pub(super) fn is_secret_element(name: &str) -> bool {
    is_secret_name(name) || SECRET_ELEMENTS.iter().any(|part| contains(name, part))
}

/// Whether the name is a header whose value is the rest of the line.
pub(super) fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header))
}

/// Whether a name, which is a secret's, means a password, so that a word behind it may be one without any sign between.
pub(super) fn is_password(word: &str) -> bool {
    ["password", "passwd", "passphrase", "passcode", "pwd"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether an error's text goes on with the words at the start of `text`.
pub(super) fn goes_on(text: &str) -> bool {
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
    is_count || !is_pair && (ERROR_WORDS.iter().any(is) || NOUNS.iter().any(is) && follows())
}

/// Whether the word at the start of `text` is one of a sentence.
pub(super) fn is_prose(text: &str) -> bool {
    let word = first_word(text);
    ERROR_WORDS.iter().chain(NOUNS).any(|known| word.eq_ignore_ascii_case(known))
}

/// Up to punctuation that no password would be expected to end in.
fn first_word(text: &str) -> &str {
    text.split(|c: char| !is_of_word(c)).next().unwrap_or_default()
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\'' | '_' | '-' | '!' | '#' | '$' | '%' | '&' | '*' | '+' | '@' | '~' | '^')
}

/// Where the end of `name` begins that is `end`, in whatever case and with whatever between its words.
fn start_of_end(name: &str, end: &str) -> Option<usize> {
    let mut letters = name.bytes().enumerate().rev().filter(|(_, b)| !matches!(b, b'_' | b'-' | b'.'));
    let mut start = None;
    for wanted in end.bytes().rev() {
        start = Some(letters.next().filter(|(_, b)| b.eq_ignore_ascii_case(&wanted))?.0);
    }
    start
}

/// Whether a part of `name` begins at `start`: `apiKey`, `api_key` and `API2key` have a `key`, `monkey` has none.
fn begins_part(name: &str, start: usize) -> bool {
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
