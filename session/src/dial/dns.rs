//! Looking names up as every program does: by the system's resolver.

use std::io;
use std::net::SocketAddr;

use greenroom_reports::model::outcome::ReasonCode;

use super::dialer::CONNECT_TIMEOUT;
use super::error::failed_lookup;

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// It does not exist.
    UnknownHost,
    /// The resolver failed or stayed silent.
    ResolverFailed,
}

/// Addresses of a host, in the system's order of preference.
///
/// # Errors
/// Why there are none.
pub async fn look_up_host(host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupFailure> {
    match look_up(host, port).await {
        Ok(addresses) if addresses.is_empty() => Err(LookupFailure::UnknownHost),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(match failed_lookup(&error.to_string()) {
            Some(ReasonCode::UnknownHost) => LookupFailure::UnknownHost,
            _ => LookupFailure::ResolverFailed,
        }),
    }
}

/// Resolvers try for tens of seconds; nobody waits for that.
pub(super) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let lookup = tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((host, port)));
    let found = lookup.await.map_err(|_elapsed| io::ErrorKind::TimedOut)?;
    Ok(found?.collect())
}
