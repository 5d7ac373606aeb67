//! Bytes of the measurement protocol.
//!
//! All numbers are big-endian. Every datagram begins with [`HEADER_BYTES`] of header: the letters
//! `GRM`, the version, the kind, a byte of flags and two reserved bytes, which are sent as zero and
//! ignored. Bytes behind the fields of a message are padding.

use super::load::wire::{self as load_wire, LoadMessage};
use super::token::{TOKEN_BYTES, Token};

/// Version of the protocol spoken here.
pub const VERSION: u8 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;
/// Bytes of [`Message::Hello`], padded so that the answer is not larger.
pub const HELLO_BYTES: usize = 64;
/// Bytes of [`Message::Open`], padded so that the answer is not larger.
pub const OPEN_BYTES: usize = 96;
/// Bytes of [`Message::EchoReply`] before its padding.
pub const ECHO_REPLY_FIELDS: usize = 64;
/// Bytes of a size probe and its reply before padding.
pub const SIZE_FIELDS: usize = 24;
/// Sequence numbers that one receipt covers.
pub const RECEIPT_SPAN: u32 = 1024;
/// Bytes of a receipt and of the request for it.
pub const RECEIPT_BYTES: usize = 36 + BITMAP_BYTES;

const MAGIC: [u8; 3] = *b"GRM";
const BITMAP_BYTES: usize = RECEIPT_SPAN as usize / 8;
const FLAG_KERNEL_STAMP: u8 = 1;
const DEPARTURE_AT: usize = 40;
const PATH_MTU_AT: usize = 32;

/// A datagram, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: may I?
    Hello {
        /// Chosen by the client, repeated in the answer.
        nonce: u64,
    },
    /// Server: prove that you receive at your address.
    Challenge {
        /// Of the hello.
        nonce: u64,
        /// To be sent back.
        token: Token,
    },
    /// Client: here is the proof; open a session.
    Open {
        /// Of the hello.
        nonce: u64,
        /// Of the challenge.
        token: Token,
        /// How long the client wants it.
        duration_ms: u32,
    },
    /// Server: it is open.
    Opened(Opened),
    /// Server: no.
    Refused {
        /// Nonce of the hello, or id of the session.
        subject: u64,
        /// Why.
        code: RefusalCode,
        /// When to try again; 0 says nothing about that.
        retry_after_ms: u32,
    },
    /// Client: answer this at once.
    Echo(Echo),
    /// Server: the answer.
    EchoReply(EchoReply),
    /// Client: did a datagram of this size come through, or send me one.
    SizeProbe {
        /// Session.
        session: u64,
        /// Chosen by the client.
        id: u32,
        /// Bytes that the answer is to have.
        reply_bytes: u16,
    },
    /// Server: it did, and this is one.
    SizeReply {
        /// Session.
        session: u64,
        /// Of the probe.
        id: u32,
        /// Bytes of the probe as it came in.
        received_bytes: u16,
    },
    /// Client: which echo requests came in?
    ReceiptRequest {
        /// Session.
        session: u64,
        /// First sequence number asked for.
        base: u32,
    },
    /// Server: these.
    Receipt(Receipt),
    /// Client: done.
    Close {
        /// Session.
        session: u64,
    },
    /// Server: closed.
    Closed {
        /// Session.
        session: u64,
    },
    /// Either: of a load.
    Load(LoadMessage),
}

/// What a session was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Nonce of the hello.
    pub nonce: u64,
    /// Id of the session; who knows it may use it, from the proven address.
    pub session: u64,
    /// How long it lasts.
    pub max_session_ms: u32,
    /// Echo requests and size probes a second.
    pub max_packets_per_second: u32,
    /// Largest datagram either way.
    pub max_datagram_bytes: u16,
    /// The server's wall clock, nanoseconds since 1970 (UTC).
    pub wall_unix_ns: i64,
}

/// An echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Session.
    pub session: u64,
    /// Counts from 0.
    pub seq: u32,
    /// The client's clock when it left, nanoseconds since the client's epoch.
    pub departure_ns: u64,
}

/// The answer to an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoReply {
    /// Session.
    pub session: u64,
    /// Of the request.
    pub seq: u32,
    /// Different echo requests that came in so far, this one included.
    pub received: u32,
    /// Which copy of this request is answered: 1, or more when the network made copies.
    pub copy: u16,
    /// The arrival was stamped by the kernel.
    pub kernel_stamp: bool,
    /// The server's clock when the request came in.
    pub arrival_ns: u64,
    /// The server's clock when the answer left.
    pub departure_ns: u64,
    /// Bit `i` is set when request `seq - i` came in.
    pub window: u64,
}

