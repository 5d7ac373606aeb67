//! Allocations from their beginning to their end.

use std::time::Duration;

use stun_types::attribute::{Fingerprint, RawAttribute, XorMappedAddress};
use stun_types::message::{Message, MessageWrite as _, MessageWriteExt as _, MessageWriteVec};
use stun_types::prelude::AttributeStaticType as _;
use turn_types::AddressFamily;
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, DontFragment, EvenPort, Lifetime,
    RequestedAddressFamily, RequestedTransport, ReservationToken, XorRelayedAddress,
};
use turn_types::message::ALLOCATE;

use super::harness::*;
use crate::turn::machine::relay::Handled;

#[test]
fn a_binding_request_is_told_its_address() {
    let mut world = World::new();
    let caller = Caller::new("192.0.2.7:4000");
    let mut request =
        Message::builder_request(stun_types::message::BINDING, MessageWriteVec::new());
    request.add_fingerprint().unwrap();
    assert_eq!(world.code(&caller.client, &request.finish()), 0);
    let answer = Message::from_bytes(&world.reply).unwrap();
    let mapped = answer.attribute::<XorMappedAddress>().unwrap();
    assert_eq!(mapped.addr(answer.transaction_id()), caller.client.address);
    assert!(answer.has_attribute(Fingerprint::TYPE));
}

#[test]
fn an_allocation_is_made_refreshed_and_ended() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    let relayed = caller.allocate(&mut world);
    assert_eq!(relayed.ip().to_string(), SERVER);
    let lifetime = |world: &World| {
        let answer = Message::from_bytes(&world.reply).unwrap();
        answer.attribute::<Lifetime>().unwrap().seconds()
    };
    assert_eq!(lifetime(&world), 600);
    assert_eq!(caller.refresh(&mut world, 10), 0);
    assert_eq!(lifetime(&world), 600, "no less than the default");
    assert_eq!(caller.refresh(&mut world, 100_000), 0);
    assert_eq!(lifetime(&world), 3600);
    assert_eq!(caller.refresh(&mut world, 0), 0);
    assert_eq!(lifetime(&world), 0);
    assert!(world.ports.open.is_empty());
    assert_eq!(caller.refresh(&mut world, 600), 437);
    assert_eq!(world.relay.counters().open, [0; 3]);
}

#[test]
fn what_nobody_refreshes_ends_by_itself() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.ports.open.len(), 1);
    world.pass(Duration::from_secs(1));
    assert!(world.ports.open.is_empty());
    assert_eq!(world.relay.counters().expired, 1);
}

#[test]
fn a_call_outlives_its_credentials_unless_they_are_everybodys() {
    let mut world = World::new();
    let mut alice = Caller::new("192.0.2.7:4000");
    let mut anybody = Caller::public("192.0.2.8:4000");
    alice.allocate(&mut world);
    anybody.allocate(&mut world);
    world.pass(Duration::from_secs(590));
    alice.refresh(&mut world, 3600);
    assert_eq!(anybody.refresh(&mut world, 3600), 0);
    let answer = Message::from_bytes(&world.reply).unwrap();
    assert_eq!(answer.attribute::<Lifetime>().unwrap().seconds(), 10);
    world.pass(Duration::from_secs(20));
    alice.challenge(&mut world);
    assert_eq!(alice.refresh(&mut world, 3600), 0);
    anybody.challenge(&mut world);
    assert_eq!(anybody.refresh(&mut world, 3600), 401);
    assert_eq!(world.relay.n_allocations(), 1);
    // Expired credentials make no allocation.
    alice.client.address = address("192.0.2.7:4001");
    alice.challenge(&mut world);
    let request = alice.allocate_request();
    assert_eq!(world.code(&alice.client, &request), 401);
}

#[test]
fn a_repeated_allocate_has_the_same_answer_and_another_one_a_mismatch() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let request = caller.allocate_request();
    assert_eq!(world.code(&caller.client, &request), 0);
    let first = world.reply.clone();
    assert_eq!(world.code(&caller.client, &request), 0);
    assert_eq!(world.reply, first);
    let other = caller.allocate_request();
    assert_eq!(world.code(&caller.client, &other), 437);
    assert!(caller.trusts(&world.reply));
    assert_eq!(world.ports.open.len(), 1);
}

#[test]
fn an_allocation_belongs_to_its_user() {
    let mut world = World::new();
    let mut alice = Caller::new("192.0.2.7:4000");
    alice.allocate(&mut world);
    let mut bob = Caller::named("192.0.2.7:4000", "bob");
    bob.nonce.clone_from(&alice.nonce);
    assert_eq!(bob.refresh(&mut world, 0), 441);
    assert_eq!(bob.permit(&mut world, "8.8.8.8:53"), 441);
    assert_eq!(world.relay.n_allocations(), 1);
}

