//! Redaction of generated secrets in all known forms, and preservation of recorded error texts.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::{MARKER, redact};
use crate::cause::classify;

/// Names of secrets in snake case.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "db_password",
    "registry_password",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "identity_token",
    "registry_token",
    "x_vault_token",
    "private_token",
    "job_token",
    "session_token",
    "auth",
    "registry_auth",
    "authorization",
    "proxy_authorization",
    "credential",
    "credentials",
    "key",
    "api_key",
    "apikey",
    "x_api_key",
    "access_key",
    "secret_key",
    "secret_access_key",
    "aws_secret_access_key",
    "account_key",
    "shared_access_key",
    "private_key",
    "signature",
    "x_amz_signature",
    "x_amz_security_token",
    "x_goog_signature",
    "sig",
    "session",
    "session_id",
    "jwt",
    "cookie",
    "client_assertion",
];

/// Spellings of a name.
const CASES: &[fn(&str) -> String] = &[
    |name| name.to_owned(),
    |name| name.to_uppercase(),
    |name| name.replace('_', "-"),
    |name| name.replace('_', "-").to_uppercase(),
    |name| joined(name, "-", true),
    |name| joined(name, "", true),
    |name| joined(name, "", false),
];

fn joined(name: &str, between: &str, first_large: bool) -> String {
    let words = name.split('_').enumerate().map(|(i, word)| {
        let (first, rest) = word.split_at(1);
        if i > 0 || first_large { first.to_uppercase() + rest } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(between)
}

/// Forms of a name and its value: `
///
/// ` is the name, `§` the value.
const KEY_VALUE_FORMS: &[&str] = &[
    "¶=§",
    "¶: §",
    "¶ = §",
    "¶ : §",
    "¶:§",
    "¶='§'",
    "¶=\"§\"",
    "¶: \"§\"",
    "¶: '§'",
    "¶ := \"§\"",
    "'¶' => '§'",
    "¶=>§",
    "{\"¶\":\"§\"}",
    "{\"¶\": \"§\", \"x\": 1}",
    "{\\\"¶\\\":\\\"§\\\"}",
    "{\\\\\\\"¶\\\\\\\":\\\\\\\"§\\\\\\\"}",
    "{'¶': '§'}",
    "{\"¶\":[\"§\"]}",
    "{\"¶\":[\"x\",\"§\"]}",
    "map[¶:[§] Host:[reg.example]]",
    "{¶:§}",
    "https://reg.example/v2/?¶=§",
    "https://reg.example/v2/?a=b&¶=§&c=d",
    "/v2/token?¶=§",
    "data?\nx=y&¶=§",
    "a=b\\u0026¶=§",
    "\\u0026¶=§",
    "¶\\u003d§",
    "¶%3D§",
    "¶%3d§&x=y",
    "x%26¶%3D§%26y",
    "--¶=§",
    "--¶ §",
    "[\"--¶\",\"§\"]",
    "--¶ '§'",
    "export ¶=§",
    "<¶>§</¶>",
    "<a><¶>§</¶></a>",
    "-H \"¶: §\" https://reg.example/v2/",
    "-H '¶: §'",
    "¶: §\r\nHost: reg.example",
    "\n¶: §\nAccept: */*",
    "reg.example;¶=§;User=x",
    "(¶=§)",
    "[¶: §]",
    "failed: ¶: §: EOF",
];

/// Forms of a secret without such a name: `§` is the value.
const OTHER_FORMS: &[&str] = &[
    "https://user:§@reg.example/v2/",
    "https://§@reg.example/v2/",
    "https://§:x-oauth-basic@reg.example/v2/",
    "http://user:§@10.0.0.1:3128",
    "Get \"https://user:§@reg.example/v2/\": EOF",
    "Get https://user:§@reg.example:5000/v2/: dial tcp: i/o timeout",
    "proxyconnect tcp: http://u:§@proxy:8080",
    "user:§@reg.example/app:1",
    "couldn't parse image name \"user:§@reg.example/app:1\": invalid reference format",
    "docker://user:§@reg.example/app@sha256:0123456789abcdef",
    "parse \"https://user:§\": invalid port \":§\" after host",
    "Authorization: Bearer §",
    "authorization: bearer §",
    "AUTHORIZATION: BEARER §",
    "Authorization: Basic §",
    "authorization: basic §",
    "Authorization: token §",
    "Authorization: Negotiate §",
    "Authorization=Bearer §",
    "Bearer §",
    "bearer §",
    "Basic §",
    "basic §,",
    "{\"Authorization\":\"Bearer §\"}",
    "{\\\"authorization\\\":[\\\"Basic §\\\"]}",
    "-H \"Authorization: Bearer §\" https://reg.example",
    "map[Authorization:[Bearer §] Host:[reg.example]]",
    "Proxy-Authorization: Basic §",
    "proxy-authorization: Digest username=x, response=§",
    "Cookie: session=§; path=/",
    "cookie: §",
    "COOKIE: a=b; c=§",
    "Set-Cookie: id=§; HttpOnly",
    "set-cookie: §",
    "{\"cookie\":\"a=§\"}",
    "X-Registry-Auth: §",
    "x-registry-auth: §",
    "X-Registry-Config: §",
    "X-Vault-Token: §",
    "x-vault-token: §",
    "PRIVATE-TOKEN: §",
    "X-JFrog-Art-Api: §",
    "x-api-key: §",
    "X-Auth-Token: §",
    "x-amz-security-token: §",
    "x-goog-iam-authorization-token: §",
    "https://bucket.s3.amazonaws.com/x?X-Amz-Credential=§%2F20260101&X-Amz-Signature=§",
    "https://cdn.example/blob?verify=§",
    "https://a.blob.core.windows.net/c/b?sv=2020&sig=§",
    "data?\nse=§&sp=r",
    "https://x.cloudfront.net/a?Expires=1&Signature=§&Key-Pair-Id=K",
    "docker login -u user -p § reg.example",
    "podman login --username u --password §",
    "curl -u user:§ https://reg.example",
    "curl --user user:§",
    "machine reg.example login user password §",
    "password '§' is wrong",
    "with password \"§\"",
    "the password is §1",
    "{\"auths\":{\"reg.example\":{\"auth\":\"§\"}}}",
    "{\"auths\":{\"reg.example\":{\"username\":\"u\",\"password\":\"§\"}}}",
    ".dockerconfigjson: §",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=§;EndpointSuffix=core.windows.net",
    "Endpoint=sb://x/;SharedAccessKey=§",
    "<AWSAccessKeyId>§</AWSAccessKeyId>",
    "<SignatureProvided>§</SignatureProvided>",
    "<StringToSign>AWS4\n§</StringToSign>",
    "-----BEGIN RSA PRIVATE KEY-----\n§\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\\n§\\n",
];

/// Malformed user information: `§` before and after the character that breaks it.
const BROKEN_URL_FORMS: &[&str] = &[
    "https://user:§#§@reg.example/v2/",
    "https://user:§/§@reg.example/v2/",
    "https://user:§ §@reg.example/v2/",
    "https://user:§?§@reg.example/v2/",
    "https://user:§\\\"§@reg.example/v2/",
    "https://user:§@§@reg.example/v2/",
    "https://user:§:§@reg.example/v2/",
    "https://us er:§@reg.example/v2/",
    "https://user: §@reg.example/v2/",
    "https://user:12 §@reg.example/v2/",
    "https://user:12/§@reg.example/v2/",
    "https://user:§\t§@reg.example/v2/",
    "user:§#§@reg.example/app:1",
    "user:§/§@reg.example/app:1",
    "user:§ §@reg.example/app:1",
    "Get \"https://user:§ §@reg.example/v2/\": EOF",
    "parse \"https://user:§#§@reg.example/v2/\": invalid port \":§\" after host",
];

/// Prefixes, alphabets and lengths of the tokens of issuers. Alphabets: `a` letters and digits, `A` upper-case letters
/// and digits, `h` hexadecimal digits, `-` letters, digits, `-` and `_`.
const ISSUED_TOKENS: &[(&str, char, usize)] = &[
    ("AKIA", 'A', 16),
    ("ASIA", 'A', 16),
    ("IQoJb3JpZ2luX2Vj", 'a', 300),
    ("ya29.", '-', 100),
    ("AIza", '-', 35),
    ("GOCSPX-", '-', 28),
    ("ghp_", 'a', 36),
    ("gho_", 'a', 36),
    ("ghu_", 'a', 36),
    ("ghs_", 'a', 36),
    ("ghr_", 'a', 36),
    ("github_pat_", 'a', 82),
    ("glpat-", '-', 20),
    ("glrt-", '-', 20),
    ("glrtr-", '-', 20),
    ("gldt-", '-', 20),
    ("glcbt-", '-', 24),
    ("glptt-", 'h', 40),
    ("glft-", '-', 20),
    ("glsoat-", '-', 20),
    ("glimt-", '-', 25),
    ("glagent-", '-', 50),
    ("ATATT3xFfGF0", '-', 170),
    ("ATBB", 'a', 32),
    ("dckr_pat_", '-', 27),
    ("dckr_oat_", '-', 32),
    ("sha256~", '-', 43),
    ("AKCp", 'a', 69),
    ("cmVmdGtuOjAx", 'a', 52),
    ("hf_", 'a', 34),
    ("dop_v1_", 'h', 64),
    ("npm_", 'a', 36),
    ("pypi-AgEI", '-', 150),
    ("hvs.", '-', 90),
    ("hvb.", '-', 140),
    ("xoxb-1234567890-", 'a', 24),
    ("xapp-1-", 'a', 60),
    ("sk-", 'a', 48),
    ("sk_live_", 'a', 24),
    ("SG.", '-', 66),
    ("glsa_", 'a', 32),
    ("dapi", 'h', 32),
    ("pul-", 'h', 40),
    ("tskey-auth-", 'a', 17),
    ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.", '-', 43),
    // Issuers that are not in the table.
    ("", 'a', 40),
    ("", 'a', 64),
    ("", 'h', 40),
    ("Zq9", 'a', 52),
    ("corp_", 'a', 40),
];

/// Text before and after a secret.
const SURROUNDINGS: &[(&str, &str)] = &[
    ("", ""),
    ("error: ", ": EOF"),
    ("(", ")"),
    ("\"", "\""),
    ("'", "'"),
    ("line\\n", "\\nline"),
    ("a\n", "\nb"),
    ("[", "]"),
    ("{", "}"),
    ("`", "`"),
    ("failed to pull and unpack image \"reg.example/team/app:1.2\": ", ""),
    ("Server message: ", " - denied"),
    ("got ", ", want another"),
    ("Ä ", " ö"),
    ("<p>", "</p>"),
    ("x, ", "; y"),
];

fn made_of(alphabet: char, len: usize) -> impl Strategy<Value = String> {
    let pattern = match alphabet {
        'A' => "[A-Z2-7]",
        'h' => "[0-9a-f]",
        '-' => "[A-Za-z0-9_-]",
        _ => "[A-Za-z0-9]",
    };
    proptest::string::string_regex(&format!("{pattern}{{{len}}}")).unwrap()
}

/// A secret that a person or a program chose: not an ordinary word.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "hunter[0-9]{2,6}",
        "[a-z]{3,8}[0-9]{2,4}[A-Z]{0,4}",
        "zq[a-z]{6,20}",
        "[A-Za-z0-9]{5}[!$*~^+][A-Za-z0-9]{5}",
        "[a-z][A-Za-z0-9_-]{11}q7[A-Za-z0-9]{12}",
        "[A-Z][A-Za-z0-9+]{23}q7[A-Za-z0-9/+]{20}[A-Za-z0-9]==",
    ]
}

