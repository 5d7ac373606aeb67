//! `greenroom serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use greenroom_reports::verdict::exit_code;
use greenroom_server::config::file::parse_listen_address;
use greenroom_server::config::overrides::TlsMode;
use greenroom_server::{ErrorKind, RunningServer, ServeConfig, ServeOverrides, Server};
use ipnet::IpNet;

use super::output::{self, Usage};

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
    fn overrides(self) -> ServeOverrides {
        let Self {
            tls,
            preset,
            metrics,
            limits,
            ..
        } = self;
        ServeOverrides {
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
        }
    }
}

/// Serves until it is told to stop.
pub(super) fn run(mut args: ServeArgs) -> anyhow::Result<u8> {
    let file = args.config.take();
    let mut config = ServeConfig::resolve(file.as_deref(), args.overrides())
        .map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))))?;
    env!("CARGO_PKG_VERSION").clone_into(&mut config.version);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(serve(config))?;
    Ok(exit_code::READY)
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let mut server = Server::start(config)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::Configuration => Usage(format!("{:#}", anyhow::Error::from(error))).into(),
            _ => anyhow::Error::from(error),
        })?;
    announce(&server)?;
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
fn announce(server: &RunningServer) -> anyhow::Result<()> {
    let url = server.base_url();
    let port = server.udp_addr().port();
    let certificate = server
        .certificate()
        .map_or_else(String::new, |certificate| {
            format!("certificate SHA-256 {}\n", certificate.fingerprint_sha256)
        });
    output::print(&format!(
        "serving at {url}, UDP port {port}\n{certificate}try: greenroom check --server {url}\n"
    ))
}
