//! Which of a camera's modes a call takes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::mode::{FourCc, Mode, WantedMode};
use crate::picture::frame::PixelFormat;

/// Pictures of more than so many times the wanted area are a last resort: a call only throws their
/// pixels away, and a frame of 4K takes longer to decode than a call has time for.
const MAX_AREA_FACTOR: u64 = 4;

/// The mode that serves a call best; `None` when none can be used.
///
/// Resolution comes first: the more of the wanted size it covers, the better, and with the fewer
/// superfluous pixels. Then the frame rate, as far as it is wanted; then the format, by what it
/// costs to convert. Modes below half of the wanted rate come after all others, since a call is
/// better off with a smaller picture than with a slide show. A rate that the driver does not tell
/// counts as half of the wanted one.
pub fn choose_mode<'a>(modes: &'a [Mode], wanted: &WantedMode) -> Option<&'a Mode> {
    let usable = modes.iter().filter(|mode| mode.usable().is_some());
    usable.min_by_key(|mode| rank(mode, wanted))
}

/// Smaller is better.
fn rank(mode: &Mode, wanted: &WantedMode) -> impl Ord + use<> {
    let millifps = mode.millifps.unwrap_or(wanted.millifps / 2);
    let area = u64::from(mode.size.width) * u64::from(mode.size.height);
    let wanted_area = u64::from(wanted.size.width) * u64::from(wanted.size.height);
    let is_slow = u64::from(millifps) * 2 < u64::from(wanted.millifps);
    let is_huge = area > wanted_area * MAX_AREA_FACTOR;
    (
        (is_slow, is_huge),
        Reverse(coverage(mode, wanted)),
        area,
        Reverse(millifps.min(wanted.millifps)),
        // Faster than wanted is worse than as wanted: it only costs.
        millifps,
        cost(mode.code),
    )
}

/// How much of the wanted width and height there is, in thousandths, 1000 at the most.
fn coverage(mode: &Mode, wanted: &WantedMode) -> u64 {
    let share = |has: u32, wanted: u32| u64::from(has) * 1000 / u64::from(wanted.max(1));
    let across = share(mode.size.width, wanted.size.width);
    let down = share(mode.size.height, wanted.size.height);
    across.min(down).min(1000)
}

/// What a format costs to bring to what an encoder takes; gray last, since it lacks all color.
fn cost(code: FourCc) -> u8 {
    match code.format() {
        Some(PixelFormat::I420) => 0,
        Some(PixelFormat::Nv12) => 1,
        Some(PixelFormat::Yuyv | PixelFormat::Uyvy) => 2,
        Some(PixelFormat::Rgb24 | PixelFormat::Bgr24) => 3,
        Some(PixelFormat::Mjpeg) => 4,
        Some(PixelFormat::Grey) => 5,
        None => u8::MAX,
    }
}

/// Why none of these modes can be used, for [`DeviceError::Unsupported`](crate::error::DeviceError::Unsupported).
pub fn why_unusable(modes: &[Mode]) -> String {
    let codes: BTreeSet<String> = modes.iter().map(|mode| mode.code.to_string()).collect();
    if codes.is_empty() {
        return "it offers no picture at all".to_owned();
    }
    let is_known = |mode: &Mode| mode.code.format().is_some();
    if modes.iter().any(is_known) {
        return "it offers pictures of absurd sizes only".to_owned();
    }
    let codes: Vec<String> = codes.into_iter().take(8).collect();
    format!("it offers only the formats {}", codes.join(", "))
}
