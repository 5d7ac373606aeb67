//! One microphone, opened once and heard by many.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use greenroom_reports::model::device::StreamHealth;

use super::chunk::Chunk;
use super::port::{CapturePort, OpenedCapture, Stamp};
use crate::audio::backend::{AudioBackend, MixerState};
use crate::audio::stream::control::{Counters, Shared, StreamState};
use crate::audio::stream::health::{Callbacks, OPEN_TIMEOUT};
use crate::device::DeviceInfo;
use crate::error::DeviceError;
use crate::running::{Running, Stop};
use crate::signal::view::Format;

/// How often the owner looks for samples. Half of the shortest usual callback: more often would
/// only take processor time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How often it is looked whether opening failed.
const OPENING_LOOK: Duration = Duration::from_millis(20);

/// Chunks that wait for a reader, one a look: more than two seconds. A reader that is slower loses
/// some, and can tell.
const READER_QUEUE: usize = 512;

/// A microphone that is open. Clones are the same one; it is closed with the last of them.
#[derive(Clone, Debug)]
pub struct SharedMicrophone(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // Dropped in this order: first the stream ends, then its owner.
    _stream: Running,
    _pump: Running,
    device: DeviceInfo,
    format: Format,
    backend: Arc<dyn AudioBackend>,
    status: Shared<Status>,
    readers: Shared<Vec<Listener>>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Status {
    state: StreamState,
    callbacks: Callbacks,
}

#[derive(Debug)]
struct Listener {
    chunks: SyncSender<Arc<Chunk>>,
    lost: Arc<AtomicU64>,
}

impl SharedMicrophone {
    /// Opens a microphone. Blocks for three seconds at the longest.
    ///
    /// # Errors
    ///
    /// Why it gives nothing, by name. That nothing comes although it opened, its state tells.
    pub(in crate::audio) fn open(
        backend: Arc<dyn AudioBackend>,
        device: DeviceInfo,
    ) -> Result<Self, DeviceError> {
        let asked = Instant::now();
        let counters = Arc::new(Counters::default());
        let (opened, openings) = sync_channel(2);
        let stream = start_stream(&backend, &device, &counters, opened)?;
        let first = wait_for_opening(&openings, &counters, &device)?;
        let format = first.format;
        let status = Shared::new(Status {
            state: StreamState::Starting,
            callbacks: Callbacks::new(asked),
        });
        let readers = Shared::new(Vec::new());
        let pump = Pump {
            openings,
            rings: first,
            status: status.clone(),
            readers: readers.clone(),
            counters: counters.clone(),
            device: device.clone(),
            place: Place::default(),
        };
        let pump = Running::start("microphone", |stop| pump.run(&stop))
            .map_err(|error| no_thread(&device, &error))?;
        Ok(Self(Arc::new(Inner {
            _stream: stream,
            _pump: pump,
            device,
            format,
            backend,
            status,
            readers,
            counters,
        })))
    }

    /// Which it is.
    pub fn device(&self) -> &DeviceInfo {
        &self.0.device
    }

    /// Rate and channels.
    pub fn format(&self) -> Format {
        self.0.format
    }

    /// How it is now. What a reader has not taken yet is still there after the end.
    pub fn state(&self) -> StreamState {
        self.0.status.with(|status| status.state.clone())
    }

    /// How the callbacks came so far.
    pub fn health(&self) -> StreamHealth {
        let xruns = self.0.counters.xruns();
        self.0.status.with(|status| status.callbacks.health(xruns))
    }

    /// From asking for the stream to the first samples; `None` before.
    pub fn first_samples_after(&self) -> Option<Duration> {
        self.0.status.with(|status| status.callbacks.first_after())
    }

    /// How the mixer stands. May block for half a second.
    pub fn mixer(&self) -> Option<MixerState> {
        self.0.backend.mixer(&self.0.device)
    }

    /// Listens from now on.
    pub fn listen(&self) -> MicrophoneReader {
        let (chunks, taken) = sync_channel(READER_QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let listener = Listener {
            chunks,
            lost: lost.clone(),
        };
        self.0.readers.with(|readers| readers.push(listener));
        MicrophoneReader {
            chunks: taken,
            lost,
        }
    }
}

/// One who listens to a microphone.
#[derive(Debug)]
pub struct MicrophoneReader {
    chunks: Receiver<Arc<Chunk>>,
    lost: Arc<AtomicU64>,
}

impl MicrophoneReader {
    /// The next chunk, if there is one.
    pub fn try_next(&self) -> Option<Arc<Chunk>> {
        self.chunks.try_recv().ok()
    }

    /// Waits for the next chunk; `None` when none came in that time, or the microphone was closed.
    pub fn next(&self, wait: Duration) -> Option<Arc<Chunk>> {
        self.chunks.recv_timeout(wait).ok()
    }

    /// Chunks that this reader lost because it was too slow.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn start_stream(
    backend: &Arc<dyn AudioBackend>,
    device: &DeviceInfo,
    counters: &Arc<Counters>,
    opened: SyncSender<OpenedCapture>,
) -> Result<Running, DeviceError> {
    let (backend, counters) = (backend.clone(), counters.clone());
    let chosen = device.clone();
    Running::start("capture", move |stop| {
        let port = CapturePort {
            stop,
            counters,
            opened,
        };
        backend.capture(&chosen, port);
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
    openings: &Receiver<OpenedCapture>,
    counters: &Counters,
    device: &DeviceInfo,
) -> Result<OpenedCapture, DeviceError> {
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

/// The one who empties the rings.
struct Pump {
    openings: Receiver<OpenedCapture>,
    rings: OpenedCapture,
    status: Shared<Status>,
    readers: Shared<Vec<Listener>>,
    counters: Arc<Counters>,
    device: DeviceInfo,
    place: Place,
}

/// Where the frames of a stream belong that went on after it broke off.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Frames before the first one of this stream.
    base: u64,
    /// End of the last callback, and when it came.
    last: Option<(u64, Instant)>,
    /// The next callback is the first of a stream that goes on.
    resumes: bool,
}

impl Place {
    /// The stamp with its place among all frames. Those that were lost count by the clock.
    fn of(&mut self, stamp: Stamp, format: Format) -> Stamp {
        let n_frames = stamp.n_frames as u64;
        if std::mem::take(&mut self.resumes)
            && let Some((end, at)) = self.last
        {
            let pause = stamp.at.saturating_duration_since(at).as_secs_f64();
            let passed = format.rate().samples_in(pause) as u64;
            self.base = end + passed.saturating_sub(n_frames);
        }
        let first_frame = self.base + stamp.first_frame;
        self.last = Some((first_frame + n_frames, stamp.at));
        Stamp {
            first_frame,
            ..stamp
        }
    }
}

impl Pump {
    fn run(mut self, stop: &Stop) {
        while !stop.wait(LOOK_EVERY) {
            self.take_opening();
            self.take_chunks();
            self.look_at_state();
        }
        self.take_chunks();
    }

    /// Continues with the rings of a stream that was opened once more.
    fn take_opening(&mut self) {
        let Ok(opened) = self.openings.try_recv() else {
            return;
        };
        if opened.format == self.rings.format {
            self.take_chunks();
            if opened.is_resumed {
                self.place.resumes = true;
            } else {
                self.place = Place::default();
                self.status
                    .with(|status| status.callbacks.reopen(Instant::now()));
            }
            self.rings = opened;
        } else {
            self.counters.fail(DeviceError::Failed {
                operation: "go on with",
                device: self.device.name.clone(),
                why: "its format changed".to_owned(),
            });
        }
    }

    fn take_chunks(&mut self) {
        let format = self.rings.format;
        let mut pending: Option<Chunk> = None;
        while let Ok(stamp) = self.rings.stamps.pop() {
            let n_samples = stamp.n_frames * format.channels();
            let Ok(samples) = self.rings.samples.read_chunk(n_samples) else {
                // The callback pushes samples before their stamp.
                break;
            };
            let stamp = self.place.of(stamp, format);
            self.status.with(|status| status.callbacks.push(stamp.at));
            let follows = |chunk: &Chunk| chunk.end_frame() == stamp.first_frame;
            if !pending.as_ref().is_some_and(follows)
                && let Some(whole) = pending.replace(begin_chunk(stamp, format))
            {
                hand_out(&self.readers, whole);
            }
            if let Some(chunk) = &mut pending {
                chunk.samples.extend(samples);
                chunk.at = stamp.at;
            }
        }
        if let Some(whole) = pending {
            hand_out(&self.readers, whole);
        }
    }

    fn look_at_state(&self) {
        let failure = self.counters.failure().cloned();
        self.status.with(|status| {
            let now = Instant::now();
            status.state = match failure {
                Some(error) => StreamState::Ended(error),
                None if status.callbacks.is_stalled(now) => StreamState::Stalled,
                None if status.callbacks.first_after().is_some() => StreamState::Running,
                None => StreamState::Starting,
            };
        });
    }
}

/// A chunk that has no samples yet.
fn begin_chunk(stamp: Stamp, format: Format) -> Chunk {
    Chunk {
        first_frame: stamp.first_frame,
        at: stamp.at,
        samples: Vec::new(),
        format,
    }
}

fn hand_out(readers: &Shared<Vec<Listener>>, chunk: Chunk) {
    let chunk = Arc::new(chunk);
    let keep = |reader: &mut Listener| match reader.chunks.try_send(chunk.clone()) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            reader.lost.fetch_add(1, Ordering::Relaxed);
            true
        }
        Err(TrySendError::Disconnected(_)) => false,
    };
    readers.with(|readers| readers.retain_mut(keep));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::view::SampleRate;

    #[test]
    fn frames_of_a_stream_that_goes_on_lie_behind_those_that_were_lost() {
        let format = Format::new(SampleRate::new(48_000).unwrap(), 2).unwrap();
        let begin = Instant::now();
        let stamp = |n: u64, ms: u64| Stamp {
            first_frame: n * 480,
            n_frames: 480,
            at: begin + Duration::from_millis(ms),
        };
        let mut place = Place::default();
        assert_eq!(place.of(stamp(0, 10), format).first_frame, 0);
        assert_eq!(place.of(stamp(1, 20), format).first_frame, 480);
        // For a quarter of a second nothing came, then what was recorded in its last 10 ms.
        place.resumes = true;
        assert_eq!(place.of(stamp(0, 270), format).first_frame, 26 * 480);
        assert_eq!(place.of(stamp(1, 280), format).first_frame, 27 * 480);
        // As if nothing had been lost, where the first one brings more than there was time for.
        place.resumes = true;
        assert_eq!(place.of(stamp(0, 281), format).first_frame, 28 * 480);
    }
}
