//! The relay of the server, used by publishers that were made before they knew of it.

use std::time::Duration;

use greenroom_protocol::turn::credential::TimeLimited;
use greenroom_server::{RunningServer, ServeConfig, Server, TurnSecret};
use greenroom_session::peer::{IceServer, MediaPeer, PeerConfig, PeerEvent, PeerRole, WebRtcPeer};

const SECRET: &str = "a secret of these tests alone";

async fn relay() -> (RunningServer, IceServer) {
    let mut config = ServeConfig::local();
    config.turn.secret = Some(TurnSecret::new(SECRET).unwrap());
    let server = Server::start(config).await.unwrap();
    let port = server.turn_ports().unwrap().udp;
    let credentials = TimeLimited::new(SECRET.as_bytes(), "ann", 4_000_000_000);
    let relay = IceServer {
        urls: vec![
            format!("turns:127.0.0.1:{port}?transport=tcp"),
            format!("turn:127.0.0.1:{port}?transport=udp"),
        ],
        username: credentials.username,
        credential: credentials.password,
    };
    (server, relay)
}

#[tokio::test]
async fn a_prepared_offer_gathers_candidates_of_a_relay_it_is_told_of_later() {
    let (_server, relay) = relay().await;
    let config = PeerConfig::new(PeerRole::Publisher, "127.0.0.1");
    let (peer, mut events) = WebRtcPeer::open(&config).await.unwrap();
    let early = peer.offer(false).await.unwrap();
    assert!(!early.contains("typ relay"));
    peer.set_ice_servers(vec![relay], false).await.unwrap();
    let relayed = async {
        loop {
            if let PeerEvent::Candidate(candidate) = events.next().await
                && candidate.contains("typ relay")
            {
                return candidate;
            }
        }
    };
    let candidate = tokio::time::timeout(Duration::from_secs(10), relayed).await;
    println!("{}", candidate.expect("a relayed candidate"));
    // The offer that was made before is the same session still, and now has the candidate too.
    let late = peer.local_description().await.unwrap();
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
        line.map(str::to_owned)
    };
    assert_eq!(ufrag(&early), ufrag(&late));
    assert!(late.contains("typ relay"));
    peer.close().await;
}

#[tokio::test]
async fn where_only_a_relay_is_allowed_no_other_candidate_is_told() {
    let (_server, relay) = relay().await;
    let config = PeerConfig::new(PeerRole::Publisher, "127.0.0.1");
    let (peer, mut events) = WebRtcPeer::open(&config).await.unwrap();
    peer.set_ice_servers(vec![relay], true).await.unwrap();
    let mut told = vec![peer.offer(false).await.unwrap()];
    let all = async {
        loop {
            if let PeerEvent::Candidate(candidate) = events.next().await {
                told.push(candidate);
            }
        }
    };
    // Gathering from this relay takes some milliseconds.
    assert!(
        tokio::time::timeout(Duration::from_secs(1), all)
            .await
            .is_err()
    );
    told.push(peer.local_description().await.unwrap());
    assert!(told.iter().any(|it| it.contains("typ relay")));
    assert!(
        !told
            .iter()
            .any(|it| it.contains("typ host") || it.contains("typ srflx")),
        "{told:?}"
    );
}
