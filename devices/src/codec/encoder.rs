//! VP8 as calls encode it.

use std::num::NonZeroU32;

use greenroom_reports::units::Bitrate;

use super::error::CodecError;
use super::vpx::{self, Control, I420};
use crate::picture::frame::Resolution;
use crate::picture::planes::{Chroma, Planar};

/// Encodes one picture after the other, at constant bitrate and without looking ahead.
pub struct Vp8Encoder {
    library: vpx::Encoder,
    settings: vpx::Settings,
    resolution: Resolution,
    /// Pictures so far: the library's time, in units of the nominal frame interval.
    n_pictures: i64,
}

/// How to encode.
///
/// Source of what is not said here: libwebrtc's VP8 encoder for a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Config {
    /// Size of the pictures.
    pub resolution: Resolution,
    /// Frames a second, nominal: what the bitrate is divided by.
    pub frame_rate: NonZeroU32,
    /// Target bitrate. Key frames exceed it for a moment.
    pub bitrate: Bitrate,
    /// Threads, the caller's own included.
    pub threads: NonZeroU32,
    /// 0 to 16: more is faster and of lower quality.
    pub speed: u8,
    /// Whether to take the sensor's noise out, which costs time and saves bits.
    pub denoise: bool,
}

impl Vp8Config {
    /// As browsers encode a camera in a call on one core.
    ///
    /// Speed 6 is libwebrtc's of a desktop, 4 for small pictures.
    pub fn for_call(resolution: Resolution, frame_rate: NonZeroU32, bitrate: Bitrate) -> Self {
        let is_small = resolution.width() * resolution.height() < 352 * 288;
        Self {
            resolution,
            frame_rate,
            bitrate,
            threads: NonZeroU32::MIN,
            speed: if is_small { 4 } else { 6 },
            denoise: true,
        }
    }
}

/// A picture as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedPicture<'a> {
    /// The VP8 frame; RFC 6386.
    pub data: &'a [u8],
    /// Whether it can be decoded without those before it.
    pub is_key: bool,
}

impl Vp8Encoder {
    /// Sets an encoder up.
    ///
    /// # Errors
    ///
    /// A bitrate below 1 kbit/s, or what libvpx says: out of memory, a speed that it does not know.
    pub fn new(config: &Vp8Config) -> Result<Self, CodecError> {
        let settings = settings(config)?;
        let mut library = vpx::Encoder::new(&settings)?;
        // Adaptive, as libwebrtc on a desktop.
        let noise_sensitivity = if config.denoise { 4 } else { 0 };
        library.control(Control::Speed, -i32::from(config.speed))?;
        library.control(Control::NoiseSensitivity, noise_sensitivity)?;
        library.control(Control::StaticThreshold, 1)?;
        library.control(Control::MaxIntraPercent, max_intra_percent(config))?;
        Ok(Self {
            library,
            settings,
            resolution: config.resolution,
            n_pictures: 0,
        })
    }

    /// Encodes the next picture, one nominal frame interval after the last.
    ///
    /// The first becomes a key frame, and one with `force_key`. `None` where libvpx drops a picture
    /// to keep the bitrate, which it is told not to do.
    ///
    /// # Errors
    ///
    /// A picture that is not I420 or of another size, or what libvpx says.
    pub fn encode(
        &mut self,
        picture: &Planar,
        force_key: bool,
    ) -> Result<Option<EncodedPicture<'_>>, CodecError> {
        let planes = self.check(picture)?;
        self.library.encode(&planes, self.n_pictures, force_key)?;
        self.n_pictures = self.n_pictures.saturating_add(1);
        let encoded = self.library.encoded();
        Ok(encoded.map(|(data, is_key)| EncodedPicture { data, is_key }))
    }

    /// Aims at another bitrate from the next picture on.
    ///
    /// # Errors
    ///
    /// A bitrate below 1 kbit/s, or what libvpx says. The old one holds then.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), CodecError> {
        let mut settings = self.settings;
        settings.kbps = kbps(bitrate)?;
        self.library.reconfigure(&settings)?;
        self.settings = settings;
        Ok(())
    }

    fn check<'a>(&self, picture: &'a Planar) -> Result<I420<'a>, CodecError> {
        let size = picture.resolution();
        let planes = [picture.y(), picture.u(), picture.v()];
        let planes = planes.map(|plane| (plane.data(), plane.stride()));
        let fits = size == self.resolution && picture.chroma() == Chroma::Halved;
        let planes = I420::new(size.width(), size.height(), planes).filter(|_| fits);
        planes.ok_or(CodecError::Picture {
            size,
            chroma: picture.chroma(),
            expected: self.resolution,
        })
    }
}

impl std::fmt::Debug for Vp8Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vp8Encoder")
            .field("resolution", &self.resolution)
            .field("n_pictures", &self.n_pictures)
            .finish_non_exhaustive()
    }
}

/// Quantizers, tolerances, buffers and interval are libwebrtc's.
fn settings(config: &Vp8Config) -> Result<vpx::Settings, CodecError> {
    Ok(vpx::Settings {
        width: config.resolution.width(),
        height: config.resolution.height(),
        frame_rate: config.frame_rate.get(),
        kbps: kbps(config.bitrate)?,
        threads: config.threads.get(),
        quantizers: [2, 56],
        tolerances: [100, 15],
        buffers_ms: [500, BUFFER_OPTIMAL_MS, 1000],
        key_interval: 3000,
    })
}

const BUFFER_OPTIMAL_MS: u32 = 600;

/// Most bits of a key frame, in percent of a usual frame: half of the optimal buffer.
fn max_intra_percent(config: &Vp8Config) -> i32 {
    let percent = u64::from(BUFFER_OPTIMAL_MS) * u64::from(config.frame_rate.get()) / 20;
    i32::try_from(percent.max(300)).unwrap_or(i32::MAX)
}

fn kbps(bitrate: Bitrate) -> Result<u32, CodecError> {
    let bps = bitrate.as_bps();
    // The library multiplies by 1000 in 32 bits.
    match u32::try_from(bps / 1000) {
        Ok(kbps @ 1..=2_000_000) => Ok(kbps),
        _ => Err(CodecError::Bitrate { bps }),
    }
}
