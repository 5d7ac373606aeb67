//! The client of TURN servers, over UDP, TCP and TLS.

mod client;
mod credentials;
mod framing;
mod machine;
mod tls;
mod traffic;
mod wire;

pub use client::{
    Connected, Connecting, Failure, Relayed, Server, Stages, Transport, TurnClient, connect,
};
pub use credentials::Credentials;
pub use machine::{PATIENCE, Refusal, Told};
pub use tls::{CertificateFacts, Seen, Trust, reason_of, speaks_old_tls_only};
pub use traffic::Traffic;
