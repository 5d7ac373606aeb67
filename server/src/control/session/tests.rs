//! The behavior contract of sessions, in virtual time.

use greenroom_protocol::session::message::{Action, Change, Notice, Refusal, RefusalCode};
use greenroom_protocol::session::{
    AudioState, ConnectionState, EndReason, Identity, IdleTimeout, LeaveReason, Passcode, Role,
    Roster, UserName,
};
use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    max_users: 5,
    reservation_ms: 15_000,
    silence_ms: 4_000,
    removed_after_ms: 30_000,
};

/// A session with a clock, and one who reads along from its beginning.
struct Scene {
    session: Session,
    now: Millis,
    roster: Roster,
    effects: Vec<Effect>,
    next: u8,
}

impl Scene {
    fn new() -> Self {
        Self {
            session: Session::new("id".to_owned(), "trial/topic".to_owned()),
            now: 0,
            roster: Roster::default(),
            effects: Vec::new(),
            next: 0,
        }
    }

    fn asking(name: &str, may_host: bool) -> Asking {
        Asking {
            identity: Identity::from(name),
            user_key: Some(name.to_owned()),
            token: [0; 32],
            may_host,
            name: UserName::new(name),
            passcode: None,
            idle: None,
            ticket: [0; 32],
        }
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Changed { revision, change } = effect {
                assert_eq!(self.roster.apply(*revision, change), Ok(true));
            }
        }
        self.effects = effects;
    }

    fn admit(&mut self, mut asking: Asking) -> Result<Role, Refusal> {
        let effects = self.session.tick(&RULES, self.now);
        self.follow(effects);
        self.next += 1;
        asking.ticket = [self.next; 32];
        {
            let mut effects = Vec::new();
            let outcome = self.session.admit(asking, &RULES, self.now, &mut effects);
            self.follow(effects);
            outcome
        }
    }

    fn seen(&mut self, name: &str, sid: &str, tracks: &[(TrackSource, bool)]) {
        let track = |(index, (source, muted)): (usize, &(TrackSource, bool))| Track {
            sid: format!("TR_{name}_{index}"),
            source: *source,
            muted: *muted,
        };
        let seen = Seen {
            identity: Identity::from(name),
            sid: sid.to_owned(),
            tracks: tracks.iter().enumerate().map(track).collect(),
        };
        let effects = self.session.seen(seen, self.now);
        self.follow(effects);
    }

    /// Joins by the engine alone, as a LiveKit client does.
    fn join(&mut self, name: &str, may_host: bool) -> Role {
        self.admit(Self::asking(name, may_host)).unwrap();
        self.seen(name, &format!("PA_{name}"), &[]);
        self.role(name)
    }

    /// Joins with a connection of session control.
    fn join_with_control(&mut self, name: &str, connection: u64) -> [u8; 32] {
        self.admit(Self::asking(name, false)).unwrap();
        let ticket = [self.next; 32];
        let effects = self.session.connected(&ticket, connection, self.now);
        self.follow(effects);
        self.seen(name, &format!("PA_{name}"), &[]);
        ticket
    }

    fn act(&mut self, actor: &str, action: Action) -> Result<(), RefusalCode> {
        let actor = Identity::from(actor);
        let outcome = self
            .session
            .act(&actor, action, LiveStreams::NotSupported, self.now);
        let effects = outcome.map_err(|refusal| refusal.code)?;
        self.follow(effects);
        Ok(())
    }

    fn pass(&mut self, ms: Millis) {
        self.now += ms;
        let effects = self.session.tick(&RULES, self.now);
        self.follow(effects);
    }

    fn role(&self, name: &str) -> Role {
        self.user(name).role
    }

    fn user(&self, name: &str) -> greenroom_protocol::session::User {
        self.roster.get(&Identity::from(name)).cloned().unwrap()
    }

    fn is_there(&self, name: &str) -> bool {
        self.roster.get(&Identity::from(name)).is_some()
    }

    fn told(&self, name: &str) -> Vec<Tell> {
        // The ticket of who was told; names are given in order of admission in these tests.
        let ticket = self
            .session
            .members
            .get(&Identity::from(name))
            .map(|one| one.ticket);
        let tells = self.effects.iter().filter_map(|effect| match effect {
            Effect::Tell { ticket: to, tell } if Some(*to) == ticket => Some(tell.clone()),
            _ => None,
        });
        tells.collect()
    }

    fn commands(&self) -> Vec<Command> {
        let commands = self.effects.iter().filter_map(|effect| match effect {
            Effect::Engine(command) => Some(command.clone()),
            _ => None,
        });
        commands.collect()
    }
}

