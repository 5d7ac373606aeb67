use std::time::Duration;

use super::super::super::limits::{Limits, MAX_LOAD_TIME, MAX_TRAIN_PACKETS};
use super::super::super::load::schedule::Shape;
use super::super::super::load::wire::{LOAD_PACKET_FIELDS, MAX_NOTES, REPORT_BYTES};
use super::super::loads::SILENCE;
use super::super::machine::tests::{Peer, T0, echo, responder};
use super::*;

const PACKET: u16 = 1200;

fn flood(session: u64, load: u32, direction: LoadDirection, rate_bps: u64) -> LoadStart {
    LoadStart {
        session,
        load,
        direction,
        shape: Shape::Even,
        packet_bytes: PACKET,
        packets: 1000,
        rate_bps,
    }
}

fn train(session: u64, load: u32, direction: LoadDirection) -> LoadStart {
    LoadStart {
        shape: Shape::BackToBack,
        ..flood(session, load, direction, 0)
    }
}

/// Packets granted, or after how many milliseconds to ask again.
fn begin(
    peer: &Peer,
    responder: &mut Responder,
    at: MonotonicTime,
    start: LoadStart,
) -> Result<u32, u32> {
    let message = Message::Load(LoadMessage::Start(start));
    match peer.say(responder, at, &message, 64).unwrap().0 {
        Message::Load(LoadMessage::Granted {
            session,
            load,
            packets,
        }) => {
            assert_eq!((session, load), (start.session, start.load));
            Ok(packets)
        }
        Message::Refused {
            subject,
            code: RefusalCode::LoadLimit,
            retry_after_ms,
        } => {
            assert_eq!(subject, start.session);
            Err(retry_after_ms)
        }
        other => panic!("{other:?}"),
    }
}

/// Sends one packet of a load; the report that it called forth.
fn packet(
    peer: &Peer,
    responder: &mut Responder,
    at: MonotonicTime,
    (session, load, seq): (u64, u32, u32),
) -> Option<LoadReport> {
    let packet = LoadMessage::Packet(LoadPacket {
        session,
        load,
        seq,
        departure_ns: 0,
    });
    let (answer, len) = peer.say(responder, at, &Message::Load(packet), PACKET.into())?;
    assert!(len <= REPORT_BYTES);
    Some(report_of(answer))
}

fn ask(
    peer: &Peer,
    responder: &mut Responder,
    at: MonotonicTime,
    (session, load): (u64, u32),
    (base, stop): (u32, bool),
) -> Option<LoadReport> {
    let request = LoadMessage::ReportRequest {
        session,
        load,
        base,
        stop,
    };
    let (answer, len) = peer.say(responder, at, &Message::Load(request), 64)?;
    assert!(len <= REPORT_BYTES);
    Some(report_of(answer))
}

