//! Joins a session on a LiveKit-speaking server, says how long that took, and tells what happens until
//! Ctrl-C or the end.
//!
//! ```sh
//! GREENROOM_TOKEN=… cargo run -p greenroom-session --features client --example join -- http://127.0.0.1:7880
//! ```
//!
//! The token is taken from the environment, since command lines are seen by everyone on a machine.
//! `--own-engine` tells that the server is this project's own.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program shows what it finds"
)]

use std::error::Error;

use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dialer::Dialer;
use greenroom_session::peer::{EngineConnection, EngineEvent, JoinOptions, PreparedPublisher};
use greenroom_session::signal::{SignalConfig, warm_up};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let base = BaseUrl::parse(&arguments.next().ok_or("which server? give its URL")?)?;
    let dtls_passive = arguments.next().as_deref() == Some("--own-engine");
    let token = std::env::var("GREENROOM_TOKEN")
        .map_err(|_missing| "the access token is expected in GREENROOM_TOKEN")?;

    let dialer = Dialer::new(&[])?;
    let prepared = PreparedPublisher::prepare(base.host(), dtls_passive).await?;
    if let Err(error) = warm_up(&dialer, &base).await {
        eprintln!("{error}");
    }
    let config = SignalConfig { base, token };
    let options = JoinOptions { dtls_passive };
    let mut session = EngineConnection::join(&dialer, config, &options, Some(prepared)).await?;
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            event = session.next_event() => match event {
                Some(EngineEvent::Joined(join, timings)) => println!(
                    "joined with {} others: signalling {:?}, publisher {:?}",
                    join.other_participants.len(), timings.signal, timings.publisher,
                ),
                Some(event) => println!("{event:?}"),
                None => return Ok(()),
            },
            _ = &mut interrupt => break,
        }
    }
    session.leave().await?;
    Ok(())
}
