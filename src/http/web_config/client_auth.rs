//! Verification of client certificates.

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

use super::problems::ConfigProblem;
use super::protection::ClientRequirement;

/// Whether clients must send a certificate and whether it is verified. Named as in exporter-toolkit.
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
    /// Returns the requirement that clients must meet.
    pub(super) fn requirement(self, has_ca: bool) -> ClientRequirement {
        match self {
            Self::NoClientCert | Self::RequestClientCert | Self::VerifyClientCertIfGiven => ClientRequirement::None,
            Self::RequireAnyClientCert => ClientRequirement::AnyCertificate,
            Self::RequireAndVerifyClientCert if has_ca => ClientRequirement::SignedByConfiguredCa,
            Self::RequireAndVerifyClientCert => ClientRequirement::SignedBySystemRoots,
        }
    }
}

/// Returns the verifier of client certificates. Without a CA, it uses the system root certificates.
pub(super) fn verifier(
    auth: ClientAuth,
    ca: Option<Vec<CertificateDer<'static>>>,
    sans: &[Spanned<String>],
    location: Location,
    provider: &Arc<CryptoProvider>,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigProblem> {
    use ClientAuth::{
        NoClientCert, RequestClientCert, RequireAndVerifyClientCert, RequireAnyClientCert, VerifyClientCertIfGiven,
    };
    let verifies = matches!(auth, VerifyClientCertIfGiven | RequireAndVerifyClientCert);
    if auth == NoClientCert && ca.is_some() {
        let text = "client_ca has no effect without client_auth_type: set it to RequireAndVerifyClientCert";
        return Err(ConfigProblem::at(location, text));
    }
    if let Some(san) = sans.first().filter(|_| !verifies) {
        let text =
            "client_allowed_sans requires verified certificates: set client_auth_type to RequireAndVerifyClientCert";
        return Err(ConfigProblem::at(san.referenced, text));
    }
    if let Some(san) = sans.iter().find(|san| san.value.contains('@')) {
        return Err(ConfigProblem::at(
            san.referenced,
            "e-mail addresses are not supported; use a DNS name, an IP address or a URI",
        ));
    }
    if !verifies {
        let is_required = auth == RequireAnyClientCert;
        return Ok(match auth {
            NoClientCert => WebPkiClientVerifier::no_client_auth(),
            RequestClientCert | RequireAnyClientCert | VerifyClientCertIfGiven | RequireAndVerifyClientCert => {
                Arc::new(AnyCertificateVerifier { is_required, provider: Arc::clone(provider) })
            }
        });
    }
    let uses_system_roots = ca.is_none();
    let roots = match ca {
        Some(ca) => configured_roots(ca, location, provider, warnings)?,
        None => system_roots(auth, location, warnings)?,
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if auth == VerifyClientCertIfGiven { builder.allow_unauthenticated() } else { builder };
    // Go also omits the names of system roots. More than a hundred of them would enlarge each handshake.
    let builder = if uses_system_roots { builder.clear_root_hint_subjects() } else { builder };
    let inner =
        builder.build().map_err(|error| ConfigProblem::at(location, format!("cannot use client CA: {error}")))?;
    if sans.is_empty() {
        return Ok(inner);
    }
    let sans = sans.iter().map(|san| san.value.clone()).collect();
    Ok(Arc::new(SanVerifier { inner, sans }))
}

fn configured_roots(
    ca: Vec<CertificateDer<'static>>,
    location: Location,
    provider: &CryptoProvider,
    warnings: &mut Vec<String>,
) -> Result<RootCertStore, ConfigProblem> {
    let unusable = |reason: &str| ConfigProblem::at(location, format!("cannot use client CA: {reason}"));
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
    }
    let count = roots.len();
    roots.roots.retain(|root| is_supported(root, provider));
    if roots.is_empty() {
        return Err(unusable("only RSA, ECDSA with P-256 or P-384, and Ed25519 keys are supported"));
    }
    if roots.len() < count {
        warnings.push(format!("ignoring {} client CAs with unsupported keys", count - roots.len()));
    }
    Ok(roots)
}

/// Returns whether the key type of a root certificate is supported.
fn is_supported(root: &TrustAnchor<'_>, provider: &CryptoProvider) -> bool {
    // Skips the tag and the length, which is one byte for all known algorithms.
    let algorithm = root.subject_public_key_info.get(2..).unwrap_or_default();
    let known = provider.signature_verification_algorithms.all.iter();
    known.map(|known| known.public_key_alg_id()).any(|known| algorithm.starts_with(known.as_ref()))
}

fn system_roots(
    auth: ClientAuth,
    location: Location,
    warnings: &mut Vec<String>,
) -> Result<RootCertStore, ConfigProblem> {
    let mut roots = RootCertStore::empty();
    let (count, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if count == 0 {
        let text = format!("{auth:?} requires client_ca_file or client_ca: no system root certificates found");
        return Err(ConfigProblem::at(location, text));
    }
    warnings.push(format!("{auth:?} without a client CA trusts all {count} system root certificates"));
    Ok(roots)
}

/// Requests a certificate and accepts any. Proves only that the client has its private key.
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

/// Accepts certificates that `inner` accepts and that are issued for one of these names.
#[derive(Debug)]
struct SanVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    sans: Vec<String>,
}

impl SanVerifier {
    fn is_allowed(&self, certificate: &EndEntityCert<'_>) -> bool {
        let is_listed = |name: &str| self.sans.iter().any(|allowed| allowed == name);
        let matches_address = |address: IpAddr| {
            certificate.verify_is_valid_for_subject_name(&ServerName::IpAddress(address.into())).is_ok()
        };
        certificate.valid_dns_names().chain(certificate.valid_uri_names()).any(is_listed)
            || self.sans.iter().filter_map(|name| name.parse().ok()).any(matches_address)
    }
}

impl ClientCertVerifier for SanVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, intermediates, now)?;
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if self.is_allowed(&parsed) { Ok(verified) } else { Err(CertificateError::NotValidForName.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
