//! The token that proves that a client receives at the address it claims.
//!
//! The server keeps nothing until the token comes back: the token is a keyed hash of the client's
//! address, its nonce and the time.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::time::MonotonicTime;

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 16;

/// A token as it travels.
pub type Token = [u8; TOKEN_BYTES];

/// Seconds for which one key period lasts. A token is good in its own period and the next, that is
/// for 30 to 60 seconds.
const PERIOD_SECONDS: u64 = 30;

/// Makes and checks tokens and session ids. The secret is the driver's entropy.
#[derive(Clone)]
pub struct TokenMint {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for TokenMint {
    /// The secret is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMint").finish_non_exhaustive()
    }
}

impl TokenMint {
    /// A mint that works with `secret`.
    pub fn new(secret: [u8; 32]) -> Self {
        // HMAC fills a short key with zeros up to the block of its hash.
        let mut block = [0; 64];
        block[..secret.len()].copy_from_slice(&secret);
        Self {
            keyed: Hmac::new(&block.into()),
        }
    }

    /// The token for a client at `from` that chose `nonce`.
    pub fn token(&self, now: MonotonicTime, from: SocketAddr, nonce: u64) -> Token {
        let hash = self.hash(period(now), from, nonce).finalize().into_bytes();
        let mut token = Token::default();
        token.copy_from_slice(&hash[..TOKEN_BYTES]);
        token
    }

    /// Whether `token` was made for this client lately; in constant time.
    pub fn verify(&self, now: MonotonicTime, from: SocketAddr, nonce: u64, token: &Token) -> bool {
        let now = period(now);
        [now, now.wrapping_sub(1)].into_iter().any(|period| {
            self.hash(period, from, nonce)
                .verify_truncated_left(token)
                .is_ok()
        })
    }

    /// A session id that nobody can guess; `serial` must not repeat.
    pub fn session_id(&self, serial: u64) -> u64 {
        let mut mac = self.keyed.clone();
        mac.update(b"session");
        mac.update(&serial.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        hash.iter()
            .take(8)
            .fold(0, |id, b| (id << 8) | u64::from(*b))
    }

    fn hash(&self, period: u64, from: SocketAddr, nonce: u64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(b"token");
        mac.update(&period.to_be_bytes());
        mac.update(&canonical_octets(from.ip()));
        mac.update(&from.port().to_be_bytes());
        mac.update(&nonce.to_be_bytes());
        mac
    }
}

fn period(now: MonotonicTime) -> u64 {
    now.as_nanos() / (PERIOD_SECONDS * 1_000_000_000)
}

/// One form for an IPv4 address and its IPv6-mapped twin.
fn canonical_octets(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: MonotonicTime = MonotonicTime::from_nanos(1_000_000_000_000);

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(T0.as_nanos() + seconds * 1_000_000_000)
    }

    #[test]
    fn a_token_is_good_for_its_address_nonce_and_time_only() {
        let mint = TokenMint::new([7; 32]);
        let token = mint.token(T0, from("192.0.2.1:4000"), 9);
        assert!(mint.verify(at(29), from("192.0.2.1:4000"), 9, &token));
        assert!(mint.verify(T0, from("[::ffff:192.0.2.1]:4000"), 9, &token));
        assert!(!mint.verify(T0, from("192.0.2.1:4001"), 9, &token));
        assert!(!mint.verify(T0, from("192.0.2.2:4000"), 9, &token));
        assert!(!mint.verify(T0, from("192.0.2.1:4000"), 8, &token));
        assert!(!mint.verify(at(61), from("192.0.2.1:4000"), 9, &token));
        assert!(!TokenMint::new([8; 32]).verify(T0, from("192.0.2.1:4000"), 9, &token));
    }

    #[test]
    fn session_ids_differ() {
        let mint = TokenMint::new([7; 32]);
        assert_ne!(mint.session_id(1), mint.session_id(2));
    }
}
