//! Binding requests over TCP and TLS (RFC 8489 §6.2.2).
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use super::binding::Bound;
use super::message::{Change, read_answer, request};
use crate::turn::{Server, Trust, connect};

/// Longest wait for a connection and its answer: as long as UDP takes.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Asks a server over TCP or TLS; `None` when it does not answer in 1.5 s, in which neither the
/// connection's opening nor the server's refusal is told apart. The transaction's id comes from a
/// source that nobody can guess.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn ask_over_stream(server: &Server, trust: &Trust, transaction: u128) -> Option<Bound> {
    let asked = async {
        let mut wire = connect(server, trust).await.ok()?.wire;
        let sent = Instant::now();
        let bytes = request(transaction, Change::Nothing);
        wire.send(&bytes).await.ok()?;
        loop {
            let bytes = wire.receive().await.ok()?;
            if let Some(answer) = read_answer(transaction, &bytes) {
                return Some(Bound::new(answer, sent.elapsed()));
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::message::answer;
    use super::*;
    use crate::turn::{Traffic, Transport};

    /// What a server that sends this before and in place of an answer is told as.
    async fn asked(before: &'static [u8], answers: bool) -> Option<Bound> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            transport: Transport::Tcp,
            name: "localhost".to_owned(),
            credentials: None,
            wants_ipv6: false,
            traffic: Traffic::default(),
        };
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 28];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(before).await.unwrap();
            if answers {
                // In two parts.
                let answer = answer(&request);
                let (head, rest) = answer.split_at(7);
                stream.write_all(head).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(rest).await.unwrap();
                std::future::pending::<()>().await;
            }
        };
        let trust = Trust::new(&[]).unwrap();
        tokio::select! {
            bound = ask_over_stream(&server, &trust, 7) => bound,
            () = async { serve.await; std::future::pending().await } => None,
        }
    }

    #[tokio::test]
    async fn an_answer_is_put_together_and_something_else_is_none() {
        let bound = asked(b"", true).await.unwrap();
        assert_eq!(bound.mapped.to_string(), "192.0.2.1:4000");
        // Closed without an answer, and a web server.
        assert_eq!(asked(b"", false).await, None);
        assert_eq!(
            asked(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await,
            None
        );
    }
}
