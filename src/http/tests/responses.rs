use std::io::Read;

use super::{FakeScrape, TestServer};
use crate::http::compression::accepts_gzip;
use crate::http::{ExternalUrl, HttpConfig, PathPrefix, TelemetryPath};
use crate::metrics::exposition::ExpositionFormat;

#[test]
fn the_accept_header_chooses_the_format() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (accept, format) in [
        ("", ExpositionFormat::Text),
        ("Accept: application/openmetrics-text;version=1.0.0\r\n", ExpositionFormat::OpenMetrics),
        (&format!("Accept: {protobuf}\r\nAccept: text/plain;q=0.1\r\n"), ExpositionFormat::Protobuf),
        (&format!("Accept: text/plain;q=0.1\r\nAccept: {protobuf}\r\n"), ExpositionFormat::Protobuf),
    ] {
        let response = server.get("/metrics", accept);
        assert_eq!((response.status, response.text()), (200, format!("{format:?}").as_str()));
        assert_eq!(response.header("content-type"), Some(format.content_type()));
        assert_eq!(response.header("vary"), Some("Accept, Accept-Encoding"));
    }
    server.join();
}

#[test]
fn gzip_is_negotiated() {
    let server = TestServer::start(FakeScrape::Repeat(1000));
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
fn accept_encoding_weights_are_respected() {
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
    let server = TestServer::start(FakeScrape::Repeat(1000));
    for path in ["/metrics", "/", "/livez"] {
        let get = server.get(path, "");
        let head = server.send(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
    }
    server.join();
}

#[test]
fn other_methods_are_rejected_without_reading_the_body() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    for path in ["/metrics", "/", "/readyz"] {
        for method in ["POST", "DELETE", "OPTIONS"] {
            let response =
                server.send(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nbegin"));
            assert_eq!((response.status, response.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
        }
    }
    server.join();
}

#[test]
fn unknown_paths_are_not_found() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    for path in ["/nothing", "/metrics/", "//", "/metrics/..", "/%2e%2e/etc/passwd"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.text()), (404, "not found\n"), "{path}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    server.join();
}

#[test]
fn scrapes_fail_before_the_first_list() {
    let server = TestServer::start(FakeScrape::NotReady);
    for path in ["/metrics", "/readyz"] {
        let response = server.get(path, "Accept-Encoding: gzip\r\n");
        assert_eq!((response.status, response.text()), (503, "the first list is not complete\n"));
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert_eq!(server.get("/livez", "").status, 200);
    server.join();
}

#[test]
fn health_checks_return_a_reason() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    for path in ["/livez", "/readyz", "/healthz"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.text()), (200, "ok\n"));
    }
    server.join();
    let server = TestServer::start(FakeScrape::Panic);
    for path in ["/livez", "/healthz"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.text()), (503, "a task has ended\n"));
    }
    server.join();
}

#[test]
fn a_panicking_scrape_returns_500() {
    let server = TestServer::start(FakeScrape::Panic);
    for _ in 0..20 {
        assert_eq!(server.get("/metrics", "").status, 500);
    }
    server.join();
}

#[test]
fn the_page_links_the_metrics_and_sets_a_content_security_policy() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    let response = server.get("/", "");
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(response.text().contains(r#"<a href="/metrics">Metrics</a>"#));
    assert!(response.text().contains(env!("CARGO_PKG_VERSION")));
    assert!(!response.text().contains("://"), "it must load nothing from elsewhere");
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    server.join();
}

#[test]
fn assets_have_etags() {
    let server = TestServer::start(FakeScrape::Repeat(1));
    for (path, content_type) in [
        ("/style.css", "text/css; charset=utf-8"),
        ("/script.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/runbooks/ImagePullFailing", "text/plain; charset=utf-8"),
        ("/api/v1/openapi.json", "application/json"),
    ] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.header("content-type")), (200, Some(content_type)), "{path}");
        let etag = response.header("etag").unwrap();
        let known = server.get(path, &format!("If-None-Match: \"x\", {etag}\r\n"));
        assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag)), "{path}");
        assert_eq!(server.get(path, "If-None-Match: \"x\"\r\n").status, 200);
    }
    assert_eq!(server.get("/runbooks/Nothing", "").status, 404);
    server.join();
}

