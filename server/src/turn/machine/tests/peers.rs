//! Who is relayed to, and what a packet looks like on either side.

use std::time::Duration;

use ipnet::IpNet;
use stun_types::message::Message;
use turn_types::attribute::{Data, XorPeerAddress};

use super::harness::*;
use crate::turn::machine::{
    counters::Dropped,
    relay::{Forward, Handled, PortId, Transport},
};

const PEER: &str = "8.8.8.8:5000";

fn forwarded(handled: Handled) -> Forward {
    match handled {
        Handled::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

#[test]
fn channels_carry_both_ways() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    assert_eq!(caller.bind(&mut world, 0x4001, address(PEER)), 0);
    let bytes = channel_data(0x4001, b"hello");
    let forward = forwarded(world.send(&caller.client, &bytes));
    assert_eq!(forward.to, address(PEER));
    assert_eq!(&bytes[forward.payload], b"hello");
    let now = world.monotonic();
    let to_client = world.relay.handle_peer(now, forward.port, address(PEER), 5);
    let to_client = to_client.unwrap();
    assert_eq!(to_client.client, caller.client);
    assert_eq!(
        (to_client.head(), to_client.n_padding),
        (&[0x40, 1, 0, 5][..], 0)
    );
    let counters = world.relay.counters();
    assert_eq!((counters.to_peers.packets, counters.to_peers.bytes), (1, 5));
    assert_eq!(
        (counters.to_clients.packets, counters.to_clients.bytes),
        (1, 5)
    );
}

#[test]
fn data_of_streams_is_padded() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.client.transport = Transport::Tls;
    caller.allocate(&mut world);
    assert_eq!(caller.bind(&mut world, 0x4001, address(PEER)), 0);
    let now = world.monotonic();
    let to_client = world.relay.handle_peer(now, PortId(0), address(PEER), 5);
    assert_eq!(to_client.unwrap().n_padding, 3);
}

#[test]
fn indications_carry_both_ways_as_the_library_reads_them() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.challenge(&mut world);
    let also_v6 =
        turn_types::attribute::AdditionalAddressFamily::new(turn_types::AddressFamily::IPV6);
    let udp = turn_types::attribute::RequestedTransport::new(17);
    let request = caller.request(turn_types::message::ALLOCATE, &[&udp, &also_v6]);
    assert_eq!(world.code(&caller.client, &request), 0);
    for (peer, port) in [(PEER, PortId(0)), ("[2606::7]:9", PortId(1))] {
        assert_eq!(caller.permit(&mut world, peer), 0);
        let bytes = send_indication(address(peer), b"hello");
        let forward = forwarded(world.send(&caller.client, &bytes));
        assert_eq!((forward.port, forward.to), (port, address(peer)));
        assert_eq!(&bytes[forward.payload], b"hello");
        let now = world.monotonic();
        let to_client = world
            .relay
            .handle_peer(now, port, address(peer), 5)
            .unwrap();
        let mut bytes = to_client.head().to_vec();
        bytes.extend(b"hello");
        bytes.extend(vec![0; to_client.n_padding]);
        let message = Message::from_bytes(&bytes).unwrap();
        assert_eq!(message.method(), turn_types::message::DATA);
        let from = message.attribute::<XorPeerAddress>().unwrap();
        assert_eq!(from.addr(message.transaction_id()), address(peer));
        assert_eq!(message.attribute::<Data>().unwrap().data(), b"hello");
    }
}

#[test]
fn permissions_and_channels_end_unless_they_are_renewed() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    assert_eq!(caller.permit(&mut world, PEER), 0);
    world.pass(Duration::from_secs(299));
    let data = send_indication(address(PEER), b"x");
    forwarded(world.send(&caller.client, &data));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.send(&caller.client, &data), Handled::Silent);
    // A channel lasts longer than the permission that came with it.
    assert_eq!(caller.bind(&mut world, 0x4000, address(PEER)), 0);
    world.pass(Duration::from_secs(299));
    let data = channel_data(0x4000, b"x");
    forwarded(world.send(&caller.client, &data));
    world.pass(Duration::from_secs(1));
    assert!(world.ports.open.is_empty(), "the allocation is over by now");
}

