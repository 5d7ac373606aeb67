//! What a camera can be asked for.

use std::fmt;

use greenroom_reports::model::camera::{CameraMode, PictureSize};

use crate::picture::frame::{PixelFormat, Resolution};

/// Four characters that name a pixel format, as V4L2 has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc([u8; 4]);

impl FourCc {
    /// Wraps the characters.
    pub const fn new(characters: [u8; 4]) -> Self {
        Self(characters)
    }

    /// The code of a format that is converted.
    pub const fn of(format: PixelFormat) -> Self {
        Self(*match format {
            PixelFormat::Yuyv => b"YUYV",
            PixelFormat::Uyvy => b"UYVY",
            PixelFormat::Nv12 => b"NV12",
            PixelFormat::I420 => b"YU12",
            PixelFormat::Rgb24 => b"RGB3",
            PixelFormat::Bgr24 => b"BGR3",
            PixelFormat::Grey => b"GREY",
            PixelFormat::Mjpeg => b"MJPG",
        })
    }

    /// The characters.
    pub const fn bytes(self) -> [u8; 4] {
        self.0
    }

    /// The format, if it is one that is converted.
    pub const fn format(self) -> Option<PixelFormat> {
        Some(match &self.0 {
            b"YUYV" => PixelFormat::Yuyv,
            b"UYVY" => PixelFormat::Uyvy,
            b"NV12" => PixelFormat::Nv12,
            b"YU12" => PixelFormat::I420,
            b"RGB3" => PixelFormat::Rgb24,
            b"BGR3" => PixelFormat::Bgr24,
            b"GREY" => PixelFormat::Grey,
            b"MJPG" | b"JPEG" => PixelFormat::Mjpeg,
            _ => return None,
        })
    }
}

impl fmt::Display for FourCc {
    /// What does not print becomes a dot; trailing spaces are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |&byte: &u8| {
            if (b' '..=b'~').contains(&byte) {
                byte
            } else {
                b'.'
            }
        };
        let text: String = self.0.iter().map(printable).map(char::from).collect();
        f.write_str(text.trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One of the modes that a camera offers, as its driver says it: nothing of it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Size.
    pub size: PictureSize,
    /// Nominal frames a second, in thousandths; `None` where the driver does not tell.
    pub millifps: Option<u32>,
    /// Pixel format.
    pub code: FourCc,
}

impl Mode {
    /// Format and size, if the format is one that is converted and the size is not absurd.
    pub fn usable(&self) -> Option<(PixelFormat, Resolution)> {
        let resolution = Resolution::new(self.size.width, self.size.height).ok()?;
        Some((self.code.format()?, resolution))
    }

    /// For the report; `None` where the driver does not tell the rate.
    pub fn described(&self) -> Option<CameraMode> {
        Some(CameraMode {
            size: self.size,
            millifps: self.millifps?,
            pixel_format: self.code.to_string(),
        })
    }
}

/// What a call would like to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedMode {
    /// Size.
    pub size: PictureSize,
    /// Frames a second, in thousandths.
    pub millifps: u32,
}

impl Default for WantedMode {
    /// 1280x720 at 30 frames a second: what a video call sends at its best.
    fn default() -> Self {
        Self {
            size: PictureSize {
                width: 1280,
                height: 720,
            },
            millifps: 30_000,
        }
    }
}

/// Thousandths of frames a second from the time between two frames, `numerator / denominator`
/// seconds; `None` when that is no time at all.
pub fn millifps_of(numerator: u32, denominator: u32) -> Option<u32> {
    let (n, d) = (u64::from(numerator), u64::from(denominator));
    let millifps = (d * 1000 + n / 2).checked_div(n)?;
    u32::try_from(millifps).ok().filter(|&fps| fps > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_code_that_leads_back_to_it() {
        for format in [
            PixelFormat::Yuyv,
            PixelFormat::Uyvy,
            PixelFormat::Nv12,
            PixelFormat::I420,
            PixelFormat::Rgb24,
            PixelFormat::Bgr24,
            PixelFormat::Grey,
            PixelFormat::Mjpeg,
        ] {
            assert_eq!(FourCc::of(format).format(), Some(format));
        }
        assert_eq!(FourCc::new(*b"H264").format(), None);
    }

    #[test]
    fn a_code_prints_without_what_does_not() {
        assert_eq!(FourCc::new(*b"Y16 ").to_string(), "Y16");
        assert_eq!(FourCc::new([b'Y', 0, 0xff, b'2']).to_string(), "Y..2");
    }

    #[test]
    fn an_interval_becomes_a_rate() {
        assert_eq!(millifps_of(1, 30), Some(30_000));
        assert_eq!(millifps_of(1001, 30_000), Some(29_970));
        // UVC counts in steps of 100 ns.
        assert_eq!(millifps_of(333_333, 10_000_000), Some(30_000));
        assert_eq!(millifps_of(2, 25), Some(12_500));
        assert_eq!(millifps_of(0, 30), None);
        assert_eq!(millifps_of(1, 0), None);
        assert_eq!(millifps_of(1, u32::MAX), None);
    }

    #[test]
    fn an_absurd_size_is_not_usable() {
        let mode = |width, height| Mode {
            size: PictureSize { width, height },
            millifps: Some(30_000),
            code: FourCc::new(*b"YUYV"),
        };
        assert!(mode(640, 480).usable().is_some());
        assert!(mode(0, 480).usable().is_none());
        assert!(mode(640, 1 << 30).usable().is_none());
    }
}