/// Why the session ended for all, by these effects.
fn end_of(effects: &[Effect]) -> Option<(EndReason, Option<String>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::EndedForAll { reason, text, .. } => Some((*reason, text.clone())),
        _ => None,
    })
}

fn id(name: &str) -> Identity {
    Identity::from(name)
}

#[test]
fn s47_a_session_begins_when_its_first_user_joins() {
    let mut scene = Scene::new();
    scene.admit(Scene::asking("ann", false)).unwrap();
    assert!(scene.roster.is_empty());
    scene.seen("ann", "PA_1", &[]);
    assert_eq!(scene.roster.len(), 1);
    assert_eq!(scene.user("ann").joined_unix_ms, 0);
}

#[test]
fn s49_s62_s64_the_token_makes_host_or_participant() {
    let mut scene = Scene::new();
    assert_eq!(scene.join("part", false), Role::Participant);
    assert_eq!(scene.join("host", true), Role::Host);
}

#[test]
fn s63_first_host_token_is_host_later_ones_are_managers() {
    let mut scene = Scene::new();
    assert_eq!(scene.admit(Scene::asking("ann", true)), Ok(Role::Host));
    assert_eq!(scene.admit(Scene::asking("bob", true)), Ok(Role::Manager));
    // Whoever has the place is host, also when the other one is faster.
    scene.seen("bob", "PA_b", &[]);
    scene.seen("ann", "PA_a", &[]);
    assert_eq!(scene.role("ann"), Role::Host);
    assert_eq!(scene.role("bob"), Role::Manager);
}

#[test]
fn s63_nobody_is_a_ghost_host() {
    let mut scene = Scene::new();
    scene.admit(Scene::asking("ghost", true)).unwrap();
    scene.join("bob", true);
    assert_eq!(scene.role("bob"), Role::Manager);
    scene.pass(14_999);
    assert_eq!(scene.role("bob"), Role::Manager);
    scene.pass(1);
    assert_eq!(scene.role("bob"), Role::Host);
    // The ghost comes after all: they are nobody.
    scene.seen("ghost", "PA_g", &[]);
    assert!(!scene.is_there("ghost"));
    assert_eq!(
        scene.commands(),
        [Command::Remove {
            identity: id("ghost")
        }]
    );
}

#[test]
fn s4_the_session_is_full() {
    let mut scene = Scene::new();
    for name in ["a", "b", "c", "d", "e"] {
        scene.join(name, false);
    }
    let refusal = scene.admit(Scene::asking("f", false)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::CapacityExceeded);
    // Who is there may come anew.
    scene.admit(Scene::asking("a", false)).unwrap();
    scene.act("b", Action::Leave).unwrap();
    scene.admit(Scene::asking("f", false)).unwrap();
}

#[test]
fn s50_to_s52_who_begins_sets_the_passcode_and_everyone_else_needs_it() {
    let with = |name, passcode: Option<&str>| Asking {
        passcode: passcode.map(|text| Passcode::new(text).unwrap()),
        ..Scene::asking(name, true)
    };
    let mut scene = Scene::new();
    scene.admit(with("ann", Some("secret"))).unwrap();
    scene.seen("ann", "PA_1", &[]);
    for wrong in [None, Some("Secret"), Some("secret "), Some("s")] {
        let refusal = scene.admit(with("bob", wrong)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::WrongPasscode);
    }
    scene.admit(with("bob", Some("secret"))).unwrap();
    // Without one, a passcode that somebody gives is of no account.
    let mut open = Scene::new();
    open.join("ann", true);
    open.admit(with("bob", Some("anything"))).unwrap();
}

