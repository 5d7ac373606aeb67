//! What a server grants.

use crate::discovery::AdvertisedLimits;

/// Smallest echo request: the reply's fields must fit in it, since a reply is never larger than
/// its request unless a size probe asked for that.
pub const MIN_ECHO_BYTES: u16 = 64;

/// Largest UDP payload on an Ethernet path: 1500 bytes less the IPv4 and UDP headers.
pub const MAX_DATAGRAM_BYTES: u16 = 1472;

/// Limits that a responder enforces and advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest session in milliseconds, counted from its opening. A longer one outlives its
    /// purpose: a full check takes seconds.
    pub max_session_ms: u32,
    /// Echo requests and size probes a second and session. A call sends 50 audio packets a second
    /// and up to a few hundred of video.
    pub max_packets_per_second: u32,
    /// Largest datagram either way.
    pub max_datagram_bytes: u16,
    /// Sessions at a time. Each costs a few kilobytes.
    pub max_sessions: usize,
    /// Sessions at a time from one IPv4 address or one IPv6 /64.
    pub max_sessions_per_address: usize,
    /// Sessions opened a minute from one IPv4 address or one IPv6 /64.
    pub max_opens_per_minute_per_address: u32,
    /// Challenges a second to everybody together. It bounds what spoofed requests can reflect;
    /// the answer is never larger than the request.
    pub max_challenges_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_session_ms: 60_000,
            max_packets_per_second: 500,
            max_datagram_bytes: MAX_DATAGRAM_BYTES,
            max_sessions: 4096,
            max_sessions_per_address: 16,
            max_opens_per_minute_per_address: 120,
            max_challenges_per_second: 5000,
        }
    }
}

impl Limits {
    /// The part that a client needs to know.
    pub fn advertised(&self) -> AdvertisedLimits {
        AdvertisedLimits {
            max_session_ms: self.max_session_ms,
            max_packets_per_second: self.max_packets_per_second,
            max_datagram_bytes: self.max_datagram_bytes,
        }
    }
}