/// Whether `least` consecutive characters of the secret, or all of it, are still in the text.
fn leaks(redacted: &str, secret: &str, least: usize) -> bool {
    let len = secret.len().min(least);
    (0..=secret.len() - len).any(|start| redacted.contains(&secret[start..start + len]))
}

fn check(form: &str, secret: &str, around: usize, least: usize) -> Result<(), TestCaseError> {
    let (before, after) = SURROUNDINGS[around];
    let text = format!("{before}{form}{after}");
    let redacted = redact(&text).into_owned();
    prop_assert!(!leaks(&redacted, secret, least), "{text}\n  became {redacted}");
    prop_assert!(redacted.contains(MARKER), "{text}\n  became {redacted}");
    prop_assert_eq!(redact(&redacted), redacted.as_str());
    prop_assert!(redacted.len() <= text.len() * 5);
    Ok(())
}

/// Every form once, with fixed secrets.
#[test]
fn no_form_leaks_a_secret() {
    let mut leaked = String::new();
    let mut forms = 0;
    for secret in ["hunter22", "zqcorrecthorse", "S3cr3t!Value", "q7Zx1LmNo9PqRsTuVwXy2AbC"] {
        let named = NAMES
            .iter()
            .flat_map(|name| CASES.iter().map(|case| case(name)))
            .flat_map(|name| KEY_VALUE_FORMS.iter().map(move |pair| pair.replace('¶', &name).replace('§', secret)));
        let placed = OTHER_FORMS.iter().chain(BROKEN_URL_FORMS).map(|place| place.replace('§', secret));
        for text in named.chain(placed) {
            forms += 1;
            let redacted = redact(&text);
            if leaks(&redacted, secret, 5) || redact(&redacted) != redacted {
                writeln!(leaked, "{text:?} became {redacted:?}").unwrap();
            }
        }
    }
    assert!(leaked.is_empty(), "{} of {forms}\n{leaked}", leaked.lines().count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_named_secret_is_hidden(
        name in prop::sample::select(NAMES), case in prop::sample::select(CASES), pair in prop::sample::select(KEY_VALUE_FORMS),
        secret in value(), around in 0..SURROUNDINGS.len(),
    ) {
        check(&pair.replace('¶', &case(name)).replace('§', &secret), &secret, around, 6)?;
    }

    #[test]
    fn a_secret_in_another_form_is_hidden(
        place in prop::sample::select([OTHER_FORMS, BROKEN_URL_FORMS].concat()), secret in value(), around in 0..SURROUNDINGS.len(),
    ) {
        check(&place.replace('§', &secret), &secret, around, 6)?;
    }

    #[test]
    fn an_issued_token_is_hidden_in_any_surroundings(
        (prefix, secret) in prop::sample::select(ISSUED_TOKENS).prop_flat_map(|(prefix, alphabet, len)| (Just(prefix), made_of(alphabet, len))),
        around in 0..SURROUNDINGS.len(),
        place in prop::sample::select(&["§", "the id § is not known", "x=§", "https://§@reg.example/x", "jwt §.", "remote: §", "got \"§\"", "\\\"§\\\""][..]),
    ) {
        check(&place.replace('§', &format!("{prefix}{secret}")), &secret, around, 16)?;
    }
}

/// Returns the recorded error texts.
fn recorded_errors() -> Vec<String> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    let files = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "tsv"));
    let mut messages = Vec::new();
    for path in tables {
        let table = std::fs::read_to_string(path).unwrap();
        let mut rows = table.lines();
        let column = rows.next().unwrap().split('\t').position(|column| column == "message").unwrap();
        messages.extend(rows.filter_map(|row| row.split('\t').nth(column)).map(str::to_owned));
    }
    assert!(messages.len() > 650);
    messages
}

