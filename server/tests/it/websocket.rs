//! Measuring over the WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use greenroom_protocol::measure::{
    load::wire::{LoadDirection, LoadMessage, LoadReport, LoadStart},
    wire::{Echo, HELLO_BYTES, Message as Wire, OPEN_BYTES, decode, encode},
};
use greenroom_server::RunningServer;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use super::{
    client::server,
    loads::{load, packet, request},
};

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

async fn begin(socket: &mut Socket, start: LoadStart) -> u32 {
    send(socket, &Wire::Load(LoadMessage::Start(start)), 64).await;
    let Wire::Load(LoadMessage::Granted { packets, .. }) = receive(socket).await else {
        panic!("not granted");
    };
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_comes_down_over_the_websocket_with_echoes_beside_it() {
    let server = server(|_| {}).await;
    let mut socket = connect(&server).await.unwrap();
    let session = open(&mut socket).await;
    let start = load(session, 1, LoadDirection::Down, 40_000_000);
    let granted = begin(&mut socket, start).await;
    assert_eq!(granted, 1250);
    let (mut seqs, mut echoes, mut departures) = (Vec::new(), 0, Vec::new());
    while seqs.len() < granted as usize {
        match receive(&mut socket).await {
            Wire::Load(LoadMessage::Packet(packet)) => {
                seqs.push(packet.seq);
                departures.push(packet.departure_ns);
                if packet.seq % 100 == 0 {
                    let echo = Echo {
                        session,
                        seq: packet.seq,
                        departure_ns: 0,
                    };
                    send(&mut socket, &Wire::Echo(echo), 172).await;
                }
            }
            Wire::EchoReply(_) => echoes += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(seqs.iter().copied().eq(0..granted));
    assert!(echoes > 5, "{echoes}");
    let sent = Duration::from_nanos(departures[departures.len() - 1] - departures[0]);
    assert!(
        sent.abs_diff(Duration::from_millis(300)) < Duration::from_millis(100),
        "{sent:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_goes_up_the_websocket_is_reported_exactly() {
    let server = server(|_| {}).await;
    let mut socket = connect(&server).await.unwrap();
    let session = open(&mut socket).await;
    let start = load(session, 1, LoadDirection::Up, 40_000_000);
    let granted = begin(&mut socket, start).await;
    for seq in 0..granted {
        let message = Message::binary(packet(session, 1, seq));
        socket.send(message).await.unwrap();
    }
    send(&mut socket, &request(session, 1, 1200, true), 64).await;
    let last = loop {
        let Wire::Load(LoadMessage::Report(report)) = receive(&mut socket).await else {
            panic!("no report");
        };
        if report.base == 1200 {
            break report;
        }
    };
    let LoadReport {
        received, notes, ..
    } = last;
    assert_eq!((received, last.received_bytes), (1250, 1_500_000));
    assert!(notes.iter().map(|(seq, _)| *seq).eq(1200..1250));
    assert!(last.ended && !last.kernel_stamps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_back_its_load_alone() {
    let server = server(|_| {}).await;
    let mut lazy = connect(&server).await.unwrap();
    let session = open(&mut lazy).await;
    let start = LoadStart {
        packets: 50_000,
        ..load(session, 1, LoadDirection::Down, 200_000_000)
    };
    begin(&mut lazy, start).await;
    // It reads nothing; half a second later its load is stopped.
    tokio::time::sleep(Duration::from_millis(800)).await;
    let mut other = connect(&server).await.unwrap();
    let others = open(&mut other).await;
    let start = load(others, 1, LoadDirection::Down, 10_000_000);
    let granted = begin(&mut other, start).await;
    for _ in 0..granted {
        receive(&mut other).await;
    }
    let url = format!("http://{}/metrics", server.http_addr());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let line = "greenroom_loads_silenced_total{transport=\"websocket\"} 1";
    assert!(text.contains(line), "{text}");
}
