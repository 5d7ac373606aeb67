//! What session control does to rooms and participants.

use std::sync::Arc;

use greenroom_protocol::livekit::proto::{
    CreateRoomRequest, DisconnectReason, MuteRoomTrackRequest, MuteTrackRequest, ParticipantInfo,
    Room as RoomInfo, SendDataRequest, TrackInfo, UpdateParticipantRequest,
    UpdateRoomMetadataRequest, signal_response::Message,
};

use super::{
    effect::{Effects, Now},
    limits::{check_text, merged},
    participant::Participant,
    room::{Room, Urgency},
    rooms::{Place, Rooms},
    signal::tell_unpublished,
};
use crate::engine::room_service::RoomServiceError as Refusal;

type Answer<T> = Result<T, Refusal>;

impl Rooms {
    pub(in crate::engine) fn create_room(
        &mut self,
        request: CreateRoomRequest,
        now: Now,
    ) -> Answer<RoomInfo> {
        if request.name.is_empty() {
            let text = "a room needs a name".to_owned();
            return Err(Refusal::InvalidArgument(text));
        }
        if let Some(known) = self.by_name.get(&request.name) {
            return Ok(known.info());
        }
        let limits = &self.config.limits;
        check_text(
            limits,
            &request.name,
            &request.metadata,
            &std::collections::HashMap::new(),
        )
        .map_err(Refusal::InvalidArgument)?;
        if self.by_name.len() >= limits.max_rooms {
            let text = format!("the server holds {} rooms, its limit", limits.max_rooms);
            return Err(Refusal::LimitExceeded(text));
        }
        let name = request.name.clone();
        let room = Room::new(request, self.sids.room(), &self.config, now);
        let info = room.info();
        self.by_name.insert(name, room);
        Ok(info)
    }

    pub(in crate::engine) fn list_rooms(&self, names: &[String]) -> Vec<RoomInfo> {
        let rooms = self.by_name.values();
        rooms
            .filter(|room| names.is_empty() || names.contains(&room.info.name))
            .map(Room::info)
            .collect()
    }

    pub(in crate::engine) fn delete_room(&mut self, name: &str, out: &mut Effects) -> Answer<()> {
        if self.end_room(name, DisconnectReason::RoomDeleted, out) {
            return Ok(());
        }
        Err(no_room(name))
    }

    pub(in crate::engine) fn list_participants(&self, room: &str) -> Answer<Vec<ParticipantInfo>> {
        let room = self.by_name.get(room).ok_or_else(|| no_room(room))?;
        let participants = room.participants.values();
        Ok(participants.map(|it| it.info.clone()).collect())
    }

    pub(in crate::engine) fn get_participant(&self, place: &Place) -> Answer<ParticipantInfo> {
        let room = self.by_name.get(&place.room);
        let room = room.ok_or_else(|| no_room(&place.room))?;
        let known = room.participants.get(&place.identity);
        Ok(known.ok_or_else(|| no_participant(place))?.info.clone())
    }

    pub(in crate::engine) fn remove_participant(
        &mut self,
        place: &Place,
        now: Now,
        out: &mut Effects,
    ) -> Answer<()> {
        self.participant(place)?;
        let reason = DisconnectReason::ParticipantRemoved;
        self.remove(place, reason, Urgency::Now, now, out);
        Ok(())
    }

    pub(in crate::engine) fn mute_published_track(
        &mut self,
        request: MuteRoomTrackRequest,
        now: Now,
        out: &mut Effects,
    ) -> Answer<TrackInfo> {
        let place = Place {
            room: request.room,
            identity: request.identity,
        };
        let config = Arc::clone(&self.config);
        let participant = self.participant(&place)?;
        let conn = participant.conn;
        let tracks = &mut participant.info.tracks;
        let known = tracks.iter_mut().find(|it| it.sid == request.track_sid);
        let track = known.ok_or_else(|| {
            let text = format!("{} has no track {:?}", place.identity, request.track_sid);
            Refusal::NotFound(text)
        })?;
        if track.muted == request.muted {
            return Ok(track.clone());
        }
        if !request.muted {
            let text = "unmuting somebody else's track is switched off: ask the user".to_owned();
            return Err(Refusal::Unsupported(text));
        }
        track.muted = true;
        let track = track.clone();
        let mute = MuteTrackRequest {
            sid: request.track_sid,
            muted: true,
        };
        out.send_one(conn, Message::Mute(mute));
        self.told(&place, Urgency::Now, &config, now, out)?;
        Ok(track)
    }

