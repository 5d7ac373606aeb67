//! All rooms: who comes, who goes, and what time does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use greenroom_protocol::livekit::proto::{
    CreateRoomRequest, DisconnectReason, JoinResponse, ParticipantInfo, ReconnectResponse,
    ServerInfo, SessionDescription, SignalRequest, leave_request::Action, participant_info::State,
    signal_request, signal_response::Message,
};

use super::{
    effect::{ConnId, Effect, Effects, Now, PeerId, TransportCommand, TransportEvent, fitting},
    limits::check_text,
    participant::{Joining, Participant},
    room::{Audience, Room, Urgency},
    sids::Sids,
};
use crate::engine::{config::EngineConfig, event::EngineEventKind};

/// The version of LiveKit's protocol that is spoken. A client of a later one falls back to it.
const PROTOCOL: i32 = 15;

/// All rooms.
#[derive(Debug)]
pub(in crate::engine) struct Rooms {
    pub(super) config: Arc<EngineConfig>,
    pub(super) by_name: BTreeMap<String, Room>,
    /// Where a participant is: room and identity.
    pub(super) places: HashMap<PeerId, Place>,
    pub(super) conns: HashMap<ConnId, PeerId>,
    pub(super) sids: Sids,
    is_stopping: bool,
}

/// Room and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Place {
    pub(in crate::engine) room: String,
    pub(in crate::engine) identity: String,
}

/// Why somebody does not get in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine) enum JoinRefusal {
    #[error("the token grants no joining of a room (roomJoin, room)")]
    NoGrant,
    #[error("the token names no identity (sub)")]
    NoIdentity,
    #[error("there is no room {0:?}, and only CreateRoom makes one here")]
    NoRoom(String),
    #[error("the room is full: {0} participants are its limit")]
    RoomFull(u32),
    #[error("the server is full")]
    ServerFull,
    #[error("the server is stopping")]
    Stopping,
    #[error("{0}")]
    TooLong(String),
}

/// Why a connection has to end: the client broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Broken(pub(in crate::engine) &'static str);

impl Rooms {
    pub(in crate::engine) fn new(config: Arc<EngineConfig>, seed: u64) -> Self {
        Self {
            config,
            by_name: BTreeMap::new(),
            places: HashMap::new(),
            conns: HashMap::new(),
            sids: Sids::new(seed),
            is_stopping: false,
        }
    }

    pub(in crate::engine) fn n_rooms(&self) -> usize {
        self.by_name.len()
    }

    pub(in crate::engine) fn n_participants(&self) -> usize {
        self.places.len()
    }

    /// Whether somebody would get in, now.
    pub(in crate::engine) fn admits(&self, joining: &Joining) -> Result<(), JoinRefusal> {
        let grants = &joining.grants;
        let limits = &self.config.limits;
        if self.is_stopping {
            return Err(JoinRefusal::Stopping);
        }
        if !grants.video.room_join || grants.video.room.is_empty() {
            return Err(JoinRefusal::NoGrant);
        }
        if grants.identity.is_empty() {
            return Err(JoinRefusal::NoIdentity);
        }
        let attributes = grants.attributes.clone().into_iter().collect();
        for name in [&grants.name, &grants.identity, &grants.video.room] {
            check_text(limits, name, &grants.metadata, &attributes)
                .map_err(JoinRefusal::TooLong)?;
        }
        let room = self.by_name.get(&grants.video.room);
        let is_known = room.is_some_and(|room| room.participants.contains_key(&grants.identity));
        match room {
            _ if is_known => Ok(()),
            None if !self.config.auto_create => Err(JoinRefusal::NoRoom(grants.video.room.clone())),
            None if self.by_name.len() >= limits.max_rooms => Err(JoinRefusal::ServerFull),
            _ if self.places.len() >= limits.max_participants => Err(JoinRefusal::ServerFull),
            Some(room) if room.is_full() => Err(JoinRefusal::RoomFull(room.info.max_participants)),
            _ => Ok(()),
        }
    }

