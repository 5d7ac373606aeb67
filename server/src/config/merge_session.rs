//! The part of the settings that is about sessions.

use std::{net::IpAddr, path::Path, time::Duration};

use greenroom_protocol::session::token::{AppKey, AppKeyError, MIN_SECRET_BYTES};

use super::{
    file::{AppTable, ConfigError, LiveKitTable, SessionTable, read_text},
    merge::set,
    overrides::{EngineMode, ServeOverrides},
    session::{ApiKey, EngineChoice, Secret, SessionConfig},
};

/// Users say that they are there every two seconds; whoever is removed sooner than that was
/// not given a chance.
const MIN_REMOVED_AFTER: Duration = Duration::from_secs(5);

/// Flags before the file's table before the default.
pub(super) fn merge_session(
    file: SessionTable,
    flags: &ServeOverrides,
) -> Result<SessionConfig, ConfigError> {
    let mut session = SessionConfig::default();
    set(&mut session.enabled, flags.session_enabled.or(file.enabled));
    set(
        &mut session.production,
        flags.production.or(file.production),
    );
    set(
        &mut session.max_sessions,
        flags.session_max_sessions.or(file.max_sessions),
    );
    set(
        &mut session.max_users_per_session,
        flags
            .session_max_users_per_session
            .or(file.max_users_per_session),
    );
    set(
        &mut session.passcode_tries_per_minute,
        flags
            .session_passcode_tries_per_minute
            .or(file.passcode_tries_per_minute),
    );
    let removed_after = flags
        .session_removed_after_seconds
        .or(file.removed_after_seconds);
    set(&mut session.removed_after, removed_after.map(seconds));
    let reservation = flags
        .session_reservation_seconds
        .or(file.reservation_seconds);
    set(&mut session.reservation, reservation.map(seconds));
    session.engine_udp_port = flags.engine_udp_port.or(file.engine_udp_port);
    session.engine_advertised_addresses = flags
        .engine_advertised_addresses
        .clone()
        .or(file.engine_advertised_addresses)
        .unwrap_or_default();
    session.api_key = merge_api_key(
        file.engine_api_key,
        file.engine_api_secret_file.as_deref(),
        flags,
    )?;
    session.engine = merge_engine(file.engine, file.livekit, flags)?;
    session.apps = merge_apps(file.apps.unwrap_or_default(), flags)?;
    Ok(session)
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

/// A secret from where it stands: the flag's file before the variable before the file's file.
struct SecretSources<'a> {
    /// What errors call it: `app secret`.
    what: &'static str,
    /// The key that errors name.
    key: &'static str,
    flag_file: Option<&'a Path>,
    variable: Option<&'a Secret>,
    file: Option<&'a Path>,
}

impl SecretSources<'_> {
    fn read(&self) -> Result<Option<Secret>, ConfigError> {
        match (self.flag_file, self.variable, self.file) {
            (Some(path), _, _) | (None, None, Some(path)) => self.read_file(path).map(Some),
            (None, Some(secret), _) => Ok(Some(secret.clone())),
            (None, None, None) => Ok(None),
        }
    }

    fn read_file(&self, path: &Path) -> Result<Secret, ConfigError> {
        let text = read_text(self.what, path)?;
        Secret::new(&text).map_err(|message| {
            let message = format!("{}: {message}", path.display());
            ConfigError::setting(self.key, message)
        })
    }
}

/// An app of the command line stands for all of the file.
fn merge_apps(file: Vec<AppTable>, flags: &ServeOverrides) -> Result<Vec<AppKey>, ConfigError> {
    let given = app_secret(flags, None)?;
    match (&flags.app_key, given) {
        (Some(key), Some(secret)) => Ok(vec![app_key(key, &secret)?]),
        (Some(key), None) => {
            let of_file = file.into_iter().find(|app| app.key == *key);
            let app = of_file.ok_or_else(|| app_without_secret(key))?;
            Ok(vec![app_of_file(&app)?])
        }
        (None, Some(secret)) => match file.as_slice() {
            [only] => Ok(vec![app_key(&only.key, &secret)?]),
            apps => Err(ConfigError::setting(
                "session.apps",
                format!(
                    "an app secret is given, and {} to which it may belong; give --app-key \
                     (GREENROOM_APP_KEY) too",
                    if apps.is_empty() {
                        "no app key".to_owned()
                    } else {
                        format!("the file has {} app keys", apps.len())
                    }
                ),
            )),
        },
        (None, None) => file.iter().map(app_of_file).collect(),
    }
}

