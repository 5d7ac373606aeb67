//! Huffman tables: codes up to ten bits by one look-up, longer ones by their length.

#![expect(
    clippy::inline_always,
    reason = "must be compiled with the instructions of the caller; see scan::decode_interval"
)]

use super::bits::{BitReader, extend};
use super::error::JpegError;

/// Bits of the look-up. Longer raises the share of coefficients found at once, and the cache that
/// the tables need.
const LOOKUP_BITS: u32 = 10;

/// A Huffman table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// By the next bits: the symbol and the length of its code; length 0 for longer codes.
    lookup: Box<[Entry; 1 << LOOKUP_BITS]>,
    /// By length - 1: one more than the largest code of that length, left-aligned to 16 bits.
    limits: [u32; 16],
    /// By length - 1: what to add to a code of that length to get the index of its symbol.
    offsets: [i32; 16],
    symbols: Vec<u8>,
}

/// What the next bits stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// The coefficient, where its bits lie within the look-up too.
    pub(super) value: i16,
    /// Run of zeros and size, as T.81 defines the symbols of AC tables.
    pub(super) symbol: u8,
    /// Bits of the code, and of the coefficient where `complete`.
    pub(super) length: u8,
    /// Whether `value` holds.
    pub(super) complete: bool,
}

impl Table {
    /// Builds a table from the number of codes of each length and their symbols.
    ///
    /// Source: T.81 Annex C.
    pub(super) fn new(counts: [u8; 16], symbols: &[u8]) -> Result<Self, JpegError> {
        let mut table = Self {
            lookup: Box::new([Entry::default(); 1 << LOOKUP_BITS]),
            limits: [0; 16],
            offsets: [0; 16],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(&counts) {
            let at = length as usize - 1;
            table.offsets[at] = offset(index, code);
            for _ in 0..count {
                let symbol = *symbols.get(index).ok_or(JpegError::Truncated)?;
                if code >= 1 << length {
                    return Err(JpegError::Corrupt("a Huffman table has too many codes"));
                }
                table.enter(code, length, symbol);
                code += 1;
                index += 1;
            }
            table.limits[at] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let Some(free) = LOOKUP_BITS.checked_sub(length) else {
            return;
        };
        let first = (code << free) as usize;
        for (bits, entry) in (0_u32..).zip(self.lookup[first..].iter_mut().take(1 << free)) {
            *entry = Entry::of(symbol, length, bits, free);
        }
    }

    /// The next symbol; `None` when the bits are no code. Needs 32 filled bits.
    #[inline(always)]
    pub(super) fn next(&self, bits: &mut BitReader<'_>) -> Option<Entry> {
        let entry = self.lookup[bits.peek(LOOKUP_BITS) & ((1 << LOOKUP_BITS) - 1)];
        if entry.length > 0 {
            bits.skip(u32::from(entry.length));
            return Some(entry);
        }
        self.next_long(bits)
    }

    #[inline(never)]
    fn next_long(&self, bits: &mut BitReader<'_>) -> Option<Entry> {
        let code = u32::try_from(bits.peek(16)).ok()?;
        let at = (LOOKUP_BITS as usize..16).find(|&at| code < self.limits[at])?;
        let length = u8::try_from(at + 1).ok()?;
        let index = i32::try_from(code >> (15 - at)).ok()? + self.offsets[at];
        let symbol = *self.symbols.get(usize::try_from(index).ok()?)?;
        bits.skip(u32::from(length));
        Some(Entry {
            symbol,
            length,
            ..Entry::default()
        })
    }
}

impl Entry {
    /// The entry of a code that `free` further bits of the look-up follow.
    fn of(symbol: u8, length: u32, bits: u32, free: u32) -> Self {
        let size = u32::from(symbol & 15);
        let complete = size > 0 && size <= free;
        let value = if complete {
            extend((bits >> (free - size)).cast_signed(), size)
        } else {
            0
        };
        let taken = length + if complete { size } else { 0 };
        Self {
            value: i16::try_from(value).unwrap_or(0),
            symbol,
            length: u8::try_from(taken).unwrap_or(0),
            complete,
        }
    }
}

fn offset(index: usize, code: u32) -> i32 {
    i32::try_from(index).unwrap_or(0) - code.cast_signed()
}

/// The tables that a camera means when it sends none: DC and AC of luma, then of chroma.
///
/// Source: T.81 Annex K.3, tables K.3 to K.6.
pub(super) fn default_tables() -> [([u8; 16], &'static [u8]); 4] {
    [
        ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC),
        (
            [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
            &AC_LUMA,
        ),
        ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC),
        (
            [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
            &AC_CHROMA,
        ),
    ]
}

const DC: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const AC_LUMA: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[rustfmt::skip]
const AC_CHROMA: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
