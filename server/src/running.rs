//! Start, life and end of a server.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use greenroom_protocol::{
    discovery::{Discovery, MeasureService, SERVICE},
    measure::{responder::ResponderConfig, wire},
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    bind,
    clock::{self, Clock},
    config::ServeConfig,
    control::{engines, running::Sessions},
    engine::Engine,
    error::ServeError,
    http::{
        accept::Front,
        app::{self, App, MetricsAccess},
        slots::Slots,
    },
    metrics::{Metrics, Sources, Turnaround},
    responder::{driver::UdpResponder, figures::Published, stream::StreamResponder},
    tls::{self, CertificateInfo, Tls},
    turn::{
        own::ServicePort,
        service::{Surroundings, TurnPorts, TurnService},
    },
};

/// How often a stopping server looks whether the last session has ended.
const DRAIN_TICK: Duration = Duration::from_millis(20);
/// Longest wait for tasks to end after they were told to, beyond what connections are given.
const STOPPING: Duration = Duration::from_secs(1);

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Binds everything that `config` asks for, then serves.
    ///
    /// To be called within a tokio runtime with I/O and time enabled; the server's tasks run on
    /// it, the UDP responder on a thread of its own.
    ///
    /// # Errors
    /// When an address cannot be listened on, or TLS cannot be set up from the files given. Nothing
    /// keeps running then.
    ///
    /// # Cancel safety
    /// Dropping the future frees what was bound.
    #[expect(clippy::unused_async, reason = "says that a runtime is needed")]
    pub async fn start(config: ServeConfig) -> Result<RunningServer, ServeError> {
        let tls = tls::set_up(&config.tls, || tls::trial_names(config.listen.ip()))?;
        let bound = bind::bind_all(&config)?;
        let listeners = Listeners::new(bound.tcp, &config)?;
        let clock = Clock::start();
        let turnaround = Turnaround::new();
        let udp = UdpResponder::start(
            bound.udp,
            &responder_config(&config)?,
            clock,
            turnaround.clone(),
        )?;
        let addresses = Addresses {
            http: listeners.http.1,
            udp: udp.address(),
            metrics: listeners.metrics.as_ref().map(|(_, address)| *address),
        };
        let stop = CancellationToken::new();
        let (engine, sessions) = start_sessions(&config, addresses.http, &stop)?;
        let services = service_ports(&config, addresses.udp, engine.as_ref());
        let handshakes_failed = Arc::default();
        let mut fronts = JoinSet::new();
        let turn = if config.turn.enabled {
            let around = Surroundings {
                listen: addresses.http,
                any_port: config.listen.port() == 0,
                tls: tls.as_ref().map(|tls| Arc::clone(&tls.config)),
                services,
                clock,
                handshakes_failed: Arc::clone(&handshakes_failed),
                stop: stop.clone(),
            };
            Some(TurnService::start(&config, around, &mut fronts)?)
        } else {
            None
        };
        let parts = Parts {
            turn: turn.as_ref(),
            handshakes_failed,
            stop,
            tls: tls.is_some(),
            clock,
            udp: udp.published(),
            turnaround,
            addresses,
        };
        let app = Arc::new(parts.app(config)?);
        tracing::info!(http = %addresses.http, udp = %addresses.udp, "serving");
        let routes = session_routes(sessions.as_ref(), engine.as_ref());
        listeners.serve(&app, routes, tls.as_ref(), &mut fronts);
        Ok(RunningServer {
            _stop_when_dropped: app.stop.clone().drop_guard(),
            fronts,
            app,
            udp,
            turn,
            engine,
            sessions,
            addresses,
            certificate: tls.map(|tls| tls.certificate),
        })
    }

    /// Starts the built-in responder: [`ServeConfig::local`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_local() -> Result<RunningServer, ServeError> {
        Self::start(ServeConfig::local()).await
    }
}

/// A server that runs until it is stopped or dropped.
///
/// Dropping it frees the UDP port at once; TCP connections end as soon as the runtime gets to
/// them.
#[derive(Debug)]
pub struct RunningServer {
    _stop_when_dropped: DropGuard,
    app: Arc<App>,
    fronts: JoinSet<()>,
    udp: UdpResponder,
    turn: Option<TurnService>,
    engine: Option<Engine>,
    sessions: Option<Sessions>,
    addresses: Addresses,
    certificate: Option<CertificateInfo>,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    http: SocketAddr,
    udp: SocketAddr,
    metrics: Option<SocketAddr>,
}