fn app_secret(flags: &ServeOverrides, file: Option<&Path>) -> Result<Option<Secret>, ConfigError> {
    let sources = SecretSources {
        what: "app secret",
        key: "session.apps",
        flag_file: flags.app_secret_file.as_deref(),
        variable: flags.app_secret.as_ref(),
        file,
    };
    sources.read()
}

fn app_of_file(app: &AppTable) -> Result<AppKey, ConfigError> {
    let none = ServeOverrides::default();
    let secret = app_secret(&none, app.secret_file.as_deref())?;
    let secret = secret.ok_or_else(|| app_without_secret(&app.key))?;
    app_key(&app.key, &secret)
}

fn app_without_secret(key: &str) -> ConfigError {
    ConfigError::setting(
        "session.apps",
        format!(
            "app key {key:?} has no secret; put one into a file (`openssl rand -hex 32 > FILE`) and \
             name it by secret_file, --app-secret-file or GREENROOM_APP_SECRET_FILE, or put it into \
             GREENROOM_APP_SECRET"
        ),
    )
}

fn app_key(key: &str, secret: &Secret) -> Result<AppKey, ConfigError> {
    AppKey::new(key, secret.text()).map_err(|error| {
        let remedy = match error {
            AppKeyError::Key => format!("{key:?} is none"),
            AppKeyError::ShortSecret { .. } => {
                format!("`openssl rand -hex {MIN_SECRET_BYTES}` gives one")
            }
        };
        ConfigError::setting("session.apps", format!("{error}; {remedy}"))
    })
}

fn merge_api_key(
    file_key: Option<String>,
    file_secret: Option<&Path>,
    flags: &ServeOverrides,
) -> Result<Option<ApiKey>, ConfigError> {
    let sources = SecretSources {
        what: "secret of the engine's API",
        key: "session.engine_api_secret_file",
        flag_file: flags.engine_api_secret_file.as_deref(),
        variable: flags.engine_api_secret.as_ref(),
        file: file_secret,
    };
    match (flags.engine_api_key.clone().or(file_key), sources.read()?) {
        (None, None) => Ok(None),
        (Some(key), Some(secret)) => ApiKey::new(&key, secret)
            .map(Some)
            .map_err(|message| ConfigError::setting("session.engine_api_key", message)),
        (Some(_), None) => Err(ConfigError::setting(
            "session.engine_api_secret_file",
            "it is missing; engine_api_key needs its secret, from a file or in \
             GREENROOM_ENGINE_API_SECRET",
        )),
        (None, Some(_)) => Err(ConfigError::setting(
            "session.engine_api_key",
            "it is missing; the secret of the engine's API needs its key",
        )),
    }
}

/// A flag that names another engine than the file replaces the file's choice as a whole.
fn merge_engine(
    file_mode: Option<EngineMode>,
    file: Option<LiveKitTable>,
    flags: &ServeOverrides,
) -> Result<EngineChoice, ConfigError> {
    let from_flags = flags.livekit_url.is_some()
        || flags.livekit_key.is_some()
        || flags.livekit_secret_file.is_some();
    let flag_mode = implied_mode(flags.engine, from_flags)?;
    let file_mode = match flag_mode {
        Some(_) => file_mode,
        None => implied_mode(file_mode, file.is_some())?,
    };
    match flag_mode.or(file_mode).unwrap_or(EngineMode::Embedded) {
        EngineMode::Embedded => Ok(EngineChoice::Embedded),
        EngineMode::LiveKit => livekit(file.unwrap_or_default(), flags),
    }
}

/// The engine that is meant; a LiveKit server without a choice means LiveKit.
fn implied_mode(
    mode: Option<EngineMode>,
    livekit: bool,
) -> Result<Option<EngineMode>, ConfigError> {
    match (mode, livekit) {
        (Some(EngineMode::Embedded), true) => Err(ConfigError::setting(
            "session.engine",
            "it is \"embedded\", yet a LiveKit server is described; keep one of them",
        )),
        (None, true) => Ok(Some(EngineMode::LiveKit)),
        (mode, _) => Ok(mode),
    }
}

