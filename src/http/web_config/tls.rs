//! Validates the TLS section and creates the TLS acceptor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use ring::digest;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring as ring_provider};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{NamedGroup, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::client_auth::{self, ClientAuth};
use super::problems::ConfigProblem;
use super::protection::ClientRequirement;

/// The content of the section.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSection {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
    client_auth_type: ClientAuth,
    client_allowed_sans: Option<Vec<Spanned<String>>>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
    cipher_suites: Option<Vec<Spanned<String>>>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Option<Vec<Spanned<String>>>,
}

/// The versions that rustls supports. Older ones are insecure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TlsVersion {
    Tls12,
    Tls13,
}

/// The certificates and keys that the section names.
#[derive(Default)]
pub(super) struct TlsFiles {
    cert: Option<Pem>,
    key: Option<Pem>,
    client_ca: Option<Pem>,
}

/// PEM text and its origin, for error messages.
struct Pem {
    origin: String,
    text: io::Result<Vec<u8>>,
}

impl TlsFiles {
    /// Reads the files, relative to `folder`, or copies the inline PEM of the section.
    pub(super) fn read(section: &TlsSection, folder: &Path) -> Self {
        let read = |inline: Option<&String>, name: &str, file: Option<&PathBuf>| match (file, inline) {
            (Some(file), _) => {
                let path = folder.join(file);
                Some(Pem { origin: path.display().to_string(), text: fs::read(path) })
            }
            (None, Some(text)) => Some(Pem { origin: name.to_owned(), text: Ok(text.clone().into_bytes()) }),
            (None, None) => None,
        };
        Self {
            cert: read(section.cert.as_ref(), "cert", section.cert_file.as_ref()),
            key: read(section.key.as_ref(), "key", section.key_file.as_ref()),
            client_ca: read(section.client_ca.as_ref(), "client_ca", section.client_ca_file.as_ref()),
        }
    }

    /// Adds the content of all files to a digest.
    pub(super) fn update(&self, digest: &mut digest::Context) {
        for pem in [&self.cert, &self.key, &self.client_ca] {
            let text = pem.as_ref().and_then(|pem| pem.text.as_ref().ok()).map(Vec::as_slice);
            digest.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            digest.update(text.unwrap_or_default());
        }
    }
}

impl Pem {
    fn text(&self) -> Result<&[u8], String> {
        self.text.as_deref().map_err(|error| format!("cannot read {}: {error}", self.origin))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(self.text()?).collect();
        let all = all.map_err(|error| format!("{}: {error}", self.origin))?;
        if all.is_empty() { Err(format!("{}: no PEM certificate found", self.origin)) } else { Ok(all) }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.text()?).map_err(|error| match error {
            pem::Error::NoItemsFound => format!("{}: no unencrypted PEM private key found", self.origin),
            error => format!("{}: {error}", self.origin),
        })
    }
}

/// The validated section.
pub(super) struct CheckedTls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) client_requirement: ClientRequirement,
    /// Whether the names in client certificates are checked.
    pub(super) checks_sans: bool,
    pub(super) warnings: Vec<String>,
}

/// Validates the section. Returns `None` if it is empty or invalid, and adds the errors to `problems`.
pub(super) fn check(
    section: &Spanned<TlsSection>,
    files: &TlsFiles,
    has_http2: bool,
    problems: &mut Vec<ConfigProblem>,
) -> Option<CheckedTls> {
    let Spanned { value: section, referenced: location, .. } = section;
    let problem = |text: String| ConfigProblem::at(*location, text);
    for (name, inline, file) in [
        ("cert", section.cert.is_some(), section.cert_file.is_some()),
        ("key", section.key.is_some(), section.key_file.is_some()),
        ("client_ca", section.client_ca.is_some(), section.client_ca_file.is_some()),
    ] {
        if inline && file {
            problems.push(problem(format!("{name} and {name}_file are mutually exclusive")));
        }
    }
    let is_empty = files.cert.is_none() && files.key.is_none() && files.client_ca.is_none();
    if is_empty && section.client_auth_type == ClientAuth::NoClientCert {
        return None;
    }
    for (name, pem) in [("cert", &files.cert), ("key", &files.key)] {
        if pem.is_none() {
            problems.push(problem(format!("TLS requires {name} or {name}_file")));
        }
    }
    if section.max_version.is_some_and(|max| section.min_version.is_some_and(|min| min > max)) {
        problems.push(problem("min_version is higher than max_version".to_owned()));
    }
    let cert = files.cert.as_ref().map(Pem::certificates).transpose().map_err(problem);
    let key = files.key.as_ref().map(Pem::key).transpose().map_err(problem);
    let ca = files.client_ca.as_ref().map(Pem::certificates).transpose().map_err(problem);
    let mut warnings = Vec::new();
    let provider = Arc::new(provider(section, *location, problems, &mut warnings));
    let sans = section.client_allowed_sans.as_deref().unwrap_or_default();
    let auth = section.client_auth_type;
    let verifier = ca.and_then(|ca| client_auth::verifier(auth, ca, sans, *location, &provider, &mut warnings));
    let (cert, key, verifier) =
        (take_or_report(cert, problems), take_or_report(key, problems), take_or_report(verifier, problems));
    let (cert, key, verifier) = (cert??, key??, verifier?);
    if let Err(error) = provider.key_provider.load_private_key(key.clone_key()) {
        let supported = "ECDSA with P-256 or P-384, Ed25519, RSA with 2048 to 4096 bits";
        problems.push(problem(format!("unsupported private key (supported: {supported}): {error}")));
        return None;
    }
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions(section));
    let config = builder
        .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(cert, key))
        .map_err(|error| problem(format!("cannot use certificate and key: {error}")));
    let mut config = take_or_report(config, problems)?;
    config.ignore_client_order = section.prefer_server_cipher_suites.unwrap_or(true);
    let protocols: &[&[u8]] = if has_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Some(CheckedTls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        client_requirement: auth.requirement(files.client_ca.is_some()),
        checks_sans: !sans.is_empty(),
        warnings,
    })
}