#[test]
fn pages_and_json_return_503_before_the_first_list() {
    let server = TestServer::start(FakeScrape::NotReady);
    for path in ["/", "/failures/shop/web-0"] {
        let page = server.get(path, "");
        assert_eq!((page.status, page.header("retry-after"), page.header("refresh")), (503, Some("5"), Some("5")));
        assert!(page.text().contains("the first list is not complete"));
    }
    for path in ["/api/v1/failures", "/api/v1/failures/shop/web-0", "/api/v1/history", "/api/v1/summary"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.header("retry-after")), (503, Some("5")), "{path}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
    }
    server.join();
}

#[test]
fn a_panicking_page_returns_500() {
    let server = TestServer::start(FakeScrape::Panic);
    for _ in 0..20 {
        assert_eq!((server.get("/", "").status, server.get("/api/v1/failures", "").status), (500, 500));
    }
    server.join();
}

#[test]
fn a_route_prefix_applies_to_every_path_and_link() {
    let config = |external: &str, route: Option<&str>| {
        let link_prefix = external.parse::<ExternalUrl>().unwrap().path;
        let route_prefix = route.map_or_else(|| link_prefix.clone(), |route| route.parse().unwrap());
        HttpConfig { route_prefix, link_prefix, ..HttpConfig::default() }
    };
    let server = TestServer::with_config(FakeScrape::Repeat(1), config("https://example.com/image/pulls/", None));
    for path in ["/image/pulls/", "/image/pulls/metrics", "/image/pulls/livez", "/image/pulls/api/v1/failures"] {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    for path in ["/metrics", "/livez", "/style.css"] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
    for path in ["/", "/image/pulls"] {
        let response = server.get(path, "");
        assert_eq!((response.status, response.header("location")), (307, Some("/image/pulls/")), "{path}");
    }
    let page = server.get("/image/pulls/", "");
    let links: Vec<&str> = ["href=\"", "src=\""].iter().flat_map(|name| page.text().split(name).skip(1)).collect();
    assert!(links.len() > 10);
    for link in links.iter().filter(|link| !link.starts_with('"') && !link.starts_with('#')) {
        assert!(link.starts_with("/image/pulls/"), "{link}");
    }
    server.join();

    // Behind a proxy that strips the prefix.
    let server = TestServer::with_config(FakeScrape::Repeat(1), config("http://example.com/pulls", Some("/")));
    assert!(server.get("/", "").text().contains("href=\"/pulls/style.css\""));
    assert_eq!(server.get("/metrics", "").status, 200);
    server.join();
}

#[test]
fn prefixes_and_external_urls_are_checked() {
    for (url, path) in [
        ("http://example.com", ""),
        ("https://example.com:8443/", ""),
        ("https://example.com/a/b/", "/a/b"),
        ("http://[::1]:80/a", "/a"),
    ] {
        assert_eq!(url.parse::<ExternalUrl>().unwrap().path.as_str(), path, "{url}");
    }
    for bad in [
        "",
        "example.com/a",
        "http://",
        "http:///a",
        "ftp://example.com",
        "http://x/a?b",
        "http://x//a",
        "http://x/\"<>",
    ] {
        assert!(bad.parse::<ExternalUrl>().is_err(), "{bad}");
    }
    assert_eq!("/".parse::<PathPrefix>().unwrap().as_str(), "");
    for bad in ["", "a", "/{x}", "//a", "/a b"] {
        assert!(bad.parse::<PathPrefix>().is_err(), "{bad}");
    }
}

#[test]
fn telemetry_paths_are_checked() {
    for good in ["/metrics", "/a/b-c_d.e~f", "/metrics/", "/m"] {
        assert_eq!(good.parse::<TelemetryPath>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "metrics",
        "/",
        "/livez",
        "/api/v1/failures",
        "/failures/x",
        "/script.js",
        "/{x}",
        "/a b",
        "/<b>",
        "/é",
        "/a?b",
        "/*x",
    ] {
        assert!(bad.parse::<TelemetryPath>().is_err(), "{bad}");
    }
}
