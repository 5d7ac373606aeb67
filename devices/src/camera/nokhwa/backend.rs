//! `nokhwa` as a way to cameras.

use std::panic::catch_unwind;

use nokhwa::utils::{ApiBackend, CameraIndex, CameraInfo};

use super::errors::cannot;
use super::worker::{NokhwaStream, offered};
use crate::camera::backend::{CameraBackend, CameraStream};
use crate::camera::clock::CameraClock;
use crate::camera::mode::{Mode, WantedMode};
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// Cameras by the crate `nokhwa`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nokhwa;

impl CameraBackend for Nokhwa {
    fn name(&self) -> &'static str {
        "nokhwa"
    }

    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let cameras = query()?.into_iter();
        let mut cameras: Vec<DeviceInfo> = cameras
            .filter(|camera| is_camera(camera.index()))
            .map(|camera| describe(&camera))
            .collect();
        if let Some(first) = cameras.first_mut() {
            first.is_default = true;
        }
        Ok(cameras)
    }

    fn modes(&self, camera: &DeviceInfo) -> Result<Vec<Mode>, DeviceError> {
        offered(find(camera)?, &camera.name)
    }

    fn open(
        &self,
        camera: &DeviceInfo,
        wanted: &WantedMode,
        clock: CameraClock,
    ) -> Result<Box<dyn CameraStream>, DeviceError> {
        let stream = NokhwaStream::open(find(camera)?, &camera.name, *wanted, clock)?;
        Ok(Box::new(stream))
    }
}

/// The crate panics on nodes whose name it does not expect.
fn query() -> Result<Vec<CameraInfo>, DeviceError> {
    let failed = |why| DeviceError::Failed {
        operation: "list",
        device: "the cameras".to_owned(),
        why,
    };
    match catch_unwind(|| nokhwa::query(ApiBackend::Auto)) {
        Ok(Ok(mut cameras)) => {
            cameras.sort_by_key(|camera| camera.index().as_index().unwrap_or(u32::MAX));
            Ok(cameras)
        }
        Ok(Err(error)) => Err(cannot("list", "the cameras", &error)),
        Err(_panic) => Err(failed("the list is not understood".to_owned())),
    }
}

/// The crate lists every video node, also those for metadata and for output.
#[cfg(target_os = "linux")]
fn is_camera(index: &CameraIndex) -> bool {
    index
        .as_index()
        .is_ok_and(crate::camera::v4l2::offers_pictures)
}

#[cfg(not(target_os = "linux"))]
fn is_camera(_index: &CameraIndex) -> bool {
    true
}

fn describe(camera: &CameraInfo) -> DeviceInfo {
    DeviceInfo {
        kind: DeviceKind::Camera,
        id: id(camera),
        name: camera.human_name(),
        backend: "nokhwa".to_owned(),
        is_default: false,
        is_synthetic: false,
    }
}

/// By the system's own id where there is one; on Linux by number and name.
fn id(camera: &CameraInfo) -> DeviceId {
    let own = camera.misc();
    let id = match own.as_str() {
        "" => format!("{}/{}", camera.index().as_string(), camera.human_name()),
        own => own.to_owned(),
    };
    DeviceId::new(format!("nokhwa:{id}"))
}

fn find(wanted: &DeviceInfo) -> Result<CameraIndex, DeviceError> {
    let cameras = query()?;
    let found = cameras.iter().find(|camera| id(camera) == wanted.id);
    let index = found.map(|camera| camera.index().clone());
    index.ok_or_else(|| DeviceError::Vanished {
        device: wanted.name.clone(),
    })
}
