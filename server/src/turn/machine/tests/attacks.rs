//! What strangers try.

use std::time::Duration;

use proptest::prelude::*;
use stun_types::attribute::Nonce;
use stun_types::message::{Message, MessageWrite as _, MessageWriteVec};
use turn_types::message::ALLOCATE;

use super::harness::*;
use crate::turn::machine::{
    counters::Dropped,
    relay::{Handled, PortId, Transport},
};

#[test]
fn forged_integrity_gets_nothing() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let genuine = caller.allocate_request();
    for at in 20..genuine.len() {
        let mut forged = genuine.clone();
        forged[at] ^= 1;
        if world.send(&caller.client, &forged) == Handled::Reply {
            assert_ne!(code_of(&world.reply), 0, "byte {at}");
        }
    }
    caller.credentials.password.push('x');
    let request = caller.allocate_request();
    assert_eq!(world.code(&caller.client, &request), 401);
    assert_eq!(world.relay.n_allocations(), 0);
    assert!(world.relay.counters().authentication_failed > 0);
    assert!(world.ports.open.is_empty());
}

#[test]
fn a_nonce_of_another_address_or_another_time_is_stale() {
    let mut world = World::new();
    let mut caller = Caller::named("192.0.2.7:4000", "alice");
    caller.credentials =
        greenroom_protocol::turn::credential::TimeLimited::new(SECRET, "alice", BEGAN + 9000);
    caller.challenge(&mut world);
    let mut thief = caller.clone();
    thief.client.address = address("192.0.2.66:4000");
    let replayed = caller.allocate_request();
    assert_eq!(world.code(&thief.client, &replayed), 438);
    world.pass(Duration::from_secs(601));
    assert_eq!(world.code(&caller.client, &replayed), 438);
    // What is told then serves.
    let answer = Message::from_bytes(&world.reply).unwrap();
    caller.nonce = answer.attribute::<Nonce>().unwrap().nonce().to_owned();
    let request = caller.allocate_request();
    assert_eq!(world.code(&caller.client, &request), 0);
}

#[test]
fn answers_to_strangers_are_small_and_rationed() {
    let mut world = World::new();
    let caller = Caller::new("192.0.2.7:4000");
    let empty = Message::builder_request(ALLOCATE, MessageWriteVec::new()).finish();
    let mut n_answers = 0;
    let mut n_bytes = 0;
    for _ in 0..10_000 {
        for request in [&empty, &binding_request()] {
            if world.send(&caller.client, request) == Handled::Reply {
                n_answers += 1;
                n_bytes += world.reply.len();
            }
        }
    }
    assert_eq!(n_answers, 200);
    // Both requests have 20 bytes: with headers of IP and UDP, 48.
    let amplified = (n_bytes + 28 * n_answers) as f64 / (20_000.0 * 48.0);
    assert!(amplified < 0.02, "{amplified}");
    let largest = {
        world.pass(Duration::from_secs(60));
        world.code(&caller.client, &empty);
        world.reply.len()
    };
    assert!(largest <= 64, "{largest}");
    // Others are not concerned.
    assert_eq!(world.code(&Caller::new("192.0.2.8:1").client, &empty), 401);
}

#[test]
fn a_storm_from_one_address_or_of_one_user_ends_at_its_quota() {
    let mut world = World::new();
    let mut codes = Vec::new();
    for port in 1..=6 {
        let mut caller = Caller::named(&format!("192.0.2.7:{port}"), &format!("u{port}"));
        caller.challenge(&mut world);
        let request = caller.allocate_request();
        codes.push(world.code(&caller.client, &request));
    }
    assert_eq!(codes, [0, 0, 0, 486, 486, 486]);
    let mut codes = Vec::new();
    for n in 1..=4 {
        let mut caller = Caller::named(&format!("192.0.3.{n}:1"), "one");
        caller.challenge(&mut world);
        let request = caller.allocate_request();
        codes.push(world.code(&caller.client, &request));
    }
    assert_eq!(codes, [0, 0, 486, 486]);
    assert_eq!(world.ports.open.len(), 5);
}

