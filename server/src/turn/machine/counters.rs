//! What the relay did since the start.

use super::relay::Transport;

/// Codes with which requests are refused, each with a counter of its own.
pub(crate) const CODES: [u16; 12] = [400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508];

/// Packets and their payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes of payload.
    pub(crate) bytes: u64,
}

impl Carried {
    /// Counts one packet.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Why something was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Neither STUN nor of a channel, or cut off.
    Malformed,
    /// Larger than what is read.
    Oversized,
    /// Of a client that has no allocation.
    NoAllocation,
    /// Of a channel that is not bound.
    UnboundChannel,
    /// To or from a peer without permission.
    NoPermission,
    /// To or from a peer that may not be reached.
    Forbidden,
    /// Beyond the allocation's rate.
    TooFast,
    /// An answer that an address had too many of.
    AnswerWithheld,
    /// The system, or a client's connection, did not take it.
    NotSent,
}

impl Dropped {
    /// Each, with its name in the metrics.
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("malformed", Self::Malformed),
        ("oversized", Self::Oversized),
        ("no_allocation", Self::NoAllocation),
        ("unbound_channel", Self::UnboundChannel),
        ("no_permission", Self::NoPermission),
        ("forbidden_peer", Self::Forbidden),
        ("too_fast", Self::TooFast),
        ("answer_withheld", Self::AnswerWithheld),
        ("not_sent", Self::NotSent),
    ];
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RelayCounters {
    /// Allocations made, by transport of the client.
    pub(crate) allocated: [u64; Transport::ALL.len()],
    /// Allocations open now, by transport of the client.
    pub(crate) open: [u64; Transport::ALL.len()],
    /// Allocations that ended because nobody refreshed them.
    pub(crate) expired: u64,
    /// Binding requests answered.
    pub(crate) bindings: u64,
    /// From clients to peers.
    pub(crate) to_peers: Carried,
    /// From peers to clients.
    pub(crate) to_clients: Carried,
    /// Requests refused, in the order of [`CODES`].
    pub(crate) refused: [u64; CODES.len()],
    /// Requests with a wrong password, or an unknown or expired name.
    pub(crate) authentication_failed: u64,
    /// Dropped, in the order of [`Dropped::ALL`].
    pub(crate) dropped: [u64; Dropped::ALL.len()],
}

impl RelayCounters {
    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, code: u16) {
        if let Some(at) = CODES.iter().position(|known| *known == code) {
            self.refused[at] += 1;
        }
    }

    /// Counts what was dropped.
    pub(crate) fn drop(&mut self, why: Dropped) {
        self.drop_many(why, 1);
    }

    /// Counts several.
    pub(crate) fn drop_many(&mut self, why: Dropped, n: u64) {
        self.dropped[why as usize] += n;
    }

    /// How many were dropped for this reason.
    #[cfg(test)]
    pub(crate) fn n_dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize]
    }

    /// How many requests were refused with this code.
    #[cfg(test)]
    pub(crate) fn n_refused(&self, code: u16) -> u64 {
        let at = CODES.iter().position(|known| *known == code);
        at.map_or(0, |at| self.refused[at])
    }
}
