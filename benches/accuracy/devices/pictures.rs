//! Conversion and JPEG decoding on one core beside ffmpeg, in the same run.
//!
//! Both are processor time of one thread, the least of several runs, so that what else runs on the
//! machine shows little; ffmpeg's start and, for raw input, its reading are measured alone and taken
//! off. Both find the picture in the cache, as it has just been read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use greenroom_devices::picture::convert::Unpacker;
use greenroom_devices::picture::frame::{Frame, FrameLayout, PixelFormat, Resolution};
use greenroom_devices::picture::planes::{Planar, Rgba};
use greenroom_protocol::measure::time::MonotonicTime;
use rustix::time::{ClockId, clock_gettime};

use crate::row::Row;

/// Pictures in each recording, and how often ffmpeg and we go over them.
const PICTURES: usize = 30;
const LOOPS: u32 = 8;
const ROUNDS: usize = 5;

const SIZES: [(u32, u32); 2] = [(1280, 720), (1920, 1080)];

/// Least speed beside ffmpeg's.
const TARGET: f64 = 0.8;

/// Format, ffmpeg's name of it, and what it is converted to.
const CASES: [(PixelFormat, &str, Target); 11] = [
    (PixelFormat::Mjpeg, "yuvj422p", Target::Planes),
    (PixelFormat::Mjpeg, "yuvj422p", Target::I420),
    (PixelFormat::Mjpeg, "yuvj422p", Target::Rgba),
    (PixelFormat::Yuyv, "yuyv422", Target::I420),
    (PixelFormat::Uyvy, "uyvy422", Target::I420),
    (PixelFormat::Nv12, "nv12", Target::I420),
    (PixelFormat::Rgb24, "rgb24", Target::I420),
    (PixelFormat::Yuyv, "yuyv422", Target::Rgba),
    (PixelFormat::Nv12, "nv12", Target::Rgba),
    (PixelFormat::Rgb24, "rgb24", Target::Rgba),
    (PixelFormat::Grey, "gray", Target::Rgba),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    /// As decoded.
    Planes,
    I420,
    Rgba,
}

struct Recording {
    format: PixelFormat,
    name: &'static str,
    size: (u32, u32),
    path: PathBuf,
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for size in SIZES {
        for (format, name, target) in CASES {
            let recording = record(directory.path(), format, name, size)?;
            let ours = ours_ms(&recording, target)?;
            let theirs = ffmpeg_ms(&recording, target)?;
            let speed = theirs / ours;
            rows.push(Row::judged(
                format!(
                    "{format:?} to {target:?}, {}p, one core, beside ffmpeg",
                    size.1
                ),
                format!("≥ {TARGET} of its speed"),
                format!("{speed:.2} ({ours:.2} ms a picture, ffmpeg {theirs:.2} ms)"),
                speed >= TARGET,
            ));
        }
    }
    Ok(rows)
}

/// A moving test picture with noise, at the bytes a frame of a good webcam.
fn record(
    directory: &Path,
    format: PixelFormat,
    name: &'static str,
    size: (u32, u32),
) -> Result<Recording> {
    let extension = if format == PixelFormat::Mjpeg {
        "mjpeg"
    } else {
        "yuv"
    };
    let path = directory.join(format!("{name}-{}.{extension}", size.1));
    let (width, height) = size;
    let source = format!("testsrc2=s={width}x{height}:r=30,noise=alls=6:allf=t");
    let (codec, container) = if format == PixelFormat::Mjpeg {
        ("mjpeg", "mjpeg")
    } else {
        ("rawvideo", "rawvideo")
    };
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source])
        .args(["-frames:v", &PICTURES.to_string(), "-c:v", codec])
        .args(["-q:v", "5", "-huffman", "default", "-pix_fmt", name])
        .args(["-f", container])
        .arg(&path)
        .status()
        .context("cannot start ffmpeg")?;
    ensure!(status.success(), "ffmpeg failed: {status}");
    Ok(Recording {
        format,
        name,
        size,
        path,
    })
}

/// The recording's pictures: at end markers for JPEG, of equal length for the rest.
fn pictures<'a>(recording: &Recording, bytes: &'a [u8]) -> Vec<&'a [u8]> {
    if recording.format != PixelFormat::Mjpeg {
        return bytes.chunks_exact(bytes.len() / PICTURES).collect();
    }
    let ends = (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xd9]);
    let mut start = 0;
    let mut cut = |end: usize| &bytes[std::mem::replace(&mut start, end + 2)..end + 2];
    ends.map(&mut cut).collect()
}

