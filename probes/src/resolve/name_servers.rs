//! The name servers that the system is set to use, asked directly.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use greenroom_reports::model::path::Family;
use greenroom_reports::model::resolve::{LookupResult, NameAnswer, NameServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::question::{Heard, Question};

/// Longest wait for an answer: a person waits too. Resolvers wait 5 s (resolv.conf(5)) before they
/// ask the next server.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for the same answer again, which is less than a slow first one took.
const WARM_PATIENCE: Duration = Duration::from_secs(1);
/// Pause before a question is asked again: one packet may be lost.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(900);
/// Servers that resolvers ask at the most (`MAXNS` of resolv.conf(5)).
const MOST_SERVERS: usize = 3;
/// Where name servers listen.
const DNS_PORT: u16 = 53;
/// Largest answer that there can be: its length is told in 16 bits, by UDP as by TCP (RFC 1035
/// §4.2.2). A longer buffer than servers may fill, so that one which breaks the rule is read too.
const MOST_BYTES: usize = 65_535;

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

/// A server of which nothing is known yet.
pub(super) fn unasked(server: IpAddr) -> NameServer {
    NameServer {
        address: server.into(),
        ipv4: NameAnswer::default(),
        ipv6: NameAnswer::default(),
    }
}

/// Asks a server for the addresses of both families, beside each other, and then once more for those
/// that it told. What has come is in `told` at any time.
pub(super) async fn ask(server: IpAddr, host: &str, told: &mut NameServer) {
    let to = SocketAddr::new(server, DNS_PORT);
    tokio::join!(
        ask_for(to, host, Family::Ipv4, &mut told.ipv4),
        ask_for(to, host, Family::Ipv6, &mut told.ipv6)
    );
}

async fn ask_for(server: SocketAddr, host: &str, family: Family, told: &mut NameAnswer) {
    *told = ask_once(server, host, family, ANSWER_PATIENCE).await;
    if matches!(
        told.result,
        LookupResult::Found | LookupResult::NoAddresses | LookupResult::UnknownName
    ) {
        let again = ask_once(server, host, family, WARM_PATIENCE).await;
        told.warm_ms = again.elapsed_ms;
    }
}

async fn ask_once(
    server: SocketAddr,
    host: &str,
    family: Family,
    patience: Duration,
) -> NameAnswer {
    let mut heard_nonsense = false;
    let exchange = exchange(server, host, family, &mut heard_nonsense);
    let result = match tokio::time::timeout(patience, exchange).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => result_of(error.kind()),
        Err(_elapsed) if heard_nonsense => LookupResult::Malformed,
        Err(_elapsed) => LookupResult::NoAnswer,
    };
    NameAnswer {
        result,
        ..NameAnswer::default()
    }
}

async fn exchange(
    server: SocketAddr,
    host: &str,
    family: Family,
    heard_nonsense: &mut bool,
) -> io::Result<NameAnswer> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let question = Question::new(u16::from_be_bytes(id), host, family);
    let question = question.ok_or(io::ErrorKind::InvalidInput)?;
    let bytes = question.to_bytes().ok_or(io::ErrorKind::InvalidInput)?;
    let began = Instant::now();
    let over_udp = over_udp(server, &question, &bytes, heard_nonsense).await?;
    let (answer, over_tcp) = match over_udp {
        Heard::Answer(answer) => (answer, false),
        Heard::Truncated => (over_tcp(server, &question, &bytes).await?, true),
    };
    Ok(NameAnswer {
        elapsed_ms: Some(began.elapsed().into()),
        over_tcp,
        ..answer
    })
}

async fn over_udp(
    server: SocketAddr,
    question: &Question,
    bytes: &[u8],
    heard_nonsense: &mut bool,
) -> io::Result<Heard> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let mut packet = vec![0; MOST_BYTES];
    loop {
        socket.send(bytes).await?;
        let hearing = hear(&socket, &mut packet, question, heard_nonsense);
        if let Ok(heard) = tokio::time::timeout(ASK_AGAIN_AFTER, hearing).await {
            return heard;
        }
    }
}

/// What cannot be read is passed over: somebody else may have sent it, and the true answer follows.
async fn hear(
    socket: &UdpSocket,
    packet: &mut [u8],
    question: &Question,
    heard_nonsense: &mut bool,
) -> io::Result<Heard> {
    loop {
        let length = socket.recv(packet).await?;
        match packet.get(..length).and_then(|p| question.answer(p)) {
            Some(heard) => return Ok(heard),
            None => *heard_nonsense = true,
        }
    }
}

