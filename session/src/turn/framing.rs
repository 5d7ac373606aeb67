//! Where one message ends and the next begins, over TCP and TLS.

/// Largest message: 16 bits of length, and a header.
const MAX_MESSAGE: usize = 65_535 + 20;

/// The one channel that the machine binds.
const CHANNEL: [u8; 2] = super::machine::CHANNEL.to_be_bytes();

/// Cuts a stream into messages of STUN and of channels (RFC 8656 §12.5). Holds one message at most.
#[derive(Debug, Default)]
pub(super) struct Framing {
    buffer: Vec<u8>,
}

/// What came is no STUN: the other end speaks something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotStun;

impl Framing {
    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How much more should be read at the most: one message's worth.
    pub(super) fn room(&self) -> usize {
        (2 * MAX_MESSAGE).saturating_sub(self.buffer.len())
    }

    /// The next whole message.
    ///
    /// # Errors
    /// When what comes next is no message.
    pub(super) fn next_message(&mut self) -> Result<Option<Vec<u8>>, NotStun> {
        let Some(head) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let whole = match head[0] >> 6 {
            // Messages have a multiple of four bytes (RFC 8489 §5).
            0b00 if length % 4 == 0 => 20 + length,
            // Any other number is none of ours; "HTTP" would be a channel's too.
            0b01 if head[..2] == CHANNEL => (4 + length).next_multiple_of(4),
            _ => return Err(NotStun),
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let rest = self.buffer.split_off(whole);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(length: u8) -> Vec<u8> {
        let mut message = vec![0x01, 0x01, 0, length];
        message.resize(20 + usize::from(length), 7);
        message
    }

    #[test]
    fn messages_are_cut_wherever_the_stream_is() {
        let channel = vec![0x40, 0, 0, 3, 1, 2, 3, 0];
        let stream = [stun(8), channel.clone(), stun(0)].concat();
        for step in 1..stream.len() {
            let (mut framing, mut seen) = (Framing::default(), Vec::new());
            for part in stream.chunks(step) {
                framing.push(part);
                while let Some(message) = framing.next_message().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, [stun(8), channel.clone(), stun(0)], "{step}");
        }
    }

    #[test]
    fn something_else_is_told() {
        for other in [
            &b"HTTP/1.1 400"[..],
            b"\x00\x01\x00\x03abc",
            b"\x16\x03\x01\x02",
        ] {
            let mut framing = Framing::default();
            framing.push(other);
            assert_eq!(framing.next_message(), Err(NotStun));
        }
    }
}
