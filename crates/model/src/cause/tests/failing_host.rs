//! The failing host in the error texts of every runtime.

use super::super::super::image::ImageReference;
use super::super::{Cause, HostKind, classify_with_host, hops};
use HostKind::{BlobStore, Mirror, Node, Proxy, Registry, TokenService, Unknown};

fn check(image: &str, message: &str, expected: Option<(&str, HostKind)>) {
    let host = classify_with_host("ErrImagePull", message, &ImageReference::parse(image)).host;
    assert_eq!(host.as_ref().map(|host| (&*host.name, host.kind)), expected, "{message}");
}

/// Image, error text, expected host and kind.
const ERRORS: &[(&str, &str, &str, HostKind)] = &[
    // containerd
    (
        "ghcr.io/team/app:1",
        r#"failed to pull and unpack image "ghcr.io/team/app:1": failed to resolve reference "ghcr.io/team/app:1": failed to do request: Head "https://ghcr.io/v2/team/app/manifests/1": dial tcp: lookup ghcr.io on 10.0.0.10:53: no such host"#,
        "ghcr.io",
        Registry,
    ),
    (
        "nginx",
        r#"failed to resolve reference "docker.io/library/nginx:latest": failed to authorize: failed to fetch anonymous token: Get "https://auth.docker.io/token?scope=repository%3Alibrary%2Fnginx%3Apull&service=registry.docker.io": dial tcp: lookup auth.docker.io: no such host"#,
        "auth.docker.io",
        TokenService,
    ),
    (
        "nginx",
        r#"failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://production.cloudflare.docker.com/registry-v2/docker/registry/v2/blobs/sha256/ab/data?verify=1": dial tcp: lookup production.cloudflare.docker.com: no such host"#,
        "production.cloudflare.docker.com",
        BlobStore,
    ),
    (
        "ghcr.io/team/app:1",
        r#"failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://pkg-containers.githubusercontent.com/ghcr1/blobs/sha256:ab?se=1": dial tcp 185.199.111.154:443: i/o timeout"#,
        "pkg-containers.githubusercontent.com",
        BlobStore,
    ),
    (
        "1.dkr.ecr.eu-west-1.amazonaws.com/app:1",
        r#"failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com/ab/cd?X-Amz-Date=1": dial tcp 52.0.0.1:443: i/o timeout"#,
        "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com",
        BlobStore,
    ),
    (
        "nginx",
        r#"failed to do request: Head "http://127.0.0.1:65001/v2/library/nginx/manifests/latest?ns=docker.io": dial tcp 127.0.0.1:65001: connect: connection refused"#,
        "127.0.0.1:65001",
        Node,
    ),
    (
        "nginx",
        "failed to copy: httpReadSeeker: failed open: unexpected status code http://10.0.0.7:30020/v2/library/nginx/blobs/sha256:ab?ns=docker.io: 500 Internal Server Error - Server message: see https://example.com/help",
        "10.0.0.7:30020",
        Mirror,
    ),
    (
        "nginx",
        "failed to resolve reference \"docker.io/library/nginx:1\": unexpected status from HEAD request to https://registry-1.docker.io/v2/library/nginx/manifests/1: 429 Too Many Requests\ntoomanyrequests: see https://www.docker.com/increase-rate-limit",
        "registry-1.docker.io",
        Registry,
    ),
    (
        "registry.k8s.io/pause:3.9",
        r#"failed to do request: Head "https://europe-west1-docker.pkg.dev/v2/k8s-artifacts-prod/images/pause/manifests/3.9": dial tcp 64.0.0.1:443: i/o timeout"#,
        "europe-west1-docker.pkg.dev",
        Registry,
    ),
    (
        "nginx",
        r#"failed to fetch anonymous token: Get "https://auth.docker.io/token?service=registry.docker.io": proxyconnect tcp: dial tcp: lookup egress-proxy.corp on 10.0.0.10:53: no such host"#,
        "egress-proxy.corp",
        Proxy,
    ),
    (
        "nginx",
        r#"failed to do request: Head "https://registry-1.docker.io/v2/library/nginx/manifests/1": proxyconnect tcp: dial tcp 10.0.0.3:3128: connect: connection refused"#,
        "10.0.0.3:3128",
        Proxy,
    ),
    (
        "nginx",
        r#"failed to do request: Head "https://registry-1.docker.io/v2/library/nginx/manifests/1": socks connect tcp 10.0.0.3:1080->registry-1.docker.io:443: unknown error general SOCKS server failure"#,
        "10.0.0.3:1080",
        Proxy,
    ),
    (
        "localhost:5000/app:1",
        r#"failed to do request: Head "https://localhost:5000/v2/app/manifests/1": dial tcp [::1]:5000: connect: connection refused"#,
        "localhost:5000",
        Node,
    ),
    (
        "reg.example/app:1",
        "failed to copy: read tcp 127.0.0.1:40000->127.0.0.1:65001: read: connection reset by peer",
        "127.0.0.1:65001",
        Node,
    ),
    (
        "reg.example/app:1",
        r#"Back-off pulling image "reg.example/app:1": ErrImagePull: failed to do request: Head \"https://reg.example:8443/v2/app/manifests/1\": EOF"#,
        "reg.example:8443",
        Registry,
    ),
    // docker
    (
        "nginx",
        "rpc error: code = Unknown desc = Error response from daemon: Get https://registry-1.docker.io/v2/: net/http: TLS handshake timeout",
        "registry-1.docker.io",
        Registry,
    ),
    (
        "nginx",
        r#"Error response from daemon: Get "https://mirror.corp/v2/library/nginx/manifests/latest": dial tcp 10.0.0.9:443: connect: connection refused"#,
        "mirror.corp",
        Mirror,
    ),
    // CRI-O
    (
        "quay.io/o/app:1",
        r#"copying system image from manifest list: reading blob sha256:ab: Get "https://cdn01.quay.io/quayio-production-s3/sha256/ab/cd?Expires=1": dial tcp: lookup cdn01.quay.io: i/o timeout"#,
        "cdn01.quay.io",
        BlobStore,
    ),
    (
        "quay.io/o/app:1",
        "initializing source docker://quay.io/o/app:1: reading manifest 1 in quay.io/o/app: manifest unknown",
        "quay.io",
        Registry,
    ),
    ("reg.example/app:1", "error pinging docker registry reg.example: i/o timeout", "reg.example", Registry),
    ("reg.example/app:1", "dial tcp: lookup sso.reg.example: no such host", "sso.reg.example", TokenService),
    ("reg.example/app:1", "dial tcp: lookup elsewhere.example: no such host", "elsewhere.example", Unknown),
];

