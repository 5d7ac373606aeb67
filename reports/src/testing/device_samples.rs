//! Synthetic sections of cameras, microphones and speakers: healthy, to be broken by tests.

use crate::model::camera::{
    CameraMode, CameraSection, EncodeHeadroom, FrameRateEstimate, PictureSection, PictureSize,
};
use crate::model::device::{Device, Mixer, StreamHealth};
use crate::model::microphone::{ClockDrift, MicrophoneSection};
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::sensitive::Sensitive;
use crate::model::speaker::{AcousticLoop, LoopResult, SpeakerSection};
use crate::units::{Dbfs, Millis, Ratio};
use crate::verdict::assemble::Run;

/// A picture's size.
pub fn size(width: u32, height: u32) -> PictureSize {
    PictureSize { width, height }
}

fn mode(width: u32, height: u32, fps: u32, pixel_format: &str) -> CameraMode {
    CameraMode {
        size: size(width, height),
        millifps: fps * 1000,
        pixel_format: pixel_format.to_owned(),
    }
}

/// A device that is real.
pub fn device(id: &str, name: &str, backend: &str) -> Device {
    Device {
        id: Sensitive::new(id),
        name: name.to_owned(),
        backend: backend.to_owned(),
        is_default: true,
        is_synthetic: false,
        fallback: None,
    }
}

/// A good webcam in good light.
pub fn camera() -> CameraSection {
    CameraSection {
        device: device("usb-046d:082d-1A2B3C4D", "HD Pro Webcam C920", "v4l2"),
        cameras_found: 1,
        requested: mode(1280, 720, 30, "MJPG"),
        negotiated: Some(mode(1280, 720, 30, "MJPG")),
        modes: vec![
            mode(1920, 1080, 30, "MJPG"),
            mode(1920, 1080, 5, "YUYV"),
            mode(1280, 720, 30, "MJPG"),
            mode(640, 480, 30, "YUYV"),
        ],
        first_frame_ms: Some(ms(412.0)),
        watched_ms: ms(2_000.0),
        frames: 61,
        frames_dropped: Some(0),
        frames_corrupt: 0,
        resolution: Some(size(1280, 720)),
        frame_rate: Some(rate(29.97, 0.06)),
        frame_interval_p95_ms: Some(ms(34.1)),
        frame_interval_jitter_ms: Some(ms(0.4)),
        freezes: Some(0),
        unique_ratio: Some(Ratio::ONE),
        picture: Some(PictureSection {
            pictures: 60,
            mean_luma: Some(118.0),
            p95_luma: Some(204.0),
            noise: Some(1.6),
            sharpness: Some(0.27),
            is_black: Some(false),
            is_covered: Some(false),
            is_frozen: Some(false),
            is_low_light: Some(false),
            is_blurred: Some(false),
        }),
        encoding: Some(encoding(214.0)),
    }
}

/// A frame rate with half of its interval.
pub fn rate(fps: f64, half: f64) -> FrameRateEstimate {
    FrameRateEstimate {
        fps,
        low_fps: fps - half,
        high_fps: fps + half,
    }
}

/// A processor core that encodes so many frames of 720p a second.
pub fn encoding(fps: f64) -> EncodeHeadroom {
    EncodeHeadroom {
        codec: "VP8".to_owned(),
        size: size(1280, 720),
        frames: 30,
        cpu_per_frame_ms: ms(1000.0 / fps),
        fps,
    }
}

/// A good microphone in a quiet room, with a person who spoke.
pub fn microphone() -> MicrophoneSection {
    MicrophoneSection {
        device: device(
            "alsa_input.usb-Blue_Yeti_REV8-00",
            "Yeti Stereo Microphone",
            "pulseaudio",
        ),
        microphones_found: 2,
        sample_rate_hz: 48_000,
        channels: 2,
        mixer: Some(on(0.74)),
        first_sample_ms: Some(ms(38.0)),
        recorded_ms: ms(3_000.0),
        stream: healthy_stream(300),
        asked_to_speak: true,
        peak_dbfs: Dbfs::new(-7.4),
        rms_dbfs: Dbfs::new(-29.1),
        speech_level_dbfs: Dbfs::new(-24.6),
        loudness_lufs: Some(-25.3),
        noise_floor_dbfs: Dbfs::new(-63.8),
        level_range_db: None,
        snr_db: Some(39.2),
        is_digital_silence: Some(false),
        clipped_runs: 0,
        clipped_ratio: Some(Ratio::ZERO),
        ceiling_dbfs: None,
        dc_offset: Some(0.0004),
        hum: None,
        roll_off_hz: Some(3_900.0),
        is_narrow_band: Some(false),
        dead_channels: Vec::new(),
        drift: Some(ClockDrift {
            drift_ppm: 21.0,
            low_ppm: -40.0,
            high_ppm: 82.0,
        }),
    }
}

/// The same room without a person who was asked to speak.
pub fn unasked_microphone() -> MicrophoneSection {
    MicrophoneSection {
        asked_to_speak: false,
        speech_level_dbfs: None,
        loudness_lufs: None,
        snr_db: None,
        peak_dbfs: Dbfs::new(-51.0),
        rms_dbfs: Dbfs::new(-63.0),
        roll_off_hz: None,
        ..microphone()
    }
}

/// Speakers that the microphone hears at an arm's length.
pub fn speaker() -> SpeakerSection {
    SpeakerSection {
        device: device(
            "alsa_output.pci-0000_00_1f.3.analog-stereo",
            "Built-in Audio Analog Stereo",
            "pulseaudio",
        ),
        speakers_found: 1,
        sample_rate_hz: 48_000,
        channels: 2,
        mixer: Some(on(0.6)),
        played_peak_dbfs: Dbfs::new(-12.0),
        stream: healthy_stream(260),
        first_callback_ms: Some(ms(21.0)),
        acoustic_loop: Some(AcousticLoop {
            microphone: microphone().device,
            shots: 3,
            result: heard(46.0, 24.0),
        }),
    }
}

/// The test sound came back after this delay, this much weaker.
pub fn heard(delay_ms: f64, echo_return_loss_db: f64) -> LoopResult {
    LoopResult::Heard {
        delay_ms: ms(delay_ms),
        spread_ms: ms(0.6),
        gain_db: -echo_return_loss_db,
        echo_return_loss_db,
        snr_db: Some(18.0),
        confidence: Ratio::new(0.7).unwrap_or_default(),
    }
}

fn on(volume: f64) -> Mixer {
    Mixer {
        is_muted: false,
        volume_ratio: Ratio::new(volume),
    }
}

fn healthy_stream(callbacks: u64) -> StreamHealth {
    StreamHealth {
        xruns: 0,
        longest_gap_ms: Some(ms(11.2)),
        callbacks,
    }
}

/// The program that ran did not look at devices yet.
#[must_use]
pub fn before_devices(run: Run) -> Run {
    Run {
        camera: Outcome::earlier_version(),
        microphone: Outcome::earlier_version(),
        speaker: Outcome::earlier_version(),
        ..run
    }
}

/// None of the devices is looked at, for this reason.
#[must_use]
pub fn without_devices(run: Run, code: ReasonCode, message: &str) -> Run {
    Run {
        camera: Outcome::not_run(code, message),
        microphone: Outcome::not_run(code, message),
        speaker: Outcome::not_run(code, message),
        ..run
    }
}

/// This device gives nothing, for this reason.
pub fn blocked<T>(code: ReasonCode, message: &str) -> Outcome<T> {
    Outcome::Blocked {
        reason: Reason::new(code, message),
    }
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap_or_default()
}
