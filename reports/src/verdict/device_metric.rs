//! How figures of cameras and microphones are read.

use super::metric::{Measured, Reading};
use crate::model::camera::CameraSection;
use crate::model::microphone::MicrophoneSection;

/// Frames a second that the thresholds are made for, in thousandths.
const ASKED_MILLIFPS: u32 = 30_000;

/// Frames a second by capture timestamps.
///
/// Not applicable where fewer than 30 were asked for: the edges are those of a camera that was
/// asked for 30.
pub(super) fn camera_fps(camera: &CameraSection) -> Reading {
    let asked = camera.requested.millifps;
    let Some(rate) = camera.frame_rate else {
        return Reading::Unknown("too few frames for a rate".to_owned());
    };
    if asked < ASKED_MILLIFPS {
        let asked = f64::from(asked) / 1000.0;
        return Reading::NotApplicable(format!("only {asked} frames a second were asked for"));
    }
    Reading::Known(Measured {
        value: rate.fps,
        interval: Some([rate.low_fps, rate.high_fps]),
        samples: Some(camera.frames),
        exact: false,
        at_least: false,
    })
}

/// Active speech level. Where nobody was asked to speak there is nothing to judge, so that a run
/// without a person is not undetermined.
pub(super) fn speech_level(microphone: &MicrophoneSection) -> Reading {
    match microphone.speech_level_dbfs {
        _ if !microphone.asked_to_speak => {
            Reading::NotApplicable("nobody was asked to speak".to_owned())
        }
        None => Reading::Unknown("no voice was heard".to_owned()),
        Some(level) => Reading::Known(Measured {
            value: level.as_f64(),
            interval: None,
            samples: None,
            exact: true,
            at_least: false,
        }),
    }
}
