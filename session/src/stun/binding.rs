//! Binding requests over UDP (RFC 8489 §3).
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_types::attribute::{Software, XorMappedAddress};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec, TransactionId,
};
use tokio::net::UdpSocket;

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
    /// From the request that was answered at the latest to the answer.
    pub rtt: Duration,
}

/// A binding request.
pub fn request(transaction: u128) -> Vec<u8> {
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut message = Message::builder(
        kind,
        TransactionId::from(transaction),
        MessageWriteVec::new(),
    );
    let _fits = message.add_fingerprint();
    message.finish()
}

/// The mapped address in an answer to this request, and the server's name for itself; `None` when it
/// is no such answer.
pub fn read_answer(transaction: u128, bytes: &[u8]) -> Option<(SocketAddr, Option<String>)> {
    let message = Message::from_bytes(bytes).ok()?;
    let id = TransactionId::from(transaction);
    let answers = message.has_method(BINDING)
        && message.has_class(MessageClass::Success)
        && message.transaction_id() == id;
    let mapped = message.attribute::<XorMappedAddress>().ok();
    let mapped = mapped.filter(|_| answers)?.addr(id);
    let software = message.attribute::<Software>().ok();
    Some((mapped, software.map(|s| s.software().to_owned())))
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
            let _no_way = socket.send_to(&request(*transaction), server).await;
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
        if let Some((mapped, software)) = read_answer(*transaction, bytes) {
            let rtt = sent.elapsed();
            place.get_or_insert(Bound {
                mapped,
                software,
                rtt,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &[u8]) -> Vec<u8> {
        let request = Message::from_bytes(request).unwrap();
        let mut answer = Message::builder_success(&request, MessageWriteVec::new());
        let mapped = "192.0.2.1:4000".parse().unwrap();
        answer
            .add_attribute(&XorMappedAddress::new(mapped, request.transaction_id()))
            .unwrap();
        answer.finish()
    }

    #[test]
    fn an_answer_is_read_only_by_who_asked() {
        let answer = answer(&request(7));
        let (mapped, software) = read_answer(7, &answer).unwrap();
        assert_eq!(mapped, "192.0.2.1:4000".parse::<SocketAddr>().unwrap());
        assert_eq!(software, None);
        assert_eq!(read_answer(8, &answer), None);
        assert_eq!(read_answer(7, &request(7)), None);
        for length in 0..answer.len() {
            assert_eq!(read_answer(7, &answer[..length]), None);
        }
    }

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
