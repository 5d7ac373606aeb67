//! Connections that break.

use std::time::Duration;

use greenroom_protocol::session::{LeaveReason, Role};
use greenroom_session::client::{Recipient, SessionEvent, SessionState};

use crate::world::{User, Way, id, start, start_with};

fn state(event: &SessionEvent) -> Option<SessionState> {
    match event {
        SessionEvent::StateChanged { to, .. } => Some(*to),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_s96_cut_connections_are_resumed_as_the_same_user() {
    let server = start().await;
    let way = Way::to(server.http_addr()).await;
    let mut ann = User::join(&way.endpoint, "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", true).await;
    ann.sees(|roster| roster.len() == 2).await;
    assert_eq!(bob.client.me().unwrap().role, Role::Manager);
    for wanted in [
        SessionState::Initialized,
        SessionState::Joining,
        SessionState::Joined,
    ] {
        assert_eq!(ann.hears(|event| state(&event)).await, wanted);
    }
    way.cut();
    assert_eq!(
        ann.hears(|event| state(&event)).await,
        SessionState::Reconnecting
    );
    assert_eq!(ann.hears(|event| state(&event)).await, SessionState::Joined);
    assert_eq!(ann.client.me().unwrap().role, Role::Host);
    bob.sees(|roster| {
        roster.get(&id("ann")).unwrap().connection
            == greenroom_protocol::session::ConnectionState::Connected
    })
    .await;
    // Both connections work: one carries the name, the other the message.
    ann.client.rename("Ann again").await.unwrap();
    ann.client.send_chat(&Recipient::All, "back").await.unwrap();
    let text = bob
        .hears(|event| match event {
            SessionEvent::Chat(message) => Some(message.text),
            SessionEvent::UserLeft { .. } => panic!("ann left"),
            _ => None,
        })
        .await;
    assert_eq!(text, "back");
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s95_s96_a_client_that_vanishes_is_removed_and_told_of() {
    let removed_after = Duration::from_secs(2);
    let server = start_with(|config| config.session.removed_after = removed_after).await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let bob = User::join(&server.base_url(), "a", "bob", false).await;
    ann.sees(|roster| roster.len() == 2).await;
    // Without leave_on_exit: as if the process were killed.
    drop(bob);
    let left = ann
        .hears(|event| match event {
            SessionEvent::UserLeft { identity, reason } => Some((identity, reason)),
            _ => None,
        })
        .await;
    assert_eq!(left, (id("bob"), LeaveReason::ConnectionLost));
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_after_a_restart_of_the_server_a_user_joins_anew() {
    let (before, after) = (start().await, start().await);
    let way = Way::to(before.http_addr()).await;
    let mut ann = User::join(&way.endpoint, "a", "ann", true).await;
    // The one that comes after knows nobody: neither the session nor the ticket.
    way.lead_to(after.http_addr());
    for wanted in [SessionState::Reconnecting, SessionState::Joined] {
        ann.hears(|event| (state(&event) == Some(wanted)).then_some(()))
            .await;
    }
    ann.sees(|roster| roster.get(&id("ann")).is_some()).await;
    assert_eq!(after.sessions().await, (1, 1));
    assert_eq!(ann.client.me().unwrap().role, Role::Host);
    ann.client.rename("Ann again").await.unwrap();
    before.stop(Duration::ZERO).await;
    assert_eq!(ann.client.state(), SessionState::Joined);
    after.stop(Duration::ZERO).await;
}