#[test]
fn recorded_errors_keep_their_cause() {
    for message in recorded_errors() {
        assert_eq!(classify("", &redact(&message)), classify("", &message), "{}", redact(&message));
    }
}

/// Text that recorded errors lose in addition to queries: a decoded credential, and a name that appears random.
const ACCEPTED_LOSSES: &[&str] = &["invalid decoded auth: \"", "windowsservercore:10.0.14393.2430_en-us_"];

#[test]
fn recorded_errors_lose_only_queries() {
    for message in recorded_errors() {
        let redacted = redact(&message);
        let mut rest = message.as_str();
        for piece in redacted.split(MARKER) {
            let at = rest.find(piece).expect(&redacted);
            rest = &rest[at + piece.len()..];
        }
        let pieces: Vec<&str> = redacted.split(MARKER).collect();
        let (_, before) = pieces.split_last().unwrap();
        let is_known =
            |piece: &str| piece.ends_with(['?', '=']) || ACCEPTED_LOSSES.iter().any(|lost| piece.ends_with(lost));
        assert!(before.iter().all(|piece| is_known(piece)), "{message}\n  became {redacted}");
    }
}

/// Returns the hosts, image references, paths, digests and statuses in a text.
fn words_that_decide(message: &str) -> Vec<String> {
    let is_delimiter = |c: char| c.is_whitespace() || "\"'`(){}<>,\\".contains(c);
    let words = message
        .split(is_delimiter)
        .map(|word| word.split('?').next().unwrap_or_default().trim_end_matches([':', ';', '.']));
    let is_status = |word: &str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
    let tells = |word: &&str| {
        (word.contains(['/', ':', '.']) || is_status(word))
            && ACCEPTED_LOSSES.iter().all(|lost| !lost.contains(*word) && !word.contains("en-us_"))
    };
    words.filter(tells).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// A secret next to a recorded error is redacted, and the error is kept.
    #[test]
    fn redacting_a_secret_keeps_the_recorded_error(
        message in prop::sample::select(recorded_errors()), name in prop::sample::select(NAMES), case in prop::sample::select(CASES),
        secret in value(), form in prop::sample::select(&["\n¶: §", "\n¶=§", " {\"¶\":\"§\"}", "\nAuthorization: Bearer §", " https://u:§@h/"][..]),
    ) {
        let text = format!("{message}{}", form.replace('¶', &case(name)).replace('§', &secret));
        let redacted = redact(&text).into_owned();
        prop_assert!(!leaks(&redacted, &secret, 6), "{}", redacted);
        for word in words_that_decide(&message) {
            prop_assert!(redacted.contains(&word), "{word} is lost: {redacted}");
        }
    }
}
