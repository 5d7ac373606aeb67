//! Data packets: stamped with who sent them, and passed on.

use greenroom_protocol::livekit::proto::{
    DataPacket, Message as _, SendDataRequest, UserPacket, data_packet::Value,
};

use super::{
    effect::{Effect, Effects, PeerId},
    room::Room,
};
use crate::engine::config::EngineLimits;

impl Room {
    /// Passes on what a participant sent, if it may. Whatever it says about its sender is
    /// replaced.
    pub(super) fn pass_on(
        &self,
        identity: &str,
        reliable: bool,
        packet: &[u8],
        limits: &EngineLimits,
        out: &mut Effects,
    ) {
        let Some(sender) = self.participants.get(identity) else {
            return;
        };
        let permission = sender.info.permission.as_ref();
        if !permission.is_some_and(|it| it.can_publish_data) {
            tracing::debug!(
                room = self.info.name,
                "data of somebody who may not send it"
            );
            return;
        }
        let Ok(mut packet) = DataPacket::decode(packet) else {
            tracing::debug!(room = self.info.name, "data that is no packet");
            return;
        };
        stamp(&mut packet, &sender.info.identity, &sender.info.sid);
        let to = self.receivers(&packet.destination_identities, Some(sender.peer));
        deliver(to, reliable, &packet, limits, out);
    }

    /// Sends what session control wants sent.
    pub(super) fn send_data(
        &self,
        request: SendDataRequest,
        limits: &EngineLimits,
        out: &mut Effects,
    ) -> bool {
        #[expect(
            deprecated,
            reason = "`kind` of a packet: clients before protocol 9 read it"
        )]
        let packet = DataPacket {
            kind: request.kind,
            destination_identities: request.destination_identities,
            value: Some(Value::User(UserPacket {
                payload: request.data,
                topic: request.topic,
                nonce: request.nonce,
                ..UserPacket::default()
            })),
            ..DataPacket::default()
        };
        let to = self.receivers(&packet.destination_identities, None);
        deliver(to, request.kind == 0, &packet, limits, out)
    }

    fn receivers(&self, identities: &[String], but: Option<PeerId>) -> Vec<PeerId> {
        let everybody = self.participants.values();
        everybody
            .filter(|it| identities.is_empty() || identities.contains(&it.info.identity))
            .map(|it| it.peer)
            .filter(|peer| Some(*peer) != but)
            .collect()
    }
}

/// Whether the packet was short enough.
fn deliver(
    to: Vec<PeerId>,
    reliable: bool,
    packet: &DataPacket,
    limits: &EngineLimits,
    out: &mut Effects,
) -> bool {
    if packet.encoded_len() > limits.max_data_packet_bytes {
        tracing::debug!(
            bytes = packet.encoded_len(),
            "a data packet that is too long"
        );
        return false;
    }
    if !to.is_empty() {
        out.push(Effect::Data {
            to,
            reliable,
            packet: packet.encode_to_vec().into(),
        });
    }
    true
}

#[expect(
    deprecated,
    reason = "clients before protocol 12 read the sender in the user's packet"
)]
fn stamp(packet: &mut DataPacket, identity: &str, sid: &str) {
    identity.clone_into(&mut packet.participant_identity);
    sid.clone_into(&mut packet.participant_sid);
    if let Some(Value::User(user)) = &mut packet.value {
        identity.clone_into(&mut user.participant_identity);
        sid.clone_into(&mut user.participant_sid);
        if packet.destination_identities.is_empty() {
            packet
                .destination_identities
                .clone_from(&user.destination_identities);
        }
    }
}
