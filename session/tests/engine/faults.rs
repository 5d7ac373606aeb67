//! What goes wrong, and what is said and left behind then.

use std::error::Error;
use std::time::{Duration, Instant};

use greenroom_protocol::livekit::proto;
use greenroom_session::peer::{
    DataChannelKind, EngineConnection, EngineEvent, JoinOptions, PreparedPublisher,
};
use greenroom_session::signal::EndReason;
use proto::DisconnectReason;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;

use crate::joining::{join, next, packet};
use crate::server::{Engine, Fault, Order};

/// The whole chain of an error, as a person reads it.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

async fn failing(fault: Fault, token: &str) -> (String, Duration) {
    let engine = Engine::start(fault).await;
    let start = Instant::now();
    let options = JoinOptions::default();
    let dialer = Engine::dialer();
    let joining = EngineConnection::join(&dialer, engine.config(token), &options, None);
    let error = joining.await.unwrap_err();
    let text = told(&error);
    assert!(!text.contains("secret"), "{text}");
    (text, start.elapsed())
}

#[tokio::test]
async fn a_refused_token_is_told_in_the_servers_words() {
    let (text, _) = failing(Fault::Refuses(401, "token is expired"), "secret").await;
    assert!(
        text.contains("refuses the token (401: token is expired)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_opens_no_websocket_is_named() {
    let fault = Fault::NoUpgrade;
    let (text, _) = failing(fault, "secret").await;
    assert!(text.contains("was answered with status 500"), "{text}");
}

#[tokio::test]
async fn a_token_with_a_line_break_is_sent_to_nobody() {
    let (text, _) = failing(Fault::None, "secret\r\nx: y").await;
    assert!(text.contains("was it copied whole?"), "{text}");
}

#[tokio::test]
async fn a_silent_server_and_one_that_speaks_otherwise_are_told_apart() {
    let fault = Fault::Silent;
    let (text, waited) = failing(fault, "secret").await;
    assert!(text.contains("sent no JoinResponse within 5 s"), "{text}");
    assert!(waited < Duration::from_secs(7));
    let fault = Fault::First(b"<html>".to_vec());
    let (text, _) = failing(fault, "secret").await;
    assert!(text.contains("does not speak LiveKit's protocol"), "{text}");
}

#[tokio::test]
async fn an_offer_without_a_usable_answer_ends_the_join_in_time() {
    for fault in [Fault::NoAnswer, Fault::Answers("v=0\r\nnonsense")] {
        let (text, waited) = failing(fault, "secret").await;
        assert!(
            text.contains("the server did not answer the offer"),
            "{text}"
        );
        assert!(waited < Duration::from_secs(12), "{waited:?}");
    }
}

#[tokio::test]
async fn a_lost_signalling_connection_is_resumed_and_media_goes_on() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine.order(Order::Drop).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnecting
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnected(None)
    ));
    engine.seen(|seen| {
        assert!(
            seen.opened[1].contains("reconnect=1&sid=PA_1"),
            "{:?}",
            seen.opened
        );
    });
    engine
        .until(|seen| {
            seen.requests
                .iter()
                .any(|it| matches!(it, Request::SyncState(_)))
        })
        .await;
    let offers = |it: &&Request| matches!(it, Request::Offer(_));
    engine.seen(|seen| assert_eq!(seen.requests.iter().filter(offers).count(), 1));
}

#[tokio::test]
async fn a_participant_whom_the_server_forgot_joins_anew() {
    let engine = Engine::start(Fault::Forgets).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine.order(Order::Drop).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnecting
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnected(Some(_))
    ));
    engine.seen(|seen| assert_eq!(seen.opened.len(), 3));
}

