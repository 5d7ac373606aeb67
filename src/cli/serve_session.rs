//! `greenroom serve`: the flags of sessions, and what a trial is told of its app.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use greenroom_protocol::session::token::AppKey;
use greenroom_server::config::overrides::EngineMode;
use greenroom_server::config::session::parse_livekit_url;
use greenroom_server::{Secret, ServeOverrides};
use url::Url;

use super::output::{self, Usage};
use super::token::APP_SECRET_VARIABLE;

/// Secrets have variables but no flags, since other users of a machine see those.
const LIVEKIT_SECRET_VARIABLE: &str = "GREENROOM_LIVEKIT_SECRET";
const ENGINE_API_SECRET_VARIABLE: &str = "GREENROOM_ENGINE_API_SECRET";

#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    /// Serve sessions too [default: true].
    #[arg(long = "session", value_name = "BOOL", env = "GREENROOM_SESSION", num_args = 0..=1, default_missing_value = "true")]
    session_enabled: Option<bool>,
    /// Key of the app whose tokens are taken; several go into the file [default: one made for this
    /// run].
    #[arg(long, value_name = "KEY", env = "GREENROOM_APP_KEY")]
    app_key: Option<String>,
    /// File with the app's secret; `GREENROOM_APP_SECRET` holds it too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_APP_SECRET_FILE")]
    app_secret_file: Option<PathBuf>,
    /// Make up no app: without one the server does not start [default: false].
    #[arg(long, value_name = "BOOL", env = "GREENROOM_PRODUCTION", num_args = 0..=1, default_missing_value = "true")]
    production: Option<bool>,
    /// What carries sound and picture: `embedded` or `livekit` [default: embedded].
    #[arg(long, value_name = "ENGINE", env = "GREENROOM_ENGINE")]
    engine: Option<EngineMode>,
    /// LiveKit server, for this server and for clients.
    #[arg(long, value_name = "URL", env = "GREENROOM_LIVEKIT_URL")]
    livekit_url: Option<String>,
    /// Key of LiveKit's API.
    #[arg(long, value_name = "KEY", env = "GREENROOM_LIVEKIT_KEY")]
    livekit_key: Option<String>,
    /// File with the secret of LiveKit's API; `GREENROOM_LIVEKIT_SECRET` holds it too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_LIVEKIT_SECRET_FILE")]
    livekit_secret_file: Option<PathBuf>,
    /// Key of the embedded engine's API [default: made at the start].
    #[arg(long, value_name = "KEY", env = "GREENROOM_ENGINE_API_KEY")]
    engine_api_key: Option<String>,
    /// File with its secret; `GREENROOM_ENGINE_API_SECRET` holds it too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_ENGINE_API_SECRET_FILE")]
    engine_api_secret_file: Option<PathBuf>,
    /// UDP port of the embedded engine; 0 takes any free one [default: 7882].
    #[arg(long, value_name = "PORT", env = "GREENROOM_ENGINE_UDP_PORT")]
    engine_udp_port: Option<u16>,
    /// Address by which clients reach the embedded engine behind a NAT; may be repeated.
    #[arg(
        long = "engine-advertised-address",
        value_name = "ADDRESS",
        env = "GREENROOM_ENGINE_ADVERTISED_ADDRESSES",
        value_delimiter = ','
    )]
    engine_advertised_addresses: Option<Vec<IpAddr>>,
    /// Sessions at a time.
    #[arg(long, value_name = "N", env = "GREENROOM_SESSION_MAX_SESSIONS")]
    session_max_sessions: Option<usize>,
    /// Users at a time in one session.
    #[arg(
        long,
        value_name = "N",
        env = "GREENROOM_SESSION_MAX_USERS_PER_SESSION"
    )]
    session_max_users_per_session: Option<usize>,
    /// A user who is silent for so long is removed.
    #[arg(
        long,
        value_name = "N",
        env = "GREENROOM_SESSION_REMOVED_AFTER_SECONDS"
    )]
    session_removed_after_seconds: Option<u32>,
    /// How long an admitted user has for joining the engine.
    #[arg(long, value_name = "N", env = "GREENROOM_SESSION_RESERVATION_SECONDS")]
    session_reservation_seconds: Option<u32>,
    /// Wrong passcodes a minute that are answered, for one session from one address.
    #[arg(
        long,
        value_name = "N",
        env = "GREENROOM_SESSION_PASSCODE_TRIES_PER_MINUTE"
    )]
    session_passcode_tries_per_minute: Option<u32>,
}

impl SessionArgs {
    /// Adds these flags, and the secrets of the environment.
    pub(super) fn add_to(self, overrides: ServeOverrides) -> anyhow::Result<ServeOverrides> {
        Ok(ServeOverrides {
            session_enabled: self.session_enabled,
            app_key: self.app_key,
            app_secret: secret(APP_SECRET_VARIABLE)?,
            app_secret_file: self.app_secret_file,
            production: self.production,
            engine: self.engine,
            livekit_url: self.livekit_url.as_deref().map(livekit_url).transpose()?,
            livekit_key: self.livekit_key,
            livekit_secret: secret(LIVEKIT_SECRET_VARIABLE)?,
            livekit_secret_file: self.livekit_secret_file,
            engine_api_key: self.engine_api_key,
            engine_api_secret: secret(ENGINE_API_SECRET_VARIABLE)?,
            engine_api_secret_file: self.engine_api_secret_file,
            engine_udp_port: self.engine_udp_port,
            engine_advertised_addresses: self.engine_advertised_addresses,
            session_max_sessions: self.session_max_sessions,
            session_max_users_per_session: self.session_max_users_per_session,
            session_removed_after_seconds: self.session_removed_after_seconds,
            session_reservation_seconds: self.session_reservation_seconds,
            session_passcode_tries_per_minute: self.session_passcode_tries_per_minute,
            ..overrides
        })
    }
}

/// Not read by clap, which shows what it cannot read: there may be a password in it.
fn livekit_url(text: &str) -> Result<Url, Usage> {
    parse_livekit_url(text).map_err(|message| Usage(format!("cannot use --livekit-url: {message}")))
}

fn secret(variable: &str) -> anyhow::Result<Option<Secret>> {
    let Some(text) = output::secret_variable(variable)? else {
        return Ok(None);
    };
    let secret =
        Secret::new(&text).map_err(|message| Usage(format!("cannot use {variable}: {message}")))?;
    Ok(Some(secret))
}

/// Key and secret of an app that was made for this run, and how to make a token with them.
pub(super) fn describe_trial(app: &AppKey) -> String {
    let (key, secret) = (app.key(), app.secret());
    format!(
        "sessions: app key {key}, secret {secret}, for this run alone; a host's token:\n  \
         {APP_SECRET_VARIABLE}={secret} greenroom token --app-key {key} --topic standup --role host\n"
    )
}
