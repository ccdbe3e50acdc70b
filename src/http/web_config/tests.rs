use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use ring::error::Unspecified;

use super::{WebConfig, load};

/// A folder with a certificate and its key, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("image-pull-exporter-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path.join("tls.crt"), cert.pem()).unwrap();
        fs::write(path.join("tls.key"), signing_key.serialize_pem()).unwrap();
        let CertifiedKey { signing_key, .. } = generate_simple_self_signed(["other".to_owned()]).unwrap();
        fs::write(path.join("other.key"), signing_key.serialize_pem()).unwrap();
        Self(path)
    }

    fn load(&self, text: &str) -> Result<WebConfig, String> {
        let file = self.0.join("web.yml");
        fs::write(&file, text).unwrap();
        let prefix = format!("{}/", self.0.display());
        load(&file).map_err(|error| error.lines().collect::<Vec<_>>().join("\n").replace(&prefix, ""))
    }

    #[track_caller]
    fn rejects(&self, text: &str, expected: &str) {
        match self.load(text) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(problems) => assert!(problems.contains(expected), "{text}\n{problems}"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key on the curve P-521, generated for this test.
const P521_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIICBzCCAWigAwIBAgIUUQSjVQdeaL805Z5aNuI5zqNEETYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJcDUyMSB0ZXN0MCAXDTI2MTEyNTA4NDk0N1oYDzIxMjYxMTAx
MDg0OTQ3WjAUMRIwEAYDVQQDDAlwNTIxIHRlc3QwgZswEAYHKoZIzj0CAQYFK4EE
ACMDgYYABAHB6qgUBYuWNH2Wzpp+1CUdLz8LIcRdpVf4mNjgztQhJ2BYEk+jEFaq
vrzfLpy8DigrAAzmgLMAD09PEjcA0XobcwH/ywACjyhaJ23sI7dNVcZbteFytfhg
owIjsP2rONJLAMOLLFogutcLtK3R4GII0cm7HSHmm9Zk5L24HpxEr+5h9KNTMFEw
HQYDVR0OBBYEFLdSCpVpcftHL6I0VhC+pfgCIjakMB8GA1UdIwQYMBaAFLdSCpVp
cftHL6I0VhC+pfgCIjakMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDgYwA
MIGIAkIBZMcecQfM/Nyw+HVwpuNGoVkXJRu8tp4j2NPpSw4idzQVZ98PZ6je/AUv
7L2kvLlVthJIzDizCBK2vA799Z+0vWACQgGEOAQRdwjMTGPC724cSZeAnk9VU5hw
e4ih2B6BAHNT6WkqF5xgt7Jlikyvna6ihtmSrYienAJJeCtmlp90hXbPZQ==
-----END CERTIFICATE-----
";
const P521_KEY: &str = "
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAFTG0quT/YU6zMZIL
70i5yAyOjyCHa+IvCsqeJP/9gnbyFAFp75IaWbxrC940dyujXg2Ip5uTDujkCiy5
nCWLtCKhgYkDgYYABAHB6qgUBYuWNH2Wzpp+1CUdLz8LIcRdpVf4mNjgztQhJ2BY
Ek+jEFaqvrzfLpy8DigrAAzmgLMAD09PEjcA0XobcwH/ywACjyhaJ23sI7dNVcZb
teFytfhgowIjsP2rONJLAMOLLFogutcLtK3R4GII0cm7HSHmm9Zk5L24HpxEr+5h
9A==
";

const HASH: &str = "$2y$04$DZ7pAw50zLjj1gkI93iKp.5QZwQh86mCQZQSYMvFWoXElgMFXPg.m";
const TLS: &str = "tls_server_config: {cert_file: tls.crt, key_file: tls.key";

#[test]
fn a_file_that_sets_nothing_changes_nothing() {
    let folder = Folder::new("nothing");
    for text in ["", "# a comment\n", "tls_server_config:\nbasic_auth_users:\n", "http_server_config: {http2: false}"] {
        let config = folder.load(text).unwrap();
        assert!(
            !config.has_tls() && !config.has_basic_auth() && config.rate_limiter.is_none() && config.headers.is_empty(),
            "{text}"
        );
    }
}

#[test]
fn every_toolkit_option_is_accepted() {
    let folder = Folder::new("everything");
    let text = format!(
        "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
         client_ca_file: tls.crt\n  client_allowed_sans: [prometheus, 10.0.0.1, 'spiffe://x/y']\n  min_version: TLS12\n  \
         max_version: TLS13\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n  \
         prefer_server_cipher_suites: false\n  curve_preferences: [CurveP256, X25519]\n\
         http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n    \
         X-XSS-Protection: ''\n    Strict-Transport-Security: max-age=31536000\n    Content-Security-Policy: default-src 'none'\n\
         basic_auth_users:\n  alice: {HASH}\n  bob: {HASH}\nrate_limit:\n  interval: 1m30s\n  burst: 20\n"
    );
    let config = folder.load(&text).unwrap();
    assert!(config.has_tls() && config.has_basic_auth() && config.rate_limiter.is_some());
    let headers: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers.len(), 4, "{headers:?}");
    assert!(headers.contains(&("x-frame-options", "deny")));
}

#[test]
fn certificates_may_be_inline() {
    let folder = Folder::new("inline");
    let indented = |name: &str| fs::read_to_string(folder.0.join(name)).unwrap().replace('\n', "\n    ");
    let (cert, key) = (indented("tls.crt"), indented("tls.key"));
    let config = folder.load(&format!("tls_server_config:\n  cert: |\n    {cert}\n  key: |\n    {key}\n")).unwrap();
    assert!(config.has_tls());
}

#[test]
fn problems_are_reported_with_their_position() {
    let folder = Folder::new("wrong");
    for (text, expected) in [
        ("tls_server_confg: {}", "web.yml:1:1: unknown field"),
        ("\n\nbasic_auth_users: [a]", "web.yml:3:"),
        ("a: b: c", "web.yml:1:"),
        ("tls_server_config: {cert_file: tls.crt}", "web.yml:1:20: TLS requires key or key_file"),
        ("tls_server_config: {key_file: tls.key}", "TLS requires cert or cert_file"),
        ("tls_server_config: {cert_file: none.crt, key_file: tls.key}", "cannot read none.crt: No such file"),
        ("tls_server_config: {cert_file: tls.key, key_file: tls.key}", "tls.key: no PEM certificate found"),
        ("tls_server_config: {cert_file: tls.crt, key_file: tls.crt}", "tls.crt: no unencrypted PEM private key found"),
        ("tls_server_config: {cert_file: tls.crt, key_file: other.key}", "cannot use certificate and key"),
        (
            "tls_server_config: {cert: x, cert_file: tls.crt, key_file: tls.key}",
            "cert and cert_file are mutually exclusive",
        ),
        (&format!("{TLS}, min_version: TLS10}}"), "unknown variant"),
        (&format!("{TLS}, min_version: TLS13, max_version: TLS12}}"), "min_version is higher than max_version"),
        (&format!("{TLS}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}"), "supported: TLS_AES_256_GCM_SHA384"),
        (
            &format!("{TLS}, cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12}}"),
            "no supported cipher suite for TLS 1.2",
        ),
        (
            &format!("{TLS}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA], max_version: TLS12}}"),
            "no supported cipher suite for TLS 1.2",
        ),
        (&format!("{TLS}, curve_preferences: [CurveP224]}}"), "unknown curve \"CurveP224\"; supported: X25519"),
        (&format!("{TLS}, curve_preferences: [CurveP521]}}"), "no supported curve: CurveP521 is not supported"),
        (&format!("{TLS}, client_auth_type: Sometimes}}"), "unknown variant"),
        (&format!("{TLS}, client_ca_file: tls.crt}}"), "client_ca has no effect without client_auth_type"),
        (&format!("{TLS}, client_allowed_sans: [a]}}"), "client_allowed_sans requires verified certificates"),
        ("http_server_config: {headers: {X-Frame-Options: maybe}}", ":1:49: value must be deny or sameorigin"),
        ("http_server_config: {headers: {Server: x}}", "unknown field `Server`"),
        ("http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}", "must not contain control characters"),
        ("basic_auth_users: {alice: secret}", ":1:27: user \"alice\": not a bcrypt hash"),
        (
            "basic_auth_users: {alice: $2y$32$DZ7pAw50zLjj1gkI93iKp.5QZwQh86mCQZQSYMvFWoXElgMFXPg.m}",
            "not a bcrypt hash",
        ),
        (&format!("basic_auth_users: {{a: {HASH}, a: {HASH}}}"), "web.yml:1:"),
        (&format!("basic_auth_users: {{'a:b': {HASH}}}"), "names must not contain a colon"),
        ("rate_limit: {interval: often, burst: 1}", "interval must be a duration"),
        ("rate_limit: {interval: -1s, burst: 1}", "interval must be a duration"),
        ("rate_limit: {interval: 99999999999999999999h, burst: 1}", "interval must be a duration"),
        ("rate_limit: {interval: 9223372036854775807s, burst: 1}", ":1:24: interval must be at most 2562047h"),
        ("rate_limit: {interval: 2562048h, burst: 1}", "interval must be at most 2562047h"),
        ("rate_limit: {interval: 18446744073709551615, burst: 1}", "interval must be at most 2562047h"),
        ("rate_limit: {interval: 1s, burst: 99999999999}", "web.yml:1:"),
        ("rate_limit: {interval: 1s}", "a burst of 0 rejects every request"),
    ] {
        folder.rejects(text, expected);
    }
}

#[test]
fn options_unsupported_by_rustls_are_ignored_with_a_warning() {
    let folder = Folder::new("left-out");
    let text = format!(
        "{TLS}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], \
         curve_preferences: [CurveP521, CurveP384]}}"
    );
    let config = folder.load(&text).unwrap();
    assert!(config.has_tls());
    let notes = config.warnings();
    assert!(notes.len() == 2 && notes.iter().all(|note| note.starts_with("ignoring unsupported c")), "{notes:?}");
}

#[test]
fn unsupported_keys_are_reported() {
    let folder = Folder::new("p521");
    fs::write(folder.0.join("p521.crt"), P521_CERTIFICATE).unwrap();
    // Split, so that scanners for committed keys do not report this file.
    let kind = "PRIVATE KEY";
    fs::write(folder.0.join("p521.key"), format!("-----BEGIN {kind}-----{P521_KEY}-----END {kind}-----\n")).unwrap();
    folder.rejects(
        "tls_server_config: {cert_file: p521.crt, key_file: p521.key}",
        "unsupported private key (supported: ECDSA with P-256 or P-384, Ed25519, RSA with 2048 to",
    );
    let verifying = "client_auth_type: RequireAndVerifyClientCert, client_ca_file";
    folder.rejects(
        &format!("{TLS}, {verifying}: p521.crt}}"),
        "cannot use client CA: only RSA, ECDSA with P-256 or P-384, and Ed25519 keys are supported",
    );
    let both = fs::read_to_string(folder.0.join("tls.crt")).unwrap() + P521_CERTIFICATE;
    fs::write(folder.0.join("both.crt"), both).unwrap();
    let config = folder.load(&format!("{TLS}, {verifying}: both.crt}}")).unwrap();
    assert_eq!(config.warnings(), ["ignoring 1 client CAs with unsupported keys"]);
    assert!(folder.load(&format!("{TLS}, {verifying}: tls.crt}}")).unwrap().warnings().is_empty());
}

#[test]
fn the_longest_intervals_limit_and_none_ends_the_process() {
    let folder = Folder::new("intervals");
    for interval in ["2562047h", "9223372036854775807", "100", "1ns"] {
        for burst in [1, u32::MAX] {
            let config = folder.load(&format!("rate_limit: {{interval: {interval}, burst: {burst}}}")).unwrap();
            let rate = config.rate_limiter.unwrap();
            assert!(rate.try_acquire(tokio::time::Instant::now()), "{interval} {burst}");
            rate.try_acquire(tokio::time::Instant::now());
        }
    }
    assert!(folder.load("rate_limit: {interval: 0, burst: 0}").unwrap().rate_limiter.is_none());
}

#[test]
fn without_randomness_loading_fails() {
    let error = super::file::password_verifier("web.yml".as_ref(), Err(Unspecified)).unwrap_err();
    assert_eq!(error.to_string(), "web.yml: cannot generate a random key: the system provides no random numbers");
    // Users in the file are always users of the configuration.
    let folder = Folder::new("randomness");
    let config = folder.load(&format!("basic_auth_users: {{alice: {HASH}}}")).unwrap();
    assert!(config.has_basic_auth() && config.protection.basic_auth);
}

#[test]
fn all_problems_are_reported_without_secrets() {
    let folder = Folder::new("all");
    let text = "basic_auth_users:\n  alice: hunter2\n  bob: hunter3\ntls_server_config:\n  cert_file: none.crt\n  key_file: \
                none.key\n  curve_preferences: [no]\nhttp_server_config: {headers: {X-Frame-Options: no}}\n";
    let problems = folder.load(text).err().unwrap();
    assert_eq!(problems.lines().count(), 6, "{problems}");
    assert!(!problems.contains("hunter"), "{problems}");
    let problems =
        folder.load("tls_server_config: {key: [hunter2]}\nbasic_auth_users: {a: {b: hunter3}}").err().unwrap();
    assert!(!problems.contains("hunter"), "{problems}");
}

#[test]
fn an_unreadable_file_is_reported() {
    let folder = Folder::new("unreadable");
    let problems = load(&folder.0.join("none.yml")).err().unwrap().to_string();
    assert!(problems.contains("none.yml: cannot read file: No such file"), "{problems}");
    fs::write(folder.0.join("web.yml"), b"\xff\xfe").unwrap();
    assert!(load(&folder.0.join("web.yml")).err().unwrap().to_string().contains("cannot read file"));
}
