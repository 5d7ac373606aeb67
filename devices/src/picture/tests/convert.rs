//! Every format against an exact reference, of any size, and bytes of any kind.

use greenroom_protocol::measure::time::MonotonicTime;
use proptest::prelude::*;

use super::scene::Random;
use crate::picture::convert::{Unpacker, to_i420, to_rgba};
use crate::picture::frame::{
    Color, Frame, FrameError, FrameLayout, MAX_SIDE, Matrix, PixelFormat, Range, Resolution,
};
use crate::picture::planes::{Planar, Rgba};

const FORMATS: [PixelFormat; 7] = [
    PixelFormat::Yuyv,
    PixelFormat::Uyvy,
    PixelFormat::Nv12,
    PixelFormat::I420,
    PixelFormat::Rgb24,
    PixelFormat::Bgr24,
    PixelFormat::Grey,
];

fn layout(format: PixelFormat, width: u32, height: u32, padding: usize) -> FrameLayout {
    let resolution = Resolution::new(width, height).unwrap();
    let tight = FrameLayout::new(format, resolution, None).unwrap();
    FrameLayout::new(format, resolution, Some(tight.stride() + padding)).unwrap()
}

fn frame(layout: FrameLayout, data: &[u8]) -> Result<Frame<'_>, FrameError> {
    Frame::new(layout, data, MonotonicTime::from_nanos(0), None)
}

/// Exactly as many bytes as the layout needs.
fn noise_for(layout: FrameLayout, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let needed = match frame(layout, &[]) {
        Err(FrameError::TooShort { needed, .. }) => needed,
        other => panic!("{other:?}"),
    };
    (0..needed).map(|_| random.next() as u8).collect()
}

/// A picture in plain form: each pixel's own red, green and blue, or luma and chroma.
struct Plain<'a> {
    layout: FrameLayout,
    data: &'a [u8],
}

impl Plain<'_> {
    fn width(&self) -> usize {
        self.layout.resolution().width() as usize
    }

    fn height(&self) -> usize {
        self.layout.resolution().height() as usize
    }

    /// Luma, blue and red difference of a pixel, as the format stores them.
    fn yuv(&self, x: usize, y: usize) -> [f64; 3] {
        let stride = self.layout.stride();
        let pair = y * stride + x / 2 * 4;
        let at = match self.layout.format() {
            PixelFormat::Yuyv => [pair + x % 2 * 2, pair + 1, pair + 3],
            PixelFormat::Uyvy => [pair + 1 + x % 2 * 2, pair, pair + 2],
            PixelFormat::Nv12 => {
                let chroma_stride = stride.max(self.width().div_ceil(2) * 2);
                let chroma = stride * self.height() + y / 2 * chroma_stride + x / 2 * 2;
                [y * stride + x, chroma, chroma + 1]
            }
            PixelFormat::I420 => {
                let half = stride.div_ceil(2);
                let u = stride * self.height() + y / 2 * half + x / 2;
                [y * stride + x, u, u + half * self.height().div_ceil(2)]
            }
            _ => return [f64::from(self.data[y * stride + x]), 128.0, 128.0],
        };
        at.map(|at| f64::from(self.data[at]))
    }

    fn rgb(&self, x: usize, y: usize) -> Option<[f64; 3]> {
        let at = y * self.layout.stride() + x * 3;
        let order = match self.layout.format() {
            PixelFormat::Rgb24 => [0, 1, 2],
            PixelFormat::Bgr24 => [2, 1, 0],
            _ => return None,
        };
        Some(order.map(|i| f64::from(self.data[at + i])))
    }
}

fn weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    }
}

/// BT.601 §2.5.3, BT.709 §4: offset of luma, span of luma, span of chroma.
fn spans(range: Range) -> (f64, f64, f64) {
    match range {
        Range::Limited => (16.0, 219.0, 224.0),
        Range::Full => (0.0, 255.0, 255.0),
    }
}

