//! Discovery, health, metrics, the page.

use std::time::{SystemTime, UNIX_EPOCH};

use greenroom_protocol::discovery::{DISCOVERY_PATH, Discovery, Preset, SERVICE};
use greenroom_server::{ServeConfig, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::client::{TestClient, server};

async fn get(url: String) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap()
}

#[tokio::test]
async fn discovery_tells_where_and_how_to_measure() {
    let preset = Preset {
        name: "Town hall".into(),
        support_contact: Some("help@example.org".into()),
        targets: vec!["turn:turn.example.org".into()],
        ..Preset::default()
    };
    let config = ServeConfig {
        preset: Some(preset.clone()),
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    let answer = get(server.base_url() + DISCOVERY_PATH).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let document: Discovery = answer.json().await.unwrap();
    assert_eq!(document.service, SERVICE);
    assert_eq!(document.measure.udp_port, server.udp_addr().port());
    assert_eq!(document.measure.websocket_path, "/measure");
    assert_eq!(document.preset, Some(preset));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    assert!((now - document.server_time_unix_ms).abs() < 5000);
}

#[tokio::test]
async fn clients_are_told_the_port_that_a_nat_maps() {
    let config = ServeConfig {
        advertised_udp_port: Some(3480),
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    let document: Discovery = get(server.base_url() + DISCOVERY_PATH)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(document.measure.udp_port, 3480);
}

#[tokio::test]
async fn health_and_page_answer_and_other_paths_do_not() {
    let server = server(|_| {}).await;
    let health = get(server.base_url() + "/health").await;
    assert_eq!(health.status(), 200);
    assert_eq!(health.text().await.unwrap(), r#"{"status":"ok"}"#);
    let page = get(server.base_url() + "/").await.text().await.unwrap();
    let command = format!("greenroom check --server {}", server.base_url());
    assert!(page.contains(&command), "{page}");
    assert_eq!(get(server.base_url() + "/etc/passwd").await.status(), 404);
}

#[tokio::test]
async fn metrics_tell_what_the_responder_did() {
    let server = server(|limits| limits.measure.max_sessions_per_address = 1).await;
    let mut client = TestClient::new(server.udp_addr());
    let session = client.open(1).unwrap();
    client.send_echo(session, 0);
    client.receive();
    assert!(TestClient::new(server.udp_addr()).open(2).is_err());
    client.send(b"garbage");
    get(server.base_url() + "/health").await;
    let answer = get(server.base_url() + "/metrics").await;
    let content_type = &answer.headers()["content-type"];
    assert!(
        content_type
            .as_bytes()
            .starts_with(b"application/openmetrics-text")
    );
    // Figures follow what they count by a moment.
    let all_in = "greenroom_datagrams_total{transport=\"udp\",direction=\"in\"} 6";
    let mut text = answer.text().await.unwrap();
    for _ in 0..100 {
        if text.contains(all_in) {
            break;
        }
        text = get(server.base_url() + "/metrics")
            .await
            .text()
            .await
            .unwrap();
    }
    for line in [
        "greenroom_sessions_open{transport=\"udp\"} 1",
        "greenroom_sessions_opened_total{transport=\"udp\"} 1",
        all_in,
        "greenroom_datagrams_total{transport=\"udp\",direction=\"out\"} 5",
        "greenroom_refused_total{transport=\"udp\",reason=\"address_limit\"} 1",
        "greenroom_ignored_total{transport=\"udp\",reason=\"undecodable\"} 1",
        "greenroom_turnaround_seconds_count 5",
        "greenroom_http_requests_total{route=\"/health\",status=\"200\"} 1",
        "greenroom_connections_open{kind=\"websocket\"} 0",
        "greenroom_build_info{version=",
        "greenroom_uptime_seconds ",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_are_for_this_machine_unless_told_otherwise() {
    let foreign = |url: String| async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).header("x-forwarded-for", "203.0.113.7");
        request.send().await.unwrap().status().as_u16()
    };
    let private = server(|_| {}).await;
    assert_eq!(foreign(private.base_url() + "/metrics").await, 403);
    let public = ServeConfig {
        metrics_public: true,
        ..ServeConfig::local()
    };
    let public = Server::start(public).await.unwrap();
    assert_eq!(foreign(public.base_url() + "/metrics").await, 200);
}

#[tokio::test]
async fn metrics_may_have_a_listener_of_their_own() {
    let config = ServeConfig {
        metrics_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..ServeConfig::local()
    };
    let server = Server::start(config).await.unwrap();
    let own = format!("http://{}", server.metrics_addr().unwrap());
    assert_eq!(get(own.clone() + "/metrics").await.status(), 200);
    assert_eq!(get(own.clone() + "/health").await.status(), 200);
    assert_eq!(get(own + DISCOVERY_PATH).await.status(), 404);
    assert_eq!(get(server.base_url() + "/metrics").await.status(), 404);
}

#[tokio::test]
async fn one_address_holds_no_more_connections_than_its_share() {
    let server = server(|limits| limits.max_connections_per_address = 2).await;
    let address = server.http_addr();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        held.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(matches!(third.read(&mut [0; 16]).await, Ok(0) | Err(_)));
}

/// The clock of this test jumps ahead whenever nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_cut_off() {
    let server = server(|_| {}).await;
    let mut stream = TcpStream::connect(server.http_addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let began = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let took = began.elapsed().as_secs();
    assert!((9..=11).contains(&took), "{took} s");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = server(|_| {}).await;
    let mut stream = TcpStream::connect(server.http_addr()).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(get(server.base_url() + "/health").await.status(), 200);
}
