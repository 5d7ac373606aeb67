//! What a responder counts.

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderCounters {
    /// Datagrams that came in.
    pub datagrams_in: u64,
    /// Replies made.
    pub replies: u64,
    /// Datagrams that are no message.
    pub undecodable: u64,
    /// Messages that a server has no use for, or with too few bytes for their answer.
    pub unexpected: u64,
    /// Messages of no session, or of a session of another address.
    pub unknown_session: u64,
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Opens refused for their token.
    pub refused_token: u64,
    /// Opens refused because the server is full.
    pub refused_full: u64,
    /// Opens refused because the address has had enough.
    pub refused_address: u64,
    /// Requests refused because they came too fast.
    pub refused_rate: u64,
    /// Hellos left unanswered because there were too many.
    pub challenges_withheld: u64,
    /// Loads begun that clients send.
    pub loads_up: u64,
    /// Loads begun that are sent to clients.
    pub loads_down: u64,
    /// Loads refused because of a limit.
    pub loads_refused: u64,
    /// Loads that were no longer sent because the client was silent.
    pub loads_silenced: u64,
    /// Packets of loads that came in, copies included.
    pub load_packets_in: u64,
    /// Their UDP payload.
    pub load_bytes_in: u64,
    /// Packets of loads for the driver to send.
    pub load_packets_out: u64,
    /// Their UDP payload.
    pub load_bytes_out: u64,
    /// Packets of no load, of one that is over, or beyond what was granted.
    pub load_packets_unasked: u64,
}
