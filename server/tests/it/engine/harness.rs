//! An engine behind a listener of its own, and a bare client of its signalling.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_protocol::livekit::{
    grants::{ApiKey, Grants},
    proto::{
        DisconnectReason, JoinResponse, LeaveRequest, Message as _, ParticipantInfo, SignalRequest,
        SignalResponse, signal_request, signal_response,
    },
};
use greenroom_server::engine::{Engine, config::EngineConfig};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

/// Longest wait for what has to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The key of these tests.
pub(super) fn key() -> ApiKey {
    ApiKey::new("devkey", "the secret of these tests, which is long")
}

/// An engine that serves.
pub(super) struct Served {
    pub(super) engine: Engine,
    pub(super) http: SocketAddr,
    serving: JoinHandle<()>,
}

impl Served {
    pub(super) async fn start(change: impl FnOnce(&mut EngineConfig)) -> Self {
        Self::start_with(change, |_| axum::Router::new()).await
    }

    /// With further routes beside the engine's.
    pub(super) async fn start_with(
        change: impl FnOnce(&mut EngineConfig),
        beside: impl FnOnce(&Engine) -> axum::Router,
    ) -> Self {
        let mut config = EngineConfig {
            keys: vec![key()],
            ..EngineConfig::default()
        };
        change(&mut config);
        let engine = Engine::start(config).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let router = engine.router().merge(beside(&engine));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            engine,
            http,
            serving,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Opens a signalling connection.
    pub(super) async fn dial(
        &self,
        token: &str,
        query: &str,
    ) -> Result<TestUser, tungstenite::Error> {
        let url = format!("ws://{}/rtc?protocol=15{query}", self.http);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("Authorization", bearer);
        let stream = TcpStream::connect(self.http).await?;
        // Small buffers, so that what the server needs shows in the memory of the process.
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(TestUser { socket })
    }

    /// Joins; gives what the server said first.
    pub(super) async fn join(&self, room: &str, identity: &str) -> (TestUser, JoinResponse) {
        self.join_with(Grants::join(room, identity)).await
    }

    pub(super) async fn join_with(&self, grants: Grants) -> (TestUser, JoinResponse) {
        let mut user = self.dial(&mint(grants), "").await.unwrap();
        match user.next().await {
            signal_response::Message::Join(join) => (user, join),
            other => panic!("the first message is {other:?}"),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A token that holds for a minute.
pub(super) fn mint(grants: Grants) -> String {
    key().mint(grants, now(), Duration::from_secs(60)).unwrap()
}

pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A client that speaks signalling alone.
pub(super) struct TestUser {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl TestUser {
    pub(super) async fn say(&mut self, message: signal_request::Message) {
        let request = SignalRequest {
            message: Some(message),
        };
        let frame = Message::Binary(request.encode_to_vec().into());
        self.socket.send(frame).await.unwrap();
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> signal_response::Message {
        let message = timeout(PATIENCE, self.socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Binary(frame) => SignalResponse::decode(frame).unwrap().message.unwrap(),
            other => panic!("{other:?} is no message"),
        }
    }

    /// The first message that fits; what comes before is passed over.
    pub(super) async fn find<T>(
        &mut self,
        fits: impl Fn(signal_response::Message) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = fits(self.next().await) {
                return found;
            }
        }
    }

    /// The first update about somebody that fits.
    pub(super) async fn update(
        &mut self,
        fits: impl Fn(&ParticipantInfo) -> bool,
    ) -> ParticipantInfo {
        self.find(|message| match message {
            signal_response::Message::Update(update) => update.participants.into_iter().find(&fits),
            _ => None,
        })
        .await
    }

    pub(super) async fn leave(&mut self) -> LeaveRequest {
        self.find(|message| match message {
            signal_response::Message::Leave(leave) => Some(leave),
            _ => None,
        })
        .await
    }

    pub(super) async fn leave_reason(&mut self) -> DisconnectReason {
        self.leave().await.reason()
    }

    /// The close frame's code and reason, with which the connection ends.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.unwrap();
            match message {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("the connection ended without a reason: {other:?}"),
            }
        }
    }
}