/// Which echo requests came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Session.
    pub session: u64,
    /// First sequence number of the bitmap.
    pub base: u32,
    /// Different echo requests that came in, in all.
    pub received: u32,
    /// Second and later copies, in all.
    pub duplicates: u32,
    /// Largest IP packet that the server's kernel believes to reach the client; 0 when unknown.
    pub path_mtu: u16,
    /// Bit `7 - i % 8` of byte `i / 8` tells of request `base + i`.
    pub bitmap: Box<[u8; BITMAP_BYTES]>,
}

impl Receipt {
    /// Whether request `seq` came in; `None` outside the bitmap.
    pub fn contains(&self, seq: u32) -> Option<bool> {
        let index = seq.checked_sub(self.base)?;
        (index < RECEIPT_SPAN).then(|| {
            let byte = self.bitmap[(index / 8) as usize];
            byte & (0x80 >> (index % 8)) != 0
        })
    }
}

/// Why the server says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The token is not of this address, or too old.
    TokenInvalid,
    /// The server holds as many sessions as it may.
    ServerFull,
    /// This address holds or opened as many sessions as it may.
    AddressLimit,
    /// Packets came faster than granted.
    TooFast,
    /// The server carries as many loads as it may, or this one is too large.
    LoadLimit,
    /// A code of a later version.
    Other(u8),
}

impl RefusalCode {
    fn to_byte(self) -> u8 {
        match self {
            Self::TokenInvalid => 1,
            Self::ServerFull => 2,
            Self::AddressLimit => 3,
            Self::TooFast => 4,
            Self::LoadLimit => 5,
            Self::Other(byte) => byte,
        }
    }

    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::TokenInvalid,
            2 => Self::ServerFull,
            3 => Self::AddressLimit,
            4 => Self::TooFast,
            5 => Self::LoadLimit,
            other => Self::Other(other),
        }
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its fields.
    #[error("the datagram is cut short")]
    TooShort,
    /// Not of this protocol.
    #[error("the datagram is not of this protocol")]
    NotOurs,
    /// Of a version that is not spoken here.
    #[error("the datagram is of protocol version {0}")]
    Version(u8),
    /// Of a kind that this version does not know.
    #[error("the datagram is of the unknown kind {0}")]
    Kind(u8),
    /// A field has a value that it cannot have.
    #[error("the datagram has a field of an impossible value")]
    Value,
}

/// Kinds on the wire. 32 to 63 are those of loads.
mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const CHALLENGE: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const OPENED: u8 = 4;
    pub(super) const REFUSED: u8 = 5;
    pub(super) const ECHO: u8 = 6;
    pub(super) const ECHO_REPLY: u8 = 7;
    pub(super) const RECEIPT_REQUEST: u8 = 8;
    pub(super) const RECEIPT: u8 = 9;
    pub(super) const CLOSE: u8 = 10;
    pub(super) const CLOSED: u8 = 11;
    pub(super) const SIZE_PROBE: u8 = 12;
    pub(super) const SIZE_REPLY: u8 = 13;
}

/// Reads one datagram.
///
/// # Errors
/// When the bytes are too short, of another protocol, or of a version or kind unknown here.
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let fields = Fields(bytes);
    if fields.array::<3>(0)? != MAGIC {
        return Err(DecodeError::NotOurs);
    }
    match fields.u8(3)? {
        VERSION => decode_kind(fields.u8(4)?, &fields, bytes.len()),
        other => Err(DecodeError::Version(other)),
    }
}