#[test]
fn what_is_asked_for_has_to_be_on_offer() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let udp = RequestedTransport::new(17);
    let mut code = |attributes: &[&dyn turn_types::stun::prelude::AttributeWrite]| {
        let request = caller.request(ALLOCATE, attributes);
        world.code(&caller.client, &request)
    };
    assert_eq!(code(&[]), 400);
    assert_eq!(code(&[&RequestedTransport::new(6)]), 442);
    assert_eq!(code(&[&udp, &EvenPort::new(true)]), 508);
    assert_eq!(code(&[&udp, &ReservationToken::new(7)]), 508);
    assert_eq!(
        code(&[&udp, &ReservationToken::new(7), &EvenPort::new(false)]),
        400
    );
    assert_eq!(code(&[&udp, &DontFragment::new()]), 420);
    let no_family = RawAttribute::new(RequestedAddressFamily::TYPE, &[3, 0, 0, 0]);
    assert_eq!(code(&[&udp, &no_family]), 440);
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let also_v6 = AdditionalAddressFamily::new(AddressFamily::IPV6);
    assert_eq!(code(&[&udp, &v6, &also_v6]), 400);
    let also_v4 = RawAttribute::new(AdditionalAddressFamily::TYPE, &[1, 0, 0, 0]);
    assert_eq!(code(&[&udp, &also_v4]), 400);
    assert_eq!(world.relay.n_allocations(), 0);
    assert!(world.ports.open.is_empty());
}

#[test]
fn both_families_at_once_and_what_is_told_when_one_is_missing() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let also_v6 = AdditionalAddressFamily::new(AddressFamily::IPV6);
    let request = caller.request(ALLOCATE, &[&RequestedTransport::new(17), &also_v6]);
    assert_eq!(world.code(&caller.client, &request), 0);
    let answer = Message::from_bytes(&world.reply).unwrap();
    let second = answer.nth_attribute::<XorRelayedAddress>(1).unwrap();
    assert!(second.addr(answer.transaction_id()).is_ipv6());
    assert_eq!(caller.permit(&mut world, "[2606::1]:1"), 0);
    assert_eq!(caller.refresh(&mut world, 0), 0);
    assert!(world.ports.open.is_empty());

    world.ports.without_ipv6 = true;
    let request = caller.request(ALLOCATE, &[&RequestedTransport::new(17), &also_v6]);
    assert_eq!(world.code(&caller.client, &request), 0);
    let answer = Message::from_bytes(&world.reply).unwrap();
    let error = answer.attribute::<AddressErrorCode>().unwrap();
    assert_eq!(error.error().code(), 440);
    assert_eq!(caller.permit(&mut world, "[2606::1]:1"), 443);
    caller.client.address = address("192.0.2.7:4001");
    caller.challenge(&mut world);
    let v6 = RequestedAddressFamily::new(AddressFamily::IPV6);
    let request = caller.request(ALLOCATE, &[&RequestedTransport::new(17), &v6]);
    assert_eq!(world.code(&caller.client, &request), 440);
}

#[test]
fn an_even_port_is_had_for_the_asking() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let (udp, even) = (RequestedTransport::new(17), EvenPort::new(false));
    let request = caller.request(ALLOCATE, &[&udp, &even]);
    assert_eq!(world.code(&caller.client, &request), 0);
    let answer = Message::from_bytes(&world.reply).unwrap();
    let relayed = answer.attribute::<XorRelayedAddress>().unwrap();
    assert_eq!(relayed.addr(answer.transaction_id()).port() % 2, 0);
}

#[test]
fn a_socket_that_cannot_be_had_costs_nothing() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    world.ports.broken = true;
    for _ in 0..20 {
        let request = caller.allocate_request();
        assert_eq!(world.code(&caller.client, &request), 508);
    }
    world.ports.broken = false;
    caller.allocate(&mut world);
}

#[test]
fn a_connection_takes_its_allocation_with_it() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.client.transport = crate::turn::machine::relay::Transport::Tcp;
    caller.client.connection = 3;
    caller.allocate(&mut world);
    world.relay.disconnected(&caller.client, &mut world.ports);
    assert!(world.ports.open.is_empty());
}

#[test]
fn a_stopping_relay_serves_those_it_has() {
    let mut world = World::new();
    let mut early = Caller::new("192.0.2.7:4000");
    early.allocate(&mut world);
    world.relay.drain();
    assert_eq!(early.refresh(&mut world, 600), 0);
    let mut late = Caller::new("192.0.2.8:4000");
    late.challenge(&mut world);
    let request = late.allocate_request();
    assert_eq!(world.code(&late.client, &request), 508);
}

#[test]
fn indications_that_say_alive_have_no_answer() {
    let mut world = World::new();
    let caller = Caller::new("192.0.2.7:4000");
    let alive = Message::builder_indication(stun_types::message::BINDING, MessageWriteVec::new());
    assert_eq!(world.send(&caller.client, &alive.finish()), Handled::Silent);
}