/// Luma below black counts as black, whatever its chroma: both standards leave it undefined.
fn exact_rgb([y, u, v]: [f64; 3], color: Color) -> [f64; 3] {
    let (kr, kb) = weights(color.matrix);
    let (offset, luma, chroma) = spans(color.range);
    let (y, u, v) = (
        (y - offset).max(0.0) / luma,
        (u - 128.0) / chroma,
        (v - 128.0) / chroma,
    );
    let red = y + 2.0 * (1.0 - kr) * v;
    let blue = y + 2.0 * (1.0 - kb) * u;
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    [red, green, blue].map(|value| (value * 255.0).clamp(0.0, 255.0))
}

fn exact_yuv([red, green, blue]: [f64; 3], color: Color) -> [f64; 3] {
    let (kr, kb) = weights(color.matrix);
    let (offset, luma, chroma) = spans(color.range);
    let y = (kr * red + (1.0 - kr - kb) * green + kb * blue) / 255.0;
    let u = (blue / 255.0 - y) / (2.0 * (1.0 - kb));
    let v = (red / 255.0 - y) / (2.0 * (1.0 - kr));
    [offset + luma * y, 128.0 + chroma * u, 128.0 + chroma * v]
}

fn near(found: u8, exact: f64, tolerance: f64, what: &str) {
    let error = (f64::from(found) - exact).abs();
    assert!(error <= tolerance + 1e-9, "{what}: {found} is not {exact}");
}

fn check_rgba(plain: &Plain<'_>, rgba: &Rgba) {
    let what = format!("{:?}", plain.layout);
    for (i, pixel) in rgba.data().chunks_exact(4).enumerate() {
        let (x, y) = (i % plain.width(), i / plain.width());
        let exact = plain
            .rgb(x, y)
            .unwrap_or_else(|| exact_rgb(plain.yuv(x, y), plain.layout.color()));
        for (found, exact) in pixel.iter().zip(exact) {
            near(*found, exact, 2.0, &what);
        }
        assert_eq!(pixel[3], 255);
    }
}

fn check_i420(plain: &Plain<'_>, i420: &Planar) {
    let what = format!("{:?}", plain.layout);
    let yuv = |x: usize, y: usize| match plain.rgb(x, y) {
        Some(rgb) => exact_yuv(rgb, i420.color()),
        None => plain.yuv(x, y),
    };
    for (y, row) in i420.y().rows(plain.height()).enumerate() {
        for (x, &found) in row.iter().enumerate() {
            near(found, yuv(x, y)[0], 1.5, &what);
        }
    }
    let (right, bottom) = (plain.width() - 1, plain.height() - 1);
    for (channel, plane) in [(1, i420.u()), (2, i420.v())] {
        for (y, row) in plane.rows(plain.height().div_ceil(2)).enumerate() {
            for (x, &found) in row.iter().enumerate() {
                let (x2, y2) = ((2 * x + 1).min(right), (2 * y + 1).min(bottom));
                let covered = [(2 * x, 2 * y), (x2, 2 * y), (2 * x, y2), (x2, y2)];
                let mean = covered.map(|(x, y)| yuv(x, y)[channel]).iter().sum::<f64>() / 4.0;
                near(found, mean, 2.0, &what);
            }
        }
    }
}

fn check(layout: FrameLayout, seed: u64) {
    let data = noise_for(layout, seed);
    let frame = frame(layout, &data).unwrap();
    let plain = Plain {
        layout,
        data: &data,
    };
    let (mut unpacker, mut rgba) = (Unpacker::default(), Rgba::default());
    unpacker.rgba(&frame, &mut rgba).unwrap();
    check_rgba(&plain, &rgba);
    let mut i420 = Planar::default();
    to_i420(unpacker.unpack(&frame).unwrap(), &mut i420);
    check_i420(&plain, &i420);
    unpacker.i420(&frame, &mut i420).unwrap();
    check_i420(&plain, &i420);
}