/// Milliseconds a picture, of the fastest round.
fn fastest_ms(
    recording: &Recording,
    mut each: impl FnMut(&Frame<'_>) -> Result<()>,
) -> Result<f64> {
    let bytes = std::fs::read(&recording.path)?;
    let pictures = pictures(recording, &bytes);
    let (width, height) = recording.size;
    let resolution = Resolution::new(width, height)?;
    let layout = FrameLayout::new(recording.format, resolution, None)?;
    let mut fastest = f64::INFINITY;
    let mut received = Vec::new();
    for _ in 0..ROUNDS {
        let mut ms = 0.0;
        for picture in &pictures {
            // As ffmpeg, which has just read the picture when it converts it.
            received.clear();
            received.extend_from_slice(picture);
            let at = MonotonicTime::from_nanos(0);
            let frame = Frame::new(layout, &received, at, None)?;
            let before = cpu_time()?;
            each(&frame)?;
            ms += (cpu_time()? - before).as_secs_f64() * 1e3;
        }
        fastest = fastest.min(ms / pictures.len() as f64);
    }
    Ok(fastest)
}

/// Processor time of this thread.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ThreadCPUTime).try_into()?)
}

fn ours_ms(recording: &Recording, target: Target) -> Result<f64> {
    let mut unpacker = Unpacker::default();
    let mut rgba = Rgba::default();
    let mut i420 = Planar::default();
    fastest_ms(recording, |frame| {
        match target {
            Target::Rgba => unpacker.rgba(frame, &mut rgba)?,
            Target::I420 => unpacker.i420(frame, &mut i420)?,
            Target::Planes => {
                std::hint::black_box(unpacker.unpack(frame)?);
            }
        }
        Ok(())
    })
}

fn ffmpeg_ms(recording: &Recording, target: Target) -> Result<f64> {
    // JPEG keeps its full range: changing it is not what is compared.
    let to = match (target, recording.format) {
        (Target::Planes, _) => recording.name,
        (Target::I420, PixelFormat::Mjpeg) => "yuvj420p",
        (Target::I420, _) => "yuv420p",
        (Target::Rgba, _) => "rgba",
    };
    let repeated = f64::from(LOOPS) * PICTURES as f64;
    let all = ffmpeg_cpu_ms(recording, to, LOOPS)?;
    if recording.format == PixelFormat::Mjpeg {
        // Without a repetition it is the start and the first time.
        return Ok((all - ffmpeg_cpu_ms(recording, to, 0)?) / repeated);
    }
    let idle = ffmpeg_cpu_ms(recording, recording.name, LOOPS)?;
    Ok((all - idle) / (repeated + PICTURES as f64))
}

/// Least processor time of a few runs over the recording and its repetitions.
fn ffmpeg_cpu_ms(recording: &Recording, to: &str, repetitions: u32) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let mut command = Command::new("ffmpeg");
        command.args(["-benchmark", "-threads", "1", "-filter_threads", "1"]);
        command.args(["-stream_loop", &repetitions.to_string()]);
        if recording.format != PixelFormat::Mjpeg {
            let size = format!("{}x{}", recording.size.0, recording.size.1);
            command.args(["-f", "rawvideo", "-pix_fmt", recording.name, "-s", &size]);
        }
        command.arg("-i").arg(&recording.path);
        command.args(["-threads", "1", "-pix_fmt", to, "-f", "null", "-"]);
        let output = command.output()?;
        least = least.min(cpu_ms(&String::from_utf8_lossy(&output.stderr))?);
    }
    Ok(least)
}

/// From ffmpeg's line `bench: utime=1.167s stime=0.039s rtime=1.235s`.
fn cpu_ms(log: &str) -> Result<f64> {
    let line = log.lines().find(|line| line.starts_with("bench: utime"));
    let line = line.context("ffmpeg tells no processor time")?;
    let seconds = |key: &str| -> Result<f64> {
        let value = line
            .split(key)
            .nth(1)
            .and_then(|rest| rest.split('s').next());
        Ok(value.context("ffmpeg tells no processor time")?.parse()?)
    };
    Ok((seconds("utime=")? + seconds("stime=")?) * 1e3)
}
