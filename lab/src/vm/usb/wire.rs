//! Messages of USB/IP between the kernel's virtual host controller and a device.
//!
//! Source: the kernel's `Documentation/usb/usbip_protocol.rst`. All numbers are big-endian.

use std::io::{self, Read, Write};

/// Bytes of a header.
const HEADER: usize = 48;

/// Bytes that describe a packet of an isochronous transfer.
const PACKET: usize = 16;

/// More than any transfer here has; what the kernel's drivers ask for is below.
const MAX_BYTES: usize = 1 << 20;

const SUBMIT: u32 = 1;
const UNLINK: u32 = 2;
const SUBMITTED: u32 = 3;
const UNLINKED: u32 = 4;

/// `-EPIPE`: the device does not know the request.
const STALLED: i32 = -32;

/// `-ECONNRESET`: a transfer was taken back.
const TAKEN_BACK: i32 = -104;

/// The first eight bytes of a control transfer; source: USB 2.0, §9.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) request_type: u8,
    pub(super) request: u8,
    pub(super) value: u16,
    pub(super) index: u16,
    pub(super) length: u16,
}

/// A transfer that the host asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) number: u32,
    /// 0 is the control endpoint.
    pub(super) endpoint: u32,
    pub(super) is_to_host: bool,
    /// Bytes that the host takes or sends.
    pub(super) length: usize,
    pub(super) setup: Setup,
    /// What the host sends.
    pub(super) data: Vec<u8>,
    /// Offset and room of each packet of an isochronous transfer.
    pub(super) packets: Vec<(u32, u32)>,
}

/// What the host wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A transfer.
    Submit(Transfer),
    /// To take a transfer back.
    Unlink {
        /// Number of this request.
        number: u32,
        /// Number of the transfer.
        transfer: u32,
    },
}

/// What a device answers to a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Data for the host.
    Data(Vec<u8>),
    /// Data for the host, by packets of an isochronous transfer.
    Packets(Vec<Vec<u8>>),
    /// What the host sent is taken.
    Taken,
    /// The request is not known.
    Stalled,
}

/// Reads the next request; `None` at the end.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
    let mut header = [0; HEADER];
    match from.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [
        command,
        number,
        _,
        direction,
        endpoint,
        word5,
        length,
        _,
        n_packets,
    ] = words(&header);
    match command {
        SUBMIT => {}
        UNLINK => {
            return Ok(Some(Request::Unlink {
                number,
                transfer: word5,
            }));
        }
        _ => return Err(invalid("an unknown command")),
    }
    let is_to_host = direction == 1;
    let length = bounded(length)?;
    let data = if is_to_host { 0 } else { length };
    // All ones, in newer kernels, where there are none.
    let n_packets = if n_packets == u32::MAX { 0 } else { n_packets };
    Ok(Some(Request::Submit(Transfer {
        number,
        endpoint,
        is_to_host,
        length,
        setup: setup(&header),
        data: read_bytes(from, data)?,
        packets: read_packets(from, n_packets)?,
    })))
}

/// Answers a transfer.
pub(super) fn answer(to: &mut impl Write, transfer: &Transfer, answer: &Answer) -> io::Result<()> {
    let (status, data) = match answer {
        Answer::Data(data) => (0, data.clone()),
        Answer::Packets(packets) => (0, packets.concat()),
        Answer::Taken => (0, Vec::new()),
        Answer::Stalled => (STALLED, Vec::new()),
    };
    let n_bytes = match answer {
        Answer::Taken => transfer.data.len(),
        _ => data.len(),
    };
    let mut message = header(SUBMITTED, transfer.number, status);
    set_word(&mut message, 6, length(n_bytes));
    set_word(&mut message, 8, length(transfer.packets.len()));
    message.extend(data);
    if let Answer::Packets(packets) = answer {
        for ((offset, room), packet) in transfer.packets.iter().zip(packets) {
            for word in [*offset, *room, length(packet.len()), 0] {
                message.extend(word.to_be_bytes());
            }
        }
    }
    to.write_all(&message)
}

/// Answers that a transfer was taken back, or was done before.
pub(super) fn answer_unlink(to: &mut impl Write, number: u32, was_pending: bool) -> io::Result<()> {
    let status = if was_pending { TAKEN_BACK } else { 0 };
    to.write_all(&header(UNLINKED, number, status))
}

