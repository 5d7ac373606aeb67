//! What session control asks of whoever holds the rooms: LiveKit's `RoomService`.
//!
//! The embedded engine answers it in this process; [`TwirpClient`](super::twirp_client::TwirpClient)
//! asks a LiveKit cluster. Both take and give LiveKit's messages, so that the caller does not know
//! which.

use std::{fmt, pin::Pin};

use greenroom_protocol::livekit::proto::{
    CreateRoomRequest, DeleteRoomRequest, ListParticipantsRequest, ListRoomsRequest,
    MuteRoomTrackRequest, ParticipantInfo, Room, RoomParticipantIdentity, SendDataRequest,
    TrackInfo, UpdateParticipantRequest, UpdateRoomMetadataRequest,
};

/// The answer of a [`RoomService`], to come.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, RoomServiceError>> + Send + 'a>>;

/// Acts upon rooms and their participants.
///
/// # Cancel safety
/// Dropping an answer's future may leave the request done or undone.
pub trait RoomService: fmt::Debug + Send + Sync {
    /// Makes a room, or gives the one that has the name.
    fn create_room(&self, request: CreateRoomRequest) -> Reply<'_, Room>;

    /// The rooms with these names; all rooms when no name is given.
    fn list_rooms(&self, request: ListRoomsRequest) -> Reply<'_, Vec<Room>>;

    /// Ends a room: who is in it is sent away with reason `ROOM_DELETED`.
    fn delete_room(&self, request: DeleteRoomRequest) -> Reply<'_, ()>;

    /// Who is in a room.
    fn list_participants(
        &self,
        request: ListParticipantsRequest,
    ) -> Reply<'_, Vec<ParticipantInfo>>;

    /// One participant.
    fn get_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ParticipantInfo>;

    /// Sends a participant away with reason `PARTICIPANT_REMOVED`. Its token stays good: who must
    /// not come back is refused one.
    fn remove_participant(&self, request: RoomParticipantIdentity) -> Reply<'_, ()>;

    /// Mutes a track. Unmuting is [`Unsupported`](RoomServiceError::Unsupported): the user decides.
    fn mute_published_track(&self, request: MuteRoomTrackRequest) -> Reply<'_, TrackInfo>;

    /// Changes name, metadata, attributes or permission; what is empty stays, an attribute with an
    /// empty value goes.
    fn update_participant(&self, request: UpdateParticipantRequest) -> Reply<'_, ParticipantInfo>;

    /// Changes a room's metadata.
    fn update_room_metadata(&self, request: UpdateRoomMetadataRequest) -> Reply<'_, Room>;

    /// Sends data to all of a room, or to some.
    fn send_data(&self, request: SendDataRequest) -> Reply<'_, ()>;
}

/// Why a [`RoomService`] did not do what it was asked. Each carries a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomServiceError {
    /// There is no such room, participant or track.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller may not do this.
    #[error("{0}")]
    PermissionDenied(String),
    /// A limit is reached.
    #[error("{0}")]
    LimitExceeded(String),
    /// Nobody answers, now.
    #[error("{0}")]
    Unavailable(String),
    /// The other side cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The other side answered what it should not have.
    #[error("{0}")]
    Internal(String),
}
