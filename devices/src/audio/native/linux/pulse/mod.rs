//! PulseAudio, and PipeWire through the same protocol.

mod connection;
mod node;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, HostId};
use pulseaudio::protocol::{ClientInfo, Command, Prop, SinkInputInfo, SourceOutputInfo};

use self::connection::{Connection, NoAnswer};
use self::node::Node;
use crate::audio::backend::MixerState;
use crate::audio::capture::port::CapturePort;
use crate::audio::native::error;
use crate::audio::native::stream::{self, Buffers, Keeper};
use crate::audio::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// As in [`DeviceInfo::backend`].
pub(super) const NAME: &str = "pulseaudio";

/// Begin of the ids; the node's name follows.
pub(super) const PREFIX: &str = "pulse";

/// 10 ms. The server holds more in its own buffers, so a larger one would not help.
const BUFFERS: Buffers = Buffers(&[480]);

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

/// Records from a source.
pub(super) fn capture(device: &DeviceInfo, port: &CapturePort) {
    let keeper = ServerKeeper { device };
    stream::capture(|| open(device), device, BUFFERS, &keeper, port);
}

/// Plays into a sink.
pub(super) fn play(device: &DeviceInfo, port: &PlaybackPort) {
    let keeper = ServerKeeper { device };
    stream::play(|| open(device), device, BUFFERS, &keeper, port);
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
        NoAnswer::Other(why) => why.clone(),
    };
    DeviceError::Failed {
        operation,
        device,
        why,
    }
}

/// cpal's handle of a node. Its client ends with the stream: it notices that all handles are gone
/// when the server answers for the last time, which is when the stream is deleted.
fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    let name = name_of(&info.id).unwrap_or_default();
    // Asked first with a time limit, since cpal has none.
    Connection::open()
        .and_then(|mut connection| Node::named(&mut connection, info.kind, name))
        .map_err(|no_answer| match no_answer {
            NoAnswer::NoEntity => DeviceError::Vanished {
                device: info.name.clone(),
            },
            other => server_error("open", &other),
        })?;
    let refused = |error: cpal::Error| error::on_open(&error, info);
    let host = cpal::host_from_id(HostId::PulseAudio).map_err(refused)?;
    let is_kind = |device: &Device| match info.kind {
        DeviceKind::Microphone => device.supports_input(),
        _ => device.supports_output(),
    };
    let is_it = |device: &Device| device.id().is_ok_and(|id| id.id() == name) && is_kind(device);
    let device = host.devices().map_err(refused)?.find(is_it);
    device.ok_or_else(|| DeviceError::Vanished {
        device: info.name.clone(),
    })
}

/// Knows whether a stream is still at the node where it began. When a source is unloaded, the
/// server moves its streams to another one and tells nobody.
struct ServerKeeper<'a> {
    device: &'a DeviceInfo,
}

impl Keeper for ServerKeeper<'_> {
    fn is_still_there(&self) -> bool {
        match self.ask() {
            Ok(is_there) => is_there,
            // A server that is slow is no device that went away: the watchdog sees to that.
            Err(NoAnswer::Silent | NoAnswer::Other(_) | NoAnswer::Refused) => true,
            Err(NoAnswer::Absent | NoAnswer::NoEntity) => false,
        }
    }
}

impl ServerKeeper<'_> {
    fn ask(&self) -> Result<bool, NoAnswer> {
        let name = name_of(&self.device.id).unwrap_or_default();
        let mut connection = Connection::open()?;
        let node = Node::named(&mut connection, self.device.kind, name)?;
        let at = nodes_of_our_streams(&mut connection, self.device.kind)?;
        // Without any, the stream is still being made.
        Ok(at.is_empty() || at.contains(&node.index))
    }
}

/// Nodes at which streams of this process are.
fn nodes_of_our_streams(
    connection: &mut Connection,
    kind: DeviceKind,
) -> Result<Vec<u32>, NoAnswer> {
    let clients: Vec<ClientInfo> = connection.ask(&Command::GetClientInfoList)?;
    let id = std::process::id().to_string();
    let is_ours = |client: &ClientInfo| {
        let value = client.props.get(Prop::ApplicationProcessId);
        value.is_some_and(|value| value.strip_suffix(b"\0").unwrap_or(value) == id.as_bytes())
    };
    let ours: Vec<u32> = clients
        .iter()
        .filter(|client| is_ours(client))
        .map(|client| client.index)
        .collect();
    let is_of_ours = |client: Option<u32>| client.is_some_and(|client| ours.contains(&client));
    if kind == DeviceKind::Microphone {
        let streams: Vec<SourceOutputInfo> = connection.ask(&Command::GetSourceOutputInfoList)?;
        let of_ours = streams.iter().filter(|s| is_of_ours(s.client_index));
        return Ok(of_ours.map(|stream| stream.source_index).collect());
    }
    let streams: Vec<SinkInputInfo> = connection.ask(&Command::GetSinkInputInfoList)?;
    let of_ours = streams.iter().filter(|s| is_of_ours(s.client_index));
    Ok(of_ours.map(|stream| stream.sink_index).collect())
}
