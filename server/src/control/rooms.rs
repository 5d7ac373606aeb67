//! Session control's engine by LiveKit's `RoomService`, embedded or of a cluster.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::livekit::grants::{ApiKey, Grants, Source, VideoGrants};
use greenroom_protocol::livekit::proto::{
    self, DeleteRoomRequest, ListParticipantsRequest, MuteRoomTrackRequest, ParticipantInfo,
    RoomParticipantIdentity, SendDataRequest, UpdateParticipantRequest, data_packet,
    participant_info,
};
use greenroom_protocol::session::message::ServerMessage;
use greenroom_protocol::session::{EndReason, Identity, Role};

use super::engine::{Engine, EngineError, Entry};
use super::session::{Command, Seen, Track, TrackSource};
use super::store::BoxFuture;
use crate::engine::room_service::{RoomService, RoomServiceError};

/// Attribute by which LiveKit clients read a participant's role.
const ROLE_ATTRIBUTE: &str = "greenroom.role";
/// Topic of the data by which LiveKit clients read why a session ended.
const END_TOPIC: &str = "greenroom.session";

/// Rooms that a `RoomService` acts on.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    /// Acts on them.
    pub(crate) service: Arc<dyn RoomService>,
    /// Mints tokens for their users.
    pub(crate) api_key: ApiKey,
    /// Where clients reach the engine; `None` is this server.
    pub(crate) url: Option<String>,
}

impl Engine for Rooms {
    fn run<'a>(
        &'a self,
        room: &'a str,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(self.act(room.to_owned(), command))
    }

    fn everybody<'a>(&'a self, room: &'a str) -> BoxFuture<'a, Result<Vec<Seen>, EngineError>> {
        let room = room.to_owned();
        Box::pin(async move {
            let request = ListParticipantsRequest { room };
            let all = self
                .service
                .list_participants(request)
                .await
                .map_err(failed)?;
            Ok(all.iter().filter_map(seen).collect())
        })
    }

    fn token(&self, entry: &Entry<'_>) -> Result<String, EngineError> {
        let mut grants = Grants::join(entry.room, entry.identity.as_str());
        entry.name.unwrap_or_default().clone_into(&mut grants.name);
        let role = (ROLE_ATTRIBUTE.to_owned(), entry.role.name().to_owned());
        grants.attributes = [role].into();
        grants.video = VideoGrants {
            can_publish_sources: sources(entry.may_share),
            // Nothing of a session is changed by who is in it but through session control.
            can_update_own_metadata: Some(false),
            ..grants.video
        };
        let now = Duration::from_secs(entry.now_unix_s);
        let lifetime = Duration::from_secs(entry.until_unix_s.saturating_sub(entry.now_unix_s));
        let token = self.api_key.mint(grants, now, lifetime);
        token.map_err(|error| EngineError::Failed(error.to_string()))
    }

    /// The embedded engine asks session control whom it lets in, so that its tokens may last for a whole
    /// session; a cluster does not, but gives its clients fresh ones.
    fn token_lifetime(&self) -> Duration {
        match self.url {
            None => Duration::from_hours(24),
            Some(_) => Duration::from_mins(10),
        }
    }

    fn url(&self) -> Option<String> {
        self.url.clone()
    }
}

impl Rooms {
    async fn act(&self, room: String, command: &Command) -> Result<(), EngineError> {
        let done = match command {
            Command::Rename { identity, name } => {
                let request = UpdateParticipantRequest {
                    room,
                    identity: identity.0.clone(),
                    name: name.as_deref().unwrap_or_default().to_owned(),
                    ..UpdateParticipantRequest::default()
                };
                self.service.update_participant(request).await.map(drop)
            }
            Command::SetRole {
                identity,
                role,
                may_share,
            } => {
                let request = role_request(room, identity, *role, *may_share);
                self.service.update_participant(request).await.map(drop)
            }
            Command::Mute { identity, track } => {
                let request = MuteRoomTrackRequest {
                    room,
                    identity: identity.0.clone(),
                    track_sid: track.clone(),
                    muted: true,
                };
                self.service.mute_published_track(request).await.map(drop)
            }
            Command::Remove { identity } => {
                let request = RoomParticipantIdentity {
                    room,
                    identity: identity.0.clone(),
                    ..RoomParticipantIdentity::default()
                };
                self.service.remove_participant(request).await
            }
            Command::End { reason, text } => self.end(room, *reason, text.clone()).await,
            Command::Close => self.service.delete_room(DeleteRoomRequest { room }).await,
        };
        done.map_err(failed)
    }

    /// LiveKit tells its clients that a room was deleted, but not why.
    async fn end(
        &self,
        room: String,
        reason: EndReason,
        text: Option<String>,
    ) -> Result<(), RoomServiceError> {
        let message = ServerMessage::Ended { reason, text };
        let request = SendDataRequest {
            room: room.clone(),
            // Made of plain data, which always becomes JSON.
            data: serde_json::to_vec(&message).unwrap_or_default(),
            kind: data_packet::Kind::Reliable.into(),
            topic: Some(END_TOPIC.to_owned()),
            ..SendDataRequest::default()
        };
        let told = self.service.send_data(request).await;
        let deleted = self.service.delete_room(DeleteRoomRequest { room }).await;
        deleted.and(told)
    }
}

fn role_request(
    room: String,
    identity: &Identity,
    role: Role,
    may_share: bool,
) -> UpdateParticipantRequest {
    let grants = VideoGrants {
        can_publish_sources: sources(may_share),
        can_update_own_metadata: Some(false),
        ..VideoGrants::default()
    };
    let role = (ROLE_ATTRIBUTE.to_owned(), role.name().to_owned());
    UpdateParticipantRequest {
        room,
        identity: identity.0.clone(),
        permission: Some(grants.permission()),
        attributes: HashMap::from([role]),
        ..UpdateParticipantRequest::default()
    }
}

/// What may be published; nothing named stands for all.
fn sources(may_share: bool) -> Vec<Source> {
    if may_share {
        return Vec::new();
    }
    vec![Source::Camera, Source::Microphone]
}

fn failed(error: RoomServiceError) -> EngineError {
    match error {
        RoomServiceError::NotFound(words) => EngineError::NotThere(words),
        error => EngineError::Failed(error.to_string()),
    }
}

/// A participant as session control sees one; `None` of those who are no users: recorders, and what
/// else LiveKit puts into a room.
pub(crate) fn seen(info: &ParticipantInfo) -> Option<Seen> {
    let hidden = info
        .permission
        .as_ref()
        .is_some_and(|permission| permission.hidden);
    if hidden || info.kind() != participant_info::Kind::Standard {
        return None;
    }
    Some(Seen {
        identity: Identity(info.identity.clone()),
        sid: info.sid.clone(),
        tracks: info.tracks.iter().map(track).collect(),
    })
}

fn track(info: &proto::TrackInfo) -> Track {
    let source = match info.source() {
        proto::TrackSource::Microphone => TrackSource::Microphone,
        proto::TrackSource::Camera => TrackSource::Camera,
        proto::TrackSource::ScreenShare => TrackSource::ScreenShare,
        proto::TrackSource::ScreenShareAudio | proto::TrackSource::Unknown => TrackSource::Other,
    };
    Track {
        sid: info.sid.clone(),
        source,
        muted: info.muted,
    }
}
