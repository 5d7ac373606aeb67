//! The guest's writer behind a loopback camera.

#![expect(
    clippy::disallowed_methods,
    reason = "driver: writes frames in real time"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::frames::{self, Scene};
use super::guest::Options;

/// More pictures than the driver queues: a program that begins to read gets the queue first, whatever is in it.
const N_QUEUED: usize = 16;

/// Printed when the queue is full.
pub(super) const FED: &str = "fed";

/// What is wrong with what a camera gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeedFault {
    /// Nothing.
    #[default]
    None,
    /// The picture is black.
    Black,
    /// The same picture again and again.
    Frozen,
    /// Pictures are cut off after a third of their bytes.
    Truncated,
    /// Half as many pictures as promised, as webcams give in dim light.
    Slow,
    /// After so many pictures there are no more, though the device stays.
    StallAfter(u32),
}

impl FeedFault {
    /// As the guest is told.
    pub(super) fn word(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Black => "black".to_owned(),
            Self::Frozen => "frozen".to_owned(),
            Self::Truncated => "truncated".to_owned(),
            Self::Slow => "slow".to_owned(),
            Self::StallAfter(n_frames) => format!("stall:{n_frames}"),
        }
    }

    pub(super) fn scene(self) -> Scene {
        if self == Self::Black {
            Scene::Black
        } else {
            Scene::Bars
        }
    }

    /// Does to the pictures of one turn what is wrong with them.
    pub(super) fn spoil(self, frames: &mut Vec<Vec<u8>>) {
        match self {
            Self::Frozen => frames.truncate(1),
            Self::Truncated => {
                for frame in frames {
                    frame.truncate(frame.len() / 3);
                }
            }
            Self::None | Self::Black | Self::Slow | Self::StallAfter(_) => {}
        }
    }

    /// Time between pictures of a camera that promises so many a second.
    pub(super) fn interval(self, frame_rate: u32) -> Duration {
        let promised = Duration::from_secs(1) / frame_rate.max(1);
        if self == Self::Slow {
            promised * 2
        } else {
            promised
        }
    }

    /// Whether there are no more pictures after so many.
    pub(super) fn is_stalled(self, n_sent: u32) -> bool {
        matches!(self, Self::StallAfter(n_frames) if n_sent >= n_frames)
    }
}

impl FromStr for FeedFault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "black" => Ok(Self::Black),
            "frozen" => Ok(Self::Frozen),
            "truncated" => Ok(Self::Truncated),
            "slow" => Ok(Self::Slow),
            _ => {
                let n_frames = text.strip_prefix("stall:").and_then(|n| n.parse().ok());
                n_frames.map(Self::StallAfter).ok_or(())
            }
        }
    }
}

/// Writes pictures to a device whose format is set, until it is killed.
pub(super) fn play(options: &Options) -> Result<(), String> {
    let device: String = options.value("device", "/dev/video0".to_owned())?;
    let fault: FeedFault = options.value("fault", FeedFault::None)?;
    let interval = fault.interval(options.value("fps", 30)?);
    let size = (options.value("width", 640)?, options.value("height", 480)?);
    let format: String = options.value("format", "MJPG".to_owned())?;
    let mut frames = turn(&format, fault.scene(), size)?;
    fault.spoil(&mut frames);
    let opened = OpenOptions::new().read(true).write(true).open(&device);
    let mut file = opened.map_err(|error| format!("cannot open {device}: {error}"))?;
    let mut write = |frame: &[u8]| {
        file.write_all(frame)
            .map_err(|error| format!("cannot write to {device}: {error}"))
    };
    for frame in frames.iter().cycle().take(N_QUEUED) {
        write(frame)?;
    }
    let _ = writeln!(std::io::stdout(), "{FED}");
    let began = Instant::now();
    let numbered = frames.iter().cycle().zip(0_u32..);
    for (frame, number) in numbered.take_while(|(_, number)| !fault.is_stalled(*number)) {
        std::thread::sleep((began + interval * number).saturating_duration_since(Instant::now()));
        write(frame)?;
    }
    // A camera that stalls keeps its device.
    loop {
        std::thread::park();
    }
}

fn turn(format: &str, scene: Scene, size: (u16, u16)) -> Result<Vec<Vec<u8>>, String> {
    match format {
        "MJPG" => frames::read(&Options::frames(), scene, size)
            .map_err(|error| format!("there are no pictures of {size:?}: {error}")),
        // Without color, both are the same.
        "YUYV" | "YVYU" => Ok((0..frames::N_FRAMES)
            .map(|number| frames::yuyv(scene, size, number))
            .collect()),
        _ => Err(format!("no pictures are made in the format {format}")),
    }
}
