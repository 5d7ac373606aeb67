//! Runs one stream of cpal, on the thread that is its own.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Device, ErrorKind, Stream};

use super::config::{self, Chosen};
use super::{error, samples};
use crate::audio::capture::port::{CaptureFeed, CapturePort, OpenedCapture};
use crate::audio::playback::port::{OpenedPlayback, PlaybackFeed, PlaybackPort};
use crate::audio::stream::control::Counters;
use crate::device::DeviceInfo;
use crate::error::DeviceError;
use crate::running::Stop;

/// How long cpal may wait for a sound server, where it knows how to.
const BUILD_TIMEOUT: Duration = Duration::from_millis(1400);

/// How often a stream is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often it is asked whether the device is still the one that was opened.
const ASK_EVERY: Duration = Duration::from_millis(400);

/// So many xruns within this time make a storm: the buffer is too small for the device's driver.
const STORM_XRUNS: u64 = 5;
const STORM_TIME: Duration = Duration::from_millis(1000);

/// Lengths of a callback at 48 kHz, in frames; the next is tried in a storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffers(pub(super) &'static [u32]);

/// Ways of a system that cpal does not know.
pub(super) trait Keeper {
    /// The device is still there, and the stream still its own.
    fn is_still_there(&self) -> bool;

    /// What a refusal to open really is.
    fn explain(&self, error: DeviceError) -> DeviceError {
        error
    }
}

/// Records until the port is stopped, or the device gives nothing any more.
pub(super) fn capture(
    find: impl FnOnce() -> Result<Device, DeviceError>,
    info: &DeviceInfo,
    buffers: Buffers,
    keeper: &impl Keeper,
    port: &CapturePort,
) {
    let direction = Capture { port };
    run(find, info, buffers, keeper, &direction);
}

/// Plays until the port is stopped, or the device takes nothing any more.
pub(super) fn play(
    find: impl FnOnce() -> Result<Device, DeviceError>,
    info: &DeviceInfo,
    buffers: Buffers,
    keeper: &impl Keeper,
    port: &PlaybackPort,
) {
    let direction = Playback { port };
    run(find, info, buffers, keeper, &direction);
}

/// What differs between recording and playing.
trait Direction {
    type Opened;

    fn choose(&self, device: &Device, frames: u32) -> Result<Option<Chosen>, cpal::Error>;
    fn build(
        &self,
        device: &Device,
        chosen: &Chosen,
        trouble: Trouble,
    ) -> Result<(Stream, Self::Opened), cpal::Error>;
    fn opened(&self, opened: Self::Opened);
    fn counters(&self) -> &Arc<Counters>;
    fn stop(&self) -> &Stop;
}

struct Capture<'a> {
    port: &'a CapturePort,
}

struct Playback<'a> {
    port: &'a PlaybackPort,
}

/// What the error callback tells: overruns are counted, the first of anything else is kept.
#[derive(Clone)]
struct Trouble {
    counters: Arc<Counters>,
    end: Arc<OnceLock<cpal::Error>>,
}

impl Trouble {
    fn take(&self, error: cpal::Error) {
        match error.kind() {
            ErrorKind::Xrun => self.counters.count_xrun(),
            // It plays on, with less priority.
            ErrorKind::RealtimeDenied => {}
            _ => {
                // What follows is a consequence.
                let _later = self.end.set(error);
            }
        }
    }
}

impl Direction for Capture<'_> {
    type Opened = OpenedCapture;

    fn choose(&self, device: &Device, frames: u32) -> Result<Option<Chosen>, cpal::Error> {
        let offered: Vec<_> = device.supported_input_configs()?.collect();
        let default = device.default_input_config().ok();
        Ok(config::choose(default.as_ref(), &offered, frames))
    }

    fn build(
        &self,
        device: &Device,
        chosen: &Chosen,
        trouble: Trouble,
    ) -> Result<(Stream, OpenedCapture), cpal::Error> {
        let (mut feed, opened): (CaptureFeed, _) = self.port.feed(chosen.format);
        let stream = device.build_input_stream_raw(
            chosen.config,
            chosen.sample_format,
            move |data, _info| samples::take(&mut feed, data, Instant::now()),
            move |error| trouble.take(error),
            Some(BUILD_TIMEOUT),
        )?;
        Ok((stream, opened))
    }

    fn opened(&self, opened: OpenedCapture) {
        self.port.opened(opened);
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.port.counters
    }

    fn stop(&self) -> &Stop {
        &self.port.stop
    }
}

