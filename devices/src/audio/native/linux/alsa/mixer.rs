//! How a card's mixer stands.

use alsa::mixer::{Mixer, Selem, SelemChannelId};

use crate::audio::backend::MixerState;
use crate::device::DeviceKind;

/// Controls that a card may have, the one that acts on everything first.
const CAPTURE: [&str; 4] = ["Capture", "Mic", "Headset", "Input"];
const PLAYBACK: [&str; 5] = ["Master", "Speaker", "Headphone", "PCM", "Headset"];

/// Reads the controls that act on what is recorded, or on what is played: muted when any of those
/// that all sound passes is off, and as loud as the first that has a slider.
pub(super) fn read(control: &str, kind: DeviceKind) -> Option<MixerState> {
    let mixer = Mixer::new(control, true).ok()?;
    let is_capture = kind == DeviceKind::Microphone;
    let names: &[&str] = if is_capture { &CAPTURE } else { &PLAYBACK };
    let find = |wanted: &str| {
        let elements = mixer.iter().filter_map(Selem::new);
        let mut elements = elements.filter(|e| e.get_id().get_name().is_ok_and(|n| n == wanted));
        elements.next()
    };
    let elements = names.iter().filter_map(|name| find(name));
    let controls: Vec<Control> = elements
        .filter_map(|element| Control::read(&element, is_capture))
        .collect();
    combine(&controls)
}

/// One control.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Control {
    is_on: Option<bool>,
    volume: Option<f64>,
}

impl Control {
    fn read(element: &Selem<'_>, is_capture: bool) -> Option<Self> {
        let channels = || SelemChannelId::all().iter();
        let (is_on, volume) = if is_capture {
            let on = channels().filter_map(|c| element.get_capture_switch(*c).ok());
            let volumes = channels().filter_map(|c| element.get_capture_volume(*c).ok());
            (
                element.has_capture_switch().then(|| any_on(on)),
                element
                    .has_capture_volume()
                    .then(|| highest(volumes, element.get_capture_volume_range())),
            )
        } else {
            let on = channels().filter_map(|c| element.get_playback_switch(*c).ok());
            let volumes = channels().filter_map(|c| element.get_playback_volume(*c).ok());
            (
                element.has_playback_switch().then(|| any_on(on)),
                element
                    .has_playback_volume()
                    .then(|| highest(volumes, element.get_playback_volume_range())),
            )
        };
        let volume = volume.flatten();
        (is_on.is_some() || volume.is_some()).then_some(Self { is_on, volume })
    }
}

/// The first control is what all sound passes; the others may be of an outlet that is not used.
fn combine(controls: &[Control]) -> Option<MixerState> {
    let first = controls.first()?;
    Some(MixerState {
        is_muted: first.is_on == Some(false),
        volume: controls.iter().find_map(|control| control.volume),
        is_suspended: false,
    })
}

fn any_on(mut switches: impl Iterator<Item = i32>) -> bool {
    switches.any(|on| on != 0)
}

/// Place of the loudest channel between the ends of the slider.
fn highest(volumes: impl Iterator<Item = i64>, (least, most): (i64, i64)) -> Option<f64> {
    let highest = volumes.max()?;
    let span = most.checked_sub(least).filter(|span| *span > 0)?;
    Some((highest.saturating_sub(least)) as f64 / span as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slider_goes_from_its_lower_to_its_upper_end() {
        assert_eq!(highest([10, 20].into_iter(), (0, 40)), Some(0.5));
        assert_eq!(highest([-30].into_iter(), (-60, 0)), Some(0.5));
        assert_eq!(highest([].into_iter(), (0, 40)), None);
        assert_eq!(highest([0].into_iter(), (0, 0)), None);
    }

    #[test]
    fn only_the_first_control_mutes() {
        let on = Control {
            is_on: Some(true),
            volume: None,
        };
        let off = Control {
            is_on: Some(false),
            volume: Some(0.25),
        };
        assert_eq!(combine(&[]), None);
        assert!(!combine(&[on, off]).unwrap().is_muted);
        assert!(combine(&[off, on]).unwrap().is_muted);
        assert_eq!(combine(&[on, off]).unwrap().volume, Some(0.25));
    }
}
