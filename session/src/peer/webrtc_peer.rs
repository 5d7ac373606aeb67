//! [`MediaPeer`] on `webrtc` and `rtc` 0.21.1.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::{Mutex, mpsc, watch};
use webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use webrtc::error::Error as StackError;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, RTCConfigurationBuilder,
    RTCIceCandidateInit, RTCIceServer, RTCIceTransportPolicy, RTCSessionDescription, Registry,
    SettingEngineBuilder, configure_twcc_sender_only, register_default_interceptors,
};

use super::candidates::RemoteCandidates;
use super::config::PeerConfig;
use super::handler::{Handler, read_channel};
use super::media_peer::{
    DataChannelKind, IceServer, MAX_DATA_BYTES, MediaPeer, PeerError, PeerEvent, PeerRole,
    PeerState,
};
use super::runtime::{OwnedRuntime, Tasks};
use super::sdp;

/// Checks of a pair before it is given up, so that with [`CHECK_INTERVAL`](super::CHECK_INTERVAL) it is tried for ten seconds,
/// which is as long as a join waits.
pub const CHECK_ATTEMPTS: u16 = 1_000;

/// Nothing heard for this long means disconnected: with the grace of the plan a broken path is told
/// within five seconds.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(3);
/// And this much longer, failed.
const FAILED_AFTER: Duration = Duration::from_secs(7);
/// Keepalives of ICE; must be several within [`DISCONNECTED_AFTER`].
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Longest wait for the stack to do what needs no network.
const STACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a data channel to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for room in the buffer of a reliable channel.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a goodbye to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What waits in a data channel to be sent at most, so that a path that is too slow is noticed.
const SEND_BUFFER_BYTES: usize = 1_024 * 1_024;
/// Messages that wait for their reader. Behind them SCTP's window closes and the server waits.
const MESSAGES: usize = 256;
/// Candidates that wait for their reader. A machine with many addresses has some dozens.
const CANDIDATES: usize = 256;

/// Events of one peer connection.
#[derive(Debug)]
pub struct PeerEvents {
    state: watch::Receiver<PeerState>,
    candidates: mpsc::Receiver<String>,
    messages: mpsc::Receiver<(DataChannelKind, Bytes)>,
}

impl PeerEvents {
    /// The next event; waits for ever when the connection is gone, since its state has told that.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> PeerEvent {
        tokio::select! {
            biased;
            Ok(()) = self.state.changed() => PeerEvent::State(*self.state.borrow_and_update()),
            Some(candidate) = self.candidates.recv() => PeerEvent::Candidate(candidate),
            Some((kind, message)) = self.messages.recv() => PeerEvent::Data(kind, message),
            else => std::future::pending().await,
        }
    }
}

/// A peer connection. Dropping it ends its tasks and closes its sockets.
pub struct WebRtcPeer {
    role: PeerRole,
    dtls_passive: bool,
    connection: Arc<dyn PeerConnection>,
    tasks: Tasks,
    state: watch::Receiver<PeerState>,
    remote: Mutex<Remote>,
    reliable: Option<Channel>,
    lossy: Option<Channel>,
}

/// What is known of the peer.
#[derive(Default)]
struct Remote {
    candidates: RemoteCandidates,
    /// Of its certificate. DTLS is not negotiated anew, so with another one nothing would be understood.
    fingerprint: Option<String>,
}

impl Remote {
    fn check(&self, sdp: &str) -> Result<(), PeerError> {
        match (&self.fingerprint, sdp::attribute(sdp, "fingerprint")) {
            (Some(known), Some(said)) if known != said => Err(PeerError::OtherCertificate),
            _ => Ok(()),
        }
    }

    /// A description was applied. Gives the candidates that are to be added.
    fn described(&mut self, sdp: &str) -> Vec<String> {
        self.fingerprint = sdp::attribute(sdp, "fingerprint").map(str::to_owned);
        self.candidates.described(sdp)
    }
}

