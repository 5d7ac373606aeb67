//! Recorded files against another decoder's planes, and damage of every kind.
//!
//! `data/*.jpg` are by libjpeg-turbo's `cjpeg`, quality 80, from 61 × 45 pixels; `data/*.yuv` are
//! their planes by ffmpeg. `no_tables.jpg` is `422.jpg` without its Huffman tables, which are those
//! of the standard; `scans.jpg` has a scan for each component.

use proptest::prelude::*;

use super::{JpegDecoder, JpegError};
use crate::picture::planes::{Chroma, Planar};

const J420: &[u8] = include_bytes!("data/420.jpg");
const J422: &[u8] = include_bytes!("data/422.jpg");
const J440: &[u8] = include_bytes!("data/440.jpg");
const J444: &[u8] = include_bytes!("data/444.jpg");
const GRAY: &[u8] = include_bytes!("data/gray.jpg");
const RESTART: &[u8] = include_bytes!("data/restart.jpg");
const NO_TABLES: &[u8] = include_bytes!("data/no_tables.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("data/progressive.jpg");
const SCANS: &[u8] = include_bytes!("data/scans.jpg");

fn decode(data: &[u8]) -> Result<Planar, JpegError> {
    JpegDecoder::default().decode(data).cloned()
}

fn visible(picture: &Planar) -> Vec<u8> {
    let rows = picture.resolution().height() as usize;
    let chroma_rows = picture.chroma().size(picture.resolution()).1;
    let planes = [
        (picture.y(), rows),
        (picture.u(), chroma_rows),
        (picture.v(), chroma_rows),
    ];
    let rows = planes.iter().flat_map(|(plane, rows)| plane.rows(*rows));
    rows.flatten().copied().collect()
}

#[test]
fn planes_are_those_of_another_decoder() {
    let files: [(&[u8], &[u8], Chroma); 6] = [
        (J420, include_bytes!("data/420.yuv"), Chroma::Halved),
        (J422, include_bytes!("data/422.yuv"), Chroma::HalvedAcross),
        (
            RESTART,
            include_bytes!("data/422.yuv"),
            Chroma::HalvedAcross,
        ),
        (J440, include_bytes!("data/440.yuv"), Chroma::HalvedDown),
        (J444, include_bytes!("data/444.yuv"), Chroma::Whole),
        (GRAY, include_bytes!("data/gray.yuv"), Chroma::Gray),
    ];
    for (jpeg, expected, chroma) in files {
        let picture = decode(jpeg).unwrap();
        assert_eq!(picture.chroma(), chroma);
        let found = visible(&picture);
        assert_eq!(found.len(), expected.len());
        let worst = found
            .iter()
            .zip(expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        // Each decoder may be off by one from the exact transform.
        assert!(worst <= Some(2), "{chroma:?}: {worst:?}");
    }
}

#[test]
fn a_camera_without_tables_means_those_of_the_standard() {
    assert_eq!(
        visible(&decode(NO_TABLES).unwrap()),
        visible(&decode(J422).unwrap())
    );
}

#[test]
fn every_truncation_is_told() {
    for file in [J420, J422, GRAY, RESTART, NO_TABLES] {
        for end in 0..file.len() {
            let error = decode(&file[..end]).unwrap_err();
            assert!(error.is_damage(), "{end}: {error}");
        }
    }
}

#[test]
fn a_lost_packet_is_told() {
    // What a USB packet holds spans many blocks, so that their number no longer fits. A hole
    // within one block can leave a valid file; no decoder sees that.
    let starts = 609..J422.len() - 302;
    let told = starts.clone().filter(|&start| {
        let mut damaged = J422.to_vec();
        damaged.drain(start..start + 300);
        decode(&damaged).is_err()
    });
    let (told, tried) = (told.count(), starts.len());
    assert!(told * 100 >= tried * 98, "{told} of {tried}");
}

#[test]
fn an_end_marker_does_not_make_half_a_picture_whole() {
    for keep in [J422.len() / 2, J422.len() - 30] {
        let mut damaged = J422[..keep].to_vec();
        damaged.extend([0xff, 0xd9]);
        assert!(decode(&damaged).unwrap_err().is_damage());
    }
}

#[test]
fn padding_behind_the_end_is_no_damage() {
    for padding in [[0_u8; 64], [0xff; 64]] {
        let mut padded = J422.to_vec();
        padded.extend(padding);
        assert!(decode(&padded).is_ok());
    }
}

/// The file with `extra` before its first marker of this kind.
fn with_extra(file: &[u8], marker: u8, extra: &[u8]) -> Vec<u8> {
    let at = file.windows(2).rposition(|w| w == [0xff, marker]).unwrap();
    [&file[..at], extra, &file[at..]].concat()
}

#[test]
fn a_few_bytes_left_over_are_no_damage() {
    let padding: [&[u8]; 4] = [&[0; 3], &[0xff; 5], &[0; 16], &[0; 64]];
    let anything: [&[u8]; 4] = [&[0; 3], &[0x5a; 9], &[0x13, 0x37], &[0x5a; 16]];
    let cases = [
        (J422, 0xd9, padding),
        (RESTART, 0xd1, anything),
        (RESTART, 0xd9, anything),
    ];
    for (file, marker, extras) in cases {
        let whole = visible(&decode(file).unwrap());
        for extra in extras {
            let found = decode(&with_extra(file, marker, extra)).unwrap();
            assert_eq!(visible(&found), whole);
        }
        let error = decode(&with_extra(file, marker, &[0x5a; 64])).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
    // Without restart markers it is what a hole in the data leaves; before others nothing may be.
    assert!(decode(&with_extra(J422, 0xd9, &[0x5a; 9])).is_err());
    assert!(decode(&with_extra(J422, 0xdb, &[0])).is_err());
}

fn restart(number: u8) -> usize {
    let marker = [0xff, 0xd0 + number];
    RESTART.windows(2).position(|w| w == marker).unwrap()
}

#[test]
fn a_lost_restart_interval_is_told() {
    let mut damaged = RESTART.to_vec();
    damaged.drain(restart(2)..restart(3));
    let expected = "found marker 0xd3 instead of RST2";
    let error = decode(&damaged).unwrap_err();
    assert_eq!(error, JpegError::Corrupt(expected.to_owned()));
    // Also when the interval before it leaves something over, which is what libjpeg tells then.
    damaged.splice(restart(2)..restart(2), [0x5a; 12]);
    let expected = "12 extraneous bytes before marker 0xd3";
    let error = decode(&damaged).unwrap_err();
    assert_eq!(error, JpegError::Corrupt(expected.to_owned()));
}

#[test]
fn a_damaged_picture_does_not_harm_the_next() {
    let whole = visible(&decode(J422).unwrap());
    let mut decoder = JpegDecoder::default();
    for end in [3, 100, 300, 600, 700, J422.len() - 1] {
        assert!(decoder.decode(&J422[..end]).is_err());
        assert_eq!(visible(decoder.decode(J422).unwrap()), whole);
    }
    // Nor does the next take the tables of the one before.
    let at = |marker| J422.windows(2).position(|w| w == [0xff, marker]).unwrap();
    let mut no_steps = J422.to_vec();
    no_steps.drain(at(0xdb)..at(0xc0));
    assert!(decoder.decode(&no_steps).unwrap_err().is_damage());
}

#[test]
fn a_picture_changes_size_and_sampling() {
    let mut decoder = JpegDecoder::default();
    for file in [J444, GRAY, J420, J440, RESTART, J422, J444] {
        let fresh = visible(&decode(file).unwrap());
        assert_eq!(visible(decoder.decode(file).unwrap()), fresh);
    }
}

/// The file with other factors of sampling for its components.
fn with_factors(file: &[u8], factors: &[u8]) -> Vec<u8> {
    let mut changed = file.to_vec();
    let frame = changed.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    for (part, &factors) in factors.iter().enumerate() {
        changed[frame + 11 + 3 * part] = factors;
    }
    changed
}

#[test]
fn factors_of_sampling_of_a_gray_picture_mean_nothing() {
    // T.81 §A.2.2: the only component is not interleaved.
    let found = decode(&with_factors(GRAY, &[0x22])).unwrap();
    assert_eq!(found.chroma(), Chroma::Gray);
    assert_eq!(visible(&found), visible(&decode(GRAY).unwrap()));
}

#[test]
fn what_cameras_do_not_send_is_unsupported_and_no_damage() {
    let unsupported = |data: &[u8], kind: &str| {
        let error = decode(data).unwrap_err();
        assert_eq!(error, JpegError::Unsupported(kind.to_owned()));
        assert!(!error.is_damage());
    };
    unsupported(PROGRESSIVE, "progressive");
    unsupported(SCANS, "components in several scans");
    unsupported(
        &with_factors(J422, &[0x41, 0x11, 0x11]),
        "its sampling of chroma",
    );
    unsupported(
        &with_factors(J422, &[0x21, 0x11, 0x12]),
        "its sampling of chroma",
    );
    let frame = J444.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let mut other = J444.to_vec();
    other[frame + 4] = 12;
    unsupported(&other, "data precision 12");
    other = J444.to_vec();
    other[frame + 1] = 0xc5;
    unsupported(&other, "process: SOF type 0xc5");
}

#[test]
fn an_absurd_size_costs_nothing() {
    let mut bomb = J422.to_vec();
    let frame = bomb.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    assert_eq!(decode(&bomb).unwrap_err(), JpegError::Truncated);
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x20, 1, 0, 1]);
    assert!(matches!(decode(&bomb).unwrap_err(), JpegError::Size(_)));
    // Beyond the library's own limit, and nothing at all.
    for size in [[0xff; 4], [0; 4]] {
        bomb[frame + 5..frame + 9].copy_from_slice(&size);
        assert!(decode(&bomb).unwrap_err().is_damage());
    }
    assert_eq!(decode(b"no picture").unwrap_err(), JpegError::NotJpeg);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_bytes_never_panic(
        file in proptest::sample::select(vec![J420, J422, GRAY, RESTART, NO_TABLES]),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut data = file.to_vec();
        for (at, value) in damage {
            let at = at.index(data.len());
            data[at] = value;
        }
        let _ = decode(&data);
    }

    #[test]
    fn any_bytes_behind_a_header_never_panic(
        scan in proptest::collection::vec(any::<u8>(), 0..2000),
        keep in 2_usize..700,
    ) {
        let mut data = J420[..keep].to_vec();
        data.extend(scan);
        data.extend([0xff, 0xd9]);
        let _ = decode(&data);
    }
}