fn report_of(answer: Message) -> LoadReport {
    match answer {
        Message::Load(LoadMessage::Report(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn after_ms(ms: u64) -> MonotonicTime {
    T0.after(Duration::from_millis(ms))
}

/// Lets time pass in steps of 0.1 ms, as an exact timer does. Packets and bytes that left, by
/// client. `heard` has the clients say something at each millisecond.
fn run(
    responder: &mut Responder,
    (from, to): (MonotonicTime, MonotonicTime),
    heard: &[(&Peer, u64)],
) -> Vec<(SocketAddr, u32, u64)> {
    let mut left: Vec<(SocketAddr, u32, u64)> = Vec::new();
    let (mut now, mut out, mut step) = (from, Vec::new(), 0_u32);
    while now < to {
        while let Some(egress) = responder.poll_egress(now, &mut out) {
            assert_eq!(
                out.len(),
                egress.packets as usize * usize::from(egress.segment_bytes)
            );
            let place = left.iter_mut().find(|place| place.0 == egress.to);
            match place {
                Some(place) => {
                    *place = (
                        place.0,
                        place.1 + egress.packets,
                        place.2 + out.len() as u64,
                    );
                }
                None => left.push((egress.to, egress.packets, out.len() as u64)),
            }
        }
        if step.is_multiple_of(1000) {
            for (peer, session) in heard {
                peer.say(responder, now, &echo(*session, step / 1000), 64);
            }
        }
        step += 1;
        now = now.after(Duration::from_micros(100));
    }
    left
}

fn opened(limits: Limits) -> (Responder, Peer, u64) {
    let mut responder = responder(limits);
    let peer = Peer::new("192.0.2.1:5000", 1);
    let session = peer.open(&mut responder, T0).unwrap();
    (responder, peer, session)
}

#[test]
fn a_repeated_start_has_the_same_answer_and_makes_no_second_load() {
    let (mut responder, peer, session) = opened(Limits::default());
    for direction in [LoadDirection::Up, LoadDirection::Down] {
        let start = flood(session, direction as u32, direction, 9_600_000);
        let first = begin(&peer, &mut responder, T0, start);
        assert_eq!(first, Ok(1000));
        for ms in [1, 30, 200] {
            assert_eq!(begin(&peer, &mut responder, after_ms(ms), start), first);
        }
    }
    let counters = responder.counters();
    assert_eq!((counters.loads_up, counters.loads_down), (1, 1));
    let left = run(&mut responder, (T0, after_ms(1200)), &[(&peer, session)]);
    assert_eq!(left, [(peer.from, 1000, 1_200_000)]);
    // Also when it is over.
    let start = flood(session, 1, LoadDirection::Down, 9_600_000);
    assert_eq!(
        begin(&peer, &mut responder, after_ms(1300), start),
        Ok(1000)
    );
    assert_eq!(responder.next_egress_at(), None);
}

#[test]
fn a_flood_leaves_at_its_rate_and_the_report_tells_what_was_sent() {
    let (mut responder, peer, session) = opened(Limits::default());
    let start = flood(session, 7, LoadDirection::Down, 96_000_000);
    begin(&peer, &mut responder, T0, start).unwrap();
    assert_eq!(
        (responder.next_egress_at(), responder.loads_sent()),
        (Some(T0), 1)
    );
    let left = run(&mut responder, (T0, after_ms(50)), &[(&peer, session)]);
    assert!((500..=505).contains(&left[0].1), "{left:?}");
    let report = ask(
        &peer,
        &mut responder,
        after_ms(50),
        (session, 7),
        (0, false),
    )
    .unwrap();
    assert_eq!((report.sent, report.ended), (left[0].1, false));
    let stopped = ask(&peer, &mut responder, after_ms(50), (session, 7), (0, true)).unwrap();
    assert_eq!((stopped.sent, stopped.ended), (left[0].1, true));
    assert!(run(&mut responder, (after_ms(50), after_ms(100)), &[]).is_empty());
    assert_eq!(responder.next_egress_at(), None);
    assert_eq!(responder.counters().load_packets_out, u64::from(left[0].1));
}

#[test]
fn reports_tell_exactly_what_came_in() {
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Up, 9_600_000),
    )
    .unwrap();
    let order = [0, 1, 3, 2, 2, 7, 1000, 5];
    for (n, seq) in (0..).zip(order) {
        let at = T0.after(Duration::from_micros(100 * n));
        packet(&peer, &mut responder, at, (session, 1, seq));
    }
    let report = ask(&peer, &mut responder, after_ms(5), (session, 1), (2, false)).unwrap();
    assert_eq!(
        (report.received, report.duplicates, report.noted),
        (6, 1, 6)
    );
    assert_eq!(report.received_bytes, 6 * u64::from(PACKET));
    assert_eq!(report.notes, [(3, 2000), (2, 3000), (7, 5000), (5, 7000)]);
    assert_eq!(report.first_arrival_ns, T0.as_nanos());
    assert!(report.kernel_stamps && !report.ended);
    let counters = responder.counters();
    assert_eq!(
        (counters.load_packets_in, counters.load_packets_unasked),
        (7, 1)
    );
    let ended = ask(&peer, &mut responder, after_ms(6), (session, 1), (0, true)).unwrap();
    assert!(ended.ended);
    packet(&peer, &mut responder, after_ms(7), (session, 1, 9));
    let after = ask(&peer, &mut responder, after_ms(8), (session, 1), (0, false)).unwrap();
    assert_eq!(after.received, 6, "packets after the end are not counted");
}

#[test]
fn unasked_reports_keep_their_pause_unless_many_packets_came() {
    let (mut responder, peer, session) = opened(Limits::default());
    let mut start = flood(session, 1, LoadDirection::Up, 9_600_000);
    begin(&peer, &mut responder, T0, start).unwrap();
    // A packet each millisecond for a second: fifty reports.
    let mut told = Vec::new();
    for seq in 0..1000 {
        let at = after_ms(seq.into());
        if let Some(report) = packet(&peer, &mut responder, at, (session, 1, seq)) {
            assert!(
                report.notes.len() <= MAX_NOTES
                    && report.notes.len() as u64 == u64::from(report.noted - report.base)
            );
            told.push((at, report));
        }
    }
    assert!((49..=50).contains(&told.len()), "{}", told.len());
    for pair in told.windows(2) {
        let is_last = pair[1].1.received == 1000;
        assert!(is_last || pair[1].0.since(pair[0].0) >= Duration::from_millis(20));
        assert!(pair[1].1.base < pair[0].1.noted, "they overlap");
    }
    assert_eq!(
        told.last().unwrap().1.received,
        1000,
        "the last packet calls one forth"
    );
    // A packet each 10 µs: a report for each 150.
    start.load = 2;
    start.packets = 20_000;
    start.rate_bps = 240_000_000;
    let began = after_ms(1500);
    begin(&peer, &mut responder, began, start).unwrap();
    let mut reports = 0;
    for seq in 0..15_000 {
        let at = began.after(Duration::from_micros(10 * u64::from(seq)));
        reports += u32::from(packet(&peer, &mut responder, at, (session, 2, seq)).is_some());
    }
    assert_eq!(reports, 100);
}

#[test]
fn what_nobody_stamped_in_the_kernel_is_not_told_as_such() {
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Up, 1_000_000),
    )
    .unwrap();
    let empty = ask(&peer, &mut responder, T0, (session, 1), (0, false)).unwrap();
    assert!(!empty.kernel_stamps);
    packet(&peer, &mut responder, T0, (session, 1, 0));
    let mut datagram = Vec::new();
    let message = LoadMessage::Packet(LoadPacket {
        session,
        load: 1,
        seq: 1,
        departure_ns: 0,
    });
    wire::encode(&Message::Load(message), PACKET.into(), &mut datagram);
    let arrival = Arrival {
        from: peer.from,
        at: T0,
        clock: ClockSource::User,
        wall_unix_ns: 0,
    };
    responder.handle(arrival, &datagram, &mut Vec::new());
    let report = ask(&peer, &mut responder, T0, (session, 1), (0, false)).unwrap();
    assert_eq!((report.received, report.kernel_stamps), (2, false));
}

