//! Conversion and JPEG decoding on one core beside ffmpeg, in the same run.
//!
//! `cargo bench -p greenroom-devices --bench picture`; needs `ffmpeg` in the path. Prints a row of
//! a Markdown table for each case. Both are processor time of one thread, the least of several runs,
//! so that what else runs on the machine shows little; ffmpeg's start and, for raw input, its reading
//! are measured alone and taken off. Both find the picture in the cache, as it has just been read.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "nothing can go on without its input")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use greenroom_devices::picture::convert::Unpacker;
use greenroom_devices::picture::frame::{Frame, FrameLayout, PixelFormat, Resolution};
use greenroom_devices::picture::planes::{Planar, Rgba};
use greenroom_devices::picture::quality::PictureQuality;
use greenroom_protocol::measure::time::MonotonicTime;
use rustix::time::{ClockId, clock_gettime};

/// Pictures in each recording, and how often ffmpeg and we go over them.
const PICTURES: usize = 30;
const LOOPS: u32 = 8;
const ROUNDS: usize = 5;

const SIZES: [(u32, u32); 2] = [(1280, 720), (1920, 1080)];

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

fn main() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("no ffmpeg: nothing to compare with");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    println!("| case | ours, ms | ffmpeg, ms | ffmpeg / ours |\n|---|---|---|---|");
    for size in SIZES {
        for (format, name, target) in CASES {
            let recording = record(directory.path(), format, name, size);
            let ours = ours_ms(&recording, target);
            let theirs = ffmpeg_ms(&recording, target);
            let case = format!("{format:?} to {target:?}, {}p", size.1);
            println!(
                "| {case} | {ours:.2} | {theirs:.2} | {:.2} |",
                theirs / ours
            );
        }
        let recording = record(directory.path(), PixelFormat::Nv12, "nv12", size);
        println!(
            "| quality, {}p | {:.2} | | |",
            size.1,
            quality_ms(&recording)
        );
    }
}

/// A moving test picture with noise, at the bytes a frame of a good webcam.
fn record(
    directory: &Path,
    format: PixelFormat,
    name: &'static str,
    size: (u32, u32),
) -> Recording {
    let extension = if format == PixelFormat::Mjpeg {
        "mjpeg"
    } else {
        "yuv"
    };
    let path = directory.join(format!("{name}-{}.{extension}", size.1));
    let (width, height) = size;
    let source = format!("testsrc2=s={width}x{height}:r=30,noise=alls=6:allf=t");
    let codec = if format == PixelFormat::Mjpeg {
        ["mjpeg", "-q:v", "5"]
    } else {
        ["rawvideo", "-q:v", "5"]
    };
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source])
        .args(["-frames:v", &PICTURES.to_string(), "-c:v"])
        .args(codec)
        .args(["-huffman", "default", "-pix_fmt", name])
        .args([
            "-f",
            if format == PixelFormat::Mjpeg {
                "mjpeg"
            } else {
                "rawvideo"
            },
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    Recording {
        format,
        name,
        size,
        path,
    }
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
fn fastest_ms(recording: &Recording, mut each: impl FnMut(&Frame<'_>)) -> f64 {
    let bytes = std::fs::read(&recording.path).unwrap();
    let pictures = pictures(recording, &bytes);
    let resolution = Resolution::new(recording.size.0, recording.size.1).unwrap();
    let layout = FrameLayout::new(recording.format, resolution, None).unwrap();
    let mut fastest = f64::INFINITY;
    let mut received = Vec::new();
    for _ in 0..ROUNDS {
        let mut ms = 0.0;
        for picture in &pictures {
            // As ffmpeg, which has just read the picture when it converts it.
            received.clear();
            received.extend_from_slice(picture);
            let at = MonotonicTime::from_nanos(0);
            let frame = Frame::new(layout, &received, at, None).unwrap();
            let before = cpu_time();
            each(&frame);
            ms += (cpu_time() - before).as_secs_f64() * 1e3;
        }
        fastest = fastest.min(ms / pictures.len() as f64);
    }
    fastest
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

fn ours_ms(recording: &Recording, target: Target) -> f64 {
    let mut unpacker = Unpacker::default();
    let mut rgba = Rgba::default();
    let mut i420 = Planar::default();
    fastest_ms(recording, |frame| match target {
        Target::Rgba => unpacker.rgba(frame, &mut rgba).unwrap(),
        Target::I420 => unpacker.i420(frame, &mut i420).unwrap(),
        Target::Planes => {
            std::hint::black_box(unpacker.unpack(frame).unwrap());
        }
    })
}

fn quality_ms(recording: &Recording) -> f64 {
    let mut unpacker = Unpacker::default();
    let mut quality = PictureQuality::default();
    let unpacking = fastest_ms(recording, |frame| {
        std::hint::black_box(unpacker.unpack(frame).unwrap());
    });
    let both = fastest_ms(recording, |frame| {
        quality.push(frame.captured_at, unpacker.unpack(frame).unwrap());
    });
    both - unpacking
}

fn ffmpeg_ms(recording: &Recording, target: Target) -> f64 {
    // JPEG keeps its full range: changing it is not what is compared.
    let to = match (target, recording.format) {
        (Target::Planes, _) => recording.name,
        (Target::I420, PixelFormat::Mjpeg) => "yuvj420p",
        (Target::I420, _) => "yuv420p",
        (Target::Rgba, _) => "rgba",
    };
    let pictures = f64::from(LOOPS) * PICTURES as f64;
    let idle = if recording.format == PixelFormat::Mjpeg {
        // One loop more than none is the start and one loop.
        return (ffmpeg_cpu_ms(recording, to, LOOPS) - ffmpeg_cpu_ms(recording, to, 0)) / pictures;
    } else {
        ffmpeg_cpu_ms(recording, recording.name, LOOPS)
    };
    let pictures = pictures + PICTURES as f64;
    (ffmpeg_cpu_ms(recording, to, LOOPS) - idle) / pictures
}

/// Least processor time of a few runs over the recording and its repetitions.
fn ffmpeg_cpu_ms(recording: &Recording, to: &str, repetitions: u32) -> f64 {
    let runs = (0..3).map(|_| {
        let mut command = Command::new("ffmpeg");
        command.args(["-benchmark", "-threads", "1", "-filter_threads", "1"]);
        command.args(["-stream_loop", &repetitions.to_string()]);
        if recording.format != PixelFormat::Mjpeg {
            let size = format!("{}x{}", recording.size.0, recording.size.1);
            command.args(["-f", "rawvideo", "-pix_fmt", recording.name, "-s", &size]);
        }
        command.arg("-i").arg(&recording.path);
        command.args(["-threads", "1", "-pix_fmt", to, "-f", "null", "-"]);
        let output = command.output().unwrap();
        cpu_ms(&String::from_utf8_lossy(&output.stderr))
    });
    runs.fold(f64::INFINITY, f64::min)
}

/// From ffmpeg's line `bench: utime=1.167s stime=0.039s rtime=1.235s`.
fn cpu_ms(log: &str) -> f64 {
    let line = log.lines().find(|line| line.starts_with("bench: utime"));
    let seconds = |key: &str| -> f64 {
        let at = line.unwrap().split(key).nth(1).unwrap();
        at.split('s').next().unwrap().parse().unwrap()
    };
    (seconds("utime=") + seconds("stime=")) * 1e3
}
