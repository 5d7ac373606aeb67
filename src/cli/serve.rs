//! `greenroom serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use greenroom_protocol::session::token::AppKey;
use greenroom_reports::verdict::exit_code;
use greenroom_server::config::file::parse_listen_address;
use greenroom_server::config::overrides::TlsMode;
use greenroom_server::{
    ErrorKind, RunningServer, ServeConfig, ServeOverrides, Server, TurnPorts, TurnSecret,
};
use ipnet::IpNet;

use super::output::{self, Usage};
use super::serve_session::{SessionArgs, describe_trial};

/// The variable of the relay's shared secret. It has no flag, since other users of a machine see
/// those.
const TURN_SECRET_VARIABLE: &str = "GREENROOM_TURN_SECRET";

/// How long open connections are given at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Flags of the server. Each comes before its variable of the environment, that before the file,
/// that before the default.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Configuration file, TOML; docs/serve.md lists its keys.
    #[arg(long, value_name = "FILE", env = "GREENROOM_CONFIG")]
    config: Option<PathBuf>,
    /// Address and TCP port to listen on [default: [::]:8443].
    #[arg(long, value_name = "ADDRESS:PORT", env = "GREENROOM_LISTEN", value_parser = parse_listen_address)]
    listen: Option<SocketAddr>,
    /// UDP port of the responder; 0 takes any free one [default: the TCP port's number].
    #[arg(long, value_name = "PORT", env = "GREENROOM_UDP_PORT")]
    udp_port: Option<u16>,
    /// UDP port that clients are told, where a NAT or container maps it.
    #[arg(long, value_name = "PORT", env = "GREENROOM_ADVERTISED_UDP_PORT")]
    advertised_udp_port: Option<u16>,
    /// How clients reach this server, for the page that people see.
    #[arg(long, value_name = "URL", env = "GREENROOM_PUBLIC_URL")]
    public_url: Option<String>,
    #[command(flatten, next_help_heading = "TLS")]
    tls: TlsArgs,
    #[command(flatten, next_help_heading = "STUN and TURN")]
    turn: TurnArgs,
    #[command(flatten, next_help_heading = "Sessions")]
    session: SessionArgs,
    #[command(flatten, next_help_heading = "Preset for clients")]
    preset: PresetArgs,
    #[command(flatten, next_help_heading = "Metrics and proxies")]
    metrics: MetricsArgs,
    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArgs,
}

