//! Which nodes are cameras.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use v4l::Device;
use v4l::capability::{Capabilities, Flags};
use v4l::video::Capture;

use super::node::{Node, Roots, nodes, tidy};
use crate::device::{DeviceInfo, DeviceKind};
use crate::selection::DeviceId;

/// A node that gives pictures.
#[derive(Clone, Debug)]
pub(super) struct Camera {
    pub(super) node: Node,
    pub(super) info: DeviceInfo,
    /// All ids that mean it, the most stable first: one that was remembered before a twin was
    /// plugged in, or before the system named the node, still finds it.
    ids: Vec<DeviceId>,
}

impl Camera {
    pub(super) fn is_meant_by(&self, id: &DeviceId) -> bool {
        self.ids.contains(id)
    }
}

/// The cameras, by the number of their node. The first is what programs take that do not ask.
///
/// # Errors
///
/// When the folder of devices cannot be read.
pub(super) fn cameras(roots: &Roots) -> io::Result<Vec<Camera>> {
    let found = nodes(roots)?.into_iter();
    let found = found.filter_map(|node| Some((examine(&node)?, node)));
    let mut cameras: Vec<Camera> = found.map(|(said, node)| describe(node, said)).collect();
    if let Some(first) = cameras.first_mut() {
        first.info.is_default = true;
    }
    tell_apart(&mut cameras);
    Ok(cameras)
}

/// Whether a node gives pictures.
pub(in crate::camera) fn offers_pictures(number: u32) -> bool {
    let nodes = nodes(&Roots::default()).unwrap_or_default();
    let node = nodes.iter().find(|node| node.number == number);
    node.and_then(examine).is_some()
}

/// What a node that gives pictures says of itself.
#[derive(Debug, Default)]
struct Said {
    name: Option<String>,
    bus: Option<String>,
}

/// `None` when it gives no pictures. A node that cannot be opened counts as a camera if it is the
/// first of its device, so that it can be said why it gives nothing.
fn examine(node: &Node) -> Option<Said> {
    // The crate panics on text that is no UTF-8.
    let examined = catch_unwind(AssertUnwindSafe(|| match Device::with_path(&node.path) {
        Ok(device) => ask(node, &device),
        Err(error) => is_hidden_camera(node, &error).then(Said::default),
    }));
    examined.ok().flatten()
}

fn is_hidden_camera(node: &Node, error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    let is_hidden = matches!(errno, Some(Errno::ACCESS | Errno::PERM | Errno::BUSY));
    is_hidden && node.index == 0
}

fn ask(node: &Node, device: &Device) -> Option<Said> {
    // Asking for it would panic where the name is cut in a character; the formats tell as well.
    let asked = if node.has_clean_name {
        device.query_caps().ok()
    } else {
        None
    };
    let captures = asked.as_ref().is_none_or(captures);
    let offers = captures && !device.enum_formats().ok()?.is_empty();
    let text = |text: String| Some(tidy(&text)).filter(|text| !text.is_empty());
    offers.then(|| match asked {
        Some(said) => Said {
            name: text(said.card),
            bus: text(said.bus),
        },
        None => Said::default(),
    })
}

/// Encoders and scalers take pictures and give them back: they are no cameras.
fn captures(said: &Capabilities) -> bool {
    let flags = said.capabilities;
    flags.contains(Flags::VIDEO_CAPTURE) && !flags.contains(Flags::VIDEO_M2M)
}

fn describe(node: Node, said: Said) -> Camera {
    let bus = said.bus.map(|bus| format!("bus/{bus}#{}", node.index));
    let path = format!("node/video{}", node.number);
    let ids = node.links.iter().cloned().chain(bus).chain([path]);
    let ids: Vec<DeviceId> = ids.map(|id| DeviceId::new(format!("v4l2:{id}"))).collect();
    let info = DeviceInfo {
        kind: DeviceKind::Camera,
        id: ids
            .first()
            .cloned()
            .unwrap_or_else(|| DeviceId::new("v4l2:")),
        name: said.name.unwrap_or_else(|| node.label()),
        backend: "v4l2".to_owned(),
        is_default: false,
        is_synthetic: false,
    };
    Camera { node, info, ids }
}

/// `Camera`, `Camera (2)`: people choose by the name.
fn tell_apart(cameras: &mut [Camera]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for camera in cameras {
        let n = seen.entry(camera.info.name.clone()).or_default();
        *n += 1;
        if *n > 1 {
            camera.info.name = format!("{} ({n})", camera.info.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, links: &[&str]) -> Node {
        Node {
            path: format!("/dev/video{number}").into(),
            number,
            name: Some("Lab".to_owned()),
            has_clean_name: true,
            index: 0,
            links: links.iter().map(|&link| link.to_owned()).collect(),
        }
    }

    fn said(bus: &str) -> Said {
        Said {
            name: None,
            bus: Some(bus.to_owned()),
        }
    }

    #[test]
    fn the_id_is_the_most_stable_name_and_the_others_still_mean_it() {
        let camera = describe(node(2, &["by-id/usb-Lab"]), said("usb-0000:00:14.0-1"));
        assert_eq!(camera.info.id.as_str(), "v4l2:by-id/usb-Lab");
        for id in [
            "v4l2:by-id/usb-Lab",
            "v4l2:bus/usb-0000:00:14.0-1#0",
            "v4l2:node/video2",
        ] {
            assert!(camera.is_meant_by(&DeviceId::new(id)), "{id}");
        }
        assert!(!camera.is_meant_by(&DeviceId::new("v4l2:node/video1")));
    }

    #[test]
    fn without_stable_names_the_bus_is_the_id() {
        let camera = describe(node(0, &[]), said("platform:vivid-000"));
        assert_eq!(camera.info.id.as_str(), "v4l2:bus/platform:vivid-000#0");
        let camera = describe(node(0, &[]), Said::default());
        assert_eq!(camera.info.id.as_str(), "v4l2:node/video0");
    }

    #[test]
    fn cameras_of_the_same_name_are_told_apart() {
        let mut cameras: Vec<Camera> = (0..20).map(|n| describe(node(n, &[]), said(""))).collect();
        tell_apart(&mut cameras);
        let names: Vec<_> = cameras
            .iter()
            .map(|camera| camera.info.name.as_str())
            .collect();
        assert_eq!(names[..3], ["Lab", "Lab (2)", "Lab (3)"]);
        assert_eq!(names[19], "Lab (20)");
    }

    #[test]
    fn only_what_may_be_a_camera_behind_a_refusal_is_listed() {
        let refused = io::Error::from(Errno::ACCESS);
        assert!(is_hidden_camera(&node(0, &[]), &refused));
        let metadata = Node {
            index: 1,
            ..node(1, &[])
        };
        assert!(!is_hidden_camera(&metadata, &refused));
        assert!(!is_hidden_camera(
            &node(0, &[]),
            &io::Error::from(Errno::NODEV)
        ));
    }

    #[test]
    fn encoders_are_no_cameras() {
        let said = |capabilities| Capabilities {
            driver: String::new(),
            card: String::new(),
            bus: String::new(),
            version: (0, 0, 0),
            capabilities,
        };
        assert!(captures(&said(Flags::VIDEO_CAPTURE | Flags::STREAMING)));
        assert!(!captures(&said(Flags::VIDEO_M2M | Flags::STREAMING)));
        assert!(!captures(&said(Flags::META_CAPTURE | Flags::STREAMING)));
        assert!(!captures(&said(Flags::VIDEO_OUTPUT | Flags::STREAMING)));
    }
}