impl Direction for Playback<'_> {
    type Opened = OpenedPlayback;

    fn choose(&self, device: &Device, frames: u32) -> Result<Option<Chosen>, cpal::Error> {
        let offered: Vec<_> = device.supported_output_configs()?.collect();
        let default = device.default_output_config().ok();
        Ok(config::choose(default.as_ref(), &offered, frames))
    }

    fn build(
        &self,
        device: &Device,
        chosen: &Chosen,
        trouble: Trouble,
    ) -> Result<(Stream, OpenedPlayback), cpal::Error> {
        let (mut feed, opened): (PlaybackFeed, _) = PlaybackPort::feed(chosen.format);
        let channels = chosen.format.channels();
        let stream = device.build_output_stream_raw(
            chosen.config,
            chosen.sample_format,
            move |data, info| {
                let stamp = info.timestamp();
                let latency = stamp.playback.saturating_duration_since(stamp.callback);
                samples::fill(&mut feed, data, channels, Instant::now(), latency);
            },
            move |error| trouble.take(error),
            Some(BUILD_TIMEOUT),
        )?;
        Ok((stream, opened))
    }

    fn opened(&self, opened: OpenedPlayback) {
        self.port.opened(opened);
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.port.counters
    }

    fn stop(&self) -> &Stop {
        &self.port.stop
    }
}

/// How a stream ended.
enum End {
    Stopped,
    Storm,
    Broken(DeviceError),
}

fn run<D: Direction>(
    find: impl FnOnce() -> Result<Device, DeviceError>,
    info: &DeviceInfo,
    buffers: Buffers,
    keeper: &impl Keeper,
    direction: &D,
) {
    let mut device = match find() {
        Ok(device) => Some(device),
        Err(error) => return direction.counters().fail(keeper.explain(error)),
    };
    let last = buffers.0.len().saturating_sub(1);
    for (n, frames) in buffers.0.iter().enumerate() {
        let has_larger = n < last;
        let kept = if has_larger { device.clone() } else { None };
        let Some(handle) = std::mem::replace(&mut device, kept) else {
            return;
        };
        match run_once(handle, info, *frames, keeper, direction, has_larger) {
            End::Stopped => return,
            End::Storm => direction.counters().forget_xruns(),
            End::Broken(error) => return direction.counters().fail(error),
        }
    }
}

fn run_once<D: Direction>(
    device: Device,
    info: &DeviceInfo,
    frames: u32,
    keeper: &impl Keeper,
    direction: &D,
    has_larger: bool,
) -> End {
    let trouble = Trouble {
        counters: direction.counters().clone(),
        end: Arc::default(),
    };
    let refused = |error: &cpal::Error| End::Broken(keeper.explain(error::on_open(error, info)));
    let chosen = match direction.choose(&device, frames) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return End::Broken(unusable(info)),
        Err(error) => return refused(&error),
    };
    let (stream, opened) = match build(&device, chosen, &trouble, direction) {
        Ok(built) => built,
        Err(error) => return refused(&error),
    };
    // Before the stream: a client of a sound server ends only when the last answer, which is to the
    // end of the stream, finds no handle of it.
    drop(device);
    direction.opened(opened);
    // This blocks until the first samples come, with a sound server that sleeps for good.
    if let Err(error) = stream.play() {
        return refused(&error);
    }
    look_after(info, &trouble, keeper, direction, has_larger)
}

fn unusable(info: &DeviceInfo) -> DeviceError {
    DeviceError::Unsupported {
        device: info.name.clone(),
        why: "it has no format between 8 and 192 kHz with up to 8 channels".to_owned(),
    }
}

/// Builds the stream; a device that takes no length of callback but its own gets that.
fn build<D: Direction>(
    device: &Device,
    chosen: Chosen,
    trouble: &Trouble,
    direction: &D,
) -> Result<(Stream, D::Opened), cpal::Error> {
    match direction.build(device, &chosen, trouble.clone()) {
        Err(error) if error.kind() == ErrorKind::UnsupportedConfig => {
            let mut own = chosen;
            own.config.buffer_size = BufferSize::Default;
            direction.build(device, &own, trouble.clone())
        }
        built => built,
    }
}

fn look_after<D: Direction>(
    info: &DeviceInfo,
    trouble: &Trouble,
    keeper: &impl Keeper,
    direction: &D,
    has_larger: bool,
) -> End {
    let began = Instant::now();
    let mut asked = began;
    loop {
        if direction.stop().wait(LOOK_EVERY) {
            return End::Stopped;
        }
        if let Some(error) = trouble.end.get() {
            return End::Broken(error::on_stream(error, info, keeper.is_still_there()));
        }
        let storms = has_larger && trouble.counters.xruns() >= STORM_XRUNS;
        if storms && began.elapsed() < STORM_TIME {
            return End::Storm;
        }
        if asked.elapsed() >= ASK_EVERY {
            if !keeper.is_still_there() {
                return End::Broken(DeviceError::Vanished {
                    device: info.name.clone(),
                });
            }
            asked = Instant::now();
        }
    }
}
