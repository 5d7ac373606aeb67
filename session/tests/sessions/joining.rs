//! Before a session, and into it.

use std::time::Duration;

use greenroom_protocol::session::Role;
use greenroom_protocol::session::message::RefusalCode;
use greenroom_session::client::{
    Client, InitNotice, InitOptions, JoinOptions, Recipient, SessionError, SessionState,
};

use crate::world::{User, at, id, join_options, start, start_with};

fn code(error: SessionError) -> RefusalCode {
    match error {
        SessionError::Refused { refusal, .. } => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s7_s41_s44_s53_before_its_stage_everything_fails_with_a_typed_error() {
    let server = start().await;
    let client = Client::new();
    assert_eq!(client.state(), SessionState::Idle);
    let early = client.join(join_options("a", "ann", true)).await;
    assert!(matches!(early, Err(SessionError::NotInitialized { .. })));
    client.init(at(&server.base_url())).await.unwrap();
    assert_eq!(client.state(), SessionState::Initialized);
    let chat = client.send_chat(&Recipient::All, "hi").await;
    assert!(matches!(chat, Err(SessionError::NotJoined { .. })));
    assert!(matches!(
        client.lock_share(true).await,
        Err(SessionError::NotJoined { .. })
    ));
    assert!(matches!(
        client.leave().await,
        Err(SessionError::NotJoined { .. })
    ));
    assert!(matches!(
        client.start_video(),
        Err(SessionError::NotJoined { .. })
    ));
    assert!(client.users().is_empty() && client.me().is_none());
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s54_a_join_while_init_is_under_way_is_refused_at_once() {
    // Takes connections and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new();
    tokio::select! {
        biased;
        report = client.init(at(&endpoint)) => panic!("{report:?}"),
        joined = client.join(join_options("a", "ann", true)) => {
            assert!(matches!(joined, Err(SessionError::NotInitialized { .. })));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_a_server_that_is_not_there_is_told_by_init() {
    let client = Client::new();
    let error = client.init(at("http://127.0.0.1:9")).await.unwrap_err();
    assert!(matches!(error, SessionError::Control(_)), "{error:?}");
    let error = client.init(at("ftp://host")).await.unwrap_err();
    assert!(matches!(error, SessionError::Endpoint(_)), "{error:?}");
    assert_eq!(client.state(), SessionState::Idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_wishes_that_are_not_met_are_told() {
    let server = start().await;
    let options = InitOptions {
        language: Some("de".to_owned()),
        ..at(&server.base_url())
    };
    let report = Client::new().init(options).await.unwrap();
    assert_eq!(report.notices, [InitNotice::Language("de".to_owned())]);
    assert!(!report.server_version.is_empty());
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_s6_s45_joined_is_admitted_and_connected_and_a_second_join_is_refused() {
    let server = start().await;
    let ann = User::join(&server.base_url(), "Stand-Up", "ann", true).await;
    assert_eq!(ann.client.state(), SessionState::Joined);
    let me = ann.client.me().unwrap();
    assert_eq!((me.identity, me.role), (id("ann"), Role::Host));
    let again = ann.client.join(join_options("other", "ann", true)).await;
    assert!(matches!(again, Err(SessionError::DuplicateJoin)));
    assert!(matches!(
        ann.client.init(at(&server.base_url())).await,
        Err(SessionError::DuplicateJoin)
    ));
    assert!(matches!(
        ann.client.start_share(),
        Err(SessionError::NotSupportedYet { .. })
    ));
    // Another client of this process is in another session.
    let bob = User::join(&server.base_url(), "other", "bob", true).await;
    assert_eq!(ann.client.users().len(), 1);
    assert_eq!(bob.client.users().len(), 1);
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s48_s52_a_refusal_says_why_and_the_client_may_try_again() {
    let server = start().await;
    let with = |user: &str, passcode: Option<&str>| JoinOptions {
        passcode: passcode.map(str::to_owned),
        ..join_options("a", user, false)
    };
    let ann = User::ready(&server.base_url()).await;
    let other = JoinOptions {
        topic: "b".to_owned(),
        ..with("ann", None)
    };
    let error = ann.client.join(other).await.unwrap_err();
    assert_eq!(code(error), RefusalCode::TopicMismatch);
    assert_eq!(ann.client.state(), SessionState::Failed);
    ann.client.join(with("ann", Some("sesame"))).await.unwrap();
    let bob = User::ready(&server.base_url()).await;
    for passcode in [None, Some("simsim")] {
        let error = bob.client.join(with("bob", passcode)).await.unwrap_err();
        assert_eq!(code(error), RefusalCode::WrongPasscode);
    }
    bob.client.join(with("bob", Some("sesame"))).await.unwrap();
    bob.sees(|roster| roster.len() == 2).await;
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s63_of_two_hosts_at_once_one_becomes_host() {
    let server = start().await;
    let url = server.base_url();
    let (ann, bob) = tokio::join!(
        User::join(&url, "a", "ann", true),
        User::join(&url, "a", "bob", true),
    );
    ann.sees(|roster| roster.len() == 2).await;
    let mut roles = [ann.client.me(), bob.client.me()].map(|me| me.unwrap().role);
    roles.sort();
    assert_eq!(roles, [Role::Manager, Role::Host]);
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_a_session_that_is_full_says_so() {
    let server = start_with(|config| config.session.max_users_per_session = 1).await;
    let _ann = User::join(&server.base_url(), "a", "ann", true).await;
    let bob = User::ready(&server.base_url()).await;
    let error = bob.client.join(join_options("a", "bob", false)).await;
    assert_eq!(code(error.unwrap_err()), RefusalCode::CapacityExceeded);
    server.stop(Duration::ZERO).await;
}
