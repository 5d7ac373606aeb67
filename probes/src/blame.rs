//! Who is to blame when a server does not answer: what both measuring probes say of silence,
//! refusals, and ways that are closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use greenroom_protocol::measure::wire::RefusalCode;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::UdpBlocked;

use crate::cancel::Cancel;

/// How long a server that fell silent may take to accept a connection.
const ALIVE_PATIENCE: Duration = Duration::from_millis(600);

/// A server that had answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect<'a> {
    /// Its host, as the user named it.
    pub(crate) host: &'a str,
    /// The address that answered over HTTP.
    pub(crate) peer: Option<SocketAddr>,
}

impl Suspect<'_> {
    /// Why it fell silent: does it still take connections? Somebody who cancels meanwhile gets the
    /// answer at once, and it is that he did.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(crate) async fn silence(self, cancel: &Cancel) -> Reason {
        let host = self.host;
        let Some(peer) = self.peer else {
            return Reason::new(ReasonCode::NoAnswer, format!("{host} stopped answering"));
        };
        let connect = tokio::net::TcpStream::connect(peer);
        let connected = tokio::select! {
            biased;
            () = cancel.cancelled() => return cancel.reason(),
            connected = tokio::time::timeout(ALIVE_PATIENCE, connect) => connected,
        };
        match connected {
            Ok(Ok(_)) => Reason::new(
                ReasonCode::NoAnswer,
                format!(
                    "packets to {host} stopped coming through, although it still takes connections"
                ),
            ),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Reason::new(
                ReasonCode::ServerVanished,
                format!(
                    "the server at {host} stopped during the measurement: it refuses connections now"
                ),
            ),
            _ => Reason::new(
                ReasonCode::NoAnswer,
                format!("{host} stopped answering: it went down, or the connection to it did"),
            ),
        }
    }

    /// Why the transport broke.
    ///
    /// # Cancel safety
    /// As [`Self::silence`].
    pub(crate) async fn broken(self, error: &io::Error, cancel: &Cancel) -> Reason {
        let silence = self.silence(cancel).await;
        if silence.code != ReasonCode::NoAnswer {
            return silence;
        }
        let host = self.host;
        Reason::new(
            ReasonCode::NoAnswer,
            format!("the connection to {host} broke during the measurement ({error})"),
        )
    }
}

/// Why the server refused the session.
pub(crate) fn refused(code: RefusalCode) -> Reason {
    let why = match code {
        RefusalCode::ServerFull => "it holds as many measurements as it may; try again in a minute",
        RefusalCode::AddressLimit => {
            "too many measurements came from this address; try again in a minute"
        }
        RefusalCode::TokenInvalid => {
            "it does not accept its own token; this machine's address may have changed on the way"
        }
        _ => "it gave no reason that this version knows",
    };
    let message = format!("the server refused the measurement: {why}");
    Reason::new(ReasonCode::Limited, message)
}

/// Neither UDP nor WebSocket leads to the server.
pub(crate) fn nothing_comes_through(udp: Option<&UdpBlocked>, websocket: &str) -> Reason {
    let udp = udp.map_or_else(
        || "UDP was not tried, since only the proxy can reach the server".to_owned(),
        |blocked| format!("UDP port {} does not answer", blocked.port),
    );
    let message = format!("{udp}, and WebSocket does not work either: {websocket}");
    Reason::new(ReasonCode::NoAnswer, message)
}

/// The outcome of a probe that has figures, a reason why they are not all, both, or neither.
pub(crate) fn outcome<T>(data: Option<T>, reason: Option<Reason>) -> Outcome<T> {
    match (data, reason) {
        (Some(data), None) => Outcome::Measured { data },
        (Some(data), Some(reason)) => Outcome::Partial { data, reason },
        (None, Some(reason)) if is_blocked(reason.code) => Outcome::Blocked { reason },
        (None, Some(reason)) => Outcome::NotRun { reason },
        (None, None) => Outcome::not_run(ReasonCode::InternalError, "the measurement ended empty"),
    }
}

/// Network or server said no, which is a result.
fn is_blocked(code: ReasonCode) -> bool {
    matches!(code, ReasonCode::NoAnswer | ReasonCode::Limited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelCause;

    #[tokio::test]
    async fn a_server_that_refuses_connections_vanished_and_one_that_takes_them_did_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let suspect = Suspect {
            host: "probe.example",
            peer: Some(listener.local_addr().unwrap()),
        };
        let cancel = Cancel::new();
        let alive = suspect.silence(&cancel).await;
        assert_eq!(alive.code, ReasonCode::NoAnswer);
        assert!(alive.message.contains("still takes connections"));
        drop(listener);
        let gone = suspect
            .broken(&io::ErrorKind::BrokenPipe.into(), &cancel)
            .await;
        assert_eq!(gone.code, ReasonCode::ServerVanished);
    }

    #[tokio::test]
    async fn who_cancels_does_not_wait_for_the_answer() {
        // Nobody answers in this documentation network.
        let suspect = Suspect {
            host: "probe.example",
            peer: Some("192.0.2.1:9".parse().unwrap()),
        };
        let cancel = Cancel::new();
        cancel.cancel(CancelCause::User);
        let reason = suspect.silence(&cancel).await;
        assert_eq!(reason.code, ReasonCode::Cancelled);
    }
}
