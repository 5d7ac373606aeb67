//! A small engine: LiveKit's signalling, version 0, for rooms of one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::signal::SignalConfig;
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::media::{self, Ask, Tell};

/// What goes wrong, and how the engine is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// `/rtc` and `/rtc/validate` answer with this status and text.
    pub(crate) refuse: Option<(u16, &'static str)>,
    /// `/rtc` alone answers with 500.
    pub(crate) no_upgrade: bool,
    /// Nothing is said after the upgrade.
    pub(crate) silent: bool,
    /// The first message is this.
    pub(crate) first: Option<Vec<u8>>,
    /// Offers are not answered.
    pub(crate) no_answer: bool,
    /// Answers hold this instead.
    pub(crate) answer: Option<&'static str>,
    /// A resumption is answered with "join anew".
    pub(crate) forget: bool,
    /// Media is reached by TCP alone.
    pub(crate) tcp_only: bool,
}

/// What a test commands a connection to do.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Say(Response),
    Raw(Vec<u8>),
    Drop,
    /// An offer of the subscriber.
    Subscribe,
    /// The publisher's sockets are closed, without a word.
    LoseMedia,
    /// Its path is interrupted, or stands again.
    Deaf(bool),
}

/// What the engine saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Targets of `/rtc`, with their queries.
    pub(crate) opened: Vec<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: usize,
}

#[derive(Default)]
struct Shared {
    faults: Mutex<Faults>,
    seen: Mutex<Seen>,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
}

pub(crate) struct Engine {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
        // Its peer connections end with those who ask them.
        drop(KEPT.take());
    }
}

impl Engine {
    pub(crate) async fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.faults.lock().unwrap() = faults;
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn dialer() -> Dialer {
        Dialer::new(&[]).unwrap()
    }

