//! With what a session is joined.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use greenroom_session::client::{InitOptions, JoinOptions};

use super::super::output::{self, Usage};

const EXIT_CODES: &str = "\
Lines of standard input are said to everybody; those that begin with / are commands, which /help lists. \
The end of the input leaves. Where standard output is no terminal, each event is a line of fields with \
tabs between them, the first of which names it.

Exit codes: 0 left, or the session ended; 1 not joined, or the connection was lost; 2 wrong usage; \
130 interrupted before it had joined, or twice.";

/// Where, what and as whom to join. A token or passcode on the command line is seen by other users of
/// this machine; a file or the environment is not.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(in super::super) struct JoinArgs {
    /// Greenroom server that holds the session.
    #[arg(long, value_name = "URL", env = "GREENROOM_SERVER")]
    endpoint: String,
    /// Trust the certificate authorities in this PEM file too.
    #[arg(long, value_name = "FILE", env = "GREENROOM_CA")]
    ca: Vec<PathBuf>,
    /// What the session is called; the token has to be for it.
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// Token, as `greenroom token` makes it; others on this machine can see it, so rather use the file
    /// or the variable.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GREENROOM_TOKEN",
        hide_env_values = true,
        required_unless_present = "token_file"
    )]
    token: Option<String>,
    /// File with the token; it comes before the others.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Passcode: the first user's is the session's, everybody else needs it.
    #[arg(
        long,
        value_name = "TEXT",
        env = "GREENROOM_PASSCODE",
        hide_env_values = true
    )]
    passcode: Option<String>,
    /// What you are called.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How many minutes the session lives with you alone, when you are its host [default: 40].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..))]
    idle_timeout: Option<u16>,
}

/// Without token and passcode.
impl fmt::Debug for JoinArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinArgs")
            .field("endpoint", &self.endpoint)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl JoinArgs {
    /// How the client is initialized.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn init_options(&self) -> anyhow::Result<InitOptions> {
        let authorities: anyhow::Result<_> = self
            .ca
            .iter()
            .map(|path| output::read_authority(path))
            .collect();
        Ok(InitOptions {
            endpoint: self.endpoint.clone(),
            stay_awake: true,
            leave_on_exit: true,
            authorities: authorities?,
            ..InitOptions::default()
        })
    }

    /// With what it joins.
    ///
    /// # Errors
    /// When a parameter breaks its rule, or the token's file cannot be read.
    pub(super) fn join_options(&self) -> anyhow::Result<JoinOptions> {
        let token = match &self.token_file {
            Some(path) => read_token(path)?,
            None => self.token.clone().unwrap_or_default(),
        };
        Ok(JoinOptions {
            topic: self.topic.clone(),
            token: token.trim().to_owned(),
            user_name: self.name.clone().unwrap_or_default(),
            passcode: self.passcode.clone(),
            idle_timeout_minutes: self.idle_timeout,
        })
    }
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let read = std::fs::read_to_string(path);
    Ok(read.map_err(|error| {
        Usage(format!(
            "cannot read --token-file {}: {error}",
            path.display()
        ))
    })?)
}