#[test]
fn s52_who_really_begins_sets_the_passcode_also_for_those_who_have_places() {
    let with = |name, passcode: Option<&str>| Asking {
        passcode: passcode.map(|text| Passcode::new(text).unwrap()),
        ..Scene::asking(name, true)
    };
    let mut scene = Scene::new();
    // Neither comes: what they gave binds nobody.
    scene.admit(with("ann", Some("ann's"))).unwrap();
    scene.admit(with("eve", None)).unwrap();
    scene.pass(15_000);
    assert!(scene.session.is_over());

    let mut scene = Scene::new();
    scene.admit(with("eve", None)).unwrap();
    let eve = [scene.next; 32];
    scene.admit(with("ann", Some("secret"))).unwrap();
    scene.admit(with("bob", Some("secret"))).unwrap();
    scene.seen("ann", "PA_a", &[]);
    let refused = scene.effects.iter().any(|effect| {
        matches!(effect, Effect::Tell { ticket, tell: Tell::Refused(refusal) }
            if *ticket == eve && refusal.code == RefusalCode::WrongPasscode)
    });
    assert!(refused, "{:?}", scene.effects);
    scene.seen("eve", "PA_e", &[]);
    assert!(!scene.is_there("eve"));
    scene.seen("bob", "PA_b", &[]);
    assert!(scene.is_there("bob"));
    assert!(scene.admit(with("cid", None)).is_err());
}

#[test]
fn s108_a_removed_guest_has_no_second_place_and_no_second_self() {
    let guest = |name| Asking {
        user_key: None,
        token: [7; 32],
        ..Scene::asking(name, false)
    };
    let mut scene = Scene::new();
    scene.join("host", true);
    for name in ["guest:1", "guest:2"] {
        scene.admit(guest(name)).unwrap();
        scene.seen(name, "PA", &[]);
    }
    scene.admit(guest("guest:3")).unwrap();
    let third = [scene.next; 32];
    let identity = id("guest:1");
    scene.act("host", Action::Remove { identity }).unwrap();
    assert!(!scene.is_there("guest:1") && !scene.is_there("guest:2"));
    assert!(scene.effects.contains(&Effect::Tell {
        ticket: third,
        tell: Tell::Ended(EndReason::Removed)
    }));
    scene.seen("guest:3", "PA_3", &[]);
    assert!(!scene.is_there("guest:3") && scene.is_there("host"));
}

#[test]
fn s109_a_place_does_not_bring_a_revoked_role_back() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let identity = id("part");
    scene.act("host", Action::MakeManager { identity }).unwrap();
    assert_eq!(scene.admit(Scene::asking("part", false)), Ok(Role::Manager));
    let identity = id("part");
    scene
        .act("host", Action::RevokeManager { identity })
        .unwrap();
    scene.act("part", Action::Leave).unwrap();
    scene.seen("part", "PA_again", &[]);
    assert_eq!(scene.role("part"), Role::Participant);
}

#[test]
fn s13_who_has_a_place_is_told_when_it_is_gone() {
    let mut scene = Scene::new();
    scene.join("ann", false);
    scene.admit(Scene::asking("bob", false)).unwrap();
    let first = [scene.next; 32];
    scene.admit(Scene::asking("bob", false)).unwrap();
    let second = [scene.next; 32];
    assert!(scene.effects.contains(&Effect::Tell {
        ticket: first,
        tell: Tell::Ended(EndReason::DuplicateIdentity)
    }));
    scene.pass(15_000);
    assert!(scene.effects.contains(&Effect::Tell {
        ticket: second,
        tell: Tell::Ended(EndReason::ConnectionLost)
    }));
}

#[test]
fn s111_a_token_of_before_the_lock_does_not_pass_it() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.admit(Scene::asking("part", false)).unwrap();
    scene
        .act("host", Action::LockShare { locked: true })
        .unwrap();
    scene.seen("part", "PA_1", &[]);
    let locked = Command::SetRole {
        identity: id("part"),
        role: Role::Participant,
        may_share: false,
    };
    assert_eq!(scene.commands(), std::slice::from_ref(&locked));
    // Nor one with which the user comes anew.
    scene.seen("part", "PA_2", &[]);
    assert!(scene.commands().contains(&locked));
}

#[test]
fn s12_a_room_that_the_engine_closes_ends_no_session() {
    let mut scene = Scene::new();
    scene.join_with_control("ann", 1);
    let effects = scene.session.room_closed(scene.now);
    scene.follow(effects);
    assert!(!scene.session.is_over());
    assert_eq!(scene.user("ann").connection, ConnectionState::Reconnecting);
    scene.seen("ann", "PA_2", &[]);
    assert_eq!(scene.user("ann").connection, ConnectionState::Connected);
}

