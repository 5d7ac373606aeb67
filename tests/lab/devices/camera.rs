//! Cameras give what they are said to, and fail as they are told.

use greenroom_lab::vm::{Feed, FeedFault, FeedFormat, Loopback, TestPattern, UsbCamera, Vivid};
use libtest_mimic::Trial;

use crate::stream::{Frame, Stream, frame_rate};
use crate::{machines, trial};

/// Bytes of 640×480 in packed 4:2:2.
const YUYV_BYTES: usize = 640 * 480 * 2;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("vivid_gives_25_pictures_a_second", vivid),
        trial("vivid_is_black_and_still_on_demand", black_and_still),
        trial("vivid_stops_without_a_word", starved),
        trial("vivid_damages_a_picture_and_breaks_a_stream", damaged),
        trial("vivid_refuses_to_start", refused),
        trial("twenty_cameras_are_plugged", twenty),
        trial("a_loopback_camera_gives_jpeg", loopback),
        trial("a_loopback_camera_spoils_its_pictures", spoiled),
        trial("a_usb_camera_gives_jpeg_and_raw_pictures", usb),
        trial("a_usb_camera_is_slow_or_stalls", usb_faults),
    ]
}

#[track_caller]
fn assert_rate(frames: &[Frame], expected: f64) {
    let rate = frame_rate(frames);
    assert!((rate / expected - 1.0).abs() < 0.02, "{rate} a second");
}

fn vivid() {
    let machine = machines::lend();
    let _vivid = Vivid::plug(&machine, 1).unwrap();
    let frames = Stream::start(&machine, "YUYV", 50).frames();
    assert_eq!(frames.len(), 50);
    assert!(frames.iter().all(|frame| frame.n_bytes == YUYV_BYTES));
    assert_rate(&frames, 25.0);
}

fn black_and_still() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let moving = Stream::start(&machine, "YUYV", 3).digests(YUYV_BYTES, 3);
    assert_ne!(moving[0], moving[2]);
    vivid.freeze().unwrap();
    let still = Stream::start(&machine, "YUYV", 3).digests(YUYV_BYTES, 3);
    assert_eq!(still[0], still[2]);
    vivid.show(TestPattern::Black).unwrap();
    Stream::start(&machine, "YUYV", 1).frames();
    let distinct = machine
        .run_ok("od -An -v -tu1 -w2 /run/pictures | sort -u")
        .unwrap();
    assert_eq!(
        distinct.split_whitespace().collect::<Vec<_>>(),
        ["16", "128"]
    );
}

fn starved() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let stream = Stream::start(&machine, "YUYV", 1000).flowing();
    vivid.drop_frames(100).unwrap();
    stream.assert_stalls();
}

fn damaged() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    let stream = Stream::start(&machine, "YUYV", 1000).flowing();
    vivid.damage_next_frame().unwrap();
    stream.wait_for_damage();
    vivid.break_stream().unwrap();
    let frames = stream.assert_cut_short();
    let n_damaged = frames.iter().filter(|frame| frame.is_damaged).count();
    assert_eq!(n_damaged, 1);
}

fn refused() {
    let machine = machines::lend();
    let vivid = Vivid::plug(&machine, 1).unwrap();
    vivid.refuse_next_start().unwrap();
    let (frames, output) = Stream::start(&machine, "YUYV", 1).finish();
    assert_eq!(frames, []);
    assert!(
        output.stderr.contains("VIDIOC_STREAMON"),
        "{}",
        output.stderr
    );
    assert_eq!(Stream::start(&machine, "YUYV", 1).frames().len(), 1);
}

fn twenty() {
    let machine = machines::lend();
    let _vivid = Vivid::plug(&machine, 20).unwrap();
    let listed = machine.run_ok("ls /dev/video* | wc -l").unwrap();
    assert_eq!(listed.trim(), "20");
}

fn loopback() {
    let machine = machines::lend();
    let _camera = Loopback::plug(&machine, Feed::default()).unwrap();
    let frames = Stream::start(&machine, "MJPG", 40).frames();
    // A new reader first gets what is in the queue.
    assert_rate(&frames[20..], 30.0);
    let sizes = frames[1..].iter().map(|frame| frame.n_bytes);
    assert!(
        sizes.clone().all(|n| (6_000..7_000).contains(&n)),
        "{:?}",
        sizes.collect::<Vec<_>>()
    );
}

/// Cut pictures, the same one for good, then none any more.
fn spoiled() {
    let machine = machines::lend();
    let mut feed = Feed {
        fault: FeedFault::Truncated,
        ..Feed::default()
    };
    {
        let _camera = Loopback::plug(&machine, feed).unwrap();
        let frames = Stream::start(&machine, "MJPG", 20).frames();
        // The driver gives the first one in a buffer that it has not cut to size.
        let sizes = frames[1..].iter().map(|frame| frame.n_bytes);
        assert!(
            sizes.clone().all(|n| (2_000..2_400).contains(&n)),
            "{:?}",
            sizes.collect::<Vec<_>>()
        );
    }
    feed.format = FeedFormat::Yuyv;
    {
        feed.fault = FeedFault::Frozen;
        let _camera = Loopback::plug(&machine, feed).unwrap();
        let still = Stream::start(&machine, "YUYV", 3).digests(YUYV_BYTES, 3);
        assert_eq!(still[0], still[2]);
    }
    feed.fault = FeedFault::StallAfter(30);
    let _camera = Loopback::plug(&machine, feed).unwrap();
    Stream::start(&machine, "YUYV", 1000)
        .flowing()
        .assert_stalls();
}

fn usb() {
    let machine = machines::lend();
    let _camera = UsbCamera::plug(&machine, "Lab Camera", FeedFault::None).unwrap();
    let frames = Stream::start(&machine, "MJPG", 30).frames();
    assert_rate(&frames, 30.0);
    let frames = Stream::start(&machine, "YUYV", 5).frames();
    assert!(frames.iter().all(|frame| frame.n_bytes == YUYV_BYTES));
    // The second node gives no pictures.
    let described = machine.run("v4l2-ctl -d /dev/video1 --all").unwrap().stdout;
    let capabilities = described.split_once("Device Caps").unwrap().1;
    assert!(capabilities.contains("Metadata Capture"), "{described}");
    assert!(!capabilities.contains("Video Capture"), "{described}");
}

fn usb_faults() {
    let machine = machines::lend();
    {
        let _slow = UsbCamera::plug(&machine, "Slow Camera", FeedFault::Slow).unwrap();
        assert_rate(&Stream::start(&machine, "MJPG", 20).frames(), 15.0);
    }
    let fault = FeedFault::StallAfter(15);
    let _camera = UsbCamera::plug(&machine, "Lab Camera", fault).unwrap();
    let stream = Stream::start(&machine, "MJPG", 1000).flowing();
    assert!(stream.assert_stalls() <= 15);
}
