//! One side of a peer connection on str0m, with its sockets.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// What is asked of a connection.
pub(crate) enum Ask {
    Answer(String, oneshot::Sender<String>),
    Offer(oneshot::Sender<String>),
    TakeAnswer(String),
    Send(String, Vec<u8>),
    /// Neither hears nor says anything from now on, or does again.
    Deaf(bool),
}

/// What it tells.
pub(crate) enum Tell {
    Data(String, Vec<u8>),
}

struct Media {
    rtc: Rtc,
    udp: UdpSocket,
    tcp: HashMap<SocketAddr, OwnedWriteHalf>,
    labels: HashMap<ChannelId, String>,
    pending: Option<SdpPendingOffer>,
    waiting: Vec<(String, Vec<u8>)>,
    deaf: bool,
    tells: mpsc::Sender<Tell>,
}

/// A connection that is reached by UDP, or by TCP alone, on loopback.
pub(crate) async fn run(tcp_only: bool, mut asks: mpsc::Receiver<Ask>, tells: mpsc::Sender<Tell>) {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let tcp_address = listener.local_addr().unwrap();
    let mut rtc = Rtc::builder().set_ice_lite(true).build(Instant::now());
    let local = udp.local_addr().unwrap();
    let candidate = if tcp_only {
        let tcp = Candidate::builder().tcp().host(tcp_address);
        tcp.tcptype(TcpType::Passive).build().unwrap()
    } else {
        Candidate::host(local, "udp").unwrap()
    };
    rtc.add_local_candidate(candidate);
    let mut media = Media {
        rtc,
        udp,
        tcp: HashMap::new(),
        labels: HashMap::new(),
        pending: None,
        waiting: Vec::new(),
        deaf: false,
        tells,
    };
    let (frame_sink, mut frames) = mpsc::channel(64);
    let mut readers = JoinSet::new();
    let mut buffer = vec![0; 2_000];
    loop {
        // A peer that goes before SCTP stands is an error to the stack, and the end here.
        let Ok(wake) = media.drain().await else {
            return;
        };
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => media.ask(ask),
                None => return,
            },
            received = media.udp.recv_from(&mut buffer) => if let Ok((length, source)) = received {
                media.receive(Protocol::Udp, source, local, &buffer[..length]);
            },
            accepted = listener.accept() => {
                let (stream, source) = accepted.unwrap();
                let (mut read, write) = stream.into_split();
                media.tcp.insert(source, write);
                let frame_sink = frame_sink.clone();
                readers.spawn(async move {
                    while let Ok(length) = read.read_u16().await {
                        let mut frame = vec![0; length.into()];
                        if read.read_exact(&mut frame).await.is_err()
                            || frame_sink.send((source, frame)).await.is_err() { return; }
                    }
                });
            },
            Some((source, frame)) = frames.recv() => {
                media.receive(Protocol::Tcp, source, tcp_address, &frame);
            },
            () = tokio::time::sleep_until(wake.into()) => {
                media.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            }
        }
    }
}

impl Media {
    fn receive(&mut self, proto: Protocol, source: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.deaf {
            return;
        }
        if let Ok(receive) = Receive::new(proto, source, to, bytes) {
            let input = Input::Receive(Instant::now(), receive);
            if self.rtc.accepts(&input) {
                self.rtc.handle_input(input).unwrap();
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Answer(offer, told) => {
                let offer = SdpOffer::from_sdp_string(&offer).unwrap();
                let answer = self.rtc.sdp_api().accept_offer(offer).unwrap();
                told.send(answer.to_sdp_string()).unwrap();
            }
            Ask::Offer(told) => {
                let mut change = self.rtc.sdp_api();
                for (label, reliability) in [
                    ("_reliable", Reliability::Reliable),
                    ("_lossy", Reliability::MaxRetransmits { retransmits: 0 }),
                ] {
                    change.add_channel_with_config(ChannelConfig {
                        label: label.to_owned(),
                        ordered: label == "_reliable",
                        reliability,
                        ..ChannelConfig::default()
                    });
                }
                let (offer, pending) = change.apply().unwrap();
                self.pending = Some(pending);
                told.send(offer.to_sdp_string()).unwrap();
            }
            Ask::TakeAnswer(answer) => {
                let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
                let pending = self.pending.take().unwrap();
                self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
            }
            Ask::Deaf(deaf) => self.deaf = deaf,
            Ask::Send(label, bytes) => self.waiting.push((label, bytes)),
        }
    }

    /// Sends and tells everything that is due.
    async fn drain(&mut self) -> Result<Instant, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    if !self.send_one() {
                        return Ok(at);
                    }
                }
                Output::Transmit(_) if self.deaf => {}
                Output::Transmit(packet) => match packet.proto {
                    Protocol::Udp => {
                        let _sent = self.udp.send_to(&packet.contents, packet.destination).await;
                    }
                    _ => {
                        if let Some(stream) = self.tcp.get_mut(&packet.destination) {
                            let length = u16::try_from(packet.contents.len()).unwrap();
                            let mut frame = length.to_be_bytes().to_vec();
                            frame.extend_from_slice(&packet.contents);
                            let _sent = stream.write_all(&frame).await;
                        }
                    }
                },
                Output::Event(Event::ChannelOpen(id, label)) => {
                    self.labels.insert(id, label);
                }
                Output::Event(Event::ChannelData(data)) => {
                    let label = self.labels[&data.id].clone();
                    let _gone = self.tells.send(Tell::Data(label, data.data)).await;
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Sends the first message whose channel is open.
    fn send_one(&mut self) -> bool {
        let labels = &self.labels;
        let open = |label: &str| labels.iter().find(|(_, l)| *l == label).map(|(id, _)| *id);
        let Some(place) = self
            .waiting
            .iter()
            .position(|(label, _)| open(label).is_some())
        else {
            return false;
        };
        let (label, bytes) = self.waiting.remove(place);
        let id = open(&label).unwrap();
        self.rtc.channel(id).unwrap().write(true, &bytes).unwrap();
        true
    }
}
