//! Start, graceful stop, drop.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use greenroom_protocol::measure::wire::Message;
use greenroom_server::{ServeConfig, ServeError, Server, config::UdpPort};

use super::client::{TestClient, server};

fn assert_free(http: SocketAddr, udp: SocketAddr) {
    UdpSocket::bind(udp).unwrap();
    let config = ServeConfig {
        listen: http,
        ..ServeConfig::local()
    };
    // As the server binds, since closed connections may still mention the port.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { drop(Server::start(config).await.unwrap()) });
}

#[tokio::test]
async fn both_ports_have_the_same_number_unless_told_otherwise() {
    let config = ServeConfig {
        udp_port: UdpPort::SameAsHttp,
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    assert_eq!(server.http_addr().port(), server.udp_addr().port());
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = ServeConfig {
        listen: address,
        ..ServeConfig::local()
    };
    let error = Server::start(config).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }));
    let expected = format!(
        "cannot listen on TCP {address}; another program holds it: stop that program or choose another port"
    );
    assert_eq!(error.to_string(), expected);

    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = ServeConfig {
        udp_port: UdpPort::Fixed(taken.local_addr().unwrap().port()),
        ..ServeConfig::local()
    };
    let error = Server::start(config).await.unwrap_err().to_string();
    let expected = format!("cannot listen on UDP {}", taken.local_addr().unwrap());
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn stopping_lets_sessions_end_and_sends_new_clients_away() {
    let server = server(|_| {}).await;
    let (http, udp) = (server.http_addr(), server.udp_addr());
    let base = server.base_url();
    let mut client = TestClient::new(udp);
    let session = client.open(1).unwrap();
    let began = Instant::now();
    let stopping = tokio::spawn(server.stop(Duration::from_secs(20)));
    let web = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = || async {
        let answer = web.get(base.clone() + "/health").send().await.unwrap();
        answer.status().as_u16()
    };
    while status().await != 503 {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    client.send_echo(session, 0);
    assert!(matches!(client.receive_message(), Message::EchoReply(_)));
    client.send_message(&Message::Close { session }, 64);
    assert!(matches!(client.receive_message(), Message::Closed { .. }));
    stopping.await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    tokio::task::spawn_blocking(move || assert_free(http, udp))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_grace_is_the_longest_wait() {
    let server = server(|_| {}).await;
    let (http, udp) = (server.http_addr(), server.udp_addr());
    TestClient::new(udp).open(1).unwrap();
    let began = Instant::now();
    server.stop(Duration::from_millis(300)).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(2),
        "{took:?}"
    );
    tokio::task::spawn_blocking(move || assert_free(http, udp))
        .await
        .unwrap();
}

#[test]
fn dropping_the_server_frees_its_ports() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (http, udp) = runtime.block_on(async {
        let server = server(|_| {}).await;
        let (http, udp) = (server.http_addr(), server.udp_addr());
        drop(server);
        UdpSocket::bind(udp).unwrap();
        (http, udp)
    });
    drop(runtime);
    assert_free(http, udp);
}

#[tokio::test]
async fn a_running_server_does_not_end_by_itself() {
    let mut server = Server::start_local().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_millis(100), server.wait()).await;
    assert!(ended.is_err());
    server.stop(Duration::ZERO).await;
}
