//! libvpx behind safe functions.
//!
//! All unsafe code of this crate. A context is made by the library's own initialization and
//! destroyed once; what it lends is bound to a borrow of it.

#![expect(
    unsafe_code,
    reason = "libvpx is a C library without a safe crate that fits"
)]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr;

use super::error::CodecError;

/// The library's declarations, translated from its header by `build.rs`.
mod sys {
    #![expect(
        dead_code,
        non_camel_case_types,
        non_upper_case_globals,
        unreachable_pub,
        clippy::pedantic,
        reason = "generated"
    )]
    include!(concat!(env!("OUT_DIR"), "/vpx.rs"));
}

/// What can be set on an encoder that runs. All take an integer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    /// Negative: the faster, the farther from zero.
    Speed,
    /// Most bits of a key frame, in percent of a usual frame.
    MaxIntraPercent,
    /// How noise is taken out; 0 not at all.
    NoiseSensitivity,
    /// Below which difference a block counts as standing still.
    StaticThreshold,
}

impl Control {
    fn id(self) -> c_uint {
        match self {
            Self::Speed => sys::vp8e_enc_control_id_VP8E_SET_CPUUSED,
            Self::MaxIntraPercent => sys::vp8e_enc_control_id_VP8E_SET_MAX_INTRA_BITRATE_PCT,
            Self::NoiseSensitivity => sys::vp8e_enc_control_id_VP8E_SET_NOISE_SENSITIVITY,
            Self::StaticThreshold => sys::vp8e_enc_control_id_VP8E_SET_STATIC_THRESHOLD,
        }
    }
}

/// What an encoder is set up with: one pass, no look-ahead, constant bitrate, no picture dropped.
///
/// Buffers are in milliseconds of the bitrate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Units of time in a second.
    pub(super) frame_rate: u32,
    pub(super) kbps: u32,
    pub(super) threads: u32,
    /// Least and largest quantizer, 0 to 63.
    pub(super) quantizers: [u32; 2],
    /// How far the rate control may go below and beyond the bitrate, in percent.
    pub(super) tolerances: [u32; 2],
    /// What is buffered first, what should be, and what may be.
    pub(super) buffers_ms: [u32; 3],
    /// Most pictures between key frames.
    pub(super) key_interval: u32,
}

impl Settings {
    /// As the library takes them. Its pointers, to statistics of a first pass, stay null.
    fn translate(&self) -> Result<sys::vpx_codec_enc_cfg, CodecError> {
        let mut settings = default_settings()?;
        settings.g_w = self.width;
        settings.g_h = self.height;
        settings.g_threads = self.threads;
        settings.g_timebase.num = 1;
        settings.g_timebase.den = c_int::try_from(self.frame_rate).unwrap_or(c_int::MAX);
        settings.g_lag_in_frames = 0;
        // A lost picture is asked for again; resilience is for streams with temporal layers.
        settings.g_error_resilient = 0;
        settings.rc_end_usage = sys::vpx_rc_mode_VPX_CBR;
        settings.rc_target_bitrate = self.kbps;
        settings.rc_dropframe_thresh = 0;
        settings.rc_resize_allowed = 0;
        [settings.rc_min_quantizer, settings.rc_max_quantizer] = self.quantizers;
        [settings.rc_undershoot_pct, settings.rc_overshoot_pct] = self.tolerances;
        [
            settings.rc_buf_initial_sz,
            settings.rc_buf_optimal_sz,
            settings.rc_buf_sz,
        ] = self.buffers_ms;
        settings.kf_mode = sys::vpx_kf_mode_VPX_KF_AUTO;
        settings.kf_max_dist = self.key_interval;
        Ok(settings)
    }
}

/// What the library sets an encoder to that is told nothing else.
fn default_settings() -> Result<sys::vpx_codec_enc_cfg, CodecError> {
    let mut settings = MaybeUninit::<sys::vpx_codec_enc_cfg>::zeroed();
    // SAFETY: the interface is static, and the settings can be written.
    let code = unsafe {
        sys::vpx_codec_enc_config_default(sys::vpx_codec_vp8_cx(), settings.as_mut_ptr(), 0)
    };
    match code {
        // SAFETY: all fields are numbers and pointers; the library has written them.
        0 => Ok(unsafe { settings.assume_init() }),
        code => Err(error("set up", code_text(code))),
    }
}

