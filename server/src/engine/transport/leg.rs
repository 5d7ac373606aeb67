//! One peer connection.

use std::{
    collections::VecDeque,
    fmt,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::body::Bytes;
use str0m::{
    Event, Input, Output, Rtc, RtcConfig, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    error::SdpError,
    ice::IceCreds,
    net::Transmit,
};

use crate::engine::core::effect::TransportEvent;

/// Labels of the data channels, as LiveKit has them.
const RELIABLE: &str = "_reliable";
const LOSSY: &str = "_lossy";

/// Data in a channel's buffer below which it is given more.
const LOW_BUFFER_BYTES: usize = 32 * 1024;

/// Addresses of a client that are remembered: networks it may move between.
const MAX_SOURCES: usize = 8;

/// Fragments of ICE user names that are remembered: the one in use, and some that a client may still
/// use after it restarted ICE.
const MAX_UFRAGS: usize = 4;

/// Which of a participant's two peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    /// On which it sends; it offers.
    Publisher,
    /// On which it is sent to; the server offers.
    Subscriber,
}

/// What a peer connection wants done.
pub(super) enum LegOutput {
    Transmit(Transmit),
    Happened(TransportEvent),
}

/// Why a peer connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum LegError {
    #[error("the session description cannot be read")]
    Sdp(#[from] SdpError),
    #[error("the peer connection failed")]
    Rtc(#[from] RtcError),
}

/// One peer connection.
pub(super) struct Leg {
    rtc: Rtc,
    /// When it wants to be called next.
    pub(super) due: Instant,
    pub(super) since: Instant,
    pub(super) connected: bool,
    /// Addresses of the client, the newest last, each with the address of ours that it sends to.
    pub(super) sources: VecDeque<(SocketAddr, Option<IpAddr>)>,
    /// Fragments of the ICE user name that are, or were, ours.
    pub(super) ufrags: VecDeque<String>,
    reliable: Option<ChannelId>,
    lossy: Option<ChannelId>,
    open: Vec<ChannelId>,
    pending: Option<(SdpPendingOffer, u32)>,
    n_offers: u32,
    waiting: VecDeque<Bytes>,
    /// Data that waits for its channel, in bytes.
    pub(super) waiting_bytes: usize,
    max_waiting_bytes: usize,
}

impl Leg {
    pub(super) fn new(
        config: &RtcConfig,
        candidates: &[SocketAddr],
        max_waiting_bytes: usize,
        now: Instant,
    ) -> Self {
        let mut rtc = config.clone().build(now);
        for address in candidates {
            match str0m::Candidate::host(*address, "udp") {
                Ok(candidate) => {
                    rtc.add_local_candidate(candidate);
                }
                Err(error) => tracing::warn!(%address, %error, "not a usable candidate"),
            }
        }
        Self {
            rtc,
            due: now,
            since: now,
            connected: false,
            sources: VecDeque::new(),
            ufrags: VecDeque::new(),
            reliable: None,
            lossy: None,
            open: Vec::new(),
            pending: None,
            n_offers: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            max_waiting_bytes,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Takes the client's offer; gives the answer.
    pub(super) fn take_offer(&mut self, sdp: &str) -> Result<String, LegError> {
        let offer = SdpOffer::from_sdp_string(sdp)?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        self.note_ufrag(None);
        Ok(answer.to_sdp_string())
    }

    /// Offers the data channels, or, once they are there, that ICE begins anew.
    pub(super) fn offer(&mut self) -> Option<(String, u32)> {
        let begins = self.reliable.is_none() || self.n_offers == 0 || self.never_answered();
        let mut changes = self.rtc.sdp_api();
        let mut restarted = None;
        if begins {
            let reliable = ChannelConfig {
                label: RELIABLE.to_owned(),
                ..ChannelConfig::default()
            };
            let lossy = ChannelConfig {
                label: LOSSY.to_owned(),
                ordered: false,
                reliability: Reliability::MaxRetransmits { retransmits: 0 },
                ..ChannelConfig::default()
            };
            self.reliable = Some(changes.add_channel_with_config(reliable));
            self.lossy = Some(changes.add_channel_with_config(lossy));
        } else {
            restarted = Some(changes.ice_restart(true));
        }
        let (offer, pending) = changes.apply()?;
        self.n_offers += 1;
        self.pending = Some((pending, self.n_offers));
        self.note_ufrag(restarted);
        Some((offer.to_sdp_string(), self.n_offers))
    }

    fn never_answered(&self) -> bool {
        self.n_offers == 1 && self.pending.is_some()
    }

    /// Takes the client's answer; one to an offer that a later one replaced is passed over.
    pub(super) fn take_answer(&mut self, sdp: &str, id: u32) -> Result<(), LegError> {
        let Some((pending, expected)) = self.pending.take() else {
            return Ok(());
        };
        // Clients before protocol 16 do not number their answers.
        if id != 0 && id != expected {
            self.pending = Some((pending, expected));
            return Ok(());
        }
        let answer = SdpAnswer::from_sdp_string(sdp)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.note_ufrag(None);
        Ok(())
    }

    fn note_ufrag(&mut self, coming: Option<IceCreds>) {
        let creds = coming.unwrap_or_else(|| self.rtc.direct_api().local_ice_credentials());
        if !self.ufrags.contains(&creds.ufrag) {
            self.ufrags.push_back(creds.ufrag);
        }
    }

    /// Whether a packet is for this connection.
    pub(super) fn accepts(&self, packet: &Input<'_>) -> bool {
        self.rtc.accepts(packet)
    }

    /// Takes a packet, and remembers where it came from and which address of ours it went to.
    pub(super) fn receive(
        &mut self,
        packet: Input<'_>,
        from: SocketAddr,
        ours: Option<IpAddr>,
    ) -> Result<(), LegError> {
        if self.sources.back() != Some(&(from, ours)) {
            self.sources.retain(|(address, _)| *address != from);
            self.sources.push_back((from, ours));
        }
        Ok(self.rtc.handle_input(packet)?)
    }

    /// The oldest of too many sources.
    pub(super) fn spare_source(&mut self) -> Option<SocketAddr> {
        if self.sources.len() > MAX_SOURCES {
            return self.sources.pop_front().map(|(address, _)| address);
        }
        None
    }

    /// The oldest of too many fragments.
    pub(super) fn spare_ufrag(&mut self) -> Option<String> {
        if self.ufrags.len() > MAX_UFRAGS {
            return self.ufrags.pop_front();
        }
        None
    }

    /// The address of ours that a client's address sends to.
    pub(super) fn source_for(&self, destination: SocketAddr) -> Option<IpAddr> {
        let known = self.sources.iter().find(|(it, _)| *it == destination);
        known.and_then(|(_, ours)| *ours)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Result<(), LegError> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// Sends a data packet, or keeps it until its channel takes it. What is lossy is not kept, nor is
    /// what comes while more waits than may: ending the participant instead would let one who
    /// floods a room end all others.
    pub(super) fn send(&mut self, reliable: bool, packet: Bytes) -> Result<(), LegError> {
        if !reliable {
            if let Some(id) = self.lossy.filter(|id| self.open.contains(id)) {
                self.write(id, &packet)?;
            }
            return Ok(());
        }
        if self.waiting_bytes + packet.len() > self.max_waiting_bytes {
            tracing::debug!("data is dropped: its receiver is too slow");
            return Ok(());
        }
        self.waiting_bytes += packet.len();
        self.waiting.push_back(packet);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), LegError> {
        let Some(id) = self.reliable.filter(|id| self.open.contains(id)) else {
            return Ok(());
        };
        while let Some(packet) = self.waiting.pop_front() {
            if !self.write(id, &packet)? {
                self.waiting.push_front(packet);
                return Ok(());
            }
            self.waiting_bytes -= packet.len();
        }
        Ok(())
    }

    fn write(&mut self, id: ChannelId, packet: &[u8]) -> Result<bool, LegError> {
        match self.rtc.channel(id) {
            Some(mut channel) => Ok(channel.write(true, packet)?),
            None => Ok(false),
        }
    }

    /// Gives what is to be done, until it wants to wait.
    pub(super) fn drain(&mut self, out: &mut Vec<LegOutput>) -> Result<(), LegError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                Output::Transmit(transmit) => out.push(LegOutput::Transmit(transmit)),
                Output::Event(event) => self.take_event(event, out)?,
            }
        }
    }

    fn take_event(&mut self, event: Event, out: &mut Vec<LegOutput>) -> Result<(), LegError> {
        match event {
            Event::Connected => {
                self.connected = true;
                out.push(LegOutput::Happened(TransportEvent::Connected));
            }
            Event::ChannelOpen(id, label) => {
                self.open.push(id);
                match label.as_str() {
                    RELIABLE => self.reliable = Some(id),
                    LOSSY => self.lossy = Some(id),
                    _ => {}
                }
                if let Some(mut channel) = self.rtc.channel(id) {
                    channel.set_buffered_amount_low_threshold(LOW_BUFFER_BYTES);
                }
                self.flush()?;
            }
            Event::ChannelClose(id) => self.open.retain(|open| *open != id),
            Event::ChannelBufferedAmountLow(_) => self.flush()?,
            Event::ChannelData(data) => {
                let reliable = self.reliable == Some(data.id);
                // Channels that are none of LiveKit's two for packets carry nothing that is known.
                if reliable || self.lossy == Some(data.id) {
                    out.push(LegOutput::Happened(TransportEvent::Data {
                        reliable,
                        packet: data.data,
                    }));
                }
            }
            // Media is received and dropped: nothing is forwarded of tracks.
            _ => {}
        }
        Ok(())
    }

    /// Says goodbye; what is to be sent comes from [`drain`](Self::drain).
    pub(super) fn close(&mut self) -> Result<(), LegError> {
        Ok(self.rtc.close()?)
    }
}

impl fmt::Debug for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leg")
            .field("connected", &self.connected)
            .finish_non_exhaustive()
    }
}
