//! A small engine: LiveKit's signalling, version 0, for rooms of one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use greenroom_protocol::livekit::proto;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::signal::SignalConfig;
use proto::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::media::{self, Ask, Tell};

/// What is wrong with the engine, or its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// `/rtc` and `/rtc/validate` answer with this status and text.
    Refuses(u16, &'static str),
    /// `/rtc` alone answers with 500.
    NoUpgrade,
    /// Nothing is said after the upgrade.
    Silent,
    /// The first message is this.
    First(Vec<u8>),
    /// Offers are not answered.
    NoAnswer,
    /// Answers are this instead.
    Answers(&'static str),
    /// A resumption is answered with "join anew".
    Forgets,
    /// Media is reached by TCP alone.
    TcpOnly,
}

/// What a test commands a connection to do.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Say(Box<Response>),
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
    fault: Mutex<Fault>,
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
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.fault.lock().unwrap() = fault;
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
        self.order(Order::Say(Box::new(response))).await;
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
    let fault = shared.fault.lock().unwrap().clone();
    let answer = match (&fault, target.starts_with("/rtc/validate")) {
        (Fault::Refuses(status, text), _) => Some((*status, *text)),
        (_, true) => Some((200, "success")),
        (Fault::NoUpgrade, false) => Some((500, "no")),
        (_, false) => None,
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
    serve(socket, &shared, fault, resumed).await;
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

    async fn ask(&self, role: &'static str, ask: Ask) {
        if let Some(asks) = self.asks.get(role) {
            let _gone = asks.send(ask).await;
        }
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

struct Serving<'a> {
    socket: Socket,
    shared: &'a Shared,
    fault: Fault,
    peers: Peers,
}

/// Serves one connection to its end.
async fn serve(mut socket: Socket, shared: &Shared, fault: Fault, resumed: bool) {
    let (order_sink, mut orders) = mpsc::channel(64);
    *shared.orders.lock().unwrap() = Some(order_sink);
    if fault == Fault::Silent {
        let _closed = socket.next().await;
        return;
    }
    let kept = KEPT.take().filter(|_| resumed);
    let mut serving = Serving {
        socket,
        shared,
        fault,
        peers: kept.unwrap_or_else(Peers::new),
    };
    serving.greet(resumed).await;
    loop {
        let goes_on = tokio::select! {
            Some(order) = orders.recv() => serving.obey(order).await,
            Some(Tell::Data(label, bytes)) = serving.peers.tells.recv() => {
                // Data of a room of one comes back by the subscriber.
                serving.peers.ask("subscriber", Ask::Send(label, bytes)).await;
                true
            }
            message = serving.socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let request = proto::SignalRequest::decode(bytes).unwrap();
                    serving.respond(request.message.unwrap()).await
                }
                _ => false,
            },
        };
        if !goes_on {
            break;
        }
    }
    // The media goes on for a resumption, on the test's single thread.
    KEPT.set(Some(serving.peers));
}

impl Serving<'_> {
    async fn say(&mut self, response: Response) {
        let message = Some(response);
        let frame = proto::SignalResponse { message }.encode_to_vec();
        let _sent = self.socket.send(Message::Binary(frame.into())).await;
    }

    async fn greet(&mut self, resumed: bool) {
        if let Fault::First(first) = self.fault.clone() {
            let _sent = self.socket.send(Message::Binary(first.into())).await;
        }
        let greeting = if resumed && self.fault == Fault::Forgets {
            Response::Leave(proto::LeaveRequest {
                reason: proto::DisconnectReason::StateMismatch.into(),
                action: proto::leave_request::Action::Reconnect.into(),
                ..Default::default()
            })
        } else if resumed {
            Response::Reconnect(proto::ReconnectResponse::default())
        } else {
            Response::Join(join_response())
        };
        self.say(greeting).await;
    }

    /// Whether the connection goes on.
    async fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Say(response) => self.say(*response).await,
            Order::Raw(bytes) => {
                let _sent = self.socket.send(Message::Binary(bytes.into())).await;
            }
            Order::Drop => return false,
            Order::LoseMedia => self.peers.asks.clear(),
            Order::Deaf(deaf) => self.peers.ask("publisher", Ask::Deaf(deaf)).await,
            Order::Subscribe => {
                self.peers.start("subscriber", self.fault == Fault::TcpOnly);
                let (told, offer) = oneshot::channel();
                self.peers.ask("subscriber", Ask::Offer(told)).await;
                let offer = description("offer", offer.await.unwrap(), 7);
                self.say(Response::Offer(offer)).await;
            }
        }
        true
    }

    /// Whether the connection goes on.
    async fn respond(&mut self, request: Request) -> bool {
        self.shared
            .seen
            .lock()
            .unwrap()
            .requests
            .push(request.clone());
        match request {
            Request::Offer(offer) if self.fault != Fault::NoAnswer => {
                if !self.peers.asks.contains_key("publisher") {
                    self.peers.start("publisher", self.fault == Fault::TcpOnly);
                }
                let (told, answer) = oneshot::channel();
                self.peers
                    .ask("publisher", Ask::Answer(offer.sdp, told))
                    .await;
                let mut answer = answer.await.unwrap();
                if let Fault::Answers(other) = self.fault {
                    other.clone_into(&mut answer);
                }
                let answer = description("answer", answer, offer.id);
                self.say(Response::Answer(answer)).await;
            }
            Request::Answer(answer) => {
                self.peers
                    .ask("subscriber", Ask::TakeAnswer(answer.sdp))
                    .await;
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
                self.say(Response::TrackPublished(published)).await;
            }
            Request::PingReq(ping) => {
                let answer = proto::Pong {
                    last_ping_timestamp: ping.timestamp,
                    timestamp: 1,
                };
                self.say(Response::PongResp(answer)).await;
            }
            Request::Leave(_) => return false,
            _ => {}
        }
        true
    }
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
