//! VP8 as calls encode it.

use std::num::NonZeroU32;

use greenroom_reports::units::Bitrate;

use super::error::CodecError;
use super::vpx::{self, I420};
use crate::picture::frame::Resolution;
use crate::picture::planes::{Chroma, Planar};

/// Encodes one picture after the other, at constant bitrate and without looking ahead.
pub struct Vp8Encoder {
    library: vpx::Encoder,
    settings: vpx::EncoderSettings,
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
        library.control(vpx::SPEED, -i32::from(config.speed))?;
        library.control(vpx::NOISE_SENSITIVITY, noise_sensitivity)?;
        library.control(vpx::STATIC_THRESHOLD, 1)?;
        library.control(vpx::MAX_INTRA_PERCENT, max_intra_percent(config))?;
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
        let old = self.settings.rc_target_bitrate;
        self.settings.rc_target_bitrate = kbps(bitrate)?;
        let changed = self.library.reconfigure(&self.settings);
        if changed.is_err() {
            self.settings.rc_target_bitrate = old;
        }
        changed
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

/// Quantizers, buffers (in ms of the bitrate) and percentages are libwebrtc's.
fn settings(config: &Vp8Config) -> Result<vpx::EncoderSettings, CodecError> {
    let mut settings = vpx::default_settings()?;
    settings.g_w = config.resolution.width();
    settings.g_h = config.resolution.height();
    settings.g_threads = config.threads.get();
    settings.g_timebase = vpx::Rational {
        num: 1,
        den: i32::try_from(config.frame_rate.get()).unwrap_or(i32::MAX),
    };
    settings.g_lag_in_frames = 0;
    // A lost picture is asked for again; resilience is for streams with temporal layers.
    settings.g_error_resilient = 0;
    settings.rc_end_usage = vpx::CONSTANT_BITRATE;
    settings.rc_target_bitrate = kbps(config.bitrate)?;
    settings.rc_dropframe_thresh = 0;
    settings.rc_resize_allowed = 0;
    settings.rc_min_quantizer = 2;
    settings.rc_max_quantizer = 56;
    settings.rc_undershoot_pct = 100;
    settings.rc_overshoot_pct = 15;
    settings.rc_buf_initial_sz = 500;
    settings.rc_buf_optimal_sz = BUFFER_OPTIMAL_MS;
    settings.rc_buf_sz = 1000;
    settings.kf_mode = vpx::KEY_FRAMES_AUTO;
    settings.kf_max_dist = 3000;
    Ok(settings)
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
