//! Sound cards without a sound server.

mod card;
mod mixer;

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, HostId};

use self::card::Port;
use crate::audio::backend::MixerState;
use crate::audio::capture::port::CapturePort;
use crate::audio::native::error;
use crate::audio::native::stream::{self, Buffers, Keeper};
use crate::audio::playback::port::PlaybackPort;
use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// As in [`DeviceInfo::backend`].
const NAME: &str = "alsa";

/// Begin of the ids; the name of the PCM follows.
pub(super) const PREFIX: &str = "alsa";

/// What a program opens that was told nothing else.
const DEFAULT_PCM: &str = "default";

/// 21 ms, and 85 ms where that storms: cards whose interrupts come from a slow timer lose samples
/// with less.
const BUFFERS: Buffers = Buffers(&[1024, 4096]);

/// How long the drivers may take to answer. A card in a bad state may hold up whoever asks.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// The devices of a kind, those of each card by its id, which is the same after a restart.
///
/// # Errors
///
/// The drivers do not answer, or there are only cards that this user may not open.
pub(super) fn list(kind: DeviceKind) -> Result<Vec<DeviceInfo>, DeviceError> {
    let silent = || DeviceError::Stalled {
        device: "the sound system".to_owned(),
    };
    let ports = within_time(move || Port::list(kind)).ok_or_else(silent)?;
    let mut devices = card::to_infos(&ports, kind);
    if !devices.is_empty() {
        devices.insert(0, default_device(kind));
        return Ok(devices);
    }
    match card::refused(kind) {
        Some(device) => Err(DeviceError::AccessRefused { device }),
        None => Ok(devices),
    }
}

/// A PCM by its name, whatever it is: also those of a person's own configuration, where a card may
/// not be needed.
pub(super) fn find(kind: DeviceKind, id: &DeviceId) -> Option<DeviceInfo> {
    let pcm = pcm_of(id)?.to_owned();
    let known = pcm.clone();
    let is_known = within_time(move || card::is_configured(&known));
    if pcm == DEFAULT_PCM && is_known == Some(true) {
        return Some(default_device(kind));
    }
    (is_known == Some(true)).then(|| DeviceInfo {
        kind,
        id: id.clone(),
        name: pcm,
        backend: NAME.to_owned(),
        is_default: false,
        is_synthetic: false,
    })
}

fn default_device(kind: DeviceKind) -> DeviceInfo {
    DeviceInfo {
        kind,
        id: DeviceId::new(format!("{PREFIX}:{DEFAULT_PCM}")),
        name: format!("Default {}", kind.word()),
        backend: NAME.to_owned(),
        is_default: true,
        is_synthetic: false,
    }
}

/// How the card's mixer stands; `None` where it has none.
pub(super) fn mixer(device: &DeviceInfo) -> Option<MixerState> {
    let control = card::control_of(pcm_of(&device.id)?);
    let kind = device.kind;
    within_time(move || mixer::read(&control, kind)).flatten()
}

/// Records from a PCM.
pub(super) fn capture(device: &DeviceInfo, port: &CapturePort) {
    let keeper = CardKeeper { device };
    stream::capture(|| open(device), device, BUFFERS, &keeper, port);
}

/// Plays into a PCM.
pub(super) fn play(device: &DeviceInfo, port: &PlaybackPort) {
    let keeper = CardKeeper { device };
    stream::play(|| open(device), device, BUFFERS, &keeper, port);
}

fn pcm_of(id: &DeviceId) -> Option<&str> {
    id.as_str().strip_prefix(PREFIX)?.strip_prefix(':')
}

fn open(info: &DeviceInfo) -> Result<Device, DeviceError> {
    let pcm = pcm_of(&info.id).unwrap_or_default();
    let refused = |error: cpal::Error| error::on_open(&error, info);
    let host = cpal::host_from_id(HostId::Alsa).map_err(refused)?;
    if pcm == DEFAULT_PCM {
        let device = match info.kind {
            DeviceKind::Microphone => host.default_input_device(),
            _ => host.default_output_device(),
        };
        return device.ok_or(DeviceError::None { kind: info.kind });
    }
    let names = card::names_of(pcm);
    let is_it = |device: &Device| {
        device
            .id()
            .is_ok_and(|id| names.contains(&id.id().to_owned()))
    };
    let device = host.devices().map_err(refused)?.find(is_it);
    device.ok_or_else(|| DeviceError::Vanished {
        device: info.name.clone(),
    })
}

/// Knows whether a card is still plugged in, and who holds it.
struct CardKeeper<'a> {
    device: &'a DeviceInfo,
}

impl Keeper for CardKeeper<'_> {
    fn is_still_there(&self) -> bool {
        let pcm = pcm_of(&self.device.id).unwrap_or_default();
        card::is_plugged_in(pcm)
    }

    fn explain(&self, error: DeviceError) -> DeviceError {
        let DeviceError::Busy { device, by: None } = error else {
            return error;
        };
        let pcm = pcm_of(&self.device.id).unwrap_or_default();
        let by = card::holder(pcm, self.device.kind);
        DeviceError::Busy { device, by }
    }
}

/// What a question to the drivers gives, unless they take too long. The thread that asks is left
/// alone then, since nothing can call it back.
fn within_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = sync_channel(1);
    let asking = move || {
        // Nobody waits any more when it took too long.
        let _late = tell.send(ask());
    };
    thread::Builder::new()
        .name("alsa".to_owned())
        .spawn(asking)
        .ok()?;
    told.recv_timeout(LIST_TIMEOUT).ok()
}
