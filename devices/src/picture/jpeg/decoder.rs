//! From the bytes of a JPEG to its planes.

use super::error::JpegError;
use super::header::{self, Header};
use super::scan::{self, Entropy, Grid};
use crate::picture::frame::{Color, Matrix, Range, Resolution};
use crate::picture::planes::{Chroma, Planar, Plane};

/// Decodes one JPEG after the other; buffers are kept.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    entropy: Entropy,
    picture: Planar,
}

impl JpegDecoder {
    /// Decodes a JPEG into its own planes: BT.601, full range, chroma as it was sent.
    ///
    /// # Errors
    ///
    /// Any damage, since half a picture is none; a kind that cameras do not send; an absurd size.
    /// Memory is taken only when the data are long enough to hold that many blocks.
    pub fn decode(&mut self, data: &[u8]) -> Result<&Planar, JpegError> {
        let (header, start) = header::read(data)?;
        self.entropy.collect(data.get(start..).unwrap_or(&[]))?;
        let grid = check_length(&header, &self.entropy)?;
        let mut planes = reshape(&mut self.picture, &header, grid);
        scan::decode(&header, &self.entropy, grid, &mut planes)?;
        Ok(&self.picture)
    }
}

/// Refuses a scan that cannot hold as many blocks, or has another number of intervals, than the
/// header says.
fn check_length(header: &Header, entropy: &Entropy) -> Result<Grid, JpegError> {
    let grid = grid(header);
    let blocks_an_mcu: usize = header.components.iter().map(|c| c.across * c.down).sum();
    // A block takes two codes of at least a bit.
    if entropy.len() * 8 < grid.count * blocks_an_mcu * 2 {
        return Err(JpegError::Truncated);
    }
    let intervals = match header.restart_interval {
        0 => 1,
        interval => grid.count.div_ceil(interval),
    };
    // Some encoders also put a marker behind the last interval.
    let found = entropy.n_intervals();
    if found == intervals || (header.restart_interval > 0 && found == intervals + 1) {
        Ok(grid)
    } else {
        Err(JpegError::Corrupt("restart markers are missing"))
    }
}

fn grid(header: &Header) -> Grid {
    let first = header.components.first();
    let (across, down) = first.map_or((1, 1), |c| (c.across, c.down));
    let across = (header.resolution.width() as usize).div_ceil(8 * across);
    let rows = (header.resolution.height() as usize).div_ceil(8 * down);
    Grid {
        across,
        count: across * rows,
    }
}

/// Makes room for whole MCUs, so that blocks at the edges need no care.
fn reshape<'a>(picture: &'a mut Planar, header: &Header, grid: Grid) -> Vec<&'a mut Plane> {
    picture.resolution = header.resolution;
    picture.chroma = header.chroma;
    picture.color = Color {
        matrix: Matrix::Bt601,
        range: Range::Full,
    };
    let rows = grid.count / grid.across;
    let mut planes = vec![&mut picture.y, &mut picture.u, &mut picture.v];
    for (i, plane) in planes.iter_mut().enumerate() {
        let (across, down) = header
            .components
            .get(i)
            .map_or((0, 0), |c| (c.across, c.down));
        let width = visible_width(header.resolution, header.chroma, i);
        plane.reshape_padded(width, grid.across * across * 8, rows * down * 8);
    }
    planes
}

fn visible_width(resolution: Resolution, chroma: Chroma, plane: usize) -> usize {
    match plane {
        0 => resolution.width() as usize,
        _ => chroma.size(resolution).0,
    }
}
