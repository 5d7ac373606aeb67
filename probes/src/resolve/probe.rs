//! Runs the probe and maps what came of it.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::resolve::{LookupResult, NameServer, ResolveSection, SystemLookup};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::web::ConnectAttempt;
use greenroom_session::dial::connect::connect_families;
use greenroom_session::dial::dns::{LookupFailure, look_up_host};

use super::name_servers;
use crate::context::ReachContext;

/// An address on the internet, a root name server's. Nothing is sent there; the system is only asked
/// whether it has a route to it.
const SOME_IPV6: &str = "[2001:500:2f::f]:53";

/// Longest time of the probe: a lookup that is given up after 3 s, and a connection.
const LONGEST: Duration = Duration::from_secs(4);

/// What is asked of the probe.
#[derive(Clone, Debug)]
pub struct ResolveConfig {
    /// The file that names the system's name servers.
    pub resolv_conf: PathBuf,
}

impl Default for ResolveConfig {
    fn default() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
        }
    }
}

/// Looks the server's name up in every way, and tries its addresses.
///
/// # Cancel safety
/// On cancellation it returns at once with what it has. Dropping the future closes its sockets; a
/// lookup by the system goes on until the system gives up.
pub async fn run(config: ResolveConfig, context: ReachContext) -> Outcome<ResolveSection> {
    let Some(base) = context.base.as_ref().filter(|_| !context.is_builtin) else {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "no server was named, so there is no name to look up",
        );
    };
    if base.host().parse::<IpAddr>().is_ok() {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "the server was named by its address, so there is no name to look up",
        );
    }
    if context.dialer.route(base).proxy().is_some() {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "the proxy looks the server's name up, so what name servers here say of it is of no use",
        );
    }
    let text = std::fs::read_to_string(&config.resolv_conf);
    let servers = name_servers::listed(&text.unwrap_or_default());
    let mut found = Found::default();
    let finding = found.find(base.host(), base.port(), &servers);
    let ended = tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(context.cancel.reason()),
        ended = tokio::time::timeout(LONGEST, finding) => ended.map_err(|_elapsed| too_slow()),
    };
    let data = found.section(base.host());
    match ended {
        Ok(()) => Outcome::Measured { data },
        Err(reason) => Outcome::Partial { data, reason },
    }
}

fn too_slow() -> Reason {
    let message = "looking the server's name up and connecting took longer than 4 s";
    Reason::new(ReasonCode::OutOfTime, message)
}

/// What is there so far.
#[derive(Default)]
struct Found {
    system: SystemLookup,
    servers: Vec<NameServer>,
    connects: Vec<ConnectAttempt>,
    has_ipv6_route: bool,
}

impl Found {
    async fn find(&mut self, host: &str, port: u16, servers: &[IpAddr]) {
        self.has_ipv6_route = has_ipv6_route().await;
        let Self {
            system,
            servers: told,
            connects,
            ..
        } = self;
        let by_system = async {
            let addresses = look_up_twice(host, port, system).await;
            *connects = connect_families(&addresses).await.0;
        };
        told.extend(servers.iter().map(|&server| name_servers::unasked(server)));
        let asked = servers.iter().zip(told);
        let asked = asked.map(|(&server, told)| name_servers::ask(server, host, told));
        let by_servers = futures_util::future::join_all(asked);
        tokio::join!(by_system, by_servers);
    }

    fn section(self, host: &str) -> ResolveSection {
        ResolveSection {
            name: Sensitive::new(host),
            system: self.system,
            servers: self.servers,
            connects: self.connects,
            has_ipv6_route: self.has_ipv6_route,
        }
    }
}

/// The first lookup pays for what the second one finds in a cache, where there is one.
async fn look_up_twice(host: &str, port: u16, told: &mut SystemLookup) -> Vec<SocketAddr> {
    let (addresses, cold) = timed(host, port).await;
    match addresses {
        Ok(addresses) => {
            told.result = LookupResult::Found;
            told.addresses = addresses.iter().map(|a| a.ip().into()).collect();
            told.cold_ms = Some(cold.into());
            let (again, warm) = timed(host, port).await;
            told.warm_ms = again.is_ok().then(|| warm.into());
            addresses
        }
        Err(failure) => {
            told.result = match failure {
                LookupFailure::UnknownHost => LookupResult::UnknownName,
                LookupFailure::ResolverFailed => LookupResult::Failed,
            };
            Vec::new()
        }
    }
}

async fn timed(host: &str, port: u16) -> (Result<Vec<SocketAddr>, LookupFailure>, Duration) {
    let began = Instant::now();
    let found = look_up_host(host, port).await;
    (found, began.elapsed())
}

/// A datagram socket that is connected sends nothing: it asks for the route and the address to send
/// from.
async fn has_ipv6_route() -> bool {
    let Ok(socket) = tokio::net::UdpSocket::bind("[::]:0").await else {
        return false;
    };
    socket.connect(SOME_IPV6).await.is_ok()
}