#[test]
fn a_client_that_vanished_is_not_sent_to() {
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Down, 960_000),
    )
    .unwrap();
    let left = run(&mut responder, (T0, after_ms(5000)), &[]);
    // 100 packets a second, for half a second.
    assert!((50..=51).contains(&left[0].1), "{left:?}");
    assert_eq!(responder.counters().loads_silenced, 1);
    assert_eq!(
        (responder.next_egress_at(), responder.sessions_sent_to()),
        (None, 0)
    );
    // While a client that says something now and then gets it all.
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Down, 960_000),
    )
    .unwrap();
    let left = run(&mut responder, (T0, after_ms(6000)), &[(&peer, session)]);
    assert!(
        (499..=501).contains(&left[0].1),
        "five seconds at most: {left:?}"
    );
    assert_eq!(responder.counters().loads_silenced, 0);
    assert!(SILENCE < MAX_LOAD_TIME);
}

#[test]
fn without_a_session_or_from_elsewhere_nothing_is_begun_used_or_stopped() {
    let (mut responder, owner, session) = opened(Limits::default());
    let stranger = Peer::new("192.0.2.9:5000", 1);
    for direction in [LoadDirection::Up, LoadDirection::Down] {
        for id in [0, session, session ^ 1] {
            let start = Message::Load(LoadMessage::Start(flood(id, 1, direction, 1_000_000)));
            assert_eq!(stranger.say(&mut responder, T0, &start, 1200), None);
        }
    }
    assert_eq!(
        (responder.next_egress_at(), responder.sessions_sent_to()),
        (None, 0)
    );
    begin(
        &owner,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Down, 9_600_000),
    )
    .unwrap();
    begin(
        &owner,
        &mut responder,
        T0,
        flood(session, 2, LoadDirection::Up, 9_600_000),
    )
    .unwrap();
    assert_eq!(
        ask(&stranger, &mut responder, T0, (session, 1), (0, true)),
        None
    );
    assert_eq!(packet(&stranger, &mut responder, T0, (session, 2, 0)), None);
    let up = ask(&owner, &mut responder, T0, (session, 2), (0, false)).unwrap();
    let down = ask(&owner, &mut responder, T0, (session, 1), (0, false)).unwrap();
    assert_eq!((up.received, down.ended), (0, false));
    // Nor does a stranger's noise keep the flood of a client alive that vanished.
    for ms in 0..600 {
        packet(&stranger, &mut responder, after_ms(ms), (session, 2, 0));
    }
    let left = run(&mut responder, (after_ms(500), after_ms(600)), &[]);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(responder.counters().loads_silenced, 1);
}

