//! A frame as the driver gave it, checked once.

use greenroom_protocol::measure::time::MonotonicTime;

/// Largest width and height, in pixels. Beyond 8K no camera exists; a larger value would only
/// raise what a driver's mistake can cost: 8192 × 8192 is 256 MiB as RGBA.
pub const MAX_SIDE: u32 = 8192;

/// A frame in the driver's own layout. Its data is long enough for what its layout says.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    layout: FrameLayout,
    data: &'a [u8],
    /// When the sensor took it, by the driver's stamp where there is one.
    pub captured_at: MonotonicTime,
    /// The driver's count of frames, lost ones included; `None` where it does not count.
    pub sequence: Option<u64>,
}

impl<'a> Frame<'a> {
    /// Wraps what a driver gave.
    ///
    /// # Errors
    ///
    /// Data shorter than the layout says: the frame was cut off on its way. JPEG has no fixed
    /// length; only empty data is refused here and the rest by its decoder.
    pub fn new(
        layout: FrameLayout,
        data: &'a [u8],
        captured_at: MonotonicTime,
        sequence: Option<u64>,
    ) -> Result<Self, FrameError> {
        let needed = layout.min_bytes();
        if data.len() < needed {
            return Err(FrameError::TooShort {
                bytes: data.len(),
                needed,
            });
        }
        Ok(Self {
            layout,
            data,
            captured_at,
            sequence,
        })
    }

    /// Format, size and stride.
    pub fn layout(&self) -> FrameLayout {
        self.layout
    }

    /// The driver's bytes, trailing padding included.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// How the bytes of a frame make a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    format: PixelFormat,
    resolution: Resolution,
    stride: usize,
    color: Color,
}

impl FrameLayout {
    /// A layout with the bytes from one row to the next in the first plane; `None` means that rows
    /// follow each other without padding.
    ///
    /// Planes follow each other. The chroma of NV12 has the same stride, that of I420 half of it,
    /// as V4L2 defines. The stride of JPEG is ignored.
    ///
    /// # Errors
    ///
    /// A stride shorter than a row, or longer than any row of [`MAX_SIDE`] pixels.
    pub fn new(
        format: PixelFormat,
        resolution: Resolution,
        stride: Option<usize>,
    ) -> Result<Self, FrameError> {
        let row = format.row_bytes(resolution);
        let stride = match stride {
            Some(stride) if format != PixelFormat::Mjpeg => stride,
            _ => row,
        };
        if stride < row || stride > MAX_SIDE as usize * 4 {
            return Err(FrameError::Stride { stride, row });
        }
        Ok(Self {
            format,
            resolution,
            stride,
            color: format.usual_color(),
        })
    }

    /// The same layout with the color that the driver told.
    #[must_use]
    pub fn with_color(self, color: Color) -> Self {
        Self { color, ..self }
    }

    /// Pixel format.
    pub fn format(self) -> PixelFormat {
        self.format
    }

    /// Width and height.
    pub fn resolution(self) -> Resolution {
        self.resolution
    }

    /// Bytes from one row of the first plane to the next.
    pub fn stride(self) -> usize {
        self.stride
    }

    /// Matrix and range.
    pub fn color(self) -> Color {
        self.color
    }

    /// Fewest bytes that hold the picture: the last row needs no padding. At most 2^28, so that
    /// nothing here overflows.
    fn min_bytes(self) -> usize {
        let rows = self.resolution.height() as usize;
        let row = self.format.row_bytes(self.resolution);
        let chroma_rows = rows.div_ceil(2);
        match self.format {
            PixelFormat::Mjpeg => 1,
            PixelFormat::Nv12 => {
                let pairs = self.resolution.chroma_width() * 2;
                let chroma_stride = self.stride.max(pairs);
                self.stride * rows + chroma_stride * (chroma_rows - 1) + pairs
            }
            PixelFormat::I420 => {
                let chroma_stride = self.stride.div_ceil(2);
                let chroma = chroma_stride * (2 * chroma_rows - 1);
                self.stride * rows + chroma + self.resolution.chroma_width()
            }
            _ => self.stride * (rows - 1) + row,
        }
    }
}