    /// Lets somebody in. The connection is known from now on, even to somebody who only learns
    /// that it has to begin anew.
    pub(in crate::engine) fn join(
        &mut self,
        joining: Joining,
        now: Now,
        out: &mut Effects,
    ) -> Result<ConnId, JoinRefusal> {
        self.admits(&joining)?;
        let conn = ConnId(self.sids.number());
        let place = Place {
            room: joining.grants.video.room.clone(),
            identity: joining.grants.identity.clone(),
        };
        if let Some(sid) = &joining.resume {
            if !self.resume(&place, sid, conn, now, out) {
                out.leave(
                    Some(conn),
                    DisconnectReason::StateMismatch,
                    Action::Reconnect,
                );
            }
            return Ok(conn);
        }
        self.remove(
            &place,
            DisconnectReason::DuplicateIdentity,
            Urgency::Usual,
            now,
            out,
        );
        self.enter(&place, joining, conn, now, out);
        Ok(conn)
    }

    fn enter(
        &mut self,
        place: &Place,
        joining: Joining,
        conn: ConnId,
        now: Now,
        out: &mut Effects,
    ) {
        let config = Arc::clone(&self.config);
        let participant = Participant::new(joining, conn, &mut self.sids, &config.limits, now);
        let (peer, info) = (participant.peer, participant.info.clone());
        let hidden = participant.is_hidden();
        self.places.insert(peer, place.clone());
        self.conns.insert(conn, peer);
        let room = self.room_of(&place.room, now);
        room.insert(participant);
        let mut others = room.seen_by(&place.identity);
        let more = others.split_off(fitting(&others));
        let response = JoinResponse {
            room: Some(room.info()),
            participant: Some(info.clone()),
            other_participants: others,
            server_version: config.version.clone(),
            ice_servers: config.ice_servers.make(),
            subscriber_primary: false,
            ping_timeout: seconds(config.timeouts.ping_timeout),
            ping_interval: seconds(config.timeouts.ping_interval),
            server_info: Some(server_info(&config)),
            fast_publish: true,
            ..JoinResponse::default()
        };
        out.send(vec![conn], Message::Join(response));
        out.update(&[conn], more);
        if !hidden {
            let limits = &config.limits;
            let told = info.clone();
            room.tell(
                peer,
                told,
                Audience::Others,
                Urgency::Usual,
                limits,
                now,
                out,
            );
        }
        out.event(&place.room, EngineEventKind::ParticipantJoined(info));
    }

    fn room_of(&mut self, name: &str, now: Now) -> &mut Room {
        let (config, sids) = (&self.config, &mut self.sids);
        self.by_name.entry(name.to_owned()).or_insert_with(|| {
            let request = CreateRoomRequest {
                name: name.to_owned(),
                ..CreateRoomRequest::default()
            };
            Room::new(request, sids.room(), config, now)
        })
    }

