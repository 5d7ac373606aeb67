//! Bits of a scan whose stuffing was removed.

#![expect(
    clippy::inline_always,
    reason = "must be compiled with the instructions of the caller; see scan::decode_interval"
)]

/// Reads bits, most significant first; beyond the end it reads zeros.
///
/// Reading on behind the end needs no check at each code: the number of blocks is known, and
/// [`Self::consumed`] tells afterwards.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Bytes taken into `window`, those beyond the end included.
    position: usize,
    /// The next bits, left-aligned.
    window: u64,
    /// How many bits of `window` count.
    filled: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            position: 0,
            window: 0,
            filled: 0,
        }
    }

    /// Makes at least 32 bits available: enough for a code of 16 and its 15 extra bits.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.filled < 32 {
            let next = match self.data.get(self.position..self.position + 4) {
                Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
                _ => self.last_bytes(),
            };
            self.window |= u64::from(next) << (32 - self.filled);
            self.filled += 32;
            self.position += 4;
        }
    }

    #[cold]
    fn last_bytes(&self) -> u32 {
        let byte = |i: usize| self.data.get(self.position + i).copied().unwrap_or(0);
        u32::from_be_bytes([byte(0), byte(1), byte(2), byte(3)])
    }

    /// The next `n` bits (1..=16) without taking them.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits")]
    pub(super) fn peek(&self, n: u32) -> usize {
        (self.window >> (64 - n)) as usize & 0xffff
    }

    /// Drops `n` bits, at most as many as were filled.
    #[inline(always)]
    pub(super) fn skip(&mut self, n: u32) {
        self.window <<= n;
        self.filled = self.filled.saturating_sub(n);
    }

    /// Takes `size` bits (0..=15) as a signed number.
    ///
    /// Source: T.81 §F.2.2.1, EXTEND: a leading 0 means negative.
    #[inline(always)]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = i32::try_from(self.peek(size)).unwrap_or(0);
        self.skip(size);
        extend(bits, size)
    }

    /// Bits taken so far; more than there are when the data ended too early.
    pub(super) fn consumed(&self) -> usize {
        self.position * 8 - self.filled as usize
    }
}

/// The number that `bits` of length `size` stand for; T.81 §F.2.2.1.
#[inline(always)]
pub(super) fn extend(bits: i32, size: u32) -> i32 {
    let negative = bits < 1 << (size - 1);
    bits + if negative { 1 - (1 << size) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_leading_zero_are_negative() {
        // T.81 table F.1: size 3 is -7..=-4 and 4..=7.
        assert_eq!(extend(0b000, 3), -7);
        assert_eq!(extend(0b011, 3), -4);
        assert_eq!(extend(0b100, 3), 4);
        assert_eq!(extend(0b1, 1), 1);
        assert_eq!(extend(0b0, 1), -1);
    }

    #[test]
    fn reading_past_the_end_gives_zeros_and_is_told() {
        let mut bits = BitReader::new(&[0b1010_0000]);
        bits.fill();
        assert_eq!(bits.peek(3), 0b101);
        bits.skip(3);
        assert_eq!(bits.consumed(), 3);
        bits.skip(6);
        assert_eq!(bits.consumed(), 9);
        assert_eq!(bits.peek(16), 0);
    }
}
