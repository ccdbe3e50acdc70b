//! Parses image references, without ever failing.
//!
//! The grammar is that of distribution/reference v0.6 (`ParseNormalizedNamed`, normalize.go and regexp.go), which
//! the API server, the kubelet and containerd share. A reference that does not parse is kept with what is wrong
//! with it: such a pod waits with `InvalidImageName`, and its author needs the reason.

mod named;
mod problem;
pub mod suspect;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::limits::MAX_REFERENCE;
use super::redact::redact;

pub use named::image_named_in;
pub use problem::Problem;

const DEFAULT_REGISTRY: &str = "docker.io";
/// What Docker Hub was called once; the parser still reads it as docker.io (`legacyDefaultDomain`, normalize.go).
const LEGACY_REGISTRY: &str = "index.docker.io";
/// Longest repository path (`RepositoryNameTotalLengthMax`, reference.go).
const MAX_REPOSITORY: usize = 255;
/// Longest tag (`tag`, regexp.go).
const MAX_TAG: usize = 128;
/// The algorithms of go-digest, with the length of their hexadecimal text; any other is refused (algorithm.go).
const DIGEST_LENGTHS: &[(&str, usize)] = &[("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Holds an image reference as written, and the parts it names.
///
/// For a reference with a [`Problem`] each part is present only where it is beyond doubt, and empty otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    raw: String,
    registry: String,
    repository: String,
    tag: String,
    digest: String,
    problem: Option<Problem>,
}

impl ImageReference {
    /// Reads any text; a text that is no reference has a [`problem`](Self::problem).
    pub fn parse(raw: &str) -> Self {
        let (domain, rest) = split_domain(raw);
        let (name, digest) = cut(rest, '@');
        let (path, tag) = cut(name, ':');
        let is_default = matches!(domain, None | Some(DEFAULT_REGISTRY | LEGACY_REGISTRY));
        let repository = if is_default && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        let parts = Parts { domain, path: &repository, tag, digest };
        let problem = whole_problem(raw).or_else(|| parts.problem());
        // As in user:password@host, which somebody wrote who took an image for a URL.
        let is_password = digest.is_some_and(|digest| !is_digest(digest));
        let path_is_sound = path_problem(&repository).is_none();
        let registry = match domain {
            Some(LEGACY_REGISTRY) => DEFAULT_REGISTRY,
            Some(written) if is_host(written) => written,
            None if path_is_sound => DEFAULT_REGISTRY,
            Some(_) | None => "",
        };
        Self {
            raw: raw.to_owned(),
            registry: registry.to_owned(),
            repository: if path_is_sound { repository } else { String::new() },
            tag: tag.filter(|tag| is_tag(tag) && !is_password).unwrap_or_default().to_owned(),
            digest: digest.filter(|digest| is_digest(digest)).unwrap_or_default().to_owned(),
            problem,
        }
    }

    /// Returns the text as the pod's author wrote it.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns the text as it may be shown: what is no reference may be a URL with a password in it.
    pub fn redacted(&self) -> Cow<'_, str> {
        if self.problem.is_some() { redact(&self.raw) } else { Cow::Borrowed(&self.raw) }
    }

    /// Returns the registry's host with its port, `docker.io` where the reference names none.
    ///
    /// A CRI-O node may send such a short name elsewhere (registries.conf); the pod cannot tell us.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path below the registry, with the implied `library/` of Docker Hub.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag as written, empty if there is none; see [`implies_latest`](Self::implies_latest).
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the digest, for example `sha256:…`, empty if there is none.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Says whether the kubelet will add `:latest` (kubelet `image_manager.go`, `applyDefaultImageTag`).
    pub fn implies_latest(&self) -> bool {
        self.problem.is_none() && self.tag.is_empty() && self.digest.is_empty()
    }

    /// Returns what makes the kubelet refuse the reference, if anything does.
    pub fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// Says whether both name the same image once normalized; see [`same_image`].
    pub fn is_same_image(&self, other: &Self) -> bool {
        self.raw == other.raw
            || (self.problem.is_none()
                && other.problem.is_none()
                && (self.registry(), self.repository(), self.version())
                    == (other.registry(), other.repository(), other.version()))
    }

    /// Returns the policy the API server writes into a container that names none.
    ///
    /// `Always` when the parsed tag is `latest`, implied or not, even beside a digest; a reference that does not parse
    /// has no tag (Kubernetes pkg/apis/core/v1/defaults.go `SetDefaults_Container`, pkg/util/parsers).
    pub fn default_pull_policy(&self) -> PullPolicy {
        let latest = self.implies_latest() || (self.problem.is_none() && self.tag == "latest");
        if latest { PullPolicy::Always } else { PullPolicy::IfNotPresent }
    }

    /// What is pulled at the end: a digest beats a tag (containerd `ParseDockerRef`), no tag means `latest`.
    fn version(&self) -> &str {
        match (self.digest.as_str(), self.tag.as_str()) {
            ("", "") => "latest",
            ("", tag) => tag,
            (digest, _) => digest,
        }
    }
}

