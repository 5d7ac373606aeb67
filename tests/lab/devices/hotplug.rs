//! Devices that are pulled out, taken or forbidden.

use greenroom_lab::vm::{FeedFault, MicrophoneFault, SoundLoop, UsbCamera, UsbMicrophone, Vivid};
use libtest_mimic::Trial;

use crate::recording::Recording;
use crate::stream::Stream;
use crate::{machines, trial};

const GONE: &str = "No such device";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("vivid_is_pulled_out_and_put_back", vivid),
        trial("vivid_disconnects_while_it_streams", disconnect),
        trial("a_usb_camera_is_pulled_out_while_it_streams", usb_camera),
        trial("the_sound_loop_is_pulled_out_while_it_records", sound_loop),
        trial(
            "a_usb_microphone_is_pulled_out_while_it_records",
            usb_microphone,
        ),
        trial("a_camera_is_taken_or_forbidden", taken),
    ]
}

fn vivid() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let stream = Stream::start(&machine, "YUYV", 1000).flowing();
    vivid.unplug().unwrap();
    stream.assert_cut_short();
    vivid.replug().unwrap();
    assert_eq!(Stream::start(&machine, "YUYV", 2).frames().len(), 2);
}

fn disconnect() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let stream = Stream::start(&machine, "YUYV", 1000).flowing();
    vivid.disconnect().unwrap();
    stream.assert_cut_short();
    assert_eq!(Stream::start(&machine, "YUYV", 2).frames().len(), 2);
}

fn usb_camera() {
    let machine = machines::lend();
    let mut camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let stream = Stream::start(&machine, "MJPG", 1000).flowing();
    camera.unplug().unwrap();
    stream.assert_cut_short();
    let left = machine.run("ls /dev/video*").unwrap();
    assert_eq!(left.stdout, "");
}

fn sound_loop() {
    let machine = machines::lend();
    let card = SoundLoop::plug(&machine).unwrap();
    let recording = Recording::start(&machine, "default", 2, 10).flowing();
    card.unplug().unwrap();
    let output = recording.finish();
    assert!(output.stderr.contains(GONE), "{}", output.stderr);
}

fn usb_microphone() {
    let machine = machines::lend();
    let mut microphone = UsbMicrophone::plug(&machine, 0.5, MicrophoneFault::None).unwrap();
    let recording = Recording::start(&machine, "hw:Microphone", 1, 10).flowing();
    microphone.unplug().unwrap();
    let output = recording.finish();
    assert_ne!(output.status, 0, "{}", output.stderr);
}

fn taken() {
    let machine = machines::lend();
    let _vivid = Vivid::plug(&machine, 1).unwrap();
    let stream = Stream::start(&machine, "YUYV", 1000).flowing();
    let second = machine
        .run("v4l2-ctl -d /dev/video0 --stream-mmap=4 --stream-count=1")
        .unwrap();
    assert!(second.stderr.contains("resource busy"), "{}", second.stderr);
    drop(stream);
    let other = machine
        .run("setpriv --reuid=65534 --regid=65534 --clear-groups v4l2-ctl -d /dev/video0 --all")
        .unwrap();
    assert!(
        other.stderr.contains("Permission denied"),
        "{}",
        other.stderr
    );
}
