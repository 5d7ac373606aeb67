//! Settings of sessions: who may make tokens, which engine carries sound and picture, limits.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use greenroom_protocol::session::token::{AppKey, MIN_SECRET_BYTES};
use url::Url;

/// UDP port of the embedded engine, the one that LiveKit uses for all of its media.
pub const DEFAULT_ENGINE_UDP_PORT: u16 = 7882;
/// Key of the app that a trial makes for itself.
pub const TRIAL_APP_KEY: &str = "trial";
/// Longest key of an engine's API, in bytes.
const MAX_API_KEY_BYTES: usize = 128;

/// What sessions are to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Whether there are sessions at all.
    pub enabled: bool,
    /// The applications whose tokens are taken. Without one nobody can join; see
    /// [`SessionConfig::with_trial_app`].
    pub apps: Vec<AppKey>,
    /// Whether nothing may be made up that an operator has to decide: a server in production does
    /// not start without an app.
    pub production: bool,
    /// What carries sound and picture.
    pub engine: EngineChoice,
    /// Key and secret of the embedded engine's own API; `None` makes them at the start, and nobody
    /// is told.
    pub api_key: Option<ApiKey>,
    /// UDP port of the embedded engine, at the IP address of `listen`; 0 takes any free one. `None`
    /// is [`DEFAULT_ENGINE_UDP_PORT`], or any free one when the port of `listen` is 0.
    pub engine_udp_port: Option<u16>,
    /// Addresses by which clients reach the embedded engine, where a NAT or container maps them;
    /// empty tells the addresses of this machine.
    pub engine_advertised_addresses: Vec<IpAddr>,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Users at a time in one session.
    pub max_users_per_session: usize,
    /// A user who is silent for this long is removed.
    pub removed_after: Duration,
    /// How long an admitted user has for joining the engine, until role and place are free again.
    pub reservation: Duration,
    /// Wrong passcodes a minute that are answered, for one session from one IPv4 address or one
    /// IPv6 /64.
    pub passcode_tries_per_minute: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            apps: Vec::new(),
            production: false,
            engine: EngineChoice::Embedded,
            api_key: None,
            engine_udp_port: None,
            engine_advertised_addresses: Vec::new(),
            max_sessions: 10_000,
            max_users_per_session: 5_000,
            removed_after: Duration::from_secs(30),
            reservation: Duration::from_secs(15),
            passcode_tries_per_minute: 10,
        }
    }
}

impl SessionConfig {
    /// With an app made up for a trial, where sessions are on, no app is configured and the server
    /// is not one in production; and that app, whose secret somebody has to be told.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn with_trial_app(mut self) -> Result<(Self, Option<AppKey>), getrandom::Error> {
        if !self.enabled || self.production || !self.apps.is_empty() {
            return Ok((self, None));
        }
        let secret = random_hex(MIN_SECRET_BYTES)?;
        // Key and length are right, so it is never refused; were it, there would be no app.
        let app = AppKey::new(TRIAL_APP_KEY, &secret).ok();
        self.apps.extend(app.clone());
        Ok((self, app))
    }

    /// UDP port for the embedded engine on a server that listens at `listen`; 0 is any free one.
    pub fn engine_udp_port(&self, listen: SocketAddr) -> u16 {
        match self.engine_udp_port {
            Some(port) => port,
            None if listen.port() == 0 => 0,
            None => DEFAULT_ENGINE_UDP_PORT,
        }
    }
}

/// What carries sound and picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The engine in this program.
    #[default]
    Embedded,
    /// A LiveKit server of the operator's.
    LiveKit {
        /// Where it is, for this server and for clients.
        url: Url,
        /// Key and secret of its API.
        api_key: ApiKey,
    },
}

/// Reads the URL of a LiveKit server, as flags, variables and the file give it.
///
/// # Errors
/// What to write instead; what may be a password is not shown.
pub fn parse_livekit_url(text: &str) -> Result<Url, String> {
    let example = "write one such as wss://livekit.example.org";
    let url = Url::parse(text.trim())
        .map_err(|error| format!("it is no URL of a LiveKit server: {error}; {example}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a user or password in it is not sent; key and secret have places of their own"
                .to_owned(),
        );
    }
    if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
        let scheme = url.scheme();
        return Err(format!(
            "{scheme}: is not spoken by LiveKit, ws, wss, http and https are; {example}"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`?` and `#` do not belong into it; {example}"));
    }
    Ok(url)
}

/// Key and secret of an engine's API. The secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    key: String,
    secret: Secret,
}

