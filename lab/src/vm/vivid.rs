//! Cameras of the kernel's test driver: raw formats, and faults at the level of the driver.
//!
//! Source: the kernel's `Documentation/admin-guide/media/vivid.rst`.

use std::time::Duration;

use super::error::MachineError;
use super::machine::Machine;

/// How long a device may take to appear or to go.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// Where the driver's first device can be taken away from it.
const DRIVER: &str = "/sys/bus/platform/drivers/vivid";

/// In the menu of what is written over the picture.
const WITHOUT_TEXT: i64 = 2;

/// In the menu of how the picture moves.
const WITHOUT_MOVEMENT: i64 = 3;
const TO_THE_LEFT: i64 = 1;

/// What the camera shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestPattern {
    /// Bars of color, 75 % bright.
    Bars,
    /// Nothing.
    Black,
    /// Nothing but white.
    White,
    /// Gray from dark to bright.
    GrayRamp,
    /// Noise, new in every picture.
    Noise,
}

impl TestPattern {
    /// Number in the driver's menu.
    const fn number(self) -> u32 {
        match self {
            Self::Bars => 0,
            Self::Black => 5,
            Self::White => 6,
            Self::GrayRamp => 20,
            Self::Noise => 21,
        }
    }
}

/// Cameras `/dev/video0` and following, by the kernel's driver `vivid`; dropping it takes them away.
#[derive(Debug)]
pub struct Vivid<'m> {
    machine: &'m Machine,
}

impl<'m> Vivid<'m> {
    /// Plugs this many cameras. The first shows bars that move, and the time.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn plug(machine: &'m Machine, n_cameras: u32) -> Result<Self, MachineError> {
        let list =
            |item: &dyn Fn(u32) -> String| (0..n_cameras).map(item).collect::<Vec<_>>().join(",");
        let same = |text: &str| list(&|_| text.to_owned());
        // Capture alone, from one input, a webcam.
        machine.run_ok(&format!(
            "modprobe vivid n_devs={n_cameras} node_types={} num_inputs={} input_types={} vid_cap_nr={}",
            same("0x1"),
            same("1"),
            same("0x0"),
            list(&|number| number.to_string()),
        ))?;
        let vivid = Self { machine };
        let highest = n_cameras.saturating_sub(1);
        vivid.wait_for(
            &format!("camera {highest}"),
            &format!("[ -c /dev/video{highest} ]"),
        )?;
        // A picture in which only the text changes is as good as frozen.
        vivid.set("horizontal_movement", TO_THE_LEFT)?;
        Ok(vivid)
    }

    /// Sets a control of the first camera.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn set(&self, control: &str, value: i64) -> Result<(), MachineError> {
        let script = format!("v4l2-ctl -d /dev/video0 -c {control}={value}");
        self.machine.run_ok(&script).map(drop)
    }

    /// Shows something else, without the text that is written over the bars.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn show(&self, pattern: TestPattern) -> Result<(), MachineError> {
        self.set("osd_text_mode", WITHOUT_TEXT)?;
        self.set("test_pattern", pattern.number().into())
    }

    /// Gives the same picture again and again: nothing moves, and no time is written into it.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn freeze(&self) -> Result<(), MachineError> {
        self.set("osd_text_mode", WITHOUT_TEXT)?;
        self.set("horizontal_movement", WITHOUT_MOVEMENT)
    }

    /// Loses this share of the pictures, in percent; with 100 there are none, though the stream is on.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn drop_frames(&self, percent: u8) -> Result<(), MachineError> {
        self.set("percentage_of_dropped_buffers", percent.into())
    }

    /// Says no to the next attempt to start the stream.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn refuse_next_start(&self) -> Result<(), MachineError> {
        self.set("inject_vidioc_streamon_error", 1)
    }

    /// Says no to the next request for buffers.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn refuse_next_buffers(&self) -> Result<(), MachineError> {
        self.set("inject_vidioc_reqbufs_error", 1)
    }

    /// Marks the next picture as damaged; the stream goes on.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn damage_next_frame(&self) -> Result<(), MachineError> {
        self.set("inject_v4l2_buf_flag_error", 1)
    }

    /// Ends the running stream with an error of the hardware.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn break_stream(&self) -> Result<(), MachineError> {
        self.set("inject_fatal_streaming_error", 1)
    }

    /// Says to the running program that the device is gone; the driver takes this back once nobody has it open.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn disconnect(&self) -> Result<(), MachineError> {
        self.set("disconnect", 1)
    }

    /// Pulls the first device out.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn unplug(&self) -> Result<(), MachineError> {
        self.machine
            .run_ok(&format!("echo vivid.0 >{DRIVER}/unbind"))?;
        self.wait_for("the end of /dev/video0", "! [ -e /dev/video0 ]")
    }

    /// Puts it back.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn replug(&self) -> Result<(), MachineError> {
        self.machine
            .run_ok(&format!("echo vivid.0 >{DRIVER}/bind"))?;
        self.wait_for("the return of /dev/video0", "[ -c /dev/video0 ]")
    }

    fn wait_for(&self, what: &str, command: &str) -> Result<(), MachineError> {
        self.machine.wait_until(what, command, CHANGE_LIMIT)
    }
}

impl Drop for Vivid<'_> {
    fn drop(&mut self) {
        // It fails while a program has a camera open: then the next one to plug says so.
        let _ = self.machine.run("modprobe -r vivid");
    }
}