impl RunningServer {
    /// Where HTTP is listened on.
    pub fn http_addr(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Where the responder listens.
    pub fn udp_addr(&self) -> SocketAddr {
        self.addresses.udp
    }

    /// Where STUN and TURN are listened on, at the IP address of HTTP; `None` when they are
    /// switched off.
    pub fn turn_ports(&self) -> Option<TurnPorts> {
        self.turn.as_ref().map(TurnService::ports)
    }

    /// Allocations open now.
    pub fn open_allocations(&self) -> usize {
        self.turn.as_ref().map_or(0, TurnService::n_allocations)
    }

    /// Where metrics are listened on, when they have a listener of their own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.addresses.metrics
    }

    /// The URL to give to a client on this machine, without a slash at its end. A server that
    /// listens on every address is reached at `localhost`.
    pub fn base_url(&self) -> String {
        self.app.fallback_url.clone()
    }

    /// The certificate, when the server speaks TLS.
    pub fn certificate(&self) -> Option<&CertificateInfo> {
        self.certificate.as_ref()
    }

    /// UDP port of the embedded engine; `None` without sessions, or where they are carried by a
    /// LiveKit cluster.
    pub fn engine_udp_port(&self) -> Option<u16> {
        self.engine.as_ref().map(|engine| engine.udp_addr().port())
    }

    /// Sessions of session control now, and users in them.
    pub async fn sessions(&self) -> (usize, usize) {
        match &self.sessions {
            Some(sessions) => sessions.count().await,
            None => (0, 0),
        }
    }

    /// Measurement sessions open now, over UDP and WebSocket.
    pub fn open_sessions(&self) -> usize {
        self.udp.published().read().open_sessions + self.app.stream.figures().open_sessions
    }

    /// Waits until the server has ended by itself, which only a defect makes it do.
    ///
    /// # Cancel safety
    /// Cancelling loses nothing.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.fronts.join_next() => {}
            () = self.udp.ended() => {}
        }
    }

    /// Stops the server. New clients are sent away at once; those who measure, or are relayed, may
    /// go on for `grace`, at most. Returns when everything has ended and the ports are free, at the latest
    /// two seconds after the grace.
    ///
    /// # Cancel safety
    /// Dropping the future stops the server at once.
    pub async fn stop(mut self, grace: Duration) {
        self.app.draining.store(true, Ordering::Release);
        if let Some(turn) = &self.turn {
            turn.drain();
        }
        // Those in a session are told at once: they can join again elsewhere, or later.
        if let Some(sessions) = &self.sessions {
            sessions.shut_down().await;
        }
        if let Some(engine) = &self.engine {
            engine.stop().await;
        }
        let idle = async {
            while self.open_sessions() > 0
                || self.app.websockets.n_taken() > 0
                || self.open_allocations() > 0
            {
                clock::wait(DRAIN_TICK).await;
            }
        };
        if timeout(grace, idle).await.is_err() {
            tracing::info!(sessions = self.open_sessions(), "cutting sessions off");
        }
        self.app.stop.cancel();
        self.udp.stop();
        if let Some(turn) = &mut self.turn {
            turn.stop();
        }
        self.app.websocket_tasks.close();
        let all_end = async {
            while self.fronts.join_next().await.is_some() {}
            self.app.websocket_tasks.wait().await;
            if let Some(sessions) = &self.sessions {
                sessions.ended().await;
            }
        };
        if timeout(STOPPING, all_end).await.is_err() {
            self.fronts.shutdown().await;
        }
    }
}

/// Session control, and the embedded engine where that carries the sessions.
fn start_sessions(
    config: &ServeConfig,
    http: SocketAddr,
    stop: &CancellationToken,
) -> Result<(Option<Engine>, Option<Sessions>), ServeError> {
    if !config.session.enabled {
        return Ok((None, None));
    }
    let (engine, engines) = engines::start(config, http)?;
    let sessions = Sessions::start(&config.session, engines, stop.clone());
    if let Some(engine) = &engine {
        engine.set_guard(sessions.guard());
    }
    Ok((engine, Some(sessions)))
}

fn session_routes(
    sessions: Option<&Sessions>,
    engine: Option<&Engine>,
) -> Option<Router<Arc<App>>> {
    let routes = sessions?.router();
    Some(match engine {
        Some(engine) => routes.merge(engine.router().with_state(())),
        None => routes,
    })
}

/// The TCP listeners, each with the address it came to listen on.
struct Listeners {
    http: (TcpListener, SocketAddr),
    metrics: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    fn new(http: std::net::TcpListener, config: &ServeConfig) -> Result<Self, ServeError> {
        let metrics = match config.metrics_listen {
            Some(address) => Some(into_tokio(bind::bind_tcp(address)?, address)?),
            None => None,
        };
        Ok(Self {
            http: into_tokio(http, config.listen)?,
            metrics,
        })
    }

