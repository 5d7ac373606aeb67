//! Bytes of the messages that make a load.

use super::super::wire::{DecodeError, Fields};
use super::schedule::Shape;

/// Bytes of a load packet before its padding.
pub const LOAD_PACKET_FIELDS: usize = 32;
/// Arrivals that one report tells of at most.
pub const MAX_NOTES: usize = (REPORT_BYTES - REPORT_FIELDS) / NOTE_BYTES;
/// Bytes of a report, at most; no larger than the packets that call it forth.
pub const REPORT_BYTES: usize = 1200;
/// Bytes of the request for a report.
pub const REPORT_REQUEST_BYTES: usize = 64;
/// Unit of the arrival times in a report.
pub const NOTE_UNIT_NS: u64 = 100;

const REPORT_FIELDS: usize = 72;
const NOTE_BYTES: usize = 6;
const FLAG_KERNEL_STAMP: u8 = 1;
const FLAG_STOP: u8 = 2;
const SEQ_AT: usize = 20;
const DEPARTURE_AT: usize = 24;

/// Which way a load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadDirection {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// A message that makes a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadMessage {
    /// Client: take this load, or send it to me.
    Start(LoadStart),
    /// Server: I do.
    Granted {
        /// Session.
        session: u64,
        /// Of the start.
        load: u32,
        /// Packets granted; no more than asked for.
        packets: u32,
    },
    /// Sender: one packet of the load.
    Packet(LoadPacket),
    /// Client: tell me what came in, or what you sent.
    ReportRequest {
        /// Session.
        session: u64,
        /// Load.
        load: u32,
        /// First note asked for.
        base: u32,
        /// Send no more of this load.
        stop: bool,
    },
    /// Server: this. Unasked while packets come in.
    Report(LoadReport),
}