impl ApiKey {
    /// Key and secret.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn new(key: &str, secret: Secret) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_graphic();
        if key.is_empty() || key.len() > MAX_API_KEY_BYTES || !key.chars().all(plain) {
            return Err(format!(
                "a key takes 1 to {MAX_API_KEY_BYTES} ASCII letters, digits and signs, without spaces"
            ));
        }
        Ok(Self {
            key: key.to_owned(),
            secret,
        })
    }

    /// A key and a secret that nobody can guess.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        Ok(Self {
            key: format!("API{}", random_hex(6)?),
            secret: Secret(random_hex(MIN_SECRET_BYTES)?),
        })
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The secret.
    pub fn secret(&self) -> &str {
        self.secret.text()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A secret as it stands in a file or variable. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret from text: white space around it, such as the line's end, is not part of it.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn new(text: &str) -> Result<Self, String> {
        let secret = text.trim();
        if secret.is_empty() {
            return Err(
                "the secret is empty; `openssl rand -hex 32` makes one for an app".to_owned(),
            );
        }
        Ok(Self(secret.to_owned()))
    }

    /// The secret.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn random_hex(n_bytes: usize) -> Result<String, getrandom::Error> {
    use fmt::Write as _;
    let mut bytes = vec![0; n_bytes];
    getrandom::fill(&mut bytes)?;
    let mut hex = String::with_capacity(2 * n_bytes);
    for byte in bytes {
        let _a_string_takes_all = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_app_is_made_once_and_differs_each_time() {
        let (config, first) = SessionConfig::default().with_trial_app().unwrap();
        let first = first.unwrap();
        assert_eq!(first.key(), "trial");
        assert_eq!(first.secret().len(), 64);
        assert_eq!(config.apps, std::slice::from_ref(&first));
        let (same, none) = config.clone().with_trial_app().unwrap();
        assert_eq!((same, none), (config, None));
        let (_, second) = SessionConfig::default().with_trial_app().unwrap();
        assert_ne!(second.unwrap(), first);
    }

    #[test]
    fn no_trial_app_in_production_or_without_sessions() {
        for config in [
            SessionConfig {
                production: true,
                ..SessionConfig::default()
            },
            SessionConfig {
                enabled: false,
                ..SessionConfig::default()
            },
        ] {
            let (same, app) = config.clone().with_trial_app().unwrap();
            assert_eq!((same, app), (config, None));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::new(" s3cr3t\n").unwrap();
        assert_eq!(secret.text(), "s3cr3t");
        let api_key = ApiKey::new("key-1", secret.clone()).unwrap();
        let engine = EngineChoice::LiveKit {
            url: Url::parse("wss://media.example.org").unwrap(),
            api_key: api_key.clone(),
        };
        let shown = format!("{secret:?} {api_key:?} {engine:?}");
        assert!(
            shown.contains("key-1") && !shown.contains("s3cr3t"),
            "{shown}"
        );
    }

    #[test]
    fn urls_of_livekit_say_what_is_wrong_and_show_no_password() {
        for good in [
            "wss://livekit.example.org",
            "http://127.0.0.1:7880/",
            " ws://[::1]:7880\n",
        ] {
            parse_livekit_url(good).unwrap();
        }
        for (bad, said) in [
            ("livekit.example.org", "no URL"),
            ("", "no URL"),
            ("ftp://livekit.example.org", "ftp: is not spoken"),
            ("wss://me:hunter2@livekit.example.org", "user or password"),
            (
                "wss://livekit.example.org/?access_token=hunter2",
                "do not belong",
            ),
        ] {
            let error = parse_livekit_url(bad).unwrap_err();
            assert!(
                error.contains(said) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_random_api_key_is_one_that_can_be_configured() {
        let random = ApiKey::random().unwrap();
        let secret = Secret::new(random.secret()).unwrap();
        assert_eq!(ApiKey::new(random.key(), secret).unwrap(), random);
        assert_ne!(ApiKey::random().unwrap().secret(), random.secret());
    }

    #[test]
    fn a_server_on_any_port_has_its_engine_on_any_port() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let fixed: SocketAddr = "127.0.0.1:8443".parse().unwrap();
        let mut config = SessionConfig::default();
        assert_eq!(config.engine_udp_port(any), 0);
        assert_eq!(config.engine_udp_port(fixed), DEFAULT_ENGINE_UDP_PORT);
        config.engine_udp_port = Some(9);
        assert_eq!(config.engine_udp_port(any), 9);
    }
}
