//! Lists the cameras, or watches one of them, and prints figures.
//!
//! ```text
//! camera_watch list    [--nokhwa]
//! camera_watch modes   [--nokhwa] [--camera=ID]
//! camera_watch watch   [--nokhwa] [--camera=ID] [--seconds=2] [--size=1280x720] [--fps=30]
//! camera_watch hotplug [--nokhwa] [--seconds=10]
//! ```
//!
//! `ID` is an id from the list, or `synthetic:camera`. The status is 1 when a camera gives nothing.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example"
)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_devices::camera::{Cameras, Nokhwa, Received, SharedCamera, StreamEnd, WantedMode};
use greenroom_devices::error::DeviceError;
use greenroom_devices::picture::convert::Unpacker;
use greenroom_devices::picture::intervals::FrameIntervals;
use greenroom_devices::picture::quality::PictureQuality;
use greenroom_devices::selection::DeviceId;
use greenroom_reports::model::camera::PictureSize;

fn main() -> ExitCode {
    let options = Options::read();
    let outcome = match options.command.as_str() {
        "list" => list(&options),
        "modes" => modes(&options),
        "watch" => watch(&options),
        "hotplug" => hotplug(&options),
        _ => {
            println!("commands: list, modes, watch, hotplug");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    command: String,
    flags: HashMap<String, String>,
}

impl Options {
    fn read() -> Self {
        let mut arguments = std::env::args().skip(1);
        let command = arguments.next().unwrap_or_default();
        let flags = arguments.map(|argument| {
            let flag = argument.trim_start_matches("--");
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            (name.to_owned(), value.to_owned())
        });
        Self {
            command,
            flags: flags.collect(),
        }
    }

    fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str)
    }

    fn cameras(&self) -> Cameras {
        match self.flag("nokhwa") {
            Some(_) => Cameras::default().with(Arc::new(Nokhwa)),
            None => Cameras::of_system(),
        }
    }

    fn camera(&self) -> Option<DeviceId> {
        self.flag("camera").map(DeviceId::new)
    }

    fn seconds(&self, default: f64) -> Duration {
        let seconds = self.flag("seconds").and_then(|s| s.parse().ok());
        Duration::from_secs_f64(seconds.unwrap_or(default))
    }

    fn wanted(&self) -> WantedMode {
        let mut wanted = WantedMode::default();
        let size = self.flag("size").and_then(|size| size.split_once('x'));
        let size = size.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        if let Some((width, height)) = size {
            wanted.size = PictureSize { width, height };
        }
        if let Some(fps) = self.flag("fps").and_then(|fps| fps.parse::<u32>().ok()) {
            wanted.millifps = fps.saturating_mul(1000);
        }
        wanted
    }
}

fn list(options: &Options) -> Result<(), DeviceError> {
    let began = Instant::now();
    let cameras = options.cameras().list()?;
    println!("cameras: {} in {:.1?}", cameras.len(), began.elapsed());
    for camera in cameras {
        let default = if camera.is_default { " (default)" } else { "" };
        println!("camera {} {:?}{default}", camera.id.as_str(), camera.name);
    }
    Ok(())
}

fn modes(options: &Options) -> Result<(), DeviceError> {
    let cameras = options.cameras();
    let chosen = cameras.choose(options.camera().as_ref())?.chosen;
    for mode in cameras.modes(&chosen.info)? {
        let PictureSize { width, height } = mode.size;
        println!("mode {} {width}x{height} {:?}", mode.code, mode.millifps);
    }
    Ok(())
}

fn watch(options: &Options) -> Result<(), DeviceError> {
    let cameras = options.cameras();
    let choice = cameras.choose(options.camera().as_ref())?;
    let device = choice.chosen.info;
    println!(
        "camera {} {:?} of {}",
        device.id.as_str(),
        device.name,
        choice.n_cameras
    );
    if let Some(fallback) = choice.chosen.fallback {
        println!("fallback: {fallback}");
    }
    let began = Instant::now();
    let shared = cameras.start(device, options.wanted())?;
    let outcome = look(&shared, began, options.seconds(2.0));
    let closing = Instant::now();
    drop(shared);
    println!("closed in {:.1?}", closing.elapsed());
    outcome
}

#[derive(Default)]
struct Seen {
    intervals: FrameIntervals,
    quality: PictureQuality,
    unpacker: Unpacker,
    damaged: u64,
    corrupt: u64,
}

fn look(shared: &SharedCamera, began: Instant, span: Duration) -> Result<(), DeviceError> {
    let mut reader = shared.reader(16);
    match shared.wait_opened(Duration::from_secs(8)) {
        Some(Ok(opened)) => println!("opened in {:.1?}: {:?}", began.elapsed(), opened.mode),
        Some(Err(StreamEnd::Failed(error))) => return Err(error),
        other => {
            println!("not opened: {other:?}");
            return Ok(());
        }
    }
    let mut seen = Seen::default();
    let opened = Instant::now();
    let mut first = None;
    let end = loop {
        if first.unwrap_or(opened).elapsed() >= span {
            break None;
        }
        match reader.next(Duration::from_millis(50)) {
            Received::Frame(frame) => {
                if first.is_none() {
                    println!("first frame after {:.1?}", began.elapsed());
                    first = Some(Instant::now());
                }
                seen.take(&frame);
            }
            Received::Stalled => println!("stalled {:.1?} after the start", began.elapsed()),
            Received::Nothing => {}
            Received::Ended(end) => break Some(end),
        }
    };
    seen.print(reader.frames_missed());
    match end {
        Some(StreamEnd::Failed(error)) => Err(error),
        _ => Ok(()),
    }
}

impl Seen {
    fn take(&mut self, frame: &greenroom_devices::camera::CapturedFrame) {
        self.intervals.push(frame.captured_at, frame.sequence);
        self.damaged += u64::from(frame.is_damaged);
        let picture = frame.frame().ok();
        match picture.map(|frame| self.unpacker.unpack(&frame)) {
            Some(Ok(picture)) => self.quality.push(frame.captured_at, picture),
            _ => self.corrupt += 1,
        }
    }

    fn print(&self, missed: u64) {
        println!("intervals {:?}", self.intervals.summary());
        println!("quality {:?}", self.quality.summary());
        println!(
            "damaged {} corrupt {} missed {missed}",
            self.damaged, self.corrupt
        );
    }
}

fn hotplug(options: &Options) -> Result<(), DeviceError> {
    let failed = |error: std::io::Error| DeviceError::Failed {
        operation: "list",
        device: "the cameras".to_owned(),
        why: error.to_string(),
    };
    let began = Instant::now();
    let mut watch = options.cameras().watch(Vec::new()).map_err(failed)?;
    while began.elapsed() < options.seconds(10.0) {
        if let Some(change) = watch.next(Duration::from_millis(100)) {
            let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
            let uptime = uptime.split(' ').next().unwrap_or_default();
            println!("{uptime} {change:?}");
        }
    }
    Ok(())
}