#[test]
fn s82_to_s87_one_user_alone_ends_the_session() {
    let minutes = |n: Millis| n * 60_000;
    let mut scene = Scene::new();
    scene.join("part", false);
    scene.pass(minutes(40) - 1);
    assert!(!scene.session.is_over());
    scene.pass(1);
    assert!(scene.session.is_over());
    assert_eq!(end_of(&scene.effects), Some((EndReason::IdleTimeout, None)));
}

#[test]
fn s85_s86_the_custom_value_counts_only_while_the_host_is_alone() {
    let minutes = |n: Millis| n * 60_000;
    let mut host = Scene::asking("host", true);
    host.idle = Some(IdleTimeout::from_minutes(5).unwrap());
    let mut scene = Scene::new();
    scene.admit(host.clone()).unwrap();
    scene.seen("host", "PA_h", &[]);
    scene.pass(minutes(5) - 1);
    // A second user resets it.
    scene.join("part", false);
    scene.pass(minutes(60));
    assert!(!scene.session.is_over());
    // Another sole user gets the default.
    scene.act("host", Action::Leave).unwrap();
    scene.pass(minutes(39));
    assert!(!scene.session.is_over());
    scene.pass(minutes(1));
    assert!(scene.session.is_over());

    let mut alone = Scene::new();
    alone.admit(host).unwrap();
    alone.seen("host", "PA_h", &[]);
    alone.pass(minutes(5));
    assert!(alone.session.is_over());
}

#[test]
fn s88_s89_leave_is_for_oneself_and_the_last_one_ends_the_session() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    scene.act("part", Action::Leave).unwrap();
    assert!(scene.is_there("host") && !scene.is_there("part"));
    assert!(scene.effects.contains(&Effect::Changed {
        revision: 3,
        change: Change::UserLeft {
            identity: id("part"),
            reason: LeaveReason::Left
        }
    }));
    scene.act("host", Action::Leave).unwrap();
    assert!(scene.session.is_over());
    assert!(scene.commands().contains(&Command::Close));
}

#[test]
fn s90_to_s92_end_is_for_all_with_the_hosts_words() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let text = Some("x".repeat(600));
    let end = Action::End { text };
    assert_eq!(
        scene.act("part", end.clone()),
        Err(RefusalCode::HostRequired)
    );
    scene.act("host", end).unwrap();
    assert!(scene.session.is_over());
    let Some((EndReason::EndedByHost, Some(text))) = end_of(&scene.effects) else {
        panic!("{:?}", scene.effects)
    };
    assert_eq!(text.len(), 500);
}

/// The table: an action, and what a manager and a participant are told who ask for it.
fn table_of_roles() -> Vec<(Action, Option<RefusalCode>, Option<RefusalCode>)> {
    use RefusalCode::{HostOrManagerRequired as Manager, HostRequired as Host};
    let of = |name: &str| id(name);
    vec![
        (
            Action::Rename {
                identity: None,
                name: UserName::new("me"),
            },
            None,
            None,
        ),
        (
            Action::Rename {
                identity: Some(of("other")),
                name: UserName::new("x"),
            },
            None,
            Some(Manager),
        ),
        (
            Action::Mute {
                identity: of("other"),
            },
            None,
            Some(Manager),
        ),
        (
            Action::Remove {
                identity: of("other"),
            },
            None,
            Some(Manager),
        ),
        (Action::LockShare { locked: true }, None, Some(Manager)),
        (
            Action::TransferHost {
                identity: of("other"),
            },
            Some(Host),
            Some(Host),
        ),
        (
            Action::MakeManager {
                identity: of("other"),
            },
            Some(Host),
            Some(Host),
        ),
        (
            Action::RevokeManager {
                identity: of("manager"),
            },
            Some(Host),
            Some(Host),
        ),
        (
            Action::StartLiveStream {
                url: String::new(),
                key: String::new(),
            },
            Some(Host),
            Some(Host),
        ),
        (Action::StopLiveStream, Some(Host), Some(Host)),
        (Action::End { text: None }, Some(Host), Some(Host)),
    ]
}

