//! Says which client certificates are asked for and accepted.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::ConfigProblem;
use super::file::problem_at;
use super::protection::ClientRequirement;

/// Whether a client has to have a certificate, and whether it is checked: Go's names, in the toolkit's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    #[default]
    #[serde(alias = "")]
    NoClientCert,
    RequestClientCert,
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// Returns which clients it lets in.
    pub(super) fn clients(self, has_ca: bool) -> ClientRequirement {
        match self {
            Self::NoClientCert | Self::RequestClientCert | Self::VerifyClientCertIfGiven => ClientRequirement::Any,
            Self::RequireAnyClientCert => ClientRequirement::WithCertificate,
            Self::RequireAndVerifyClientCert if has_ca => ClientRequirement::SignedByConfiguredCa,
            Self::RequireAndVerifyClientCert => ClientRequirement::SignedBySystemRoots,
        }
    }
}

/// Returns what judges the clients' certificates. Without a CA, those that are verified are with the system's roots.
pub(super) fn verifier(
    auth: ClientAuth,
    ca: Option<Vec<CertificateDer<'static>>>,
    sans: &[Spanned<String>],
    place: Location,
    provider: &Arc<CryptoProvider>,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigProblem> {
    use ClientAuth::{
        NoClientCert, RequestClientCert, RequireAndVerifyClientCert, RequireAnyClientCert, VerifyClientCertIfGiven,
    };
    let is_verifying = matches!(auth, VerifyClientCertIfGiven | RequireAndVerifyClientCert);
    if auth == NoClientCert && ca.is_some() {
        let text = "a client CA checks nobody without client_auth_type: set it to RequireAndVerifyClientCert";
        return Err(problem_at(place, text));
    }
    if let Some(san) = sans.first().filter(|_| !is_verifying) {
        let text = "client_allowed_sans proves nothing of certificates that nobody has verified: set client_auth_type \
                    to RequireAndVerifyClientCert";
        return Err(problem_at(san.referenced, text));
    }
    if let Some(san) = sans.iter().find(|san| san.value.contains('@')) {
        return Err(problem_at(
            san.referenced,
            "e-mail addresses are not supported: name a DNS name, an IP address or a URI",
        ));
    }
    if !is_verifying {
        let is_required = auth == RequireAnyClientCert;
        return Ok(match auth {
            NoClientCert => WebPkiClientVerifier::no_client_auth(),
            RequestClientCert | RequireAnyClientCert | VerifyClientCertIfGiven | RequireAndVerifyClientCert => {
                Arc::new(AnyCertificateVerifier { is_required, provider: Arc::clone(provider) })
            }
        });
    }
    let is_of_system = ca.is_none();
    let roots = match ca {
        Some(ca) => configured_roots(ca, place, provider, notes)?,
        None => system_roots(auth, place, notes)?,
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if auth == VerifyClientCertIfGiven { builder.allow_unauthenticated() } else { builder };
    // A hundred names would make every handshake long; Go leaves them out, too.
    let builder = if is_of_system { builder.clear_root_hint_subjects() } else { builder };
    let chain = builder.build().map_err(|error| problem_at(place, format!("the client CA cannot be used: {error}")))?;
    if sans.is_empty() {
        return Ok(chain);
    }
    let names = sans.iter().map(|san| san.value.clone()).collect();
    Ok(Arc::new(SanVerifier { chain, names }))
}

fn configured_roots(
    ca: Vec<CertificateDer<'static>>,
    place: Location,
    provider: &CryptoProvider,
    notes: &mut Vec<String>,
) -> Result<RootCertStore, ConfigProblem> {
    let unusable = |why: &str| problem_at(place, format!("the client CA cannot be used: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
    }
    let count = roots.len();
    roots.roots.retain(|root| is_supported(root, provider));
    if roots.is_empty() {
        return Err(unusable("only RSA, ECDSA with P-256 or P-384, and Ed25519 are supported"));
    }
    if roots.len() < count {
        notes.push(format!("{} client CAs have keys that are not supported and are left out", count - roots.len()));
    }
    Ok(roots)
}

/// Returns whether signatures by the key of a root certificate can be verified.
fn is_supported(root: &TrustAnchor<'_>, provider: &CryptoProvider) -> bool {
    // Behind the tag and the length, which is one byte for every algorithm there is.
    let algorithm = root.subject_public_key_info.get(2..).unwrap_or_default();
    let known = provider.signature_verification_algorithms.all.iter();
    known.map(|known| known.public_key_alg_id()).any(|known| algorithm.starts_with(known.as_ref()))
}

fn system_roots(auth: ClientAuth, place: Location, notes: &mut Vec<String>) -> Result<RootCertStore, ConfigProblem> {
    let mut roots = RootCertStore::empty();
    let (count, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if count == 0 {
        let text = format!("{auth:?} needs client_ca_file or client_ca: the system has no root certificates");
        return Err(problem_at(place, text));
    }
    notes.push(format!("{auth:?} without a client CA trusts all {count} root certificates of the system"));
    Ok(roots)
}

/// Asks for a certificate and takes any: the client has its key, and that is all that is known.
#[derive(Debug)]
struct AnyCertificateVerifier {
    is_required: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificateVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes certificates that the CA has signed for one of these names.
#[derive(Debug)]
struct SanVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl SanVerifier {
    fn is_allowed(&self, certificate: &EndEntityCert<'_>) -> bool {
        let is_listed = |name: &str| self.names.iter().any(|allowed| allowed == name);
        let is_for = |address: IpAddr| {
            certificate.verify_is_valid_for_subject_name(&ServerName::IpAddress(address.into())).is_ok()
        };
        certificate.valid_dns_names().chain(certificate.valid_uri_names()).any(is_listed)
            || self.names.iter().filter_map(|name| name.parse().ok()).any(is_for)
    }
}

impl ClientCertVerifier for SanVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if self.is_allowed(&parsed) { Ok(verified) } else { Err(CertificateError::NotValidForName.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
