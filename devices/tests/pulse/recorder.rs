//! A recording without any code of ours, and where in one a chirp is.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use greenroom_devices::audio::capture::chunk::Chunk;
use greenroom_devices::audio::stream::timeline::Timeline;
use greenroom_devices::signal::acoustic_loop::shot::{AcousticLoop, Trace};
use greenroom_devices::signal::view::SampleRate;

/// Samples that are searched for the chirp: its half second, and 0.4 s of delay.
const SEARCHED: usize = 43_200;

/// Samples, and how many had come at which time.
pub type Recorded = (Vec<f32>, Vec<(u64, Instant)>);

/// A recording by `parec`, one channel at 48 kHz, that goes on.
#[derive(Debug)]
pub struct Recorder {
    parec: Child,
    reader: thread::JoinHandle<Recorded>,
}

impl Recorder {
    /// Records from a source.
    pub fn start(source: &str) -> Self {
        let mut parec = Command::new("parec")
            .args(["--raw", "--format=float32le", "--rate=48000"])
            .args(["--channels=1", "--latency-msec=1", "--device", source])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pipe = parec.stdout.take().unwrap();
        let reader = thread::spawn(move || read(pipe));
        Self { parec, reader }
    }

    /// Ends it: the samples, and how many had come at which time.
    pub fn end(mut self) -> Recorded {
        let _ended = self.parec.kill();
        let _reaped = self.parec.wait();
        self.reader.join().unwrap()
    }
}

fn read(mut pipe: impl Read) -> Recorded {
    let (mut samples, mut arrivals) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    let mut rest = Vec::new();
    while let Ok(n) = pipe.read(&mut buffer)
        && n > 0
    {
        rest.extend_from_slice(&buffer[..n]);
        let whole = rest.len() / 4 * 4;
        let bytes: Vec<u8> = rest.drain(..whole).collect();
        let chunks = bytes.chunks_exact(4);
        samples.extend(chunks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        arrivals.push((samples.len() as u64, Instant::now()));
    }
    (samples, arrivals)
}

/// A recording in time.
#[derive(Debug)]
pub struct Track {
    rate: SampleRate,
    first: Option<u64>,
    samples: Vec<f32>,
    arrivals: Vec<(u64, Instant)>,
}

impl Track {
    /// Of nothing yet.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            first: None,
            samples: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// What `parec` recorded.
    pub fn of(recorder: Recorder, rate: SampleRate) -> Self {
        let (samples, arrivals) = recorder.end();
        Self {
            samples,
            arrivals,
            ..Self::new(rate)
        }
    }

    /// What we recorded.
    pub fn push(&mut self, chunk: &Chunk) {
        let first = *self.first.get_or_insert(chunk.first_frame);
        self.samples.extend(chunk.view().mono());
        self.arrivals.push((chunk.end_frame() - first, chunk.at));
    }

    /// Where the chirp is that was handed over at this time, and the highest sample in dBFS.
    pub fn delay(&self, search: &AcousticLoop, handed_at: Instant) -> (Trace, f64) {
        let mut timeline = Timeline::new(self.rate);
        let until = handed_at + Duration::from_millis(600);
        for (frames, at) in self.arrivals.iter().filter(|(_, at)| *at < until) {
            timeline.push(*frames, *at);
        }
        let begin = usize::try_from(timeline.frame_at(handed_at).unwrap()).unwrap();
        let end = (begin + SEARCHED).min(self.samples.len());
        let part = &self.samples[begin..end];
        let peak = part.iter().fold(0.0_f32, |high, s| high.max(s.abs()));
        let trace = search.search(part).unwrap().trace().unwrap();
        (trace, 20.0 * f64::from(peak).log10())
    }
}
