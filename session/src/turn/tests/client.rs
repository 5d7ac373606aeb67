use std::task::Waker;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};

use super::super::framing::Framing;
use super::*;

fn server(address: SocketAddr, transport: Transport) -> Server {
    Server {
        address,
        transport,
        name: "localhost".to_owned(),
        credentials: None,
        wants_ipv6: false,
        traffic: Traffic::default(),
    }
}

async fn client(server: &Server) -> TurnClient {
    let connected = connect(server, &Trust::new(&[]).unwrap()).await.unwrap();
    TurnClient::new(connected, server, 7)
}

fn peer() -> SocketAddr {
    "192.0.2.1:5000".parse().unwrap()
}

fn flush(client: &mut TurnClient) -> Poll<Result<(), Failure>> {
    client.poll_flush(&mut Context::from_waker(Waker::noop()))
}

/// Nobody reads, until the system takes no more: what waits is told, and arrives whole later.
#[tokio::test]
async fn what_a_full_connection_does_not_take_waits_and_arrives_whole() {
    const MESSAGES: usize = 8000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = server(listener.local_addr().unwrap(), Transport::Tcp);
    let mut client = client(&server).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    for number in 0..MESSAGES {
        let mut payload = vec![0; 1200];
        payload[..8].copy_from_slice(&number.to_be_bytes());
        client.queue(peer(), &payload);
    }
    assert_eq!(client.queued(), MESSAGES);
    assert_eq!(flush(&mut client), Poll::Pending);
    let waiting = client.queued();
    assert!((1..MESSAGES).contains(&waiting), "{waiting} wait");

    let read = async {
        let (mut framing, mut n_read) = (Framing::default(), 0);
        let mut buffer = vec![0; 65_535];
        while n_read < MESSAGES {
            let length = stream.read(&mut buffer).await.unwrap();
            framing.push(&buffer[..length]);
            while let Some(message) = framing.next_message().unwrap() {
                let number = n_read.to_be_bytes();
                assert!(message.windows(8).any(|part| part == number), "{n_read}");
                n_read += 1;
            }
        }
    };
    let (flushed, ()) = tokio::join!(client.flush(), read);
    assert_eq!(flushed, Ok(()));
    assert_eq!(client.queued(), 0);
    assert!(server.traffic.sent() > 1200 * MESSAGES as u64);
}

#[tokio::test]
async fn datagrams_leave_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = server(socket.local_addr().unwrap(), Transport::Udp);
    let mut client = client(&server).await;
    assert!(!client.is_stream());
    client.queue(peer(), b"one");
    client.queue(peer(), b"two");
    assert_eq!(client.flush().await, Ok(()));
    assert_eq!(client.queued(), 0);
    let mut buffer = [0; 200];
    for word in [b"one", b"two"] {
        let length = socket.recv(&mut buffer).await.unwrap();
        assert!(buffer[..length].windows(3).any(|part| part == word));
    }
}
