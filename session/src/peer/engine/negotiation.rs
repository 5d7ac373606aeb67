//! Offers, answers and candidates, as they are asked for by the plan and by the server.

use std::sync::Arc;

use greenroom_protocol::livekit::proto;
use proto::signal_request::Message as Request;
use proto::{JoinResponse, SignalTarget};

use super::driver::{Engine, Flow, now};
use crate::peer::config::PeerConfig;
use crate::peer::media_peer::{DataChannelKind, IceServer, MediaPeer, PeerError, PeerRole};
use crate::peer::prepared::PreparedPublisher;
use crate::peer::webrtc_peer::WebRtcPeer;
use crate::signal::EndReason;

impl Engine {
    pub(super) async fn send_offer(&mut self, restart_ice: bool) {
        let peer = Arc::clone(&self.publisher.0);
        let offer = if std::mem::take(&mut self.fresh_offer) && !restart_ice {
            match peer.local_description().await {
                Some(offer) => Ok(offer),
                None => peer.offer(false).await,
            }
        } else {
            peer.offer(restart_ice).await
        };
        match offer {
            Ok(sdp) => {
                self.offer_id = self.offer_id.wrapping_add(1).max(1);
                self.send(Request::Offer(description("offer", sdp, self.offer_id)));
            }
            // The wait for its answer ends, and what follows then begins anew.
            Err(error) => tracing::warn!(%error, "no offer is made"),
        }
    }

    pub(super) async fn take_answer(&mut self, answer: proto::SessionDescription) {
        // Servers of before LiveKit 1.9 number nothing.
        if answer.id != 0 && answer.id != self.offer_id {
            return;
        }
        match self.publisher.0.take_answer(answer.sdp).await {
            Ok(()) => self.plan.answered(now()),
            Err(error) => {
                tracing::warn!(%error, "an answer of the server is not taken");
                self.plan.not_taken(PeerRole::Publisher);
            }
        }
    }

    pub(super) async fn answer(&mut self, offer: proto::SessionDescription) {
        let answered = match self.subscriber().await {
            Ok(peer) => peer.answer(offer.sdp).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(sdp) => self.send(Request::Answer(description("answer", sdp, offer.id))),
            Err(error) => {
                tracing::warn!(%error, "an offer of the server is not answered");
                self.plan.not_taken(PeerRole::Subscriber);
            }
        }
    }

    pub(super) async fn take_candidate(&mut self, trickle: proto::TrickleRequest) {
        if trickle.candidate_init.is_empty() {
            return;
        }
        let peer = if trickle.target == i32::from(SignalTarget::Subscriber) {
            self.subscriber().await
        } else {
            Ok(Arc::clone(&self.publisher.0))
        };
        let taken = match peer {
            Ok(peer) => peer.add_candidate(&trickle.candidate_init).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::warn!(%error, "a candidate of the server is not taken");
        }
    }

    /// The subscriber, which is made when the server first speaks of it.
    pub(super) async fn subscriber(&mut self) -> Result<Arc<WebRtcPeer>, PeerError> {
        if let Some((peer, _)) = &self.subscriber {
            return Ok(Arc::clone(peer));
        }
        let config = PeerConfig {
            role: PeerRole::Subscriber,
            ..self.publisher_config.clone()
        };
        let (peer, events) = WebRtcPeer::open(&config).await?;
        peer.set_ice_servers(self.ice_servers.clone(), self.relay_only)
            .await?;
        let peer = Arc::new(peer);
        self.subscriber = Some((Arc::clone(&peer), events));
        Ok(peer)
    }

    /// Begins anew with new peer connections, for a participant that the server has made anew.
    pub(super) async fn rejoin(&mut self, mut join: Box<JoinResponse>) -> Flow {
        self.subscriber = None;
        self.announced.clear();
        self.published.clear();
        match PreparedPublisher::from_config(self.publisher_config.clone()).await {
            Ok(prepared) => self.publisher = (Arc::new(prepared.peer), prepared.events),
            Err(error) => {
                tracing::warn!(%error, "no publisher can be made");
                return self.end(EndReason::ConnectionLost).await;
            }
        }
        self.fresh_offer = true;
        self.take_ice_servers(&mut join).await;
        self.show_publisher();
        self.plan.rejoined(now());
        self.rejoined = Some(join);
        Flow::On
    }

    /// Uses the servers of a join, and takes their passwords out, which the application does not need.
    pub(super) async fn take_ice_servers(&mut self, join: &mut JoinResponse) {
        let forced = i32::from(proto::ClientConfigSetting::Enabled);
        let configuration = join.client_configuration.as_ref();
        self.relay_only = configuration.is_some_and(|it| it.force_relay == forced);
        if self.relay_only && self.fresh_offer {
            // What was prepared has gathered this machine's own addresses already.
            match WebRtcPeer::open(&self.publisher_config).await {
                Ok((peer, events)) => self.publisher = (Arc::new(peer), events),
                Err(error) => tracing::warn!(%error, "the prepared publisher is used"),
            }
            self.fresh_offer = false;
        }
        self.use_ice_servers(&join.ice_servers).await;
        for server in &mut join.ice_servers {
            server.credential.clear();
        }
    }

    /// Servers without which a direct connection may still come about, so a fault of them is no end.
    pub(super) async fn use_ice_servers(&mut self, servers: &[proto::IceServer]) {
        if servers.is_empty() && !self.relay_only {
            return;
        }
        self.ice_servers = servers.iter().map(ice_server).collect();
        let peer = Arc::clone(&self.publisher.0);
        let set = peer.set_ice_servers(self.ice_servers.clone(), self.relay_only);
        if let Err(error) = set.await {
            tracing::warn!(%error, "the server's STUN and TURN servers are not used");
        }
    }

    /// What this side has, by which the server sees what was lost.
    pub(super) async fn sync_state(&mut self) {
        let mut publish_tracks: Vec<_> = self.published.values().cloned().collect();
        publish_tracks.sort_by(|a, b| a.cid.cmp(&b.cid));
        let answer = match &self.subscriber {
            Some((peer, _)) => peer.local_description().await,
            None => None,
        };
        let offer = self.publisher.0.local_description().await;
        let channel = |kind: &DataChannelKind| proto::DataChannelInfo {
            label: kind.label().to_owned(),
            id: 0,
            target: SignalTarget::Publisher.into(),
        };
        self.send(Request::SyncState(proto::SyncState {
            answer: answer.map(|sdp| description("answer", sdp, 0)),
            offer: offer.map(|sdp| description("offer", sdp, 0)),
            subscription: Some(proto::UpdateSubscription {
                subscribe: false,
                ..Default::default()
            }),
            publish_tracks,
            data_channels: DataChannelKind::ALL.iter().map(channel).collect(),
            ..Default::default()
        }));
    }
}

fn description(r#type: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: r#type.to_owned(),
        sdp,
        id,
        ..Default::default()
    }
}

fn ice_server(server: &proto::IceServer) -> IceServer {
    IceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.clone(),
    }
}
