//! PulseAudio, and PipeWire through the same protocol.

mod connection;
mod node;
mod stream;
mod wait;

use self::connection::{Connection, NoAnswer};
use self::node::Node;
use crate::audio::backend::MixerState;
use crate::audio::capture::port::CapturePort;
use crate::audio::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// As in [`DeviceInfo::backend`].
pub(super) const NAME: &str = "pulseaudio";

/// Begin of the ids; the node's name follows.
pub(super) const PREFIX: &str = "pulse";

/// How often a recording goes on after its connection was interrupted. More often, something else is
/// wrong.
const MOST_INTERRUPTIONS: u32 = 100;

/// The devices of a kind; `None` where there is no server.
pub(super) fn list(kind: DeviceKind) -> Option<Result<Vec<DeviceInfo>, DeviceError>> {
    match try_list(kind) {
        Ok(devices) => Some(Ok(devices)),
        Err(NoAnswer::Absent) => None,
        Err(no_answer) => Some(Err(server_error("list", &no_answer))),
    }
}

fn try_list(kind: DeviceKind) -> Result<Vec<DeviceInfo>, NoAnswer> {
    let mut connection = Connection::open()?;
    let default = node::default_name(&mut connection, kind)?;
    let nodes = Node::list(&mut connection, kind)?;
    let devices = nodes.iter().filter(|node| !node.is_no_device);
    Ok(devices
        .map(|node| node.to_info(kind, default.as_deref()))
        .collect())
}

/// A node by its id, whatever it is.
pub(super) fn find(kind: DeviceKind, id: &DeviceId) -> Option<DeviceInfo> {
    let name = name_of(id)?;
    let mut connection = Connection::open().ok()?;
    let node = Node::named(&mut connection, kind, name).ok()?;
    let default = node::default_name(&mut connection, kind).ok()?;
    Some(node.to_info(kind, default.as_deref()))
}

/// How the node stands; `None` when the server does not tell.
pub(super) fn mixer(device: &DeviceInfo) -> Option<MixerState> {
    let name = name_of(&device.id)?;
    let mut connection = Connection::open().ok()?;
    let node = Node::named(&mut connection, device.kind, name).ok()?;
    Some(node.mixer)
}

/// Records from a source. The client ends its connection where its wait is interrupted, as when this
/// process was stopped and goes on, or the machine was asleep: then the recording goes on too.
pub(super) fn capture(device: &DeviceInfo, port: &CapturePort) {
    for n in 0..=MOST_INTERRUPTIONS {
        let ended = node_of(device).and_then(|node| stream::record(&node, port, n > 0));
        match ended {
            Ok(()) => return,
            // A server that is gone answers nothing here either.
            Err(NoAnswer::Absent) if n < MOST_INTERRUPTIONS && node_of(device).is_ok() => {}
            Err(no_answer) => return port.counters.fail(stream_error(&no_answer, device)),
        }
    }
}

/// Plays into a sink.
pub(super) fn play(device: &DeviceInfo, port: &PlaybackPort) {
    let ended = node_of(device).and_then(|node| stream::play(&node, port));
    let error = match ended {
        Ok(()) => return,
        Err(NoAnswer::Absent) if node_of(device).is_ok() => interrupted(device),
        Err(no_answer) => stream_error(&no_answer, device),
    };
    port.counters.fail(error);
}

/// What was played is lost with the connection, and nobody would play it once more.
fn interrupted(device: &DeviceInfo) -> DeviceError {
    DeviceError::Failed {
        operation: "go on playing on",
        device: device.name.clone(),
        why: "the connection to the sound server was interrupted, as when a program is stopped or the \
              machine sleeps"
            .to_owned(),
    }
}

fn node_of(device: &DeviceInfo) -> Result<Node, NoAnswer> {
    let name = name_of(&device.id).ok_or(NoAnswer::NoEntity)?;
    Node::named(&mut Connection::open()?, device.kind, name)
}

fn name_of(id: &DeviceId) -> Option<&str> {
    id.as_str().strip_prefix(PREFIX)?.strip_prefix(':')
}

fn server_error(operation: &'static str, no_answer: &NoAnswer) -> DeviceError {
    let device = "the sound server".to_owned();
    let why = match no_answer {
        NoAnswer::Refused => return DeviceError::AccessRefused { device },
        NoAnswer::Silent => return DeviceError::Stalled { device },
        NoAnswer::Absent => "it is not running".to_owned(),
        NoAnswer::NoEntity => "it knows no such device".to_owned(),
        NoAnswer::Busy => "it is busy".to_owned(),
        NoAnswer::Other(why) => why.clone(),
    };
    DeviceError::Failed {
        operation,
        device,
        why,
    }
}

/// Why a stream could not be made, or broke off.
fn stream_error(no_answer: &NoAnswer, info: &DeviceInfo) -> DeviceError {
    let device = info.name.clone();
    match no_answer {
        // Without its server, a device is as gone as without its cable.
        NoAnswer::Absent | NoAnswer::NoEntity => DeviceError::Vanished { device },
        NoAnswer::Silent => DeviceError::Stalled { device },
        NoAnswer::Refused => DeviceError::AccessRefused { device },
        NoAnswer::Busy => DeviceError::Busy { device, by: None },
        NoAnswer::Other(why) => DeviceError::Failed {
            operation: "open",
            device,
            why: why.clone(),
        },
    }
}
