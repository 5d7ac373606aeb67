//! What clients say on their signalling connections.

use std::sync::Arc;

use greenroom_protocol::livekit::proto::{
    AddTrackRequest, DisconnectReason, MuteTrackRequest, Pong, RequestResponse, SignalRequest,
    TrackPublishedResponse, TrackUnpublishedResponse, UpdateParticipantMetadata,
    request_response::{Reason, Request},
    signal_request::Message as Said,
    signal_response::Message,
};

use super::{
    effect::{ConnId, Effect, Effects, Now, TransportCommand},
    limits::{check_text, merged},
    room::Urgency,
    rooms::{Place, Rooms},
};

impl Rooms {
    pub(super) fn handle(
        &mut self,
        place: &Place,
        request: SignalRequest,
        now: Now,
        out: &mut Effects,
    ) {
        let Some((conn, peer)) = self.whereabouts(place) else {
            return;
        };
        let command = |command| Effect::Transport(peer, command);
        match request.message {
            Some(Said::Offer(offer)) => {
                self.offered(place, &offer.sdp, now, out);
                let (sdp, id) = (offer.sdp, offer.id);
                out.push(command(TransportCommand::Offer { sdp, id }));
            }
            Some(Said::Answer(answer)) => {
                let (sdp, id) = (answer.sdp, answer.id);
                out.push(command(TransportCommand::Answer { sdp, id }));
            }
            Some(Said::AddTrack(request)) => self.add_track(place, request, now, out),
            Some(Said::Mute(request)) => self.mute_own(place, &request, now, out),
            Some(Said::UpdateMetadata(request)) => self.update_own(place, request, now, out),
            Some(Said::Leave(_)) => {
                let reason = DisconnectReason::ClientInitiated;
                self.remove(place, reason, Urgency::Usual, now, out);
            }
            Some(Said::Ping(_)) => {
                out.send_one(conn, Message::Pong(now.unix_millis()));
            }
            Some(Said::PingReq(ping)) => {
                let answer = Pong {
                    last_ping_timestamp: ping.timestamp,
                    timestamp: now.unix_millis(),
                };
                out.send_one(conn, Message::PongResp(answer));
            }
            // The server is an ICE-lite agent: it answers checks from wherever they come, and
            // makes none, so that it does not need the candidates of clients (RFC 8445 §2.5).
            // Nothing is forwarded of tracks, so what is wanted of them changes nothing. A client
            // that resumes tells its state, which the server has.
            Some(
                Said::Trickle(_)
                | Said::Subscription(_)
                | Said::TrackSetting(_)
                | Said::SubscriptionPermission(_)
                | Said::SyncState(_),
            ) => {}
            other => {
                out.send_one(conn, Message::RequestResponse(unsupported(other)));
            }
        }
    }

    fn whereabouts(&self, place: &Place) -> Option<(Option<ConnId>, super::effect::PeerId)> {
        let room = self.by_name.get(&place.room)?;
        let participant = room.participants.get(&place.identity)?;
        Some((participant.conn, participant.peer))
    }

