//! A webcam: USB Video Class 1.0 over a bulk endpoint.
//!
//! Source: Universal Serial Bus Device Class Definition for Video Devices, revision 1.1, and its payload documents.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: owns the clock of a camera"
)]

use std::time::{Duration, Instant};

use super::descriptors::{Descriptors, Speed, descriptor};
use super::port::{self, Device};
use super::wire::{Answer, Setup, Transfer};
use crate::vm::feed::FeedFault;
use crate::vm::frames::{self, SIZES, Scene};
use crate::vm::guest::Options;

/// Bytes of a payload with its header; the host asks for transfers of this size.
const PAYLOAD: usize = 16_384;

/// Of the clock that the camera claims to have.
const CLOCK_HZ: u32 = 48_000_000;

/// What a descriptor of this class begins with.
const CLASS_INTERFACE: u8 = 0x24;

/// Class requests.
const SET_CUR: u8 = 0x01;
const GET_LEN: u8 = 0x85;
const GET_INFO: u8 = 0x86;

/// Controls of the streaming interface.
const COMMIT: u8 = 2;

/// The interface of the pictures.
const STREAMING: u8 = 1;

/// Bytes of the settings that host and camera agree on.
const SETTINGS: usize = 26;

/// A pause after which pictures that are due are given up instead of sent in a burst.
const LONGEST_BACKLOG: Duration = Duration::from_millis(100);

/// Plays a camera until it is killed.
pub(in super::super) fn play(options: &Options) -> Result<(), String> {
    let name = options.value("name", "Lab Camera".to_owned())?;
    let frame_rate: u32 = options.value("fps", 30)?;
    let fault: FeedFault = options.value("fault", FeedFault::None)?;
    let frame_rate = frame_rate.max(1);
    let mut camera = Camera {
        descriptors: describe(&name, frame_rate),
        turns: turns(fault)?,
        fault,
        interval: fault.interval(frame_rate),
        settings: Settings {
            format: 1,
            frame: 1,
            interval: interval_100ns(frame_rate),
        },
        n_sent: 0,
        offset: 0,
        due: Instant::now(),
    };
    port::play(&mut camera, Speed::High)
}

/// A format and a size, with its pictures.
#[derive(Debug)]
struct Turn {
    format: u8,
    frame: u8,
    pictures: Vec<Vec<u8>>,
}

fn turns(fault: FeedFault) -> Result<Vec<Turn>, String> {
    let scene: Scene = fault.scene();
    let mut turns = Vec::new();
    for (frame, size) in (1..).zip(SIZES) {
        let pictures = frames::read(&Options::frames(), scene, size);
        turns.push(Turn {
            format: MOTION_JPEG,
            frame,
            pictures: pictures.map_err(|error| format!("there are no pictures: {error}"))?,
        });
    }
    turns.push(Turn {
        format: UNCOMPRESSED,
        frame: 1,
        pictures: (0..frames::N_FRAMES)
            .map(|number| frames::yuyv(scene, SIZES[0], number))
            .collect(),
    });
    for turn in &mut turns {
        fault.spoil(&mut turn.pictures);
    }
    Ok(turns)
}

/// Format numbers.
const MOTION_JPEG: u8 = 1;
const UNCOMPRESSED: u8 = 2;

/// What host and camera agreed on.
#[derive(Debug, Clone, Copy)]
struct Settings {
    format: u8,
    frame: u8,
    interval: u32,
}

impl Settings {
    /// Source: table 4-47, as of revision 1.0.
    fn bytes(self) -> Vec<u8> {
        let (width, height) = SIZES[usize::from(self.frame - 1).min(SIZES.len() - 1)];
        let largest = u32::from(width) * u32::from(height) * 2;
        let payload = u32::try_from(PAYLOAD).unwrap_or(u32::MAX);
        [
            &[1, 0, self.format, self.frame][..],
            &self.interval.to_le_bytes(),
            // Key frame rate, P frame rate, quality, window, delay.
            &[0; 10],
            &largest.to_le_bytes(),
            &payload.to_le_bytes(),
        ]
        .concat()
    }
}

#[derive(Debug)]
struct Camera {
    descriptors: Descriptors,
    turns: Vec<Turn>,
    fault: FeedFault,
    interval: Duration,
    settings: Settings,
    n_sent: u32,
    /// Bytes of the current picture that are sent.
    offset: usize,
    due: Instant,
}

impl Camera {
    fn picture(&self) -> &[u8] {
        let is_chosen =
            |turn: &&Turn| turn.format == self.settings.format && turn.frame == self.settings.frame;
        let turn = self.turns.iter().find(is_chosen).or(self.turns.first());
        let pictures = turn
            .map(|turn| turn.pictures.as_slice())
            .unwrap_or_default();
        let number = self.n_sent as usize % pictures.len().max(1);
        pictures.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    fn set(&mut self, control: u8, data: &[u8]) {
        if let [_, _, format, frame, ..] = *data {
            let is_known = |turn: &Turn| turn.format == format && turn.frame == frame;
            if self.turns.iter().any(is_known) {
                (self.settings.format, self.settings.frame) = (format, frame);
            }
        }
        if control == COMMIT {
            (self.n_sent, self.offset, self.due) = (0, 0, Instant::now());
        }
    }
}

impl Device for Camera {
    fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    fn control(&mut self, setup: Setup, data: &[u8]) -> Answer {
        let [interface, _] = setup.index.to_le_bytes();
        let [_, control] = setup.value.to_le_bytes();
        if interface != STREAMING {
            return Answer::Stalled;
        }
        let mut answer = match setup.request {
            SET_CUR => {
                self.set(control, data);
                return Answer::Taken;
            }
            GET_LEN => vec![u8::try_from(SETTINGS).unwrap_or_default(), 0],
            // Can be read and set.
            GET_INFO => vec![3],
            _ => self.settings.bytes(),
        };
        answer.truncate(usize::from(setup.length));
        Answer::Data(answer)
    }

