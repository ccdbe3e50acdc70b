use proptest::prelude::*;

mod secrets;

use super::{MARKER, redact};

/// A secret, and a text with `{}` in its place.
const TEXTS_WITH_SECRETS: &[(&str, &str)] = &[
    ("se%2Fcret", r#"Get "https://host/path?X-Amz-Signature={}&x=1": EOF"#),
    ("s3cret", "Head https://user:{}@host/v2/: dial tcp: EOF"),
    ("s3cret", "https://{}@host/v2/"),
    ("s3cret", "user:{}@reg.example:5000/team/app:1"),
    ("s3cret", "couldn't parse image name \"user:{}@reg.example/app\": invalid reference format"),
    ("abc.def-ghi", "sent Bearer {}, got 401"),
    ("abc.def-ghi", "authorization: bearer {}"),
    ("abc.def-ghi", "bearer Bearer {}"),
    ("dXNlcjpwYXNz", "Basic {}"),
    ("Negotiate YII abc", "request had Authorization: {}\nnext line"),
    ("Basic dXNlcg==", r#"{\"Authorization\":[\"{}\"]}"#),
    ("deadbeef/+", "X-Amz-Security-Token={} was refused"),
    ("deadbeef/+", "x-goog-signature={}"),
    ("AbC%3D", "https://a.blob.core.windows.net/c/b?sv=2020&se=2030&sig={}"),
    ("AbC%3D", "sig={}"),
    ("2030-01-01", "se={}"),
    ("AbC=", "Signature={}"),
    ("robot@p.iam", "GoogleAccessId={}"),
    ("AKIAIOSFODNN7EXAMPLE", "AWSAccessKeyId={}"),
    ("AKIAIOSFODNN7EXAMPLE", "the key id {} is not known"),
    ("ASIAIOSFODNN7EXAMPLE", "(key {})"),
    ("hunter2", "password={}"),
    ("hunter2", "DB_PASSWORD='{}'"),
    ("hunter 2", r#"client_secret="{}" rest"#),
    ("hunter2", "token={}; retry"),
    ("eyJhbGciOi.eyJzdWIi.sig-_nature", "jwt {}."),
    ("eyJhbGciOi.eyJzdWIi.sig", r"line\n{}"),
    ("dXNlcjpwYXNz", r#"{"auths":{"reg.example":{"auth":"{}"}}}"#),
    ("pa\\\"ss", r#"{"username":"u","password": "{}"}"#),
    ("hunter2", r#"{\"identitytoken\":\"{}\"}"#),
    ("hunter2", "{'secret': '{}'}"),
    ("ghp_0123456789abcdef", "remote: {}"),
    ("gho_0123456789abcdef", "{}"),
    ("ghs_0123456789abcdef", "{}"),
    ("github_pat_0123456789abcdef", "x {}"),
    ("glpat-0123456789abcdef", "x={}"),
    ("dckr_pat_0123456789abcdef", "{}"),
    ("MIIEow\nIBAAK", "key -----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY----- end"),
    // Several labels in a row.
    ("hunter2", "\"auth\": --password {}"),
    ("hunter2", "login password Bearer {} x"),
    ("hunter2", "token= https://user:x {}@reg.example/v2/"),
    ("hunter2", "basic --password {}"),
    ("MIIEow", "cut off -----BEGIN PRIVATE KEY-----\n{}"),
];

/// Texts that resemble secrets and must stay unchanged.
const TEXTS_WITHOUT_SECRETS: &[&str] = &[
    "",
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
    "authorization failed: no basic auth credentials",
    "failed to authorize: failed to fetch oauth token: unexpected status: 403 Forbidden",
    "unable to retrieve auth token: invalid username/password: unauthorized: authentication required",
    r#"Www-Authenticate: Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull""#,
    "reg.example/vault/token:1.0 and reg.example/app@sha256:0123456789abcdef0123456789abcdef",
    "https://reg.example:5000/v2/app/manifests/sha256:0123: 404",
    "nginx:1@sha256:0123 and mail me@reg.example/x or admin@reg.example",
    "docker://reg.example:5000/team/app@sha256:0123: docker://busybox:1.26.2-uclibc: Get https://reg.example:5000: EOF",
    "image \"token:latest\", team/secret:v2, \"vault-token:1.0\", rmeuser-auth:latest",
    "secret \"regcred\" not found; imagePullSecrets: [regcred], serviceAccountName: builder",
    "GET https://x.azurecr.io/oauth2/token: 401 Unauthorized",
    "The provided password or token is incorrect or your account has 2FA enabled",
    "SignatureDoesNotMatch CannotPullContainerError ArtifactregistryRepositoriesDownloadArtifacts InvalidAccessKeyIdException",
    "extract-795119289-7389 sha256:92814310da31c646d0f7882b90637fd3b8701e92de7efa78f81b5b485480d86e",
    "open /var/lib/docker/overlay2/0c51f10c51f10c51f10c51f10c51f1ab/merged: input/output error",
    "https://A1B2C3D4E5F60718293A4B5C6D7E8F90.gr7.eu-west-1.eks.amazonaws.com/v2/: EOF",
    "reg.example/team/app:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b and pod 6b3e2a5c-7f1d-4b8a-9c3e-2d1f0a9b8c7d",
    "http: server gave HTTP response to HTTPS client; basic auth credentials; bearer token: invalid status code",
    "mkdir -p /var/lib/x1; docker run -u 1000:1000 -p 5000:5000",
    "see https://docs.example/why? It says so",
    "a = b, c == d, size=12, code = Unknown",
    "ghp_ and AKIA and eyJ and eyJ.x are too short",
    "Äpfel://und Birnen",
];

fn texts_with_secrets() -> impl Iterator<Item = (&'static str, String)> {
    TEXTS_WITH_SECRETS.iter().map(|(secret, around)| (*secret, around.replace("{}", secret)))
}

#[test]
fn every_known_secret_is_redacted() {
    for (secret, text) in texts_with_secrets() {
        let redacted = redact(&text);
        assert!(!redacted.contains(secret), "{text}\n  became {redacted}");
        assert!(redacted.contains(MARKER), "{text}\n  became {redacted}");
        assert_eq!(redact(&redacted), redacted, "{text}");
    }
}

#[test]
fn a_secret_in_prose_after_a_scheme_is_hidden_once() {
    let once = redact("bearer to\0x:m@l/td:more").into_owned();
    assert_eq!(once, "bearer <redacted>@l/td:more");
    assert_eq!(redact(&once), once);
}

#[test]
fn redaction_is_idempotent_for_long_values() {
    let once = redact(&format!("https{}ghp_{}:m@host/x", "a".repeat(4), "b".repeat(300))).into_owned();
    assert_eq!(redact(&once), once);
    // A secret that contains a quote hides the end of a URL until it is redacted.
    let once = redact("p://a_secret='x\"y'b@host?q").into_owned();
    assert_eq!(redact(&once), once);
    let once = redact("https://a\0b:m?x@host/y").into_owned();
    assert_eq!(redact(&once), once);
    let once = redact(&format!("x:y password={}@host/x", "b".repeat(300))).into_owned();
    assert_eq!(redact(&once), once);
    let once = redact(&format!("a:-ghp_{}@host/x", "b".repeat(300))).into_owned();
    assert_eq!(once, "<redacted>@host/x");
    assert_eq!(redact(&once), once);
}

#[test]
fn text_around_a_secret_is_kept() {
    let cases = [
        (
            r#"Get "https://u:p@h/v2/x?a=b&c=d": dial tcp: EOF"#,
            r#"Get "https://<redacted>@h/v2/x?<redacted>": dial tcp: EOF"#,
        ),
        (
            "GET request to https://acr/token?scope=a%3Ab&service=x: 401 Unauthorized",
            "GET request to https://acr/token?<redacted>: 401 Unauthorized",
        ),
        (r#"{"auth":"eA==","email":"x"}"#, r#"{"auth":"<redacted>","email":"x"}"#),
        ("a -----BEGIN X-----\nq\n-----END X----- b", "a <redacted> b"),
        ("Authorization: Basic x\r\nAccept: */*", "Authorization: <redacted>\r\nAccept: */*"),
        (r#"name=\"x\" password=\"y\" z"#, r#"name=\"x\" password=\"<redacted>\" z"#),
        ("sig=a)", "sig=<redacted>)"),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn ordinary_text_is_borrowed_unchanged() {
    for text in TEXTS_WITHOUT_SECRETS {
        assert!(matches!(redact(text), std::borrow::Cow::Borrowed(same) if same == *text), "{}", redact(text));
    }
}

/// A quarter of a megabyte of near misses. A matcher that read to the end of the text from each of them would need
/// hours and exceed the test runner's time limit.
#[test]
fn near_misses_take_linear_time() {
    for unit in [
        "://",
        "-eyJ",
        "eyJ.",
        "token=)",
        "Bearer realm ",
        "a://b@",
        "\\\\\":",
        "-----BEGIN",
        "?=&",
        "Authorization:\n",
        "ghp_.",
        ",a:",
        ";a:b@c",
        "'password': ",
        "hf_",
        "-u,x,",
        "--password,",
        "password '",
        "password \"\\\"",
        "@",
        "a@",
        "a://b?",
        "://a:b ",
        "x@y.z/ ",
        "token: [",
        "<token>",
        "%3D",
        "\\u0026a=",
        "&a=",
        "cookie=",
        "authorization: failed ",
        "key = ",
        "token: token ",
        "aB1",
        "a/",
        "sk-",
        "\\n",
        "[[",
        "\"token\":[\"",
        "invalid port \":",
        "login -p ",
        "é",
        "x:y ",
        "=>",
        "https://a?u@",
        "ghp_",
        "password is ",
    ] {
        let text = unit.repeat((1 << 18) / unit.len());
        assert!(redact(&text).len() <= text.len() * 5, "{unit}");
    }
}

#[test]
fn values_after_labels_end_and_begin_where_expected() {
    let cases = [
        // The next word is the value, unless it is the name of the next pair.
        ("password= hunter2", "password= <redacted>"),
        ("password= user=bob", "password= user=bob"),
        ("password = ab=cd", "password = <redacted>"),
        ("token=sha256:abc", "token=<redacted>"),
        ("password:failed", "password:<redacted>"),
        ("token: failed to pull", "token: failed to pull"),
        // Escaped line breaks.
        (r"token: \nfailed to pull", r"token: \nfailed to pull"),
        (r"password: \n", r"password: \n"),
        // The last part of a path is a label if a space follows, and never in a URL.
        ("read /run/secrets/token: hunter2", "read /run/secrets/token: <redacted>"),
        ("GET https://reg.example/secrets/token: hunter2", "GET https://reg.example/secrets/token: hunter2"),
        // Queries: all of a URL's, and elsewhere only parameters.
        ("https://h/x?abc", "https://h/x?<redacted>"),
        ("what?abc", "what?abc"),
        ("end of a URL&se=2026&sp=r 403", "end of a URL&se=<redacted> 403"),
        ("end of a URL&page=2 403", "end of a URL&page=<redacted> 403"),
    ];
    for (text, expected) in cases {
        assert_eq!(redact(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn redacting_twice_is_redacting_once(text in "(?s).{0,200}") {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once), once.as_str());
    }

    #[test]
    fn redacting_twice_is_redacting_once_for_text_made_of_shapes(
        parts in prop::collection::vec(prop::sample::select(&[
            "://", "?", "@", "/", "token=", "\"auth\":", "\"", "\\", "'", "Bearer ", "Authorization: ", "eyJ", ".", "x", "-----BEGIN ", "-----END ",
            "-----", "<redacted>", "<", ">", "ghp_12345678", "AKIA", "0123456789ABCDEF", " ", "\n", "&", "=", ":", "sig", "password", "ä", ")", "https",
        ][..]), 0..24),
    ) {
        let text = parts.concat();
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once), once.as_str(), "{:?}", text);
    }

    #[test]
    fn no_secret_survives_between_other_words(index in 0..TEXTS_WITH_SECRETS.len(), before in "[ -~]{0,20}[ ,;(]", after in "[ ,;)][ -~]{0,20}") {
        let (secret, text) = texts_with_secrets().nth(index).unwrap();
        // An open PEM block, header or quote in `before` may cause more to be redacted, never less.
        let redacted = redact(&format!("{before}{text}{after}")).into_owned();
        prop_assert!(!redacted.contains(secret), "{}", redacted);
    }
}