#[derive(Debug, Args)]
struct TlsArgs {
    /// `none`, `pem` (your certificate) or `self-signed` (for trials) [default: none].
    #[arg(long = "tls", value_name = "MODE", env = "GREENROOM_TLS", value_parser = parse_tls)]
    mode: Option<TlsMode>,
    /// Certificate chain, PEM.
    #[arg(
        long = "tls-certificate",
        value_name = "FILE",
        env = "GREENROOM_TLS_CERTIFICATE"
    )]
    certificate: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long = "tls-key", value_name = "FILE", env = "GREENROOM_TLS_KEY")]
    key: Option<PathBuf>,
    /// Name or address in the self-signed certificate; may be repeated.
    #[arg(
        long = "tls-name",
        value_name = "NAME",
        env = "GREENROOM_TLS_NAMES",
        value_delimiter = ','
    )]
    names: Option<Vec<String>>,
    /// Write the self-signed certificate here, for the clients' --ca.
    #[arg(
        long = "tls-write-certificate-to",
        value_name = "FILE",
        env = "GREENROOM_TLS_WRITE_CERTIFICATE_TO"
    )]
    write_certificate_to: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TurnArgs {
    /// Serve STUN and TURN too [default: true].
    #[arg(long = "turn", value_name = "BOOL", env = "GREENROOM_TURN", num_args = 0..=1, default_missing_value = "true")]
    enabled: Option<bool>,
    /// Port of STUN and TURN over UDP and TCP; 0 takes any free ones [default: 3478].
    #[arg(long = "turn-port", value_name = "PORT", env = "GREENROOM_TURN_PORT")]
    port: Option<u16>,
    /// Port of TURN over TLS, when TLS is on; 0 takes any free one [default: 5349].
    #[arg(
        long = "turn-tls-port",
        value_name = "PORT",
        env = "GREENROOM_TURN_TLS_PORT"
    )]
    tls_port: Option<u16>,
    /// Port that clients are told for UDP and TCP, where a NAT or container maps it.
    #[arg(
        long = "turn-advertised-port",
        value_name = "PORT",
        env = "GREENROOM_TURN_ADVERTISED_PORT"
    )]
    advertised_port: Option<u16>,
    /// Port that clients are told for TLS.
    #[arg(
        long = "turn-advertised-tls-port",
        value_name = "PORT",
        env = "GREENROOM_TURN_ADVERTISED_TLS_PORT"
    )]
    advertised_tls_port: Option<u16>,
    /// Address of this machine to relay from; once for each family.
    #[arg(
        long = "turn-relay-address",
        value_name = "ADDRESS",
        env = "GREENROOM_TURN_RELAY_ADDRESSES",
        value_delimiter = ','
    )]
    relay_addresses: Option<Vec<IpAddr>>,
    /// Address by which peers know it behind a NAT; once for each family.
    #[arg(
        long = "turn-external-address",
        value_name = "ADDRESS",
        env = "GREENROOM_TURN_EXTERNAL_ADDRESSES",
        value_delimiter = ','
    )]
    external_addresses: Option<Vec<IpAddr>>,
    /// Lowest port to relay from [default: 49152].
    #[arg(
        long = "turn-min-relay-port",
        value_name = "PORT",
        env = "GREENROOM_TURN_MIN_RELAY_PORT"
    )]
    min_relay_port: Option<u16>,
    /// Highest port to relay from [default: 65535].
    #[arg(
        long = "turn-max-relay-port",
        value_name = "PORT",
        env = "GREENROOM_TURN_MAX_RELAY_PORT"
    )]
    max_relay_port: Option<u16>,
    /// Realm of the credentials [default: greenroom].
    #[arg(long = "turn-realm", value_name = "NAME", env = "GREENROOM_TURN_REALM")]
    realm: Option<String>,
    /// File with the secret by which you make credentials; `GREENROOM_TURN_SECRET` holds it too.
    #[arg(
        long = "turn-secret-file",
        value_name = "FILE",
        env = "GREENROOM_TURN_SECRET_FILE"
    )]
    secret_file: Option<PathBuf>,
    /// Network that your credentials reach although it is private or loopback; may be repeated.
    #[arg(
        long = "turn-allow-peer",
        value_name = "NETWORK",
        env = "GREENROOM_TURN_ALLOW_PEERS",
        value_delimiter = ','
    )]
    allow_peers: Option<Vec<IpNet>>,
    /// Network that is never relayed to; may be repeated.
    #[arg(
        long = "turn-deny-peer",
        value_name = "NETWORK",
        env = "GREENROOM_TURN_DENY_PEERS",
        value_delimiter = ','
    )]
    deny_peers: Option<Vec<IpNet>>,
}

#[derive(Debug, Args)]
struct PresetArgs {
    /// Name of the preset.
    #[arg(
        long = "preset-name",
        value_name = "NAME",
        env = "GREENROOM_PRESET_NAME"
    )]
    name: Option<String>,
    /// Profile that clients judge by, TOML.
    #[arg(
        long = "preset-profile-file",
        value_name = "FILE",
        env = "GREENROOM_PRESET_PROFILE_FILE"
    )]
    profile_file: Option<PathBuf>,
    /// Whom users ask for help.
    #[arg(
        long = "preset-support-contact",
        value_name = "TEXT",
        env = "GREENROOM_PRESET_SUPPORT_CONTACT"
    )]
    support_contact: Option<String>,
    /// Further target that the deployment uses; may be repeated.
    #[arg(
        long = "preset-target",
        value_name = "URL",
        env = "GREENROOM_PRESET_TARGETS",
        value_delimiter = ','
    )]
    targets: Option<Vec<String>>,
}

#[derive(Debug, Args)]
struct MetricsArgs {
    /// Serve /metrics and /health here, plain HTTP, and no metrics elsewhere.
    #[arg(long, value_name = "ADDRESS:PORT", env = "GREENROOM_METRICS_LISTEN", value_parser = parse_listen_address)]
    metrics_listen: Option<SocketAddr>,
    /// Answer /metrics to everybody, not just to this machine.
    #[arg(long, env = "GREENROOM_METRICS_PUBLIC", num_args = 0..=1, default_missing_value = "true")]
    metrics_public: Option<bool>,
    /// Reverse proxy whose X-Forwarded-For is believed; may be repeated.
    #[arg(
        long = "trusted-proxy",
        value_name = "NETWORK",
        env = "GREENROOM_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<IpNet>>,
}