/// The pixel formats that are converted; V4L2's four characters in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Packed 4:2:2, luma first (`YUYV`, also called YUY2).
    Yuyv,
    /// Packed 4:2:2, chroma first (`UYVY`).
    Uyvy,
    /// 4:2:0, a luma plane and one of chroma pairs (`NV12`).
    Nv12,
    /// 4:2:0 in three planes (`YU12`).
    I420,
    /// Red, green, blue (`RGB3`).
    Rgb24,
    /// Blue, green, red (`BGR3`).
    Bgr24,
    /// Luma alone (`GREY`).
    Grey,
    /// A baseline JPEG a frame (`MJPG`, `JPEG`).
    Mjpeg,
}

impl PixelFormat {
    /// Bytes of a row of the first plane without padding.
    fn row_bytes(self, resolution: Resolution) -> usize {
        let width = resolution.width() as usize;
        match self {
            Self::Yuyv | Self::Uyvy => resolution.chroma_width() * 4,
            Self::Rgb24 | Self::Bgr24 => width * 3,
            Self::Nv12 | Self::I420 | Self::Grey | Self::Mjpeg => width,
        }
    }

    /// What a camera means that says nothing: BT.601, limited except for JPEG, gray and RGB.
    ///
    /// Source: UVC 1.5 §3.9.2.6, defaults of the color matching descriptor; JFIF 1.02.
    fn usual_color(self) -> Color {
        let range = match self {
            Self::Yuyv | Self::Uyvy | Self::Nv12 | Self::I420 => Range::Limited,
            Self::Rgb24 | Self::Bgr24 | Self::Grey | Self::Mjpeg => Range::Full,
        };
        Color {
            matrix: Matrix::Bt601,
            range,
        }
    }
}

/// Matrix and range of a picture's luma and chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// How luma and chroma are made from red, green and blue.
    pub matrix: Matrix,
    /// Which codes are used.
    pub range: Range,
}

/// How luma is weighted from red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: 0.299, 0.587, 0.114. Nearly all webcams.
    Bt601,
    /// ITU-R BT.709: 0.2126, 0.7152, 0.0722.
    Bt709,
}

/// Which of the 256 codes are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Luma 16..=235, chroma 16..=240.
    Limited,
    /// 0..=255, as in JPEG.
    Full,
}

/// Width and height in pixels, each 1..=[`MAX_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolution {
    width: u32,
    height: u32,
}

impl Resolution {
    /// One pixel: the size of a buffer that nothing was written to.
    pub(super) const ONE: Self = Self {
        width: 1,
        height: 1,
    };

    /// Checks a size.
    ///
    /// # Errors
    ///
    /// A side of zero or beyond [`MAX_SIDE`].
    pub fn new(width: u32, height: u32) -> Result<Self, FrameError> {
        let sane = 1..=MAX_SIDE;
        if sane.contains(&width) && sane.contains(&height) {
            Ok(Self { width, height })
        } else {
            Err(FrameError::Size { width, height })
        }
    }

    /// Pixels in a row.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Columns of chroma that is halved horizontally; an odd last column has its own.
    pub(super) fn chroma_width(self) -> usize {
        self.width.div_ceil(2) as usize
    }

    /// Rows of chroma that is halved vertically.
    pub(super) fn chroma_height(self) -> usize {
        self.height.div_ceil(2) as usize
    }
}

/// Why a driver's frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Zero or absurdly large.
    #[error("cannot use a picture of {width}x{height}: each side must be 1 to {MAX_SIDE}")]
    Size {
        /// Width that was given.
        width: u32,
        /// Height that was given.
        height: u32,
    },
    /// Rows would overlap, or be absurdly far apart.
    #[error("cannot use a stride of {stride} bytes for rows of {row}")]
    Stride {
        /// Stride that was given, in bytes.
        stride: usize,
        /// Bytes of a row.
        row: usize,
    },
    /// The frame was cut off.
    #[error("cannot use a frame of {bytes} bytes where {needed} are needed")]
    TooShort {
        /// Bytes that were given.
        bytes: usize,
        /// Bytes that the layout needs.
        needed: usize,
    },
}
