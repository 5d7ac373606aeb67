//! The configuration file: TOML, every key optional, unknown keys refused.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use greenroom_reports::verdict::profile::{BUILT_IN_NAMES, Profile};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;
use url::Url;

pub use super::position::Position;
use super::session::parse_livekit_url;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    Read {
        /// What the file is: `configuration file`, `profile`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not TOML, has an unknown key or a value that does not fit.
    #[error("cannot use the {what} {}{}: {message}", path.display(), at(*position))]
    Parse {
        /// What the file is: `configuration file`, `profile`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where in it.
        position: Option<Position>,
        /// What is wrong.
        message: String,
    },
    /// Settings contradict one another, or a value is out of range.
    #[error("cannot use the setting {key}: {message}")]
    Setting {
        /// The key as the file spells it; flags and environment variables are named after it.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn setting(key: &'static str, message: impl Into<String>) -> Self {
        Self::Setting {
            key,
            message: message.into(),
        }
    }
}

fn at(position: Option<Position>) -> String {
    position.map_or_else(String::new, |position| format!(" at {position}"))
}

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    #[serde(default, deserialize_with = "listen_address")]
    pub(super) listen: Option<SocketAddr>,
    pub(super) udp_port: Option<u16>,
    pub(super) advertised_udp_port: Option<u16>,
    pub(super) public_url: Option<String>,
    #[serde(default, deserialize_with = "listen_address")]
    pub(super) metrics_listen: Option<SocketAddr>,
    pub(super) metrics_public: Option<bool>,
    pub(super) trusted_proxies: Option<Vec<IpNet>>,
    #[serde(default)]
    pub(super) tls: TlsTable,
    #[serde(default)]
    pub(super) turn: TurnTable,
    #[serde(default)]
    pub(super) session: SessionTable,
    pub(super) preset: Option<PresetTable>,
    #[serde(default)]
    pub(super) limits: LimitsTable,
}

fn listen_address<'de, D: Deserializer<'de>>(given: D) -> Result<Option<SocketAddr>, D::Error> {
    let value = toml::Value::deserialize(given)?;
    // A number is read as well, so that a port alone is answered with what is missing.
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    parse_listen_address(&text)
        .map(Some)
        .map_err(de::Error::custom)
}

/// Reads an address and a port to listen on, as flags, variables and the file give them.
///
/// # Errors
/// What to write instead.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_not_an_address| match text.parse::<u16>() {
            Ok(port) => format!(
                "{port} is a port without an address: write \"[::]:{port}\" for every address of \
                 this machine, \"0.0.0.0:{port}\" for IPv4 alone"
            ),
            Err(_not_a_port) => {
                "write an address of this machine and a port: \"127.0.0.1:8443\", or \"[::]:8443\" \
                 for every address"
                    .to_owned()
            }
        })
}

/// `[tls]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    pub(super) mode: Option<TlsMode>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) names: Option<Vec<String>>,
    pub(super) write_certificate_to: Option<PathBuf>,
}

/// Which kind of TLS is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Plain HTTP.
    None,
    /// Certificate and key from PEM files.
    Pem,
    /// A certificate made at the start.
    SelfSigned,
}

impl std::str::FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "pem" => Ok(Self::Pem),
            "self-signed" => Ok(Self::SelfSigned),
            other => Err(format!("{other:?} is not one of none, pem and self-signed")),
        }
    }
}

/// `[turn]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnTable {
    pub(super) enabled: Option<bool>,
    pub(super) port: Option<u16>,
    pub(super) tls_port: Option<u16>,
    pub(super) advertised_port: Option<u16>,
    pub(super) advertised_tls_port: Option<u16>,
    pub(super) relay_addresses: Option<Vec<IpAddr>>,
    pub(super) external_addresses: Option<Vec<IpAddr>>,
    pub(super) min_relay_port: Option<u16>,
    pub(super) max_relay_port: Option<u16>,
    pub(super) realm: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) allow_peers: Option<Vec<IpNet>>,
    pub(super) deny_peers: Option<Vec<IpNet>>,
}

/// `[session]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionTable {
    pub(super) enabled: Option<bool>,
    pub(super) apps: Option<Vec<AppTable>>,
    pub(super) production: Option<bool>,
    pub(super) engine: Option<EngineMode>,
    pub(super) livekit: Option<LiveKitTable>,
    pub(super) engine_api_key: Option<String>,
    pub(super) engine_api_secret_file: Option<PathBuf>,
    pub(super) engine_udp_port: Option<u16>,
    pub(super) engine_advertised_addresses: Option<Vec<IpAddr>>,
    pub(super) max_sessions: Option<usize>,
    pub(super) max_users_per_session: Option<usize>,
    pub(super) removed_after_seconds: Option<u32>,
    pub(super) reservation_seconds: Option<u32>,
    pub(super) passcode_tries_per_minute: Option<u32>,
}

/// `[[session.apps]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppTable {
    pub(super) key: String,
    pub(super) secret_file: Option<PathBuf>,
}

/// `[session.livekit]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveKitTable {
    #[serde(default, deserialize_with = "livekit_url")]
    pub(super) url: Option<Url>,
    pub(super) key: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
}