#[derive(Debug, Args)]
struct LimitArgs {
    /// Longest measurement session.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_SESSION_SECONDS")]
    max_session_seconds: Option<u32>,
    /// Echo requests and size probes a second and session.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_PACKETS_PER_SECOND")]
    max_packets_per_second: Option<u32>,
    /// Largest datagram either way.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_DATAGRAM_BYTES")]
    max_datagram_bytes: Option<u16>,
    /// Sessions at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_SESSIONS")]
    max_sessions: Option<usize>,
    /// Sessions at a time from one IPv4 address or IPv6 /64.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_SESSIONS_PER_ADDRESS")]
    max_sessions_per_address: Option<usize>,
    /// Sessions opened a minute from one IPv4 address or IPv6 /64.
    #[arg(
        long,
        value_name = "N",
        env = "GREENROOM_MAX_OPENS_PER_MINUTE_PER_ADDRESS"
    )]
    max_opens_per_minute_per_address: Option<u32>,
    /// Handshakes begun a second by everybody together.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_CHALLENGES_PER_SECOND")]
    max_challenges_per_second: Option<u32>,
    /// Sessions that have a load at a time; 0 switches loads off.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_LOADS")]
    max_loads: Option<usize>,
    /// Bits a second of one load.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_LOAD_BPS")]
    max_load_bps: Option<u64>,
    /// Bytes of all loads of one session.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_LOAD_BYTES")]
    max_load_bytes: Option<u64>,
    /// Bits a second of all loads that are being sent.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_EGRESS_BPS")]
    max_egress_bps: Option<u64>,
    /// TCP connections at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_CONNECTIONS")]
    max_connections: Option<usize>,
    /// TCP connections at a time from one address.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_CONNECTIONS_PER_ADDRESS")]
    max_connections_per_address: Option<usize>,
    /// WebSockets at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_WEBSOCKETS")]
    max_websockets: Option<usize>,
    /// WebSockets at a time from one address.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_WEBSOCKETS_PER_ADDRESS")]
    max_websockets_per_address: Option<usize>,
    /// A WebSocket without a message is closed after this.
    #[arg(long, value_name = "N", env = "GREENROOM_WEBSOCKET_IDLE_SECONDS")]
    websocket_idle_seconds: Option<u32>,
    /// TURN allocations at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_ALLOCATIONS")]
    max_allocations: Option<usize>,
    /// Of these with credentials that everybody is given.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_PUBLIC_ALLOCATIONS")]
    max_public_allocations: Option<usize>,
    /// TURN allocations at a time from one address.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_ALLOCATIONS_PER_ADDRESS")]
    max_allocations_per_address: Option<usize>,
    /// TURN allocations at a time of one user name.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_ALLOCATIONS_PER_USER")]
    max_allocations_per_user: Option<usize>,
    /// Bits a second of one TURN allocation, both directions together.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_ALLOCATION_BPS")]
    max_allocation_bps: Option<u64>,
    /// TCP and TLS connections of TURN clients at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_MAX_TURN_CONNECTIONS")]
    max_turn_connections: Option<usize>,
    /// Of these from one address.
    #[arg(
        long,
        value_name = "N",
        env = "GREENROOM_MAX_TURN_CONNECTIONS_PER_ADDRESS"
    )]
    max_turn_connections_per_address: Option<usize>,
}

fn parse_tls(text: &str) -> Result<TlsMode, String> {
    match text {
        "none" => Ok(TlsMode::None),
        "pem" => Ok(TlsMode::Pem),
        "self-signed" => Ok(TlsMode::SelfSigned),
        other => Err(format!("{other:?} is none of none, pem and self-signed")),
    }
}

