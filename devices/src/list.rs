//! All devices together: a list, and what comes and goes.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::audio::catalog::Audio;
use crate::camera::Cameras;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::hotplug::DeviceChange;
use crate::watch::ListWatch;

/// How often the watches are asked.
const PERIOD: Duration = Duration::from_millis(50);

/// What can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The devices of this machine, kind by kind; synthetic ones are not among them.
    pub devices: Vec<DeviceInfo>,
    /// Kinds that could not be listed, and why.
    pub problems: Vec<DeviceError>,
}

impl Listing {
    /// Lists this machine's devices. Takes a fraction of a second, a few seconds where a sound
    /// server hangs.
    pub fn of_system() -> Self {
        let (cameras, audio) = (Cameras::of_system(), Audio::new());
        let mut listing = Self::default();
        for kind in DeviceKind::ALL {
            let found = match kind {
                DeviceKind::Camera => cameras.list(),
                DeviceKind::Microphone | DeviceKind::Speaker => audio.list(kind),
            };
            match found {
                Ok(devices) => listing.devices.extend(devices),
                Err(error) => listing.problems.push(error),
            }
        }
        listing
    }

    /// These and the synthetic ones, which are taken by their ids only.
    #[must_use]
    pub fn with_synthetic(mut self) -> Self {
        self.devices.extend(DeviceInfo::synthetic());
        self
    }

    /// The devices of a kind.
    pub fn of(&self, kind: DeviceKind) -> impl Iterator<Item = &DeviceInfo> {
        self.devices
            .iter()
            .filter(move |device| device.kind == kind)
    }
}

/// Watches all kinds. Changes come within a second, unless a driver or a sound server hangs.
#[derive(Debug)]
pub struct DeviceWatch([ListWatch; 3]);

impl DeviceWatch {
    /// Begins to watch. What is there already comes as the first changes.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let audio = Audio::new();
        Ok(Self([
            Cameras::of_system().watch(Vec::new())?,
            audio.watch(DeviceKind::Microphone, Vec::new())?,
            audio.watch(DeviceKind::Speaker, Vec::new())?,
        ]))
    }

    /// Waits for a change; `None` when there was none in that time.
    pub fn next(&mut self, wait: Duration) -> Option<DeviceChange> {
        let until = Instant::now() + wait;
        loop {
            let change = self.0.iter_mut().find_map(ListWatch::try_next);
            if change.is_some() || Instant::now() >= until {
                return change;
            }
            sleep(PERIOD);
        }
    }
}