fn livekit(file: LiveKitTable, flags: &ServeOverrides) -> Result<EngineChoice, ConfigError> {
    let missing = |key, message| ConfigError::setting(key, message);
    let url = flags.livekit_url.clone().or(file.url).ok_or_else(|| {
        missing(
            "session.livekit.url",
            "it is missing; engine \"livekit\" needs the URL of the LiveKit server, such as \
             wss://livekit.example.org",
        )
    })?;
    let key = flags.livekit_key.clone().or(file.key).ok_or_else(|| {
        missing(
            "session.livekit.key",
            "it is missing; LiveKit's configuration has it under `keys`, with its secret",
        )
    })?;
    let sources = SecretSources {
        what: "LiveKit secret",
        key: "session.livekit.secret_file",
        flag_file: flags.livekit_secret_file.as_deref(),
        variable: flags.livekit_secret.as_ref(),
        file: file.secret_file.as_deref(),
    };
    let secret = sources.read()?.ok_or_else(|| {
        missing(
            "session.livekit.secret_file",
            "it is missing; the key of LiveKit needs its secret, from a file or in \
             GREENROOM_LIVEKIT_SECRET",
        )
    })?;
    let api_key = ApiKey::new(&key, secret)
        .map_err(|message| ConfigError::setting("session.livekit.key", message))?;
    Ok(EngineChoice::LiveKit { url, api_key })
}

/// Whether the settings make sense.
pub(super) fn check_session(session: &SessionConfig) -> Result<(), ConfigError> {
    let at_least_one = [
        ("session.max_sessions", session.max_sessions),
        (
            "session.max_users_per_session",
            session.max_users_per_session,
        ),
    ];
    if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
        let message = "0 lets nobody in; session.enabled = false switches sessions off";
        return Err(ConfigError::setting(key, message));
    }
    if session.passcode_tries_per_minute == 0 {
        return Err(ConfigError::setting(
            "session.passcode_tries_per_minute",
            "0 lets nobody try a passcode; at least 1",
        ));
    }
    if session.removed_after < MIN_REMOVED_AFTER {
        let message = format!(
            "{} s at least; users are heard of every 2 s",
            MIN_REMOVED_AFTER.as_secs()
        );
        return Err(ConfigError::setting(
            "session.removed_after_seconds",
            message,
        ));
    }
    if session.reservation.is_zero() {
        return Err(ConfigError::setting(
            "session.reservation_seconds",
            "0 leaves no time to join; at least 1",
        ));
    }
    check_advertised(&session.engine_advertised_addresses)?;
    check_apps(session)
}

fn check_advertised(addresses: &[IpAddr]) -> Result<(), ConfigError> {
    let useless = |ip: &&IpAddr| ip.is_unspecified() || ip.is_multicast();
    match addresses.iter().find(useless) {
        Some(ip) => Err(ConfigError::setting(
            "session.engine_advertised_addresses",
            format!("{ip} is no address of one machine"),
        )),
        None => Ok(()),
    }
}

fn check_apps(session: &SessionConfig) -> Result<(), ConfigError> {
    for (at, app) in session.apps.iter().enumerate() {
        if session.apps[..at]
            .iter()
            .any(|other| other.key() == app.key())
        {
            let message = format!("app key {:?} is there twice", app.key());
            return Err(ConfigError::setting("session.apps", message));
        }
    }
    if !(session.enabled && session.production) {
        return Ok(());
    }
    if session.apps.is_empty() {
        return Err(ConfigError::setting(
            "session.apps",
            "production = true needs an app key, by whose secret your backend makes tokens: \
             `openssl rand -hex 32 > app-secret`, then --app-key my-app --app-secret-file \
             app-secret; or session.enabled = false for a server without sessions",
        ));
    }
    if let EngineChoice::LiveKit { api_key, .. } = &session.engine
        && api_key.secret().len() < MIN_SECRET_BYTES
    {
        return Err(ConfigError::setting(
            "session.livekit.secret_file",
            format!(
                "production = true takes a secret of {MIN_SECRET_BYTES} bytes at least, such as \
                 `livekit-server generate-keys` makes; this one has {}",
                api_key.secret().len()
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/merge_session.rs"]
mod tests;
