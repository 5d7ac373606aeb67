//! What the stack tells, taken up without waiting.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};

use super::media_peer::{DataChannelKind, PeerRole, PeerState};
use super::runtime::Tasks;
use super::sdp;

/// Runs on the stack's own task, so nothing here waits.
pub(super) struct Handler {
    pub(super) role: PeerRole,
    pub(super) state: watch::Sender<PeerState>,
    pub(super) candidates: mpsc::Sender<String>,
    pub(super) messages: mpsc::Sender<(DataChannelKind, Bytes)>,
    pub(super) tasks: Tasks,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let init = event.candidate.to_json();
        let Ok(init) = init else { return };
        if init.candidate.is_empty() || sdp::is_passive(&init.candidate) {
            return;
        }
        let sent = serde_json::to_string(&init).map(|text| self.candidates.try_send(text));
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!(role = %self.role, "a candidate of ours is not told");
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connecting => PeerState::Connecting,
            RTCPeerConnectionState::Connected => PeerState::Connected,
            RTCPeerConnectionState::Disconnected => PeerState::Disconnected,
            RTCPeerConnectionState::Failed => PeerState::Failed,
            RTCPeerConnectionState::Closed => PeerState::Closed,
            _ => PeerState::New,
        };
        self.state.send_replace(state);
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let messages = self.messages.clone();
        self.tasks.spawn(async move {
            let label = channel.label().await.unwrap_or_default();
            if let Some(kind) = DataChannelKind::from_label(&label) {
                let (open, _) = watch::channel(true);
                read_channel(channel, kind, messages, open).await;
            } else {
                // Its messages would wait for a reader for ever, and with them those of the others.
                while channel.poll().await.is_some() {}
            }
        });
    }
}

pub(super) async fn read_channel(
    channel: Arc<dyn DataChannel>,
    kind: DataChannelKind,
    messages: mpsc::Sender<(DataChannelKind, Bytes)>,
    open: watch::Sender<bool>,
) {
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                open.send_replace(true);
            }
            DataChannelEvent::OnClose => {
                open.send_replace(false);
            }
            DataChannelEvent::OnMessage(message) => {
                let message = (kind, message.data.freeze());
                if messages.send(message).await.is_err() {
                    return;
                }
            }
            _ => {}
        }
    }
}
