//! USB cameras and microphones as the host of the tests sees them.

use std::time::Duration;

use super::error::MachineError;
use super::feed::FeedFault;
use super::machine::Machine;
use super::task::Task;

/// How long a device may take to appear or to go.
const CHANGE_LIMIT: Duration = Duration::from_secs(15);

/// What is wrong with a USB camera.
pub type CameraFault = FeedFault;

/// What is wrong with a USB microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MicrophoneFault {
    /// Nothing: it hears a tone of 1 kHz.
    #[default]
    None,
    /// All its samples are 0.
    Silent,
    /// After so much sound there is no more, though the device stays.
    StallAfter(Duration),
}

impl MicrophoneFault {
    fn word(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Silent => "silent".to_owned(),
            Self::StallAfter(after) => format!("stall:{}", after.as_millis()),
        }
    }
}

/// A webcam by the kernel's driver `uvcvideo`: JPEG in 640×480 and 1280×720 and packed 4:2:2 in 640×480, 30 pictures a
/// second, and, as real ones do, a second node that gives no pictures. Dropping it pulls it out.
#[derive(Debug)]
pub struct UsbCamera<'m> {
    machine: &'m Machine,
    device: Option<Task<'m>>,
    name: String,
}

impl<'m> UsbCamera<'m> {
    /// Plugs a camera and waits for its node. Several cameras need different names.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn plug(
        machine: &'m Machine,
        name: &str,
        fault: CameraFault,
    ) -> Result<Self, MachineError> {
        machine.run_ok("modprobe -a vhci-hcd uvcvideo")?;
        let script = format!(
            "exec lab-guest usb-camera name='{name}' fault={}",
            fault.word()
        );
        let camera = Self {
            machine,
            device: Some(machine.start(&script)?),
            name: name.to_owned(),
        };
        machine.wait_until(
            &format!("the camera {name}"),
            &camera.is_there(),
            CHANGE_LIMIT,
        )?;
        Ok(camera)
    }

    /// Pulls it out, and waits until its nodes are gone.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn unplug(&mut self) -> Result<(), MachineError> {
        self.device = None;
        let is_gone = format!("! {}", self.is_there());
        self.machine.wait_until(
            &format!("the end of the camera {}", self.name),
            &is_gone,
            CHANGE_LIMIT,
        )
    }

    fn is_there(&self) -> String {
        format!("grep -qs '^{}' /sys/class/video4linux/*/name", self.name)
    }
}

impl Drop for UsbCamera<'_> {
    fn drop(&mut self) {
        // What does not go in time is in the way of the next one, which says so.
        let _ = self.unplug();
    }
}

/// A microphone by the kernel's driver `snd-usb-audio`, card `Microphone`: 48 kHz, one channel. Dropping it pulls it out.
#[derive(Debug)]
pub struct UsbMicrophone<'m> {
    machine: &'m Machine,
    device: Option<Task<'m>>,
}

/// The card's folder, by the last word of the device's name.
const CARD: &str = "/proc/asound/Microphone";

impl<'m> UsbMicrophone<'m> {
    /// Plugs a microphone that hears a tone of this amplitude, 1 being full scale, and waits for its card.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn plug(
        machine: &'m Machine,
        amplitude: f64,
        fault: MicrophoneFault,
    ) -> Result<Self, MachineError> {
        machine.run_ok("modprobe -a vhci-hcd snd-usb-audio")?;
        let script = format!(
            "exec lab-guest usb-microphone name='Lab Microphone' amplitude={amplitude} fault={}",
            fault.word()
        );
        let microphone = Self {
            machine,
            device: Some(machine.start(&script)?),
        };
        machine.wait_until(
            "the microphone",
            &format!("[ -e {CARD}/pcm0c ]"),
            CHANGE_LIMIT,
        )?;
        Ok(microphone)
    }

    /// Pulls it out, and waits until its card is gone.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn unplug(&mut self) -> Result<(), MachineError> {
        self.device = None;
        let is_gone = format!("! [ -e {CARD} ]");
        self.machine
            .wait_until("the end of the microphone", &is_gone, CHANGE_LIMIT)
    }
}

impl Drop for UsbMicrophone<'_> {
    fn drop(&mut self) {
        // What does not go in time is in the way of the next one, which says so.
        let _ = self.unplug();
    }
}
