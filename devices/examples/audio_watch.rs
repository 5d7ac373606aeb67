//! Lists microphones and speakers, listens, and plays the test sound.
//!
//! ```text
//! audio_watch                       lists, with how each mixer stands
//! audio_watch watch [SECONDS]       tells what comes and goes
//! audio_watch listen ID [SECONDS]   records, and prints what all meters say, as JSON
//! audio_watch play ID [TIMES]       plays the chirp at −20 dBFS
//! audio_watch steady ID [SECONDS]   records a tone of 1 kHz, and prints what is missing of it, as JSON
//! audio_watch delay ID [TIMES]      plays the chirp on the default speaker, and prints when ID hears it
//!                                   in ms, as we record it and as `parec` does (PulseAudio), as JSON
//! ```
//!
//! `ID` is one of the list, a name, `default`, or one that is not listed, as `pulse:spk.monitor`.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

#[path = "../tests/pulse/recorder.rs"]
#[expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "shared with tests, which may fail"
)]
mod recorder;

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom_devices::audio::catalog::Audio;
use greenroom_devices::audio::playback::sound::Sound;
use greenroom_devices::audio::stream::control::StreamState;
use greenroom_devices::device::{DeviceInfo, DeviceKind};
use greenroom_devices::selection::DeviceId;
use greenroom_devices::signal::acoustic_loop::chirp::{CHIRP_SECONDS, Chirp};
use greenroom_devices::signal::acoustic_loop::shot::AcousticLoop;
use greenroom_devices::signal::drift::DriftMeter;
use greenroom_devices::signal::microphone::MicrophoneMeter;
use greenroom_reports::units::Dbfs;
use recorder::{Recorder, Track};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, otherwise: u32| match arguments.get(n) {
        Some(text) => text.parse::<u32>(),
        None => Ok(otherwise),
    };
    let audio = Audio::new();
    let id = arguments.get(1).map_or("default", String::as_str);
    match arguments.first().map(String::as_str) {
        None => list(&audio),
        Some("watch") => watch(&audio, number(1, 10)?),
        Some("listen") => listen(&audio, id, number(2, 3)?),
        Some("steady") => steady(&audio, id, number(2, 60)?),
        Some("delay") => delay(&audio, id, number(2, 5)?),
        Some("play") => play(&audio, id, number(2, 1)?),
        Some(other) => Err(format!("unknown command {other:?}").into()),
    }
}

fn list(audio: &Audio) -> Result<(), Box<dyn Error>> {
    for kind in [DeviceKind::Microphone, DeviceKind::Speaker] {
        println!("{}s:", kind.word());
        for device in audio.list(kind)? {
            let mark = if device.is_default { "*" } else { " " };
            let (id, name) = (device.id.as_str(), &device.name);
            println!("{mark} {id}  {name}  {:?}", audio.mixer(&device));
        }
    }
    Ok(())
}

fn watch(audio: &Audio, seconds: u32) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let known = audio.list_microphones()?;
    let mut watch = audio.watch(DeviceKind::Microphone, known)?;
    while began.elapsed() < Duration::from_secs(u64::from(seconds)) {
        if let Some(change) = watch.next(Duration::from_millis(100)) {
            println!("{:.1?} {change:?}", began.elapsed());
        }
    }
    Ok(())
}

fn choose(audio: &Audio, kind: DeviceKind, id: &str) -> Result<DeviceInfo, Box<dyn Error>> {
    let id = (id != "default").then(|| DeviceId::new(id));
    Ok(audio.choose(kind, id.as_ref())?)
}

fn listen(audio: &Audio, id: &str, seconds: u32) -> Result<(), Box<dyn Error>> {
    let device = choose(audio, DeviceKind::Microphone, id)?;
    let began = Instant::now();
    let microphone = audio.open_microphone(&device)?;
    let format = microphone.format();
    println!("{device:?}\n{format:?}, open after {:?}", began.elapsed());
    let reader = microphone.listen();
    let mut meter = MicrophoneMeter::new(format).ok_or("no meter for this format")?;
    let mut drift = DriftMeter::new(format.rate());
    let mut state = StreamState::Starting;
    while began.elapsed() < Duration::from_secs(u64::from(seconds)) {
        if let Some(chunk) = reader.next(Duration::from_millis(20)) {
            drift.push(chunk.at.saturating_duration_since(began), chunk.end_frame());
            meter.push(&chunk.view());
        }
        let now = microphone.state();
        if now != state {
            println!("{:?} {now:?}", began.elapsed());
            state = now;
        }
    }
    println!("{}", serde_json::to_string_pretty(&meter.summary())?);
    println!("{:?}\n{:?}", drift.summary(), microphone.mixer());
    println!("first samples {:?}", microphone.first_samples_after());
    println!("{:?}, lost by us {}", microphone.health(), reader.lost());
    Ok(())
}