struct Channel {
    channel: Arc<dyn DataChannel>,
    open: watch::Receiver<bool>,
}

impl fmt::Debug for WebRtcPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcPeer")
            .field("role", &self.role)
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Drop for WebRtcPeer {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl WebRtcPeer {
    /// A new connection with its sockets; a publisher has its data channels too.
    ///
    /// # Errors
    /// When no address can be bound, or the stack cannot be set up.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn open(config: &PeerConfig) -> Result<(Self, PeerEvents), PeerError> {
        let tasks = Tasks::default();
        // Ends the tasks when this future is dropped half-way.
        let guard = AbortUnlessKept(Some(tasks.clone()));
        let (state_sink, state) = watch::channel(PeerState::New);
        let (candidate_sink, candidates) = mpsc::channel(CANDIDATES);
        let (message_sink, messages) = mpsc::channel(MESSAGES);
        let handler = Handler {
            role: config.role,
            state: state_sink,
            candidates: candidate_sink,
            messages: message_sink.clone(),
            tasks: tasks.clone(),
        };
        // Large, and made once; on the heap it is in no future of those who wait for it.
        let built = Box::pin(build(config, handler, &tasks));
        let connection = bounded(config.role, "open its sockets", built).await?;
        let mut peer = Self {
            role: config.role,
            dtls_passive: config.dtls_passive,
            connection,
            tasks,
            state: state.clone(),
            remote: Mutex::default(),
            reliable: None,
            lossy: None,
        };
        if config.role == PeerRole::Publisher {
            let (reliable, lossy) = (DataChannelKind::Reliable, DataChannelKind::Lossy);
            peer.reliable = Some(peer.create_channel(reliable, message_sink.clone()).await?);
            peer.lossy = Some(peer.create_channel(lossy, message_sink).await?);
        }
        guard.keep();
        let events = PeerEvents {
            state,
            candidates,
            messages,
        };
        Ok((peer, events))
    }

    /// The local description as it is sent, with the candidates that are known by now.
    pub async fn local_description(&self) -> Option<String> {
        let description = self.connection.local_description().await?;
        Some(sdp::as_sent(&description.sdp, self.passive()))
    }

    async fn create_channel(
        &self,
        kind: DataChannelKind,
        messages: mpsc::Sender<(DataChannelKind, Bytes)>,
    ) -> Result<Channel, PeerError> {
        let lossy = kind == DataChannelKind::Lossy;
        let init = RTCDataChannelInit {
            ordered: !lossy,
            max_retransmits: lossy.then_some(0),
            ..RTCDataChannelInit::default()
        };
        let created = self
            .connection
            .create_data_channel(kind.label(), Some(init));
        let channel = bounded(self.role, "create a data channel", created).await?;
        let (open_sink, open) = watch::channel(false);
        let reader = read_channel(Arc::clone(&channel), kind, messages, open_sink);
        self.tasks.spawn(reader);
        Ok(Channel { channel, open })
    }

    /// Of offers alone; a subscriber answers.
    fn passive(&self) -> bool {
        self.dtls_passive && self.role == PeerRole::Publisher
    }

    async fn add_candidates(&self, lines: Vec<String>) -> Result<(), PeerError> {
        for candidate in lines {
            let init = RTCIceCandidateInit {
                candidate,
                sdp_mline_index: Some(0),
                ..RTCIceCandidateInit::default()
            };
            let added = self.connection.add_ice_candidate(init);
            if let Err(error) = bounded(self.role, "take a candidate", added).await {
                // One that is not understood does not hinder the others.
                tracing::debug!(role = %self.role, %error, "a candidate is passed over");
            }
        }
        Ok(())
    }
}

