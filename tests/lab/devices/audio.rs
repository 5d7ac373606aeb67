//! Sound cards give what they are said to, and fail as they are told.

use std::time::{Duration, Instant};

use greenroom_lab::vm::{MicrophoneFault, SoundLoop, UsbMicrophone};
use libtest_mimic::Trial;

use crate::recording::{Recording, frequency_hz, rms};
use crate::{machines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_tone_comes_back_through_the_sound_loop", tone),
        trial("the_sound_loop_is_silent_while_nobody_plays", silence),
        trial("the_clock_of_the_sound_loop_drifts", drift),
        trial("a_usb_microphone_hears_its_tone", usb),
        trial("a_usb_microphone_is_silent_or_stalls", usb_faults),
    ]
}

fn tone() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let _tone = card.play_tone(0.5).unwrap();
    let samples = Recording::start(&machine, "default", 2, 1).samples(2);
    assert_eq!(samples.len(), 48_000);
    let level = rms(&samples) * f64::sqrt(2.0);
    assert!((level - 0.5).abs() < 0.001, "amplitude {level}");
    let frequency = frequency_hz(&samples);
    assert!((frequency - 1000.0).abs() < 2.0, "{frequency} Hz");
}

fn silence() {
    let machine = machines::lend();
    let _card = SoundLoop::plug(&machine).unwrap();
    let began = Instant::now();
    let samples = Recording::start(&machine, "default", 2, 1).samples(2);
    assert!(began.elapsed() >= Duration::from_millis(950));
    assert!(samples.iter().all(|sample| *sample == 0.0));
}

/// The same sound, 2 s by the card's clock, from a clock that is too slow and one that is too fast.
fn drift() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let seconds = |millionths| {
        card.set_clock_ppm(millionths).unwrap();
        let began = Instant::now();
        let samples = Recording::start(&machine, "default", 2, 2).samples(2);
        assert_eq!(samples.len(), 96_000);
        began.elapsed().as_secs_f64()
    };
    // 2.35 s and 1.67 s, and each time what it takes to start the program.
    let (slow, fast) = (seconds(850_000), seconds(1_200_000));
    let difference = slow - fast;
    assert!((difference - 0.686).abs() < 0.15, "{slow} s and {fast} s");
}

fn usb() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, 0.25, MicrophoneFault::None).unwrap();
    let samples = Recording::start(&machine, "hw:Microphone", 1, 1).samples(1);
    assert_eq!(samples.len(), 48_000);
    let level = rms(&samples) * f64::sqrt(2.0);
    assert!((level - 0.25).abs() < 0.002, "amplitude {level}");
    let frequency = frequency_hz(&samples);
    assert!((frequency - 1000.0).abs() < 2.0, "{frequency} Hz");
}

fn usb_faults() {
    let machine = machines::lend();
    {
        let _silent = UsbMicrophone::plug(&machine, 0.5, MicrophoneFault::Silent).unwrap();
        let samples = Recording::start(&machine, "hw:Microphone", 1, 1).samples(1);
        assert!(samples.iter().all(|sample| *sample == 0.0));
    }
    let fault = MicrophoneFault::StallAfter(Duration::from_millis(500));
    let _stalls = UsbMicrophone::plug(&machine, 0.5, fault).unwrap();
    let output = Recording::start(&machine, "hw:Microphone", 1, 1).finish();
    assert_ne!(output.status, 0);
    assert!(
        output.stderr.contains("Input/output error"),
        "{}",
        output.stderr
    );
}