    fn serve(
        self,
        app: &Arc<App>,
        services: Option<Router<Arc<App>>>,
        tls: Option<&Tls>,
        fronts: &mut JoinSet<()>,
    ) {
        let front = Front {
            listener: self.http.0,
            tls: tls.map(|tls| TlsAcceptor::from(Arc::clone(&tls.config))),
            router: app::router(Arc::clone(app), services),
            app: Arc::clone(app),
        };
        fronts.spawn(front.serve());
        if let Some((listener, _)) = self.metrics {
            let front = Front {
                listener,
                tls: None,
                router: app::metrics_router(Arc::clone(app)),
                app: Arc::clone(app),
            };
            fronts.spawn(front.serve());
        }
    }
}

/// What an [`App`] is made from, beside the configuration.
struct Parts<'a> {
    turn: Option<&'a TurnService>,
    handshakes_failed: Arc<AtomicU64>,
    stop: CancellationToken,
    tls: bool,
    clock: Clock,
    udp: Arc<Published>,
    turnaround: Turnaround,
    addresses: Addresses,
}

impl Parts<'_> {
    fn app(self, config: ServeConfig) -> Result<App, ServeError> {
        let limits = config.limits;
        let responder = responder_config(&config)?;
        let stream = Arc::new(StreamResponder::new(&responder, self.clock));
        let connections = Slots::new(limits.max_connections, limits.max_connections_per_address);
        let websockets = Slots::new(limits.max_websockets, limits.max_websockets_per_address);
        let handshakes_failed = self.handshakes_failed;
        let sources = Sources {
            clock: self.clock,
            udp: self.udp,
            stream: Arc::clone(&stream),
            turn: self.turn.map(TurnService::metrics),
            connections: Arc::clone(&connections),
            websockets: Arc::clone(&websockets),
            handshakes_failed: Arc::clone(&handshakes_failed),
        };
        Ok(App {
            discovery: discovery(&config, self.addresses.udp),
            relay: self.turn.map(TurnService::minter),
            fallback_url: base_url(self.addresses.http, self.tls),
            public_url: config.public_url,
            tls: self.tls,
            metrics_access: metrics_access(config.metrics_listen.is_some(), config.metrics_public),
            trusted_proxies: config.trusted_proxies,
            limits,
            metrics: Metrics::new(sources, &self.turnaround, config.version.clone()),
            stream,
            connections,
            websockets,
            websocket_tasks: TaskTracker::new(),
            handshakes_failed,
            draining: AtomicBool::new(false),
            stop: self.stop,
        })
    }
}

/// Each transport's responder has a secret of its own.
fn responder_config(config: &ServeConfig) -> Result<ResponderConfig, ServeError> {
    let mut secret = [0; 32];
    // The system's own source: that of the TLS library takes 20 ms to warm up, for which a check
    // with the built-in responder would wait.
    getrandom::fill(&mut secret).map_err(|source| ServeError::Entropy { source })?;
    Ok(ResponderConfig {
        limits: config.limits.measure,
        secret,
    })
}

fn metrics_access(own_listener: bool, public: bool) -> MetricsAccess {
    match (own_listener, public) {
        (_, true) => MetricsAccess::Public,
        (true, false) => MetricsAccess::Elsewhere,
        (false, false) => MetricsAccess::Local,
    }
}

/// Ports of this server that even public credentials of its relay reach.
fn service_ports(
    config: &ServeConfig,
    udp: SocketAddr,
    engine: Option<&Engine>,
) -> Vec<ServicePort> {
    let engine = engine.map(|engine| engine.udp_addr().port());
    let engine = engine.map(|bound| ServicePort {
        advertised: bound,
        bound,
    });
    [measure_port(config, udp)]
        .into_iter()
        .chain(engine)
        .collect()
}

fn measure_port(config: &ServeConfig, udp: SocketAddr) -> ServicePort {
    ServicePort {
        advertised: config.advertised_udp_port.unwrap_or(udp.port()),
        bound: udp.port(),
    }
}

fn discovery(config: &ServeConfig, udp: SocketAddr) -> Discovery {
    Discovery {
        service: SERVICE.to_owned(),
        version: config.version.clone(),
        server_time_unix_ms: 0,
        measure: MeasureService {
            protocol_versions: vec![wire::VERSION],
            udp_port: measure_port(config, udp).advertised,
            websocket_path: app::WEBSOCKET_PATH.to_owned(),
            limits: config.limits.measure.advertised(),
            loads: config.limits.measure.advertised_loads(),
        },
        relay: None,
        preset: config.preset.clone(),
    }
}

fn base_url(http: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let host = match http.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("{scheme}://{host}:{}", http.port())
}

fn into_tokio(
    listener: std::net::TcpListener,
    asked: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let convert = || {
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    convert().map_err(|source| ServeError::Listen {
        transport: "TCP",
        address: asked,
        source,
    })
}