fn decode_kind(kind: u8, f: &Fields<'_>, len: usize) -> Result<Message, DecodeError> {
    let id = f.u64(8)?;
    Ok(match kind {
        kind::HELLO => Message::Hello { nonce: id },
        kind::CHALLENGE => Message::Challenge {
            nonce: id,
            token: f.array::<TOKEN_BYTES>(16)?,
        },
        kind::OPEN => Message::Open {
            nonce: id,
            token: f.array::<TOKEN_BYTES>(16)?,
            duration_ms: f.u32(32)?,
        },
        kind::OPENED => Message::Opened(decode_opened(id, f)?),
        kind::REFUSED => Message::Refused {
            subject: id,
            code: RefusalCode::from_byte(f.u8(16)?),
            retry_after_ms: f.u32(20)?,
        },
        kind::ECHO => Message::Echo(Echo {
            session: id,
            seq: f.u32(16)?,
            departure_ns: f.u64(24)?,
        }),
        kind::ECHO_REPLY => Message::EchoReply(decode_echo_reply(id, f)?),
        kind::SIZE_PROBE => Message::SizeProbe {
            session: id,
            id: f.u32(16)?,
            reply_bytes: f.u16(20)?,
        },
        kind::SIZE_REPLY => Message::SizeReply {
            session: id,
            id: f.u32(16)?,
            received_bytes: f.u16(20)?,
        },
        kind::RECEIPT_REQUEST if len < RECEIPT_BYTES => return Err(DecodeError::TooShort),
        kind::RECEIPT_REQUEST => Message::ReceiptRequest {
            session: id,
            base: f.u32(16)?,
        },
        kind::RECEIPT => Message::Receipt(decode_receipt(id, f)?),
        kind::CLOSE => Message::Close { session: id },
        kind::CLOSED => Message::Closed { session: id },
        32..64 => Message::Load(load_wire::decode(kind, id, f)?),
        other => return Err(DecodeError::Kind(other)),
    })
}

fn decode_opened(nonce: u64, f: &Fields<'_>) -> Result<Opened, DecodeError> {
    Ok(Opened {
        nonce,
        session: f.u64(16)?,
        max_session_ms: f.u32(24)?,
        max_packets_per_second: f.u32(28)?,
        max_datagram_bytes: f.u16(32)?,
        wall_unix_ns: i64::from_be_bytes(f.array(40)?),
    })
}

fn decode_echo_reply(session: u64, f: &Fields<'_>) -> Result<EchoReply, DecodeError> {
    Ok(EchoReply {
        session,
        seq: f.u32(16)?,
        received: f.u32(20)?,
        kernel_stamp: f.u8(5)? & FLAG_KERNEL_STAMP != 0,
        copy: f.u16(24)?,
        arrival_ns: f.u64(32)?,
        departure_ns: f.u64(DEPARTURE_AT)?,
        window: f.u64(48)?,
    })
}

fn decode_receipt(session: u64, f: &Fields<'_>) -> Result<Receipt, DecodeError> {
    Ok(Receipt {
        session,
        base: f.u32(16)?,
        received: f.u32(20)?,
        duplicates: f.u32(24)?,
        path_mtu: f.u16(PATH_MTU_AT)?,
        bitmap: Box::new(f.array(36)?),
    })
}

/// Writes one message into `out`, which is cleared first, and pads it to `total` bytes; never
/// shorter than its fields.
pub fn encode(message: &Message, total: usize, out: &mut Vec<u8>) {
    out.clear();
    let (kind, flags, id) = head(message);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind, flags, 0, 0]);
    out.extend_from_slice(&id.to_be_bytes());
    encode_fields(message, out);
    pad(out, total, id);
}

fn head(message: &Message) -> (u8, u8, u64) {
    match message {
        Message::Hello { nonce } => (kind::HELLO, 0, *nonce),
        Message::Challenge { nonce, .. } => (kind::CHALLENGE, 0, *nonce),
        Message::Open { nonce, .. } => (kind::OPEN, 0, *nonce),
        Message::Opened(opened) => (kind::OPENED, 0, opened.nonce),
        Message::Refused { subject, .. } => (kind::REFUSED, 0, *subject),
        Message::Echo(echo) => (kind::ECHO, 0, echo.session),
        Message::EchoReply(reply) => (
            kind::ECHO_REPLY,
            if reply.kernel_stamp {
                FLAG_KERNEL_STAMP
            } else {
                0
            },
            reply.session,
        ),
        Message::SizeProbe { session, .. } => (kind::SIZE_PROBE, 0, *session),
        Message::SizeReply { session, .. } => (kind::SIZE_REPLY, 0, *session),
        Message::ReceiptRequest { session, .. } => (kind::RECEIPT_REQUEST, 0, *session),
        Message::Receipt(receipt) => (kind::RECEIPT, 0, receipt.session),
        Message::Close { session } => (kind::CLOSE, 0, *session),
        Message::Closed { session } => (kind::CLOSED, 0, *session),
        Message::Load(load) => load_wire::head(load),
    }
}