    pub(in crate::engine) fn update_participant(
        &mut self,
        request: UpdateParticipantRequest,
        now: Now,
        out: &mut Effects,
    ) -> Answer<ParticipantInfo> {
        let place = Place {
            room: request.room,
            identity: request.identity,
        };
        let config = Arc::clone(&self.config);
        let participant = self.participant(&place)?;
        let attributes = merged(&participant.info.attributes, &request.attributes);
        check_text(
            &config.limits,
            &request.name,
            &request.metadata,
            &attributes,
        )
        .map_err(Refusal::InvalidArgument)?;
        let before = (
            participant.info.name.clone(),
            participant.info.metadata.clone(),
        );
        let mut shows = participant.info.attributes != attributes;
        participant.info.attributes = attributes;
        participant.describe(request.name, request.metadata);
        shows |= before
            != (
                participant.info.name.clone(),
                participant.info.metadata.clone(),
            );
        if let Some(permission) = request.permission {
            participant.info.permission = Some(permission);
            let ended = participant.forbidden_tracks();
            participant.unpublish(&ended);
            shows |= !ended.is_empty();
            tell_unpublished(participant.conn, &ended, out);
        }
        // Of rights alone, nobody else sees anything: told at once of each of many, they would be more
        // than clients read.
        let urgency = if shows { Urgency::Now } else { Urgency::Usual };
        self.told(&place, urgency, &config, now, out)
    }

    pub(in crate::engine) fn update_room_metadata(
        &mut self,
        request: UpdateRoomMetadataRequest,
        out: &mut Effects,
    ) -> Answer<RoomInfo> {
        let most = self.config.limits.max_metadata_bytes;
        let room = self.by_name.get_mut(&request.room);
        let room = room.ok_or_else(|| no_room(&request.room))?;
        if request.metadata.len() > most {
            let text = format!("the metadata is longer than {most} bytes");
            return Err(Refusal::InvalidArgument(text));
        }
        room.info.metadata = request.metadata;
        room.tell_room(out);
        Ok(room.info())
    }

    pub(in crate::engine) fn send_data(
        &mut self,
        request: SendDataRequest,
        out: &mut Effects,
    ) -> Answer<()> {
        let limits = &self.config.limits;
        let room = self.by_name.get(&request.room);
        let room = room.ok_or_else(|| no_room(&request.room))?;
        if room.send_data(request, limits, out) {
            return Ok(());
        }
        let text = format!(
            "the data is longer than {} bytes, the most that a packet takes",
            limits.max_data_packet_bytes
        );
        Err(Refusal::InvalidArgument(text))
    }

    fn participant(&mut self, place: &Place) -> Answer<&mut Participant> {
        let room = self.by_name.get_mut(&place.room);
        let room = room.ok_or_else(|| no_room(&place.room))?;
        let known = room.participants.get_mut(&place.identity);
        known.ok_or_else(|| no_participant(place))
    }

    /// Tells of a change that somebody else made.
    fn told(
        &mut self,
        place: &Place,
        urgency: Urgency,
        config: &crate::engine::config::EngineConfig,
        now: Now,
        out: &mut Effects,
    ) -> Answer<ParticipantInfo> {
        let room = self.by_name.get_mut(&place.room);
        let room = room.ok_or_else(|| no_room(&place.room))?;
        room.change(&place.identity, urgency, &config.limits, now, out)
            .ok_or_else(|| no_participant(place))
    }
}

fn no_room(name: &str) -> Refusal {
    Refusal::NotFound(format!("there is no room {name:?}"))
}

fn no_participant(place: &Place) -> Refusal {
    let Place { room, identity } = place;
    Refusal::NotFound(format!("{identity:?} is not in the room {room:?}"))
}
