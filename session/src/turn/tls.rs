//! TLS to a server, and what its certificate says when it is not trusted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::dial::error::DialError;
use greenroom_reports::model::outcome::ReasonCode;

/// Whom TLS trusts: the system's authorities, and further ones.
#[derive(Clone)]
pub struct Trust {
    verifier: Arc<Verifier>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Who signed it.
    pub issuer: String,
    /// Whom it is for.
    pub subject: String,
    /// When it ends, in seconds since 1970 (UTC).
    pub not_after_unix_s: i64,
}

impl Trust {
    /// The system's authorities, and those in these PEM texts.
    ///
    /// # Errors
    /// When the system's cannot be read, or a text is no PEM.
    pub fn new(authorities: &[Vec<u8>]) -> Result<Self, DialError> {
        let mut roots = Vec::new();
        for pem in authorities {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.push(certificate.map_err(|error| cannot_read(Box::new(error)))?);
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(roots, provider)
            .map_err(|error| cannot_read(Box::new(error)))?;
        Ok(Self {
            verifier: Arc::new(verifier),
        })
    }

    /// A configuration of one connection, and where its certificate can be looked at afterwards.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client_config(&self) -> Result<(Arc<ClientConfig>, Seen), DialError> {
        let seen = Seen::default();
        let watched = Watched {
            inner: self.verifier.clone(),
            seen: seen.clone(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| cannot_read(Box::new(error)))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(watched))
            .with_no_client_auth();
        Ok((Arc::new(config), seen))
    }
}

fn cannot_read(source: Box<dyn std::error::Error + Send + Sync>) -> DialError {
    DialError {
        url: "the server".to_owned(),
        kind: ReasonCode::TlsFailed,
        explanation: "the certificates could not be read".to_owned(),
        source: Some(source),
    }
}

/// The certificate that a server showed, trusted or not.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Option<CertificateDer<'static>>>>);

impl Seen {
    /// What it says; `None` when none was shown, or it is unreadable.
    pub fn facts(&self) -> Option<CertificateFacts> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_rest, certificate) = X509Certificate::from_der(seen.as_ref()?).ok()?;
        Some(CertificateFacts {
            issuer: certificate.issuer().to_string(),
            subject: certificate.subject().to_string(),
            not_after_unix_s: certificate.validity().not_after.timestamp(),
        })
    }
}

/// Trusts whom the inner one trusts, and remembers what was shown.
#[derive(Debug)]
struct Watched {
    inner: Arc<Verifier>,
    seen: Seen,
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(end_entity.clone().into_owned());
        drop(seen);
        let inner = &self.inner;
        inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The other end has no common version with us, who speak 1.2 and 1.3: it offers older ones alone.
pub fn speaks_old_tls_only(error: &std::io::Error) -> bool {
    use rustls::{AlertDescription, PeerIncompatible};
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
                | rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        )
    )
}

/// What TLS has against the other end.
pub fn reason_of(error: &std::io::Error) -> ReasonCode {
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => ReasonCode::TlsExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ReasonCode::TlsWrongName
            }
            CertificateError::UnknownIssuer => ReasonCode::TlsUnknownIssuer,
            // A server's certificate that signs itself, and others too.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                ReasonCode::TlsUnknownIssuer
            }
            _ => ReasonCode::TlsFailed,
        },
        _ => ReasonCode::TlsFailed,
    }
}
