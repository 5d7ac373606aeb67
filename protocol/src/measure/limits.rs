//! What a server grants.

use std::time::Duration;

use crate::discovery::{AdvertisedLimits, AdvertisedLoads};

/// Smallest echo request: the reply's fields must fit in it, since a reply is never larger than
/// its request unless a size probe asked for that.
pub const MIN_ECHO_BYTES: u16 = 64;

/// Largest UDP payload on an Ethernet path: 1500 bytes less the IPv4 and UDP headers.
pub const MAX_DATAGRAM_BYTES: u16 = 1472;

/// Largest packet of a load: what every path carries, IPv6's smallest MTU of 1280 bytes less the
/// headers. A load measures what a link carries in time, not how large its packets may be; and
/// packets that the server's own interface does not take could not be sent together.
pub const MAX_LOAD_PACKET_BYTES: u16 = 1232;

/// Longest load. A second tells what a link carries; more is for links that vary.
pub const MAX_LOAD_TIME: Duration = Duration::from_secs(5);

/// Packets of a train at most, which all leave at once: half a megabyte or so, 6 ms of a gigabit
/// a second.
pub const MAX_TRAIN_PACKETS: u32 = 600;

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
    /// Sessions that have a load at a time. 0 switches loads off, and they are not advertised.
    /// Each may hold two or three megabytes of what came in.
    pub max_loads: usize,
    /// Rate of one load: UDP payload in bits a second.
    pub max_load_bps: u64,
    /// UDP payload of all loads of one session, both directions together.
    pub max_load_bytes: u64,
    /// Sum of the rates of all loads that are being sent. One that does not fit is refused, not
    /// slowed down, so that nobody's measurement is distorted.
    pub max_egress_bps: u64,
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
            max_loads: 16,
            max_load_bps: 250_000_000,
            max_load_bytes: 128_000_000,
            max_egress_bps: 1_000_000_000,
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

    /// What loads are granted; `None` when none are.
    pub fn advertised_loads(&self) -> Option<AdvertisedLoads> {
        (self.max_loads > 0).then(|| AdvertisedLoads {
            max_load_bps: self.load_bps(),
            max_load_bytes: self.max_load_bytes,
        })
    }

    /// Rate of one load; never above what all of them may have.
    pub(super) fn load_bps(&self) -> u64 {
        self.max_load_bps.min(self.max_egress_bps)
    }
}
