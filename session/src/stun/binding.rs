//! Binding requests over UDP (RFC 8489 §3).
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
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

/// Asks a server from this socket, 1.5 s at most; `None` when it does not answer. The transaction's
/// id comes from a source that nobody can guess.
///
/// # Errors
/// When the socket cannot send, or the request is rejected on the way.
///
/// # Cancel safety
/// Dropping the future may lose datagrams that came in.
pub async fn ask(
    socket: &UdpSocket,
    server: SocketAddr,
    transaction: u128,
) -> io::Result<Option<Bound>> {
    let request = request(transaction);
    let mut buffer = [0; MAX_ANSWER];
    for pause in PAUSES {
        let sent = Instant::now();
        socket.send_to(&request, server).await?;
        let until = tokio::time::Instant::from_std(sent + pause);
        while let Ok(received) = tokio::time::timeout_at(until, socket.recv_from(&mut buffer)).await
        {
            let (length, from) = received?;
            let answer = read_answer(transaction, &buffer[..length]);
            if let Some((mapped, software)) = answer.filter(|_| from == server) {
                let rtt = sent.elapsed();
                return Ok(Some(Bound {
                    mapped,
                    software,
                    rtt,
                }));
            }
        }
    }
    Ok(None)
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
        assert_eq!(mapped, "192.0.2.1:4000".parse().unwrap());
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
        let asked = ask(&ours, server, 7).await.unwrap();
        other.join().unwrap();
        assert_eq!(asked, None);
    }
}
