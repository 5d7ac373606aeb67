//! A speaker that plays sounds.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use greenroom_reports::model::device::StreamHealth;

use super::port::{OpenedPlayback, PlaybackPort, Queued, SoundEvent};
use super::sound::Sound;
use crate::audio::backend::{AudioBackend, MixerState};
use crate::audio::stream::control::{Counters, Shared, StreamState};
use crate::audio::stream::health::{Callbacks, OPEN_TIMEOUT};
use crate::audio::stream::timeline::Timeline;
use crate::device::DeviceInfo;
use crate::error::DeviceError;
use crate::running::{Running, Stop};
use crate::signal::view::Format;

/// How often the owner looks what the callbacks did.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often it is looked whether opening failed.
const OPENING_LOOK: Duration = Duration::from_millis(20);

/// Sounds of which it is remembered what became of them.
const REMEMBERED: usize = 64;

/// A speaker that is open; silent while nothing is played. Dropping it closes it.
#[derive(Debug)]
pub struct Speaker {
    // Dropped in this order: first the stream ends, then its owner.
    _stream: Running,
    _pump: Running,
    device: DeviceInfo,
    format: Format,
    backend: Arc<dyn AudioBackend>,
    status: Shared<Status>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Status {
    state: StreamState,
    callbacks: Callbacks,
    timeline: Timeline,
    queue: rtrb::Producer<Queued>,
    played: BTreeMap<u64, Played>,
    next_id: u64,
}

/// A sound that was given to a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SoundId(u64);

/// What became of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// When its first sample was handed to the system, had the callbacks come evenly.
    pub handed_at: Instant,
    /// When its first sample is heard, as the system tells: later by its buffers, and by as much as
    /// it knows of what comes behind them.
    pub heard_at: Instant,
    /// Its last sample was handed over.
    pub has_ended: bool,
}

impl Speaker {
    /// Opens a speaker. Blocks for three seconds at the longest.
    ///
    /// # Errors
    ///
    /// Why it plays nothing, by name. That nothing is taken although it opened, its state tells.
    pub(in crate::audio) fn open(
        backend: Arc<dyn AudioBackend>,
        device: DeviceInfo,
    ) -> Result<Self, DeviceError> {
        let asked = Instant::now();
        let counters = Arc::new(Counters::default());
        let (opened, openings) = sync_channel(1);
        let stream = start_stream(&backend, &device, &counters, opened)?;
        let OpenedPlayback {
            format,
            queue,
            stamps,
            events,
        } = wait_for_opening(&openings, &counters, &device)?;
        let status = Shared::new(Status {
            state: StreamState::Starting,
            callbacks: Callbacks::new(asked),
            timeline: Timeline::new(format.rate()),
            queue,
            played: BTreeMap::new(),
            next_id: 0,
        });
        let pump = Pump {
            stamps,
            events,
            status: status.clone(),
            counters: counters.clone(),
        };
        let pump = Running::start("speaker", |stop| pump.run(&stop))
            .map_err(|error| no_thread(&device, &error))?;
        Ok(Self {
            _stream: stream,
            _pump: pump,
            device,
            format,
            backend,
            status,
            counters,
        })
    }

    /// Which it is.
    pub fn device(&self) -> &DeviceInfo {
        &self.device
    }

    /// Rate and channels.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How it is now.
    pub fn state(&self) -> StreamState {
        self.status.with(|status| status.state.clone())
    }

    /// How the callbacks came so far.
    pub fn health(&self) -> StreamHealth {
        let xruns = self.counters.xruns();
        self.status.with(|status| status.callbacks.health(xruns))
    }

    /// From asking for the stream to the first callback; `None` before.
    pub fn first_callback_after(&self) -> Option<Duration> {
        self.status.with(|status| status.callbacks.first_after())
    }

    /// How the mixer stands. May block for half a second.
    pub fn mixer(&self) -> Option<MixerState> {
        self.backend.mixer(&self.device)
    }

