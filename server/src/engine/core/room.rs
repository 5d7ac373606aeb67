//! One room: who is in it, and who is told what.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use greenroom_protocol::livekit::proto::{
    CreateRoomRequest, ParticipantInfo, Room as RoomInfo, RoomUpdate, signal_response::Message,
};

use super::{
    effect::{ConnId, Effects, Now, PeerId},
    participant::Participant,
};
use crate::engine::{
    config::{EngineConfig, EngineLimits},
    event::EngineEventKind,
};

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) info: RoomInfo,
    pub(super) participants: BTreeMap<String, Participant>,
    /// The newest of those whose change waits to be told.
    batch: BTreeMap<String, ParticipantInfo>,
    batch_since: Option<Instant>,
    /// How many participants were told last, and when.
    counted: (u32, Instant),
    /// Since when nobody is in it.
    empty_since: Option<Instant>,
    was_joined: bool,
}

/// How often a room tells how many are in it.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Who is told of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody, the participant itself too.
    All,
    /// Everybody else.
    Others,
}

/// How soon a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// At once: somebody acted upon somebody else.
    Now,
    /// At once, unless the room is large and the participant does not publish.
    Usual,
}

impl Room {
    pub(super) fn new(
        request: CreateRoomRequest,
        sid: String,
        config: &EngineConfig,
        now: Now,
    ) -> Self {
        let or = |asked: u32, usual: Duration| match asked {
            0 => u32::try_from(usual.as_secs()).unwrap_or(u32::MAX),
            asked => asked,
        };
        let most = config.limits.max_participants_per_room;
        Self {
            info: RoomInfo {
                sid,
                name: request.name,
                metadata: request.metadata,
                empty_timeout: or(request.empty_timeout, config.timeouts.empty_timeout),
                departure_timeout: or(request.departure_timeout, config.timeouts.departure_timeout),
                max_participants: match request.max_participants {
                    0 => most,
                    asked => asked.min(most),
                },
                creation_time: now.unix_seconds(),
                creation_time_ms: now.unix_millis(),
                ..RoomInfo::default()
            },
            participants: BTreeMap::new(),
            batch: BTreeMap::new(),
            batch_since: None,
            counted: (0, now.instant),
            empty_since: Some(now.instant),
            was_joined: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        u32::try_from(self.participants.len()).unwrap_or(u32::MAX) >= self.info.max_participants
    }

    /// The room as it is told to clients.
    pub(super) fn info(&self) -> RoomInfo {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let publishers = self.participants.values().filter(|it| it.info.is_publisher);
        RoomInfo {
            num_participants: self.n_visible(),
            num_publishers: count(publishers.count()),
            ..self.info.clone()
        }
    }

    fn n_visible(&self) -> u32 {
        let visible = self.participants.values().filter(|it| !it.is_hidden());
        u32::try_from(visible.count()).unwrap_or(u32::MAX)
    }

    /// Everybody whom `identity` sees, beside itself.
    pub(super) fn seen_by(&self, identity: &str) -> Vec<ParticipantInfo> {
        let participants = self.participants.values();
        participants
            .filter(|other| other.info.identity != identity && !other.is_hidden())
            .map(|other| other.info.clone())
            .collect()
    }

    pub(super) fn connected(&self) -> Vec<ConnId> {
        self.participants
            .values()
            .filter_map(|it| it.conn)
            .collect()
    }

    fn connected_but(&self, peer: PeerId) -> Vec<ConnId> {
        let others = self.participants.values().filter(|it| it.peer != peer);
        others.filter_map(|it| it.conn).collect()
    }

    pub(super) fn insert(&mut self, participant: Participant) {
        self.was_joined = true;
        self.empty_since = None;
        let identity = participant.info.identity.clone();
        self.participants.insert(identity, participant);
    }

    pub(super) fn take(&mut self, identity: &str, now: Now) -> Option<Participant> {
        let taken = self.participants.remove(identity);
        if self.participants.is_empty() {
            self.empty_since = Some(now.instant);
        }
        taken
    }

    /// Makes a change of somebody known, to participants and session control.
    pub(super) fn change(
        &mut self,
        identity: &str,
        urgency: Urgency,
        limits: &EngineLimits,
        now: Now,
        out: &mut Effects,
    ) -> Option<ParticipantInfo> {
        let participant = self.participants.get_mut(identity)?;
        let info = participant.changed();
        let (peer, conn, hidden) = (participant.peer, participant.conn, participant.is_hidden());
        out.event(
            &self.info.name,
            EngineEventKind::ParticipantUpdated(info.clone()),
        );
        if hidden {
            out.update(conn.as_slice(), vec![info.clone()]);
        } else {
            self.tell(peer, info.clone(), Audience::All, urgency, limits, now, out);
        }
        Some(info)
    }

    /// Tells of a participant that others see.
    #[expect(
        clippy::too_many_arguments,
        reason = "what, to whom, when, and the way out"
    )]
    pub(super) fn tell(
        &mut self,
        peer: PeerId,
        info: ParticipantInfo,
        audience: Audience,
        urgency: Urgency,
        limits: &EngineLimits,
        now: Now,
        out: &mut Effects,
    ) {
        let at_once = urgency == Urgency::Now
            || info.is_publisher
            || self.participants.len() <= limits.small_room;
        if at_once {
            self.batch.remove(&info.sid);
            let to = match audience {
                Audience::All => self.connected(),
                Audience::Others => self.connected_but(peer),
            };
            out.update(&to, vec![info]);
            return;
        }
        let own = self.participants.get(&info.identity);
        if let (Audience::All, Some(own)) = (audience, own) {
            out.update(own.conn.as_slice(), vec![info.clone()]);
        }
        self.batch.insert(info.sid.clone(), info);
        self.batch_since.get_or_insert(now.instant);
    }

    /// Tells what is due; gives whether the room is over.
    pub(super) fn tick(&mut self, config: &EngineConfig, now: Now, out: &mut Effects) -> bool {
        let passed = |since: Instant| now.instant.saturating_duration_since(since);
        let due = self
            .batch_since
            .is_some_and(|since| passed(since) >= config.timeouts.batch_interval);
        if due {
            self.batch_since = None;
            let infos = std::mem::take(&mut self.batch).into_values().collect();
            out.update(&self.connected(), infos);
        }
        let n_visible = self.n_visible();
        if n_visible != self.counted.0 && passed(self.counted.1) >= COUNT_INTERVAL {
            self.counted = (n_visible, now.instant);
            self.tell_room(out);
        }
        let wait = Duration::from_secs(u64::from(if self.was_joined {
            self.info.departure_timeout
        } else {
            self.info.empty_timeout
        }));
        self.empty_since.is_some_and(|since| passed(since) >= wait)
    }

    /// Tells everybody of the room itself.
    pub(super) fn tell_room(&self, out: &mut Effects) {
        out.send(self.connected(), self.room_update());
    }

    pub(super) fn room_update(&self) -> Message {
        Message::RoomUpdate(RoomUpdate {
            room: Some(self.info()),
        })
    }
}
