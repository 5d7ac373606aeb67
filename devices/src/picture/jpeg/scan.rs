//! The scan: entropy-coded blocks to samples.

#![expect(
    clippy::inline_always,
    reason = "must be compiled with the instructions of the caller; see scan::decode_interval"
)]

use super::bits::BitReader;
use super::error::JpegError;
use super::header::{Component, Header, ZIGZAG};
use super::huffman::Table;
use super::idct::{Block, dequantizer, inverse, to_sample};
use crate::picture::planes::Plane;

/// The scan's data without stuffing, cut at its restart markers.
#[derive(Debug, Default)]
pub(super) struct Entropy {
    bytes: Vec<u8>,
    /// Where each interval ends in `bytes`.
    ends: Vec<usize>,
}

impl Entropy {
    /// Collects the data up to the end marker.
    ///
    /// Source: T.81 §B.1.1.5: after 0xFF a 0 is stuffing, everything else is a marker.
    pub(super) fn collect(&mut self, mut data: &[u8]) -> Result<(), JpegError> {
        self.bytes.clear();
        self.ends.clear();
        loop {
            let stop = memchr::memchr(0xff, data).ok_or(JpegError::Truncated)?;
            let marker = *data.get(stop + 1).ok_or(JpegError::Truncated)?;
            self.bytes.extend_from_slice(&data[..stop]);
            // A fill byte is skipped alone: what follows is a marker's own 0xFF.
            data = &data[stop + if marker == 0xff { 1 } else { 2 }..];
            match marker {
                0x00 => self.bytes.push(0xff),
                0xff => {}
                0xd0..=0xd7 => self.end_interval(marker - 0xd0)?,
                0xd9 => {
                    self.ends.push(self.bytes.len());
                    return Ok(());
                }
                _ => return Err(JpegError::Corrupt("a marker within the scan")),
            }
        }
    }

    fn end_interval(&mut self, number: u8) -> Result<(), JpegError> {
        if self.ends.len() % 8 != usize::from(number) {
            return Err(JpegError::Corrupt("restart markers out of order"));
        }
        self.ends.push(self.bytes.len());
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn n_intervals(&self) -> usize {
        self.ends.len()
    }

    fn intervals(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start..end])
    }
}

/// What decoding a component needs.
#[derive(Debug)]
struct Channel<'a> {
    across: usize,
    down: usize,
    dc: &'a Table,
    ac: &'a Table,
    /// In the order of sending.
    steps: [f32; 64],
    /// The last DC coefficient.
    predicted: i32,
}

impl<'a> Channel<'a> {
    fn new(header: &'a Header, component: Component) -> Result<Self, JpegError> {
        fn table<T>(tables: &[Option<T>], at: usize) -> Result<&T, JpegError> {
            tables
                .get(at)
                .and_then(Option::as_ref)
                .ok_or(JpegError::Corrupt("a table is missing"))
        }
        let quantization = table(&header.quantization, component.quantization)?;
        let step = |position: usize| {
            let at = usize::from(ZIGZAG[position]);
            dequantizer(quantization[position], at / 8, at % 8)
        };
        Ok(Self {
            across: component.across,
            down: component.down,
            dc: table(&header.dc, component.dc)?,
            ac: table(&header.ac, component.ac)?,
            steps: std::array::from_fn(step),
            predicted: 0,
        })
    }

    /// Decodes a block into `block[column][row]`; tells whether it is more than its mean.
    ///
    /// Source: T.81 §F.2.2.
    #[inline(always)]
    fn read(&mut self, bits: &mut BitReader<'_>, block: &mut Block) -> Result<bool, JpegError> {
        bits.fill();
        let entry = self.dc.next(bits).ok_or(UNKNOWN_CODE)?;
        let difference = if entry.complete {
            entry.value.into()
        } else {
            bits.signed(u32::from(entry.symbol & 15))
        };
        self.predicted = self.predicted.wrapping_add(difference);
        block[0][0] = self.predicted as f32 * self.steps[0];
        self.read_ac(bits, block)
    }

