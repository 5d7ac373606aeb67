//! Which mode is taken.

use greenroom_reports::model::camera::PictureSize;

use crate::camera::choice::{choose_mode, why_unusable};
use crate::camera::mode::{FourCc, Mode, WantedMode};

fn mode(code: [u8; 4], width: u32, height: u32, fps: u32) -> Mode {
    Mode {
        size: PictureSize { width, height },
        millifps: Some(fps * 1000),
        code: FourCc::new(code),
    }
}

fn chosen(modes: &[Mode]) -> Mode {
    *choose_mode(modes, &WantedMode::default()).unwrap()
}

#[test]
fn what_is_wanted_is_taken_where_it_is_offered() {
    let wanted = mode(*b"NV12", 1280, 720, 30);
    let modes = [
        mode(*b"NV12", 1920, 1080, 30),
        mode(*b"NV12", 640, 480, 30),
        wanted,
        mode(*b"NV12", 1280, 720, 60),
        mode(*b"NV12", 1280, 720, 15),
        mode(*b"NV12", 1280, 960, 30),
    ];
    assert_eq!(chosen(&modes), wanted);
}

#[test]
fn a_usb_camera_gives_jpeg_where_raw_pictures_come_too_slowly() {
    let modes = [
        mode(*b"YUYV", 640, 480, 30),
        mode(*b"YUYV", 1280, 720, 10),
        mode(*b"MJPG", 1280, 720, 30),
        mode(*b"MJPG", 640, 480, 30),
    ];
    assert_eq!(chosen(&modes), modes[2]);
}

#[test]
fn of_equal_modes_the_one_that_costs_least_is_taken() {
    let codes = [b"GREY", b"MJPG", b"RGB3", b"UYVY", b"NV12", b"H264"].map(|code| *code);
    let modes = codes.map(|code| mode(code, 1280, 720, 30));
    assert_eq!(chosen(&modes).code, FourCc::new(*b"NV12"));
    assert_eq!(chosen(&modes[..4]).code, FourCc::new(*b"UYVY"));
    assert_eq!(chosen(&modes[..2]).code, FourCc::new(*b"MJPG"));
}

#[test]
fn a_smaller_picture_is_better_than_a_slide_show() {
    let modes = [mode(*b"YUYV", 1280, 720, 12), mode(*b"YUYV", 640, 360, 30)];
    assert_eq!(chosen(&modes), modes[1]);
    assert_eq!(chosen(&modes[..1]), modes[0]);
}

#[test]
fn a_picture_somewhat_too_large_is_better_than_a_small_one_but_4k_is_not() {
    let modes = [
        mode(*b"MJPG", 3840, 2160, 30),
        mode(*b"MJPG", 1920, 1080, 30),
        mode(*b"MJPG", 640, 480, 30),
    ];
    assert_eq!(chosen(&modes), modes[1]);
    assert_eq!(chosen(&[modes[0], modes[2]]), modes[2]);
    assert_eq!(chosen(&modes[..1]), modes[0]);
}

#[test]
fn of_two_that_cover_as_much_the_one_of_the_wanted_shape_is_taken() {
    let modes = [mode(*b"YUYV", 640, 480, 30), mode(*b"YUYV", 640, 360, 30)];
    assert_eq!(chosen(&modes), modes[1]);
}

#[test]
fn a_rate_that_is_not_told_is_better_than_a_slow_one() {
    let unknown = Mode {
        millifps: None,
        ..mode(*b"YUYV", 1280, 720, 0)
    };
    let known = mode(*b"YUYV", 1280, 720, 30);
    assert_eq!(chosen(&[unknown, known]), known);
    assert_eq!(chosen(&[mode(*b"YUYV", 1280, 720, 10), unknown]), unknown);
}

#[test]
fn absurd_sizes_and_formats_that_nobody_decodes_are_refused() {
    let wanted = WantedMode::default();
    let exotic = [mode(*b"H264", 1280, 720, 30), mode(*b"BA81", 640, 480, 30)];
    assert_eq!(choose_mode(&exotic, &wanted), None);
    assert_eq!(
        why_unusable(&exotic),
        "it offers only the formats BA81, H264"
    );
    let absurd = [mode(*b"YUYV", 0, 480, 30), mode(*b"YUYV", 1 << 31, 480, 30)];
    assert_eq!(choose_mode(&absurd, &wanted), None);
    assert_eq!(
        why_unusable(&absurd),
        "it offers pictures of absurd sizes only"
    );
    assert_eq!(choose_mode(&[], &wanted), None);
    assert_eq!(why_unusable(&[]), "it offers no picture at all");
}
