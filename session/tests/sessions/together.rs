//! What users of a session do with each other.

use std::time::Duration;

use greenroom_protocol::session::message::RefusalCode;
use greenroom_protocol::session::{AudioState, Role};
use greenroom_session::client::{Recipient, SessionError, SessionEvent};

use crate::world::{User, id, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_s134_two_users_see_each_other_the_same_way() {
    let server = start().await;
    let ann = User::join(&server.base_url(), "a", "ann", true).await;
    let bob = User::join(&server.base_url(), "a", "bob", false).await;
    ann.sees(|roster| roster.len() == 2).await;
    bob.client.rename("Robert").await.unwrap();
    for user in [&ann, &bob] {
        user.sees(|roster| roster.get(&id("bob")).unwrap().name.as_deref() == Some("Robert"))
            .await;
    }
    assert_eq!(ann.client.users().digest(), bob.client.users().digest());
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s135_chat_and_commands_reach_all_or_one() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", false).await;
    let mut cid = User::join(&server.base_url(), "a", "cid", false).await;
    ann.sees(|roster| roster.len() == 3).await;
    let chat = |event| match event {
        SessionEvent::Chat(message) => Some(message),
        _ => None,
    };
    let command = |event| match event {
        SessionEvent::Command(message) => Some(message),
        _ => None,
    };
    ann.client
        .send_chat(&Recipient::All, "hello")
        .await
        .unwrap();
    for user in [&mut bob, &mut cid] {
        let message = user.hears(chat).await;
        assert_eq!((message.from, message.text.as_str()), (id("ann"), "hello"));
        assert!(!message.private);
    }
    let to_ann = Recipient::One(id("ann"));
    bob.client.send_chat(&to_ann, "psst").await.unwrap();
    bob.client.send_command(&to_ann, "next page").await.unwrap();
    let message = ann.hears(chat).await;
    assert_eq!((message.from, message.text.as_str()), (id("bob"), "psst"));
    assert!(message.private);
    assert_eq!(ann.hears(command).await.text, "next page");
    // What was for one reached nobody else: what comes next there is the next one to all.
    bob.client.send_chat(&Recipient::All, "bye").await.unwrap();
    assert_eq!(cid.hears(chat).await.text, "bye");
    let nobody = Recipient::One(id("eve"));
    let error = bob.client.send_chat(&nobody, "?").await.unwrap_err();
    assert!(matches!(error, SessionError::UnknownUser { .. }), "{error}");
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s104_s105_mute_and_the_question_to_unmute() {
    let server = start().await;
    let mut ann = User::join(&server.base_url(), "a", "ann", true).await;
    let mut bob = User::join(&server.base_url(), "a", "bob", false).await;
    let audio = |wanted: AudioState| {
        move |roster: &greenroom_protocol::session::Roster| {
            roster
                .get(&id("bob"))
                .is_some_and(|bob| bob.audio == wanted)
        }
    };
    assert!(matches!(
        bob.client.set_own_muted(true),
        Err(SessionError::NoMicrophone { .. })
    ));
    bob.client.announce_microphone(false).await.unwrap();
    ann.sees(audio(AudioState::On)).await;
    ann.client.mute(id("bob")).await.unwrap();
    ann.sees(audio(AudioState::Muted)).await;
    let by = bob
        .hears(|event| match event {
            SessionEvent::MutedBy { by } => Some(by),
            _ => None,
        })
        .await;
    assert_eq!(by, id("ann"));
    ann.client.ask_to_unmute(id("bob")).await.unwrap();
    bob.hears(|event| matches!(event, SessionEvent::UnmuteAsked { .. }).then_some(()))
        .await;
    assert_eq!(bob.client.is_own_muted(), Some(true));
    bob.client.answer_unmute(true).await.unwrap();
    let answer = ann
        .hears(|event| match event {
            SessionEvent::UnmuteAnswered { identity, accepted } => Some((identity, accepted)),
            _ => None,
        })
        .await;
    assert_eq!(answer, (id("bob"), true));
    ann.sees(audio(AudioState::On)).await;
    server.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s103_to_s123_what_a_participant_may_not_do_the_server_refuses() {
    let server = start().await;
    let ann = User::join(&server.base_url(), "a", "ann", true).await;
    let bob = User::join(&server.base_url(), "a", "bob", false).await;
    let code = |outcome: Result<(), SessionError>| match outcome {
        Err(SessionError::Refused { refusal, .. }) => refusal.code,
        other => panic!("{other:?}"),
    };
    let bob = &bob.client;
    let manager = RefusalCode::HostOrManagerRequired;
    assert_eq!(code(bob.rename_user(id("ann"), "x").await), manager);
    assert_eq!(code(bob.mute(id("ann")).await), manager);
    assert_eq!(code(bob.ask_to_unmute(id("ann")).await), manager);
    assert_eq!(code(bob.remove(id("ann")).await), manager);
    assert_eq!(code(bob.lock_share(true).await), manager);
    let host = RefusalCode::HostRequired;
    assert_eq!(code(bob.transfer_host(id("bob")).await), host);
    assert_eq!(code(bob.make_manager(id("bob")).await), host);
    assert_eq!(code(bob.revoke_manager(id("ann")).await), host);
    assert_eq!(code(bob.end(None).await), host);
    let (url, key) = ("rtmp://x/live".to_owned(), "k".to_owned());
    assert_eq!(code(bob.start_live_stream(url, key).await), host);
    assert_eq!(code(bob.stop_live_stream().await), host);
    // The host may, and the list tells.
    ann.client.make_manager(id("bob")).await.unwrap();
    ann.client.lock_share(true).await.unwrap();
    ann.client.transfer_host(id("bob")).await.unwrap();
    ann.sees(|roster| {
        let role = |who| roster.get(&id(who)).map(|user| user.role);
        roster.share_locked() && role("bob") == Some(Role::Host)
    })
    .await;
    ann.client.reclaim_host().await.unwrap();
    ann.sees(|roster| roster.get(&id("ann")).unwrap().role == Role::Host)
        .await;
    server.stop(Duration::ZERO).await;
}
