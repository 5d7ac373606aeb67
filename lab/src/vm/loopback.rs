//! A camera whose pictures a program writes: compressed formats, and faults of the pictures.

use std::time::Duration;

use super::error::MachineError;
use super::feed::{FED, FeedFault};
use super::machine::Machine;
use super::task::Task;

/// How long the camera may take to appear, or to become one when the first picture is written.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// What the feeder prints, in the guest.
const FEEDER: &str = "/run/feeder";

/// What a loopback camera gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeedFormat {
    /// A JPEG a picture.
    #[default]
    MotionJpeg,
    /// Packed 4:2:2.
    Yuyv,
    /// Packed 4:2:2 with its colors exchanged, which cameras do not have and few programs read.
    Yvyu,
}

impl FeedFormat {
    const fn fourcc(self) -> &'static str {
        match self {
            Self::MotionJpeg => "MJPG",
            Self::Yuyv => "YUYV",
            Self::Yvyu => "YVYU",
        }
    }
}

/// What is fed to a loopback camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// Format.
    pub format: FeedFormat,
    /// Width and height in pixels: 640×480 or 1280×720.
    pub size: (u16, u16),
    /// Pictures a second.
    pub frame_rate: u32,
    /// What is wrong with them.
    pub fault: FeedFault,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            format: FeedFormat::MotionJpeg,
            size: (640, 480),
            frame_rate: 30,
            fault: FeedFault::None,
        }
    }
}

/// A camera `/dev/video0` called `Lab Loopback`, by the driver `v4l2loopback`; dropping it takes it away.
///
/// A program that begins to read first gets the 2 to 16 pictures that the driver has queued.
#[derive(Debug)]
pub struct Loopback<'m> {
    machine: &'m Machine,
    feeder: Option<Task<'m>>,
}

impl<'m> Loopback<'m> {
    /// Plugs the camera and feeds it, until it is dropped. For something else, plug another: the driver confuses its
    /// queue when a second program begins to feed.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn plug(machine: &'m Machine, feed: Feed) -> Result<Self, MachineError> {
        machine.run_ok(
            "modprobe v4l2loopback devices=1 video_nr=0 exclusive_caps=1 card_label='Lab Loopback'",
        )?;
        let mut loopback = Self {
            machine,
            feeder: None,
        };
        machine.wait_until("the loopback camera", "[ -c /dev/video0 ]", CHANGE_LIMIT)?;
        loopback.feed(feed)?;
        Ok(loopback)
    }

    fn feed(&mut self, feed: Feed) -> Result<(), MachineError> {
        let fourcc = feed.format.fourcc();
        let (width, height) = feed.size;
        self.machine.run_ok(&format!(
            "rm -f {FEEDER}
            v4l2-ctl -d /dev/video0 -c keep_format=1
            v4l2-ctl -d /dev/video0 --set-fmt-video-out=width={width},height={height},pixelformat={fourcc}"
        ))?;
        self.feeder = Some(self.machine.start(&format!(
            "lab-guest feed device=/dev/video0 format={fourcc} width={width} height={height} fps={} fault={} >{FEEDER}",
            feed.frame_rate,
            feed.fault.word(),
        ))?);
        let is_fed = format!("grep -qs {FED} {FEEDER}");
        self.machine
            .wait_until("the first picture", &is_fed, CHANGE_LIMIT)
    }
}

impl Drop for Loopback<'_> {
    fn drop(&mut self) {
        self.feeder = None;
        // It fails while a program has the camera open: then the next one to plug says so.
        let _ = self.machine.run("modprobe -r v4l2loopback");
    }
}