    /// Plays a sound after those that were given before; `None` when too many wait, or it is of
    /// another rate than the speaker's.
    pub fn play(&self, sound: Sound) -> Option<SoundId> {
        if sound.rate() != self.format.rate() {
            return None;
        }
        self.status.with(|status| {
            let id = status.next_id;
            let sound = Arc::new(sound);
            status.queue.push(Queued { id, sound }).ok()?;
            status.next_id += 1;
            Some(SoundId(id))
        })
    }

    /// What became of a sound; `None` before it began, and long after it.
    pub fn played(&self, sound: SoundId) -> Option<Played> {
        self.status
            .with(|status| status.played.get(&sound.0).copied())
    }
}

fn start_stream(
    backend: &Arc<dyn AudioBackend>,
    device: &DeviceInfo,
    counters: &Arc<Counters>,
    opened: SyncSender<OpenedPlayback>,
) -> Result<Running, DeviceError> {
    let (backend, counters) = (backend.clone(), counters.clone());
    let chosen = device.clone();
    Running::start("playback", move |stop| {
        let port = PlaybackPort {
            stop,
            counters,
            opened,
        };
        backend.play(&chosen, port);
    })
    .map_err(|error| no_thread(device, &error))
}

fn no_thread(device: &DeviceInfo, error: &std::io::Error) -> DeviceError {
    DeviceError::Failed {
        operation: "start a thread for",
        device: device.name.clone(),
        why: error.to_string(),
    }
}

fn wait_for_opening(
    openings: &Receiver<OpenedPlayback>,
    counters: &Counters,
    device: &DeviceInfo,
) -> Result<OpenedPlayback, DeviceError> {
    let until = Instant::now() + OPEN_TIMEOUT;
    loop {
        let opened = openings.recv_timeout(OPENING_LOOK);
        if let Some(error) = counters.failure() {
            return Err(error.clone());
        }
        let is_over = Instant::now() >= until;
        match opened {
            Ok(opened) => return Ok(opened),
            Err(RecvTimeoutError::Timeout) if !is_over => {}
            Err(_) => {
                return Err(DeviceError::Stalled {
                    device: device.name.clone(),
                });
            }
        }
    }
}

/// The one who takes what the callbacks tell.
struct Pump {
    stamps: rtrb::Consumer<super::port::Stamp>,
    events: rtrb::Consumer<SoundEvent>,
    status: Shared<Status>,
    counters: Arc<Counters>,
}

impl Pump {
    fn run(mut self, stop: &Stop) {
        while !stop.wait(LOOK_EVERY) {
            let status = self.status.clone();
            status.with(|status| self.look(status));
        }
    }

    fn look(&mut self, status: &mut Status) {
        while let Ok(stamp) = self.stamps.pop() {
            status.callbacks.push(stamp.at);
            status.timeline.push(stamp.first_frame, stamp.at);
        }
        while let Ok(event) = self.events.pop() {
            take_event(status, event);
        }
        let now = Instant::now();
        status.state = match self.counters.failure() {
            Some(error) => StreamState::Ended(error.clone()),
            None if status.callbacks.is_stalled(now) => StreamState::Stalled,
            None if status.callbacks.first_after().is_some() => StreamState::Running,
            None => StreamState::Starting,
        };
    }
}

fn take_event(status: &mut Status, event: SoundEvent) {
    match event {
        SoundEvent::Began {
            id,
            frame,
            callback,
        } => {
            let Some(handed_at) = status.timeline.time_of(frame) else {
                return;
            };
            let ahead = status
                .timeline
                .span(frame.saturating_sub(callback.first_frame));
            if status.played.len() == REMEMBERED {
                status.played.pop_first();
            }
            let played = Played {
                handed_at,
                heard_at: callback.at + callback.latency + ahead,
                has_ended: false,
            };
            status.played.insert(id, played);
        }
        SoundEvent::Ended(queued) => {
            if let Some(played) = status.played.get_mut(&queued.id) {
                played.has_ended = true;
            }
        }
    }
}