/// Every action of the table, asked for by each role; what is refused changes nothing.
#[test]
fn s101_to_s126_every_row_of_the_table_of_roles() {
    for (action, manager, participant) in table_of_roles() {
        let scene = || {
            let mut scene = Scene::new();
            scene.join("host", true);
            scene.join("manager", true);
            scene.join("part", false);
            scene.join("other", false);
            scene.seen("other", "PA_other", &[(TrackSource::Microphone, false)]);
            scene
        };
        for (actor, expected) in [("manager", manager), ("part", participant)] {
            let mut scene = scene();
            let before = scene.session.snapshot();
            let refused = scene.act(actor, action.clone()).err();
            assert_eq!(refused, expected, "{actor} {action:?}");
            if refused.is_some() {
                assert_eq!(scene.session.snapshot(), before, "{actor} {action:?}");
                assert!(!scene.session.is_over());
            }
        }
        let live = matches!(
            action,
            Action::StartLiveStream { .. } | Action::StopLiveStream
        );
        let expected = live.then_some(RefusalCode::NotSupported);
        assert_eq!(scene().act("host", action.clone()).err(), expected);
        // A removed user, and one who never was there.
        let mut scene = scene();
        scene
            .act(
                "host",
                Action::Remove {
                    identity: id("part"),
                },
            )
            .unwrap();
        for nobody in ["part", "stranger"] {
            let refused = scene.act(nobody, action.clone());
            assert_eq!(refused, Err(RefusalCode::UnknownUser), "{action:?}");
        }
    }
}

#[test]
fn s103_s115_a_renamed_user_is_seen_by_all() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let rename = Action::Rename {
        identity: Some(id("part")),
        name: UserName::new("Part Two"),
    };
    scene.act("host", rename).unwrap();
    assert_eq!(scene.user("part").name, UserName::new("Part Two"));
    assert!(matches!(
        scene.commands().first(),
        Some(Command::Rename { .. })
    ));
}

#[test]
fn s104_s116_mute_is_done_by_the_engine_and_told() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let mute = Action::Mute {
        identity: id("part"),
    };
    assert_eq!(
        scene.act("host", mute.clone()),
        Err(RefusalCode::NotPossible)
    );
    scene.seen("part", "PA_part", &[(TrackSource::Microphone, false)]);
    assert_eq!(scene.user("part").audio, AudioState::On);
    scene.act("host", mute).unwrap();
    assert_eq!(
        scene.commands(),
        [Command::Mute {
            identity: id("part"),
            track: "TR_part_0".to_owned()
        }]
    );
    assert_eq!(
        scene.told("part"),
        [Tell::Notice(Notice::MutedBy { by: id("host") })]
    );
    scene.seen("part", "PA_part", &[(TrackSource::Microphone, true)]);
    assert_eq!(scene.user("part").audio, AudioState::Muted);
}

#[test]
fn s105_s117_unmuting_asks_for_consent() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    scene.seen("part", "PA_part", &[(TrackSource::Microphone, true)]);
    let answer = Action::AnswerUnmute { accepted: true };
    assert_eq!(
        scene.act("part", answer.clone()),
        Err(RefusalCode::NotPossible)
    );
    scene
        .act(
            "host",
            Action::AskToUnmute {
                identity: id("part"),
            },
        )
        .unwrap();
    assert_eq!(
        scene.told("part"),
        [Tell::Notice(Notice::UnmuteAsked { by: id("host") })]
    );
    // Nothing is unmuted without the user.
    assert_eq!(scene.commands(), []);
    assert_eq!(scene.user("part").audio, AudioState::Muted);
    scene.act("part", answer.clone()).unwrap();
    assert_eq!(
        scene.told("host"),
        [Tell::Notice(Notice::UnmuteAnswered {
            identity: id("part"),
            accepted: true
        })]
    );
    assert_eq!(scene.act("part", answer), Err(RefusalCode::NotPossible));
}

#[test]
fn s108_s114_a_removed_user_cannot_come_back_and_the_host_is_never_removed() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("manager", true);
    scene.join("part", false);
    let remove = |name| Action::Remove { identity: id(name) };
    assert_eq!(
        scene.act("manager", remove("host")),
        Err(RefusalCode::HostRequired)
    );
    assert_eq!(
        scene.act("manager", remove("manager")),
        Err(RefusalCode::NotPossible)
    );
    scene.act("manager", remove("part")).unwrap();
    assert!(!scene.is_there("part"));
    assert!(scene.commands().contains(&Command::Remove {
        identity: id("part")
    }));
    let refusal = scene.admit(Scene::asking("part", true)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RemovedFromSession);
    // By an engine token that is still good, the engine lets them in: they are sent away.
    assert!(!scene.session.expects("part"));
    scene.seen("part", "PA_again", &[]);
    assert!(!scene.is_there("part"));
    assert_eq!(
        scene.commands(),
        [Command::Remove {
            identity: id("part")
        }]
    );
}

