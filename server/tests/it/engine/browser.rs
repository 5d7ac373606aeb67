//! Clients that nobody here wrote: LiveKit's own SDK for browsers, in Chromium.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path as Segment, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::Html,
    routing::{get, post},
};
use greenroom_protocol::livekit::{
    grants::Grants,
    proto::{
        DeleteRoomRequest, MuteRoomTrackRequest, RoomParticipantIdentity, UpdateParticipantRequest,
    },
};
use greenroom_server::engine::{Engine, room_service::RoomService as _};
use tokio::{sync::mpsc, time::timeout};

use super::harness::{Served, mint};

/// Longest wait for the browser to start and to tell what it saw.
const BROWSER: Duration = Duration::from_secs(120);
const ROOM: &str = "witness";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn livekits_own_sdk_holds_a_session_in_a_browser() {
    let (told, mut results) = mpsc::channel(1);
    let served = Served::start_with(|_| {}, |engine| page(engine.clone(), told)).await;
    let profile = tempfile::tempdir().unwrap();
    let _browser = Browser::open(&served.url("/"), profile.path());
    let result = timeout(BROWSER, results.recv()).await.unwrap().unwrap();
    let saw: Vec<String> = serde_json::from_str(&result).unwrap();
    assert_eq!(
        saw,
        [
            "joined",
            "data true",
            "data false",
            "data back",
            "signal-reconnect",
            "data after signal-reconnect",
            "data to others after signal-reconnect",
            "full-reconnect",
            "data after full-reconnect",
            "data to others after full-reconnect",
            "renamed",
            "published",
            "muted",
            "removed",
            "ended",
        ]
    );
}

/// The page, and what it asks of session control.
fn page(engine: Engine, told: mpsc::Sender<String>) -> Router {
    let token = |identity| format!("'{}'", mint(Grants::join(ROOM, identity)));
    let page = include_str!("../../../../tests/witness/engine.html")
        .replace("ALICE", &token("alice"))
        .replace("BOB", &token("bob"));
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../witness/livekit-client.umd.js");
    let library = std::fs::read(&library)
        .unwrap_or_else(|error| panic!("{}: {error}; script/witness", library.display()));
    Router::new()
        .route("/", get(|| async { Html(page) }))
        .route(
            "/livekit-client.umd.js",
            get(|| async { ([(CONTENT_TYPE, "text/javascript")], library) }),
        )
        .route(
            "/result",
            post(|body: String| async move { told.send(body).await.unwrap() }),
        )
        .route("/act/{what}", post(act))
        .with_state(engine)
}

async fn act(State(engine): State<Engine>, Segment(what): Segment<String>) -> StatusCode {
    let bob = || RoomParticipantIdentity {
        room: ROOM.to_owned(),
        identity: "bob".to_owned(),
        ..RoomParticipantIdentity::default()
    };
    let done = match what.as_str() {
        "rename" => {
            let request = UpdateParticipantRequest {
                room: ROOM.to_owned(),
                identity: "bob".to_owned(),
                name: "Robert".to_owned(),
                ..UpdateParticipantRequest::default()
            };
            engine.update_participant(request).await.is_ok()
        }
        "mute" => {
            let info = engine.get_participant(bob()).await.unwrap();
            let request = MuteRoomTrackRequest {
                room: ROOM.to_owned(),
                identity: "bob".to_owned(),
                track_sid: info.tracks[0].sid.clone(),
                muted: true,
            };
            engine.mute_published_track(request).await.is_ok()
        }
        "remove" => engine.remove_participant(bob()).await.is_ok(),
        "end" => {
            let request = DeleteRoomRequest {
                room: ROOM.to_owned(),
            };
            engine.delete_room(request).await.is_ok()
        }
        _ => false,
    };
    if done {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CONFLICT
    }
}

/// The browser, ended with the test.
struct Browser(Child);

impl Browser {
    fn open(url: &str, profile: &Path) -> Self {
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--no-first-run"])
            .args(["--no-proxy-server", "--disable-background-networking"])
            .args([
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is of the package chromium");
        Self(child)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