#[test]
fn finds_the_failing_host_in_the_errors_of_every_runtime() {
    for (image, message, host, kind) in ERRORS {
        check(image, message, Some((host, *kind)));
    }
}

#[test]
fn no_host_without_a_host_in_the_text() {
    for message in [
        "",
        "pull QPS exceeded",
        r#"failed to resolve reference "reg.example/app:1": reg.example/app:1: not found"#,
        "failed to copy: read tcp 10.0.0.1:43990->10.0.0.9:443: read: connection reset by peer",
        "denied: see https://aka.ms/acr/firewall",
        r#"Get "https://": dial tcp: lookup : no such host"#,
        r#"Get "https://<script>/": EOF"#,
        &format!(r#"Get "https://{}/": EOF"#, "a.".repeat(300)),
    ] {
        check("reg.example/app:1", message, None);
    }
}

#[test]
fn the_role_of_a_host_follows_from_the_request() {
    let longest = format!("{}.example", ["a"; 123].join("."));
    assert_eq!(longest.len(), 253);
    let at_longest = format!(r#"Get "https://{longest}:65535/v2/app/manifests/1": EOF"#);
    let image_at_longest = format!("{longest}/app:1");
    for (image, message, host, kind) in [
        // The path of a token service ends at white space.
        ("reg.example/app:1", "request to https://id.example/token failed: i/o timeout", "id.example", TokenService),
        // A token request to a path that is not a token service's.
        (
            "reg.example/app:1",
            r#"failed to fetch anonymous token: Get "https://id.example/x?service=reg": EOF"#,
            "id.example",
            TokenService,
        ),
        // Another name failed to resolve, for example after a redirect.
        (
            "reg.example/app:1",
            r#"Get "https://reg.example/v2/": dial tcp: lookup sso.reg.example: no such host"#,
            "sso.reg.example",
            TokenService,
        ),
        // The same registry at another port, without a phrase of containerd.
        ("reg.example/app:1", r#"Get "https://reg.example:8443/v2/": EOF"#, "reg.example:8443", Registry),
        // IPv6 addresses have no port without brackets around the address.
        ("[::1]/app:1", r#"Get "https://[::1]/v2/": EOF"#, "[::1]", Node),
        ("[fd00::1:2]/app:1", r#"Get "https://[fd00::1:3]/v2/app/manifests/1": EOF"#, "[fd00::1:3]", Mirror),
        (&image_at_longest, &at_longest, &format!("{longest}:65535"), Registry),
    ] {
        check(image, message, Some((host, kind)));
    }
}

#[test]
fn hops_list_each_mirror_and_the_registry() {
    let text = "(Mirrors also failed: [m1.example:5000/team/app:1.2: reading manifest 1.2 in m1.example:5000/team/app: manifest unknown]\n[127.0.0.1:30020/team/app:1.2: pinging container registry 127.0.0.1:30020: Get \"http://127.0.0.1:30020/v2/\": dial tcp 127.0.0.1:30020: connect: connection refused]): reg.example/team/app:1.2: pinging container registry reg.example: Get \"https://reg.example/v2/\": dial tcp: lookup reg.example: no such host";
    let image = ImageReference::parse("reg.example/team/app:1.2");
    let hops = hops(text, &image);
    let told: Vec<(&str, HostKind, Cause)> =
        hops.iter().filter_map(|hop| hop.host.as_ref().map(|host| (&*host.name, host.kind, hop.cause))).collect();
    assert_eq!(
        told,
        [
            ("m1.example:5000", Mirror, Cause::ImageNotFound),
            ("127.0.0.1:30020", Node, Cause::ConnectionFailed),
            ("reg.example", Registry, Cause::DnsFailure),
        ]
    );
    check("reg.example/team/app:1.2", text, Some(("m1.example:5000", Mirror)));
    let blocked = "(Mirrors also failed: [m1.example/team/app:1.2: reading manifest 1.2 in m1.example/team/app: manifest unknown]): reg.example/team/app:1.2: registry reg.example/team is blocked in /etc/containers/registries.conf";
    check("reg.example/team/app:1.2", blocked, Some(("m1.example", Mirror)));
    assert!(super::super::hops("manifest unknown", &image).is_empty());
}

/// The work is linear in the length of the text, however many requests it contains.
#[test]
fn cost_is_linear_in_the_number_of_requests() {
    let text = "Get http://".repeat(2000) + &"Get https://a.example/".repeat(2000) + ": i/o timeout";
    check("reg.example/app:1", &text, Some(("a.example", BlobStore)));
}
