//! Binding requests over UDP (RFC 8489 §3).
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::message::{Answer, Change, read_answer, request};

/// Pauses before the request is sent again; after the last one it is given up.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// Largest answer that is read.
const MAX_ANSWER: usize = 1500;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// This machine's address, as the server sees it.
    pub mapped: SocketAddr,
    /// What the server calls itself.
    pub software: Option<String>,
    /// The server's other address, where it has one (RFC 5780).
    pub other: Option<SocketAddr>,
    /// From the request that was answered at the latest to the answer.
    pub rtt: Duration,
}

impl Bound {
    pub(super) fn new(answer: Answer, rtt: Duration) -> Self {
        Self {
            mapped: answer.mapped,
            software: answer.software,
            other: answer.other,
            rtt,
        }
    }
}

/// Asks a server from this socket; see [`ask_all`].
pub async fn ask(socket: &UdpSocket, server: SocketAddr, transaction: u128) -> Option<Bound> {
    ask_all(socket, &[(server, transaction)]).await.pop()?
}

/// Asks servers from this one socket, all at once, 1.5 s at most; `None` stands for those that do not
/// answer. The transactions' ids come from a source that nobody can guess.
///
/// # Cancel safety
/// Dropping the future may lose datagrams that came in.
pub async fn ask_all(socket: &UdpSocket, servers: &[(SocketAddr, u128)]) -> Vec<Option<Bound>> {
    let mut answers: Vec<Option<Bound>> = vec![None; servers.len()];
    for pause in PAUSES {
        let sent = Instant::now();
        for ((server, transaction), _) in servers.iter().zip(&answers).filter(|(_, a)| a.is_none())
        {
            // Where there is no way to a server, there is no answer either.
            let _no_way = socket
                .send_to(&request(*transaction, Change::Nothing), server)
                .await;
        }
        let until = tokio::time::Instant::from_std(sent + pause);
        while answers.iter().any(Option::is_none) {
            let mut buffer = [0; MAX_ANSWER];
            let received = tokio::time::timeout_at(until, socket.recv_from(&mut buffer)).await;
            match received {
                Err(_elapsed) => break,
                Ok(Ok((length, from))) => {
                    take(servers, &mut answers, &buffer[..length], from, sent);
                }
                // What ICMP says of one server is no news of the others.
                Ok(Err(_icmp)) => {}
            }
        }
    }
    answers
}

fn take(
    servers: &[(SocketAddr, u128)],
    answers: &mut [Option<Bound>],
    bytes: &[u8],
    from: SocketAddr,
    sent: Instant,
) {
    for ((server, transaction), place) in servers.iter().zip(answers) {
        if *server != from {
            continue;
        }
        if let Some(answer) = read_answer(*transaction, bytes) {
            place.get_or_insert(Bound::new(answer, sent.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::answer;
    use super::*;

    #[tokio::test]
    async fn an_answer_from_elsewhere_is_none() {
        let [ours, theirs, stranger] =
            [0; 3].map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let (server, client) = (theirs.local_addr().unwrap(), ours.local_addr().unwrap());
        ours.set_nonblocking(true).unwrap();
        let ours = UdpSocket::from_std(ours).unwrap();
        let other = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (length, _) = theirs.recv_from(&mut buffer).unwrap();
            let answer = answer(&buffer[..length]);
            stranger.send_to(&answer, client).unwrap();
        });
        let asked = ask(&ours, server, 7).await;
        other.join().unwrap();
        assert_eq!(asked, None);
    }
}