#[test]
fn s108_a_place_does_not_survive_the_removal() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    // The removed user had asked to join from a second device already.
    scene.admit(Scene::asking("part", false)).unwrap();
    scene
        .act(
            "host",
            Action::Remove {
                identity: id("part"),
            },
        )
        .unwrap();
    scene.seen("part", "PA_second", &[]);
    assert!(!scene.is_there("part"));
}

#[test]
fn s106_s119_transfer_makes_one_host_only() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let transfer = |name| Action::TransferHost { identity: id(name) };
    assert_eq!(
        scene.act("host", transfer("nobody")),
        Err(RefusalCode::UnknownUser)
    );
    assert_eq!(scene.role("host"), Role::Host);
    scene.act("host", transfer("part")).unwrap();
    assert_eq!(scene.role("part"), Role::Host);
    assert_eq!(scene.role("host"), Role::Manager);
    // The original host may take it back, the other steps down to what the token says.
    scene.act("host", Action::ReclaimHost).unwrap();
    assert_eq!(scene.role("host"), Role::Host);
    assert_eq!(scene.role("part"), Role::Participant);
    assert_eq!(
        scene.act("part", Action::ReclaimHost),
        Err(RefusalCode::HostRequired)
    );
}

#[test]
fn s100_when_the_host_leaves_the_longest_present_manager_follows() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    scene.join("late", true);
    scene
        .act(
            "host",
            Action::MakeManager {
                identity: id("part"),
            },
        )
        .unwrap();
    scene.act("host", Action::Leave).unwrap();
    assert_eq!(scene.role("part"), Role::Host);
    assert_eq!(scene.role("late"), Role::Manager);
    // The original host comes back, as manager, and may reclaim.
    assert_eq!(scene.join("host", true), Role::Manager);
    scene.act("host", Action::ReclaimHost).unwrap();
    assert_eq!(scene.role("host"), Role::Host);
}

#[test]
fn s100_without_a_manager_the_session_goes_on_until_a_host_joins() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    scene.act("host", Action::Leave).unwrap();
    assert!(!scene.session.is_over());
    assert_eq!(scene.role("part"), Role::Participant);
    assert_eq!(scene.join("second", true), Role::Host);
}

#[test]
fn s107_s109_managers_are_made_and_revoked() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let make = Action::MakeManager {
        identity: id("part"),
    };
    let revoke = Action::RevokeManager {
        identity: id("part"),
    };
    assert_eq!(
        scene.act("host", revoke.clone()),
        Err(RefusalCode::NotPossible)
    );
    scene.act("host", make).unwrap();
    assert_eq!(scene.role("part"), Role::Manager);
    scene.act("host", revoke).unwrap();
    assert_eq!(scene.role("part"), Role::Participant);
    let of_host = Action::RevokeManager {
        identity: id("host"),
    };
    assert_eq!(scene.act("host", of_host), Err(RefusalCode::NotPossible));
}

#[test]
fn s111_s118_the_lock_stops_a_running_share_of_a_participant_and_says_so() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("manager", true);
    scene.join("part", false);
    scene.seen("part", "PA_part", &[(TrackSource::ScreenShare, false)]);
    scene.seen(
        "manager",
        "PA_manager",
        &[(TrackSource::ScreenShare, false)],
    );
    assert!(scene.user("part").sharing);
    scene
        .act("manager", Action::LockShare { locked: true })
        .unwrap();
    assert!(scene.roster.share_locked());
    assert_eq!(
        scene.told("part"),
        [Tell::Notice(Notice::ShareStopped { by: id("manager") })]
    );
    assert_eq!(
        scene.commands(),
        [
            Command::Mute {
                identity: id("part"),
                track: "TR_part_0".to_owned()
            },
            Command::SetRole {
                identity: id("part"),
                role: Role::Participant,
                may_share: false
            },
        ]
    );
    // One who begins in spite of it is stopped too; managers are not.
    scene.seen("part", "PA_part", &[]);
    scene.seen("part", "PA_part", &[(TrackSource::ScreenShare, false)]);
    assert!(matches!(
        scene.commands().first(),
        Some(Command::Mute { .. })
    ));
    assert!(scene.user("manager").sharing);
    scene
        .act("host", Action::LockShare { locked: false })
        .unwrap();
    assert!(!scene.roster.share_locked());
}