    /// Gives somebody who comes back a new connection; `false` when it is not known any more.
    fn resume(
        &mut self,
        place: &Place,
        sid: &str,
        conn: ConnId,
        now: Now,
        out: &mut Effects,
    ) -> bool {
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return false;
        };
        let known = room.participants.get_mut(&place.identity);
        let Some(participant) = known.filter(|known| known.info.sid == sid) else {
            return false;
        };
        if let Some(old) = participant.conn.replace(conn) {
            self.conns.remove(&old);
            out.push(Effect::HangUp(old));
        }
        self.conns.insert(conn, participant.peer);
        participant.heard = now.instant;
        let (peer, own) = (participant.peer, participant.info.clone());
        let was_lost = participant.lost.take().is_some();
        let response = ReconnectResponse {
            ice_servers: self.config.ice_servers.make(),
            server_info: Some(server_info(&self.config)),
            ..ReconnectResponse::default()
        };
        out.send(vec![conn], Message::Reconnect(response));
        let mut infos = room.seen_by(&place.identity);
        infos.push(own.clone());
        out.update(&[conn], infos);
        out.send(vec![conn], room.room_update());
        out.push(Effect::Transport(peer, TransportCommand::Restart));
        if was_lost {
            out.event(&place.room, EngineEventKind::ConnectionResumed(own));
        }
        true
    }

    /// Takes somebody out of its room, and tells it and the others why.
    pub(super) fn remove(
        &mut self,
        place: &Place,
        reason: DisconnectReason,
        urgency: Urgency,
        now: Now,
        out: &mut Effects,
    ) -> Option<ParticipantInfo> {
        let config = Arc::clone(&self.config);
        let room = self.by_name.get_mut(&place.room)?;
        let mut participant = room.take(&place.identity, now)?;
        self.places.remove(&participant.peer);
        if let Some(conn) = participant.conn {
            self.conns.remove(&conn);
        }
        let hidden = participant.is_hidden();
        participant.info.state = State::Disconnected.into();
        participant.info.disconnect_reason = reason.into();
        let info = participant.changed();
        out.leave(participant.conn, reason, Action::Disconnect);
        out.push(Effect::Transport(participant.peer, TransportCommand::Close));
        if !hidden {
            let (peer, told) = (participant.peer, info.clone());
            room.tell(
                peer,
                told,
                Audience::Others,
                urgency,
                &config.limits,
                now,
                out,
            );
        }
        let left = EngineEventKind::ParticipantLeft {
            info: info.clone(),
            reason,
        };
        out.event(&place.room, left);
        Some(info)
    }

    /// Ends a room; `false` when there is none.
    pub(super) fn end_room(
        &mut self,
        name: &str,
        reason: DisconnectReason,
        out: &mut Effects,
    ) -> bool {
        let Some(room) = self.by_name.get_mut(name) else {
            return false;
        };
        // All go at once: nobody is told of the others.
        for mut participant in std::mem::take(&mut room.participants).into_values() {
            self.places.remove(&participant.peer);
            if let Some(conn) = participant.conn {
                self.conns.remove(&conn);
            }
            out.leave(participant.conn, reason, Action::Disconnect);
            out.push(Effect::Transport(participant.peer, TransportCommand::Close));
            participant.info.state = State::Disconnected.into();
            participant.info.disconnect_reason = reason.into();
            let info = participant.changed();
            out.event(name, EngineEventKind::ParticipantLeft { info, reason });
        }
        self.by_name.remove(name);
        out.event(name, EngineEventKind::RoomFinished);
        true
    }

    /// Ends all rooms, and lets nobody in any more.
    pub(in crate::engine) fn stop(&mut self, out: &mut Effects) {
        self.is_stopping = true;
        let names: Vec<String> = self.by_name.keys().cloned().collect();
        for name in names {
            self.end_room(&name, DisconnectReason::ServerShutdown, out);
        }
    }

    /// Takes a message of a client.
    pub(in crate::engine) fn receive(
        &mut self,
        conn: ConnId,
        request: SignalRequest,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Broken> {
        let Some(place) = self.place_of(conn) else {
            // Sent away already.
            return Ok(());
        };
        let config = Arc::clone(&self.config);
        let room = self.by_name.get_mut(&place.room);
        let known = room.and_then(|room| room.participants.get_mut(&place.identity));
        let Some(participant) = known else {
            return Ok(());
        };
        participant.heard = now.instant;
        let cost = cost_of(&request);
        if !participant.budget.take(cost, &config.limits, now.instant) {
            return Err(Broken("too many messages in a short time"));
        }
        self.handle(&place, request, now, out);
        Ok(())
    }

    /// A frame came that says nothing but that the client is there.
    pub(in crate::engine) fn heard(&mut self, conn: ConnId, now: Now) {
        let Some(place) = self.place_of(conn) else {
            return;
        };
        let room = self.by_name.get_mut(&place.room);
        if let Some(participant) = room.and_then(|it| it.participants.get_mut(&place.identity)) {
            participant.heard = now.instant;
        }
    }

    fn place_of(&self, conn: ConnId) -> Option<Place> {
        self.places.get(self.conns.get(&conn)?).cloned()
    }

    /// A connection is gone. Its participant may come back on another.
    pub(in crate::engine) fn disconnected(&mut self, conn: ConnId, now: Now, out: &mut Effects) {
        let Some(place) = self.place_of(conn) else {
            return;
        };
        self.conns.remove(&conn);
        out.push(Effect::HangUp(conn));
        let room = self.by_name.get_mut(&place.room);
        if let Some(participant) = room.and_then(|it| it.participants.get_mut(&place.identity)) {
            participant.conn = None;
            participant.lost = Some(now.instant);
            let info = participant.info.clone();
            out.event(&place.room, EngineEventKind::ConnectionLost(info));
        }
    }

    /// Something happened to the peer connections of a participant.
    pub(in crate::engine) fn transported(
        &mut self,
        peer: PeerId,
        event: TransportEvent,
        now: Now,
        out: &mut Effects,
    ) {
        let Some(place) = self.places.get(&peer).cloned() else {
            return;
        };
        let limits = &self.config.limits;
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return;
        };
        let Some(participant) = room.participants.get_mut(&place.identity) else {
            return;
        };
        match event {
            TransportEvent::Answer { sdp, id } => {
                out.send_one(
                    participant.conn,
                    Message::Answer(description("answer", sdp, id)),
                );
            }
            TransportEvent::Offer { sdp, id } => {
                out.send_one(
                    participant.conn,
                    Message::Offer(description("offer", sdp, id)),
                );
            }
            TransportEvent::Connected => {
                if participant.info.state != i32::from(State::Active) {
                    participant.info.state = State::Active.into();
                    room.change(&place.identity, Urgency::Usual, limits, now, out);
                }
            }
            TransportEvent::Data { reliable, packet } => {
                room.pass_on(&place.identity, reliable, &packet, limits, out);
            }
            TransportEvent::Failed(reason) => {
                tracing::info!(
                    room = place.room,
                    reason,
                    "a participant's peer connection failed"
                );
                let media = DisconnectReason::MediaFailure;
                self.remove(&place, media, Urgency::Usual, now, out);
            }
        }
    }

    /// Does what is due.
    pub(in crate::engine) fn tick(&mut self, now: Now, out: &mut Effects) {
        let config = Arc::clone(&self.config);
        let (silent, gone) = self.overdue(now);
        for conn in silent {
            self.disconnected(conn, now, out);
        }
        for place in gone {
            let reason = DisconnectReason::ConnectionTimeout;
            self.remove(&place, reason, Urgency::Usual, now, out);
        }
        let mut over = Vec::new();
        for (name, room) in &mut self.by_name {
            if room.tick(&config, now, out) {
                over.push(name.clone());
            }
        }
        for name in over {
            self.end_room(&name, DisconnectReason::RoomClosed, out);
        }
    }

    /// Connections that fell silent, and those who did not come back.
    fn overdue(&self, now: Now) -> (Vec<ConnId>, Vec<Place>) {
        let timeouts = &self.config.timeouts;
        let (mut silent, mut gone) = (Vec::new(), Vec::new());
        for (name, room) in &self.by_name {
            for participant in room.participants.values() {
                let passed = |since| now.instant.saturating_duration_since(since);
                if let Some(lost) = participant.lost {
                    if passed(lost) >= timeouts.resume_grace {
                        gone.push(Place {
                            room: name.clone(),
                            identity: participant.info.identity.clone(),
                        });
                    }
                } else if passed(participant.heard) >= timeouts.ping_timeout {
                    silent.extend(participant.conn);
                }
            }
        }
        (silent, gone)
    }
}

/// What a message costs of its sender's budget: session descriptions take far longer to work on
/// than all else.
fn cost_of(request: &SignalRequest) -> u32 {
    match request.message {
        Some(signal_request::Message::Offer(_) | signal_request::Message::Answer(_)) => 10,
        _ => 1,
    }
}

fn description(r#type: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription {
        r#type: r#type.to_owned(),
        sdp,
        id,
        ..SessionDescription::default()
    }
}

fn server_info(config: &EngineConfig) -> ServerInfo {
    ServerInfo {
        version: config.version.clone(),
        protocol: PROTOCOL,
        ..ServerInfo::default()
    }
}

fn seconds(span: std::time::Duration) -> i32 {
    i32::try_from(span.as_secs()).unwrap_or(i32::MAX)
}