/// Source: RFC 1035 §4.2.2 and RFC 7766 §8: the length in two bytes, then the message.
async fn over_tcp(server: SocketAddr, question: &Question, bytes: &[u8]) -> io::Result<NameAnswer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut packet = vec![0; length.into()];
    stream.read_exact(&mut packet).await?;
    match question.answer(&packet) {
        Some(Heard::Answer(answer)) => Ok(answer),
        // There is no longer way to ask.
        Some(Heard::Truncated) | None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn result_of(kind: io::ErrorKind) -> LookupResult {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            LookupResult::NotListening
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => LookupResult::Malformed,
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

    async fn asked(server: SocketAddr) -> NameAnswer {
        ask_once(
            server,
            "call.example",
            Family::Ipv4,
            Duration::from_millis(300),
        )
        .await
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_from_one_that_refuses() {
        // Nothing of the net 127.0.0.0/8 but what listens on all of it answers there.
        let answer = asked("127.83.7.1:53".parse().unwrap()).await;
        assert_eq!(
            (answer.result, answer.elapsed_ms),
            (LookupResult::NotListening, None)
        );
        let refusing = hostile(|question| {
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x85]);
            vec![answer]
        })
        .await;
        assert_eq!(asked(refusing).await.result, LookupResult::Refused);
    }

    /// A server that sends these packets for each that it gets.
    async fn hostile(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                for answer in answers(&packet[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        address
    }

    /// An answer with this many addresses.
    fn full_answer(question: &[u8], n_addresses: u16) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[6..8].copy_from_slice(&n_addresses.to_be_bytes());
        for i in 0..n_addresses {
            let [high, low] = i.to_be_bytes();
            // The question's name by a pointer, A, IN, one minute, four bytes.
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, high, low]);
        }
        answer
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_and_the_true_answer_behind_it_is_heard() {
        type Answers = fn(&[u8]) -> Vec<Vec<u8>>;
        let cases: [(Answers, LookupResult); 6] = [
            (|_| vec![vec![0xff; 512]], LookupResult::Malformed),
            (|_| vec![Vec::new(), vec![0]], LookupResult::Malformed),
            (|_| vec![vec![0; 60_000]], LookupResult::Malformed),
            // The head alone, which promises an answer.
            (
                |question| vec![full_answer(question, 40)[..60].to_vec()],
                LookupResult::Malformed,
            ),
            // A name that points at itself.
            (
                |question| {
                    let mut answer = question[..12].to_vec();
                    answer[2..4].copy_from_slice(&[0x81, 0x80]);
                    answer.extend([0xc0, 0x0c, 0, 1, 0, 1]);
                    vec![answer]
                },
                LookupResult::Malformed,
            ),
            (
                |question| vec![vec![0xff; 40], full_answer(question, 1)],
                LookupResult::Found,
            ),
        ];
        for (i, (answers, expected)) in cases.into_iter().enumerate() {
            let server = hostile(answers).await;
            assert_eq!(asked(server).await.result, expected, "case {i}");
        }
    }

    #[tokio::test]
    async fn a_huge_answer_is_cut() {
        let server = hostile(|question| vec![full_answer(question, 4000)]).await;
        let answer = asked(server).await;
        assert_eq!(answer.result, LookupResult::Found);
        assert_eq!(answer.addresses.len(), 64);
    }

    #[tokio::test]
    async fn a_cut_answer_is_asked_for_over_tcp() {
        let server = hostile(|question| {
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x83, 0x80]);
            vec![answer]
        })
        .await;
        // Nobody listens for TCP there yet.
        assert_eq!(asked(server).await.result, LookupResult::NotListening);
        let listener = tokio::net::TcpListener::bind(server).await.unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut question).await.unwrap();
            let answer = full_answer(&question, 50);
            let length = u16::try_from(answer.len()).unwrap();
            stream.write_u16(length).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        };
        let (answer, ()) = tokio::join!(asked(server), serve);
        assert_eq!(answer.addresses.len(), 50);
        assert!(answer.over_tcp);
        assert!(answer.elapsed_ms.is_some());
    }

    #[tokio::test]
    async fn a_tcp_answer_that_never_ends_is_given_up() {
        let server = hostile(|question| {
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x83, 0x80]);
            vec![answer]
        })
        .await;
        let listener = tokio::net::TcpListener::bind(server).await.unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_u16(u16::MAX).await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(asked(server), serve);
        assert_eq!(answer.result, LookupResult::NoAnswer);
    }

    #[tokio::test]
    async fn what_was_not_finished_is_no_missing_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = silent.local_addr().unwrap();
        let mut told = NameAnswer::default();
        let asking = ask_for(server, "call.example", Family::Ipv4, &mut told);
        let stopped = tokio::time::timeout(Duration::from_millis(50), asking).await;
        assert!(stopped.is_err());
        assert_eq!(told.result, LookupResult::Unfinished);
    }
}