#[test]
fn s95_s96_a_killed_client_is_reconnecting_within_5_s_and_removed_after_30() {
    let mut scene = Scene::new();
    scene.join_with_control("ann", 1);
    scene.join_with_control("bob", 2);
    for _ in 0..10 {
        scene.pass(2_000);
        let effects = scene.session.heard(&id("ann"), 1, scene.now);
        scene.follow(effects);
        if scene.now <= 4_000 {
            let effects = scene.session.heard(&id("bob"), 2, scene.now);
            scene.follow(effects);
        }
        let expected = if scene.now < 8_000 {
            ConnectionState::Connected
        } else {
            ConnectionState::Reconnecting
        };
        assert_eq!(scene.user("bob").connection, expected, "{}", scene.now);
        assert_eq!(scene.user("ann").connection, ConnectionState::Connected);
    }
    // Silent since 4 s, reconnecting since 8 s, removed at 38 s.
    while scene.now < 38_000 {
        assert!(scene.is_there("bob"), "{}", scene.now);
        scene.pass(1_000);
        let effects = scene.session.heard(&id("ann"), 1, scene.now);
        assert_eq!(effects, []);
    }
    assert!(!scene.is_there("bob"));
    assert!(scene.is_there("ann"));
}

#[test]
fn s12_who_comes_back_in_time_is_the_same_user() {
    let mut scene = Scene::new();
    let ticket = scene.join_with_control("ann", 1);
    scene.join_with_control("bob", 2);
    let effects = scene.session.disconnected(&id("ann"), 1, scene.now);
    scene.follow(effects);
    assert_eq!(scene.user("ann").connection, ConnectionState::Reconnecting);
    scene.now += 10_000;
    let effects = scene.session.connected(&ticket, 3, scene.now);
    scene.follow(effects);
    assert_eq!(scene.user("ann").connection, ConnectionState::Connected);
    // What the earlier connection still brings is of no account.
    let effects = scene.session.disconnected(&id("ann"), 1, scene.now);
    assert_eq!(effects, []);
    // The engine loses them and sees them again.
    let effects = scene
        .session
        .gone(&id("ann"), "PA_ann", Gone::Lost, scene.now);
    scene.follow(effects);
    assert_eq!(scene.user("ann").connection, ConnectionState::Reconnecting);
    scene.seen("ann", "PA_new", &[]);
    assert_eq!(scene.user("ann").connection, ConnectionState::Connected);
    let effects = scene
        .session
        .gone(&id("ann"), "PA_ann", Gone::Left, scene.now);
    assert_eq!(effects, []);
}

#[test]
fn s92_the_same_user_from_another_place_replaces_the_first_and_keeps_the_role() {
    let mut scene = Scene::new();
    scene.join("host", true);
    scene.join("part", false);
    let first = scene.session.members[&id("host")].ticket;
    scene.admit(Scene::asking("host", true)).unwrap();
    // Until the second one is really there, the first stays.
    assert!(scene.is_there("host"));
    scene.seen("host", "PA_second", &[]);
    assert!(scene.effects.contains(&Effect::Tell {
        ticket: first,
        tell: Tell::Ended(EndReason::DuplicateIdentity)
    }));
    assert_eq!(scene.role("host"), Role::Host);
    assert_eq!(scene.session.holder(&first), None);
    let effects = scene
        .session
        .gone(&id("host"), "PA_host", Gone::Lost, scene.now);
    assert_eq!(effects, []);
    assert!(scene.is_there("host"));
}

#[test]
fn s134_reconciling_mends_what_was_missed() {
    let mut scene = Scene::new();
    scene.join("ann", false);
    scene.join("bob", false);
    scene.admit(Scene::asking("cid", false)).unwrap();
    let seen = |name: &str, sid: &str| Seen {
        identity: id(name),
        sid: sid.to_owned(),
        tracks: vec![Track {
            sid: "TR".to_owned(),
            source: TrackSource::Camera,
            muted: false,
        }],
    };
    let all = vec![
        seen("ann", "PA_ann"),
        seen("cid", "PA_c"),
        seen("eve", "PA_e"),
    ];
    // Asked before bob and ann were seen, it says nothing of them.
    let effects = scene.session.reconcile(Vec::new(), scene.now, scene.now);
    assert_eq!(effects, []);
    let effects = scene.session.reconcile(all, scene.now + 1, scene.now + 2);
    scene.follow(effects);
    assert!(scene.user("ann").video);
    assert_eq!(scene.user("bob").connection, ConnectionState::Reconnecting);
    assert!(scene.is_there("cid"));
    assert!(!scene.is_there("eve"));
    assert!(scene.commands().contains(&Command::Remove {
        identity: id("eve")
    }));
}