    #[inline(always)]
    fn read_ac(&self, bits: &mut BitReader<'_>, block: &mut Block) -> Result<bool, JpegError> {
        let mut position = 1;
        while position < 64 {
            bits.fill();
            let entry = self.ac.next(bits).ok_or(UNKNOWN_CODE)?;
            let (run, size) = (usize::from(entry.symbol >> 4), entry.symbol & 15);
            if size == 0 {
                match run {
                    0 => return Ok(position > 1),
                    15 => position += 16,
                    _ => return Err(UNKNOWN_CODE),
                }
                continue;
            }
            position += run;
            let value = if entry.complete {
                entry.value.into()
            } else {
                bits.signed(size.into())
            };
            let (Some(&at), Some(step)) = (ZIGZAG.get(position), self.steps.get(position)) else {
                return Err(JpegError::Corrupt("a block has too many coefficients"));
            };
            block[usize::from(at & 7)][usize::from(at >> 3)] = value as f32 * step;
            position += 1;
        }
        if position > 64 {
            return Err(JpegError::Corrupt("a block has too many coefficients"));
        }
        Ok(true)
    }
}

const UNKNOWN_CODE: JpegError = JpegError::Corrupt("a code that is in no table");

/// MCUs across the picture and in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) across: usize,
    pub(super) count: usize,
}

/// Decodes the whole scan into planes that hold whole MCUs.
pub(super) fn decode(
    header: &Header,
    entropy: &Entropy,
    grid: Grid,
    planes: &mut [&mut Plane],
) -> Result<(), JpegError> {
    let mut channels = Vec::with_capacity(header.components.len());
    for component in &header.components {
        channels.push(Channel::new(header, *component)?);
    }
    let interval = match header.restart_interval {
        0 => grid.count,
        interval => interval,
    };
    let mut mcu = 0;
    for data in entropy.intervals() {
        let until = (mcu + interval).min(grid.count);
        decode_interval(&mut channels, data, mcu..until, grid, planes)?;
        mcu = until;
    }
    Ok(())
}

#[multiversion::multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+lzcnt+movbe"))]
fn decode_interval(
    channels: &mut [Channel<'_>],
    data: &[u8],
    mcus: std::ops::Range<usize>,
    grid: Grid,
    planes: &mut [&mut Plane],
) -> Result<(), JpegError> {
    let mut bits = BitReader::new(data);
    for channel in &mut *channels {
        channel.predicted = 0;
    }
    for mcu in mcus {
        let (column, row) = (mcu % grid.across, mcu / grid.across);
        for (channel, plane) in channels.iter_mut().zip(&mut *planes) {
            decode_blocks(channel, &mut bits, column, row, plane)?;
        }
        // Once an MCU: a scan that ended early must not cost the time of a whole one.
        if bits.consumed() > data.len() * 8 {
            return Err(JpegError::Corrupt("the scan ends early"));
        }
    }
    check_rest(data, bits.consumed())
}

/// Decodes the blocks of one component in one MCU.
#[inline(always)]
fn decode_blocks(
    channel: &mut Channel<'_>,
    bits: &mut BitReader<'_>,
    column: usize,
    row: usize,
    plane: &mut Plane,
) -> Result<(), JpegError> {
    for down in 0..channel.down {
        for across in 0..channel.across {
            let mut block = [[0.0; 8]; 8];
            let detailed = channel.read(bits, &mut block)?;
            let x = (column * channel.across + across) * 8;
            let y = (row * channel.down + down) * 8;
            store(&block, detailed, plane, y * plane.stride + x);
        }
    }
    Ok(())
}

#[inline(always)]
fn store(block: &Block, detailed: bool, plane: &mut Plane, at: usize) {
    let stride = plane.stride;
    let Some(target) = plane.data.get_mut(at..) else {
        return;
    };
    let rows = target.chunks_mut(stride);
    if detailed {
        let samples = inverse(block);
        for (row, samples) in rows.zip(&samples) {
            if let Some(row) = row.first_chunk_mut::<8>() {
                *row = *samples;
            }
        }
    } else {
        let mean = to_sample(block[0][0]);
        for row in rows.take(8) {
            if let Some(row) = row.first_chunk_mut::<8>() {
                *row = [mean; 8];
            }
        }
    }
}

/// What is left of an interval must be padding.
///
/// The standard pads the last byte with ones; cameras also pad to words with zeros or ones.
fn check_rest(data: &[u8], consumed_bits: usize) -> Result<(), JpegError> {
    let rest = data.get(consumed_bits.div_ceil(8)..).unwrap_or(&[]);
    if rest.iter().all(|&byte| byte == 0 || byte == 0xff) {
        Ok(())
    } else {
        Err(JpegError::Corrupt("the scan has data left over"))
    }
}
