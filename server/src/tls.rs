//! TLS from PEM files, or with a certificate made for a trial.

use std::{fmt::Write as _, fs, net::IpAddr, path::Path, sync::Arc};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

use crate::{clock, config::TlsConfig, error::ServeError};

/// How long a trial certificate is good: as long as some systems accept at most.
const TRIAL_DAYS: u32 = 365;

/// The certificate that clients meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// SHA-256 of the certificate, as upper-case hexadecimal bytes with colons between.
    pub fingerprint_sha256: String,
    /// The certificate itself in PEM, when the server made it: what clients need as CA file.
    pub trial_pem: Option<String>,
}

/// TLS, ready to accept.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate: CertificateInfo,
}

/// Sets TLS up, or `None` when it is not wanted. `names` are those of a trial certificate for
/// which the configuration gives none.
pub(crate) fn set_up(
    config: &TlsConfig,
    names: impl FnOnce() -> Vec<String>,
) -> Result<Option<Tls>, ServeError> {
    match config {
        TlsConfig::None => Ok(None),
        TlsConfig::Pem { certificate, key } => from_files(certificate, key).map(Some),
        TlsConfig::SelfSigned {
            names: given,
            write_certificate_to,
        } => {
            let names = if given.is_empty() {
                names()
            } else {
                given.clone()
            };
            trial(names, write_certificate_to.as_deref()).map(Some)
        }
    }
}

fn from_files(certificate: &Path, key: &Path) -> Result<Tls, ServeError> {
    let chain = read_chain(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| ServeError::ReadPem {
        what: "private key",
        path: key.to_owned(),
        source,
    })?;
    let Some(own) = chain.first() else {
        return Err(ServeError::NoCertificate {
            path: certificate.to_owned(),
        });
    };
    let info = CertificateInfo {
        fingerprint_sha256: fingerprint(own),
        trial_pem: None,
    };
    let config = server_config(chain, private).map_err(|source| ServeError::CertificateAndKey {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })?;
    Ok(Tls {
        config,
        certificate: info,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| ServeError::ReadPem {
            what: "certificate",
            path: path.to_owned(),
            source,
        })
}

fn trial(names: Vec<String>, write_to: Option<&Path>) -> Result<Tls, ServeError> {
    let (certificate, key) =
        make_certificate(&names).map_err(|source| ServeError::MakeCertificate { names, source })?;
    let pem = certificate.pem();
    if let Some(path) = write_to {
        fs::write(path, &pem).map_err(|source| ServeError::WriteCertificate {
            path: path.to_owned(),
            source,
        })?;
    }
    let info = CertificateInfo {
        fingerprint_sha256: fingerprint(certificate.der()),
        trial_pem: Some(pem),
    };
    let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = server_config(vec![certificate.der().clone()], private)
        .map_err(|source| ServeError::Tls { source })?;
    Ok(Tls {
        config,
        certificate: info,
    })
}

fn make_certificate(names: &[String]) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    // Begins a day early for clients whose clock is late.
    let (not_before, not_after) = clock::wall_clock_shifted(1, TRIAL_DAYS - 1);
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params
        .distinguished_name
        .push(DnType::CommonName, "Greenroom trial certificate");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate, key))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(certificate) {
        let separator = if text.is_empty() { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{byte:02X}");
    }
    text
}

/// The machine's own name, where the system tells it.
pub(crate) fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
        // A certificate's DNS name allows no more than these.
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        (!name.is_empty() && name.chars().all(fits)).then_some(name)
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// Names for a trial certificate of a server that listens on `listen`.
pub(crate) fn trial_names(listen: IpAddr) -> Vec<String> {
    crate::config::default_certificate_names(listen, host_name())
}