/// Says whether two texts name the same image once normalised.
///
/// `nginx` is `docker.io/library/nginx:latest`, and `app:1@sha256:…` is `app@sha256:…` because runtimes print it so
/// (recorded from containerd 1.6). Texts that are no references are the same only if they are equal.
pub fn same_image(a: &str, b: &str) -> bool {
    a == b || ImageReference::parse(a).is_same_image(&ImageReference::parse(b))
}

/// When a pod lets the kubelet ask the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PullPolicy {
    /// At every start of a container.
    Always,
    /// Only if the image is not on the node.
    IfNotPresent,
    /// Not at all: the image has to be there.
    Never,
}

impl PullPolicy {
    /// Holds every policy of the API.
    pub const ALL: &'static [Self] = &[Self::Always, Self::IfNotPresent, Self::Never];

    /// Returns the API's name of the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }

    /// Reads the API's name of a policy; the API server admits no other spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.as_str() == text)
    }
}

/// Returns the policy the API server writes into a container of this image that names none.
pub fn default_pull_policy(image: &str) -> PullPolicy {
    ImageReference::parse(image).default_pull_policy()
}

/// A reference cut at its separators, nothing checked.
struct Parts<'a> {
    domain: Option<&'a str>,
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl Parts<'_> {
    /// The first part, from left to right, that the grammar refuses.
    fn problem(&self) -> Option<Problem> {
        let domain = self.domain.filter(|domain| !is_host(domain)).map(|_| Problem::BadRegistry);
        let tag = self.tag.and_then(|tag| match tag {
            "" => Some(Problem::EmptyTag),
            tag if !is_tag(tag) => Some(Problem::BadTag),
            _ => None,
        });
        let digest = self.digest.filter(|digest| !is_digest(digest)).map(|_| Problem::BadDigest);
        domain.or_else(|| path_problem(self.path)).or(tag).or(digest)
    }
}

/// Splits off the registry if the text names one (`splitDockerDomain`, normalize.go).
///
/// The first component is a host if it is `localhost`, or has a dot, a colon or an upper case letter.
fn split_domain(raw: &str) -> (Option<&str>, &str) {
    match raw.split_once('/') {
        Some((first, rest))
            if first == "localhost" || first.contains(|c: char| c == '.' || c == ':' || c.is_uppercase()) =>
        {
            (Some(first), rest)
        }
        Some(_) | None => (None, raw),
    }
}

/// Cuts at the first `separator`; what follows is `None` if there is no separator.
fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// What is wrong with the text as a whole, before its parts say less helpful things.
fn whole_problem(raw: &str) -> Option<Problem> {
    let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if raw.is_empty() {
        Some(Problem::Empty)
    } else if raw.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some(Problem::Blank)
    } else if raw.contains("://") {
        Some(Problem::Scheme)
    } else if raw.len() == 64 && raw.bytes().all(is_lower_hex) {
        Some(Problem::HexName)
    } else if raw.len() > MAX_REFERENCE {
        Some(Problem::TooLong)
    } else {
        None
    }
}

fn path_problem(path: &str) -> Option<Problem> {
    let mut components = path.split('/');
    if path.split('/').any(str::is_empty) {
        Some(Problem::EmptyComponent)
    } else if path.chars().any(char::is_uppercase) {
        Some(Problem::UpperCase)
    } else if !components.all(is_component) {
        Some(Problem::BadComponent)
    } else if path.len() > MAX_REPOSITORY {
        Some(Problem::TooLong)
    } else {
        None
    }
}

/// Lower case letters and digits, joined by one dot, one or two underscores, or any number of hyphens.
fn is_component(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    text.starts_with(is_inner) && text.ends_with(is_inner) && text.split(is_inner).all(is_joint)
}

/// A host name or a bracketed IPv6 address, with or without a port (`domainAndPort`, regexp.go).
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(']') {
        Some(_) => text.rsplit_once("]:").map_or((text, None), |(host, port)| (host, Some(port))),
        None => cut(text, ':'),
    };
    let address = host.strip_prefix('[').map(|host| host.strip_suffix(']').unwrap_or(host));
    let host_is_sound = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_label),
    };
    host_is_sound && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_label(text: &str) -> bool {
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_edge) && text.ends_with(is_edge) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG && text.starts_with(is_word) && text.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    let (algorithm, hex) = cut(text, ':');
    let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    hex.is_some_and(|hex| DIGEST_LENGTHS.contains(&(algorithm, hex.len())) && hex.bytes().all(is_lower_hex))
}