fn livekit_url<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(given)?;
    parse_livekit_url(&text)
        .map(Some)
        .map_err(de::Error::custom)
}

/// Which engine is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineMode {
    /// The engine in this program.
    Embedded,
    /// A LiveKit server.
    LiveKit,
}

impl std::str::FromStr for EngineMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "livekit" => Ok(Self::LiveKit),
            other => Err(format!("{other:?} is none of embedded and livekit")),
        }
    }
}

/// `[preset]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetTable {
    pub(super) name: Option<String>,
    pub(super) profile: Option<Spanned<toml::Value>>,
    pub(super) profile_file: Option<PathBuf>,
    pub(super) support_contact: Option<String>,
    pub(super) targets: Option<Vec<String>>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    pub(super) max_session_seconds: Option<u32>,
    pub(super) max_packets_per_second: Option<u32>,
    pub(super) max_datagram_bytes: Option<u16>,
    pub(super) max_sessions: Option<usize>,
    pub(super) max_sessions_per_address: Option<usize>,
    pub(super) max_opens_per_minute_per_address: Option<u32>,
    pub(super) max_challenges_per_second: Option<u32>,
    pub(super) max_loads: Option<usize>,
    pub(super) max_load_bps: Option<u64>,
    pub(super) max_load_bytes: Option<u64>,
    pub(super) max_egress_bps: Option<u64>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) max_websockets: Option<usize>,
    pub(super) max_websockets_per_address: Option<usize>,
    pub(super) websocket_idle_seconds: Option<u32>,
    pub(super) max_allocations: Option<usize>,
    pub(super) max_public_allocations: Option<usize>,
    pub(super) max_allocations_per_address: Option<usize>,
    pub(super) max_allocations_per_user: Option<usize>,
    pub(super) max_allocation_bps: Option<u64>,
    pub(super) max_turn_connections: Option<usize>,
    pub(super) max_turn_connections_per_address: Option<usize>,
}

/// A configuration file, read.
#[derive(Debug, Default)]
pub(super) struct ReadFile {
    pub(super) content: ConfigFile,
    /// The profile that the preset names or describes.
    pub(super) profile: Option<Profile>,
}

/// Reads a configuration file; paths in it become relative to its folder.
pub(super) fn read(path: &Path) -> Result<ReadFile, ConfigError> {
    let what = "configuration file";
    let text = read_text(what, path)?;
    let mut content: ConfigFile = toml::from_str(&text).map_err(|error| ConfigError::Parse {
        what,
        path: path.to_owned(),
        position: error.span().map(|span| Position::of(&text, span.start)),
        message: error.message().to_owned(),
    })?;
    let profile = content.preset.as_ref().and_then(|p| p.profile.as_ref());
    let profile = profile
        .map(|given| {
            described_profile(given.get_ref()).map_err(|message| ConfigError::Parse {
                what,
                path: path.to_owned(),
                position: Some(Position::of(&text, given.span().start)),
                message,
            })
        })
        .transpose()?;
    content.resolve_paths(path.parent().unwrap_or(Path::new("")));
    Ok(ReadFile { content, profile })
}

impl ConfigFile {
    fn resolve_paths(&mut self, folder: &Path) {
        let preset = self.preset.as_mut();
        let livekit = self.session.livekit.as_mut();
        let apps = self.session.apps.iter_mut().flatten();
        let paths = [
            self.tls.certificate.as_mut(),
            self.tls.key.as_mut(),
            self.tls.write_certificate_to.as_mut(),
            preset.and_then(|preset| preset.profile_file.as_mut()),
            self.turn.secret_file.as_mut(),
            livekit.and_then(|livekit| livekit.secret_file.as_mut()),
            self.session.engine_api_secret_file.as_mut(),
        ];
        let of_apps = apps.map(|app| app.secret_file.as_mut());
        for path in paths.into_iter().chain(of_apps).flatten() {
            *path = folder.join(&path);
        }
    }
}

/// The profile that a name stands for, or that a table describes as a profile file would.
fn described_profile(given: &toml::Value) -> Result<Profile, String> {
    match given {
        toml::Value::String(name) => Profile::built_in(name).ok_or_else(|| {
            let known = BUILT_IN_NAMES.join(", ");
            format!("there is no profile {name:?}; built in are {known}")
        }),
        toml::Value::Table(table) => {
            let text = toml::to_string(table).map_err(|error| error.to_string())?;
            Profile::from_toml(&text).map_err(|error| error.message)
        }
        _ => Err("a profile is the name of a built-in one, or a table".to_owned()),
    }
}

/// Reads a profile file.
pub(super) fn read_profile(path: &Path) -> Result<Profile, ConfigError> {
    let what = "profile";
    let text = read_text(what, path)?;
    Profile::from_toml(&text).map_err(|error| ConfigError::Parse {
        what,
        path: path.to_owned(),
        position: Some(Position {
            line: error.line,
            column: error.column,
        }),
        message: error.message,
    })
}

pub(super) fn read_text(what: &'static str, path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}
