//! A line for each device: what it is and what it does, or why it does nothing.

use super::words;
use crate::model::camera::{CameraSection, PictureSize};
use crate::model::device::Device;
use crate::model::microphone::MicrophoneSection;
use crate::model::outcome::{Outcome, ReasonCode};
use crate::model::report::Report;
use crate::model::speaker::{LoopResult, SpeakerSection};
use crate::units::display_in;

/// Camera, microphone and speaker; a device that the program did not know yet has no line.
pub(super) fn device_lines(report: &Report) -> Vec<(String, String)> {
    let lines = [
        ("camera", line(&report.camera, camera)),
        ("microphone", line(&report.microphone, microphone)),
        ("speaker", line(&report.speaker, speaker)),
    ];
    let known = lines.into_iter();
    let known = known.filter_map(|(name, line)| Some((name.to_owned(), line?)));
    known.collect()
}

fn line<T>(outcome: &Outcome<T>, works: fn(&T) -> String) -> Option<String> {
    Some(match outcome {
        _ if outcome.is_of_earlier_version() => return None,
        Outcome::Measured { data } => works(data),
        Outcome::Partial { data, reason } => format!("{}; {}", works(data), reason.message),
        Outcome::Blocked { reason } | Outcome::NotRun { reason }
            if reason.code == ReasonCode::NoDevice =>
        {
            "none on this machine".to_owned()
        }
        Outcome::Blocked { reason } => reason.message.clone(),
        Outcome::NotRun { reason } => format!("not checked: {}", reason.message),
    })
}

/// Its name; what a program makes is called so.
pub(super) fn name(device: &Device) -> String {
    let synthetic = if device.is_synthetic {
        " (made by this program)"
    } else {
        ""
    };
    format!("{}{synthetic}", words::printable(&device.name))
}

pub(super) fn size(size: PictureSize) -> String {
    format!("{}x{}", size.width, size.height)
}

fn camera(camera: &CameraSection) -> String {
    let name = name(&camera.device);
    let Some(resolution) = camera.resolution else {
        return format!("{name}, no picture");
    };
    let rate = camera.frame_rate.map_or(String::new(), |rate| {
        format!(" at {}", display_in("fps", rate.fps))
    });
    format!("{name}, {}{rate}", size(resolution))
}

fn microphone(microphone: &MicrophoneSection) -> String {
    let muted = microphone.mixer.is_some_and(|mixer| mixer.is_muted);
    let level = match (microphone.speech_level_dbfs, microphone.peak_dbfs) {
        _ if muted => "muted".to_owned(),
        _ if microphone.first_sample_ms.is_none() => "no sound".to_owned(),
        _ if microphone.is_digital_silence == Some(true) => "nothing but silence".to_owned(),
        (Some(voice), _) => format!("your voice at {voice}"),
        (None, Some(peak)) => format!("loudest sound at {peak}"),
        (None, None) => "no level known".to_owned(),
    };
    format!("{}, {level}", name(&microphone.device))
}

fn speaker(speaker: &SpeakerSection) -> String {
    let name = name(&speaker.device);
    let muted = speaker.mixer.is_some_and(|mixer| mixer.is_muted);
    let heard = speaker.acoustic_loop.as_ref().map(|heard| heard.result);
    let heard = match heard {
        _ if muted => "muted",
        _ if speaker.first_callback_ms.is_none() => "takes no sound",
        None => "plays, no microphone listened",
        Some(LoopResult::Heard { delay_ms, .. }) => {
            return format!("{name}, heard after {delay_ms}");
        }
        Some(LoopResult::NotHeard) => "not heard by the microphone",
        Some(LoopResult::Uncertain { .. }) => "plays, whether it is heard is uncertain",
    };
    format!("{name}, {heard}")
}