impl MediaPeer for WebRtcPeer {
    async fn offer(&self, restart_ice: bool) -> Result<String, PeerError> {
        let options = RTCOfferOptions {
            ice_restart: restart_ice,
        };
        let made = self.connection.create_offer(Some(options));
        let offer = bounded(self.role, "make an offer", made).await?;
        let text = offer.sdp.clone();
        let applied = self.connection.set_local_description(offer);
        bounded(self.role, "apply its offer", applied).await?;
        let with_candidates = self.local_description().await;
        Ok(with_candidates.unwrap_or_else(|| sdp::as_sent(&text, self.passive())))
    }

    async fn take_answer(&self, sdp: String) -> Result<(), PeerError> {
        let description = RTCSessionDescription::answer(sdp.clone());
        let description = description.map_err(|source| self.stack("read the answer", source))?;
        let mut remote = self.remote.lock().await;
        remote.check(&sdp)?;
        let applied = self.connection.set_remote_description(description);
        bounded(self.role, "apply the answer", applied).await?;
        self.add_candidates(remote.described(&sdp)).await
    }

    async fn answer(&self, offer: String) -> Result<String, PeerError> {
        let description = RTCSessionDescription::offer(offer.clone());
        let description = description.map_err(|source| self.stack("read the offer", source))?;
        let mut remote = self.remote.lock().await;
        remote.check(&offer)?;
        let applied = self.connection.set_remote_description(description);
        bounded(self.role, "apply the offer", applied).await?;
        let made = self.connection.create_answer(None);
        let answer = bounded(self.role, "make an answer", made).await?;
        let text = answer.sdp.clone();
        let applied = self.connection.set_local_description(answer);
        bounded(self.role, "apply its answer", applied).await?;
        self.add_candidates(remote.described(&offer)).await?;
        drop(remote);
        let with_candidates = self.local_description().await;
        Ok(with_candidates.unwrap_or_else(|| sdp::as_sent(&text, false)))
    }

    async fn add_candidate(&self, init: &str) -> Result<(), PeerError> {
        let init: RTCIceCandidateInit = serde_json::from_str(init).map_err(PeerError::Candidate)?;
        let mut remote = self.remote.lock().await;
        let new = remote.candidates.take(&init.candidate);
        self.add_candidates(new.into_iter().collect()).await
    }

    async fn set_ice_servers(
        &self,
        servers: Vec<IceServer>,
        relay_only: bool,
    ) -> Result<(), PeerError> {
        let servers: Vec<RTCIceServer> = servers.into_iter().filter_map(usable).collect();
        if servers.is_empty() && !relay_only {
            return Ok(());
        }
        let policy = if relay_only {
            RTCIceTransportPolicy::Relay
        } else {
            RTCIceTransportPolicy::All
        };
        let configuration = RTCConfigurationBuilder::new()
            .with_ice_servers(servers)
            .with_ice_transport_policy(policy)
            .build();
        let set = self.connection.set_configuration(configuration);
        bounded(self.role, "use the STUN and TURN servers", set).await?;
        // Gathering has begun with an offer that was prepared; it is begun again for the new servers.
        if let Some(offer) = self.connection.pending_local_description().await {
            let applied = self.connection.set_local_description(offer);
            bounded(self.role, "gather candidates again", applied).await?;
        }
        Ok(())
    }

    async fn send(&self, kind: DataChannelKind, message: Bytes) -> Result<(), PeerError> {
        let bytes = message.len();
        if bytes > MAX_DATA_BYTES {
            return Err(PeerError::TooLarge { bytes });
        }
        let channel = match kind {
            DataChannelKind::Reliable => &self.reliable,
            DataChannelKind::Lossy => &self.lossy,
        };
        let closed = || self.stack("send data", StackError::ErrDataChannelClosed);
        let Some(channel) = channel else {
            return Err(closed());
        };
        let mut open = channel.open.clone();
        tokio::time::timeout(OPEN_TIMEOUT, open.wait_for(|open| *open))
            .await
            .map_err(|_elapsed| self.timed_out("open its data channel", OPEN_TIMEOUT))?
            .map_err(|_gone| closed())?;
        let message = BytesMut::from(message);
        let sending = async {
            match kind {
                DataChannelKind::Reliable => channel.channel.send(message).await,
                DataChannelKind::Lossy => match channel.channel.try_send(message).await {
                    Err(StackError::ErrSendBufferFull) => Ok(()),
                    sent => sent,
                },
            }
        };
        tokio::time::timeout(SEND_TIMEOUT, sending)
            .await
            .map_err(|_elapsed| self.timed_out("send data", SEND_TIMEOUT))?
            .map_err(|source| self.stack("send data", source))
    }

