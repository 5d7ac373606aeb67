//! What a server is told: listen addresses, TLS, the operator's preset, limits.

pub mod file;
pub mod limits;
mod merge;
mod merge_session;
mod merge_turn;
pub mod overrides;
mod position;

mod serve;
pub(crate) use serve::default_certificate_names;
pub use serve::{DEFAULT_PORT, ServeConfig, TlsConfig, UdpPort};
pub mod session;
pub mod turn;