#[tokio::test]
async fn a_path_that_is_interrupted_is_told_in_five_seconds_and_restored_with_its_data() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine.order(Order::Subscribe).await;
    let sender = connection.sender();
    let reliable = DataChannelKind::Reliable;
    sender
        .send_data(reliable, packet("before", "bob"))
        .await
        .unwrap();
    assert!(matches!(next(&mut connection).await, EngineEvent::Data(..)));
    engine.order(Order::Deaf(true)).await;
    let start = Instant::now();
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnecting
    ));
    let noticed = start.elapsed();
    engine.until(|seen| seen.opened.len() == 2).await;
    engine.order(Order::Deaf(false)).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnected(None)
    ));
    println!(
        "noticed after {noticed:?}, back after {:?}",
        start.elapsed()
    );
    assert!(noticed < Duration::from_secs(5), "{noticed:?}");
    sender
        .send_data(reliable, packet("after", "bob"))
        .await
        .unwrap();
    let EngineEvent::Data(_, back) = next(&mut connection).await else {
        panic!("the data");
    };
    assert_eq!(*back, packet("after", "bob"));
}

#[tokio::test]
async fn an_engine_that_lost_its_media_is_joined_anew() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine.order(Order::LoseMedia).await;
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnecting
    ));
    assert!(matches!(
        next(&mut connection).await,
        EngineEvent::Reconnected(Some(_))
    ));
    engine.order(Order::Subscribe).await;
    let sender = connection.sender();
    sender
        .send_data(DataChannelKind::Reliable, packet("anew", "bob"))
        .await
        .unwrap();
    assert!(matches!(next(&mut connection).await, EngineEvent::Data(..)));
}

#[tokio::test]
async fn the_server_ends_a_session_with_its_reason() {
    let engine = Engine::start(Fault::None).await;
    let mut connection = join(&engine).await;
    next(&mut connection).await;
    engine
        .say(Response::Leave(proto::LeaveRequest {
            reason: DisconnectReason::RoomDeleted.into(),
            ..Default::default()
        }))
        .await;
    let EngineEvent::Disconnected(reason) = next(&mut connection).await else {
        panic!("the end");
    };
    assert_eq!(reason, EndReason::Server(DisconnectReason::RoomDeleted));
    assert!(connection.next_event().await.is_none());
}

/// Sockets of this process, without those of the runtime itself.
fn sockets() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let socket = |entry: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(entry.ok()?.path()).ok()?;
        target.to_str()?.starts_with("socket:").then_some(())
    };
    descriptors.filter_map(socket).count()
}

/// Tasks of this runtime and sockets of this process.
fn holdings() -> (usize, usize) {
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    (tasks, sockets())
}

async fn until_holdings_are(wanted: (usize, usize)) {
    let waiting = async {
        while holdings() != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(3), waiting).await;
    assert!(end.is_ok(), "{:?} are left of {wanted:?}", holdings());
}

/// Alone in a process of its own, since it counts what the process has.
#[test]
fn dropping_leaves_neither_tasks_nor_sockets() {
    const ALONE: &str = "GREENROOM_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let test = std::env::current_exe().unwrap();
        let status = std::process::Command::new(test)
            .args([
                "faults::dropping_leaves_neither_tasks_nor_sockets",
                "--exact",
                "--nocapture",
            ])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bare = holdings();
        let prepared = PreparedPublisher::prepare("127.0.0.1", true).await.unwrap();
        let held = holdings();
        assert!(held.0 > bare.0 && held.1 > bare.1, "{held:?}");
        drop(prepared);
        until_holdings_are(bare).await;

        let engine = Engine::start(Fault::None).await;
        let mut connection = join(&engine).await;
        next(&mut connection).await;
        engine.order(Order::Subscribe).await;
        engine
            .until(|seen| {
                seen.requests
                    .iter()
                    .any(|it| matches!(it, Request::Answer(_)))
            })
            .await;
        drop(connection);
        engine.until(|seen| seen.connections == 0).await;
        drop(engine);
        until_holdings_are(bare).await;

        // A join that is given up half-way.
        let engine = Engine::start(Fault::NoAnswer).await;
        let giving_up = tokio::time::timeout(Duration::from_millis(300), join(&engine)).await;
        assert!(giving_up.is_err());
        engine.until(|seen| seen.connections == 0).await;
        drop(engine);
        until_holdings_are(bare).await;
    });
}
