//! Microphones and speakers against a real sound server.
#![cfg(all(target_os = "linux", feature = "audio"))]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test in real time, which prints what it measured"
)]

mod pulse;

use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom_devices::audio::capture::chunk::Chunk;
use greenroom_devices::audio::capture::microphone::SharedMicrophone;
use greenroom_devices::audio::catalog::Audio;
use greenroom_devices::audio::playback::sound::Sound;
use greenroom_devices::audio::stream::control::StreamState;
use greenroom_devices::device::DeviceKind;
use greenroom_devices::error::DeviceError;
use greenroom_devices::hotplug::DeviceChange;
use greenroom_devices::selection::DeviceId;
use greenroom_devices::signal::acoustic_loop::chirp::Chirp;
use greenroom_devices::signal::acoustic_loop::shot::AcousticLoop;
use greenroom_devices::signal::meter::level::Silence;
use greenroom_devices::signal::microphone::{MicrophoneMeter, MicrophoneSummary};
use greenroom_reports::units::Dbfs;
use pulse::{Setup, Track, in_lab, in_lab_with, tone};

/// −20 dBFS as a peak.
const AMPLITUDE: f64 = 0.1;

fn open(id: &str) -> SharedMicrophone {
    let audio = Audio::new();
    let device = audio
        .choose(DeviceKind::Microphone, Some(&DeviceId::new(id)))
        .unwrap();
    audio.open_microphone(&device).unwrap()
}

fn record(microphone: &SharedMicrophone, length: Duration) -> Vec<std::sync::Arc<Chunk>> {
    let reader = microphone.listen();
    let until = Instant::now() + length;
    let mut chunks = Vec::new();
    while Instant::now() < until {
        chunks.extend(reader.next(Duration::from_millis(20)));
    }
    assert_eq!(reader.lost(), 0);
    chunks
}

fn measure(microphone: &SharedMicrophone, length: Duration) -> MicrophoneSummary {
    let mut meter = MicrophoneMeter::new(microphone.format()).unwrap();
    for chunk in record(microphone, length) {
        meter.push(&chunk.view());
    }
    meter.summary()
}

/// Waits until the microphone is in such a state; how long it took.
fn wait_for(
    microphone: &SharedMicrophone,
    longest: Duration,
    is_it: impl Fn(&StreamState) -> bool,
) -> Duration {
    let began = Instant::now();
    while !is_it(&microphone.state()) {
        let state = microphone.state();
        assert!(
            began.elapsed() < longest,
            "after {longest:?} it is {state:?}"
        );
        sleep(Duration::from_millis(5));
    }
    began.elapsed()
}

fn is_vanished(state: &StreamState) -> bool {
    matches!(state, StreamState::Ended(DeviceError::Vanished { .. }))
}

#[test]
fn monitors_are_no_microphones_and_names_are_for_people() {
    in_lab(
        "monitors_are_no_microphones_and_names_are_for_people",
        |_| {
            let audio = Audio::new();
            let microphones = audio.list_microphones().unwrap();
            let names: Vec<_> = microphones.iter().map(|m| m.name.as_str()).collect();
            assert_eq!(names, ["LabMicrophone"]);
            assert_eq!(microphones[0].id, DeviceId::new("pulse:mic"));
            assert_eq!(microphones[0].backend, "pulseaudio");
            assert!(microphones[0].is_default);
            let speakers = audio.list_speakers().unwrap();
            let names: Vec<_> = speakers.iter().map(|s| s.name.as_str()).collect();
            assert_eq!(names, ["LabSpeaker", "LabMicFeed"]);
            assert!(speakers[0].is_default && !speakers[1].is_default);
            // By its id, a monitor can be recorded.
            let monitor = DeviceId::new("pulse:spk.monitor");
            let monitor = audio
                .choose(DeviceKind::Microphone, Some(&monitor))
                .unwrap();
            assert!(!monitor.is_default);
            // By its name, a person finds theirs.
            let typed = DeviceId::new("LabMicFeed");
            let found = audio.choose(DeviceKind::Speaker, Some(&typed)).unwrap();
            assert_eq!(found.id, DeviceId::new("pulse:micfeed"));
            let missing = audio.choose(DeviceKind::Speaker, Some(&DeviceId::new("pulse:none")));
            assert!(
                matches!(missing, Err(DeviceError::NotFound { .. })),
                "{missing:?}"
            );
        },
    );
}

#[test]
fn a_server_without_devices_has_none() {
    let setup = Setup { has_devices: false };
    in_lab_with("a_server_without_devices_has_none", setup, |_| {
        let audio = Audio::new();
        assert_eq!(audio.list_microphones().unwrap(), []);
        assert_eq!(audio.list_speakers().unwrap(), []);
        let none = audio.choose(DeviceKind::Microphone, None).unwrap_err();
        assert_eq!(none.to_string(), "there is no microphone");
    });
}

