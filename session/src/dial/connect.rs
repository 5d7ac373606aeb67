//! TCP connections to the first address of each family, beside each other.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use greenroom_reports::model::path::Family;
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::web::{ConnectAttempt, ConnectResult};
use tokio::net::TcpStream;

/// Longest wait for one connection: a lost first packet is sent again after a second (RFC 6298
/// §2.1), and its answer is still waited for.
pub const FAMILY_PATIENCE: Duration = Duration::from_millis(1500);

/// Connects to the first address of each family; gives what came of each, and the connections that
/// stand, the quickest first.
///
/// # Cancel safety
/// Dropping the future closes what was opened.
pub async fn connect_families(addresses: &[SocketAddr]) -> (Vec<ConnectAttempt>, Vec<TcpStream>) {
    let first = |ipv4: bool| addresses.iter().copied().find(|a| a.is_ipv4() == ipv4);
    let (ipv4, ipv6) = tokio::join!(attempt(first(true)), attempt(first(false)));
    let mut tried: Vec<_> = [ipv4, ipv6].into_iter().flatten().collect();
    let attempts = tried.iter().map(|(attempt, _)| attempt.clone()).collect();
    tried.sort_by(|(a, _), (b, _)| time_of(a).total_cmp(&time_of(b)));
    let streams = tried.into_iter().filter_map(|(_, stream)| stream);
    (attempts, streams.collect())
}

fn time_of(attempt: &ConnectAttempt) -> f64 {
    attempt
        .elapsed_ms
        .map_or(f64::MAX, greenroom_reports::units::Millis::as_f64)
}

async fn attempt(address: Option<SocketAddr>) -> Option<(ConnectAttempt, Option<TcpStream>)> {
    let address = address?;
    let began = Instant::now();
    let connected = tokio::time::timeout(FAMILY_PATIENCE, TcpStream::connect(address)).await;
    let elapsed = began.elapsed();
    let (result, stream) = match connected {
        Err(_elapsed) => (ConnectResult::NoAnswer, None),
        Ok(Err(error)) => (result_of(error.kind()), None),
        Ok(Ok(stream)) => (ConnectResult::Connected, Some(stream)),
    };
    let attempt = ConnectAttempt {
        family: if address.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        },
        address: Sensitive::new(address.ip().to_string()),
        result,
        elapsed_ms: (result != ConnectResult::NoAnswer).then(|| elapsed.into()),
    };
    Some((attempt, stream))
}

fn result_of(kind: io::ErrorKind) -> ConnectResult {
    use io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => ConnectResult::Refused,
        ErrorKind::TimedOut => ConnectResult::NoAnswer,
        ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => ConnectResult::Unreachable,
        _ => ConnectResult::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_family_is_tried_for_itself() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        // Bound, but not listening.
        let closed = tokio::net::TcpSocket::new_v6().unwrap();
        closed.bind("[::1]:0".parse().unwrap()).unwrap();
        let closed = closed.local_addr().unwrap();
        let (attempts, streams) = connect_families(&[closed, open]).await;
        let results: Vec<_> = attempts.iter().map(|a| (a.family, a.result)).collect();
        let expected = [
            (Family::Ipv4, ConnectResult::Connected),
            (Family::Ipv6, ConnectResult::Refused),
        ];
        assert_eq!(results, expected);
        assert_eq!(streams.len(), 1);
        assert!(attempts.iter().all(|attempt| attempt.elapsed_ms.is_some()));
    }

    #[tokio::test]
    async fn without_addresses_nothing_is_tried() {
        let (attempts, streams) = connect_families(&[]).await;
        assert!(attempts.is_empty() && streams.is_empty());
    }
}
