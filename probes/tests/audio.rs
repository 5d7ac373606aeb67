//! The probes of microphone and speaker against a real sound server.
#![cfg(all(target_os = "linux", feature = "devices"))]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test in real time, which prints what it measured"
)]

#[path = "../../devices/tests/pulse/mod.rs"]
mod pulse;

use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom_devices::selection::DeviceId;
use greenroom_probes::cancel::{Cancel, CancelCause};
use greenroom_probes::emit::Emitter;
use greenroom_probes::microphone::{self, MicrophoneConfig};
use greenroom_probes::speaker::{self, Listener, SpeakerConfig};
use greenroom_reports::model::microphone::MicrophoneSection;
use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::report::Mode;
use greenroom_reports::model::speaker::{LoopResult, SpeakerSection};
use greenroom_reports::units::Ratio;
use pulse::{Lab, Setup, in_lab, in_lab_with, tone};

/// Runs a probe, does something meanwhile, and tells how long it took.
fn run<T: Send + 'static>(
    probe: impl Future<Output = T> + Send + 'static,
    meanwhile: impl FnOnce(),
) -> (T, Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    let task = runtime.spawn(async move { (probe.await, Instant::now()) });
    meanwhile();
    let (outcome, ended) = runtime.block_on(task).unwrap();
    let took = ended - began;
    runtime.shutdown_timeout(Duration::from_secs(2));
    (outcome, took)
}

fn listen(
    config: MicrophoneConfig,
    cancel: Cancel,
    meanwhile: impl FnOnce(),
) -> (Outcome<MicrophoneSection>, Duration) {
    let (emitter, _events) = Emitter::new();
    let probe = async move { microphone::run(&config, &cancel, &emitter).await };
    run(probe, meanwhile)
}

fn sound(config: SpeakerConfig, meanwhile: impl FnOnce()) -> (Outcome<SpeakerSection>, Duration) {
    let (emitter, _events) = Emitter::new();
    let probe = async move { speaker::run(&config, &Cancel::new(), &emitter).await };
    run(probe, meanwhile)
}

fn measured<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Measured { data } => data,
        other => panic!("{other:?}"),
    }
}

/// What there is, when a device failed in this way.
fn partial<T: std::fmt::Debug>(outcome: Outcome<T>, code: ReasonCode) -> T {
    match outcome {
        Outcome::Partial { data, reason } if reason.code == code => data,
        other => panic!("{other:?}"),
    }
}

fn after(ms: u64, act: impl FnOnce()) -> impl FnOnce() {
    move || {
        sleep(Duration::from_millis(ms));
        act();
    }
}

#[test]
fn a_microphone_is_measured_and_a_muted_one_is_silent() {
    in_lab(
        "a_microphone_is_measured_and_a_muted_one_is_silent",
        |lab| {
            let _feed = lab.feed("micfeed", &tone(1000.0, 0.1, 30.0));
            sleep(Duration::from_millis(900));
            let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), || {});
            let section = measured(outcome);
            println!("{took:?} {}", serde_json::to_string(&section).unwrap());
            assert!(took < Duration::from_millis(2900), "{took:?}");
            assert!((section.rms_dbfs.unwrap().as_f64() + 23.01).abs() < 0.2);
            assert_eq!(section.is_digital_silence, Some(false));
            assert_eq!((section.microphones_found, section.stream.xruns), (1, 0));
            assert!(section.recorded_ms.as_f64() >= 2200.0);
            assert!(section.drift.unwrap().drift_ppm.abs() < 20_000.0);
            assert_eq!(section.speech_level_dbfs, None);
            assert_eq!(section.mixer.unwrap().volume_ratio, Some(Ratio::ONE));

            lab.pactl(&["set-source-mute", "mic", "1"]);
            let quick = MicrophoneConfig {
                mode: Mode::Quick,
                ..MicrophoneConfig::default()
            };
            let (outcome, took) = listen(quick, Cancel::new(), || {});
            let section = measured(outcome);
            assert!(took < Duration::from_millis(1900), "{took:?}");
            assert_eq!(section.is_digital_silence, Some(true));
            assert!(section.mixer.unwrap().is_muted);
        },
    );
}