#[test]
fn a_tone_has_its_level_until_it_is_muted() {
    in_lab("a_tone_has_its_level_until_it_is_muted", |lab| {
        let _feed = lab.feed("micfeed", &tone(1000.0, AMPLITUDE, 30.0));
        sleep(Duration::from_millis(900));
        let microphone = open("pulse:mic");
        assert_eq!(microphone.format().rate().get(), 48_000);
        assert_eq!(microphone.format().channels(), 2);
        let level = measure(&microphone, Duration::from_millis(1000)).level;
        let rms = level.rms_dbfs.unwrap().as_f64();
        let peak = level.peak_dbfs.unwrap().as_f64();
        println!("rms {rms:.3} dBFS, peak {peak:.3} dBFS");
        assert!((rms + 23.01).abs() < 0.2, "{rms}");
        assert!((peak + 20.0).abs() < 0.2, "{peak}");
        let first = microphone.first_samples_after().unwrap();
        println!("first samples after {first:?}, {:?}", microphone.health());
        assert!(first < Duration::from_millis(300), "{first:?}");
        let mixer = microphone.mixer().unwrap();
        assert!(!mixer.is_muted && !mixer.is_suspended);
        assert_eq!(mixer.volume, Some(1.0));

        lab.pactl(&["set-source-volume", "mic", "50%"]);
        sleep(Duration::from_millis(100));
        assert_eq!(microphone.mixer().unwrap().volume, Some(0.5));
        let half = measure(&microphone, Duration::from_millis(500)).level;
        let half = half.rms_dbfs.unwrap().as_f64();
        // Cubic: half of the slider is 18 dB.
        assert!((rms - half - 18.06).abs() < 0.2, "{half}");

        lab.pactl(&["set-source-volume", "mic", "100%"]);
        lab.pactl(&["set-source-mute", "mic", "1"]);
        sleep(Duration::from_millis(200));
        let muted = measure(&microphone, Duration::from_millis(500)).level;
        assert_eq!(muted.silence, Some(Silence::Digital));
        assert!(microphone.mixer().unwrap().is_muted);
        assert_eq!(microphone.state(), StreamState::Running);
    });
}

#[test]
fn ten_seconds_lose_no_sample() {
    in_lab("ten_seconds_lose_no_sample", |lab| {
        // 1 kHz has a whole number of samples in a period: what is lost shows as a jump in phase.
        let _feed = lab.feed("micfeed", &tone(1000.0, 0.5, 30.0));
        sleep(Duration::from_millis(500));
        let microphone = open("pulse:mic");
        let chunks = record(&microphone, Duration::from_secs(10));
        let samples: Vec<f32> = chunks
            .iter()
            .flat_map(|c| c.view().channel(0).collect::<Vec<_>>())
            .collect();
        let frames = chunks.last().unwrap().end_frame() - chunks[0].first_frame;
        let time = chunks.last().unwrap().at - chunks[0].at;
        let health = microphone.health();
        println!("{frames} frames in {time:?}, {health:?}");
        assert_eq!(samples.len() as u64, frames);
        assert_eq!(health.xruns, 0);
        let whole = time.as_secs_f64() * 48_000.0;
        assert!(
            (frames as f64 - whole).abs() < 1500.0,
            "{frames} of {whole}"
        );
        let jumps = (48..samples.len()).filter(|n| (samples[*n] - samples[*n - 48]).abs() > 0.01);
        assert_eq!(jumps.count(), 0);
        let longest = health.longest_gap_ms.unwrap().as_f64();
        assert!(longest < 200.0, "{longest}");
    });
}

#[test]
fn a_suspended_microphone_stalls_and_comes_back() {
    in_lab("a_suspended_microphone_stalls_and_comes_back", |lab| {
        let microphone = open("pulse:mic");
        wait_for(&microphone, Duration::from_secs(1), |s| {
            *s == StreamState::Running
        });
        lab.pactl(&["suspend-sink", "micfeed", "1"]);
        let took = wait_for(&microphone, Duration::from_millis(2000), |s| {
            *s == StreamState::Stalled
        });
        println!("stalled after {took:?}");
        lab.pactl(&["suspend-sink", "micfeed", "0"]);
        wait_for(&microphone, Duration::from_secs(3), |s| {
            *s == StreamState::Running
        });

        drop(microphone);
        lab.pactl(&["suspend-sink", "micfeed", "1"]);
        let microphone = open("pulse:mic");
        let took = wait_for(&microphone, Duration::from_millis(4500), |s| {
            *s == StreamState::Stalled
        });
        println!("stalled {took:?} after opening");
        let began = Instant::now();
        drop(microphone);
        assert!(began.elapsed() < Duration::from_millis(400));
    });
}