#[test]
fn a_channel_has_one_peer_and_a_peer_one_channel() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    assert_eq!(caller.bind(&mut world, 0x4000, address(PEER)), 0);
    assert_eq!(caller.bind(&mut world, 0x4000, address(PEER)), 0);
    assert_eq!(caller.bind(&mut world, 0x4000, address("8.8.4.4:1")), 400);
    assert_eq!(caller.bind(&mut world, 0x4001, address(PEER)), 400);
    assert_eq!(caller.bind(&mut world, 0x3FFF, address("8.8.4.4:1")), 400);
    assert_eq!(caller.bind(&mut world, 0x8000, address("8.8.4.4:1")), 400);
    assert_eq!(caller.bind(&mut world, 0x4002, address("8.8.4.4:0")), 400);
    assert_eq!(caller.bind(&mut world, 0x7FFF, address("8.8.4.4:1")), 0);
}

#[test]
fn permissions_and_channels_are_bounded() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    for n in 0..64 {
        assert_eq!(caller.permit(&mut world, &format!("8.8.8.{n}:1")), 0);
    }
    assert_eq!(caller.permit(&mut world, "8.8.9.1:1"), 508);
    assert_eq!(caller.permit(&mut world, "8.8.8.3:1"), 0);
    for port in 1..=64 {
        let peer = address(&format!("8.8.8.3:{port}"));
        assert_eq!(caller.bind(&mut world, 0x4000 + port, peer), 0);
    }
    assert_eq!(caller.bind(&mut world, 0x4100, address("8.8.8.3:65")), 508);
    world.pass(Duration::from_secs(300));
    assert_eq!(caller.permit(&mut world, "8.8.9.1:1"), 0);
}

#[test]
fn strangers_credentials_reach_this_server_alone() {
    let mut world = World::new();
    let mut caller = Caller::public("192.0.2.7:4000");
    let mut other = Caller::public("192.0.2.8:4000");
    caller.allocate(&mut world);
    let relayed = other.allocate(&mut world);
    assert_eq!(caller.permit(&mut world, PEER), 403);
    assert_eq!(caller.bind(&mut world, 0x4000, address(PEER)), 403);
    assert_eq!(caller.permit(&mut world, "127.0.0.1:1"), 403);
    assert_eq!(caller.permit(&mut world, "10.0.0.1:1"), 403);
    // Another's relay address and the measure port, but nothing else here.
    assert_eq!(caller.permit(&mut world, &relayed.to_string()), 0);
    assert_eq!(caller.bind(&mut world, 0x4000, relayed), 0);
    let measure = address("198.51.100.1:8443");
    assert_eq!(caller.bind(&mut world, 0x4001, measure), 0);
    let dns = address("198.51.100.1:53");
    assert_eq!(caller.bind(&mut world, 0x4002, dns), 403);
    let sent = world.send(&caller.client, &send_indication(dns, b"x"));
    assert_eq!(sent, Handled::Silent);
    assert_eq!(world.relay.counters().n_dropped(Dropped::Forbidden), 1);
    let heard = world
        .relay
        .handle_peer(world.monotonic(), PortId(0), dns, 1);
    assert_eq!(heard, None);
    let heard = world
        .relay
        .handle_peer(world.monotonic(), PortId(0), relayed, 1);
    assert!(heard.is_some());
    // When the other one is gone, its address is nothing of ours any more.
    assert_eq!(other.refresh(&mut world, 0), 0);
    let sent = world.send(&caller.client, &channel_data(0x4000, b"x"));
    assert_eq!(sent, Handled::Silent);
}

#[test]
fn the_operators_credentials_reach_the_world_but_nothing_inside() {
    let mut world = World::new();
    let mut caller = Caller::new("192.0.2.7:4000");
    caller.allocate(&mut world);
    assert_eq!(caller.permit(&mut world, PEER), 0);
    for peer in [
        "127.0.0.1:1",
        "10.0.0.1:1",
        "169.254.169.254:80",
        "224.0.0.1:1",
    ] {
        assert_eq!(caller.permit(&mut world, peer), 403, "{peer}");
    }
    assert_eq!(caller.permit(&mut world, "[2606::1]:1"), 443);
    let ssh = address("198.51.100.1:22");
    assert_eq!(caller.bind(&mut world, 0x4000, ssh), 403);

    let mut world = World::with(|config| {
        let networks = ["127.0.0.0/8", "10.0.0.0/8"];
        config.policy.allowed = networks.map(|n| n.parse::<IpNet>().unwrap()).into();
    });
    caller.allocate(&mut world);
    assert_eq!(caller.bind(&mut world, 0x4000, address("127.0.0.1:53")), 0);
    assert_eq!(caller.permit(&mut world, "10.0.0.1:1"), 0);
}
