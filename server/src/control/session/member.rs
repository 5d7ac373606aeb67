//! One who is on the list.

use greenroom_protocol::session::{AudioState, Identity, IdleTimeout, User};
use serde::{Deserialize, Serialize};

use super::Millis;
use super::presence::{Track, TrackSource};

/// By what a person is known again: the application's own key of them, or else their token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Person {
    /// `user_key` of the token.
    User(String),
    /// SHA-256 of a token that has none.
    Token([u8; 32]),
}

/// Whether session control hears of a user itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Control {
    /// Never did: a LiveKit client that joined by HTTP. What the engine says of it counts.
    Never,
    /// Has a connection, and was last heard then.
    Open(Millis),
    /// Had one that closed.
    Closed,
}

/// A user, with what others need not know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) user: User,
    pub(super) person: Person,
    /// SHA-256 of the ticket.
    pub(super) ticket: [u8; 32],
    /// Whether the token is of a host.
    pub(super) may_host: bool,
    /// Rises with every join.
    pub(super) order: u64,
    pub(super) idle: Option<IdleTimeout>,
    /// What the engine calls this participation; `None` while it does not see the user.
    pub(super) sid: Option<String>,
    /// Since when the engine calls it that.
    pub(super) seen_since: Millis,
    pub(super) tracks: Vec<Track>,
    pub(super) control: Control,
    /// Which connection of control is the current one.
    pub(super) connection: u64,
    pub(super) reconnecting_since: Option<Millis>,
    /// Who asked them to unmute.
    pub(super) asked_by: Option<Identity>,
}

impl Member {
    /// What the list shows of the tracks. Returns whether that changed.
    pub(super) fn set_tracks(&mut self, tracks: Vec<Track>) -> bool {
        let before = (self.user.audio, self.user.video, self.user.sharing);
        let of = |source| tracks.iter().filter(move |track| track.source == source);
        self.user.audio = match of(TrackSource::Microphone).map(|track| track.muted).min() {
            None => AudioState::None,
            Some(true) => AudioState::Muted,
            Some(false) => AudioState::On,
        };
        self.user.video = of(TrackSource::Camera).any(|track| !track.muted);
        self.user.sharing = of(TrackSource::ScreenShare).any(|track| !track.muted);
        self.tracks = tracks;
        before != (self.user.audio, self.user.video, self.user.sharing)
    }

    /// Tracks of a source that are not muted.
    pub(super) fn live_tracks(&self, source: TrackSource) -> impl Iterator<Item = &Track> {
        let live = move |track: &&Track| track.source == source && !track.muted;
        self.tracks.iter().filter(live)
    }

    /// Whether the user is heard from by whoever should hear of them.
    pub(super) fn is_heard(&self, now: Millis, silence_ms: Millis) -> bool {
        let control = match self.control {
            Control::Never => true,
            Control::Open(heard) => now - heard < silence_ms,
            Control::Closed => false,
        };
        control && self.sid.is_some()
    }
}
