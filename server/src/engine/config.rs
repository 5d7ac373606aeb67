//! Settings of the engine.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use greenroom_protocol::livekit::{grants::ApiKey, proto::IceServer};

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The API keys whose tokens are believed. Without any, nobody gets in.
    pub keys: Vec<ApiKey>,
    /// Where media and data channels of all participants come in, over UDP. Port 0 is one of the
    /// system's choice.
    pub udp_listen: SocketAddr,
    /// Where clients reach [`udp_listen`](Self::udp_listen), told to them as candidates. An address
    /// with port 0 stands for the port that is listened on. Empty: the address that is listened on,
    /// which then has to be one that clients reach.
    pub advertised: Vec<SocketAddr>,
    /// STUN and TURN servers that a joining client is told of; asked for each, since their
    /// credentials expire.
    pub ice_servers: IceServers,
    /// A room comes into being when somebody joins it. Without, only `CreateRoom` makes rooms.
    pub auto_create: bool,
    /// Version that is told to clients.
    pub version: String,
    /// Limits.
    pub limits: EngineLimits,
    /// Times.
    pub timeouts: EngineTimeouts,
}

impl Default for EngineConfig {
    /// Reached from this machine alone, without keys.
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            udp_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised: Vec::new(),
            ice_servers: IceServers::default(),
            auto_create: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            limits: EngineLimits::default(),
            timeouts: EngineTimeouts::default(),
        }
    }
}

/// Gives the STUN and TURN servers for one client.
#[derive(Clone, Default)]
pub struct IceServers(Option<Arc<dyn Fn() -> Vec<IceServer> + Send + Sync>>);

impl IceServers {
    /// From a function that is called for every client that joins.
    pub fn from_fn(make: impl Fn() -> Vec<IceServer> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(make)))
    }

    pub(super) fn make(&self) -> Vec<IceServer> {
        self.0.as_ref().map_or_else(Vec::new, |make| make())
    }
}

/// Without the credentials.
impl fmt::Debug for IceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServers").finish_non_exhaustive()
    }
}

/// Limits of an engine. More lets one server hold more, and one attacker use more of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Rooms.
    pub max_rooms: usize,
    /// Participants of all rooms.
    pub max_participants: usize,
    /// Participants of a room that sets no limit of its own.
    pub max_participants_per_room: u32,
    /// Tracks that one participant announces.
    pub max_tracks: usize,
    /// Length of an identity, a name or the name of a room, in characters.
    pub max_name_chars: usize,
    /// Length of metadata, in bytes.
    pub max_metadata_bytes: usize,
    /// Keys and values of all attributes of one participant together, in bytes.
    pub max_attributes_bytes: usize,
    /// Length of one message of a client, in bytes. The offer for 40 tracks takes 122 kB.
    pub max_message_bytes: usize,
    /// Length of one data packet, in bytes, once stamped: what the data channels of a client take.
    pub max_data_packet_bytes: usize,
    /// Messages of one client in a second, on average; a burst may be ten times that. A session
    /// description counts as ten.
    pub max_messages_per_second: u32,
    /// Messages that wait for a client to read them, before it is cut off.
    pub max_waiting_messages: usize,
    /// Data that waits for one participant's data channel, in bytes, before packets are dropped for
    /// it; for all participants it is 512 MiB.
    pub max_waiting_data_bytes: usize,
    /// Events that wait for a subscriber before it is told that it missed some.
    pub max_waiting_events: usize,
    /// A room of more than this many participants tells of those who do not publish in batches.
    pub small_room: usize,
}

impl Default for EngineLimits {
    /// Lengths as LiveKit's.
    fn default() -> Self {
        Self {
            max_rooms: 10_000,
            max_participants: 10_000,
            max_participants_per_room: 5_000,
            max_tracks: 32,
            max_name_chars: 256,
            max_metadata_bytes: 512 * 1024,
            max_attributes_bytes: 64 * 1024,
            max_message_bytes: 1024 * 1024,
            max_data_packet_bytes: 64_000,
            max_messages_per_second: 50,
            max_waiting_messages: 512,
            max_waiting_data_bytes: 8 * 1024 * 1024,
            max_waiting_events: 16_384,
            small_room: 100,
        }
    }
}

/// Times of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineTimeouts {
    /// How often a client has to say something. LiveKit: 5 s.
    pub ping_interval: Duration,
    /// Silence after which a client's connection counts as lost. LiveKit: 15 s.
    pub ping_timeout: Duration,
    /// How long a participant whose connection is lost may take to come back. Longer leaves those
    /// who are gone in the list for longer.
    pub resume_grace: Duration,
    /// How long a room waits for the first participant. LiveKit: 300 s.
    pub empty_timeout: Duration,
    /// How long a room waits after the last one left. LiveKit: 20 s.
    pub departure_timeout: Duration,
    /// How long changes of those who do not publish are collected in a large room. LiveKit: 3 s.
    pub batch_interval: Duration,
    /// How long one message to a client may take to leave.
    pub send_timeout: Duration,
}

impl Default for EngineTimeouts {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(15),
            resume_grace: Duration::from_secs(15),
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            batch_interval: Duration::from_secs(3),
            send_timeout: Duration::from_secs(10),
        }
    }
}
