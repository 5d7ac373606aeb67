//! What is wrong with a camera is named by the built program, first of all; a camera that is well is left in peace.

use greenroom_lab::vm::{Feed, FeedFault, FeedFormat, Loopback, TestPattern, UsbCamera, Vivid};
use libtest_mimic::Trial;

use crate::checked::{Checked, Checking, SLOW_PROCESSOR};
use crate::stream::Stream;
use crate::{machines, trial};

/// Lets a test driver's camera stop for 0.35 s and go on for as long, again and again. Its tool would take longer to begin
/// than that; this sets the control itself, by `VIDIOC_S_CTRL`.
const STOPS: &str = "id=$(v4l2-ctl -d /dev/video0 -l |
    sed -n 's/.*percentage_of_dropped_buffers \\(0x[0-9a-f]*\\).*/\\1/p')
    exec perl -MTime::HiRes=sleep -e '
    open my $camera, q(+<), q(/dev/video0) or die $!;
    my $set = sub { ioctl $camera, 0xC008561C, my $control = pack q(Ll), hex $ARGV[0], @_ or die $! };
    while (1) { $set->(100); sleep 0.35; $set->(0); sleep 0.35 }' $id";

/// What the test driver gives at 30 pictures a second is 640×360 at most, so this is true of it.
const SMALL: &str = "device.camera.low_resolution";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_usb_camera_that_is_well_raises_nothing", well),
        trial("one_damaged_picture_is_no_fault", hardly_damaged),
        trial("no_camera_is_named", none),
        trial("a_forbidden_camera_is_named", refused),
        trial("a_busy_camera_is_named_with_its_holder", busy),
        trial("a_camera_without_pictures_is_named", no_frames),
        trial("a_camera_that_does_not_start_is_named", failed),
        trial("a_camera_whose_stream_breaks_is_named", broken),
        trial("a_camera_in_an_exotic_format_is_named", exotic),
        trial("a_black_picture_is_named", black),
        trial("a_covered_lens_is_named", covered),
        trial("low_light_is_named", low_light),
        trial("a_frozen_picture_is_named", frozen),
        trial("a_camera_that_stops_is_named", stopped),
        trial("corrupt_pictures_are_named", corrupt),
        trial("a_camera_that_stops_and_goes_on_is_named", freezes),
        trial("a_slow_camera_is_named", slow),
        trial("a_small_picture_is_named", small),
        trial("a_camera_pulled_out_while_checked_is_named", pulled_out),
        trial("a_camera_disconnected_while_checked_is_named", disconnected),
    ]
}

fn well() {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let checked = Checked::run(&machine, "camera");
    assert_eq!(checked.all(), [SLOW_PROCESSOR]);
    let camera = checked.report.camera.data().unwrap();
    assert_eq!(camera.device.name, "Lab Camera");
    // The second node is none.
    assert_eq!(camera.cameras_found, 1);
    assert_eq!(camera.frames_corrupt, 0);
    let rate = camera.frame_rate.unwrap();
    eprintln!("told {:.2} frames a second of 30", rate.fps);
    assert!((rate.fps - 30.0).abs() <= 0.5, "{rate:?}");
}

fn hardly_damaged() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let checking = Checking::start(&machine, "camera").flowing();
    vivid.damage_next_frame().unwrap();
    let checked = checking.finish();
    checked.assert_named(&[SMALL]);
    assert_eq!(checked.report.camera.data().unwrap().frames_corrupt, 1);
}

fn none() {
    let machine = machines::lend();
    Checked::run(&machine, "camera").assert_named(&["device.camera.none"]);
}

fn refused() {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let checked = Checked::run_without_rights(&machine, "camera");
    checked.assert_named(&["device.camera.access_refused"]);
    checked.assert_evidence("device.camera.access_refused", "Lab Camera");
}

fn busy() {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let _stream = Stream::start(&machine, "MJPG", 1000).flowing();
    let checked = Checked::run(&machine, "camera");
    checked.assert_named(&["device.camera.busy"]);
    checked.assert_evidence("device.camera.busy", "v4l2-ctl uses it");
}