impl LoadMessage {
    /// The session it belongs to.
    pub fn session(&self) -> u64 {
        head(self).2
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStart {
    /// Session.
    pub session: u64,
    /// Chosen by the client; a repeated start of the same load is the same start.
    pub load: u32,
    /// Which way.
    pub direction: LoadDirection,
    /// When packets leave.
    pub shape: Shape,
    /// UDP payload of one packet.
    pub packet_bytes: u16,
    /// Packets in all.
    pub packets: u32,
    /// UDP payload a second, in bits; of no meaning for a train.
    pub rate_bps: u64,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPacket {
    /// Session.
    pub session: u64,
    /// Load.
    pub load: u32,
    /// Counts from 0.
    pub seq: u32,
    /// The sender's clock when it left.
    pub departure_ns: u64,
}

/// What came in, or what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Session.
    pub session: u64,
    /// Load.
    pub load: u32,
    /// Arrivals were stamped by the kernel.
    pub kernel_stamps: bool,
    /// The server sends no more of it.
    pub ended: bool,
    /// Packets that the server sent.
    pub sent: u32,
    /// Different packets that came in.
    pub received: u32,
    /// Second and later copies.
    pub duplicates: u32,
    /// UDP payload of the different packets that came in.
    pub received_bytes: u64,
    /// When the first came in, on the server's clock.
    pub first_arrival_ns: u64,
    /// When the last came in, on the server's clock.
    pub last_arrival_ns: u64,
    /// Arrivals noted one by one so far; beyond the bound of the ledger only totals grow.
    pub noted: u32,
    /// Index of the first of `notes`.
    pub base: u32,
    /// Arrivals in their order: sequence number, and time since the first in [`NOTE_UNIT_NS`].
    pub notes: Vec<(u32, u32)>,
}

pub(in super::super) mod kind {
    pub(in super::super::super) const START: u8 = 32;
    pub(in super::super::super) const GRANTED: u8 = 33;
    pub(in super::super::super) const PACKET: u8 = 34;
    pub(in super::super::super) const REPORT_REQUEST: u8 = 35;
    pub(in super::super::super) const REPORT: u8 = 36;
}

/// Kind, flags and session of a message.
pub(in super::super) fn head(message: &LoadMessage) -> (u8, u8, u64) {
    match message {
        LoadMessage::Start(start) => (kind::START, 0, start.session),
        LoadMessage::Granted { session, .. } => (kind::GRANTED, 0, *session),
        LoadMessage::Packet(packet) => (kind::PACKET, 0, packet.session),
        LoadMessage::ReportRequest { session, stop, .. } => {
            (kind::REPORT_REQUEST, flag(*stop, FLAG_STOP), *session)
        }
        LoadMessage::Report(report) => {
            let flags =
                flag(report.kernel_stamps, FLAG_KERNEL_STAMP) | flag(report.ended, FLAG_STOP);
            (kind::REPORT, flags, report.session)
        }
    }
}

fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// Reads the fields of a message of this kind.
pub(in super::super) fn decode(
    kind: u8,
    session: u64,
    f: &Fields<'_>,
) -> Result<LoadMessage, DecodeError> {
    let load = f.u32(16)?;
    Ok(match kind {
        kind::START => LoadMessage::Start(decode_start(session, load, f)?),
        kind::GRANTED => LoadMessage::Granted {
            session,
            load,
            packets: f.u32(20)?,
        },
        kind::PACKET => LoadMessage::Packet(LoadPacket {
            session,
            load,
            seq: f.u32(SEQ_AT)?,
            departure_ns: f.u64(DEPARTURE_AT)?,
        }),
        kind::REPORT_REQUEST => LoadMessage::ReportRequest {
            session,
            load,
            base: f.u32(20)?,
            stop: f.u8(5)? & FLAG_STOP != 0,
        },
        kind::REPORT => LoadMessage::Report(decode_report(session, load, f)?),
        other => return Err(DecodeError::Kind(other)),
    })
}

fn decode_start(session: u64, load: u32, f: &Fields<'_>) -> Result<LoadStart, DecodeError> {
    let direction = match f.u8(20)? {
        0 => LoadDirection::Up,
        1 => LoadDirection::Down,
        _ => return Err(DecodeError::Value),
    };
    Ok(LoadStart {
        session,
        load,
        direction,
        shape: Shape::from_byte(f.u8(21)?).ok_or(DecodeError::Value)?,
        packet_bytes: f.u16(22)?,
        packets: f.u32(24)?,
        rate_bps: f.u64(32)?,
    })
}

fn decode_report(session: u64, load: u32, f: &Fields<'_>) -> Result<LoadReport, DecodeError> {
    let flags = f.u8(5)?;
    let base_seq = f.u32(64)?;
    let n_notes = usize::from(f.u16(68)?);
    if n_notes > MAX_NOTES {
        return Err(DecodeError::Value);
    }
    let notes = (0..n_notes).map(|i| {
        let at = REPORT_FIELDS + i * NOTE_BYTES;
        let seq = base_seq.checked_add(u32::from(f.u16(at)?));
        Ok((seq.ok_or(DecodeError::Value)?, f.u32(at + 2)?))
    });
    Ok(LoadReport {
        session,
        load,
        kernel_stamps: flags & FLAG_KERNEL_STAMP != 0,
        ended: flags & FLAG_STOP != 0,
        sent: f.u32(20)?,
        received: f.u32(24)?,
        duplicates: f.u32(28)?,
        received_bytes: f.u64(32)?,
        first_arrival_ns: f.u64(40)?,
        last_arrival_ns: f.u64(48)?,
        noted: f.u32(56)?,
        base: f.u32(60)?,
        notes: notes.collect::<Result<_, _>>()?,
    })
}

/// Writes the fields of a message behind its head.
pub(in super::super) fn encode_fields(message: &LoadMessage, out: &mut Vec<u8>) {
    match message {
        LoadMessage::Start(start) => encode_start(start, out),
        LoadMessage::Granted { load, packets, .. } => put(out, &[*load, *packets]),
        LoadMessage::Packet(packet) => {
            put(out, &[packet.load, packet.seq]);
            out.extend_from_slice(&packet.departure_ns.to_be_bytes());
        }
        LoadMessage::ReportRequest { load, base, .. } => put(out, &[*load, *base]),
        LoadMessage::Report(report) => encode_report(report, out),
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn encode_start(start: &LoadStart, out: &mut Vec<u8>) {
    put(out, &[start.load]);
    let direction = match start.direction {
        LoadDirection::Up => 0,
        LoadDirection::Down => 1,
    };
    out.extend_from_slice(&[direction, start.shape.to_byte()]);
    out.extend_from_slice(&start.packet_bytes.to_be_bytes());
    put(out, &[start.packets, 0]);
    out.extend_from_slice(&start.rate_bps.to_be_bytes());
}

/// Notes are written as distances from the lowest sequence number among them; the first whose
/// distance is too large, and those behind it, are left for another report.
fn encode_report(report: &LoadReport, out: &mut Vec<u8>) {
    let notes = &report.notes[..report.notes.len().min(MAX_NOTES)];
    let base_seq = notes.iter().map(|(seq, _)| *seq).min().unwrap_or(0);
    let distances: Vec<(u16, u32)> = notes
        .iter()
        .map_while(|(seq, after)| Some((u16::try_from(seq - base_seq).ok()?, *after)))
        .collect();
    put(
        out,
        &[report.load, report.sent, report.received, report.duplicates],
    );
    for number in [
        report.received_bytes,
        report.first_arrival_ns,
        report.last_arrival_ns,
    ] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    put(out, &[report.noted, report.base, base_seq]);
    let n_notes = u16::try_from(distances.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&n_notes.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    for (distance, after) in distances {
        out.extend_from_slice(&distance.to_be_bytes());
        out.extend_from_slice(&after.to_be_bytes());
    }
}

/// Writes sequence number and departure into an encoded load packet, so that one template serves
/// for all packets of a load.
pub(super) fn stamp_packet(packet: &mut [u8], seq: u32, departure_ns: u64) {
    if let Some(field) = packet.get_mut(SEQ_AT..DEPARTURE_AT) {
        field.copy_from_slice(&seq.to_be_bytes());
    }
    if let Some(field) = packet.get_mut(DEPARTURE_AT..LOAD_PACKET_FIELDS) {
        field.copy_from_slice(&departure_ns.to_be_bytes());
    }
}
