//! A microphone: USB Audio Class 1.0, 48 kHz, one channel, an isochronous endpoint.
//!
//! Source: Universal Serial Bus Device Class Definition for Audio Devices, release 1.0.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock of a microphone"
)]

use std::str::FromStr;
use std::time::{Duration, Instant};

use super::descriptors::{Descriptors, Speed, descriptor};
use super::port::{self, Device};
use super::wire::{Answer, Setup, Transfer};
use crate::vm::guest::Options;
use crate::vm::tone;

/// What a descriptor of this class begins with.
const CLASS_INTERFACE: u8 = 0x24;

/// Class requests to the host.
const GET_MIN: u8 = 0x82;
const GET_RES: u8 = 0x84;

/// Request to an endpoint, in the request type's low bits.
const TO_ENDPOINT: u8 = 2;

/// The control of a unit that switches it off, in a request's value.
const MUTE: u8 = 1;

/// A packet is sent each millisecond.
const PACKET: Duration = Duration::from_millis(1);

/// A pause after which the stream begins anew instead of catching up.
const LONGEST_BACKLOG: Duration = Duration::from_millis(200);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Silent,
    StallAfter(Duration),
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "silent" => Ok(Self::Silent),
            _ => {
                let after = text.strip_prefix("stall:").and_then(|ms| ms.parse().ok());
                after
                    .map(|ms| Self::StallAfter(Duration::from_millis(ms)))
                    .ok_or(())
            }
        }
    }
}

/// Plays a microphone until it is killed.
pub(in super::super) fn play(options: &Options) -> Result<(), String> {
    let name = options.value("name", "Lab Microphone".to_owned())?;
    let amplitude: f64 = options.value("amplitude", 0.5)?;
    let fault = options.value("fault", Fault::None)?;
    let amplitude = if fault == Fault::Silent {
        0.0
    } else {
        amplitude
    };
    let samples = tone::period(amplitude);
    let mut microphone = Microphone {
        descriptors: describe(&name),
        packet: samples.into_iter().flat_map(i16::to_le_bytes).collect(),
        fault,
        sent: Duration::ZERO,
        due: None,
    };
    port::play(&mut microphone, Speed::Full)
}

#[derive(Debug)]
struct Microphone {
    descriptors: Descriptors,
    /// A period of the tone is a millisecond, as a packet is.
    packet: Vec<u8>,
    fault: Fault,
    sent: Duration,
    /// Set by the first transfer.
    due: Option<Instant>,
}

impl Microphone {
    fn is_stalled(&self) -> bool {
        matches!(self.fault, Fault::StallAfter(after) if self.sent >= after)
    }
}

impl Device for Microphone {
    fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    fn control(&mut self, setup: Setup, _data: &[u8]) -> Answer {
        let is_to_host = setup.request_type & 0x80 != 0;
        let [_, control] = setup.value.to_le_bytes();
        if !is_to_host {
            return Answer::Taken;
        }
        // The rate of the endpoint, else the mute or the volume in 1/256 dB of the unit.
        let rate = tone::RATE.to_le_bytes();
        let mut answer = match setup.request {
            _ if setup.request_type & 0x1f == TO_ENDPOINT => rate[..3].to_vec(),
            GET_MIN if control != MUTE => vec![0x00, 0xe0],
            GET_RES if control != MUTE => vec![0x00, 0x01],
            // The largest volume is 0 dB, and that is the current one; it is not muted.
            _ => vec![0, 0],
        };
        answer.truncate(usize::from(setup.length));
        Answer::Data(answer)
    }

    fn due_at(&self) -> Option<Instant> {
        if self.is_stalled() {
            return None;
        }
        Some(self.due.unwrap_or_else(Instant::now))
    }

    fn transfer(&mut self, now: Instant, transfer: &Transfer) -> Answer {
        let n_packets = transfer.packets.len();
        let length = PACKET * u32::try_from(n_packets).unwrap_or(u32::MAX);
        let backlog = |due: &Instant| now.saturating_duration_since(*due);
        let due = self.due.filter(|due| backlog(due) < LONGEST_BACKLOG);
        self.due = Some(due.unwrap_or(now) + length);
        self.sent += length;
        Answer::Packets(vec![self.packet.clone(); n_packets])
    }
}

fn describe(name: &str) -> Descriptors {
    // A microphone, a unit with its volume, the host.
    let input = descriptor(&[CLASS_INTERFACE, 2, 1, 0x01, 0x02, 0, 1, 0, 0, 0, 0]);
    let output = descriptor(&[CLASS_INTERFACE, 3, 2, 0x01, 0x01, 0, 3, 0]);
    let volume = descriptor(&[CLASS_INTERFACE, 6, 3, 1, 1, 3, 0, 0]);
    let units = [input, output, volume].concat();
    let total = u16::try_from(9 + units.len())
        .unwrap_or(u16::MAX)
        .to_le_bytes();
    let header = descriptor(&[CLASS_INTERFACE, 1, 0x00, 0x01, total[0], total[1], 1, 1]);
    let rate = tone::RATE.to_le_bytes();
    let interfaces = [
        descriptor(&[4, 0, 0, 0, 1, 1, 0, 2]),
        header,
        units,
        // Silent, then with its endpoint.
        descriptor(&[4, 1, 0, 0, 1, 2, 0, 0]),
        descriptor(&[4, 1, 1, 1, 1, 2, 0, 0]),
        descriptor(&[CLASS_INTERFACE, 1, 2, 1, 0x01, 0x00]),
        // One channel of 16 bits at one rate.
        descriptor(&[
            CLASS_INTERFACE,
            2,
            1,
            1,
            2,
            16,
            1,
            rate[0],
            rate[1],
            rate[2],
        ]),
        // Isochronous and asynchronous, to the host, at most 100 bytes each millisecond.
        descriptor(&[5, 0x81, 5, 100, 0, 1, 0, 0]),
        descriptor(&[0x25, 1, 1, 0, 0, 0]),
    ]
    .concat();
    Descriptors::new([0, 0, 0], 0x0a02, name, 2, &interfaces)
}