#[test]
fn a_microphone_that_is_gone_is_replaced_visibly_and_none_is_blocked() {
    let test = "a_microphone_that_is_gone_is_replaced_visibly_and_none_is_blocked";
    in_lab(test, |lab| {
        let gone = MicrophoneConfig {
            mode: Mode::Quick,
            selection: Some(DeviceId::new("pulse:gone")),
            ..MicrophoneConfig::default()
        };
        let (outcome, _) = listen(gone, Cancel::new(), || {});
        let section = measured(outcome);
        assert_eq!(section.device.id.as_str(), "pulse:mic");
        assert!(section.device.fallback.unwrap().contains("pulse:gone"));
        lab.pactl(&["unload-module", "module-remap-source"]);
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), || {});
        let Outcome::Blocked { reason } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(reason.code, ReasonCode::NoDevice);
        assert!(took < Duration::from_millis(500), "{took:?}");
    });
}

#[test]
fn a_microphone_vanishes_stalls_or_is_cancelled_with_what_there_is() {
    let test = "a_microphone_vanishes_stalls_or_is_cancelled_with_what_there_is";
    in_lab(test, |lab| {
        let cancel = Cancel::new();
        let by_user = cancel.clone();
        let (outcome, took) = listen(
            MicrophoneConfig::default(),
            cancel,
            after(800, move || by_user.cancel(CancelCause::User)),
        );
        let section = partial(outcome, ReasonCode::Cancelled);
        assert!(took < Duration::from_millis(1050), "{took:?}");
        assert!(section.recorded_ms.as_f64() > 300.0);

        let suspend = after(500, || drop(lab.pactl(&["suspend-sink", "micfeed", "1"])));
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), suspend);
        let section = partial(outcome, ReasonCode::DeviceStalled);
        println!("stalled after {took:?}");
        assert!(took < Duration::from_millis(2500), "{took:?}");
        assert!(section.recorded_ms.as_f64() > 100.0);
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), || {});
        let section = partial(outcome, ReasonCode::DeviceStalled);
        // The first samples of a device that is well may take four seconds.
        assert!(took < Duration::from_millis(4500), "{took:?}");
        assert_eq!((section.first_sample_ms, section.peak_dbfs), (None, None));

        lab.pactl(&["suspend-sink", "micfeed", "0"]);
        let unload = after(600, || {
            drop(lab.pactl(&["unload-module", "module-remap-source"]));
        });
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), unload);
        partial(outcome, ReasonCode::DeviceVanished);
        assert!(took < Duration::from_millis(1200), "{took:?}");
    });
}

#[test]
fn a_server_that_hangs_is_told_in_time() {
    in_lab("a_server_that_hangs_is_told_in_time", |lab| {
        let stop = after(500, || lab.signal_server("STOP"));
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), stop);
        partial(outcome, ReasonCode::DeviceStalled);
        assert!(took < Duration::from_millis(2500), "{took:?}");
        let (outcome, took) = listen(MicrophoneConfig::default(), Cancel::new(), || {});
        let Outcome::Blocked { reason } = outcome else {
            panic!("{outcome:?}");
        };
        println!("{} after {took:?}", reason.message);
        assert_eq!(reason.code, ReasonCode::DeviceStalled);
        assert!(took < Duration::from_millis(800), "{took:?}");
        let (outcome, took) = sound(SpeakerConfig::default(), || {});
        assert!(matches!(outcome, Outcome::Blocked { .. }), "{outcome:?}");
        assert!(took < Duration::from_millis(1500), "{took:?}");
    });
}

/// A speaker whose sound comes back into the microphone through this lab's own wire.
fn wired(lab: &Lab) {
    lab.pactl(&[
        "load-module",
        "module-remap-source",
        "source_name=ear",
        "master=spk.monitor",
    ]);
}

fn heard_by(id: &str, mode: Mode) -> SpeakerConfig {
    SpeakerConfig {
        mode,
        listener: Listener::Chosen(DeviceId::new(id)),
        ..SpeakerConfig::default()
    }
}

