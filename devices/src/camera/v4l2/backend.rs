//! V4L2 as a way to cameras.

use v4l::Device;

use super::errors::cannot;
use super::listing::{Camera, cameras};
use super::modes::read_modes;
use super::node::{Node, Roots, fingerprint};
use super::stream::V4l2Stream;
use crate::camera::backend::{CameraBackend, CameraStream};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{Mode, WantedMode};
use crate::device::DeviceInfo;
use crate::error::DeviceError;

/// Cameras by V4L2, directly.
///
/// Ids are those of udev: by maker, model and serial number where it has such a name, else by the
/// socket, else by the bus. Cameras with several memory planes (`VIDEO_CAPTURE_MPLANE`, those of
/// some boards) are not listed.
#[derive(Clone, Debug, Default)]
pub struct V4l2 {
    roots: Roots,
}

impl V4l2 {
    fn find(&self, wanted: &DeviceInfo) -> Result<Node, DeviceError> {
        let mut cameras = self.cameras()?.into_iter();
        let found = cameras.find(|camera| camera.is_meant_by(&wanted.id));
        found
            .map(|camera| camera.node)
            .ok_or_else(|| DeviceError::Vanished {
                device: wanted.name.clone(),
            })
    }

    fn cameras(&self) -> Result<Vec<Camera>, DeviceError> {
        cameras(&self.roots).map_err(|error| DeviceError::Failed {
            operation: "list",
            device: "the cameras".to_owned(),
            why: error.to_string(),
        })
    }
}

impl CameraBackend for V4l2 {
    fn name(&self) -> &'static str {
        "v4l2"
    }

    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        Ok(self
            .cameras()?
            .into_iter()
            .map(|camera| camera.info)
            .collect())
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(fingerprint(&self.roots))
    }

    fn modes(&self, camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        let node = self.find(camera)?;
        Device::with_path(&node.path)
            .and_then(|device| read_modes(&device))
            .map_err(|error| cannot("open", &node, &self.roots, &error))
    }

    fn open(
        &self,
        camera: &DeviceInfo,
        wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError> {
        let mut node = self.find(camera)?;
        // Errors name it as the list did.
        node.name = Some(camera.name.clone());
        let stream = V4l2Stream::open(node, self.roots.clone(), wanted, clock)?;
        Ok(Box::new(stream))
    }
}
