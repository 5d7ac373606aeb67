//! Nonces of which nothing is kept.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_protocol::measure::time::MonotonicTime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How long a nonce is good for. A client whose nonce is older is told a new one (438), which
/// costs it one round trip.
pub(crate) const NONCE_LIFE: Duration = Duration::from_mins(10);
/// Bytes of the keyed hash that travel. 64 bits: each guess takes a packet, and what a right guess
/// buys is no more than a fresh nonce.
const MAC_BYTES: usize = 8;
const TIME_BYTES: usize = 4;

/// Makes nonces and knows its own again.
pub(crate) struct Nonces {
    key: [u8; 32],
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

impl Nonces {
    /// Nonces by this key, which nobody else knows.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A nonce for a client at `address`: the time and a keyed hash of time and address, in 16
    /// characters.
    pub(crate) fn make(&self, now: MonotonicTime, address: SocketAddr) -> String {
        let made = seconds(now).to_be_bytes();
        let mut bytes = [0; TIME_BYTES + MAC_BYTES];
        bytes[..TIME_BYTES].copy_from_slice(&made);
        let mac = self.mac(made, address).finalize().into_bytes();
        bytes[TIME_BYTES..].copy_from_slice(&mac[..MAC_BYTES]);
        STANDARD.encode(bytes)
    }

    /// Whether this server made this nonce for this client, not too long ago.
    pub(crate) fn is_good(&self, nonce: &str, now: MonotonicTime, address: SocketAddr) -> bool {
        let mut bytes = [0; TIME_BYTES + MAC_BYTES];
        if !matches!(STANDARD.decode_slice(nonce, &mut bytes), Ok(n) if n == bytes.len()) {
            return false;
        }
        let (made, mac) = bytes.split_at(TIME_BYTES);
        let Ok(made) = <[u8; TIME_BYTES]>::try_from(made) else {
            return false;
        };
        let age = seconds(now).checked_sub(u32::from_be_bytes(made));
        let fresh = age.is_some_and(|age| u64::from(age) <= NONCE_LIFE.as_secs());
        // In constant time.
        fresh && self.mac(made, address).verify_truncated_left(mac).is_ok()
    }

    fn mac(&self, made: [u8; TIME_BYTES], address: SocketAddr) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&made);
        match address {
            SocketAddr::V4(v4) => mac.update(&v4.ip().octets()),
            SocketAddr::V6(v6) => mac.update(&v6.ip().octets()),
        }
        mac.update(&address.port().to_be_bytes());
        mac
    }
}

fn seconds(now: MonotonicTime) -> u32 {
    u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonotonicTime = MonotonicTime::from_nanos(5_000_000_000);

    #[test]
    fn a_nonce_serves_its_address_until_it_is_old() {
        let nonces = Nonces::new([7; 32]);
        let client = "192.0.2.1:5000".parse().unwrap();
        let nonce = nonces.make(NOW, client);
        assert_eq!(nonce.len(), 16);
        assert!(nonces.is_good(&nonce, NOW, client));
        assert!(nonces.is_good(&nonce, NOW.after(NONCE_LIFE), client));
        let late = NOW.after(NONCE_LIFE + Duration::from_secs(1));
        assert!(!nonces.is_good(&nonce, late, client));
        for other in ["192.0.2.1:5001", "192.0.2.2:5000", "[2001:db8::1]:5000"] {
            assert!(!nonces.is_good(&nonce, NOW, other.parse().unwrap()));
        }
    }

    #[test]
    fn what_others_make_up_is_no_nonce() {
        let nonces = Nonces::new([7; 32]);
        let client = "192.0.2.1:5000".parse().unwrap();
        let foreign = Nonces::new([8; 32]).make(NOW, client);
        let future = nonces.make(NOW.after(Duration::from_secs(9)), client);
        let long = "x".repeat(700);
        for nonce in ["", "x", "AAAAAAAAAAAAAAAA", &foreign, &future, &long] {
            assert!(!nonces.is_good(nonce, NOW, client), "{nonce}");
        }
    }
}