#[test]
fn a_storm_from_everywhere_leaves_room_for_the_operators_users() {
    let mut world = World::new();
    for n in 0..100 {
        let mut caller = Caller::named(&format!("192.0.2.{n}:1"), &format!("public-{n}"));
        caller.challenge(&mut world);
        let request = caller.allocate_request();
        let code = world.code(&caller.client, &request);
        assert_eq!(code, if n < 4 { 0 } else { 508 });
    }
    let mut alice = Caller::new("192.0.3.1:1");
    alice.allocate(&mut world);
    assert_eq!(world.relay.counters().n_refused(508), 96);
}

#[test]
fn data_without_allocation_channel_or_permission_goes_nowhere() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    let peer = address("8.8.8.8:5000");
    let channel = channel_data(0x4001, b"x");
    let indication = send_indication(peer, b"x");
    assert_eq!(world.send(&caller.client, &channel), Handled::Silent);
    assert_eq!(world.send(&caller.client, &indication), Handled::Silent);
    caller.allocate(&mut world);
    assert_eq!(world.send(&caller.client, &channel), Handled::Silent);
    assert_eq!(world.send(&caller.client, &indication), Handled::Silent);
    let heard = world
        .relay
        .handle_peer(world.monotonic(), PortId(0), peer, 1);
    assert_eq!(heard, None);
    let counters = world.relay.counters();
    assert_eq!(counters.n_dropped(Dropped::NoAllocation), 2);
    assert_eq!(counters.n_dropped(Dropped::UnboundChannel), 1);
    assert_eq!(counters.n_dropped(Dropped::NoPermission), 2);
    assert_eq!(counters.to_peers.packets, 0);
    // A peer learns nothing of a socket that is closed.
    let heard = world
        .relay
        .handle_peer(world.monotonic(), PortId(77), peer, 1);
    assert_eq!(heard, None);
}

#[test]
fn one_allocation_carries_no_more_than_its_rate() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    let peer = address("8.8.8.8:5000");
    assert_eq!(caller.bind(&mut world, 0x4001, peer), 0);
    // 8 Mbit/s is a million bytes a second; a quarter of them at once.
    let packet = channel_data(0x4001, &[0; 1000]);
    let mut n_bytes = 0;
    for _ in 0..10 {
        for _ in 0..1000 {
            if matches!(world.send(&caller.client, &packet), Handled::Forward(_)) {
                n_bytes += 1000;
            }
        }
        world.pass(Duration::from_millis(100));
    }
    assert!((1_100_000..=1_250_000).contains(&n_bytes), "{n_bytes}");
}

#[test]
fn cut_off_and_crooked_messages_are_dropped() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let request = caller.allocate_request();
    for n in 0..request.len() {
        assert_eq!(world.send(&caller.client, &request[..n]), Handled::Silent);
    }
    let mut longer = request.clone();
    longer.extend([0; 4]);
    assert_eq!(world.send(&caller.client, &longer), Handled::Silent);
    let mut channel = channel_data(0x4000, b"abc");
    channel[3] = 200;
    assert_eq!(world.send(&caller.client, &channel), Handled::Silent);
    for bytes in [&b""[..], &[0xFF; 100], &[0x40], &[0; 20], &[0x80, 0, 0, 0]] {
        assert_eq!(world.send(&caller.client, bytes), Handled::Silent);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        damage in prop::collection::vec((0..160_usize, any::<u8>()), 0..6),
        stream: bool,
    ) {
        let mut world = World::new();
        let mut caller = Caller::new("192.0.2.7:4000");
        if stream {
            caller.client.transport = Transport::Tcp;
        }
        caller.allocate(&mut world);
        assert_eq!(caller.bind(&mut world, 0x4001, address("8.8.8.8:1")), 0);
        world.send(&caller.client, &bytes);
        let peer = address("8.8.8.8:1");
        for mut message in [
            caller.allocate_request(),
            send_indication(peer, b"hello"),
            channel_data(0x4001, b"hello"),
        ] {
            for (at, value) in &damage {
                if let Some(byte) = message.get_mut(*at) {
                    *byte = *value;
                }
            }
            if let Handled::Forward(forward) = world.send(&caller.client, &message) {
                prop_assert!(message.get(forward.payload).is_some());
            }
        }
    }
}
