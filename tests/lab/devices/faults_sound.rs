//! What is wrong with a microphone is named by the built program, first of all; one that is well is left in peace.

use std::time::Duration;

use greenroom_lab::vm::{MicrophoneFault, SoundLoop, UsbMicrophone};
use libtest_mimic::Trial;

use crate::checked::{Checked, Checking};
use crate::recording::Recording;
use crate::{machines, trial};

/// Amplitude of a tone that is as loud as a quiet room: one that goes on is noise.
const ROOM: f64 = 0.003;

/// By its name: the default one is behind a plugin that shares it among programs, for which an emulated processor takes
/// a second.
const USB: &str = "microphone --microphone lab";

/// Takes the processor for 0.2 s of each 0.45 s, before everything but the kernel. The largest buffer
/// holds 171 ms.
const HOG: &str = "chrt -f 90 perl -MTime::HiRes=time,sleep -e \
    'while (1) { my $until = time + 0.2; 1 while time < $until; sleep 0.25 }'";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_sound_loop_with_a_tone_raises_nothing", well_loop),
        trial("a_usb_microphone_that_is_well_raises_nothing", well_usb),
        trial(
            "a_default_microphone_that_is_slow_to_begin_raises_nothing",
            well_default,
        ),
        trial("no_microphone_is_named", none),
        trial("a_forbidden_microphone_is_named", refused),
        trial("a_busy_microphone_is_named_with_its_holder", busy),
        trial("a_silent_usb_microphone_is_named", silent_usb),
        trial("a_silent_sound_loop_is_named", silent_loop),
        trial("a_usb_microphone_that_stalls_is_named", stalled),
        trial(
            "a_usb_microphone_pulled_out_while_checked_is_named",
            pulled_out,
        ),
        trial(
            "a_sound_loop_pulled_out_while_checked_is_named",
            loop_pulled_out,
        ),
        trial("a_wrong_sample_rate_is_named", wrong_rate),
        trial("an_xrun_storm_is_named", xrun_storm),
    ]
}

fn well_loop() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let _tone = card.play_tone(ROOM).unwrap();
    Checked::run(&machine, "microphone").assert_named(&[]);
}

fn well_usb() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::None).unwrap();
    Checked::run(&machine, USB).assert_named(&[]);
}

/// Through the plugin that shares it among programs.
fn well_default() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::None).unwrap();
    let checked = Checked::run(&machine, "microphone");
    checked.assert_named(&[]);
    let heard = checked.report.microphone.data();
    eprintln!("first samples: {:?}", heard.map(|m| m.first_sample_ms));
}

fn none() {
    let machine = machines::lend();
    Checked::run(&machine, "microphone").assert_named(&["device.microphone.none"]);
}

fn refused() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::None).unwrap();
    let checked = Checked::run_without_rights(&machine, "microphone");
    checked.assert_named(&["device.microphone.access_refused"]);
    checked.assert_evidence("device.microphone.access_refused", "Lab Microphone");
}

fn busy() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::None).unwrap();
    let _recording = Recording::start(&machine, "hw:Microphone", 1, 30).flowing();
    let checked = Checked::run(&machine, "microphone");
    checked.assert_named(&["device.microphone.busy"]);
    checked.assert_evidence("device.microphone.busy", "arecord uses it");
}

fn silent_usb() {
    let machine = machines::lend();
    let _microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::Silent).unwrap();
    Checked::run(&machine, USB).assert_named(&["device.microphone.digital_silence"]);
}

fn silent_loop() {
    let machine = machines::lend();
    let _card = SoundLoop::plug(&machine).unwrap();
    Checked::run(&machine, "microphone").assert_named(&["device.microphone.digital_silence"]);
}

fn stalled() {
    let machine = machines::lend();
    let fault = MicrophoneFault::StallAfter(Duration::from_millis(2000));
    let _microphone = UsbMicrophone::plug(&machine, ROOM, fault).unwrap();
    let checked = Checked::run(&machine, USB);
    checked.assert_named(&["device.microphone.stalled"]);
    let heard = checked.report.microphone.data();
    assert!(
        heard.is_some_and(|m| m.recorded_ms.as_f64() > 0.0),
        "{heard:?}"
    );
}

fn pulled_out() {
    let machine = machines::lend();
    let mut microphone = UsbMicrophone::plug(&machine, ROOM, MicrophoneFault::None).unwrap();
    let checking = Checking::start(&machine, USB).flowing();
    microphone.unplug().unwrap();
    checking
        .finish()
        .assert_named(&["device.microphone.vanished"]);
}

fn loop_pulled_out() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let _tone = card.play_tone(ROOM).unwrap();
    let checking = Checking::start(&machine, "microphone").flowing();
    card.unplug().unwrap();
    checking
        .finish()
        .assert_named(&["device.microphone.vanished"]);
}

/// 52,224 samples a second that are said to be 48,000 are 88,000 ppm too many.
fn wrong_rate() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let _tone = card.play_tone(ROOM).unwrap();
    card.set_clock_ppm(1_088_000).unwrap();
    Checked::run(&machine, "microphone").assert_named(&["device.microphone.drift"]);
}

/// A program of higher priority takes the processor, again and again, for longer than the largest buffer lasts.
fn xrun_storm() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let _tone = card.play_tone(ROOM).unwrap();
    let lost = |checked: &Checked| {
        let stream = checked.report.microphone.data().unwrap().stream;
        eprintln!("{stream:?}");
        stream.xruns as f64 / stream.callbacks as f64
    };
    let calm = Checked::run(&machine, "microphone");
    let checking = Checking::start(&machine, "microphone").flowing();
    let _hog = machine.start(HOG).unwrap();
    let starved = checking.finish();
    starved.assert_first("device.microphone.xruns", &[]);
    // An emulated processor loses some in any case.
    assert!(lost(&starved) > lost(&calm));
}
