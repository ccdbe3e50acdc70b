//! Finds the host that failed in an error text, which is often not the image's registry.
//!
//! A pull asks a token service for a token and a blob store for the layers, and may ask mirrors and proxies on the way.
//! Go's errors name the URL of the request that failed; containerd, docker and CRI-O pass them on.

use std::sync::Arc;

use super::super::image::{ImageReference, is_host};

/// A host that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FailingHost {
    /// Its name or address as the text has it, with the port if there is one, in lower case.
    pub name: Arc<str>,
    /// What it is to the pull.
    pub kind: HostKind,
}

/// What a host is to a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostKind {
    /// The image's registry.
    Registry,
    /// The service that gives out the registry's tokens.
    TokenService,
    /// The store that the registry sends those to who ask for a layer.
    BlobStore,
    /// A mirror or a cache that the node asks in the registry's place.
    Mirror,
    /// The proxy of the node's runtime.
    Proxy,
    /// The node itself: a registry, a mirror or a proxy at its loopback address.
    Node,
    /// The text does not tell.
    Unknown,
}

impl HostKind {
    /// Holds every kind, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Registry, Self::TokenService, Self::BlobStore, Self::Mirror, Self::Proxy, Self::Node, Self::Unknown];

    /// Returns the name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::TokenService => "token_service",
            Self::BlobStore => "blob_store",
            Self::Mirror => "mirror",
            Self::Proxy => "proxy",
            Self::Node => "node",
            Self::Unknown => "unknown",
        }
    }
}

/// The longest DNS name, and a port (RFC 1035).
const MAX_LENGTH: usize = 253 + ":65535".len();

/// How much of a URL is read, so that many of them cost no more than the text is long.
const MAX_URL: usize = 512;

/// What stands before the URL of a request that got no answer: Go's `url.Error`, in quotes since 1.14.
const ASKED: &[&str] = &["Get", "Head", "Post", "GET", "HEAD", "POST"];

/// What stands before the URL of an answer; behind it comes what the server wrote, whose links are of no interest.
const ANSWERED: &[&str] = &["request to", "status code", "content at", "pulling from host"];

/// What stands before a host without a URL, and what ends it.
const NAMED: &[&str] = &["pinging container registry ", "pinging docker registry ", "pulling from host "];

/// First labels of the hosts of token services.
const TOKEN_LABELS: &[&str] = &["auth", "authn", "oauth", "oauth2", "login", "sso", "token", "tokens"];

/// Ends of the paths of token services: Docker Hub and GHCR, ACR and Harbor, Quay, GitLab, NGC.
const TOKEN_PATHS: &[&str] = &["/token", "/v2/auth", "/jwt/auth", "/proxy_auth"];

/// Parts of the names of blob stores, for texts without the path of the request.
const BLOB_STORES: &[&str] = &[
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

/// Returns the host that failed in one error of a pull of `image`; `is_mirrors` says that the error is one of a mirror,
/// which begins with the mirror's reference.
pub(super) fn of_hop(error: &str, is_mirrors: bool, image: &ImageReference) -> Option<FailingHost> {
    let named = proxy(error).or_else(|| requested(error, image)).or_else(|| looked_up(error, image));
    let loopback = || loopback_address(error).map(|name| host(name, HostKind::Node));
    let found = named.or_else(loopback);
    if !is_mirrors {
        return found;
    }
    let of_mirror = |found: FailingHost| match found.kind {
        HostKind::Registry | HostKind::Unknown => FailingHost { kind: HostKind::Mirror, ..found },
        HostKind::TokenService | HostKind::BlobStore | HostKind::Mirror | HostKind::Proxy | HostKind::Node => found,
    };
    let by_reference = || {
        let name = error.trim_start_matches("//").split('/').next()?;
        Some(host(valid(name)?, HostKind::Mirror))
    };
    found.map(of_mirror).or_else(by_reference)
}

/// The proxy behind `proxyconnect tcp: `, or before the `->` of a SOCKS error.
fn proxy(error: &str) -> Option<FailingHost> {
    let connect = || error.split_once("proxyconnect tcp: ").map(|(_, rest)| rest);
    let by_name = || lookup(connect()?);
    let by_address = || authority(connect()?.split_once("dial tcp ")?.1);
    let by_socks = || authority(error.split_once("socks connect tcp ")?.1.split_once("->")?.0);
    let name = by_name().or_else(by_address).or_else(by_socks)?;
    Some(host(name, HostKind::Proxy))
}

/// The host of the last request that a text tells of.
fn requested(error: &str, image: &ImageReference) -> Option<FailingHost> {
    let mut last = None;
    for (at, scheme) in error.match_indices("http") {
        let before = error.get(..at).unwrap_or_default().trim_end_matches(['"', '\\', ' ', '\n', '\t']);
        let is_answer = ANSWERED.iter().any(|words| before.ends_with(words));
        if !is_answer && !ASKED.iter().any(|words| before.ends_with(words)) {
            continue;
        }
        let rest = error.get(at + scheme.len()..).unwrap_or_default();
        let Some(address) = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://") else { continue };
        let address = address.get(..address.floor_char_boundary(MAX_URL)).unwrap_or_default();
        let url = address.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\\')).next().unwrap_or_default();
        if let Some(name) = authority(url) {
            last = Some((name, url, before));
        }
        if is_answer {
            break;
        }
    }
    let (name, url, before) = last?;
    // The name that was looked up is the one that failed, should it be another.
    let behind = error.get(error.rfind(url).unwrap_or_default()..).unwrap_or_default();
    let looked_up = lookup(behind).filter(|looked_up| *looked_up != without_port(name));
    match looked_up {
        Some(other) => Some(host(other, kind_of_name(other, image))),
        None => Some(host(name, kind_of_request(name, url, before, image))),
    }
}

/// The host of a text without a URL.
fn looked_up(error: &str, image: &ImageReference) -> Option<FailingHost> {
    let named = || NAMED.iter().find_map(|words| authority(error.split_once(words)?.1));
    // CRI-O: `reading manifest 1.2 in reg.example/team/app: manifest unknown`.
    let read = || authority(error.split_once("reading manifest ")?.1.split_once(" in ")?.1);
    let name = lookup(error).or_else(named).or_else(read)?;
    Some(host(name, kind_of_name(name, image)))
}

/// What Go's resolver was asked for: `lookup reg.example on 10.0.0.10:53: no such host`.
fn lookup(error: &str) -> Option<&str> {
    let rest = error.split_once("lookup ")?.1;
    valid(rest.split(|c: char| c.is_whitespace() || c == ':').next()?)
}

/// The loopback address that a text says could not be reached, or that hung up.
fn loopback_address(error: &str) -> Option<&str> {
    let dialled = || authority(error.split_once("dial tcp ")?.1);
    let read = || authority(error.split_once("read tcp ")?.1.split_once("->")?.1);
    dialled().or_else(read).filter(|name| is_loopback(name))
}

/// The host at the beginning of a URL without its scheme, or of an address.
fn authority(text: &str) -> Option<&str> {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\\' | '\'' | ','));
    let name = text.get(..end.unwrap_or(text.len()))?;
    let name = name.rsplit_once('@').map_or(name, |(_, name)| name);
    valid(name.trim_end_matches([':', '.']))
}

