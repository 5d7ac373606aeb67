//! VP8 back to pictures.

use super::error::CodecError;
use super::vpx::{self, I420};
use crate::picture::frame::{Color, Matrix, Range, Resolution};
use crate::picture::planes::{Chroma, Planar, Plane};

/// Decodes one VP8 frame after the other; buffers are kept.
pub struct Vp8Decoder {
    library: vpx::Decoder,
    picture: Planar,
}

impl Vp8Decoder {
    /// Sets a decoder up.
    ///
    /// # Errors
    ///
    /// What libvpx says: out of memory.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            library: vpx::Decoder::new()?,
            picture: Planar::default(),
        })
    }

    /// Decodes the next frame into I420: BT.601, limited range. `None` where it shows nothing.
    ///
    /// # Errors
    ///
    /// Damaged data, a stream that does not begin with a key frame, an absurd size. Memory is taken
    /// only for sizes that a [`Resolution`] can have. A key frame sets the decoder right again.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<&Planar>, CodecError> {
        if let Some((width, height)) = vpx::claimed_size(data) {
            Resolution::new(width, height).map_err(CodecError::Size)?;
        }
        self.library.decode(data)?;
        match self.library.decoded() {
            Some(decoded) => copy(&decoded, &mut self.picture).map(Some),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Vp8Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let resolution = self.picture.resolution();
        let mut debug = f.debug_struct("Vp8Decoder");
        debug
            .field("resolution", &resolution)
            .finish_non_exhaustive()
    }
}

fn copy<'a>(decoded: &I420<'_>, picture: &'a mut Planar) -> Result<&'a Planar, CodecError> {
    let size = Resolution::new(decoded.width(), decoded.height()).map_err(CodecError::Size)?;
    // The only color of RFC 6386 §9.2.
    let color = Color {
        matrix: Matrix::Bt601,
        range: Range::Limited,
    };
    picture.reshape(size, Chroma::Halved, color);
    copy_plane(decoded, 0, &mut picture.y);
    copy_plane(decoded, 1, &mut picture.u);
    copy_plane(decoded, 2, &mut picture.v);
    Ok(picture)
}

fn copy_plane(decoded: &I420<'_>, which: usize, plane: &mut Plane) {
    let stride = plane.stride().max(1);
    for (from, to) in decoded.rows(which).zip(plane.data.chunks_mut(stride)) {
        to.copy_from_slice(from);
    }
}
