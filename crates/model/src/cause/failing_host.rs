//! Finds the failing host in an error text. It is often not the image's registry.
//!
//! A pull sends requests to a token service and to a blob store, possibly through mirrors and proxies. Go's errors
//! contain the URL of the failed request. containerd, Docker and CRI-O forward them.

use std::sync::Arc;

use strum::{IntoStaticStr, VariantArray};

use crate::image::{ImageReference, is_host};

/// A host that a pull failed at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FailingHost {
    /// Name or address from the text, in lower case, with the port if there is one.
    pub name: Arc<str>,
    /// Role of the host in the pull.
    pub kind: HostKind,
}

/// The role of a host in a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum HostKind {
    /// The image's registry.
    Registry,
    /// The token service of the registry.
    TokenService,
    /// The store that the registry redirects requests for layers to.
    BlobStore,
    /// A mirror or cache that the node uses in place of the registry.
    Mirror,
    /// The proxy of the node's runtime.
    Proxy,
    /// The node itself: a registry, mirror or proxy on a loopback address.
    Node,
    /// Not known.
    Unknown,
}

impl HostKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the JSON value.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Maximum length of a DNS name and a port (RFC 1035).
const MAX_HOST_LEN: usize = 253 + ":65535".len();

/// Maximum bytes of a URL that are read, so that the total work is linear in the length of the text.
const MAX_URL_LEN: usize = 512;

/// Methods before the URL of a request without a response (Go's `url.Error`; the URL is quoted since Go 1.14).
const REQUEST_METHODS: &[&str] = &["Get", "Head", "Post", "GET", "HEAD", "POST"];

/// Phrases before the URL of a response. The response body follows; links in it are ignored.
const RESPONSE_PREFIXES: &[&str] = &["request to", "status code", "content at", "pulling from host"];

/// Phrases before a host without a URL.
const HOST_PREFIXES: &[&str] = &["pinging container registry ", "pinging docker registry ", "pulling from host "];

/// First labels of the host names of token services.
const TOKEN_LABELS: &[&str] = &["auth", "authn", "oauth", "oauth2", "login", "sso", "token", "tokens"];

/// Suffixes of the URL paths of token services: Docker Hub and GHCR, ACR and Harbor, Quay, GitLab, NGC.
const TOKEN_PATHS: &[&str] = &["/token", "/v2/auth", "/jwt/auth", "/proxy_auth"];

/// Substrings of the host names of blob stores, for texts without the path of the request.
const BLOB_STORE_NAME_PARTS: &[&str] = &[
    "cloudflare.docker.com",
    "cloudfront.",
    "r2.cloudflarestorage.com",
    "pkg-containers.githubusercontent.com",
    ".s3.",
    ".s3-",
    "s3.amazonaws.com",
    ".blob.core.",
    "data.mcr.microsoft.com",
    "storage.googleapis.com",
    ".aliyuncs.com",
    "cdn.quay.io",
    "cdn01.quay.io",
    "cdn02.quay.io",
    "cdn03.quay.io",
];

/// Returns the host that failed in one error of a pull of `image`. `is_from_mirror` is true for the error of a mirror,
/// which begins with the mirror's reference.
pub(super) fn failing_host_of_hop(error: &str, is_from_mirror: bool, image: &ImageReference) -> Option<FailingHost> {
    let named = proxy_host(error).or_else(|| requested_host(error, image)).or_else(|| host_without_url(error, image));
    let loopback = || loopback_address(error).map(|name| new_failing_host(name, HostKind::Node));
    let found = named.or_else(loopback);
    if !is_from_mirror {
        return found;
    }
    let of_mirror = |found: FailingHost| match found.kind {
        HostKind::Registry | HostKind::Unknown => FailingHost { kind: HostKind::Mirror, ..found },
        HostKind::TokenService | HostKind::BlobStore | HostKind::Mirror | HostKind::Proxy | HostKind::Node => found,
    };
    let by_reference = || {
        let name = error.trim_start_matches("//").split('/').next()?;
        Some(new_failing_host(valid_host_name(name)?, HostKind::Mirror))
    };
    found.map(of_mirror).or_else(by_reference)
}

/// Returns the proxy after `proxyconnect tcp: `, or before the `->` of a SOCKS error.
fn proxy_host(error: &str) -> Option<FailingHost> {
    let connect = || error.split_once("proxyconnect tcp: ").map(|(_, rest)| rest);
    let by_name = || dns_lookup_name(connect()?);
    let by_address = || host_of_url(connect()?.split_once("dial tcp ")?.1);
    let by_socks = || host_of_url(error.split_once("socks connect tcp ")?.1.split_once("->")?.0);
    let name = by_name().or_else(by_address).or_else(by_socks)?;
    Some(new_failing_host(name, HostKind::Proxy))
}

/// Returns the host of the last request in a text.
fn requested_host(error: &str, image: &ImageReference) -> Option<FailingHost> {
    let mut last = None;
    for (at, scheme) in error.match_indices("http") {
        let before = error.get(..at).unwrap_or_default().trim_end_matches(['"', '\\', ' ', '\n', '\t']);
        let is_answer = RESPONSE_PREFIXES.iter().any(|words| before.ends_with(words));
        if !is_answer && !REQUEST_METHODS.iter().any(|words| before.ends_with(words)) {
            continue;
        }
        let rest = error.get(at + scheme.len()..).unwrap_or_default();
        let Some(address) = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://") else { continue };
        let address = address.get(..address.floor_char_boundary(MAX_URL_LEN)).unwrap_or_default();
        let url = address.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\\')).next().unwrap_or_default();
        if let Some(name) = host_of_url(url) {
            last = Some((name, url, before));
        }
        if is_answer {
            break;
        }
    }
    let (name, url, before) = last?;
    // If another name failed to resolve, that is the failing host.
    let behind = error.get(error.rfind(url).unwrap_or_default()..).unwrap_or_default();
    let looked_up = dns_lookup_name(behind).filter(|looked_up| *looked_up != strip_port(name));
    match looked_up {
        Some(other) => Some(new_failing_host(other, kind_of_name(other, image))),
        None => Some(new_failing_host(name, kind_of_request(name, url, before, image))),
    }
}