#[test]
fn spoofed_and_unasked_packets_change_nothing() {
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Down, 9_600_000),
    )
    .unwrap();
    let mut start = flood(session, 2, LoadDirection::Up, 9_600_000);
    start.packet_bytes = 600;
    start.packets = 10;
    begin(&peer, &mut responder, T0, start).unwrap();
    // Of a load that is sent by the server, of none, beyond the grant, larger than granted.
    for (load, seq) in [(1, 0), (3, 0), (2, 10), (2, u32::MAX), (2, 0)] {
        assert_eq!(
            packet(&peer, &mut responder, T0, (session, load, seq)),
            None
        );
    }
    assert_eq!(responder.counters().load_packets_unasked, 5);
    let report = ask(&peer, &mut responder, T0, (session, 2), (0, false)).unwrap();
    assert_eq!((report.received, report.duplicates), (0, 0));
    assert_eq!(
        ask(&peer, &mut responder, T0, (session, 3), (0, false)),
        None
    );
    // Messages that only a server says.
    for message in [
        LoadMessage::Granted {
            session,
            load: 2,
            packets: 9,
        },
        LoadMessage::Report(LoadReport {
            session,
            ..LoadReport::default()
        }),
    ] {
        assert_eq!(
            peer.say(&mut responder, T0, &Message::Load(message), 64),
            None
        );
    }
}

#[test]
fn a_load_that_is_too_fast_or_beyond_the_sessions_bytes_is_refused() {
    let limits = Limits {
        max_load_bps: 10_000_000,
        max_load_bytes: 150_000,
        ..Limits::default()
    };
    let (mut responder, peer, session) = opened(limits);
    let too_fast = flood(session, 1, LoadDirection::Up, 10_000_001);
    assert_eq!(begin(&peer, &mut responder, T0, too_fast), Err(0));
    // 125 packets are what the session has.
    let start = flood(session, 2, LoadDirection::Up, 10_000_000);
    assert_eq!(begin(&peer, &mut responder, T0, start), Ok(125));
    let down = flood(session, 3, LoadDirection::Down, 10_000_000);
    assert_eq!(begin(&peer, &mut responder, T0, down), Err(0));
    // What was set aside and not used comes back.
    for seq in 0..25 {
        packet(&peer, &mut responder, T0, (session, 2, seq));
    }
    ask(&peer, &mut responder, T0, (session, 2), (0, true)).unwrap();
    assert_eq!(begin(&peer, &mut responder, T0, down), Ok(100));
    let left = run(&mut responder, (T0, after_ms(400)), &[]);
    assert_eq!(left, [(peer.from, 100, 120_000)]);
    let last = flood(session, 4, LoadDirection::Down, 10_000_000);
    assert_eq!(begin(&peer, &mut responder, after_ms(400), last), Err(0));
    assert_eq!(responder.counters().loads_refused, 3);
}

#[test]
fn a_train_is_capped_and_counts_against_the_bytes_and_the_egress() {
    let limits = Limits {
        max_load_bytes: 1_000_000,
        max_egress_bps: 250_000_000,
        ..Limits::default()
    };
    let (mut responder, peer, session) = opened(limits);
    let first = train(session, 1, LoadDirection::Down);
    assert_eq!(
        begin(&peer, &mut responder, T0, first),
        Ok(MAX_TRAIN_PACKETS)
    );
    let left = run(&mut responder, (T0, after_ms(1)), &[]);
    assert_eq!(left, [(peer.from, MAX_TRAIN_PACKETS, 720_000)]);
    // For 23 ms it counts as a load of 250 Mbit/s.
    let second = train(session, 2, LoadDirection::Down);
    assert_eq!(begin(&peer, &mut responder, after_ms(1), second), Err(23));
    assert_eq!(begin(&peer, &mut responder, after_ms(24), second), Ok(233));
}

