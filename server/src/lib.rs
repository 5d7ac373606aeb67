//! The Greenroom server: discovery, the measurement responder, health and metrics behind one URL.
//!
//! [`Server::start`] binds everything that the [`ServeConfig`] asks for before it returns; dropping
//! the [`RunningServer`] stops all of it. [`Server::start_local`] is the built-in responder that a
//! check without a target measures against: on loopback, on ports of the system's choice.
//!
//! The crate prints nothing and reads no environment; it logs through `tracing`, and never a
//! secret, a token or a private key.

mod bind;
mod clock;
pub mod config;
pub mod engine;
mod error;
mod http;
mod metrics;
mod open_files;
mod responder;
mod running;
mod tls;
mod turn;

pub use config::{
    ServeConfig, TlsConfig,
    file::ConfigError,
    limits::ServeLimits,
    overrides::ServeOverrides,
    turn::{TurnConfig, TurnLimits, TurnSecret},
};
pub use error::{ErrorKind, ServeError};
pub use open_files::raise_open_files;
pub use running::{RunningServer, Server};
pub use tls::CertificateInfo;
pub use turn::service::TurnPorts;