    pub(crate) fn config(&self, token: &str) -> SignalConfig {
        SignalConfig {
            base: BaseUrl::parse(&format!("http://{}", self.address)).unwrap(),
            token: token.to_owned(),
        }
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen.lock().unwrap())
    }

    pub(crate) async fn order(&self, order: Order) {
        let orders = self.shared.orders.lock().unwrap().clone().unwrap();
        orders.send(order).await.unwrap();
    }

    pub(crate) async fn say(&self, response: Response) {
        self.order(Order::Say(response)).await;
    }

    /// Waits until what was seen is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !self.seen(&wanted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let end = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(end.is_ok(), "not seen: {:?}", self.shared.seen.lock());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        connections.spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = vec![0; 4_096];
    let target = loop {
        let Ok(length @ 1..) = stream.peek(&mut head).await else {
            return;
        };
        let text = String::from_utf8_lossy(&head[..length]);
        if text.contains("\r\n\r\n") {
            break text.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let faults = shared.faults.lock().unwrap().clone();
    let answer = match (target.starts_with("/rtc/validate"), faults.refuse) {
        (_, Some(refusal)) => Some(refusal),
        (true, None) => Some((200, "success")),
        (false, None) => faults.no_upgrade.then_some((500, "no")),
    };
    if let Some((status, text)) = answer {
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
        let _read = stream.read(&mut head).await;
        let _sent = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    shared.seen.lock().unwrap().opened.push(target.clone());
    shared.seen.lock().unwrap().connections += 1;
    let resumed = target.contains("reconnect=1");
    serve(socket, Arc::clone(&shared), faults, resumed).await;
    shared.seen.lock().unwrap().connections -= 1;
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// Media of the participant, which survives its signalling.
struct Peers {
    asks: HashMap<&'static str, mpsc::Sender<Ask>>,
    tell: mpsc::Sender<Tell>,
    tells: mpsc::Receiver<Tell>,
}

impl Peers {
    fn new() -> Self {
        let (tell, tells) = mpsc::channel(64);
        let asks = HashMap::new();
        Self { asks, tell, tells }
    }

    fn start(&mut self, role: &'static str, tcp_only: bool) {
        let (ask, asks) = mpsc::channel(64);
        tokio::spawn(media::run(tcp_only, asks, self.tell.clone()));
        self.asks.insert(role, ask);
    }
}

thread_local! {
    static KEPT: std::cell::RefCell<Option<Peers>> = const { std::cell::RefCell::new(None) };
}

async fn say(socket: &mut Socket, response: Response) {
    let message = Some(response);
    let frame = proto::SignalResponse { message }.encode_to_vec();
    let _sent = socket.send(Message::Binary(frame.into())).await;
}

async fn serve(mut socket: Socket, shared: Arc<Shared>, faults: Faults, resumed: bool) {
    let (order_sink, mut orders) = mpsc::channel(64);
    *shared.orders.lock().unwrap() = Some(order_sink);
    if faults.silent {
        let _closed = socket.next().await;
        return;
    }
    if let Some(first) = faults.first.clone() {
        let _sent = socket.send(Message::Binary(first.into())).await;
    }
    let mut peers = KEPT.take().unwrap_or_else(Peers::new);
    if resumed && faults.forget {
        let leave = proto::LeaveRequest {
            reason: proto::DisconnectReason::StateMismatch.into(),
            action: proto::leave_request::Action::Reconnect.into(),
            ..Default::default()
        };
        say(&mut socket, Response::Leave(leave)).await;
        return;
    } else if resumed {
        let reconnect = proto::ReconnectResponse::default();
        say(&mut socket, Response::Reconnect(reconnect)).await;
    } else {
        peers = Peers::new();
        say(&mut socket, Response::Join(join_response())).await;
    }
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Say(response)) => say(&mut socket, response).await,
                Some(Order::Raw(bytes)) => {
                    let _sent = socket.send(Message::Binary(bytes.into())).await;
                }
                Some(Order::Drop) | None => break,
                Some(Order::LoseMedia) => {
                    peers.asks.clear();
                }
                Some(Order::Deaf(deaf)) => {
                    let _gone = peers.asks["publisher"].send(Ask::Deaf(deaf)).await;
                }
                Some(Order::Subscribe) => {
                    peers.start("subscriber", faults.tcp_only);
                    let (told, offer) = oneshot::channel();
                    let ask = Ask::Offer(told);
                    peers.asks["subscriber"].send(ask).await.ok().unwrap();
                    let offer = offer.await.unwrap();
                    say(&mut socket, Response::Offer(description("offer", offer, 7))).await;
                }
            },
            Some(tell) = peers.tells.recv() => if let Tell::Data(label, bytes) = tell {
                // Data of a room of one comes back by the subscriber.
                if let Some(subscriber) = peers.asks.get("subscriber") {
                    let _gone = subscriber.send(Ask::Send(label, bytes)).await;
                }
            },
            message = socket.next() => {
                let Some(Ok(Message::Binary(bytes))) = message else { break };
                let request = proto::SignalRequest::decode(bytes).unwrap().message.unwrap();
                shared.seen.lock().unwrap().requests.push(request.clone());
                match request {
                    Request::Offer(offer) if !faults.no_answer => {
                        if !peers.asks.contains_key("publisher") {
                            peers.start("publisher", faults.tcp_only);
                        }
                        let (told, answer) = oneshot::channel();
                        let ask = Ask::Answer(offer.sdp, told);
                        peers.asks["publisher"].send(ask).await.ok().unwrap();
                        let answer = answer.await.unwrap();
                        let answer = faults.answer.map_or(answer, str::to_owned);
                        let answer = description("answer", answer, offer.id);
                        say(&mut socket, Response::Answer(answer)).await;
                    }
                    Request::Answer(answer) => {
                        let ask = Ask::TakeAnswer(answer.sdp);
                        let _gone = peers.asks["subscriber"].send(ask).await;
                    }
                    Request::AddTrack(track) => {
                        let published = proto::TrackPublishedResponse {
                            cid: track.cid.clone(),
                            track: Some(proto::TrackInfo {
                                sid: format!("TR_{}", track.cid),
                                name: track.name,
                                ..Default::default()
                            }),
                        };
                        say(&mut socket, Response::TrackPublished(published)).await;
                    }
                    Request::PingReq(ping) => {
                        let pong = proto::Pong {
                            last_ping_timestamp: ping.timestamp,
                            timestamp: 1,
                        };
                        say(&mut socket, Response::PongResp(pong)).await;
                    }
                    Request::Leave(_) => break,
                    _ => {}
                }
            }
        }
    }
    // The media goes on for a resumption, on the test's single thread.
    KEPT.set(Some(peers));
}

fn join_response() -> proto::JoinResponse {
    proto::JoinResponse {
        participant: Some(proto::ParticipantInfo {
            sid: "PA_1".to_owned(),
            identity: "ann".to_owned(),
            ..Default::default()
        }),
        ping_interval: 5,
        ping_timeout: 15,
        fast_publish: true,
        ..Default::default()
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