#[test]
fn a_server_that_hangs_holds_nobody_up() {
    in_lab("a_server_that_hangs_holds_nobody_up", |lab| {
        let audio = Audio::new();
        let device = audio.choose(DeviceKind::Microphone, None).unwrap();
        let microphone = audio.open_microphone(&device).unwrap();
        wait_for(&microphone, Duration::from_secs(1), |s| {
            *s == StreamState::Running
        });
        lab.signal_server("STOP");
        let took = wait_for(&microphone, Duration::from_millis(2000), |s| {
            *s == StreamState::Stalled
        });
        println!("stalled after {took:?}");
        for n in 0..8 {
            // More often than the server's queue of connections is long.
            let began = Instant::now();
            let listed = audio.list_microphones();
            assert!(
                matches!(listed, Err(DeviceError::Stalled { .. })),
                "{n}: {listed:?}"
            );
            assert!(
                began.elapsed() < Duration::from_millis(700),
                "{:?}",
                began.elapsed()
            );
        }
        let began = Instant::now();
        let opened = audio.open_microphone(&device);
        println!(
            "opening: {:?} after {:?}",
            opened.as_ref().err(),
            began.elapsed()
        );
        assert!(
            matches!(opened, Err(DeviceError::Stalled { .. })),
            "{opened:?}"
        );
        assert!(audio.mixer(&device).is_none());
        let began = Instant::now();
        drop(microphone);
        assert!(
            began.elapsed() < Duration::from_millis(400),
            "{:?}",
            began.elapsed()
        );
    });
}

#[test]
fn a_server_that_dies_takes_its_microphone_along() {
    in_lab("a_server_that_dies_takes_its_microphone_along", |lab| {
        let microphone = open("pulse:mic");
        wait_for(&microphone, Duration::from_secs(1), |s| {
            *s == StreamState::Running
        });
        lab.signal_server("KILL");
        let took = wait_for(&microphone, Duration::from_secs(1), is_vanished);
        println!("vanished after {took:?}");
    });
}

#[test]
fn a_source_that_is_unloaded_vanished_and_its_stream_goes_nowhere_else() {
    in_lab(
        "a_source_that_is_unloaded_vanished_and_its_stream_goes_nowhere_else",
        |lab| {
            let audio = Audio::new();
            let known = audio.list_microphones().unwrap();
            let mut watch = audio.watch(DeviceKind::Microphone, known.clone()).unwrap();
            assert_eq!(watch.next(Duration::from_millis(700)), None);
            let microphone = open("pulse:mic");
            wait_for(&microphone, Duration::from_secs(1), |s| {
                *s == StreamState::Running
            });
            lab.pactl(&["unload-module", "module-remap-source"]);
            let took = wait_for(&microphone, Duration::from_secs(1), is_vanished);
            println!("vanished after {took:?}");
            let change = watch.next(Duration::from_secs(1));
            assert_eq!(change, Some(DeviceChange::Removed(known[0].clone())));
            lab.pactl(&[
                "load-module",
                "module-remap-source",
                "source_name=mic",
                "master=micfeed.monitor",
            ]);
            let change = watch.next(Duration::from_secs(1));
            assert!(matches!(change, Some(DeviceChange::Added(_))), "{change:?}");
        },
    );
}

#[test]
fn a_chirp_comes_back_as_late_as_another_program_hears_it() {
    in_lab(
        "a_chirp_comes_back_as_late_as_another_program_hears_it",
        |lab| {
            let audio = Audio::new();
            let speaker = audio.choose(DeviceKind::Speaker, None).unwrap();
            let speaker = audio.open_speaker(&speaker).unwrap();
            let microphone = open("pulse:spk.monitor");
            let rate = microphone.format().rate();
            let reader = microphone.listen();
            let other = lab.record("spk.monitor");
            sleep(Duration::from_millis(500));
            let peak = Dbfs::new(-20.0).unwrap();
            let chirp = Chirp::new(rate, peak);
            let mut began = Vec::new();
            let mut ours = Track::new(rate);
            for _ in 0..3 {
                let sound = speaker
                    .play(Sound::new(rate, chirp.samples(), peak))
                    .unwrap();
                sleep(Duration::from_millis(1000));
                let played = speaker.played(sound).unwrap();
                assert!(played.has_ended);
                began.push(played);
                while let Some(chunk) = reader.try_next() {
                    ours.push(&chunk);
                }
            }
            assert_eq!(reader.lost(), 0);
            let theirs = Track::of(other, rate);
            let search = AcousticLoop::new(chirp).unwrap();
            let mut whole = 0;
            for played in began {
                let (ours, peak) = ours.delay(&search, played.handed_at);
                let (theirs, _) = theirs.delay(&search, played.handed_at);
                let out = (played.heard_at - played.handed_at).as_secs_f64() * 1e3;
                let (ours_ms, theirs_ms, gain) = (ours.delay_ms, theirs.delay_ms, ours.gain_db);
                println!(
                    "ours {ours_ms:.2} ms, theirs {theirs_ms:.2} ms, way out by the server {out:.2} ms; \
                 peak {peak:.2} dBFS, gain {gain:.2} dB"
                );
                assert!(peak < -19.99, "{peak}");
                let is_whole = gain.abs() < 0.2 && (peak + 20.0).abs() < 0.05;
                whole += usize::from(is_whole);
                assert!((ours_ms - theirs_ms).abs() < 1.0, "{ours_ms} {theirs_ms}");
            }
            // A busy machine may tear some; the report takes the median.
            assert!(whole >= 1, "{whole} of 3");
            println!(
                "{:?} {:?}",
                speaker.health(),
                speaker.first_callback_after()
            );
        },
    );
}
