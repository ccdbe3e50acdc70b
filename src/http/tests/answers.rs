use std::io::Read;

use super::{Scrape, Server};
use crate::http::TelemetryPath;
use crate::http::encoding::accepts_gzip;
use crate::metrics::exposition::Format;

#[test]
fn the_accept_header_chooses_the_format() {
    let server = Server::start(Scrape::Repeat(1));
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (accept, format) in [
        ("", Format::Text),
        ("Accept: application/openmetrics-text;version=1.0.0\r\n", Format::OpenMetrics),
        (&format!("Accept: {protobuf}\r\nAccept: text/plain;q=0.1\r\n"), Format::Protobuf),
        (&format!("Accept: text/plain;q=0.1\r\nAccept: {protobuf}\r\n"), Format::Protobuf),
    ] {
        let answer = server.get("/metrics", accept);
        assert_eq!((answer.status, answer.text()), (200, format!("{format:?}").as_str()));
        assert_eq!(answer.header("content-type"), Some(format.content_type()));
        assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    }
    server.join();
}

#[test]
fn gzip_is_used_when_asked_for() {
    let server = Server::start(Scrape::Repeat(1000));
    let plain = server.get("/metrics", "Accept-Encoding: gzip;q=0\r\n");
    assert_eq!((plain.header("content-encoding"), plain.body.len()), (None, 4000));

    let zipped = server.get("/metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);
    server.join();
}

#[test]
fn weights_of_codings_are_obeyed() {
    let cases = [
        ("", false),
        ("gzip", true),
        ("x-gzip", true),
        ("GZip;Q=1.0", true),
        ("deflate, gzip;q=0.5, br", true),
        ("*", true),
        ("*;q=0", false),
        ("*, gzip;q=0", false),
        ("gzip ; q=0.0", false),
        ("gzip;q=0.5, identity", false),
        ("gzip;q=0.5, identity;q=0.5", true),
        ("br", false),
        ("gzipped", false),
        ("gzip;q=x", false),
    ];
    for (accept, expected) in cases {
        assert_eq!(accepts_gzip(accept), expected, "{accept}");
    }
}

#[test]
fn head_has_the_header_of_get_and_no_body() {
    let server = Server::start(Scrape::Repeat(1000));
    for path in ["/metrics", "/", "/livez"] {
        let get = server.get(path, "");
        let head = server.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
    }
    server.join();
}

#[test]
fn other_methods_are_refused_without_reading_a_body() {
    let server = Server::start(Scrape::Repeat(1));
    for path in ["/metrics", "/", "/readyz"] {
        for method in ["POST", "DELETE", "OPTIONS"] {
            let answer =
                server.ask(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nbegin"));
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
        }
    }
    server.join();
}

#[test]
fn unknown_paths_are_not_found() {
    let server = Server::start(Scrape::Repeat(1));
    for path in ["/nothing", "/metrics/", "//", "/metrics/..", "/%2e%2e/etc/passwd"] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.text()), (404, "not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    server.join();
}

#[test]
fn before_the_first_list_nothing_is_scraped() {
    let server = Server::start(Scrape::NotReady);
    for path in ["/metrics", "/readyz"] {
        let answer = server.get(path, "Accept-Encoding: gzip\r\n");
        assert_eq!((answer.status, answer.text()), (503, "the first list is not complete\n"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(server.get("/livez", "").status, 200);
    server.join();
}

#[test]
fn health_is_told_in_words() {
    let server = Server::start(Scrape::Repeat(1));
    for path in ["/livez", "/readyz", "/healthz"] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    }
    server.join();
    let server = Server::start(Scrape::Panic);
    for path in ["/livez", "/healthz"] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.text()), (503, "a task has ended\n"));
    }
    server.join();
}

#[test]
fn a_panicking_scrape_is_an_error_and_no_more() {
    let server = Server::start(Scrape::Panic);
    for _ in 0..20 {
        assert_eq!(server.get("/metrics", "").status, 500);
    }
    server.join();
}

#[test]
fn the_index_names_the_metrics_and_forbids_all_else() {
    let server = Server::start(Scrape::Repeat(1));
    let answer = server.get("/", "");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text().contains(r#"<a href="/metrics">/metrics</a>"#));
    assert!(answer.text().contains(env!("CARGO_PKG_VERSION")));
    assert!(!answer.text().contains("://"), "it must load nothing from elsewhere");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(server.get("/style.css", "").header("content-type"), Some("text/css; charset=utf-8"));
    server.join();
}

#[test]
fn telemetry_paths_are_checked() {
    for good in ["/metrics", "/a/b-c_d.e~f", "/metrics/", "/m"] {
        assert_eq!(good.parse::<TelemetryPath>().unwrap().as_str(), good);
    }
    for bad in ["", "metrics", "/", "/livez", "/api/v1/failures", "/{x}", "/a b", "/<b>", "/é", "/a?b", "/*x"] {
        assert!(bad.parse::<TelemetryPath>().is_err(), "{bad}");
    }
}