#[test]
fn s92_the_server_stops() {
    let mut scene = Scene::new();
    scene.join("ann", false);
    let effects = scene.session.shut_down();
    assert_eq!(end_of(&effects), Some((EndReason::ServerShutdown, None)));
    assert!(scene.session.is_over());
}

#[derive(Clone, Debug)]
enum Move {
    Admit(u8, bool),
    Seen(u8, u8, bool),
    Gone(u8, u8, bool),
    Act(u8, Action),
    Pass(u16),
    Control(u8, bool),
}

fn any_move() -> impl Strategy<Value = Move> {
    let who = 0_u8..4;
    let whom = || (0_u8..4).prop_map(|n| Identity(n.to_string()));
    let action = prop_oneof![
        whom().prop_map(|identity| Action::Remove { identity }),
        whom().prop_map(|identity| Action::TransferHost { identity }),
        whom().prop_map(|identity| Action::MakeManager { identity }),
        whom().prop_map(|identity| Action::RevokeManager { identity }),
        whom().prop_map(|identity| Action::Mute { identity }),
        any::<bool>().prop_map(|locked| Action::LockShare { locked }),
        Just(Action::ReclaimHost),
        Just(Action::Leave),
    ];
    prop_oneof![
        (who.clone(), any::<bool>()).prop_map(|(n, host)| Move::Admit(n, host)),
        (who.clone(), 0_u8..2, any::<bool>()).prop_map(|(n, sid, on)| Move::Seen(n, sid, on)),
        (who.clone(), 0_u8..2, any::<bool>()).prop_map(|(n, sid, left)| Move::Gone(n, sid, left)),
        (who.clone(), action).prop_map(|(n, action)| Move::Act(n, action)),
        (0_u16..20_000).prop_map(Move::Pass),
        (who, any::<bool>()).prop_map(|(n, open)| Move::Control(n, open)),
    ]
}

proptest! {
    /// S100, S134: whatever happens in whatever order, there is one host at most, and who reads along
    /// ends with the list of the server.
    #[test]
    fn s100_s134_one_host_and_one_list_whatever_happens(moves in prop::collection::vec(any_move(), 1..80)) {
        let mut scene = Scene::new();
        for one in moves {
            match one {
                Move::Admit(n, host) => {
                    let _ = scene.admit(Scene::asking(&n.to_string(), host));
                }
                Move::Seen(n, sid, on) => {
                    scene.seen(&n.to_string(), &format!("PA_{sid}"), &[(TrackSource::ScreenShare, !on)]);
                }
                Move::Gone(n, sid, left) => {
                    let why = if left { Gone::Left } else { Gone::Lost };
                    let effects = scene.session.gone(&Identity(n.to_string()), &format!("PA_{sid}"), why, scene.now);
                    scene.follow(effects);
                }
                Move::Act(n, action) => {
                    let _ = scene.act(&n.to_string(), action);
                }
                Move::Pass(ms) => scene.pass(ms.into()),
                Move::Control(n, open) => {
                    let who = Identity(n.to_string());
                    let ticket = scene.session.members.get(&who).map(|one| one.ticket);
                    let effects = match ticket {
                        Some(ticket) if open => scene.session.connected(&ticket, 7, scene.now),
                        _ => scene.session.disconnected(&who, 7, scene.now),
                    };
                    scene.follow(effects);
                }
            }
            if scene.session.is_over() {
                break;
            }
            let hosts = scene.roster.users().filter(|user| user.role == Role::Host).count();
            prop_assert!(hosts <= 1);
            prop_assert_eq!(Roster::from_snapshot(scene.session.snapshot()), scene.roster.clone());
            // What it is made of survives a store.
            let json = serde_json::to_string(&scene.session);
            prop_assert!(json.is_ok());
        }
    }
}