/// Returns the host in a text without a URL.
fn host_without_url(error: &str, image: &ImageReference) -> Option<FailingHost> {
    let named = || HOST_PREFIXES.iter().find_map(|words| host_of_url(error.split_once(words)?.1));
    // CRI-O: `reading manifest 1.2 in reg.example/team/app: manifest unknown`.
    let read = || host_of_url(error.split_once("reading manifest ")?.1.split_once(" in ")?.1);
    let name = dns_lookup_name(error).or_else(named).or_else(read)?;
    Some(new_failing_host(name, kind_of_name(name, image)))
}

/// Returns the name that Go's resolver looked up: `lookup reg.example on 10.0.0.10:53: no such host`.
fn dns_lookup_name(error: &str) -> Option<&str> {
    let rest = error.split_once("lookup ")?.1;
    valid_host_name(rest.split(|c: char| c.is_whitespace() || c == ':').next()?)
}

/// Returns the loopback address that refused or closed the connection.
fn loopback_address(error: &str) -> Option<&str> {
    let dialed = || host_of_url(error.split_once("dial tcp ")?.1);
    let read = || host_of_url(error.split_once("read tcp ")?.1.split_once("->")?.1);
    dialed().or_else(read).filter(|name| is_loopback(name))
}

/// Returns the host at the start of an address or of a URL without its scheme.
fn host_of_url(text: &str) -> Option<&str> {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\\' | '\'' | ','));
    let name = text.get(..end.unwrap_or(text.len()))?;
    let name = name.rsplit_once('@').map_or(name, |(_, name)| name);
    valid_host_name(name.trim_end_matches([':', '.']))
}

fn valid_host_name(name: &str) -> Option<&str> {
    Some(name).filter(|name| name.len() <= MAX_HOST_LEN && is_host(name))
}

fn new_failing_host(name: &str, kind: HostKind) -> FailingHost {
    let kind = if is_loopback(name) { HostKind::Node } else { kind };
    FailingHost { name: Arc::from(name.to_ascii_lowercase()), kind }
}

fn strip_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, _)) if !host.ends_with(':') && !name.ends_with(']') => host,
        Some(_) | None => name,
    }
}

/// Whether an address is the node's own. Error texts are the node's, so `localhost` is the node.
fn is_loopback(name: &str) -> bool {
    let host = strip_port(name).trim_matches(['[', ']']);
    let is_v4 = || host.strip_prefix("127.").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    host.eq_ignore_ascii_case("localhost") || host == "::1" || is_v4()
}

/// Returns the kind of a host from the URL that was requested.
fn kind_of_request(name: &str, url: &str, before: &str, image: &ImageReference) -> HostKind {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.find('/').and_then(|at| path.get(at..)).unwrap_or_default();
    if is_token_request(before) || TOKEN_PATHS.iter().any(|end| path.ends_with(end)) {
        HostKind::TokenService
    } else if query.split('&').any(|part| part.starts_with("ns=")) {
        // containerd adds the original registry to requests to a mirror (core/remotes/docker/resolver.go).
        HostKind::Mirror
    } else if is_image_registry(name, image) {
        HostKind::Registry
    } else if !path.starts_with("/v2/") {
        kind_of_non_registry(name)
    } else if image.registry().is_empty() || before.contains("failed to ") {
        // A registry can have several hosts: registry.k8s.io redirects to the closest one. containerd would have added
        // the parameter for a mirror.
        HostKind::Registry
    } else {
        HostKind::Mirror
    }
}

/// Returns the kind of a host that was requested with a path outside the registry API.
fn kind_of_non_registry(name: &str) -> HostKind {
    if is_token_service(name) { HostKind::TokenService } else { HostKind::BlobStore }
}

/// Returns the kind of a host from its name alone.
fn kind_of_name(name: &str, image: &ImageReference) -> HostKind {
    let lower = name.to_ascii_lowercase();
    if is_image_registry(name, image) {
        HostKind::Registry
    } else if is_token_service(&lower) {
        HostKind::TokenService
    } else if BLOB_STORE_NAME_PARTS.iter().any(|part| lower.contains(part)) {
        HostKind::BlobStore
    } else {
        HostKind::Unknown
    }
}

fn is_token_service(name: &str) -> bool {
    name.split_once('.').is_some_and(|(label, _)| TOKEN_LABELS.contains(&label))
}

/// Whether a token was requested, according to the text before the URL.
fn is_token_request(before: &str) -> bool {
    let tail = before.get(before.ceil_char_boundary(before.len().saturating_sub(120))..).unwrap_or_default();
    tail.contains(" token: ")
}

/// Whether a host is the image's registry. Docker Hub has several host names.
fn is_image_registry(name: &str, image: &ImageReference) -> bool {
    let registry = image.registry();
    if registry == "docker.io" {
        return matches!(strip_port(name), "docker.io" | "registry-1.docker.io" | "index.docker.io");
    }
    !registry.is_empty() && strip_port(name).eq_ignore_ascii_case(strip_port(registry))
}
