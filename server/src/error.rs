//! Why a server cannot start.

use std::{io, net::SocketAddr, path::PathBuf};

use rustls::pki_types::pem;

use crate::engine::{error::EngineError, room_service::RoomServiceError};

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {transport} {address}{}", advice(source))]
    Listen {
        /// `TCP` or `UDP`.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A port of STUN and TURN cannot be listened on.
    #[error(
        "cannot listen for STUN and TURN on {transport} {address}{}; \
         turn.{key} chooses another port, turn.enabled = false (--turn false) switches them off",
        turn_advice(source)
    )]
    ListenTurn {
        /// `TCP` or `UDP`.
        transport: &'static str,
        /// The address.
        address: SocketAddr,
        /// The setting that chooses the port, within `turn`.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The embedded engine of sessions cannot start.
    #[error(
        "cannot start the engine of sessions; session.engine_udp_port chooses another port, \
         session.enabled = false (--session false) switches sessions off"
    )]
    Engine {
        /// Why.
        source: EngineError,
    },
    /// A LiveKit cluster cannot be used.
    #[error("cannot use the LiveKit cluster of session.livekit_url")]
    LiveKit {
        /// Why.
        source: RoomServiceError,
    },
    /// A certificate or key file cannot be read as PEM.
    #[error("cannot read the {what} from {}", path.display())]
    ReadPem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate file holds no certificate.
    #[error("cannot find a certificate in {}; it needs a block BEGIN CERTIFICATE", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not serve TLS together.
    #[error(
        "cannot serve TLS with the certificate {} and the key {}",
        certificate.display(),
        key.display()
    )]
    CertificateAndKey {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why: most often that the key belongs to another certificate.
        source: rustls::Error,
    },
    /// A trial certificate cannot be made.
    #[error("cannot make a certificate for {names:?}")]
    MakeCertificate {
        /// The names it was for.
        names: Vec<String>,
        /// Why.
        source: rcgen::Error,
    },
    /// A made certificate does not serve TLS, or TLS cannot be set up at all.
    #[error("cannot set up TLS")]
    Tls {
        /// Why.
        source: rustls::Error,
    },
    /// The trial certificate cannot be written for clients.
    #[error("cannot write the certificate to {}", path.display())]
    WriteCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("cannot draw random numbers for the responder's secret")]
    Entropy {
        /// What the system says.
        source: getrandom::Error,
    },
    /// The responder's thread cannot start.
    #[error("cannot start the thread of the UDP responder")]
    Thread {
        /// What the system says.
        source: io::Error,
    },
}

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Change an address, a path or a certificate.
    Configuration,
    /// Ask for a permission.
    Permission,
    /// The machine lacks something; try again later.
    System,
}

impl ServeError {
    /// What a caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen { source, .. }
            | Self::ListenTurn { source, .. }
            | Self::WriteCertificate { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                ErrorKind::Permission
            }
            Self::Entropy { .. } | Self::Thread { .. } => ErrorKind::System,
            _ => ErrorKind::Configuration,
        }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program holds it: stop that program or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "; choose an address that this machine has",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): grant it or choose a higher port"
        }
        _ => "",
    }
}

fn turn_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => ", which another program holds, such as a TURN server",
        _ => "",
    }
}