#[test]
fn loads_beyond_the_egress_wait_for_the_first_that_ends() {
    let limits = Limits {
        max_load_bps: 60_000_000,
        max_egress_bps: 100_000_000,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let peers: Vec<_> = (1..=3)
        .map(|n| Peer::new(&format!("192.0.2.{n}:1"), n))
        .collect();
    let sessions: Vec<_> = peers
        .iter()
        .map(|p| p.open(&mut responder, T0).unwrap())
        .collect();
    let down = |n: usize, bps| flood(sessions[n], 1, LoadDirection::Down, bps);
    assert!(begin(&peers[0], &mut responder, T0, down(0, 60_000_000)).is_ok());
    assert!(begin(&peers[1], &mut responder, T0, down(1, 40_000_000)).is_ok());
    // 1000 packets at 60 Mbit/s are 160 ms, at 40 Mbit/s 240 ms.
    assert_eq!(
        begin(&peers[2], &mut responder, T0, down(2, 60_000_000)),
        Err(160)
    );
    let up = flood(sessions[2], 9, LoadDirection::Up, 60_000_000);
    assert!(
        begin(&peers[2], &mut responder, T0, up).is_ok(),
        "ups are not sent"
    );
    let heard = [(&peers[0], sessions[0]), (&peers[1], sessions[1])];
    run(&mut responder, (T0, after_ms(161)), &heard);
    assert!(
        begin(
            &peers[2],
            &mut responder,
            after_ms(161),
            down(2, 60_000_000)
        )
        .is_ok()
    );
}

#[test]
fn sessions_with_a_load_and_loads_of_a_session_are_limited() {
    let limits = Limits {
        max_loads: 1,
        ..Limits::default()
    };
    let (mut responder, peer, session) = opened(limits);
    let other = Peer::new("192.0.2.2:5000", 2);
    let others = other.open(&mut responder, T0).unwrap();
    let up = |session, load| flood(session, load, LoadDirection::Up, 9_600_000);
    let down = |session, load| flood(session, load, LoadDirection::Down, 9_600_000);
    assert!(begin(&peer, &mut responder, T0, up(session, 1)).is_ok());
    assert_eq!(begin(&other, &mut responder, T0, up(others, 1)), Err(1000));
    assert!(begin(&peer, &mut responder, T0, down(session, 2)).is_ok());
    assert!(begin(&peer, &mut responder, T0, down(session, 3)).is_ok());
    assert_eq!(
        begin(&peer, &mut responder, T0, down(session, 4)),
        Err(1000)
    );
    for load in [1, 2, 3] {
        assert_eq!(begin(&other, &mut responder, T0, up(others, 1)), Err(1000));
        ask(&peer, &mut responder, T0, (session, load), (0, true)).unwrap();
    }
    assert!(begin(&other, &mut responder, T0, up(others, 1)).is_ok());
    // A client that forgets to say that it is done does not hold its place forever.
    let late = begin(&peer, &mut responder, after_ms(1500), up(session, 5));
    assert_eq!(late, Err(RETRY_SOON_MS));
    assert!(begin(&peer, &mut responder, after_ms(3001), up(session, 5)).is_ok());
    let off = Limits {
        max_loads: 0,
        ..Limits::default()
    };
    let (mut responder, peer, session) = opened(off);
    assert_eq!(begin(&peer, &mut responder, T0, up(session, 1)), Err(0));
}

#[test]
fn the_oldest_load_that_ended_is_forgotten_first() {
    let (mut responder, peer, session) = opened(Limits::default());
    let up = |load| flood(session, load, LoadDirection::Up, 9_600_000);
    for load in 0..8 {
        assert!(begin(&peer, &mut responder, T0, up(load)).is_ok());
    }
    assert_eq!(
        begin(&peer, &mut responder, T0, up(8)),
        Err(1000),
        "all eight run"
    );
    for load in [3, 2] {
        ask(&peer, &mut responder, T0, (session, load), (0, true)).unwrap();
    }
    assert!(begin(&peer, &mut responder, T0, up(8)).is_ok());
    assert_eq!(
        ask(&peer, &mut responder, T0, (session, 2), (0, false)),
        None
    );
    assert!(ask(&peer, &mut responder, T0, (session, 3), (0, false)).is_some());
    assert_eq!(responder.remembered.len(), 8);
}

#[test]
fn very_many_sessions_that_begin_loads_leave_it_bounded() {
    let limits = Limits {
        max_loads: 4,
        max_packets_per_second: 100_000,
        ..Limits::default()
    };
    let mut responder = responder(limits);
    let mut refused = 0;
    for n in 0..2000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let peer = Peer::new(&format!("10.{b}.{c}.{d}:1"), n.into());
        let session = peer.open(&mut responder, T0).unwrap();
        for load in 0..10 {
            let mut start = flood(session, load, LoadDirection::Up, 100_000_000);
            start.packets = u32::MAX;
            refused += u32::from(begin(&peer, &mut responder, T0, start).is_err());
            for seq in 0..20 {
                packet(&peer, &mut responder, T0, (session, load, seq));
            }
            if n % 100 != 0 {
                ask(&peer, &mut responder, T0, (session, load), (0, true));
            }
        }
    }
    assert!(refused > 0);
    assert!(responder.remembered.len() <= 4 * LOADS_REMEMBERED);
    assert!(responder.busy.len() <= 4);
    let held: usize = (responder.sessions.values())
        .map(|session| {
            (0..10)
                .filter_map(|load| session.loads.granted(load))
                .count()
        })
        .sum();
    assert_eq!(held, responder.remembered.len());
}

