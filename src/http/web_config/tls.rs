//! Turns the TLS section into what connections are accepted with.

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

use super::ConfigProblem;
use super::client::{self, ClientAuth};
use super::file::problem_at;
use super::protection::ClientRequirement;

/// The section as it is written.
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

/// The versions that rustls speaks; older ones are broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TlsVersion {
    Tls12,
    Tls13,
}

/// What the files held that the section names.
#[derive(Default)]
pub(super) struct TlsFiles {
    cert: Option<Pem>,
    key: Option<Pem>,
    client_ca: Option<Pem>,
}

/// The text of certificates or a key, and where it came from.
struct Pem {
    origin: String,
    text: io::Result<Vec<u8>>,
}

impl TlsFiles {
    /// Reads the files, whose names are relative to `folder`, or takes what stands in the section itself.
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

    /// Adds all of it to a digest.
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
        if all.is_empty() { Err(format!("{} holds no certificate in PEM", self.origin)) } else { Ok(all) }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.text()?).map_err(|error| match error {
            pem::Error::NoItemsFound => format!("{} holds no private key in PEM without a password", self.origin),
            error => format!("{}: {error}", self.origin),
        })
    }
}

/// The section, checked.
pub(super) struct CheckedTls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) clients: ClientRequirement,
    /// Whether the names in client certificates are checked.
    pub(super) client_sans: bool,
    /// What an operator should know of it.
    pub(super) warnings: Vec<String>,
}

/// Checks the section; `None` when it sets nothing, or when something is wrong, which `problems` has then.
pub(super) fn check(
    section: &Spanned<TlsSection>,
    named: &TlsFiles,
    has_http2: bool,
    problems: &mut Vec<ConfigProblem>,
) -> Option<CheckedTls> {
    let Spanned { value: section, referenced: place, .. } = section;
    let wrong = |text: String| problem_at(*place, text);
    for (name, inline, file) in [
        ("cert", section.cert.is_some(), section.cert_file.is_some()),
        ("key", section.key.is_some(), section.key_file.is_some()),
        ("client_ca", section.client_ca.is_some(), section.client_ca_file.is_some()),
    ] {
        if inline && file {
            problems.push(wrong(format!("both {name} and {name}_file are given; leave one out")));
        }
    }
    let is_empty = named.cert.is_none() && named.key.is_none() && named.client_ca.is_none();
    if is_empty && section.client_auth_type == ClientAuth::NoClientCert {
        return None;
    }
    for (name, pem) in [("cert", &named.cert), ("key", &named.key)] {
        if pem.is_none() {
            problems.push(wrong(format!("one of {name} and {name}_file is needed for TLS")));
        }
    }
    if section.max_version.is_some_and(|max| section.min_version.is_some_and(|min| min > max)) {
        problems.push(wrong("min_version is above max_version".to_owned()));
    }
    let cert = named.cert.as_ref().map(Pem::certificates).transpose().map_err(wrong);
    let key = named.key.as_ref().map(Pem::key).transpose().map_err(wrong);
    let ca = named.client_ca.as_ref().map(Pem::certificates).transpose().map_err(wrong);
    let mut notes = Vec::new();
    let provider = Arc::new(provider(section, *place, problems, &mut notes));
    let sans = section.client_allowed_sans.as_deref().unwrap_or_default();
    let auth = section.client_auth_type;
    let verifier = ca.and_then(|ca| client::verifier(auth, ca, sans, *place, &provider, &mut notes));
    let (cert, key, verifier) =
        (take_or_report(cert, problems), take_or_report(key, problems), take_or_report(verifier, problems));
    let (cert, key, verifier) = (cert??, key??, verifier?);
    if let Err(error) = provider.key_provider.load_private_key(key.clone_key()) {
        let kinds = "ECDSA with P-256 or P-384, Ed25519, or RSA with 2048 to 4096 bits";
        problems.push(wrong(format!("the private key is not of a supported kind, which are {kinds}: {error}")));
        return None;
    }
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions(section));
    let config = builder
        .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(cert, key))
        .map_err(|error| wrong(format!("the certificate or its key cannot be used: {error}")));
    let mut config = take_or_report(config, problems)?;
    config.ignore_client_order = section.prefer_server_cipher_suites.unwrap_or(true);
    let protocols: &[&[u8]] = if has_http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Some(CheckedTls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        clients: auth.clients(named.client_ca.is_some()),
        client_sans: !sans.is_empty(),
        warnings: notes,
    })
}

/// The value; an error goes to the problems.
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

/// ring's cryptography, cut down to what the section allows. What Go has and ring has not is left out with a note.
fn provider(
    section: &TlsSection,
    place: Location,
    problems: &mut Vec<ConfigProblem>,
    notes: &mut Vec<String>,
) -> CryptoProvider {
    let mut provider = ring_provider::default_provider();
    if let Some(wanted) = section.cipher_suites.as_deref().filter(|wanted| !wanted.is_empty()) {
        let all = provider.cipher_suites;
        let is_tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        // As in Go, the list is about TLS 1.2 alone.
        let mut suites: Vec<_> = all.iter().copied().filter(is_tls13).collect();
        for Spanned { value: name, referenced: place, .. } in wanted {
            // rustls calls TLS 1.3's suites TLS13_…, everybody else TLS_….
            let name_of = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            match all.iter().find(|suite| name_of(suite) == *name) {
                Some(suite) if is_tls13(suite) => {}
                Some(suite) => suites.push(*suite),
                None if UNSUPPORTED_SUITES.contains(&name.as_str()) => {
                    notes.push(format!("cipher suite {name} is not supported and left out"));
                }
                None => {
                    let names: Vec<_> = all.iter().map(name_of).collect();
                    problems
                        .push(problem_at(*place, format!("cipher suite {name:?} is not one of {}", names.join(", "))));
                }
            }
        }
        provider.cipher_suites = suites;
    }
    if let Some(wanted) = section.curve_preferences.as_deref().filter(|wanted| !wanted.is_empty()) {
        let mut groups = Vec::new();
        let mut has_unknown = false;
        for Spanned { value: name, referenced: place, .. } in wanted {
            let group = CURVES.iter().find(|(curve, _)| curve == name).map(|(_, group)| *group);
            groups.extend(provider.kx_groups.iter().find(|known| Some(known.name()) == group));
            if name == UNSUPPORTED_CURVE {
                notes.push(format!("curve {name} is not supported and left out"));
            } else if group.is_none() {
                let names: Vec<_> = CURVES.iter().map(|(name, _)| *name).collect();
                problems.push(problem_at(*place, format!("curve {name:?} is not one of {}", names.join(", "))));
                has_unknown = true;
            }
        }
        if !groups.is_empty() {
            provider.kx_groups = groups;
        } else if !has_unknown {
            problems.push(problem_at(place, format!("no curve is left: {UNSUPPORTED_CURVE} is not supported")));
        }
    }
    let has_tls12 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
    if !has_tls12 && section.max_version == Some(TlsVersion::Tls12) {
        problems.push(problem_at(place, "no cipher suite is left for TLS 1.2"));
    }
    provider
}

/// The curves that ring has, by Go's names.
const CURVES: [(&str, NamedGroup); 3] =
    [("X25519", NamedGroup::X25519), ("CurveP256", NamedGroup::secp256r1), ("CurveP384", NamedGroup::secp384r1)];
/// The curve of Go that rustls has with no cryptography.
const UNSUPPORTED_CURVE: &str = "CurveP521";
/// The cipher suites of Go that rustls has not, since CBC in TLS 1.2 is weak.
const UNSUPPORTED_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
