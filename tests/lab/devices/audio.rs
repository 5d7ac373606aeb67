//! Sound cards give what they are said to, and fail as they are told.

use std::time::{Duration, Instant};

use greenroom_lab::vm::{MicrophoneFault, SoundLoop, UsbMicrophone};
use libtest_mimic::Trial;

use crate::recording::{Recording, clock_hz, frequency_hz, rms};
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

/// Too slow, then too fast: as the driver counts, since the time that a program takes also has its start.
fn drift() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    for (millionths, expected_hz) in [(850_000, 40_800.0), (1_200_000, 57_600.0)] {
        card.set_clock_ppm(millionths).unwrap();
        let _recording = Recording::start(&machine, "default", 2, 10);
        let status = machine
            .run_ok(
                "cd /proc/asound/Loop/pcm1c/sub0
                until grep -q RUNNING status; do sleep 0.05; done
                sleep 1; cat /proc/uptime status",
            )
            .unwrap();
        let rate = clock_hz(&status);
        assert!(
            (rate / expected_hz - 1.0).abs() < 0.05,
            "{rate} Hz: {status}"
        );
    }
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
