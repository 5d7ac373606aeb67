//! The name servers that the system is set to use, asked directly.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use greenroom_reports::model::path::Family;
use greenroom_reports::model::resolve::{LookupResult, NameAnswer, NameServer};
use tokio::net::UdpSocket;

use super::question::Question;

/// Longest wait for an answer: a person waits too. Resolvers wait 5 s (resolv.conf(5)) before they
/// ask the next server.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// Pause before a question is asked again: one packet may be lost.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(900);
/// Servers that resolvers ask at the most (`MAXNS` of resolv.conf(5)).
const MOST_SERVERS: usize = 3;
/// Where name servers listen.
const DNS_PORT: u16 = 53;
/// Largest answer that is read; servers send 512 bytes at the most unless more is offered (RFC 1035
/// §4.2.1).
const MOST_BYTES: usize = 4096;

/// The servers that a `resolv.conf` names, in its order. An address with a zone, which is none of a
/// name server on the internet, is left out.
pub(super) fn listed(resolv_conf: &str) -> Vec<IpAddr> {
    let lines = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
    });
    let mut servers: Vec<IpAddr> = Vec::new();
    for server in lines.take(MOST_SERVERS) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

/// Asks one server for both families, beside each other.
pub(super) async fn ask(server: IpAddr, host: &str) -> NameServer {
    let (ipv4, ipv6) = tokio::join!(
        ask_for(server, host, Family::Ipv4),
        ask_for(server, host, Family::Ipv6)
    );
    NameServer {
        address: server.into(),
        ipv4,
        ipv6,
    }
}

async fn ask_for(server: IpAddr, host: &str, family: Family) -> NameAnswer {
    let exchange = tokio::time::timeout(ANSWER_PATIENCE, exchange(server, host, family));
    match exchange.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => NameAnswer {
            result: result_of(error.kind()),
            ..NameAnswer::default()
        },
        Err(_elapsed) => NameAnswer::default(),
    }
}

async fn exchange(server: IpAddr, host: &str, family: Family) -> io::Result<NameAnswer> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let question = Question::new(u16::from_be_bytes(id), host, family);
    let question = question.ok_or(io::ErrorKind::InvalidInput)?;
    let bytes = question.to_bytes().ok_or(io::ErrorKind::InvalidInput)?;
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect((server, DNS_PORT)).await?;
    let began = Instant::now();
    loop {
        socket.send(&bytes).await?;
        let heard = tokio::time::timeout(ASK_AGAIN_AFTER, hear(&socket, &question)).await;
        if let Ok(answer) = heard {
            return Ok(NameAnswer {
                elapsed_ms: Some(began.elapsed().into()),
                ..answer?
            });
        }
    }
}

async fn hear(socket: &UdpSocket, question: &Question) -> io::Result<NameAnswer> {
    let mut packet = vec![0; MOST_BYTES];
    loop {
        let length = socket.recv(&mut packet).await?;
        if let Some(answer) = packet.get(..length).and_then(|p| question.answer(p)) {
            return Ok(answer);
        }
    }
}

fn result_of(kind: io::ErrorKind) -> LookupResult {
    match kind {
        io::ErrorKind::ConnectionRefused => LookupResult::Refused,
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => LookupResult::Unreachable,
        _ => LookupResult::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_resolvers_read_them() {
        let text = "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\n\
                    nameserver\t2001:db8::1 # mine\nnameserver fe80::1%eth0\nnameservers 192.0.2.8\n\
                    nameserver 192.0.2.1\nnameserver 192.0.2.4\n";
        let expected: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(listed(text), expected);
        assert!(listed("").is_empty());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_refuses() {
        // Nothing of the net 127.0.0.0/8 but what listens on all of it answers there.
        let answer = ask_for("127.83.7.1".parse().unwrap(), "call.example", Family::Ipv4).await;
        assert_eq!(
            (answer.result, answer.elapsed_ms),
            (LookupResult::Refused, None)
        );
    }
}