#[test]
fn a_speaker_is_heard_or_not() {
    in_lab("a_speaker_is_heard_or_not", |lab| {
        wired(lab);
        for (mode, shots, longest) in [(Mode::Full, 3, 3300), (Mode::Quick, 1, 1800)] {
            let (outcome, took) = sound(heard_by("pulse:ear", mode), || {});
            let section = measured(outcome);
            println!("{took:?} {}", serde_json::to_string(&section).unwrap());
            assert!(took < Duration::from_millis(longest), "{took:?}");
            assert!((section.played_peak_dbfs.unwrap().as_f64() + 20.0).abs() < 1e-9);
            assert_eq!(section.speakers_found, 2);
            let heard = section.acoustic_loop.unwrap();
            assert_eq!(heard.shots, shots);
            let LoopResult::Heard {
                delay_ms, gain_db, ..
            } = heard.result
            else {
                panic!("{heard:?}");
            };
            assert!((5.0..200.0).contains(&delay_ms.as_f64()), "{delay_ms}");
            assert!(gain_db.abs() < 1.0, "{gain_db}");
        }
        // The lab's microphone does not hear the speaker.
        let (outcome, took) = sound(heard_by("pulse:mic", Mode::Full), || {});
        let section = measured(outcome);
        println!("not heard: {took:?}");
        assert_eq!(section.acoustic_loop.unwrap().result, LoopResult::NotHeard);
        assert!(took < Duration::from_millis(4700), "{took:?}");

        lab.pactl(&["set-sink-mute", "spk", "1"]);
        lab.pactl(&["set-sink-volume", "spk", "25%"]);
        let (outcome, _) = sound(heard_by("pulse:ear", Mode::Quick), || {});
        let mixer = measured(outcome).mixer.unwrap();
        assert!(mixer.is_muted);
        assert!((mixer.volume_ratio.unwrap().as_f64() - 0.25).abs() < 0.001);
    });
}

#[test]
fn a_speaker_vanishes_stalls_or_has_no_listener() {
    in_lab("a_speaker_vanishes_stalls_or_has_no_listener", |lab| {
        let alone = SpeakerConfig {
            listener: Listener::Nobody,
            ..SpeakerConfig::default()
        };
        let (outcome, took) = sound(alone.clone(), || {});
        let section = measured(outcome);
        assert!(section.played_peak_dbfs.is_some() && section.acoustic_loop.is_none());
        assert!(took < Duration::from_millis(1500), "{took:?}");

        lab.pactl(&["suspend-sink", "spk", "1"]);
        let (outcome, took) = sound(alone, || {});
        println!("stalled after {took:?}");
        let section = partial(outcome, ReasonCode::DeviceStalled);
        assert!(took < Duration::from_millis(2500), "{took:?}");
        assert_eq!(section.acoustic_loop, None);
        lab.pactl(&["suspend-sink", "spk", "0"]);

        let unload = after(700, || {
            drop(lab.pactl(&["unload-module", "module-null-sink"]));
        });
        let (outcome, _) = sound(heard_by("pulse:mic", Mode::Full), unload);
        partial(outcome, ReasonCode::DeviceVanished);
    });
}

#[test]
fn a_server_without_speakers_is_told() {
    let setup = Setup { has_devices: false };
    in_lab_with("a_server_without_speakers_is_told", setup, |_| {
        let (outcome, _) = sound(SpeakerConfig::default(), || {});
        let Outcome::Blocked { reason } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(reason.code, ReasonCode::NoDevice);
    });
}

#[test]
fn the_synthetic_pair_is_a_loop_of_known_delay_without_any_server() {
    let speaker = SpeakerConfig {
        selection: Some(DeviceId::new("synthetic:speaker")),
        listener: Listener::Chosen(DeviceId::new("synthetic:microphone")),
        mode: Mode::Full,
        ..SpeakerConfig::default()
    };
    let (outcome, _) = sound(speaker, || {});
    let section = measured(outcome);
    assert!(section.device.is_synthetic);
    let heard = section.acoustic_loop.unwrap();
    println!("{heard:?}");
    let LoopResult::Heard {
        delay_ms, gain_db, ..
    } = heard.result
    else {
        panic!("{heard:?}");
    };
    assert!((delay_ms.as_f64() - 30.0).abs() < 2.0, "{delay_ms}");
    assert!((gain_db + 20.0).abs() < 3.0, "{gain_db}");
}
