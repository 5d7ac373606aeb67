//! What a client is told, and what it tells its driver.

use std::time::Duration;

use super::super::super::time::MonotonicTime;
use super::super::capacity::CapacityPlan;
use super::super::verify::IdleDirection;
use super::flow::FlowFailure;

/// What a client does.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Not to be guessed by others; of the load flow and of the other.
    pub nonces: [u64; 2],
    /// Longest wait for the handshakes.
    pub patience: Duration,
    /// How long the sessions are asked for.
    pub session_time: Duration,
    /// Uplink.
    pub up: CapacityPlan,
    /// Downlink.
    pub down: CapacityPlan,
    /// Trials, after that.
    pub trials: Option<TrialPlan>,
    /// What the idle path does, up and down.
    pub idle: [IdleDirection; 2],
}

/// Trials.
#[derive(Clone, Debug)]
pub struct TrialPlan {
    /// Video rates that a call may have, bits of payload a second.
    pub rungs_bps: Vec<u64>,
    /// How many, at most.
    pub most: u32,
}

/// Which flow a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowId {
    /// Loads, and echoes beside them.
    Load,
    /// Echoes only.
    Other,
}

/// What the driver is to do.
#[derive(Debug, PartialEq)]
pub enum LoadOutput {
    /// Send what was written into the buffer.
    Transmit {
        /// From this flow's socket.
        flow: FlowId,
        /// As datagrams of this size, the last of which may be shorter; as one when `None`.
        segment_bytes: Option<u16>,
        /// It is the echo of this number: tell [`LoadClient::departed`](super::LoadClient::departed) when it left.
        echo: Option<u32>,
    },
    /// Another phase began.
    Phase(LoadPhase),
    /// Nothing before this time, unless something comes in.
    Wait(MonotonicTime),
    /// Nothing any more.
    Finished(LoadEnd),
}

/// Where a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadPhase {
    /// Handshakes and a first look at the idle delay.
    Connect,
    /// Loads to the server.
    Up,
    /// Loads from the server.
    Down,
    /// Calls both ways.
    Trial,
    /// Over.
    Done,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEnd {
    /// As planned.
    Complete,
    /// [`LoadClient::cancel`](super::LoadClient::cancel) was called.
    Cancelled,
    /// A flow has no session.
    Failed(FlowFailure),
    /// The server refused a load and did not change its mind.
    Limited(Duration),
    /// The server stopped answering.
    Vanished,
    /// What the server reports cannot be.
    Impossible,
}
