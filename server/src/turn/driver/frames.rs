//! Messages one behind another on a stream (RFC 8656 §3.1, §12.5).

use crate::turn::machine::relay::MAX_MESSAGE_BYTES;

/// Bytes that tell how long a message is.
const LENGTH_KNOWN_AT: usize = 4;
/// Bytes of the header of STUN.
const STUN_HEADER_BYTES: usize = 20;

/// What a stream's bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The beginning of a message; more has to come.
    Partial,
    /// A message of so many bytes, padding included.
    Whole(usize),
    /// No message, or one that is too large: nothing behind it can be found.
    Garbage,
}

/// Looks at the first message in `bytes`.
pub(crate) fn first(bytes: &[u8]) -> Frame {
    let overhead = match bytes.first() {
        None => return Frame::Partial,
        Some(0..=3) => STUN_HEADER_BYTES,
        Some(0x40..=0x7F) => LENGTH_KNOWN_AT,
        Some(_) => return Frame::Garbage,
    };
    let Some([high, low]) = bytes.get(2..LENGTH_KNOWN_AT) else {
        return Frame::Partial;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = overhead + length.next_multiple_of(4);
    if whole > MAX_MESSAGE_BYTES {
        return Frame::Garbage;
    }
    if bytes.len() < whole {
        return Frame::Partial;
    }
    Frame::Whole(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let stun = [0, 1, 0, 4];
        assert_eq!(first(&[]), Frame::Partial);
        assert_eq!(first(&stun[..3]), Frame::Partial);
        assert_eq!(first(&stun), Frame::Partial);
        let mut whole = [0; 30];
        whole[..4].copy_from_slice(&stun);
        assert_eq!(first(&whole), Frame::Whole(24));
        // Data of five bytes is padded to eight.
        let mut channel = vec![0x40, 0, 0, 5];
        channel.extend([1; 7]);
        assert_eq!(first(&channel), Frame::Partial);
        channel.push(0);
        assert_eq!(first(&channel), Frame::Whole(12));
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        assert_eq!(first(b"GET / HTTP/1.1"), Frame::Garbage);
        assert_eq!(first(&[0x16, 3, 1]), Frame::Garbage);
        assert_eq!(first(&[0x40, 0, 0xFF, 0xFF]), Frame::Garbage);
        assert_eq!(first(&[0, 1, 0xFF, 0xFC]), Frame::Garbage);
    }
}
