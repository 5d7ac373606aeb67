//! Out of a session, by every way.

use std::time::Duration;

use greenroom_protocol::session::message::RefusalCode;
use greenroom_protocol::session::{EndReason, LeaveReason, Role};
use greenroom_session::client::{InitOptions, SessionError, SessionEvent, SessionState};
use tokio::time::timeout;

use crate::world::{PATIENCE, User, at, id, join_options, start};

fn left(event: SessionEvent) -> Option<(greenroom_protocol::session::Identity, LeaveReason)> {
    match event {
        SessionEvent::UserLeft { identity, reason } => Some((identity, reason)),
        _ => None,
    }
}

fn ended(event: SessionEvent) -> Option<(EndReason, Option<String>)> {
    match event {
        SessionEvent::Ended { reason, text } => Some((reason, text)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_s13_s88_who_leaves_is_gone_for_the_others_and_may_come_back() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", false).await;
    ann.sees(|roster| roster.len() == 2).await;
    bob.client.leave().await.unwrap();
    assert_eq!(bob.client.state(), SessionState::Left);
    bob.hears(|event| matches!(event, SessionEvent::Left).then_some(()))
        .await;
    assert_eq!(ann.hears(left).await, (id("bob"), LeaveReason::Left));
    assert_eq!(ann.client.state(), SessionState::Joined);
    // S16: the same object joins anew.
    let options = join_options("a", "bob", false);
    bob.client.join(options).await.unwrap();
    ann.sees(|roster| roster.len() == 2).await;
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s90_s92_the_end_is_told_to_all_with_the_host_s_words() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", false).await;
    ann.sees(|roster| roster.len() == 2).await;
    ann.client.end(Some("Thanks".to_owned())).await.unwrap();
    let end = (EndReason::EndedByHost, Some("Thanks".to_owned()));
    assert_eq!(ann.hears(ended).await, end);
    assert_eq!(bob.hears(ended).await, end);
    assert_eq!(bob.client.state(), SessionState::Ended);
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s108_a_removed_user_cannot_come_back() {
    let server = start().await;
    let ann = User::join(&server.base_url(), "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", false).await;
    ann.client.remove(id("bob")).await.unwrap();
    assert_eq!(bob.hears(ended).await.0, EndReason::Removed);
    let error = bob.client.join(join_options("a", "bob", false)).await;
    match error {
        Err(SessionError::Refused { refusal, .. }) => {
            assert_eq!(refusal.code, RefusalCode::RemovedFromSession);
        }
        other => panic!("{other:?}"),
    }
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s92_who_joins_from_elsewhere_ends_their_first_session() {
    let server = start().await;
    let mut first = User::join(&server.base_url(), "a", "ann", true).await;
    let second = User::join(&server.base_url(), "a", "ann", true).await;
    assert_eq!(first.hears(ended).await.0, EndReason::DuplicateIdentity);
    assert_eq!(second.client.me().unwrap().role, Role::Host);
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s92_a_server_that_stops_says_so() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    server.stop(Duration::ZERO).await;
    assert_eq!(ann.hears(ended).await.0, EndReason::ServerShutdown);
    assert_eq!(ann.client.state(), SessionState::Ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s59_s61_a_client_that_is_dropped_leaves_in_order_when_asked_to() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let bob = User::ready_with(InitOptions {
        leave_on_exit: true,
        ..at(&server.base_url())
    })
    .await;
    bob.client
        .join(join_options("a", "bob", false))
        .await
        .unwrap();
    ann.sees(|roster| roster.len() == 2).await;
    let guard = bob.client.exit_guard();
    drop(bob);
    timeout(PATIENCE, guard.finished()).await.unwrap();
    assert_eq!(ann.hears(left).await, (id("bob"), LeaveReason::Left));
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s88_a_join_that_nobody_waits_for_is_given_up() {
    let server = start().await;
    let ann = User::ready(&server.base_url()).await;
    let join = ann.client.join(join_options("a", "ann", true));
    let _given_up = timeout(Duration::from_millis(1), join).await;
    let settled = async {
        while ann.client.state().is_in_session() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, settled).await.unwrap();
    ann.client
        .join(join_options("a", "ann", true))
        .await
        .unwrap();
    server.stop(Duration::ZERO).await;
}