#[test]
fn closing_and_expiring_end_what_is_sent() {
    let (mut responder, peer, session) = opened(Limits::default());
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Down, 9_600_000),
    )
    .unwrap();
    run(&mut responder, (T0, after_ms(10)), &[]);
    let close = Message::Close { session };
    peer.say(&mut responder, after_ms(10), &close, 64).unwrap();
    assert!(run(&mut responder, (after_ms(10), after_ms(50)), &[]).is_empty());
    assert!(responder.busy.is_empty() && responder.remembered.is_empty());

    let (mut responder, peer, session) = opened(Limits::default());
    // The session lasts ten seconds.
    begin(
        &peer,
        &mut responder,
        after_ms(9800),
        flood(session, 1, LoadDirection::Down, 960_000),
    )
    .unwrap();
    let left = run(&mut responder, (after_ms(9800), after_ms(10_900)), &[]);
    assert_eq!(left[0].1, 20, "also when nobody expires sessions in time");
    responder.expire(after_ms(11_000));
    assert_eq!(
        (responder.open_sessions(), responder.sessions_sent_to()),
        (0, 0)
    );
    assert!(responder.busy.is_empty() && responder.remembered.is_empty());
}

#[test]
fn sessions_share_the_sending_and_each_may_be_polled_alone() {
    let mut responder = responder(Limits::default());
    let peers: Vec<_> = (1..=2)
        .map(|n| Peer::new(&format!("192.0.2.{n}:1"), n))
        .collect();
    for peer in &peers {
        let session = peer.open(&mut responder, T0).unwrap();
        begin(
            peer,
            &mut responder,
            T0,
            train(session, 1, LoadDirection::Down),
        )
        .unwrap();
    }
    let mut out = Vec::new();
    let order: Vec<_> = (0..4)
        .filter_map(|_| responder.poll_egress(T0, &mut out))
        .collect();
    assert_ne!(order[0].to, order[1].to);
    assert_eq!((order[0].to, order[1].to), (order[2].to, order[3].to));
    assert!(order.iter().all(|egress| egress.packets <= 64));
    let mut alone = 0;
    while let Some(egress) = responder.poll_egress_to(T0, peers[0].from, &mut out) {
        assert_eq!(egress.to, peers[0].from);
        alone += egress.packets;
    }
    assert!(alone > 0 && responder.next_egress_to(peers[0].from).is_none());
    assert_eq!(responder.next_egress_to(peers[1].from), Some(T0));
}

#[test]
fn starts_and_requests_pay_for_themselves_and_packets_do_not() {
    let limits = Limits {
        max_packets_per_second: 100,
        ..Limits::default()
    };
    let (mut responder, peer, session) = opened(limits);
    begin(
        &peer,
        &mut responder,
        T0,
        flood(session, 1, LoadDirection::Up, 9_600_000),
    )
    .unwrap();
    for seq in 0..1000 {
        packet(&peer, &mut responder, T0, (session, 1, seq));
    }
    assert_eq!(responder.counters().load_packets_in, 1000);
    let answered = (0..100).filter(|_| {
        let request = LoadMessage::ReportRequest {
            session,
            load: 1,
            base: 0,
            stop: false,
        };
        let answer = peer.say(&mut responder, T0, &Message::Load(request), 64);
        matches!(answer, Some((Message::Load(_), _)))
    });
    // A burst of 32, less the start.
    assert_eq!(answered.count(), 31);
    assert!(LOAD_PACKET_FIELDS < usize::from(PACKET));
}
