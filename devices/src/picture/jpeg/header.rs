//! The segments before the scan: size, tables, components.

use super::error::JpegError;
use super::huffman::{Table, default_tables};
use crate::picture::frame::Resolution;
use crate::picture::planes::Chroma;

/// Positions of coefficients in the order in which they are sent: row · 8 + column.
///
/// Source: T.81 figure 5.
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What the segments before the scan say.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) resolution: Resolution,
    pub(super) chroma: Chroma,
    pub(super) components: Vec<Component>,
    /// MCUs between restart markers; 0 for none.
    pub(super) restart_interval: usize,
    pub(super) quantization: [Option<[u16; 64]>; 4],
    /// Tables for DC, by destination.
    pub(super) dc: [Option<Table>; 4],
    /// Tables for AC, by destination.
    pub(super) ac: [Option<Table>; 4],
}

/// A component of the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Destinations of its tables.
    pub(super) quantization: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// Reads up to the scan; gives the header and where the scan's data begin.
pub(super) fn read(data: &[u8]) -> Result<(Header, usize), JpegError> {
    if data.get(..2) != Some(&[0xff, 0xd8]) {
        return Err(JpegError::NotJpeg);
    }
    let mut parts = Parts::default();
    let mut at = 2;
    loop {
        let (marker, body, next) = segment(data, at)?;
        match marker {
            0xc0 | 0xc1 => parts.start_frame(body)?,
            0xc4 => parts.define_huffman(body)?,
            0xdb => parts.define_quantization(body)?,
            0xdd => parts.restart_interval = usize::from(word(body, 0)?),
            0xda => return Ok((parts.start_scan(body)?, next)),
            0xc2 => return Err(JpegError::Unsupported("progressive")),
            0xc3 | 0xc5..=0xcf => return Err(JpegError::Unsupported("not sequential Huffman")),
            0xe0..=0xef | 0xfe => {}
            _ => return Err(JpegError::Corrupt("an unexpected marker in the header")),
        }
        at = next;
    }
}

/// The marker at `at`, its body, and where the next one is.
fn segment(data: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), JpegError> {
    if *data.get(at).ok_or(JpegError::Truncated)? != 0xff {
        return Err(JpegError::Corrupt("no marker where one must be"));
    }
    // Any number of fill bytes may precede a marker; T.81 §B.1.1.2.
    while data.get(at + 1) == Some(&0xff) {
        at += 1;
    }
    let marker = *data.get(at + 1).ok_or(JpegError::Truncated)?;
    let length = usize::from(word(data, at + 2)?);
    let body = data.get(at + 4..at + 2 + length);
    match body {
        Some(body) => Ok((marker, body, at + 2 + length)),
        None if length < 2 => Err(JpegError::Corrupt("a segment without length")),
        None => Err(JpegError::Truncated),
    }
}

fn word(data: &[u8], at: usize) -> Result<u16, JpegError> {
    match data.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(JpegError::Truncated),
    }
}

fn byte(data: &[u8], at: usize) -> Result<u8, JpegError> {
    data.get(at).copied().ok_or(JpegError::Truncated)
}

#[derive(Debug, Default)]
struct Parts {
    resolution: Option<Resolution>,
    components: Vec<Component>,
    restart_interval: usize,
    quantization: [Option<[u16; 64]>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
}

impl Parts {
    /// T.81 §B.2.2.
    fn start_frame(&mut self, body: &[u8]) -> Result<(), JpegError> {
        if self.resolution.is_some() {
            return Err(JpegError::Corrupt("two pictures in one"));
        }
        if byte(body, 0)? != 8 {
            return Err(JpegError::Unsupported("not 8 bit"));
        }
        let (height, width) = (word(body, 1)?, word(body, 3)?);
        let resolution = Resolution::new(width.into(), height.into()).map_err(JpegError::Size)?;
        let n_components = usize::from(byte(body, 5)?);
        if n_components != 1 && n_components != 3 {
            return Err(JpegError::Unsupported("neither gray nor YCbCr"));
        }
        for part in 0..n_components {
            self.components.push(component(body, 6 + 3 * part)?);
        }
        if let [gray] = &mut self.components[..] {
            // The only component is not interleaved, whatever its factors; T.81 §A.2.2.
            (gray.across, gray.down) = (1, 1);
        }
        self.resolution = Some(resolution);
        Ok(())
    }

