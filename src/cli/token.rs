//! `greenroom token`: makes the token with which somebody joins a session.
#![expect(
    clippy::disallowed_methods,
    reason = "driver: a token says when it was made"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, ValueEnum};
use greenroom_protocol::session::Topic;
use greenroom_protocol::session::token::{
    AppKey, AppKeyError, Claims, MAX_KEY_CHARS, MAX_LIFETIME_S, MIN_LIFETIME_S, MIN_SECRET_BYTES,
    mint,
};
use greenroom_reports::verdict::exit_code;

use super::args::split_unit;
use super::output::{self, Usage};

/// The variable of the app's secret. It has no flag, since other users of a machine see those.
pub(super) const APP_SECRET_VARIABLE: &str = "GREENROOM_APP_SECRET";
/// Version of the claims.
const CLAIMS_VERSION: u8 = 1;

/// What a token is to say.
#[derive(Debug, Args)]
#[command(after_help = "\
The app's secret comes from --app-secret-file or from the variable GREENROOM_APP_SECRET. Whoever has \
the token can join once and again until it ends: hand it to one person, over a safe way.")]
pub(super) struct TokenArgs {
    /// Key of the app, one that the server knows.
    #[arg(long, value_name = "KEY", env = "GREENROOM_APP_KEY")]
    app_key: String,
    /// File with the app's secret.
    #[arg(long, value_name = "FILE", env = "GREENROOM_APP_SECRET_FILE")]
    app_secret_file: Option<PathBuf>,
    /// What the session is called; case does not matter.
    #[arg(long, value_name = "TOPIC", value_parser = parse_topic)]
    topic: String,
    /// What its bearer may become.
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = RoleArg::Participant)]
    role: RoleArg,
    /// Whom your application means: the same user is in a session once.
    #[arg(long, value_name = "KEY", value_parser = parse_own_key)]
    user_key: Option<String>,
    /// What your application calls the session.
    #[arg(long, value_name = "KEY", value_parser = parse_own_key)]
    session_key: Option<String>,
    /// How long it is good for, from 30min to 48h.
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = parse_lifetime)]
    valid_for: Duration,
}

/// A role that a token can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// The first one to join is the host, later ones are managers.
    Host,
    /// Everybody else.
    Participant,
}

fn parse_topic(text: &str) -> Result<String, String> {
    Topic::new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn parse_own_key(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("it is empty; leave it out to have none".to_owned()),
        n if n > MAX_KEY_CHARS => Err(format!("it has {n} characters; {MAX_KEY_CHARS} at most")),
        _ => Ok(text.to_owned()),
    }
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let rule = "a token is good for 30min to 48h";
    let (number, unit) = split_unit(text).map_err(|error| format!("{error}; {rule}"))?;
    let seconds = match unit.to_lowercase().as_str() {
        "s" => number,
        "min" | "m" => number * 60.0,
        "h" => number * 3600.0,
        "" => return Err(format!("it has no unit: use s, min or h; {rule}")),
        other => {
            return Err(format!(
                "{other:?} is no unit of time here: use s, min or h; {rule}"
            ));
        }
    };
    let lifetime = Duration::try_from_secs_f64(seconds).map_err(|_out_of_range| rule.to_owned())?;
    if !(MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&lifetime.as_secs())
        || lifetime > Duration::from_secs(MAX_LIFETIME_S)
    {
        return Err(rule.to_owned());
    }
    Ok(lifetime)
}

/// Prints a token, alone on its line.
pub(super) fn run(args: TokenArgs) -> anyhow::Result<u8> {
    let app = app(&args)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock of this machine is before 1970; set it")?
        .as_secs();
    let claims = Claims {
        app_key: app.key().to_owned(),
        tpc: args.topic,
        role_type: u8::from(args.role == RoleArg::Host),
        version: CLAIMS_VERSION,
        iat: now,
        exp: now + args.valid_for.as_secs(),
        user_key: args.user_key,
        session_key: args.session_key,
        geo_regions: None,
    };
    let token = mint(&app, &claims).map_err(|error| Usage(error.to_string()))?;
    output::print(&format!("{token}\n"))?;
    Ok(exit_code::READY)
}

fn app(args: &TokenArgs) -> anyhow::Result<AppKey> {
    let secret = match &args.app_secret_file {
        Some(path) => Some(read_secret(path)?),
        None => output::secret_variable(APP_SECRET_VARIABLE)?,
    };
    let secret = secret.ok_or_else(|| {
        Usage(format!(
            "the secret of app key {:?} is missing: give --app-secret-file, or put it into \
             {APP_SECRET_VARIABLE}; `greenroom serve` says at its start which one a trial has",
            args.app_key
        ))
    })?;
    AppKey::new(&args.app_key, secret.trim()).map_err(|error| {
        let message = match error {
            AppKeyError::Key => format!("cannot use --app-key {:?}: {error}", args.app_key),
            AppKeyError::ShortSecret { .. } => {
                format!("{error}; `openssl rand -hex {MIN_SECRET_BYTES}` gives one")
            }
        };
        Usage(message).into()
    })
}

fn read_secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let shown = shown(path);
        Usage(format!(
            "cannot read --app-secret-file{shown}: {error}; it names a file that holds the secret"
        ))
    })?;
    Ok(text)
}

/// The path, unless it may be the secret itself, given in place of its file.
fn shown(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.len() >= MIN_SECRET_BYTES && !bytes.contains(&b'/') {
        return String::new();
    }
    format!(" {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit_and_stays_within_the_rule() {
        for (text, seconds) in [
            ("30min", 1800),
            ("1800s", 1800),
            ("1.5 h", 5400),
            ("48h", 172_800),
        ] {
            assert_eq!(parse_lifetime(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "", "2", "29min", "1799.9s", "48.001h", "2d", "-2h", "1e9h", "h",
        ] {
            let error = parse_lifetime(text).unwrap_err();
            assert!(
                error.ends_with("a token is good for 30min to 48h"),
                "{error}"
            );
        }
    }
}
