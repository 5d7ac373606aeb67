use proptest::prelude::*;

use super::super::load::schedule::Shape;
use super::super::load::wire::{
    LoadDirection, LoadMessage, LoadPacket, LoadReport, LoadStart, MAX_NOTES,
};
use super::*;

fn any_message() -> impl Strategy<Value = Message> {
    let id = any::<u64>();
    let token = any::<[u8; TOKEN_BYTES]>();
    prop_oneof![
        id.prop_map(|nonce| Message::Hello { nonce }),
        (id, token).prop_map(|(nonce, token)| Message::Challenge { nonce, token }),
        (id, token, any::<u32>()).prop_map(|(nonce, token, duration_ms)| Message::Open {
            nonce,
            token,
            duration_ms
        }),
        (id, id, any::<u32>(), any::<u16>(), any::<i64>()).prop_map(
            |(nonce, session, number, size, wall_unix_ns)| Message::Opened(Opened {
                nonce,
                session,
                max_session_ms: number,
                max_packets_per_second: number ^ 1,
                max_datagram_bytes: size,
                wall_unix_ns,
            })
        ),
        (id, any::<u8>(), any::<u32>()).prop_map(|(subject, code, retry_after_ms)| {
            Message::Refused {
                subject,
                code: RefusalCode::from_byte(code),
                retry_after_ms,
            }
        }),
        (id, any::<u32>(), id).prop_map(|(session, seq, departure_ns)| Message::Echo(Echo {
            session,
            seq,
            departure_ns
        })),
        any_echo_reply().prop_map(Message::EchoReply),
        (id, any::<u32>(), any::<u16>()).prop_map(|(session, id, reply_bytes)| {
            Message::SizeProbe {
                session,
                id,
                reply_bytes,
            }
        }),
        (id, any::<u32>(), any::<u16>()).prop_map(|(session, id, received_bytes)| {
            Message::SizeReply {
                session,
                id,
                received_bytes,
            }
        }),
        (id, any::<u32>(), any::<u8>()).prop_map(|(session, base, fill)| {
            Message::Receipt(Receipt {
                session,
                base,
                received: base ^ 7,
                duplicates: base ^ 9,
                path_mtu: 1400,
                bitmap: Box::new([fill; BITMAP_BYTES]),
            })
        }),
        id.prop_map(|session| Message::Close { session }),
        id.prop_map(|session| Message::Closed { session }),
        any_load_message().prop_map(Message::Load),
    ]
}

fn any_load_message() -> impl Strategy<Value = LoadMessage> {
    let (id, number) = (any::<u64>(), any::<u32>());
    prop_oneof![
        (id, number, any::<u16>(), any::<bool>(), 0_u8..3).prop_map(
            |(session, load, packet_bytes, down, shape)| LoadMessage::Start(LoadStart {
                session,
                load,
                direction: if down {
                    LoadDirection::Down
                } else {
                    LoadDirection::Up
                },
                shape: [Shape::Even, Shape::BackToBack, Shape::Call][usize::from(shape)],
                packet_bytes,
                packets: load ^ 5,
                rate_bps: session ^ 9,
            })
        ),
        (id, number).prop_map(|(session, load)| LoadMessage::Granted {
            session,
            load,
            packets: load ^ 3
        }),
        (id, number, id).prop_map(|(session, load, departure_ns)| {
            LoadMessage::Packet(LoadPacket {
                session,
                load,
                seq: load ^ 7,
                departure_ns,
            })
        }),
        (id, number, any::<bool>()).prop_map(|(session, load, stop)| {
            LoadMessage::ReportRequest {
                session,
                load,
                base: load ^ 1,
                stop,
            }
        }),
        any_load_report().prop_map(LoadMessage::Report),
    ]
}

fn any_load_report() -> impl Strategy<Value = LoadReport> {
    let notes = prop::collection::vec((0_u32..60_000, any::<u32>()), 0..=MAX_NOTES);
    (
        any::<[u64; 4]>(),
        any::<[u32; 6]>(),
        any::<[bool; 2]>(),
        notes,
    )
        .prop_map(|(long, short, [kernel_stamps, ended], notes)| LoadReport {
            session: long[0],
            load: short[0],
            kernel_stamps,
            ended,
            sent: short[1],
            received: short[2],
            duplicates: short[3],
            received_bytes: long[1],
            first_arrival_ns: long[2],
            last_arrival_ns: long[3],
            noted: short[4],
            base: short[5],
            notes,
        })
}

fn any_echo_reply() -> impl Strategy<Value = EchoReply> {
    (
        any::<[u64; 4]>(),
        any::<[u32; 2]>(),
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(
            |([session, arrival_ns, departure_ns, window], [seq, received], copy, kernel_stamp)| {
                EchoReply {
                    session,
                    seq,
                    received,
                    copy,
                    kernel_stamp,
                    arrival_ns,
                    departure_ns,
                    window,
                }
            },
        )
}

fn encoded(message: &Message, total: usize) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, total, &mut out);
    out
}

proptest! {
    #[test]
    fn what_was_encoded_decodes_to_itself(message in any_message(), total in 0_usize..1600) {
        let bytes = encoded(&message, total);
        prop_assert!(bytes.len() >= total);
        prop_assert_eq!(decode(&bytes), Ok(message));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let mut framed = b"GRM\x01".to_vec();
        framed.extend(bytes);
        let _ = decode(&framed);
    }

    #[test]
    fn a_message_that_was_cut_is_an_error(message in any_message(), keep in 0_usize..24) {
        let bytes = encoded(&message, 0);
        let cut = &bytes[..keep.min(bytes.len() - 1)];
        if let Ok(read) = decode(cut) {
            // Only messages without fields behind their id may be that short.
            prop_assert_eq!(read, message);
        }
    }
}

#[test]
fn answers_before_the_proof_are_not_larger_than_their_requests() {
    let challenge = Message::Challenge {
        nonce: 1,
        token: [0; TOKEN_BYTES],
    };
    let refused = Message::Refused {
        subject: 1,
        code: RefusalCode::ServerFull,
        retry_after_ms: 1,
    };
    assert!(encoded(&challenge, 0).len() <= HELLO_BYTES);
    assert!(encoded(&refused, 0).len() <= HELLO_BYTES);
}

#[test]
fn another_version_is_told_apart_from_another_protocol() {
    let mut bytes = encoded(&Message::Hello { nonce: 1 }, HELLO_BYTES);
    bytes[3] = 9;
    assert_eq!(decode(&bytes), Err(DecodeError::Version(9)));
    bytes[0] = b'X';
    assert_eq!(decode(&bytes), Err(DecodeError::NotOurs));
}

#[test]
fn late_stamps_change_their_own_messages_only() {
    let reply = EchoReply {
        session: 1,
        seq: 2,
        received: 3,
        copy: 1,
        kernel_stamp: true,
        arrival_ns: 4,
        departure_ns: 4,
        window: 1,
    };
    let mut bytes = encoded(&Message::EchoReply(reply), 172);
    stamp_departure(&mut bytes, 99);
    stamp_path_mtu(&mut bytes, 1400);
    let expected = EchoReply {
        departure_ns: 99,
        ..reply
    };
    assert_eq!(decode(&bytes), Ok(Message::EchoReply(expected)));
    stamp_departure(&mut [], 1);
}