fn play(audio: &Audio, id: &str, times: u32) -> Result<(), Box<dyn Error>> {
    let device = choose(audio, DeviceKind::Speaker, id)?;
    let began = Instant::now();
    let speaker = audio.open_speaker(&device)?;
    let format = speaker.format();
    println!("{device:?}\n{format:?}, open after {:?}", began.elapsed());
    let peak = Dbfs::new(-20.0).ok_or("no level")?;
    let chirp = Chirp::new(format.rate(), peak);
    for _ in 0..times {
        let sound = Sound::new(format.rate(), chirp.samples(), peak);
        let id = speaker.play(sound).ok_or("the speaker takes no sound")?;
        sleep(Duration::from_secs_f64(CHIRP_SECONDS + 0.5));
        println!("{:?} {:?}", speaker.played(id), speaker.state());
    }
    println!("{:?} {:?}", speaker.health(), speaker.mixer());
    Ok(())
}

/// A period of the tone is 48 samples, so what was lost shows as a jump from one to the next, also
/// where no one counts it.
const PERIOD: usize = 48;

fn steady(audio: &Audio, id: &str, seconds: u32) -> Result<(), Box<dyn Error>> {
    let microphone = audio.open_microphone(&choose(audio, DeviceKind::Microphone, id)?)?;
    let reader = microphone.listen();
    let until = Instant::now() + Duration::from_secs(u64::from(seconds));
    let (mut frames, mut lost, mut jumps, mut due) = (0, 0, 0, None);
    let mut latest: Vec<f32> = Vec::new();
    while Instant::now() < until {
        let Some(chunk) = reader.next(Duration::from_millis(20)) else {
            continue;
        };
        lost += chunk.first_frame - due.unwrap_or(chunk.first_frame);
        due = Some(chunk.end_frame());
        frames += chunk.view().n_frames();
        let known = latest.len();
        latest.extend(chunk.view().channel(0));
        let differs = |n: &usize| (latest[*n] - latest[*n - PERIOD]).abs() > 0.01;
        jumps += (known.max(PERIOD)..latest.len()).filter(differs).count();
        latest.drain(..latest.len().saturating_sub(PERIOD));
    }
    let health = microphone.health();
    let told = serde_json::json!({
        "frames": frames,
        "lost_frames": lost,
        "jumps": jumps,
        "lost_chunks": reader.lost(),
        "xruns": health.xruns,
        "callbacks": health.callbacks,
        "longest_gap_ms": health.longest_gap_ms,
    });
    println!("{told}");
    Ok(())
}

fn delay(audio: &Audio, id: &str, times: u32) -> Result<(), Box<dyn Error>> {
    let device = choose(audio, DeviceKind::Microphone, id)?;
    let microphone = audio.open_microphone(&device)?;
    let speaker = choose(audio, DeviceKind::Speaker, "default")?;
    let speaker = audio.open_speaker(&speaker)?;
    let rate = microphone.format().rate();
    let reader = microphone.listen();
    let source = device.id.as_str().trim_start_matches("pulse:");
    let other = Recorder::start(source);
    sleep(Duration::from_millis(500));
    let peak = Dbfs::new(-20.0).ok_or("no level")?;
    let chirp = Chirp::new(rate, peak);
    let (mut ours, mut handed) = (Track::new(rate), Vec::new());
    for _ in 0..times {
        let sound = Sound::new(rate, chirp.samples(), peak);
        let sound = speaker.play(sound).ok_or("the speaker takes no sound")?;
        sleep(Duration::from_millis(1200));
        let played = speaker.played(sound).ok_or("the sound was not played")?;
        handed.push(played.handed_at);
        while let Some(chunk) = reader.try_next() {
            ours.push(&chunk);
        }
    }
    let theirs = Track::of(other, rate);
    let search = AcousticLoop::new(chirp).ok_or("no search at this rate")?;
    let delays = |track: &Track| -> Vec<f64> {
        let delay = |at: &Instant| track.delay(&search, *at).0.delay_ms;
        handed.iter().map(delay).collect()
    };
    let told = serde_json::json!({ "ours_ms": delays(&ours), "parec_ms": delays(&theirs) });
    println!("{told}");
    Ok(())
}