fn encode_fields(message: &Message, out: &mut Vec<u8>) {
    match message {
        Message::Hello { .. } | Message::Close { .. } | Message::Closed { .. } => {}
        Message::Challenge { token, .. } => out.extend_from_slice(token),
        Message::Open {
            token, duration_ms, ..
        } => {
            out.extend_from_slice(token);
            out.extend_from_slice(&duration_ms.to_be_bytes());
        }
        Message::Opened(opened) => encode_opened(opened, out),
        Message::Refused {
            code,
            retry_after_ms,
            ..
        } => {
            out.extend_from_slice(&[code.to_byte(), 0, 0, 0]);
            out.extend_from_slice(&retry_after_ms.to_be_bytes());
        }
        Message::Echo(echo) => {
            out.extend_from_slice(&echo.seq.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&echo.departure_ns.to_be_bytes());
        }
        Message::EchoReply(reply) => encode_echo_reply(reply, out),
        Message::SizeProbe {
            id,
            reply_bytes: bytes,
            ..
        }
        | Message::SizeReply {
            id,
            received_bytes: bytes,
            ..
        } => {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&bytes.to_be_bytes());
            out.extend_from_slice(&[0; 2]);
        }
        Message::ReceiptRequest { base, .. } => out.extend_from_slice(&base.to_be_bytes()),
        Message::Receipt(receipt) => encode_receipt(receipt, out),
        Message::Load(load) => load_wire::encode_fields(load, out),
    }
}

fn encode_opened(opened: &Opened, out: &mut Vec<u8>) {
    out.extend_from_slice(&opened.session.to_be_bytes());
    out.extend_from_slice(&opened.max_session_ms.to_be_bytes());
    out.extend_from_slice(&opened.max_packets_per_second.to_be_bytes());
    out.extend_from_slice(&opened.max_datagram_bytes.to_be_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&opened.wall_unix_ns.to_be_bytes());
}

fn encode_echo_reply(reply: &EchoReply, out: &mut Vec<u8>) {
    out.extend_from_slice(&reply.seq.to_be_bytes());
    out.extend_from_slice(&reply.received.to_be_bytes());
    out.extend_from_slice(&reply.copy.to_be_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&reply.arrival_ns.to_be_bytes());
    out.extend_from_slice(&reply.departure_ns.to_be_bytes());
    out.extend_from_slice(&reply.window.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
}

fn encode_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    out.extend_from_slice(&receipt.base.to_be_bytes());
    out.extend_from_slice(&receipt.received.to_be_bytes());
    out.extend_from_slice(&receipt.duplicates.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&receipt.path_mtu.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(receipt.bitmap.as_slice());
}

/// Fills up to `total` bytes with a pattern of our own: links that compress must not make the
/// packets smaller, and nobody can have the server carry content for them.
fn pad(out: &mut Vec<u8>, total: usize, seed: u64) {
    let mut state = seed | 1;
    out.reserve(total.saturating_sub(out.len()));
    while out.len() < total {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let chunk = state.to_be_bytes();
        let wanted = (total - out.len()).min(chunk.len());
        out.extend_from_slice(&chunk[..wanted]);
    }
}

/// Writes the departure time into an encoded echo reply, as late as can be.
pub fn stamp_departure(reply: &mut [u8], departure_ns: u64) {
    let is_reply = reply.get(4) == Some(&kind::ECHO_REPLY);
    if let (true, Some(field)) = (is_reply, reply.get_mut(DEPARTURE_AT..DEPARTURE_AT + 8)) {
        field.copy_from_slice(&departure_ns.to_be_bytes());
    }
}

/// Writes what the server's kernel knows of the path MTU into an encoded receipt.
pub fn stamp_path_mtu(receipt: &mut [u8], bytes: u16) {
    let is_receipt = receipt.get(4) == Some(&kind::RECEIPT);
    if let (true, Some(field)) = (is_receipt, receipt.get_mut(PATH_MTU_AT..PATH_MTU_AT + 2)) {
        field.copy_from_slice(&bytes.to_be_bytes());
    }
}

/// Fields of a datagram by their place.
pub(super) struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], DecodeError> {
        self.0
            .get(at..at + N)
            .and_then(|slice| slice.try_into().ok())
            .ok_or(DecodeError::TooShort)
    }

    pub(super) fn u8(&self, at: usize) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(at)?[0])
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    pub(super) fn u64(&self, at: usize) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(at)?))
    }
}

#[cfg(test)]
#[path = "tests/wire.rs"]
mod tests;
