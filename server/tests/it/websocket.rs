//! Measuring over the WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use greenroom_protocol::measure::wire::{
    Echo, HELLO_BYTES, Message as Wire, OPEN_BYTES, decode, encode,
};
use greenroom_server::RunningServer;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use super::client::server;

type Socket = WebSocketStream<TcpStream>;

async fn connect(server: &RunningServer) -> Result<Socket, Error> {
    let url = format!("ws://{}/measure", server.http_addr());
    let stream = TcpStream::connect(server.http_addr()).await?;
    client_async(url, stream).await.map(|(socket, _)| socket)
}

async fn send(socket: &mut Socket, message: &Wire, total: usize) {
    let mut bytes = Vec::new();
    encode(message, total, &mut bytes);
    socket.send(Message::binary(bytes)).await.unwrap();
}

async fn receive(socket: &mut Socket) -> Wire {
    let message = timeout(Duration::from_secs(2), socket.next()).await;
    decode(&message.unwrap().unwrap().unwrap().into_data()).unwrap()
}

async fn open(socket: &mut Socket) -> u64 {
    send(socket, &Wire::Hello { nonce: 4 }, HELLO_BYTES).await;
    let Wire::Challenge { token, .. } = receive(socket).await else {
        panic!("no challenge");
    };
    let open = Wire::Open {
        nonce: 4,
        token,
        duration_ms: 5000,
    };
    send(socket, &open, OPEN_BYTES).await;
    let Wire::Opened(opened) = receive(socket).await else {
        panic!("not opened");
    };
    opened.session
}

/// Waits for the server to end the connection; its close code, if it sent one.
async fn ended(socket: &mut Socket) -> Option<u16> {
    let end = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|f| f.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    timeout(Duration::from_secs(5), end).await.unwrap()
}

#[tokio::test]
async fn the_websocket_carries_the_same_datagrams() {
    let server = server(|_| {}).await;
    let mut socket = connect(&server).await.unwrap();
    let session = open(&mut socket).await;
    for seq in 0..20 {
        let echo = Echo {
            session,
            seq,
            departure_ns: 0,
        };
        send(&mut socket, &Wire::Echo(echo), 172).await;
        let Wire::EchoReply(reply) = receive(&mut socket).await else {
            panic!("no echo");
        };
        assert_eq!((reply.seq, reply.received), (seq, seq + 1));
        assert!(!reply.kernel_stamp);
        assert!(reply.arrival_ns <= reply.departure_ns);
    }
    assert_eq!(server.open_sessions(), 1);
    server.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn text_and_messages_that_are_too_large_end_the_connection() {
    let server = server(|_| {}).await;
    let mut socket = connect(&server).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(ended(&mut socket).await, Some(1003));
    let mut socket = connect(&server).await.unwrap();
    socket.send(Message::binary(vec![0; 4096])).await.unwrap();
    ended(&mut socket).await;
}

#[tokio::test]
async fn a_silent_client_is_sent_away() {
    let server = server(|limits| limits.websocket_idle = Duration::from_millis(200)).await;
    let mut socket = connect(&server).await.unwrap();
    assert_eq!(ended(&mut socket).await, Some(1008));
}

#[tokio::test]
async fn one_address_holds_no_more_websockets_than_its_share() {
    let server = server(|limits| limits.max_websockets_per_address = 1).await;
    let held = connect(&server).await.unwrap();
    let Err(Error::Http(answer)) = connect(&server).await else {
        panic!("a second one was let in");
    };
    assert_eq!(answer.status(), 429);
    drop(held);
    let again = async {
        while connect(&server).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(2), again).await.unwrap();
}

#[tokio::test]
async fn a_stopping_server_says_so() {
    let server = server(|_| {}).await;
    let mut socket = connect(&server).await.unwrap();
    let (code, ()) = tokio::join!(ended(&mut socket), server.stop(Duration::ZERO));
    assert_eq!(code, Some(1001));
}
