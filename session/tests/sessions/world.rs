//! A server, clients of it, and a way between them that can be cut.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use greenroom_protocol::session::token::{self, AppKey, Claims};
use greenroom_protocol::session::{Identity, Roster};
use greenroom_server::{RunningServer, ServeConfig, Server};
use greenroom_session::client::{Client, Events, InitOptions, JoinOptions, SessionEvent};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait for anything in these tests, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn app() -> AppKey {
    AppKey::new("trial", "0123456789abcdef0123456789abcdef").unwrap()
}

pub(crate) async fn start() -> RunningServer {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut ServeConfig)) -> RunningServer {
    let mut config = ServeConfig::local();
    config.session.enabled = true;
    config.session.apps = vec![app()];
    config.limits.max_connections_per_address = 1000;
    change(&mut config);
    Server::start(config).await.unwrap()
}

fn token(topic: &str, user: &str, host: bool) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let iat = now.as_secs();
    let claims = Claims {
        app_key: app().key().to_owned(),
        tpc: topic.to_owned(),
        role_type: u8::from(host),
        version: 1,
        iat,
        exp: iat + 3600,
        user_key: Some(user.to_owned()),
        session_key: None,
        geo_regions: None,
    };
    token::mint(&app(), &claims).unwrap()
}

pub(crate) fn id(user: &str) -> Identity {
    Identity(format!("user:{user}"))
}

pub(crate) fn at(endpoint: &str) -> InitOptions {
    InitOptions {
        endpoint: endpoint.to_owned(),
        ..InitOptions::default()
    }
}

pub(crate) fn join_options(topic: &str, user: &str, host: bool) -> JoinOptions {
    JoinOptions {
        topic: topic.to_owned(),
        token: token(topic, user, host),
        user_name: user.to_owned(),
        ..JoinOptions::default()
    }
}

/// A client and what it told.
pub(crate) struct User {
    pub(crate) client: Client,
    pub(crate) events: Events,
}

impl User {
    pub(crate) async fn ready(endpoint: &str) -> Self {
        Self::ready_with(at(endpoint)).await
    }

    pub(crate) async fn ready_with(options: InitOptions) -> Self {
        let client = Client::new();
        let events = client.events();
        let report = client.init(options).await.unwrap();
        assert_eq!(report.notices, []);
        Self { client, events }
    }

    /// A user who is in the session and sees themselves.
    pub(crate) async fn join(endpoint: &str, topic: &str, user: &str, host: bool) -> Self {
        let joined = Self::ready(endpoint).await;
        let options = join_options(topic, user, host);
        joined.client.join(options).await.unwrap();
        joined.sees(|roster| roster.get(&id(user)).is_some()).await;
        joined
    }

    /// Waits until the user list is so.
    pub(crate) async fn sees(&self, wanted: impl Fn(&Roster) -> bool) {
        let mut events = self.client.events();
        let search = async {
            while !wanted(&self.client.users()) {
                events.next().await.expect("the client is gone");
            }
        };
        let found = timeout(PATIENCE, search).await;
        assert!(found.is_ok(), "{:?}", self.client.users());
    }

    /// Reads events until one is of interest.
    pub(crate) async fn hears<T>(&mut self, wanted: impl Fn(SessionEvent) -> Option<T>) -> T {
        let mut heard = Vec::new();
        let search = async {
            loop {
                let event = self.events.next().await.expect("the client is gone");
                heard.push(format!("{event:?}"));
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        let found = timeout(PATIENCE, search).await.ok();
        found.unwrap_or_else(|| panic!("heard {heard:#?}"))
    }
}

/// A way through which connections go until it is cut.
pub(crate) struct Way {
    pub(crate) endpoint: String,
    /// Where it leads; every change cuts what went through.
    target: watch::Sender<SocketAddr>,
    _task: JoinSet<()>,
}

impl Way {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (target, targets) = watch::channel(server);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut through = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                through.spawn(carry(near, targets.clone()));
            }
        });
        Self {
            endpoint,
            target,
            _task: task,
        }
    }

    /// Every connection breaks; new ones are let through.
    pub(crate) fn cut(&self) {
        self.target.send_modify(|_same| {});
    }

    /// Every connection breaks; new ones lead to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.target.send_replace(server);
    }
}

async fn carry(mut near: TcpStream, mut target: watch::Receiver<SocketAddr>) {
    let server = *target.borrow_and_update();
    let Ok(mut far) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ended = copy_bidirectional(&mut near, &mut far) => {}
        _cut = target.changed() => {}
    }
}
