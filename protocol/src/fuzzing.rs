//! Entry points for fuzzing: none may panic, loop or break a promise, whatever the bytes.

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_reports::model::path::{ClockSource, Transport};

use crate::measure::client::{
    Client, ClientConfig, ClientEvent, End, Output, StreamPlan, TransmitKind,
};
use crate::measure::limits::Limits;
use crate::measure::responder::{Arrival, Handled, Responder, ResponderConfig};
use crate::measure::summary::{PathContext, summarize};
use crate::measure::time::MonotonicTime;
use crate::measure::wire::{self, HELLO_BYTES, Message, OPEN_BYTES};

/// Reads a datagram. What it means is what it means again after it was written.
pub fn datagram(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        let mut again = Vec::new();
        wire::encode(&message, bytes.len(), &mut again);
        assert_eq!(wire::decode(&again), Ok(message));
    }
}

/// Gives a responder arbitrary datagrams from four addresses, one of which has a session, and has
/// it send what is due in between.
pub fn responder_input(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut far = Far::new();
    let session = far.open();
    let mut answered = 0;
    while let Some(control) = script.next() {
        let mut datagram = script.datagram();
        // Nobody guesses these, and without them all else would stay behind the first check.
        if control & 4 != 0 {
            overwrite(&mut datagram, 0, b"GRM\x01");
        }
        if control & 8 != 0 {
            overwrite(&mut datagram, 8, &session.to_be_bytes());
        }
        far.now = far.now.after(Duration::from_millis(1 << (control >> 4)));
        let handled = far.handle(control % 4, &datagram);
        let proven = control % 4 == 0;
        assert!(proven || far.reply.len() <= datagram.len());
        assert!(wire::decode(&far.reply).is_ok() || handled == Handled::Silent);
        answered += u64::from(handled != Handled::Silent);
        far.drain();
        far.responder.expire(far.now);
        assert!(far.responder.open_sessions() <= Limits::default().max_sessions);
    }
    // The handshake took two answers.
    assert_eq!(far.responder.counters().replies, answered + 2);
}

/// Lets a client and a responder measure, while the bytes say what the network loses, overwrites
/// and forges. The client ends by itself, and its records can be summarized at every time.
pub fn client_input(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut far = Far::new();
    let mut client = Client::new(short_check());
    for _ in 0..MOST_STEPS {
        match client.poll(far.now) {
            Output::Finished(end) => return summarize_all(&client, end, far.now),
            Output::Transmit(sent) => {
                if let TransmitKind::Echo(seq) = sent.kind {
                    client.departed(seq, far.now);
                }
                transmit(&mut client, &mut far, &mut script, &sent.datagram);
            }
            Output::Event(ClientEvent::StreamEnded) => {
                let slots = script.next().unwrap_or(0) % 16;
                client.extend(far.now, slots.into());
            }
            Output::Event(_) => {}
            Output::Wait(until) => far.now = wait(&mut client, &mut script, far.now, until),
        }
    }
    panic_endless();
}

#[expect(clippy::panic, reason = "what the fuzzer is to find")]
fn panic_endless() {
    panic!("the client does not end");
}

/// Far beyond what a check of [`short_check`]'s size takes.
const MOST_STEPS: u32 = 100_000;

fn short_check() -> ClientConfig {
    ClientConfig {
        nonce: 0x1234_5678_9ABC_DEF0,
        stream: StreamPlan {
            slots: 24,
            ..StreamPlan::default()
        },
        patience: Duration::from_secs(1),
        session_time: Duration::from_secs(10),
        headers: Some(28),
    }
}

/// One datagram on its way to the server, and the answer on its way back.
fn transmit(client: &mut Client, far: &mut Far, script: &mut Script<'_>, datagram: &[u8]) {
    match script.next().unwrap_or(0) {
        1 => {}
        2 => client.rejected(),
        3 => client.cancel(),
        control => {
            let handled = far.handle(0, datagram);
            let mut answer = std::mem::take(&mut far.reply);
            if control & 4 != 0 {
                let at = usize::from(script.next().unwrap_or(0));
                overwrite(&mut answer, at, script.take(usize::from(control >> 4)));
            }
            let copies = usize::from(handled != Handled::Silent) + usize::from(control & 8 != 0);
            for _ in 0..copies {
                client.received(far.now, ClockSource::User, &answer);
            }
        }
    }
}

