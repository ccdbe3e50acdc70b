//! Parser for image references. Never fails: an invalid reference is kept together with its problem.
//!
//! Implements the grammar of distribution/reference v0.6 (`ParseNormalizedNamed`, normalize.go and regexp.go), which
//! the API server, the kubelet and containerd use. A pod with an invalid reference waits with `InvalidImageName`, and
//! its author needs the reason.

mod in_error_text;
mod problem;
pub mod suspect;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use strum::{EnumString, IntoStaticStr, VariantArray};

use super::limits::MAX_REFERENCE;
use super::redact::redact;

pub use in_error_text::image_in_error_text;
pub use problem::ReferenceProblem;

const DOCKER_HUB: &str = "docker.io";
/// Former name of Docker Hub. The parser still reads it as docker.io (`legacyDefaultDomain`, normalize.go).
const LEGACY_DOCKER_HUB: &str = "index.docker.io";
/// Maximum length of the repository path (`RepositoryNameTotalLengthMax`, reference.go).
const MAX_REPOSITORY_LEN: usize = 255;
/// Maximum length of a tag (`tag`, regexp.go).
const MAX_TAG_LEN: usize = 128;
/// The digest algorithms of go-digest, with the length of their hexadecimal text (algorithm.go). Any other is invalid.
const DIGEST_LENGTHS: &[(&str, usize)] = &[("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// An image reference as written, and its parts.
///
/// In a reference with a [`problem`](Self::problem), a part that is not certain is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    raw: String,
    registry: String,
    repository: String,
    tag: String,
    digest: String,
    problem: Option<ReferenceProblem>,
}

impl ImageReference {
    /// Parses a reference. Accepts any text; an invalid reference has a [`problem`](Self::problem).
    ///
    /// ```
    /// use image_pull_model::image::{ImageReference, ReferenceProblem};
    ///
    /// let image = ImageReference::parse("nginx:1.27");
    /// assert_eq!((image.registry(), image.repository(), image.tag()), ("docker.io", "library/nginx", "1.27"));
    ///
    /// assert_eq!(ImageReference::parse("reg.example/App:1").problem(), Some(ReferenceProblem::UpperCase));
    /// ```
    pub fn parse(raw: &str) -> Self {
        let (domain, rest) = split_domain(raw);
        let (name, digest) = split_at_first(rest, '@');
        let (path, tag) = split_at_first(name, ':');
        let is_default = matches!(domain, None | Some(DOCKER_HUB | LEGACY_DOCKER_HUB));
        let repository = if is_default && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        let parts = RawParts { domain, path: &repository, tag, digest };
        let problem = problem_of_text(raw).or_else(|| parts.problem());
        // As in `user:password@host`: a URL in place of a reference.
        let is_password = digest.is_some_and(|digest| !is_digest(digest));
        let path_is_sound = problem_of_path(&repository).is_none();
        let registry = match domain {
            Some(LEGACY_DOCKER_HUB) => DOCKER_HUB,
            Some(written) if is_host(written) => written,
            None if path_is_sound => DOCKER_HUB,
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

    /// Returns the reference as written. May contain secrets; see [`redacted`](Self::redacted).
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Returns the reference for display. Secrets are redacted, because an invalid reference may be a URL with a
    /// password.
    pub fn redacted(&self) -> Cow<'_, str> {
        if self.problem.is_some() { redact(&self.raw) } else { Cow::Borrowed(&self.raw) }
    }

    /// Returns the registry's host and port, or `docker.io` if the reference names no registry.
    ///
    /// CRI-O may resolve such a short name to another registry (registries.conf). The pod does not show it.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path in the registry, including the implied `library/` of Docker Hub.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag as written, or an empty string; see [`implies_latest`](Self::implies_latest).
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the digest, for example `sha256:…`, or an empty string.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether the kubelet appends `:latest` (kubelet `image_manager.go`, `applyDefaultImageTag`).
    pub(crate) fn implies_latest(&self) -> bool {
        self.problem.is_none() && self.tag.is_empty() && self.digest.is_empty()
    }

    /// Returns why the reference is invalid, or `None` if it is valid.
    pub fn problem(&self) -> Option<ReferenceProblem> {
        self.problem
    }

    /// Whether both references name the same image after normalization; see [`is_same_image`].
    pub fn is_same_image(&self, other: &Self) -> bool {
        self.raw == other.raw
            || (self.problem.is_none()
                && other.problem.is_none()
                && (self.registry(), self.repository(), self.effective_version())
                    == (other.registry(), other.repository(), other.effective_version()))
    }

    /// Returns the pull policy that the API server defaults to for a container without one.
    ///
    /// `Always` if the tag is `latest`, explicit or implied, even with a digest. A reference that does not parse has no
    /// tag (Kubernetes pkg/apis/core/v1/defaults.go `SetDefaults_Container`, pkg/util/parsers).
    pub fn default_pull_policy(&self) -> PullPolicy {
        let latest = self.implies_latest() || (self.problem.is_none() && self.tag == "latest");
        if latest { PullPolicy::Always } else { PullPolicy::IfNotPresent }
    }

    /// Returns what is pulled: the digest, else the tag, else `latest` (containerd `ParseDockerRef`).
    fn effective_version(&self) -> &str {
        match (self.digest.as_str(), self.tag.as_str()) {
            ("", "") => "latest",
            ("", tag) => tag,
            (digest, _) => digest,
        }
    }
}

/// Whether two references name the same image after normalization.
///
/// `nginx` is `docker.io/library/nginx:latest`, and `app:1@sha256:…` is `app@sha256:…`, as runtimes report it (recorded
/// from containerd 1.6). Invalid references are the same only if they are equal.
pub fn is_same_image(a: &str, b: &str) -> bool {
    a == b || ImageReference::parse(a).is_same_image(&ImageReference::parse(b))
}

/// The pull policy of a container (`imagePullPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
pub enum PullPolicy {
    /// The kubelet sends a request to the registry at every start of the container.
    Always,
    /// The kubelet pulls the image if it is not on the node.
    IfNotPresent,
    /// The kubelet never pulls the image.
    Never,
}

impl PullPolicy {
    /// Every policy.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the API value.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Parses the API value. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// Returns the pull policy that the API server defaults to for an image; see [`ImageReference::default_pull_policy`].
pub fn default_pull_policy(image: &str) -> PullPolicy {
    ImageReference::parse(image).default_pull_policy()
}

/// A reference split at its separators, not validated.
struct RawParts<'a> {
    domain: Option<&'a str>,
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl RawParts<'_> {
    /// Returns the problem of the first invalid part, from left to right.
    fn problem(&self) -> Option<ReferenceProblem> {
        let domain = self.domain.filter(|domain| !is_host(domain)).map(|_| ReferenceProblem::BadRegistry);
        let tag = self.tag.and_then(|tag| match tag {
            "" => Some(ReferenceProblem::EmptyTag),
            tag if !is_tag(tag) => Some(ReferenceProblem::BadTag),
            _ => None,
        });
        let digest = self.digest.filter(|digest| !is_digest(digest)).map(|_| ReferenceProblem::BadDigest);
        domain.or_else(|| problem_of_path(self.path)).or(tag).or(digest)
    }
}

/// Splits off the registry, if the reference names one (`splitDockerDomain`, normalize.go).
///
/// The first component is a registry if it is `localhost` or contains a dot, a colon or an upper-case letter.
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

/// Splits at the first `separator`. The second part is `None` if there is no separator.
fn split_at_first(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Returns a problem of the reference as a whole. Checked first, because it is more helpful than the resulting problem
/// of a part.
fn problem_of_text(raw: &str) -> Option<ReferenceProblem> {
    let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if raw.is_empty() {
        Some(ReferenceProblem::Empty)
    } else if raw.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some(ReferenceProblem::Whitespace)
    } else if raw.contains("://") {
        Some(ReferenceProblem::Scheme)
    } else if raw.len() == 64 && raw.bytes().all(is_lower_hex) {
        Some(ReferenceProblem::HexName)
    } else if raw.len() > MAX_REFERENCE {
        Some(ReferenceProblem::TooLong)
    } else {
        None
    }
}

fn problem_of_path(path: &str) -> Option<ReferenceProblem> {
    let mut components = path.split('/');
    if path.split('/').any(str::is_empty) {
        Some(ReferenceProblem::EmptyComponent)
    } else if path.chars().any(char::is_uppercase) {
        Some(ReferenceProblem::UpperCase)
    } else if !components.all(is_component) {
        Some(ReferenceProblem::BadComponent)
    } else if path.len() > MAX_REPOSITORY_LEN {
        Some(ReferenceProblem::TooLong)
    } else {
        None
    }
}

/// Whether a path component is valid: lower-case letters and digits, separated by one dot, one or two underscores, or
/// any number of hyphens.
fn is_component(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    text.starts_with(is_inner) && text.ends_with(is_inner) && text.split(is_inner).all(is_joint)
}

/// Whether a text is a host name or a bracketed IPv6 address, with an optional port (`domainAndPort`, regexp.go).
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(']') {
        Some(_) => text.rsplit_once("]:").map_or((text, None), |(host, port)| (host, Some(port))),
        None => split_at_first(text, ':'),
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
    text.len() <= MAX_TAG_LEN && text.starts_with(is_word) && text.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    let (algorithm, hex) = split_at_first(text, ':');
    let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    hex.is_some_and(|hex| DIGEST_LENGTHS.contains(&(algorithm, hex.len())) && hex.bytes().all(is_lower_hex))
}