    fn due_at(&self) -> Option<Instant> {
        (!self.fault.is_stalled(self.n_sent)).then_some(self.due)
    }

    /// A payload: two bytes of header, then a part of the picture. Source: §2.4.3.3.
    fn transfer(&mut self, now: Instant, transfer: &Transfer) -> Answer {
        const END_OF_HEADER: u8 = 0x80;
        const END_OF_FRAME: u8 = 0x02;
        let room = transfer.length.min(PAYLOAD).saturating_sub(2);
        let picture = self.picture();
        let part = &picture[self.offset.min(picture.len())..];
        let part = &part[..part.len().min(room)];
        let ends = self.offset + part.len() >= picture.len();
        // The lowest bit changes with every picture.
        let flags =
            END_OF_HEADER | u8::from(self.n_sent % 2 == 1) | if ends { END_OF_FRAME } else { 0 };
        let payload = [&[2, flags], part].concat();
        self.offset += part.len();
        if ends {
            self.offset = 0;
            self.n_sent = self.n_sent.wrapping_add(1);
            let earliest = now.checked_sub(LONGEST_BACKLOG).unwrap_or(now);
            self.due = (self.due + self.interval).max(earliest);
        }
        Answer::Data(payload)
    }
}

fn interval_100ns(frame_rate: u32) -> u32 {
    10_000_000 / frame_rate
}

fn describe(name: &str, frame_rate: u32) -> Descriptors {
    let streams = streams(frame_rate);
    let interfaces = [
        // Both interfaces belong together.
        descriptor(&[0x0b, 0, 2, 0x0e, 3, 0, 2]),
        descriptor(&[4, 0, 0, 0, 0x0e, 1, 0, 2]),
        topology(),
        descriptor(&[4, STREAMING, 0, 1, 0x0e, 2, 0, 0]),
        streams,
        // Bulk, to the host, 512 bytes.
        descriptor(&[5, 0x81, 2, 0x00, 0x02, 0]),
    ]
    .concat();
    Descriptors::new([0xef, 2, 1], 0x0a01, name, 2, &interfaces)
}

/// A sensor, whose pictures go to the host as they are.
fn topology() -> Vec<u8> {
    let sensor = descriptor(&[
        CLASS_INTERFACE,
        2,
        1,
        0x01,
        0x02,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
    ]);
    let output = descriptor(&[CLASS_INTERFACE, 3, 2, 0x01, 0x01, 0, 1, 0]);
    let units = [sensor, output].concat();
    let total = little_u16(13 + units.len());
    let clock = CLOCK_HZ.to_le_bytes();
    let header = [
        &[CLASS_INTERFACE, 1, 0x00, 0x01][..],
        &total,
        &clock,
        &[1, STREAMING],
    ]
    .concat();
    [descriptor(&header), units].concat()
}

fn streams(frame_rate: u32) -> Vec<u8> {
    /// Identifies packed 4:2:2, in bytes as they are on the wire.
    const YUY2: [u8; 16] = *b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
    // Colors as of ITU-R BT.709 with the transfer of BT.709 and the matrix of BT.601.
    let colors = descriptor(&[CLASS_INTERFACE, 0x0d, 1, 1, 4]);
    let jpeg = [
        descriptor(&[CLASS_INTERFACE, 6, MOTION_JPEG, 2, 1, 1, 0, 0, 0, 0]),
        frame(7, 1, SIZES[0], frame_rate),
        frame(7, 2, SIZES[1], frame_rate),
        colors.clone(),
    ];
    let head = [
        &[CLASS_INTERFACE, 4, UNCOMPRESSED, 1][..],
        &YUY2,
        &[16, 1, 0, 0, 0, 0],
    ]
    .concat();
    let packed = [descriptor(&head), frame(5, 1, SIZES[0], frame_rate), colors];
    let formats = [jpeg.concat(), packed.concat()].concat();
    let total = little_u16(15 + formats.len());
    let header = [
        &[CLASS_INTERFACE, 1, 2][..],
        &total,
        &[0x81, 0, 2, 0, 0, 0, 1, 0, 0],
    ]
    .concat();
    [descriptor(&header), formats].concat()
}

/// A size at one rate.
fn frame(kind: u8, index: u8, (width, height): (u16, u16), frame_rate: u32) -> Vec<u8> {
    let largest = u32::from(width) * u32::from(height) * 2;
    let bits = (largest * 8 * frame_rate).to_le_bytes();
    let interval = interval_100ns(frame_rate).to_le_bytes();
    descriptor(
        &[
            &[CLASS_INTERFACE, kind, index, 0][..],
            &width.to_le_bytes(),
            &height.to_le_bytes(),
            &bits,
            &bits,
            &largest.to_le_bytes(),
            &interval,
            &[1],
            &interval,
        ]
        .concat(),
    )
}

fn little_u16(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes()
}