/// While the client waits, a forged datagram may come in, sooner than what is waited for.
fn wait(
    client: &mut Client,
    script: &mut Script<'_>,
    now: MonotonicTime,
    until: MonotonicTime,
) -> MonotonicTime {
    if script.next().unwrap_or(0) & 1 == 0 {
        return until.max(now);
    }
    let mut forged = script.datagram();
    overwrite(&mut forged, 0, b"GRM\x01");
    client.received(now, ClockSource::KernelReceive, &forged);
    now.after(until.since(now) / 2)
        .after(Duration::from_nanos(1))
}

fn summarize_all(client: &Client, _end: End, now: MonotonicTime) {
    for at in [
        MonotonicTime::default(),
        now,
        MonotonicTime::from_nanos(u64::MAX),
    ] {
        let context = PathContext {
            transport: Transport::Udp,
            udp_blocked: None,
            remote: address(9),
            local_path_mtu: Some(1500),
        };
        summarize(client, context, at);
    }
}

/// A responder and its clock.
struct Far {
    responder: Responder,
    now: MonotonicTime,
    reply: Vec<u8>,
    packets: Vec<u8>,
    load_bytes: u64,
}

impl Far {
    fn new() -> Self {
        let config = ResponderConfig {
            limits: Limits::default(),
            secret: [7; 32],
        };
        Self {
            responder: Responder::new(&config),
            now: MonotonicTime::from_nanos(1_000_000_000),
            reply: Vec::new(),
            packets: Vec::new(),
            load_bytes: 0,
        }
    }

    /// Takes what is due to be sent. It goes to the one client with a session, is what was said,
    /// and no more than a session may have.
    fn drain(&mut self) {
        while let Some(egress) = self.responder.poll_egress(self.now, &mut self.packets) {
            assert_eq!(egress.to, address(0));
            let size = usize::from(egress.segment_bytes);
            assert_eq!(self.packets.len(), egress.packets as usize * size);
            for packet in self.packets.chunks(size) {
                assert!(matches!(wire::decode(packet), Ok(Message::Load(_))));
            }
            self.load_bytes += self.packets.len() as u64;
            assert!(self.load_bytes <= Limits::default().max_load_bytes);
        }
        assert!(
            self.responder
                .next_egress_at()
                .is_none_or(|at| at > self.now)
        );
        assert_eq!(self.responder.counters().load_bytes_out, self.load_bytes);
    }

    fn handle(&mut self, from: u8, datagram: &[u8]) -> Handled {
        let arrival = Arrival {
            from: address(from),
            at: self.now,
            clock: ClockSource::User,
            wall_unix_ns: 1_700_000_000_000_000_000,
        };
        self.responder.handle(arrival, datagram, &mut self.reply)
    }

    /// A session of address 0, as the protocol opens it.
    fn open(&mut self) -> u64 {
        let nonce = 1;
        let mut datagram = Vec::new();
        wire::encode(&Message::Hello { nonce }, HELLO_BYTES, &mut datagram);
        self.handle(0, &datagram);
        if let Ok(Message::Challenge { token, .. }) = wire::decode(&self.reply) {
            let open = Message::Open {
                nonce,
                token,
                duration_ms: 60_000,
            };
            wire::encode(&open, OPEN_BYTES, &mut datagram);
            self.handle(0, &datagram);
        }
        match wire::decode(&self.reply) {
            Ok(Message::Opened(opened)) => opened.session,
            _ => 0,
        }
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5000))
}

/// Writes over what is there; what would go beyond the end is left out.
fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(with) {
        *to = *from;
    }
}

/// The bytes as instructions; at the end there are none.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }

    fn take(&mut self, wanted: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(wanted.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A length and so many bytes; eight times as many from 200 on, to be as large as can be.
    fn datagram(&mut self) -> Vec<u8> {
        let length = usize::from(self.next().unwrap_or(0));
        let mut datagram = self.take(length).to_vec();
        if length >= 200 {
            datagram.resize(length * 8, 0);
        }
        datagram
    }
}