impl ServeArgs {
    fn overrides(self, turn_secret: Option<TurnSecret>) -> anyhow::Result<ServeOverrides> {
        let Self {
            tls,
            turn,
            session,
            preset,
            metrics,
            limits,
            ..
        } = self;
        session.add_to(ServeOverrides {
            listen: self.listen,
            udp_port: self.udp_port,
            advertised_udp_port: self.advertised_udp_port,
            public_url: self.public_url,
            metrics_listen: metrics.metrics_listen,
            metrics_public: metrics.metrics_public,
            trusted_proxies: metrics.trusted_proxies,
            tls: tls.mode,
            tls_certificate: tls.certificate,
            tls_key: tls.key,
            tls_names: tls.names,
            tls_write_certificate_to: tls.write_certificate_to,
            preset_name: preset.name,
            preset_profile_file: preset.profile_file,
            preset_support_contact: preset.support_contact,
            preset_targets: preset.targets,
            turn_enabled: turn.enabled,
            turn_port: turn.port,
            turn_tls_port: turn.tls_port,
            turn_advertised_port: turn.advertised_port,
            turn_advertised_tls_port: turn.advertised_tls_port,
            turn_relay_addresses: turn.relay_addresses,
            turn_external_addresses: turn.external_addresses,
            turn_min_relay_port: turn.min_relay_port,
            turn_max_relay_port: turn.max_relay_port,
            turn_realm: turn.realm,
            turn_secret,
            turn_secret_file: turn.secret_file,
            turn_allow_peers: turn.allow_peers,
            turn_deny_peers: turn.deny_peers,
            max_session_seconds: limits.max_session_seconds,
            max_packets_per_second: limits.max_packets_per_second,
            max_datagram_bytes: limits.max_datagram_bytes,
            max_sessions: limits.max_sessions,
            max_sessions_per_address: limits.max_sessions_per_address,
            max_opens_per_minute_per_address: limits.max_opens_per_minute_per_address,
            max_challenges_per_second: limits.max_challenges_per_second,
            max_loads: limits.max_loads,
            max_load_bps: limits.max_load_bps,
            max_load_bytes: limits.max_load_bytes,
            max_egress_bps: limits.max_egress_bps,
            max_connections: limits.max_connections,
            max_connections_per_address: limits.max_connections_per_address,
            max_websockets: limits.max_websockets,
            max_websockets_per_address: limits.max_websockets_per_address,
            websocket_idle_seconds: limits.websocket_idle_seconds,
            max_allocations: limits.max_allocations,
            max_public_allocations: limits.max_public_allocations,
            max_allocations_per_address: limits.max_allocations_per_address,
            max_allocations_per_user: limits.max_allocations_per_user,
            max_allocation_bps: limits.max_allocation_bps,
            max_turn_connections: limits.max_turn_connections,
            max_turn_connections_per_address: limits.max_turn_connections_per_address,
            ..ServeOverrides::default()
        })
    }
}

/// Serves until it is told to stop.
pub(super) fn run(mut args: ServeArgs) -> anyhow::Result<u8> {
    let file = args.config.take();
    let secret = turn_secret()?;
    let mut config = ServeConfig::resolve(file.as_deref(), args.overrides(secret)?)
        .map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))))?;
    env!("CARGO_PKG_VERSION").clone_into(&mut config.version);
    greenroom_server::raise_open_files();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let (session, trial) = (config.session.with_trial_app())
        .context("the system gives no random bytes for the secret of a trial app")?;
    config.session = session;
    runtime.block_on(serve(config, trial.as_ref()))?;
    Ok(exit_code::READY)
}

/// The relay's secret from the environment, when it is there.
fn turn_secret() -> anyhow::Result<Option<TurnSecret>> {
    let Some(text) = std::env::var_os(TURN_SECRET_VARIABLE) else {
        return Ok(None);
    };
    let secret = TurnSecret::new(&text.to_string_lossy())
        .map_err(|message| Usage(format!("cannot use {TURN_SECRET_VARIABLE}: {message}")))?;
    Ok(Some(secret))
}

async fn serve(config: ServeConfig, trial: Option<&AppKey>) -> anyhow::Result<()> {
    let mut server = Server::start(config)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::Configuration => Usage(format!("{:#}", anyhow::Error::from(error))).into(),
            _ => anyhow::Error::from(error),
        })?;
    announce(&server, trial)?;
    tokio::select! {
        () = super::check::next_signal() => {}
        () = server.wait() => {
            anyhow::bail!("the server stopped by itself; its log tells why");
        }
    }
    output::complain("stopping");
    server.stop(GRACE).await;
    Ok(())
}

/// Says where it listens, and how to check against it.
fn announce(server: &RunningServer, trial: Option<&AppKey>) -> anyhow::Result<()> {
    let url = server.base_url();
    let port = server.udp_addr().port();
    let certificate = server
        .certificate()
        .map_or_else(String::new, |certificate| {
            format!("certificate SHA-256 {}\n", certificate.fingerprint_sha256)
        });
    let turn = server.turn_ports().map_or_else(String::new, describe_turn);
    let engine = server.engine_udp_port().map_or_else(String::new, |port| {
        format!("engine of sessions at UDP port {port}\n")
    });
    let trial = trial.map_or_else(String::new, describe_trial);
    output::print(&format!(
        "serving at {url}, UDP port {port}\n{certificate}{turn}{engine}{trial}try: greenroom check --server {url}\n"
    ))
}

fn describe_turn(ports: TurnPorts) -> String {
    let tls = ports
        .tls
        .map_or_else(String::new, |tls| format!(", TLS port {tls}"));
    format!(
        "STUN and TURN at UDP port {}, TCP port {}{tls}\n",
        ports.udp, ports.tcp
    )
}