    /// Tracks that an offer no longer has are over.
    fn offered(&mut self, place: &Place, sdp: &str, now: Now, out: &mut Effects) {
        let limits = &self.config.limits;
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return;
        };
        let Some(participant) = room.participants.get_mut(&place.identity) else {
            return;
        };
        let ended = participant.offered(sdp);
        if !ended.is_empty() {
            participant.unpublish(&ended);
            room.change(&place.identity, Urgency::Usual, limits, now, out);
        }
    }

    fn add_track(&mut self, place: &Place, request: AddTrackRequest, now: Now, out: &mut Effects) {
        let config = Arc::clone(&self.config);
        let limits = &config.limits;
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return;
        };
        let Some(participant) = room.participants.get_mut(&place.identity) else {
            return;
        };
        let refusal = if !participant.may_publish(request.source) {
            Some((Reason::NotAllowed, "publishing this source is not allowed"))
        } else if participant.info.tracks.len() >= limits.max_tracks {
            Some((Reason::LimitExceeded, "too many tracks are published"))
        } else if request.cid.is_empty() || request.cid.len() > limits.max_name_chars {
            Some((Reason::InvalidRequest, "the track has no usable cid"))
        } else if request.name.chars().count() > limits.max_name_chars {
            Some((Reason::LimitExceeded, "the track's name is too long"))
        } else {
            None
        };
        if let Some((reason, message)) = refusal {
            let response = RequestResponse {
                reason: reason.into(),
                message: message.to_owned(),
                request: Some(Request::AddTrack(request)),
                ..RequestResponse::default()
            };
            out.send_one(participant.conn, Message::RequestResponse(response));
            return;
        }
        let cid = request.cid.clone();
        let track = participant.announce(request, &mut self.sids);
        let published = TrackPublishedResponse {
            cid,
            track: Some(track),
        };
        out.send_one(participant.conn, Message::TrackPublished(published));
        room.change(&place.identity, Urgency::Usual, limits, now, out);
    }

    fn mute_own(&mut self, place: &Place, request: &MuteTrackRequest, now: Now, out: &mut Effects) {
        let limits = &self.config.limits;
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return;
        };
        let Some(participant) = room.participants.get_mut(&place.identity) else {
            return;
        };
        let tracks = &mut participant.info.tracks;
        let known = tracks.iter_mut().find(|track| track.sid == request.sid);
        // What was muted by somebody else is muted already when the client says so.
        if let Some(track) = known.filter(|track| track.muted != request.muted) {
            track.muted = request.muted;
            room.change(&place.identity, Urgency::Usual, limits, now, out);
        }
    }

    fn update_own(
        &mut self,
        place: &Place,
        request: UpdateParticipantMetadata,
        now: Now,
        out: &mut Effects,
    ) {
        let limits = &self.config.limits;
        let Some(room) = self.by_name.get_mut(&place.room) else {
            return;
        };
        let Some(participant) = room.participants.get_mut(&place.identity) else {
            return;
        };
        let permission = participant.info.permission.as_ref();
        let attributes = merged(&participant.info.attributes, &request.attributes);
        let (reason, message) = if !permission.is_some_and(|it| it.can_update_metadata) {
            let text = "changing one's own name, metadata and attributes is not allowed";
            (Reason::NotAllowed, text.to_owned())
        } else if let Err(text) = check_text(limits, &request.name, &request.metadata, &attributes)
        {
            (Reason::LimitExceeded, text)
        } else {
            (Reason::Ok, String::new())
        };
        let response = RequestResponse {
            request_id: request.request_id,
            reason: reason.into(),
            message,
            request: Some(Request::UpdateMetadata(request.clone())),
        };
        out.send_one(participant.conn, Message::RequestResponse(response));
        if reason == Reason::Ok {
            participant.info.attributes = attributes;
            participant.describe(request.name, request.metadata);
            room.change(&place.identity, Urgency::Usual, limits, now, out);
        }
    }
}

/// Tells a publisher that tracks of it are over.
pub(super) fn tell_unpublished(conn: Option<ConnId>, ended: &[String], out: &mut Effects) {
    for track_sid in ended {
        let track_sid = track_sid.clone();
        let over = TrackUnpublishedResponse { track_sid };
        out.send_one(conn, Message::TrackUnpublished(over));
    }
}

/// The answer to what is outside of the subset that is spoken.
fn unsupported(said: Option<Said>) -> RequestResponse {
    let request = match said {
        Some(Said::UpdateAudioTrack(request)) => Some(Request::UpdateAudioTrack(request)),
        Some(Said::UpdateVideoTrack(request)) => Some(Request::UpdateVideoTrack(request)),
        Some(Said::PublishDataTrackRequest(request)) => Some(Request::PublishDataTrack(request)),
        Some(Said::UnpublishDataTrackRequest(request)) => {
            Some(Request::UnpublishDataTrack(request))
        }
        _ => None,
    };
    RequestResponse {
        reason: Reason::UnsupportedType.into(),
        message: "this server does not do this".to_owned(),
        request,
        ..RequestResponse::default()
    }
}
