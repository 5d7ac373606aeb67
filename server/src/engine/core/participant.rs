//! One participant.

use std::time::Instant;

use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{
        AddTrackRequest, ClientInfo, ParticipantInfo, ParticipantPermission, SimulcastCodecInfo,
        TrackInfo, participant_info::State,
    },
};

use super::{
    effect::{ConnId, Now, PeerId},
    limits::Budget,
    sids::Sids,
};
use crate::engine::config::EngineLimits;

/// Somebody who wants in.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Joining {
    /// What the token grants.
    pub(in crate::engine) grants: Grants,
    /// The client's software.
    pub(in crate::engine) client: ClientInfo,
    /// The participant that the client was, when it comes back.
    pub(in crate::engine) resume: Option<String>,
}

/// Somebody in a room.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) peer: PeerId,
    /// `None` while the connection is lost.
    pub(super) conn: Option<ConnId>,
    pub(super) info: ParticipantInfo,
    /// When it was last heard of.
    pub(super) heard: Instant,
    /// Since when the connection is lost.
    pub(super) lost: Option<Instant>,
    pub(super) budget: Budget,
    announced: Vec<Announced>,
}

/// What the client calls a track, and whether an offer has had it.
#[derive(Debug)]
struct Announced {
    sid: String,
    cid: String,
    offered: bool,
}

impl Participant {
    pub(super) fn new(
        joining: Joining,
        conn: ConnId,
        sids: &mut Sids,
        limits: &EngineLimits,
        now: Now,
    ) -> Self {
        let Joining { grants, client, .. } = joining;
        let info = ParticipantInfo {
            sid: sids.participant(),
            state: State::Joined.into(),
            joined_at: now.unix_seconds(),
            joined_at_ms: now.unix_millis(),
            version: 1,
            permission: Some(grants.video.permission()),
            identity: grants.identity,
            name: grants.name,
            metadata: grants.metadata,
            attributes: grants.attributes.into_iter().collect(),
            client_protocol: client.client_protocol,
            capabilities: client.capabilities,
            ..ParticipantInfo::default()
        };
        Self {
            peer: PeerId(sids.number()),
            conn: Some(conn),
            info,
            heard: now.instant,
            lost: None,
            budget: Budget::full(limits, now.instant),
            announced: Vec::new(),
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.info.permission.as_ref().is_some_and(|it| it.hidden)
    }

    /// What changed is a new version, which clients keep over older ones.
    pub(super) fn changed(&mut self) -> ParticipantInfo {
        self.info.version += 1;
        self.info.is_publisher = !self.info.tracks.is_empty();
        self.info.clone()
    }

    /// Takes a name and metadata; what is empty stays as it was.
    pub(super) fn describe(&mut self, name: String, metadata: String) {
        if !name.is_empty() {
            self.info.name = name;
        }
        if !metadata.is_empty() {
            self.info.metadata = metadata;
        }
    }

    /// Whether it may publish from a source; `source` is a `TrackSource`.
    pub(super) fn may_publish(&self, source: i32) -> bool {
        self.info
            .permission
            .as_ref()
            .is_some_and(|permission| allows(permission, source))
    }

    /// Announces a track; announcing it again gives the same.
    pub(super) fn announce(&mut self, request: AddTrackRequest, sids: &mut Sids) -> TrackInfo {
        if let Some(known) = self.track_of(&request.cid) {
            return known.clone();
        }
        let sid = sids.track();
        self.announced.push(Announced {
            sid: sid.clone(),
            cid: request.cid.clone(),
            offered: false,
        });
        let track = track_info(request, sid);
        self.info.tracks.push(track.clone());
        track
    }

    fn track_of(&self, cid: &str) -> Option<&TrackInfo> {
        let known = self.announced.iter().find(|it| it.cid == cid)?;
        self.info.tracks.iter().find(|track| track.sid == known.sid)
    }

    /// Takes an offer's tracks; gives those that an earlier offer had and this one has not.
    pub(super) fn offered(&mut self, offer: &str) -> Vec<String> {
        let sent = sent_tracks(offer);
        let mut ended = Vec::new();
        for track in &mut self.announced {
            let is_sent = sent.contains(&track.cid.as_str());
            if track.offered && !is_sent {
                ended.push(track.sid.clone());
            }
            track.offered = is_sent;
        }
        ended
    }

    /// Takes tracks away, by their identifiers.
    pub(super) fn unpublish(&mut self, ended: &[String]) {
        self.announced.retain(|track| !ended.contains(&track.sid));
        let tracks = &mut self.info.tracks;
        tracks.retain(|track| !ended.contains(&track.sid));
    }

    /// The tracks that the permission no longer allows.
    pub(super) fn forbidden_tracks(&self) -> Vec<String> {
        let tracks = self.info.tracks.iter();
        tracks
            .filter(|track| !self.may_publish(track.source))
            .map(|track| track.sid.clone())
            .collect()
    }
}

fn allows(permission: &ParticipantPermission, source: i32) -> bool {
    let sources = &permission.can_publish_sources;
    permission.can_publish && (sources.is_empty() || sources.contains(&source))
}

#[expect(
    deprecated,
    reason = "clients before protocol 16 read the fields that newer ones do without"
)]
fn track_info(request: AddTrackRequest, sid: String) -> TrackInfo {
    let codecs = request.simulcast_codecs.into_iter();
    TrackInfo {
        sid,
        r#type: request.r#type,
        name: request.name,
        muted: request.muted,
        width: request.width,
        height: request.height,
        simulcast: request.layers.len() > 1,
        disable_dtx: request.disable_dtx,
        source: request.source,
        layers: request.layers,
        codecs: codecs
            .map(|codec| SimulcastCodecInfo {
                mime_type: codec.codec,
                cid: codec.cid,
                layers: codec.layers,
                video_layer_mode: codec.video_layer_mode,
                ..SimulcastCodecInfo::default()
            })
            .collect(),
        stereo: request.stereo,
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: request.stream,
        audio_features: request.audio_features,
        backup_codec_policy: request.backup_codec_policy,
        ..TrackInfo::default()
    }
}

/// The identifiers of the tracks that an offer sends.
///
/// Source: RFC 8829 §5.2.1 (`a=msid:stream track`), RFC 8866 §6.7 (no direction is `sendrecv`).
fn sent_tracks(sdp: &str) -> Vec<&str> {
    let mut sent = Vec::new();
    for section in sdp.split("\nm=").skip(1) {
        let lines = || section.lines().map(str::trim_end);
        let is_sent = !lines().any(|line| line == "a=inactive" || line == "a=recvonly");
        let track = lines()
            .find_map(|line| line.strip_prefix("a=msid:"))
            .and_then(|msid| msid.split_once(' '));
        if let (true, Some((_stream, track))) = (is_sent, track) {
            sent.push(track);
        }
    }
    sent
}