    fn state(&self) -> PeerState {
        *self.state.borrow()
    }

    async fn close(&self) {
        // What cannot be said in time is not said; the tasks end in any case.
        let _late = tokio::time::timeout(CLOSE_TIMEOUT, self.connection.close()).await;
        self.tasks.abort();
    }
}

impl WebRtcPeer {
    fn stack(&self, what: &'static str, source: StackError) -> PeerError {
        PeerError::Stack {
            role: self.role,
            what,
            source,
        }
    }

    fn timed_out(&self, what: &'static str, waited: Duration) -> PeerError {
        PeerError::TimedOut {
            role: self.role,
            what,
            waited,
        }
    }
}

/// A server with those of its URLs that the stack speaks: it skips TLS and TCP, and refuses all servers
/// for one that it cannot read.
fn usable(server: IceServer) -> Option<RTCIceServer> {
    let spoken = |url: &String| {
        (url.starts_with("stun:") || url.starts_with("turn:")) && !url.contains("transport=tcp")
    };
    let urls: Vec<String> = server.urls.into_iter().filter(spoken).collect();
    (!urls.is_empty()).then_some(RTCIceServer {
        urls,
        username: server.username,
        credential: server.credential,
    })
}

async fn build(
    config: &PeerConfig,
    handler: Handler,
    tasks: &Tasks,
) -> Result<Arc<dyn PeerConnection>, StackError> {
    let settings = SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(config.check_interval), Some(CHECK_ATTEMPTS))
        .with_ice_timeouts(
            Some(DISCONNECTED_AFTER),
            Some(FAILED_AFTER),
            Some(KEEPALIVE),
        )
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        .with_include_loopback_candidate(config.bind.iter().any(|at| at.ip().is_loopback()))
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        // A restart follows the machine to another network.
        .with_discard_local_candidates_during_ice_restart(true)
        .build();
    let mut media = MediaEngine::default();
    media.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    let registry = configure_twcc_sender_only(registry, &mut media)?;
    let runtime = OwnedRuntime {
        tasks: tasks.clone(),
    };
    let builder = PeerConnectionBuilder::new()
        .with_setting_engine(settings)
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_runtime(Arc::new(runtime))
        .with_handler(Arc::new(handler))
        .with_udp_addrs(config.bind.clone())
        .with_tcp_addrs(config.bind.clone())
        .with_data_channel_send_buffer_limit(SEND_BUFFER_BYTES);
    let connection = Box::pin(builder.build()).await?;
    Ok(Arc::new(connection))
}

/// Gives the stack a bounded time.
async fn bounded<T>(
    role: PeerRole,
    what: &'static str,
    asked: impl Future<Output = Result<T, StackError>>,
) -> Result<T, PeerError> {
    match tokio::time::timeout(STACK_TIMEOUT, asked).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) => Err(PeerError::Stack { role, what, source }),
        Err(_elapsed) => Err(PeerError::TimedOut {
            role,
            what,
            waited: STACK_TIMEOUT,
        }),
    }
}

struct AbortUnlessKept(Option<Tasks>);

impl AbortUnlessKept {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortUnlessKept {
    fn drop(&mut self) {
        if let Some(tasks) = &self.0 {
            tasks.abort();
        }
    }
}
