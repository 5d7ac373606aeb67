//! A virtual machine with real drivers of cameras and sound, in which built programs run.
//!
//! A [`Machine`] is Debian's kernel under QEMU's own emulation of the processor, with the host's files as its own: every
//! program of the host runs inside, what it writes is lost with the machine. It needs no rights. The devices are made by
//! drivers of the kernel: [`Vivid`] and [`Loopback`] are cameras, [`UsbCamera`] and [`UsbMicrophone`] are simulated down
//! to their USB transfers, [`SoundLoop`] is a sound card whose output is its input. Each comes with its faults.
//!
//! KVM is never used, even where it can be opened: some hosts offer one that runs other kernels than their own a hundred
//! times slower or not at all, and the emulation boots in three seconds and keeps real time.
//!
//! The program that boots machines calls [`serve_guest`] first thing in `main`: inside, the same program plays the devices.

mod archive;
mod error;
mod feed;
mod frames;
mod guest;
mod image;
mod kernel;
mod loopback;
mod machine;
mod modules;
mod packages;
mod qemu;
mod sound;
mod task;
mod tone;
mod usb;
mod usb_devices;
mod vivid;

pub use error::MachineError;
pub use feed::FeedFault;
pub use guest::serve_guest;
pub use image::Image;
pub use loopback::{Feed, FeedFormat, Loopback};
pub use machine::{Machine, MachineConfig};
pub use sound::SoundLoop;
pub use task::{Output, Task};
pub use usb_devices::{CameraFault, MicrophoneFault, UsbCamera, UsbMicrophone};
pub use vivid::{TestPattern, Vivid};
