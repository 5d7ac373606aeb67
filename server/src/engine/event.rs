//! What happens in the rooms, told to session control.

use greenroom_protocol::livekit::proto::{DisconnectReason, ParticipantInfo};
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Something that happened in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineEvent {
    /// The room; empty with [`EngineEventKind::Lagged`], which concerns them all.
    pub room: String,
    /// What.
    pub kind: EngineEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EngineEventKind {
    /// Somebody came.
    ParticipantJoined(ParticipantInfo),
    /// Name, metadata, attributes, permission, state or tracks changed.
    ParticipantUpdated(ParticipantInfo),
    /// The signalling connection of a participant broke off, or fell silent. It stays in the room,
    /// and in the lists, until it resumes or the grace for that is over.
    ConnectionLost(ParticipantInfo),
    /// A participant is back after [`ConnectionLost`](Self::ConnectionLost).
    ConnectionResumed(ParticipantInfo),
    /// Somebody left, or was sent away.
    ParticipantLeft {
        /// As it was last.
        info: ParticipantInfo,
        /// Why.
        reason: DisconnectReason,
    },
    /// The room is gone.
    RoomFinished,
    /// The subscriber was too slow and missed events. It lists rooms and participants again; what
    /// comes after this event is complete.
    Lagged {
        /// How many were missed.
        missed: u64,
    },
}

/// A subscription to the events of an engine.
#[derive(Debug)]
pub struct EngineEvents(broadcast::Receiver<EngineEvent>);

impl EngineEvents {
    pub(super) fn new(receiver: broadcast::Receiver<EngineEvent>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` once the engine is gone.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing.
    pub async fn recv(&mut self) -> Option<EngineEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(lagged(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// An event that waits already.
    pub fn try_recv(&mut self) -> Option<EngineEvent> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Lagged(missed)) => Some(lagged(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

fn lagged(missed: u64) -> EngineEvent {
    EngineEvent {
        room: String::new(),
        kind: EngineEventKind::Lagged { missed },
    }
}
