//! What the rooms want done.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use greenroom_protocol::livekit::proto::{
    DisconnectReason, LeaveRequest, Message as _, ParticipantInfo, ParticipantUpdate,
    SignalResponse, leave_request::Action, signal_response::Message,
};

use crate::engine::event::{EngineEvent, EngineEventKind};

/// Participants that one message tells of, in bytes. A connection keeps a buffer of the longest
/// message that it was sent, so the list of a large room is told in several.
const MAX_LIST_BYTES: usize = 32 * 1024;

/// One signalling connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct ConnId(pub(in crate::engine) u64);

/// One participant, over all of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct PeerId(pub(in crate::engine) u64);

/// The clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Now {
    /// To measure spans.
    pub(in crate::engine) instant: Instant,
    /// Since 1970 (UTC), to tell.
    pub(in crate::engine) unix: Duration,
}

impl Now {
    pub(super) fn unix_seconds(self) -> i64 {
        i64::try_from(self.unix.as_secs()).unwrap_or(i64::MAX)
    }

    pub(super) fn unix_millis(self) -> i64 {
        i64::try_from(self.unix.as_millis()).unwrap_or(i64::MAX)
    }
}

/// One thing to do.
#[derive(Debug)]
pub(in crate::engine) enum Effect {
    /// Send a frame to signalling connections.
    Send { to: Vec<ConnId>, frame: Bytes },
    /// Close a signalling connection, once what was sent has left.
    HangUp(ConnId),
    /// Do something with the peer connections of a participant.
    Transport(PeerId, TransportCommand),
    /// Send a data packet to participants.
    Data {
        to: Vec<PeerId>,
        reliable: bool,
        packet: Bytes,
    },
    /// Tell session control.
    Event(Box<EngineEvent>),
}

/// Something to do with the peer connections of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum TransportCommand {
    /// The participant's offer, for the connection on which it publishes.
    Offer { sdp: String, id: u32 },
    /// The participant's answer, for the connection on which it is sent things.
    Answer { sdp: String, id: u32 },
    /// The participant came back: what is sent to it has to find it again.
    Restart,
    /// The participant is gone.
    Close,
}

/// What happened to the peer connections of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum TransportEvent {
    /// The answer to its offer.
    Answer { sdp: String, id: u32 },
    /// An offer of ours.
    Offer { sdp: String, id: u32 },
    /// Its offer or answer cannot be taken, or its connection broke in our hands.
    Failed(String),
    /// The connection on which it publishes is up.
    Connected,
    /// It sent a data packet.
    Data { reliable: bool, packet: Vec<u8> },
}

/// Things to do, in order.
#[derive(Debug, Default)]
pub(in crate::engine) struct Effects(pub(in crate::engine) Vec<Effect>);

impl Effects {
    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    /// Sends one message to some.
    pub(super) fn send(&mut self, to: Vec<ConnId>, message: Message) {
        if to.is_empty() {
            return;
        }
        let response = SignalResponse {
            message: Some(message),
        };
        self.push(Effect::Send {
            to,
            frame: response.encode_to_vec().into(),
        });
    }

    /// Tells some of participants, in as many messages as it takes.
    pub(super) fn update(&mut self, to: &[ConnId], mut infos: Vec<ParticipantInfo>) {
        while !infos.is_empty() {
            let rest = infos.split_off(fitting(&infos).max(1));
            let participants = std::mem::replace(&mut infos, rest);
            let update = ParticipantUpdate { participants };
            self.send(to.to_vec(), Message::Update(update));
        }
    }

    /// Sends one message to whoever is connected.
    pub(super) fn send_one(&mut self, to: Option<ConnId>, message: Message) {
        self.send(to.into_iter().collect(), message);
    }

    /// Sends somebody away.
    pub(super) fn leave(&mut self, conn: Option<ConnId>, reason: DisconnectReason, action: Action) {
        let Some(conn) = conn else {
            return;
        };
        let leave = LeaveRequest {
            // For clients before protocol 13, which know no action.
            can_reconnect: action != Action::Disconnect,
            reason: reason.into(),
            action: action.into(),
            regions: None,
        };
        self.send(vec![conn], Message::Leave(leave));
        self.push(Effect::HangUp(conn));
    }

    pub(super) fn event(&mut self, room: &str, kind: EngineEventKind) {
        let room = room.to_owned();
        self.push(Effect::Event(Box::new(EngineEvent { room, kind })));
    }
}

/// How many of the first participants one message tells of.
pub(super) fn fitting(infos: &[ParticipantInfo]) -> usize {
    let mut bytes = 0;
    let fits = |info: &&ParticipantInfo| {
        bytes += info.encoded_len();
        bytes <= MAX_LIST_BYTES
    };
    infos.iter().take_while(fits).count()
}
