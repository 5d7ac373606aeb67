//! What this machine's camera and processor hold a call to.

use super::ladder::Rung;
use crate::model::camera::{CameraSection, EncodeHeadroom, PictureSize};
use crate::model::derived::LimitedBy;
use crate::model::outcome::ReasonCode;
use crate::verdict::parts::{Direction, Parts};
use crate::verdict::profile::{Figure, Profile};
use crate::verdict::standing::{DeviceKind, Standing};

/// Below this, the processor keeps video at 360p: one core has to encode and decode.
///
/// Engineering choice.
const MIN_CORES: u32 = 2;

/// Frames a second that one core must be able to encode for 30 to be sent: half of a frame's time
/// is left for capturing, taking noise out, decoding, echo cancellation and the rest of the machine.
///
/// Engineering choice. Raising it sends smaller pictures from slow machines.
pub(crate) const MIN_ENCODE_FPS: f64 = 60.0;

/// Frames a second from which a mode counts, in thousandths: the good edge of a camera's rate.
const MIN_MODE_MILLIFPS: u32 = 24_000;

/// The best rung that something on this machine carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceCap {
    /// The rung.
    pub(super) rung: Rung,
    /// What holds it there.
    pub(super) by: LimitedBy,
    /// The same in words, behind a comma.
    pub(super) why: String,
}

/// What this machine holds a direction to; `None` where nothing is known to.
pub(super) fn device_cap(parts: &Parts<'_>, way: Direction) -> Option<DeviceCap> {
    let sending = (way == Direction::Up).then_some(parts);
    let caps = [
        cores(parts),
        sending.and_then(camera),
        sending.and_then(encoding),
    ];
    let caps = caps.into_iter().flatten();
    caps.filter(|cap| cap.rung.above().is_some())
        .min_by_key(|cap| cap.rung)
}

/// Frames a second that the camera gives at most, where that is known to be less than good.
pub(super) fn camera_frames(parts: &Parts<'_>) -> Option<u32> {
    own_camera(parts)?;
    let rate = parts.camera.data()?.frame_rate?;
    let good = Profile::default_profile().good_edge(Figure::CameraFps)?;
    (rate.high_fps < good).then(|| whole(rate.fps))
}

fn cores(parts: &Parts<'_>) -> Option<DeviceCap> {
    let cores = parts.system.data()?.cpu.usable_cores;
    (cores < MIN_CORES).then(|| by_processor(Rung::P360))
}

fn by_processor(rung: Rung) -> DeviceCap {
    DeviceCap {
        rung,
        by: LimitedBy::Cpu,
        why: "limited by this machine's processor".to_owned(),
    }
}

fn encoding(parts: &Parts<'_>) -> Option<DeviceCap> {
    let encoding = parts.camera.data()?.encoding.as_ref()?;
    encode_rung(encoding).map(by_processor)
}

/// Without a camera there is no picture; with one, none that is larger than it gives. A camera that
/// a program makes limits nothing: it says nothing of the machine's own.
fn camera(parts: &Parts<'_>) -> Option<DeviceCap> {
    let cap = |rung, why: String| DeviceCap {
        rung,
        by: LimitedBy::Camera,
        why,
    };
    if let Standing::Faulty(reason) = Standing::of(DeviceKind::Camera, parts) {
        let why = match reason.code {
            ReasonCode::NoDevice => "without a camera",
            _ => "without a picture from the camera",
        };
        return Some(cap(Rung::Audio, why.to_owned()));
    }
    let size = largest(own_camera(parts)?)?;
    let why = format!("limited by camera {}x{}", size.width, size.height);
    Some(cap(picture_rung(size), why))
}

fn own_camera<'a>(parts: &Parts<'a>) -> Option<&'a CameraSection> {
    Standing::of(DeviceKind::Camera, parts).own_device()?;
    parts.camera.data()
}

/// The largest picture that the camera is known to give at a rate of a call; `None` where it gave
/// what it was asked for and does not tell what else there is.
fn largest(camera: &CameraSection) -> Option<PictureSize> {
    let given = camera.resolution?;
    let is_fluent = |millifps: u32| millifps >= MIN_MODE_MILLIFPS;
    let modes = camera.modes.iter().filter(|mode| is_fluent(mode.millifps));
    let offered = modes
        .map(|mode| mode.size)
        .max_by_key(|size| short_side(*size));
    if offered.is_none() && short_side(given) >= short_side(camera.requested.size) {
        return None;
    }
    let sizes = offered.into_iter().chain([given]);
    sizes.max_by_key(|size| short_side(*size))
}

/// The best rung that a picture of this size fills; the lowest one with a picture for what is
/// smaller than any.
pub(crate) fn picture_rung(size: PictureSize) -> Rung {
    let fits = |rung: &Rung| {
        let resolution = rung.resolution();
        resolution.is_some_and(|(_, height)| short_side(size) >= height)
    };
    Rung::ALL.into_iter().find(fits).unwrap_or(Rung::P180)
}

/// The best rung that one core encodes in half of a frame's time, where that is less than what was
/// tried; `None` where it suffices. Smaller pictures take time by their pixels; of larger ones
/// nothing is claimed.
pub(crate) fn encode_rung(encoding: &EncodeHeadroom) -> Option<Rung> {
    let tried = pixels(encoding.size.width, encoding.size.height);
    let suffices = |rung: &Rung| {
        let Some((width, height)) = rung.resolution() else {
            return true;
        };
        let frames = f64::from(rung.frames_per_second().unwrap_or(30));
        let fps = encoding.fps * tried / pixels(width, height);
        fps >= MIN_ENCODE_FPS * frames / 30.0
    };
    if encoding.fps.is_nan() || encoding.fps >= MIN_ENCODE_FPS || tried <= 0.0 {
        return None;
    }
    let below = |rung: &Rung| *rung < picture_rung(encoding.size);
    Rung::ALL.into_iter().filter(below).find(suffices)
}

fn pixels(width: u32, height: u32) -> f64 {
    f64::from(width) * f64::from(height)
}

fn short_side(size: PictureSize) -> u32 {
    size.width.min(size.height)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate"
)]
fn whole(value: f64) -> u32 {
    value.round() as u32
}