/// The planes of an I420 picture: samples, and from one row to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct I420<'a> {
    width: c_uint,
    height: c_uint,
    planes: [(&'a [u8], c_int); 3],
}

impl<'a> I420<'a> {
    /// `None` where a plane is shorter than its rows, or a row than its width.
    pub(super) fn new(width: u32, height: u32, planes: [(&'a [u8], usize); 3]) -> Option<Self> {
        let mut checked = [(&[][..], 0); 3];
        for (i, (data, stride)) in planes.into_iter().enumerate() {
            let (columns, rows) = plane_size(i, width, height);
            let needed = stride.checked_mul(rows.checked_sub(1)?)?;
            if stride < columns || data.len() < needed.checked_add(columns)? {
                return None;
            }
            checked[i] = (data, c_int::try_from(stride).ok()?);
        }
        Some(Self {
            width,
            height,
            planes: checked,
        })
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// Rows of a plane: 0 luma, 1 blue and 2 red difference.
    pub(super) fn rows(&self, plane: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (columns, rows) = plane_size(plane, self.width, self.height);
        let (data, stride) = self.planes[plane];
        let stride = usize::try_from(stride).unwrap_or(1).max(1);
        data.chunks(stride)
            .take(rows)
            .map(move |row| &row[..columns])
    }
}

/// Columns and rows.
fn plane_size(plane: usize, width: u32, height: u32) -> (usize, usize) {
    match plane {
        0 => (width as usize, height as usize),
        _ => (width.div_ceil(2) as usize, height.div_ceil(2) as usize),
    }
}

/// An encoder or a decoder that was initialized.
struct Context(sys::vpx_codec_ctx);

// SAFETY: a context has no tie to a thread, and nothing else holds its pointers.
unsafe impl Send for Context {}

impl Context {
    /// What `initialize` makes; the library itself cleans up after a failure.
    fn new(
        initialize: impl FnOnce(*mut sys::vpx_codec_ctx) -> sys::vpx_codec_err_t,
    ) -> Result<Self, CodecError> {
        // SAFETY: all fields are numbers and pointers, for which zero is a value.
        let mut context = unsafe { MaybeUninit::<sys::vpx_codec_ctx>::zeroed().assume_init() };
        match initialize(&raw mut context) {
            0 => Ok(Self(context)),
            code => Err(error("set up", code_text(code))),
        }
    }

    fn check(
        &mut self,
        operation: &'static str,
        code: sys::vpx_codec_err_t,
    ) -> Result<(), CodecError> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the context is initialized.
        let detail = unsafe { sys::vpx_codec_error_detail(&raw mut self.0) };
        // SAFETY: null, or a text that lives until the next call on the context.
        let why = unsafe { text(detail) }.unwrap_or_else(|| code_text(code));
        Err(error(operation, why))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is initialized, and this is the only place that destroys it. It fails
        // for contexts that are not.
        let _ = unsafe { sys::vpx_codec_destroy(&raw mut self.0) };
    }
}

fn error(operation: &'static str, why: String) -> CodecError {
    CodecError::Library { operation, why }
}

fn code_text(code: sys::vpx_codec_err_t) -> String {
    // SAFETY: takes any code and gives a static text.
    unsafe { text(sys::vpx_codec_err_to_string(code)) }.unwrap_or_default()
}

/// # Safety
///
/// Null, or a C string that lives during the call.
unsafe fn text(from: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    let text = (!from.is_null()).then(|| unsafe { CStr::from_ptr(from) });
    text.map(|text| text.to_string_lossy().into_owned())
}

/// A VP8 encoder.
pub(super) struct Encoder(Context);

impl Encoder {
    pub(super) fn new(settings: &Settings) -> Result<Self, CodecError> {
        let settings = settings.translate()?;
        // SAFETY: all pointers are valid; the library copies the settings.
        let initialize = |context| unsafe {
            sys::vpx_codec_enc_init_ver(
                context,
                sys::vpx_codec_vp8_cx(),
                &raw const settings,
                0,
                sys::VPX_ENCODER_ABI_VERSION.cast_signed(),
            )
        };
        Ok(Self(Context::new(initialize)?))
    }

    pub(super) fn control(&mut self, control: Control, value: c_int) -> Result<(), CodecError> {
        let id = control.id().cast_signed();
        // SAFETY: the context is initialized; the library reads one integer behind these ids, and
        // refuses values that it does not know.
        let code = unsafe { sys::vpx_codec_control_(&raw mut self.0.0, id, value) };
        self.0.check("set up", code)
    }

    pub(super) fn reconfigure(&mut self, settings: &Settings) -> Result<(), CodecError> {
        let settings = settings.translate()?;
        // SAFETY: both are valid; the library copies the settings.
        let code = unsafe { sys::vpx_codec_enc_config_set(&raw mut self.0.0, &raw const settings) };
        self.0.check("set up", code)
    }

    /// Encodes a picture at this time in units of the settings' time base, which lasts for one.
    pub(super) fn encode(
        &mut self,
        picture: &I420<'_>,
        at: i64,
        force_key: bool,
    ) -> Result<(), CodecError> {
        let image = wrap(picture)?;
        let flags = if force_key {
            sys::VPX_EFLAG_FORCE_KF
        } else {
            0
        };
        // SAFETY: the context is initialized. The image's planes hold as many rows as it says, which
        // `I420` checked; the library reads them, and copies what it needs before it returns.
        let code = unsafe {
            sys::vpx_codec_encode(
                &raw mut self.0.0,
                &raw const image,
                at,
                1,
                flags.into(),
                sys::VPX_DL_REALTIME.into(),
            )
        };
        self.0.check("encode", code)
    }

    /// What the last picture became, and whether it is a key frame; `None` where it was dropped.
    pub(super) fn encoded(&mut self) -> Option<(&[u8], bool)> {
        let mut iterator = ptr::null();
        loop {
            // SAFETY: the context is initialized; the packet is null, or lives until the next call
            // on the context, which the borrow keeps from happening.
            let packet = unsafe {
                sys::vpx_codec_get_cx_data(&raw mut self.0.0, &raw mut iterator).as_ref()?
            };
            if packet.kind != sys::vpx_codec_cx_pkt_kind_VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: the packet's kind says which part of the union was written.
            let frame = unsafe { &packet.data.frame };
            if frame.buf.is_null() {
                continue;
            }
            // SAFETY: the library wrote `sz` bytes there; they live as long as the packet.
            let data = unsafe { std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz) };
            return Some((data, frame.flags & sys::VPX_FRAME_IS_KEY != 0));
        }
    }
}

/// The picture as the library takes it, which borrows the planes.
fn wrap(picture: &I420<'_>) -> Result<sys::vpx_image_t, CodecError> {
    let mut image = MaybeUninit::<sys::vpx_image_t>::zeroed();
    // SAFETY: the image can be written; the samples are only pointed at.
    let wrapped = unsafe {
        sys::vpx_img_wrap(
            image.as_mut_ptr(),
            sys::vpx_img_fmt_VPX_IMG_FMT_I420,
            picture.width,
            picture.height,
            1,
            picture.planes[0].0.as_ptr().cast_mut(),
        )
    };
    if wrapped.is_null() {
        return Err(error("encode", "its size is not supported".to_owned()));
    }
    // SAFETY: all fields are numbers and pointers; the library has written them.
    let mut image = unsafe { image.assume_init() };
    for (i, (data, stride)) in picture.planes.into_iter().enumerate() {
        image.planes[i] = data.as_ptr().cast_mut();
        image.stride[i] = stride;
    }
    Ok(image)
}

/// A VP8 decoder.
pub(super) struct Decoder(Context);

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let settings = sys::vpx_codec_dec_cfg {
            threads: 1,
            w: 0,
            h: 0,
        };
        // SAFETY: all pointers are valid; the library copies the settings.
        let initialize = |context| unsafe {
            sys::vpx_codec_dec_init_ver(
                context,
                sys::vpx_codec_vp8_dx(),
                &raw const settings,
                0,
                sys::VPX_DECODER_ABI_VERSION.cast_signed(),
            )
        };
        Ok(Self(Context::new(initialize)?))
    }

    pub(super) fn decode(&mut self, data: &[u8]) -> Result<(), CodecError> {
        let length = c_uint::try_from(data.len()).unwrap_or(c_uint::MAX);
        // SAFETY: the context is initialized, and the data as long as is said.
        let code = unsafe {
            sys::vpx_codec_decode(&raw mut self.0.0, data.as_ptr(), length, ptr::null_mut(), 0)
        };
        self.0.check("decode", code)
    }

    /// The picture that was decoded last; `None` where there is none to show.
    pub(super) fn decoded(&mut self) -> Option<I420<'_>> {
        let mut iterator = ptr::null();
        // SAFETY: the context is initialized; the image is null, or lives until the next call on the
        // context, which the borrow keeps from happening.
        let image =
            unsafe { sys::vpx_codec_get_frame(&raw mut self.0.0, &raw mut iterator).as_ref()? };
        if image.fmt != sys::vpx_img_fmt_VPX_IMG_FMT_I420 {
            return None;
        }
        let mut planes = [(&[][..], 0); 3];
        for (i, plane) in planes.iter_mut().enumerate() {
            let (columns, rows) = plane_size(i, image.d_w, image.d_h);
            let stride = usize::try_from(image.stride[i]).ok()?;
            let length = stride * rows.checked_sub(1)? + columns;
            // SAFETY: the library's planes hold that many rows of their stride.
            *plane = (
                unsafe { std::slice::from_raw_parts(image.planes[i], length) },
                stride,
            );
        }
        I420::new(image.d_w, image.d_h, planes)
    }
}

/// Width and height that a key frame claims; `None` for other frames and what is none.
pub(super) fn claimed_size(data: &[u8]) -> Option<(u32, u32)> {
    let length = c_uint::try_from(data.len()).ok()?;
    // SAFETY: all fields are numbers.
    let mut info = unsafe { MaybeUninit::<sys::vpx_codec_stream_info_t>::zeroed().assume_init() };
    info.sz = c_uint::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the interface is static, the data as long as is said, and the answer can be written.
    let code = unsafe {
        sys::vpx_codec_peek_stream_info(
            sys::vpx_codec_vp8_dx(),
            data.as_ptr(),
            length,
            &raw mut info,
        )
    };
    (code == 0 && info.is_kf != 0).then_some((info.w, info.h))
}
