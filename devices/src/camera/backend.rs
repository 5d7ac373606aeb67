//! What the ways to a camera have in common.

use std::fmt;
use std::time::Duration;

use greenroom_protocol::measure::time::MonotonicTime;

use super::clock::CameraClock;
use super::mode::{Mode, WantedMode};
use crate::device::DeviceInfo;
use crate::error::DeviceError;
use crate::picture::frame::{Frame, FrameError, FrameLayout};

/// A way to the cameras of this machine.
///
/// All of it may block: longest where a driver waits for a device that does not answer, which takes
/// the kernel up to five seconds for each question. It belongs on a thread of its own.
pub trait CameraBackend: fmt::Debug + Send + Sync {
    /// As in [`DeviceInfo::backend`].
    fn name(&self) -> &'static str;

    /// The cameras that can be chosen; those of which the system refuses to tell more are among
    /// them, so that it can be said.
    ///
    /// # Errors
    ///
    /// When the system does not list them at all.
    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError>;

    /// Something cheap that differs when [`Self::list`] may; `None` where only listing tells.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// What a camera offers, without starting it.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    fn modes(&self, camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError>;

    /// Opens a camera in the mode that is nearest to what is wanted, and starts it.
    ///
    /// # Errors
    ///
    /// Why it gives nothing, by name.
    fn open(
        &self,
        camera: &DeviceInfo,
        wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError>;
}

/// A camera that runs. Dropping it stops the camera.
pub trait CameraStream: fmt::Debug + Send {
    /// What was agreed on.
    fn opened(&self) -> &Opened;

    /// Waits for a frame and copies it into the buffer, whose memory is kept.
    ///
    /// # Errors
    ///
    /// The stream has ended, and why.
    fn fill(&mut self, wait: Duration, into: &mut CapturedFrame) -> Result<Pulled, DeviceError>;
}

/// What came of waiting for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// One is in the buffer.
    Frame,
    /// None in that time; the stream goes on.
    Timeout,
}

/// What driver and program agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What the camera offers.
    pub offered: Vec<Mode>,
    /// In which mode it runs.
    pub mode: Mode,
    /// How the bytes of its frames make pictures.
    pub layout: FrameLayout,
}

/// A frame with its own memory.
#[derive(Clone, Debug)]
pub struct CapturedFrame {
    layout: FrameLayout,
    data: Vec<u8>,
    /// When the sensor took it, by the driver's stamp where there is a plausible one.
    pub captured_at: MonotonicTime,
    /// When it was handed to this program.
    pub arrived_at: MonotonicTime,
    /// The driver's count of frames, lost ones included; `None` where it does not count.
    pub sequence: Option<u64>,
    /// The driver said that the data are damaged.
    pub is_damaged: bool,
}

impl CapturedFrame {
    /// A buffer to be filled.
    pub fn blank(layout: FrameLayout) -> Self {
        Self {
            layout,
            data: Vec::new(),
            captured_at: MonotonicTime::default(),
            arrived_at: MonotonicTime::default(),
            sequence: None,
            is_damaged: false,
        }
    }

    /// Takes other bytes, in a layout.
    pub fn refill(&mut self, layout: FrameLayout, bytes: &[u8]) {
        self.layout = layout;
        self.data.clear();
        self.data.extend_from_slice(bytes);
    }

    /// Takes other bytes, in a layout; `write` gets a buffer of `len` bytes with what was in it.
    pub fn refill_with(&mut self, layout: FrameLayout, len: usize, write: impl FnOnce(&mut [u8])) {
        self.layout = layout;
        self.data.resize(len, 0);
        write(&mut self.data);
    }

    /// How the bytes make a picture.
    pub fn layout(&self) -> FrameLayout {
        self.layout
    }

    /// The driver's bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// As a frame to be decoded.
    ///
    /// # Errors
    ///
    /// It was cut off on its way.
    pub fn frame(&self) -> Result<Frame<'_>, FrameError> {
        Frame::new(self.layout, &self.data, self.captured_at, self.sequence)
    }
}

/// Oldest and newest stamps that are believed, against the arrival. Drivers hold a frame back for
/// its exposure and transfer, 0.2 s in the dark; a stamp from the future is by a clock of its own.
const OLDEST_STAMP: Duration = Duration::from_secs(2);
const NEWEST_STAMP: Duration = Duration::from_millis(20);

/// When a frame was taken: the driver's stamp if it is plausible, else its arrival.
pub fn capture_time(stamp: Option<MonotonicTime>, arrived_at: MonotonicTime) -> MonotonicTime {
    let is_plausible = |stamp: &MonotonicTime| {
        arrived_at.since(*stamp) <= OLDEST_STAMP && stamp.since(arrived_at) <= NEWEST_STAMP
    };
    stamp.filter(is_plausible).unwrap_or(arrived_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::frame::{PixelFormat, Resolution};

    const ARRIVAL: MonotonicTime = MonotonicTime::from_nanos(10_000_000_000);

    #[test]
    fn a_plausible_stamp_is_believed() {
        let stamp = MonotonicTime::from_nanos(9_960_000_000);
        assert_eq!(capture_time(Some(stamp), ARRIVAL), stamp);
        assert_eq!(capture_time(None, ARRIVAL), ARRIVAL);
    }

    #[test]
    fn a_stamp_by_another_clock_is_not() {
        for stamp in [0, 7_900_000_000, 10_021_000_000, u64::MAX] {
            let stamp = MonotonicTime::from_nanos(stamp);
            assert_eq!(capture_time(Some(stamp), ARRIVAL), ARRIVAL, "{stamp:?}");
        }
    }

    #[test]
    fn a_frame_that_was_cut_off_is_none() {
        let resolution = Resolution::new(4, 2).unwrap();
        let layout = FrameLayout::new(PixelFormat::Grey, resolution, None).unwrap();
        let mut frame = CapturedFrame::blank(layout);
        assert!(frame.frame().is_err());
        frame.refill(layout, &[0; 8]);
        assert!(frame.frame().is_ok());
        frame.refill(layout, &[0; 7]);
        assert!(frame.frame().is_err());
    }
}
