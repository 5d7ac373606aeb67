//! `greenroom join`: a session from a terminal, or from a script.

mod command;
mod input;
mod options;
mod room;
mod show;

use std::io::{self, IsTerminal};

use anyhow::Context;
use greenroom_reports::verdict::exit_code;
use greenroom_session::client::{Client, InitOptions, JoinOptions, SessionError};

pub(super) use self::options::JoinArgs;
use self::room::Room;
use self::show::Show;
use super::check::{end_on_signal, next_signal};
use super::output::{self, Usage};

/// Joins, and stays until the session, or one's own part in it, is over.
pub(super) fn run(args: &JoinArgs) -> anyhow::Result<u8> {
    let (init, join) = (args.init_options()?, args.join_options()?);
    // Before anything is opened: what is wrong usage needs no server to be told.
    join.clone().check().map_err(explained)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(session(init, join));
    // Look-ups that hang in the system's resolver must not keep the program from ending.
    runtime.shutdown_background();
    code
}

async fn session(init: InitOptions, join: JoinOptions) -> anyhow::Result<u8> {
    let show = Show {
        terminal: io::stdout().is_terminal(),
    };
    let client = Client::new();
    let events = client.events();
    let topic = join.topic.clone();
    let joined = tokio::select! {
        joined = enter(&client, init, join) => Some(joined),
        () = next_signal() => None,
    };
    let code = match joined {
        Some(Ok(())) => Room::new(&client, show, topic).stay(events).await,
        Some(Err(error)) => Err(error),
        None => Ok(exit_code::INTERRUPTED),
    };
    tokio::select! {
        () = client.cleanup() => code,
        () = end_on_signal() => code,
    }
}

async fn enter(client: &Client, init: InitOptions, join: JoinOptions) -> anyhow::Result<()> {
    let report = Box::pin(client.init(init)).await.map_err(explained)?;
    for notice in report.notices {
        output::complain(&notice.to_string());
    }
    client.join(join).await.map_err(explained)
}

/// What can be mended on the command line is wrong usage.
fn explained(error: SessionError) -> anyhow::Error {
    let usage = matches!(
        error,
        SessionError::InvalidParameter(_)
            | SessionError::TokenLength { .. }
            | SessionError::Endpoint(_)
    );
    let error = anyhow::Error::from(error);
    if usage {
        return Usage(format!("{error:#}")).into();
    }
    error
}
