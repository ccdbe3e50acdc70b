//! Authentication of real clients: curl and Prometheus over TLS, with certificates, passwords and tokens.
//!
//! Needs curl and Prometheus on the PATH (`tests/run` installs them).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::pki::Authority;
use crate::common::prometheus::Prometheus;
use crate::common::{Program, TIME_LIMIT, eventually, get, sum, timed};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Runs curl. Returns the status code, 0 without a response, and the body.
fn curl(port: u16, path: &str, flags: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"])
        .args(flags)
        .arg(format!("https://localhost:{port}{path}"))
        .output()
        .expect("curl runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, code) = said.rsplit_once('\n').expect("curl tells the code");
    (code.parse().expect("a code is a number"), body.to_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn demo(config: &str) -> Program {
    Program::start(&["demo", "--speed", "100", "--web.config.file", config])
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

#[test]
fn plain_http_is_rejected_when_tls_is_configured() {
    let authority = Authority::new("tls");
    authority.sign("server", &["localhost"]);
    let program = demo(&authority.write("web.yml", &format!("{TLS}  min_version: TLS13\n")));
    let ca = authority.path("ca.crt");
    assert_eq!(curl(program.port, "/livez", &["--cacert", &ca]), (200, "ok\n".to_owned()));
    assert_eq!(curl(program.port, "/livez", &["--cacert", &ca, "--tls-max", "1.2"]).0, 0);
    assert_eq!(curl(program.port, "/livez", &[]).0, 0, "curl does not know the authority");
    // No response is sent in clear text.
    let mut stream = TcpStream::connect(("127.0.0.1", program.port)).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.len() < 100 && !answer.starts_with(b"HTTP"), "{answer:?}");
    eventually(|| match curl(program.port, "/metrics", &["--cacert", &ca]) {
        (200, body) if sum(&body, "image_pull_exporter_http_refusals_total{reason=\"tls_handshake\"") >= 3.0 => Ok(()),
        (_, body) => Err(body.chars().take(200).collect()),
    });
}

#[test]
fn http2_is_offered_over_tls_unless_disabled() {
    let authority = Authority::new("http2");
    authority.sign("server", &["localhost"]);
    let ca = authority.path("ca.crt");
    let version = |program: &Program, flag: &str| {
        let flags = ["--cacert", &ca, flag, "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\n"];
        let url = format!("https://localhost:{}/metrics", program.port);
        let output = Command::new("curl").args(["--silent", "--max-time", "20"]).args(flags).arg(url).output();
        String::from_utf8_lossy(&output.expect("curl runs").stdout).trim().to_owned()
    };
    let program = demo(&authority.write("web.yml", TLS));
    eventually(|| match [version(&program, "--http2"), version(&program, "--http1.1")] {
        versions if versions == ["2 200", "1.1 200"] => Ok(()),
        versions => Err(versions.join(", ")),
    });
    let program = demo(&authority.write("web.yml", &format!("{TLS}http_server_config:\n  http2: false\n")));
    eventually(|| match version(&program, "--http2") {
        version if version == "1.1 200" => Ok(()),
        version => Err(version),
    });
}

#[test]
fn every_client_auth_type_is_enforced() {
    let (authority, other) = (Authority::new("clients"), Authority::new("clients-other"));
    authority.sign("server", &["localhost"]);
    authority.sign("client", &["prometheus.monitoring", "10.1.2.3"]);
    other.sign("client", &["prometheus.monitoring"]);
    let ca = authority.path("ca.crt");
    let cert = |of: &Authority| [of.path("client.crt"), of.path("client.key")];
    let (own, foreign) = (cert(&authority), cert(&other));
    let with = |cert: &[String; 2]| ["--cert".to_owned(), cert[0].clone(), "--key".to_owned(), cert[1].clone()];
    // Without a certificate, with one of another CA, with a valid one.
    let verified = "RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans";
    for (kind, expected) in [
        ("NoClientCert", [200, 200, 200]),
        ("RequestClientCert", [200, 200, 200]),
        ("RequireAnyClientCert", [0, 200, 200]),
        ("VerifyClientCertIfGiven\n  client_ca_file: ca.crt", [200, 0, 200]),
        ("RequireAndVerifyClientCert\n  client_ca_file: ca.crt", [0, 0, 200]),
        (&format!("{verified}: [prometheus.monitoring]"), [0, 0, 200]),
        (&format!("{verified}: [grafana, 10.1.2.3]"), [0, 0, 200]),
        (&format!("{verified}: [prometheus, 10.1.2.4, monitoring]"), [0, 0, 0]),
    ] {
        let program = demo(&authority.write("web.yml", &format!("{TLS}  client_auth_type: {kind}\n")));
        for version in ["1.2", "1.3"] {
            let ask = |more: &[String]| {
                let more: Vec<&str> = more.iter().map(String::as_str).collect();
                curl(program.port, "/livez", &[&["--cacert", &ca, "--tls-max", version][..], &more].concat()).0
            };
            assert_eq!([ask(&[]), ask(&with(&foreign)), ask(&with(&own))], expected, "{kind} TLS {version}");
        }
    }
}

/// Hashes of two passwords, with the lowest cost.
fn users() -> String {
    let hash = |password: &str| bcrypt::hash(password, 4).expect("it can be hashed");
    format!("basic_auth_users:\n  prometheus: {}\n  alice: {}\n", hash("open sesame"), hash("rabbit:hole"))
}

#[test]
fn prometheus_scrapes_with_a_certificate_and_a_password() {
    let authority = Authority::new("prometheus");
    authority.sign("server", &["localhost", "127.0.0.1"]);
    authority.sign("client", &["prometheus"]);
    let config = format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: \
         [prometheus]\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n{}",
        users()
    );
    let program = demo(&authority.write("web.yml", &config));
    let file = |name: &str| authority.path(name);
    let scrape = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: image-pull\n  scheme: https\n  \
         honor_labels: true\n  basic_auth: {{username: prometheus, password: open sesame}}\n  tls_config: {{ca_file: {}, \
         cert_file: {}, key_file: {}}}\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        file("ca.crt"),
        file("client.crt"),
        file("client.key"),
        program.port
    );
    let prometheus = Prometheus::start("secure", &scrape, &[]);
    prometheus.wait_for_scrapes(5.0);
    assert!(prometheus.query("sum(image_pull_failing)").is_ok_and(|failing| failing > 10.0));
    assert_eq!(prometheus.query("image_pull_exporter_config_last_reload_successful"), Ok(1.0));
    let flags = [
        "--cacert",
        &file("ca.crt"),
        "--cert",
        &file("client.crt"),
        "--key",
        &file("client.key"),
        "--dump-header",
        "-",
    ];
    let (code, answer) = curl(program.port, "/metrics", &[&flags[..], &["--user", "alice:rabbit:hole"]].concat());
    assert_eq!((code, answer.contains("x-frame-options: deny")), (200, true));
    for user in ["alice:rabbit", "bob:rabbit:hole", ":"] {
        let (code, answer) = curl(program.port, "/metrics", &[&flags[..], &["--user", user]].concat());
        assert_eq!((code, answer.contains("www-authenticate: Basic")), (401, true), "{user}: {answer}");
    }
}

#[test]
fn certificates_rotate_under_load_without_failed_requests() {
    let (first, second) = (Authority::new("rotation"), Authority::new("rotation-second"));
    first.sign("server", &["localhost"]);
    second.sign("server", &["localhost"]);
    let program = demo(&first.write("web.yml", TLS));
    let (first_ca, second_ca) = (first.path("ca.crt"), second.path("ca.crt"));
    let both = std::fs::read_to_string(&first_ca).expect("it is there")
        + &std::fs::read_to_string(&second_ca).expect("it is there");
    let both = first.write("both.crt", &both);
    assert_eq!(curl(program.port, "/livez", &["--cacert", &second_ca]).0, 0);

    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let (code, said) = curl(program.port, "/livez", &["--cacert", &both]);
                    assert_eq!(code, 200, "{said}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // curl sends all requests on one connection, which stays open during the changes.
        let long = scope.spawn(|| {
            let url = format!("https://localhost:{}/livez?[1-8]", program.port);
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--rate", "1/s", "--cacert", &both, "--output", "/dev/null"]);
            curl.args(["--write-out", "%{http_code}/%{num_connects} ", &url]);
            let output = curl.output().expect("curl runs");
            String::from_utf8(output.stdout).expect("it is text")
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for (from, old_ca, new_ca) in [(&second, &first_ca, &second_ca)] {
                for file in ["server.crt", "server.key"] {
                    first.write(file, &std::fs::read_to_string(from.path(file)).expect("it is there"));
                }
                eventually(|| match curl(program.port, "/livez", &["--cacert", new_ca]) {
                    (200, _) => Ok(()),
                    (_, said) => Err(said),
                });
                assert_eq!(curl(program.port, "/livez", &["--cacert", old_ca]).0, 0);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        let said = long.join().expect("the long connection was served");
        assert!(said.contains("200/1") && said.matches("200/0").count() == 7, "{said}");
        ended.expect("the certificate changes");
    });
    assert!(asked.load(Ordering::Relaxed) > 10, "{asked:?}");
}

#[test]
fn an_invalid_file_keeps_the_previous_configuration() {
    let authority = Authority::new("reload");
    authority.sign("server", &["localhost"]);
    let program = demo(&authority.write("web.yml", &format!("{TLS}{}", users())));
    let ask = |user: &str| curl(program.port, "/metrics", &["--cacert", &authority.path("ca.crt"), "--user", user]);
    let is_loaded = |expected: f64| {
        eventually(|| match ask("alice:rabbit:hole") {
            (200, body) if sum(&body, "image_pull_exporter_config_last_reload_successful") == expected => Ok(()),
            (code, body) => {
                Err(format!("{code} {}", body.lines().filter(|line| line.contains("reload")).collect::<String>()))
            }
        });
    };
    is_loaded(1.0);
    // Malformed; missing; without protection.
    for bad in [&format!("{TLS}  min_version: SSL3\n{}", users()), "", &users(), TLS] {
        authority.write("web.yml", bad);
        is_loaded(0.0);
        assert_eq!(ask("mallory:x").0, 401);
        authority.write("web.yml", &format!("{TLS}{}", users()));
        is_loaded(1.0);
    }
    let hash = bcrypt::hash("new", 4).expect("it can be hashed");
    authority.write("web.yml", &format!("{TLS}basic_auth_users: {{carol: {hash}}}\n"));
    eventually(|| match ask("carol:new").0 {
        200 => Ok(()),
        code => Err(code.to_string()),
    });
    assert_eq!(ask("alice:rabbit:hole").0, 401);
}

/// A configuration with TLS that requires a client certificate of its CA with one name.
const MUTUAL: &str =
    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: [me]\n";

#[test]
fn a_reload_cannot_drop_client_certificates() {
    let authority = Authority::new("demand");
    authority.sign("server", &["localhost"]);
    authority.sign("client", &["me"]);
    let [ca, cert, key] = ["ca.crt", "client.crt", "client.key"].map(|file| authority.path(file));
    let config = authority.write("web.yml", &format!("{TLS}{MUTUAL}"));
    // The system also trusts the CA, so the handshake succeeds with either source of it.
    let arguments = ["demo", "--speed", "100", "--web.config.file", &config];
    let program = Program::start_with(0, &arguments, &[("SSL_CERT_FILE", &ca)]);
    let with_certificate = ["--cacert", &ca, "--cert", &cert, "--key", &key];
    let is_loaded = |expected: f64| {
        eventually(|| match curl(program.port, "/metrics", &with_certificate) {
            (200, body) if sum(&body, "image_pull_exporter_config_last_reload_successful") == expected => Ok(()),
            (code, _) => Err(format!("{code}, not {expected}")),
        });
    };
    for weaker in [
        String::new(),
        "  client_auth_type: RequestClientCert\n".to_owned(),
        "  client_auth_type: RequireAnyClientCert\n".to_owned(),
        MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
        MUTUAL.replace("  client_ca_file: ca.crt\n", ""),
        MUTUAL.replace("  client_allowed_sans: [me]\n", ""),
    ] {
        authority.write("web.yml", &format!("{TLS}{weaker}"));
        is_loaded(0.0);
        assert_eq!(curl(program.port, "/livez", &["--cacert", &ca]).0, 0, "{weaker}");
        authority.write("web.yml", &format!("{TLS}{MUTUAL}"));
        is_loaded(1.0);
    }
}

#[test]
fn without_a_client_ca_the_system_roots_are_used() {
    let (system, other) = (Authority::new("roots"), Authority::new("roots-other"));
    system.sign("server", &["localhost"]);
    system.sign("client", &["me"]);
    other.sign("client", &["me"]);
    let ca = system.path("ca.crt");
    for (kind, without) in [("RequireAndVerifyClientCert", 0), ("VerifyClientCertIfGiven", 200)] {
        let config = system.write("web.yml", &format!("{TLS}  client_auth_type: {kind}\n"));
        let arguments = ["demo", "--speed", "100", "--web.config.file", &config];
        let program = Program::start_with(0, &arguments, &[("SSL_CERT_FILE", &ca)]);
        let ask = |of: &Authority| {
            let (cert, key) = (of.path("client.crt"), of.path("client.key"));
            curl(program.port, "/livez", &["--cacert", &ca, "--cert", &cert, "--key", &key]).0
        };
        assert_eq!([curl(program.port, "/livez", &["--cacert", &ca]).0, ask(&other), ask(&system)], [without, 0, 200]);
    }
    let config = system.write("web.yml", &format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"))
        .args(["demo", "--web.config.file", &config])
        .envs([("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RequireAndVerifyClientCert requires client_ca_file or client_ca: no system root"), "{said}");
}

/// The Authorization header with the password of a user.
fn password(password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("prometheus:{password}")))
}

#[test]
fn guesses_on_a_fresh_process_reject_no_valid_password() {
    let authority = Authority::new("fresh");
    let hash = bcrypt::hash("open sesame", 10).expect("it can be hashed");
    let users = format!("basic_auth_users: {{prometheus: {hash}}}\n");
    let program = demo(&authority.write("web.yml", &users));
    program.wait_ready();
    let (is_over, guessed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for guesser in 0..9 {
            let (is_over, guessed, port) = (&is_over, &guessed, program.port);
            scope.spawn(move || {
                for number in 0.. {
                    let answer = get(port, "/metrics", &password(&format!("{guesser}-{number}"))).expect("it answers");
                    assert_eq!(answer.status, 401);
                    guessed.fetch_add(1, Ordering::Relaxed);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let scrape = || get(program.port, "/metrics", &password("open sesame")).expect("it answers");
            let has_begun = || guessed.load(Ordering::Relaxed) > 0;
            eventually(|| has_begun().then_some(()).ok_or_else(|| "no guess was answered".to_owned()));
            for number in 0..20 {
                assert_eq!(scrape().status, 200, "scrape {number}, after {guessed:?} guesses");
            }
            // A change of the file keeps the cached passwords.
            let header = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
            authority.write("web.yml", &format!("{users}{header}"));
            eventually(|| {
                let answer = scrape();
                assert_eq!(answer.status, 200);
                answer.head.contains("x-frame-options: deny").then_some(()).ok_or_else(|| "not reloaded".to_owned())
            });
        }));
        is_over.store(true, Ordering::Relaxed);
        ended.expect("every scrape is answered");
    });
}

#[test]
fn ten_thousand_guesses_neither_succeed_nor_slow_others() {
    let authority = Authority::new("guesses");
    let hash = bcrypt::hash("open sesame", 8).expect("it can be hashed");
    let program = demo(&authority.write("web.yml", &format!("basic_auth_users: {{prometheus: {hash}}}\n")));
    let good = password("open sesame");
    eventually(|| match get(program.port, "/metrics", &good).map(|answer| answer.status) {
        Ok(200) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let guessed = AtomicUsize::new(0);
    let slowest = thread::scope(|scope| {
        // More than the maximum number of waiting requests of one address.
        for guesser in 0..110 {
            let guessed = &guessed;
            let port = program.port;
            scope.spawn(move || {
                let mut number = 0;
                while guessed.load(Ordering::Relaxed) < 10_000 {
                    let answer = get(port, "/metrics", &password(&format!("{guesser}-{number}")));
                    let status = answer.expect("it answers").status;
                    assert!(matches!(status, 401 | 429), "{status}");
                    guessed.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            });
        }
        let mut slowest = Duration::ZERO;
        let mut spent = Duration::ZERO;
        while guessed.load(Ordering::Relaxed) < 10_000 {
            let ((), took) = timed(|| {
                assert_eq!(get(program.port, "/metrics", &good).expect("it answers").status, 200);
                assert_eq!(get(program.port, "/livez", "").expect("it answers").status, 200);
            });
            slowest = slowest.max(took);
            spent += took;
            assert!(spent < TIME_LIMIT * 3, "the guesses come to no end");
        }
        slowest
    });
    // Two requests among a hundred concurrent ones; tens of milliseconds on an idle machine.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let metrics = get(program.port, "/metrics", &good).expect("it answers").text();
    let refused = sum(&metrics, "image_pull_exporter_http_refusals_total{reason=\"unauthenticated\"")
        + sum(&metrics, "image_pull_exporter_http_refusals_total{reason=\"busy\"");
    assert!(refused >= 10_000.0, "{refused}");
}
