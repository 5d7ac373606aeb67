//! Settings of STUN and TURN.

use std::{fmt, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

/// Port of STUN and TURN over UDP and TCP (RFC 8656 §5).
pub const DEFAULT_TURN_PORT: u16 = 3478;
/// Port of TURN over TLS (RFC 8656 §5).
pub const DEFAULT_TURN_TLS_PORT: u16 = 5349;
/// Ports of relay addresses: those that no other program is given by number (RFC 6335 §6,
/// RFC 8656 §7.2).
pub(crate) const DEFAULT_RELAY_PORTS: RangeInclusive<u16> = 49152..=65535;
/// Realm of the credentials. Part of what a password is made of, and of each first answer: short.
pub(crate) const DEFAULT_REALM: &str = "greenroom";
/// Shortest shared secret, in bytes: below it, it can be guessed from one signed request.
pub(crate) const MIN_SECRET_BYTES: usize = 16;

/// What STUN and TURN are to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnConfig {
    /// Whether there is STUN and TURN at all.
    pub enabled: bool,
    /// Port of STUN and TURN over UDP and TCP, at the IP address of `listen`; 0 takes any free
    /// ones. `None` is [`DEFAULT_TURN_PORT`], or any free ones when the port of `listen` is 0.
    pub port: Option<u16>,
    /// Port of TURN over TLS, where the server speaks TLS; 0 takes any free one. `None` is
    /// [`DEFAULT_TURN_TLS_PORT`], or any free one when the port of `listen` is 0.
    pub tls_port: Option<u16>,
    /// Port that clients are told for UDP and TCP, where a NAT or container maps it.
    pub advertised_port: Option<u16>,
    /// Port that clients are told for TLS.
    pub advertised_tls_port: Option<u16>,
    /// Addresses to relay from, one a family at most; empty takes the one that the client speaks
    /// to, and for another family the one from which this machine reaches the world.
    pub relay_addresses: Vec<IpAddr>,
    /// Addresses by which peers know the relay addresses behind a NAT that maps one to one, one a
    /// family at most.
    pub external_addresses: Vec<IpAddr>,
    /// Ports of relay addresses.
    pub relay_ports: RangeInclusive<u16>,
    /// Realm of the credentials.
    pub realm: String,
    /// The secret by which credentials are made; `None` makes one at the start, which nobody is
    /// told.
    pub secret: Option<TurnSecret>,
    /// Networks that are relayed to although they are loopback, link-local, private or otherwise
    /// special.
    pub allow_peers: Vec<IpNet>,
    /// Networks that are never relayed to; comes before `allow_peers`.
    pub deny_peers: Vec<IpNet>,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            port: None,
            tls_port: None,
            advertised_port: None,
            advertised_tls_port: None,
            relay_addresses: Vec::new(),
            external_addresses: Vec::new(),
            relay_ports: DEFAULT_RELAY_PORTS,
            realm: DEFAULT_REALM.to_owned(),
            secret: None,
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
        }
    }
}

/// The operator's secret. Whoever knows it makes credentials that reach any permitted peer.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(Vec<u8>);

impl TurnSecret {
    /// A secret from text as it stands in a file or variable: white space around it, such as the
    /// line's end, is not part of it.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(text: &str) -> Result<Self, String> {
        let secret = text.trim();
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "the secret has {} bytes; {MIN_SECRET_BYTES} at least, such as `openssl rand -hex 16` \
                 gives",
                secret.len()
            ));
        }
        Ok(Self(secret.as_bytes().to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret(..)")
    }
}

/// Limits of the relay. The defaults carry some hundred calls and let an office that shares one
/// address check at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnLimits {
    /// Allocations at a time. Each takes a file descriptor (two with both families) and, with all
    /// its permissions and channels, 8 KiB.
    pub max_allocations: usize,
    /// Of these with credentials from the discovery document.
    pub max_public_allocations: usize,
    /// Allocations at a time from one IPv4 address or one IPv6 /64.
    pub max_allocations_per_address: usize,
    /// Allocations at a time of one user name.
    pub max_allocations_per_user: usize,
    /// Payload of one allocation in bits a second, both directions together.
    pub max_allocation_bps: u64,
    /// TCP and TLS connections at a time.
    pub max_turn_connections: usize,
    /// TCP and TLS connections at a time from one IPv4 address or one IPv6 /64.
    pub max_turn_connections_per_address: usize,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            max_allocations: 1000,
            max_public_allocations: 500,
            max_allocations_per_address: 64,
            max_allocations_per_user: 64,
            max_allocation_bps: 100_000_000,
            max_turn_connections: 1000,
            max_turn_connections_per_address: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_enough_and_not_shown() {
        let secret = TurnSecret::new(" 0123456789abcdef\n").unwrap();
        assert_eq!(secret.bytes(), b"0123456789abcdef");
        assert!(!format!("{secret:?}").contains("0123"));
        let error = TurnSecret::new("hunter2\n").unwrap_err();
        assert!(
            error.contains("7 bytes") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
