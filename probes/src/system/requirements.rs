//! What the machine is fit for, before any call.

use greenroom_reports::model::system::{
    Display, DisplayServer, Memory, Requirement, Requirements, ScreenCapture,
};
use greenroom_reports::units::ByteCount;

use super::probe::{SystemConfig, read_facts};

/// Fewest usable cores for video: one encodes while another decodes and draws. On one core the two
/// take turns with the audio thread, and speech drops out when the picture moves. Raising it would
/// turn away small virtual machines that do work. Our engineering choice.
pub const MIN_VIDEO_CORES: u32 = 2;

/// Fewest usable cores for audio: an Opus encoder needs a few percent of one.
pub const MIN_AUDIO_CORES: u32 = 1;

/// Least available memory for video, 512 MiB: frames, encoder, decoders and window of a small
/// 720p group call, with some room before the system starts to swap. Raising it alarms on healthy
/// machines with 4 GB and a browser open. Our engineering choice.
pub const MIN_VIDEO_MEMORY: ByteCount = ByteCount::new(512 << 20);

/// Least available memory for audio, 128 MiB: the program, its buffers and some room. Our
/// engineering choice.
pub const MIN_AUDIO_MEMORY: ByteCount = ByteCount::new(128 << 20);

/// The facts that the requirements look at.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemFacts {
    /// Logical cores that this process may use.
    pub usable_cores: u32,
    /// Memory; `None` when the system does not tell.
    pub memory: Option<Memory>,
    /// Where windows are shown; `None` when no answer came in time.
    pub display: Option<Display>,
}

/// Reads the machine and says what it is fit for: video, audio, screen sharing.
///
/// It needs a Tokio runtime with time and I/O enabled, no network and no device, and takes at most
/// about half a second, usually a few milliseconds. What cannot be told counts as not met, and the
/// reason says so.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind but a read that ends by itself within that time.
pub async fn check_system_requirements() -> Requirements {
    judge_requirements(&read_facts(SystemConfig::default()).await)
}

/// Says what a machine with these facts is fit for, with the reason for each no.
pub fn judge_requirements(facts: &SystemFacts) -> Requirements {
    let mut screen = Vec::new();
    screen.extend(facts.display.as_ref().map_or_else(
        || Some("the display server did not answer in time".to_owned()),
        lacking_screen,
    ));
    Requirements {
        video: requirement(lacking_resources(facts, MIN_VIDEO_CORES, MIN_VIDEO_MEMORY)),
        audio: requirement(lacking_resources(facts, MIN_AUDIO_CORES, MIN_AUDIO_MEMORY)),
        screen: requirement(screen),
    }
}

fn requirement(reasons: Vec<String>) -> Requirement {
    Requirement {
        met: reasons.is_empty(),
        reasons,
    }
}

fn lacking_resources(facts: &SystemFacts, cores: u32, memory: ByteCount) -> Vec<String> {
    let mut reasons = Vec::new();
    if facts.usable_cores < cores {
        let usable = facts.usable_cores;
        reasons.push(format!("{usable} usable processor core, {cores} needed"));
    }
    match &facts.memory {
        None => reasons.push("the available memory is not known".to_owned()),
        Some(known) if known.available_bytes < memory => {
            let available = known.available_bytes;
            reasons.push(format!("{available} of memory available, {memory} needed"));
        }
        Some(_) => {}
    }
    reasons
}

fn lacking_screen(display: &Display) -> Option<String> {
    match &display.screen_capture {
        // Its reason says what became of the display server, too.
        ScreenCapture::Unavailable { reason } => Some(reason.clone()),
        _ if display.server == DisplayServer::None => Some("no display server answers".to_owned()),
        ScreenCapture::Unknown => {
            Some("whether the screen can be captured is not known".to_owned())
        }
        ScreenCapture::Available { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(cores: u32, available_mib: u64) -> SystemFacts {
        SystemFacts {
            usable_cores: cores,
            memory: Some(Memory {
                total_bytes: ByteCount::new(8 << 30),
                available_bytes: ByteCount::new(available_mib << 20),
            }),
            display: Some(Display {
                server: DisplayServer::X11,
                screen_capture: ScreenCapture::Available {
                    interface: "X11 root window".into(),
                },
            }),
        }
    }

    #[test]
    fn an_ordinary_machine_meets_everything() {
        let requirements = judge_requirements(&facts(2, 512));
        assert!(requirements.video.met && requirements.audio.met && requirements.screen.met);
        assert!(requirements.video.reasons.is_empty());
    }

    #[test]
    fn one_core_is_enough_for_audio_only() {
        let requirements = judge_requirements(&facts(1, 4096));
        assert!(!requirements.video.met && requirements.audio.met);
        assert_eq!(
            requirements.video.reasons,
            ["1 usable processor core, 2 needed"]
        );
    }

    #[test]
    fn little_memory_is_named_with_both_numbers() {
        let requirements = judge_requirements(&facts(4, 100));
        assert!(!requirements.video.met && !requirements.audio.met);
        assert_eq!(
            requirements.audio.reasons,
            ["104.9 MB of memory available, 134.2 MB needed"]
        );
    }

    #[test]
    fn what_is_not_known_is_not_met() {
        let mut facts = facts(4, 4096);
        facts.memory = None;
        facts.display = None;
        let requirements = judge_requirements(&facts);
        assert!(!requirements.video.met && !requirements.audio.met && !requirements.screen.met);
    }

    #[test]
    fn no_display_is_no_screen_sharing_with_its_reason() {
        let mut facts = facts(4, 4096);
        facts.display = Some(Display {
            server: DisplayServer::None,
            screen_capture: ScreenCapture::Unavailable {
                reason: "no display server answers: neither WAYLAND_DISPLAY nor DISPLAY is set"
                    .into(),
            },
        });
        let screen = judge_requirements(&facts).screen;
        assert!(!screen.met);
        assert_eq!(
            screen.reasons,
            ["no display server answers: neither WAYLAND_DISPLAY nor DISPLAY is set"]
        );
    }
}