#[test]
fn every_format_is_exact_in_every_color() {
    for format in FORMATS {
        // Wide enough for every vector width and its remainder.
        for (width, height, padding) in [(130, 6, 0), (67, 5, 6), (2, 2, 0), (1, 1, 0), (1, 3, 1)] {
            for matrix in [Matrix::Bt601, Matrix::Bt709] {
                for range in [Range::Limited, Range::Full] {
                    let color = Color { matrix, range };
                    let layout = layout(format, width, height, padding);
                    check(layout.with_color(color), u64::from(width));
                }
            }
        }
    }
}

#[test]
fn known_colors() {
    // BT.601 limited: red is 81, 90, 240; white 235, 128, 128.
    let yuyv = [81, 90, 81, 240, 235, 128, 235, 128];
    let frame = frame(layout(PixelFormat::Yuyv, 4, 1, 0), &yuyv).unwrap();
    let mut rgba = Rgba::default();
    Unpacker::default().rgba(&frame, &mut rgba).unwrap();
    let expected = [[255, 0, 0, 255], [255, 0, 0, 255], [255; 4], [255; 4]];
    for (found, expected) in rgba.data().iter().zip(expected.as_flattened()) {
        near(*found, f64::from(*expected), 1.0, "known colors");
    }
}

#[test]
fn a_jpeg_of_each_sampling_reaches_the_screen() {
    let files: [&[u8]; 4] = [
        include_bytes!("../jpeg/data/420.jpg"),
        include_bytes!("../jpeg/data/422.jpg"),
        include_bytes!("../jpeg/data/440.jpg"),
        include_bytes!("../jpeg/data/444.jpg"),
    ];
    let mut means = Vec::new();
    for file in files {
        let frame = frame(layout(PixelFormat::Mjpeg, 640, 480, 0), file).unwrap();
        let mut unpacker = Unpacker::default();
        let (mut rgba, mut i420, mut again) = (Rgba::default(), Planar::default(), Rgba::default());
        unpacker.rgba(&frame, &mut rgba).unwrap();
        // The size is the file's, not what the driver promised.
        assert_eq!(rgba.resolution(), Resolution::new(61, 45).unwrap());
        to_i420(unpacker.unpack(&frame).unwrap(), &mut i420);
        to_rgba(&i420, &mut again).unwrap();
        let mean = |rgba: &Rgba| {
            rgba.data().iter().map(|&v| f64::from(v)).sum::<f64>() / rgba.data().len() as f64
        };
        means.extend([mean(&rgba), mean(&again)]);
    }
    let (low, high) = means
        .iter()
        .fold((255.0_f64, 0.0_f64), |(l, h), &m| (l.min(m), h.max(m)));
    assert!(high - low < 4.0, "{means:?}");
}

#[test]
fn absurd_frames_are_errors() {
    let side = MAX_SIDE + 1;
    for (width, height) in [(0, 1), (1, 0), (side, 1), (1, side), (u32::MAX, u32::MAX)] {
        let error = Resolution::new(width, height).unwrap_err();
        assert_eq!(error, FrameError::Size { width, height });
    }
    let resolution = Resolution::new(640, 480).unwrap();
    for stride in [0, 1279, usize::MAX] {
        assert!(FrameLayout::new(PixelFormat::Yuyv, resolution, Some(stride)).is_err());
    }
    let error = frame(layout(PixelFormat::Yuyv, 640, 480, 0), &[0; 100]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use a frame of 100 bytes where 614400 are needed"
    );
    assert!(frame(layout(PixelFormat::Mjpeg, 640, 480, 0), &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size_stride_and_bytes_convert(
        format in proptest::sample::select(FORMATS.to_vec()),
        width in 1_u32..80,
        height in 1_u32..8,
        padding in 0_usize..40,
        seed in any::<u64>(),
    ) {
        check(layout(format, width, height, padding), seed);
    }
}