/// Returns the value, or adds the error to `problems`.
fn take_or_report<T>(result: Result<T, ConfigProblem>, problems: &mut Vec<ConfigProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn versions(section: &TlsSection) -> Vec<&'static SupportedProtocolVersion> {
    let allowed = |version| {
        section.min_version.is_none_or(|min| min <= version) && section.max_version.is_none_or(|max| version <= max)
    };
    [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)]
        .into_iter()
        .filter(|(version, _)| allowed(*version))
        .map(|(_, supported)| supported)
        .collect()
}

/// Returns the cryptography of ring, restricted to the algorithms of the section. Ignores algorithms that only Go supports,
/// with a warning.
fn provider(
    section: &TlsSection,
    location: Location,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<String>,
) -> CryptoProvider {
    let mut provider = ring_provider::default_provider();
    if let Some(wanted) = section.cipher_suites.as_deref().filter(|wanted| !wanted.is_empty()) {
        let all = provider.cipher_suites;
        let is_tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        // As in Go, the list applies to TLS 1.2 only.
        let mut suites: Vec<_> = all.iter().copied().filter(is_tls13).collect();
        for Spanned { value: name, referenced: location, .. } in wanted {
            // rustls names the suites of TLS 1.3 TLS13_…, the standard TLS_….
            let name_of = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            match all.iter().find(|suite| name_of(suite) == *name) {
                Some(suite) if is_tls13(suite) => {}
                Some(suite) => suites.push(*suite),
                None if UNSUPPORTED_SUITES.contains(&name.as_str()) => {
                    warnings.push(format!("ignoring unsupported cipher suite {name}"));
                }
                None => {
                    let names: Vec<_> = all.iter().map(name_of).collect();
                    problems.push(ConfigProblem::at(
                        *location,
                        format!("unknown cipher suite {name:?}; supported: {}", names.join(", ")),
                    ));
                }
            }
        }
        provider.cipher_suites = suites;
    }
    if let Some(wanted) = section.curve_preferences.as_deref().filter(|wanted| !wanted.is_empty()) {
        let mut groups = Vec::new();
        let mut has_unknown = false;
        for Spanned { value: name, referenced: location, .. } in wanted {
            let group = CURVES.iter().find(|(curve, _)| curve == name).map(|(_, group)| *group);
            groups.extend(provider.kx_groups.iter().find(|known| Some(known.name()) == group));
            if name == UNSUPPORTED_CURVE {
                warnings.push(format!("ignoring unsupported curve {name}"));
            } else if group.is_none() {
                let names: Vec<_> = CURVES.iter().map(|(name, _)| *name).collect();
                problems.push(ConfigProblem::at(
                    *location,
                    format!("unknown curve {name:?}; supported: {}", names.join(", ")),
                ));
                has_unknown = true;
            }
        }
        if !groups.is_empty() {
            provider.kx_groups = groups;
        } else if !has_unknown {
            problems
                .push(ConfigProblem::at(location, format!("no supported curve: {UNSUPPORTED_CURVE} is not supported")));
        }
    }
    let has_tls12 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
    if !has_tls12 && section.max_version == Some(TlsVersion::Tls12) {
        problems.push(ConfigProblem::at(location, "no supported cipher suite for TLS 1.2"));
    }
    provider
}

/// The curves that ring supports, by their names in Go.
const CURVES: [(&str, NamedGroup); 3] =
    [("X25519", NamedGroup::X25519), ("CurveP256", NamedGroup::secp256r1), ("CurveP384", NamedGroup::secp384r1)];
/// A curve of Go that ring does not support.
const UNSUPPORTED_CURVE: &str = "CurveP521";
/// Cipher suites of Go that rustls does not support, because CBC in TLS 1.2 is weak.
const UNSUPPORTED_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