/// A header with its status, the sixth word.
fn header(command: u32, number: u32, status: i32) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    set_word(&mut header, 0, command);
    set_word(&mut header, 1, number);
    header[20..24].copy_from_slice(&status.to_be_bytes());
    header
}

fn set_word(header: &mut [u8], index: usize, word: u32) {
    header[index * 4..][..4].copy_from_slice(&word.to_be_bytes());
}

fn words(header: &[u8; HEADER]) -> [u32; 9] {
    std::array::from_fn(|index| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[index * 4..][..4]);
        u32::from_be_bytes(bytes)
    })
}

/// The setup bytes are little-endian, as on the wire of USB.
fn setup(header: &[u8; HEADER]) -> Setup {
    let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    Setup {
        request_type: header[40],
        request: header[41],
        value: word(42),
        index: word(44),
        length: word(46),
    }
}

fn read_packets(from: &mut impl Read, n_packets: u32) -> io::Result<Vec<(u32, u32)>> {
    let n_packets = bounded(n_packets)?;
    let bytes = read_bytes(from, n_packets * PACKET)?;
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let packets = bytes.chunks_exact(PACKET);
    Ok(packets
        .map(|packet| (word(&packet[..4]), word(&packet[4..8])))
        .collect())
}

fn read_bytes(from: &mut impl Read, n_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n_bytes];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn bounded(length: u32) -> io::Result<usize> {
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_BYTES)
        .ok_or_else(|| invalid("a transfer that is too long"))
}

fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the kernel sent {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request, answer, read};

    fn message(words: [u32; 10], setup: [u8; 8], rest: &[u8]) -> Vec<u8> {
        let words = words.into_iter().flat_map(u32::to_be_bytes);
        words.chain(setup).chain(rest.iter().copied()).collect()
    }

    #[test]
    fn a_control_transfer_is_read_and_answered() {
        let setup = [0x80, 6, 0, 1, 0, 0, 18, 0];
        let bytes = message([1, 7, 0x10001, 1, 0, 0x200, 18, 0, u32::MAX, 0], setup, &[]);
        let request = read(&mut bytes.as_slice()).unwrap();
        let Some(Request::Submit(transfer)) = request else {
            panic!("{request:?}");
        };
        assert_eq!(
            (transfer.number, transfer.endpoint, transfer.length),
            (7, 0, 18)
        );
        assert_eq!((transfer.setup.request, transfer.setup.value), (6, 0x100));
        let mut answered = Vec::new();
        answer(&mut answered, &transfer, &Answer::Data(vec![1, 2, 3])).unwrap();
        let expected = message([3, 7, 0, 0, 0, 0, 3, 0, 0, 0], [0; 8], &[1, 2, 3]);
        assert_eq!(answered, expected);
    }

    #[test]
    fn an_isochronous_answer_packs_the_data_and_describes_each_packet() {
        let packets: Vec<u8> = [[0, 100, 0, 0], [100, 100, 0, 0]]
            .into_iter()
            .flatten()
            .flat_map(u32::to_be_bytes)
            .collect();
        let bytes = message([1, 9, 0, 1, 1, 0, 200, 0, 2, 1], [0; 8], &packets);
        let Some(Request::Submit(transfer)) = read(&mut bytes.as_slice()).unwrap() else {
            panic!();
        };
        assert_eq!(transfer.packets, [(0, 100), (100, 100)]);
        let mut answered = Vec::new();
        let data = Answer::Packets(vec![vec![5; 3], vec![6; 2]]);
        answer(&mut answered, &transfer, &data).unwrap();
        let mut rest = vec![5, 5, 5, 6, 6];
        for word in [0_u32, 100, 3, 0, 100, 100, 2, 0] {
            rest.extend(word.to_be_bytes());
        }
        assert_eq!(
            answered,
            message([3, 9, 0, 0, 0, 0, 5, 0, 2, 0], [0; 8], &rest)
        );
    }

    #[test]
    fn the_end_is_no_error_and_too_long_a_transfer_is() {
        assert_eq!(read(&mut [].as_slice()).unwrap(), None);
        let bytes = message([1, 1, 0, 1, 1, 0, u32::MAX, 0, 0, 0], [0; 8], &[]);
        assert!(read(&mut bytes.as_slice()).is_err());
    }
}