    /// T.81 §B.2.4.1.
    fn define_quantization(&mut self, mut body: &[u8]) -> Result<(), JpegError> {
        while let Some((&kind, rest)) = body.split_first() {
            let wide = kind >> 4 != 0;
            let mut table = [0; 64];
            for (position, step) in table.iter_mut().enumerate() {
                *step = if wide {
                    word(rest, position * 2)?
                } else {
                    byte(rest, position)?.into()
                };
            }
            *slot(&mut self.quantization, kind & 15)? = Some(table);
            body = rest.get(if wide { 128 } else { 64 }..).unwrap_or(&[]);
        }
        Ok(())
    }

    /// T.81 §B.2.4.2.
    fn define_huffman(&mut self, mut body: &[u8]) -> Result<(), JpegError> {
        while let Some((&kind, rest)) = body.split_first() {
            let counts: [u8; 16] = *rest.first_chunk().ok_or(JpegError::Truncated)?;
            let n_symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(16..16 + n_symbols).ok_or(JpegError::Truncated)?;
            let table = Table::new(counts, symbols)?;
            match kind >> 4 {
                0 => *slot(&mut self.dc, kind & 15)? = Some(table),
                1 => *slot(&mut self.ac, kind & 15)? = Some(table),
                _ => return Err(JpegError::Corrupt("a Huffman table of no class")),
            }
            body = &rest[16 + n_symbols..];
        }
        Ok(())
    }

    /// T.81 §B.2.3.
    fn start_scan(mut self, body: &[u8]) -> Result<Header, JpegError> {
        let resolution = self
            .resolution
            .ok_or(JpegError::Corrupt("a scan before its frame"))?;
        if usize::from(byte(body, 0)?) != self.components.len() {
            return Err(JpegError::Unsupported("components in several scans"));
        }
        for (part, component) in self.components.iter_mut().enumerate() {
            if byte(body, 1 + 2 * part)? != component.id {
                return Err(JpegError::Corrupt("a scan of other components"));
            }
            let tables = byte(body, 2 + 2 * part)?;
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        }
        self.add_default_tables()?;
        Ok(Header {
            resolution,
            chroma: chroma(&self.components)?,
            components: self.components,
            restart_interval: self.restart_interval,
            quantization: self.quantization,
            dc: self.dc,
            ac: self.ac,
        })
    }

    /// Many cameras send no Huffman tables and mean those of the standard's annex.
    fn add_default_tables(&mut self) -> Result<(), JpegError> {
        if self.dc.iter().chain(&self.ac).any(Option::is_some) {
            return Ok(());
        }
        let [dc_luma, ac_luma, dc_chroma, ac_chroma] = default_tables();
        self.dc[0] = Some(Table::new(dc_luma.0, dc_luma.1)?);
        self.ac[0] = Some(Table::new(ac_luma.0, ac_luma.1)?);
        self.dc[1] = Some(Table::new(dc_chroma.0, dc_chroma.1)?);
        self.ac[1] = Some(Table::new(ac_chroma.0, ac_chroma.1)?);
        Ok(())
    }
}

fn component(body: &[u8], at: usize) -> Result<Component, JpegError> {
    let factors = byte(body, at + 1)?;
    Ok(Component {
        id: byte(body, at)?,
        across: usize::from(factors >> 4),
        down: usize::from(factors & 15),
        quantization: usize::from(byte(body, at + 2)?),
        dc: 0,
        ac: 0,
    })
}

/// Only the ratio of the factors matters: some encoders write 4:2:2 as 2×2 and 1×2.
fn chroma(components: &[Component]) -> Result<Chroma, JpegError> {
    let unsupported = JpegError::Unsupported("its sampling of chroma");
    let factors: Vec<_> = components.iter().map(|c| (c.across, c.down)).collect();
    let [luma, blue, red] = factors[..] else {
        return Ok(Chroma::Gray);
    };
    let sane = |(across, down)| (1..=2).contains(&across) && (1..=2).contains(&down);
    if blue != red || !sane(luma) || !sane(blue) {
        return Err(unsupported);
    }
    match (luma.0 * 2 / blue.0, luma.1 * 2 / blue.1) {
        (4, 4) => Ok(Chroma::Halved),
        (4, 2) => Ok(Chroma::HalvedAcross),
        (2, 4) => Ok(Chroma::HalvedDown),
        (2, 2) => Ok(Chroma::Whole),
        _ => Err(unsupported),
    }
}

fn slot<T>(slots: &mut [T; 4], destination: u8) -> Result<&mut T, JpegError> {
    slots
        .get_mut(usize::from(destination))
        .ok_or(JpegError::Corrupt("a table beyond the fourth"))
}
