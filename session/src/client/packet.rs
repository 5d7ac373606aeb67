//! Chat and commands, as packets of the engine's reliable channel.

use greenroom_protocol::livekit::proto::data_packet::Value;
use greenroom_protocol::livekit::proto::{DataPacket, UserPacket};
use greenroom_protocol::session::Identity;
use serde::{Deserialize, Serialize};

use super::error::SessionError;

/// Topic of chat messages.
const CHAT: &str = "greenroom.chat";
/// Topic of the command channel.
const COMMAND: &str = "greenroom.command";
/// Longest text of a chat message or command, in bytes of UTF-8. A sixth of what the channel takes, since
/// JSON writes a control character with six bytes.
pub const MAX_TEXT_BYTES: usize = 10 * 1024;
/// Longest payload that is read.
const MAX_PAYLOAD_BYTES: usize = 64_000;

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everybody else in the session.
    All,
    /// One user.
    One(Identity),
}

/// A message of another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMessage {
    /// Who, as the engine says.
    pub from: Identity,
    /// What.
    pub text: String,
    /// Whether it was for this user alone.
    pub private: bool,
}

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Chat.
    Chat,
    /// The command channel.
    Command,
}

impl Channel {
    const fn topic(self) -> &'static str {
        match self {
            Self::Chat => CHAT,
            Self::Command => COMMAND,
        }
    }

    /// What sending on it is called.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Chat => "send a chat message",
            Self::Command => "send a command",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    text: String,
    #[serde(default)]
    private: bool,
}

/// The packet of a message.
///
/// # Errors
/// When the text is too long.
pub(super) fn pack(
    channel: Channel,
    to: &Recipient,
    text: &str,
) -> Result<DataPacket, SessionError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(SessionError::text_too_long(channel.what(), text.len()));
    }
    let (private, destination_identities) = match to {
        Recipient::All => (false, Vec::new()),
        Recipient::One(identity) => (true, vec![identity.0.clone()]),
    };
    let payload = Payload {
        text: text.to_owned(),
        private,
    };
    let user = UserPacket {
        // Plain data, which always becomes JSON.
        payload: serde_json::to_vec(&payload).unwrap_or_default(),
        topic: Some(channel.topic().to_owned()),
        ..UserPacket::default()
    };
    Ok(DataPacket {
        destination_identities,
        value: Some(Value::User(user)),
        ..DataPacket::default()
    })
}

/// What a packet holds; `None` for what is not ours or cannot be read.
pub(super) fn unpack(packet: DataPacket) -> Option<(Channel, UserMessage)> {
    let Some(Value::User(user)) = packet.value else {
        return None;
    };
    let channel = match user.topic.as_deref() {
        Some(CHAT) => Channel::Chat,
        Some(COMMAND) => Channel::Command,
        _ => return None,
    };
    if packet.participant_identity.is_empty() || user.payload.len() > MAX_PAYLOAD_BYTES {
        return None;
    }
    let payload: Payload = serde_json::from_slice(&user.payload).ok()?;
    let message = UserMessage {
        from: Identity(packet.participant_identity),
        text: payload.text,
        private: payload.private,
    };
    Some((channel, message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamped(mut packet: DataPacket) -> DataPacket {
        packet.participant_identity = "user:ann".to_owned();
        packet
    }

    #[test]
    fn s135_chat_goes_to_all_or_to_one() {
        let all = pack(Channel::Chat, &Recipient::All, "hi").unwrap();
        assert!(all.destination_identities.is_empty());
        let bob = Recipient::One(Identity::from("user:bob"));
        let one = pack(Channel::Command, &bob, "go").unwrap();
        assert_eq!(one.destination_identities, ["user:bob"]);
        let (channel, message) = unpack(stamped(one)).unwrap();
        assert_eq!(channel, Channel::Command);
        assert_eq!(message.from, Identity::from("user:ann"));
        assert!(message.private);
        assert!(!unpack(stamped(all)).unwrap().1.private);
    }

    #[test]
    fn what_nobody_stamped_or_is_not_ours_is_no_message() {
        let packet = pack(Channel::Chat, &Recipient::All, "hi").unwrap();
        assert_eq!(unpack(packet), None);
        assert_eq!(unpack(stamped(DataPacket::default())), None);
    }

    #[test]
    fn a_long_text_is_refused_and_the_longest_fits_the_channel() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let error = pack(Channel::Chat, &Recipient::All, &long).unwrap_err();
        assert!(matches!(error, SessionError::TooLong { .. }), "{error}");
        let longest = "\u{1}".repeat(MAX_TEXT_BYTES);
        let packet = pack(Channel::Chat, &Recipient::All, &longest).unwrap();
        let Some(Value::User(user)) = packet.value else {
            panic!("no user packet");
        };
        assert!(user.payload.len() + 1_000 < crate::peer::MAX_DATA_BYTES);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_left(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let user = UserPacket { payload, topic: Some(CHAT.to_owned()), ..UserPacket::default() };
            let packet = DataPacket { value: Some(Value::User(user)), ..DataPacket::default() };
            let _ = unpack(stamped(packet));
        }

        #[test]
        fn a_text_comes_back_whole(text in "\\PC{0,200}") {
            let packet = pack(Channel::Chat, &Recipient::All, &text).unwrap();
            prop_assert_eq!(unpack(stamped(packet)).unwrap().1.text, text);
        }
    }
}