fn no_frames() {
    let machine = machines::lend();
    {
        let vivid = Vivid::plug(&machine, 1).unwrap();
        vivid.drop_frames(100).unwrap();
        Checked::run(&machine, "camera").assert_named(&["device.camera.no_frames"]);
    }
    let fault = FeedFault::StallAfter(0);
    let _camera = UsbCamera::plug(&machine, "Lab Camera", fault).unwrap();
    Checked::run(&machine, "camera").assert_named(&["device.camera.no_frames"]);
}

fn failed() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    vivid.refuse_next_start().unwrap();
    let checked = Checked::run(&machine, "camera");
    checked.assert_named(&["device.camera.failed"]);
    checked.assert_evidence("device.camera.failed", "cannot start vivid");
}

fn broken() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let checking = Checking::start(&machine, "camera").flowing();
    vivid.break_stream().unwrap();
    let checked = checking.finish();
    checked.assert_named(&["device.camera.failed", SMALL]);
}

/// Packed 4:2:2 with its colors exchanged, which no webcam offers alone.
fn exotic() {
    let machine = machines::lend();
    let feed = Feed {
        format: FeedFormat::Yvyu,
        ..Feed::default()
    };
    let _camera = Loopback::plug(&machine, feed).unwrap();
    let checked = Checked::run(&machine, "camera");
    checked.assert_named(&["device.camera.failed"]);
    checked.assert_evidence("device.camera.failed", "YVYU");
}

#[track_caller]
fn assert_usb(fault: FeedFault, ids: &[&str]) {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", fault).unwrap();
    Checked::run(&machine, "camera").assert_named(ids);
}

fn black() {
    assert_usb(FeedFault::Black, &["device.camera.black"]);
}

/// Noise, as of a sensor in the dark.
fn covered() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    vivid.show(TestPattern::Noise).unwrap();
    vivid.set("contrast", 4).unwrap();
    vivid.set("brightness", 173).unwrap();
    Checked::run(&machine, "camera").assert_named(&["device.camera.covered", SMALL]);
}

fn low_light() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    vivid.set("brightness", 65).unwrap();
    Checked::run(&machine, "camera").assert_named(&["device.camera.low_light", SMALL]);
}

fn frozen() {
    assert_usb(FeedFault::Frozen, &["device.camera.frozen"]);
}

fn stopped() {
    assert_usb(FeedFault::StallAfter(15), &["device.camera.frozen"]);
}

fn corrupt() {
    assert_usb(FeedFault::Truncated, &["device.camera.corrupt_frames"]);
}

/// Its driver drops everything for a while, again and again.
fn freezes() {
    let machine = machines::lend();
    let _vivid = Vivid::plug(&machine, 1).unwrap();
    let stops = machine.start(STOPS).unwrap();
    let checked = Checked::run(&machine, "camera");
    assert_eq!(stops.status().unwrap(), None, "{}", stops.stderr());
    let camera = checked.report.camera.data().unwrap();
    eprintln!("{:?} freezes, {:?}", camera.freezes, camera.frame_rate);
    checked.assert_first("device.camera.freezes", &[SMALL, SLOW_PROCESSOR]);
}

fn slow() {
    assert_usb(FeedFault::Slow, &["device.camera.low_frame_rate"]);
}

fn small() {
    let machine = machines::lend();
    let _camera = Loopback::plug(&machine, Feed::default()).unwrap();
    Checked::run(&machine, "camera").assert_named(&[SMALL]);
}

fn pulled_out() {
    let machine = machines::lend();
    let mut camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let checking = Checking::start(&machine, "camera").well_on_its_way();
    camera.unplug().unwrap();
    let checked = checking.finish();
    checked.assert_named(&["device.camera.vanished"]);
    checked.assert_evidence("device.camera.vanished", "Lab Camera went away");
}

fn disconnected() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let checking = Checking::start(&machine, "camera").flowing();
    vivid.disconnect().unwrap();
    checking
        .finish()
        .assert_named(&["device.camera.vanished", SMALL]);
}