fn valid(name: &str) -> Option<&str> {
    Some(name).filter(|name| name.len() <= MAX_LENGTH && is_host(name))
}

fn host(name: &str, kind: HostKind) -> FailingHost {
    let kind = if is_loopback(name) { HostKind::Node } else { kind };
    FailingHost { name: Arc::from(name.to_ascii_lowercase()), kind }
}

fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, _)) if !host.ends_with(':') && !name.ends_with(']') => host,
        Some(_) | None => name,
    }
}

/// Whether an address is the node's own. On a node `localhost` is the node, whatever it is elsewhere.
fn is_loopback(name: &str) -> bool {
    let host = without_port(name).trim_matches(['[', ']']);
    let is_v4 = || host.strip_prefix("127.").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    host.eq_ignore_ascii_case("localhost") || host == "::1" || is_v4()
}

/// What a host is, of which the request is known.
fn kind_of_request(name: &str, url: &str, before: &str, image: &ImageReference) -> HostKind {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.find('/').and_then(|at| path.get(at..)).unwrap_or_default();
    if asks_for_token(before) || TOKEN_PATHS.iter().any(|end| path.ends_with(end)) {
        HostKind::TokenService
    } else if query.split('&').any(|part| part.starts_with("ns=")) {
        // containerd says to a mirror whose image it wants (core/remotes/docker/resolver.go).
        HostKind::Mirror
    } else if is_registry_of(name, image) {
        HostKind::Registry
    } else if !path.starts_with("/v2/") {
        kind_of_store(name)
    } else if image.registry().is_empty() || before.contains("failed to ") {
        // A registry may be many: registry.k8s.io sends those who ask to one near them, and containerd would have
        // called a mirror one.
        HostKind::Registry
    } else {
        HostKind::Mirror
    }
}

/// What a host without a path of the registry's API is.
fn kind_of_store(name: &str) -> HostKind {
    if is_token_service(name) { HostKind::TokenService } else { HostKind::BlobStore }
}

/// What a host is, of which the name alone is known.
fn kind_of_name(name: &str, image: &ImageReference) -> HostKind {
    let lower = name.to_ascii_lowercase();
    if is_registry_of(name, image) {
        HostKind::Registry
    } else if is_token_service(&lower) {
        HostKind::TokenService
    } else if BLOB_STORES.iter().any(|part| lower.contains(part)) {
        HostKind::BlobStore
    } else {
        HostKind::Unknown
    }
}

fn is_token_service(name: &str) -> bool {
    name.split_once('.').is_some_and(|(label, _)| TOKEN_LABELS.contains(&label))
}

/// Whether what is written before a URL says that a token was asked for.
fn asks_for_token(before: &str) -> bool {
    let tail = before.get(before.ceil_char_boundary(before.len().saturating_sub(120))..).unwrap_or_default();
    tail.contains(" token: ")
}

/// Whether a host is the image's registry; Docker Hub answers at other names than its own.
fn is_registry_of(name: &str, image: &ImageReference) -> bool {
    let registry = image.registry();
    if registry == "docker.io" {
        return matches!(without_port(name), "docker.io" | "registry-1.docker.io" | "index.docker.io");
    }
    !registry.is_empty()
        && (name.eq_ignore_ascii_case(registry) || without_port(name).eq_ignore_ascii_case(without_port(registry)))
}
