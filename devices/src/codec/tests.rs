//! There and back again, sizes and bitrates, damage, and what headroom tells.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use greenroom_reports::units::Bitrate;
use proptest::prelude::*;

use super::headroom::{HeadroomConfig, headroom};
use super::scene::Scene;
use super::{CodecError, Vp8Config, Vp8Decoder, Vp8Encoder};
use crate::picture::frame::Resolution;
use crate::picture::planes::{Chroma, Planar};

const FPS: NonZeroU32 = NonZeroU32::new(30).unwrap();

fn config(width: u32, height: u32, kbps: u64) -> Vp8Config {
    let resolution = Resolution::new(width, height).unwrap();
    Vp8Config::for_call(resolution, FPS, Bitrate::from_kbps(kbps))
}

/// Encodes a scene.
struct Camera {
    vp8: Vp8Encoder,
    scene: Scene,
}

/// A picture, what it became, and whether that is a key frame.
#[derive(Debug)]
struct Sent {
    picture: Planar,
    data: Vec<u8>,
    is_key: bool,
}

impl Camera {
    fn new(config: &Vp8Config) -> Self {
        Self {
            vp8: Vp8Encoder::new(config).unwrap(),
            scene: Scene::new(config.resolution),
        }
    }

    fn send(&mut self, force_key: bool) -> Sent {
        let picture = self.scene.next().clone();
        let frame = self.vp8.encode(&picture, force_key).unwrap().unwrap();
        let (data, is_key) = (frame.data.to_vec(), frame.is_key);
        Sent {
            picture,
            data,
            is_key,
        }
    }
}

/// The first frames of a scene.
fn frames(config: &Vp8Config, n: usize) -> Vec<Vec<u8>> {
    let mut camera = Camera::new(config);
    (0..n).map(|_| camera.send(false).data).collect()
}

/// Over luma and chroma, in dB.
fn psnr(a: &Planar, b: &Planar) -> f64 {
    let rows = |picture: &Planar| {
        let (size, chroma) = (picture.resolution(), picture.chroma());
        let (height, half) = (size.height() as usize, chroma.size(size).1);
        let y = picture.y().rows(height);
        let uv = picture.u().rows(half).chain(picture.v().rows(half));
        y.chain(uv).flatten().copied().collect::<Vec<u8>>()
    };
    let (a, b) = (rows(a), rows(b));
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let error = a.iter().zip(&b).map(square).sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / error).log10()
}

#[test]
fn pictures_come_back_much_as_they_were() {
    for (width, height, kbps) in [(640, 360, 1000), (1280, 720, 1900)] {
        let mut camera = Camera::new(&config(width, height, kbps));
        let mut decoder = Vp8Decoder::new().unwrap();
        for n in 0..20 {
            let sent = camera.send(false);
            let received = decoder.decode(&sent.data).unwrap().unwrap();
            let psnr = psnr(&sent.picture, received);
            assert!(psnr > 30.0, "{width}x{height}, picture {n}: {psnr:.1} dB");
        }
    }
}

#[test]
fn the_first_picture_is_a_key_frame_and_those_that_are_asked_for() {
    let mut camera = Camera::new(&config(320, 180, 300));
    let keys: Vec<_> = (0..12).filter(|&n| camera.send(n == 7).is_key).collect();
    assert_eq!(keys, [0, 7]);
}

#[test]
fn the_bitrate_is_that_which_was_asked_for() {
    let mut camera = Camera::new(&config(640, 360, 800));
    for kbps in [800, 400, 1200] {
        camera.vp8.set_bitrate(Bitrate::from_kbps(kbps)).unwrap();
        let bytes: Vec<_> = (0..90).map(|_| camera.send(false).data.len()).collect();
        // The first second is for the rate control to find its quantizer.
        let found = bytes[30..].iter().sum::<usize>() as f64 * 8.0 / 1000.0 / 2.0;
        let share = found / kbps as f64;
        assert!(
            (0.75..=1.25).contains(&share),
            "{found:.0} of {kbps} kbit/s"
        );
    }
    for bps in [0, 999, u64::MAX] {
        let refused = Err(CodecError::Bitrate { bps });
        assert_eq!(camera.vp8.set_bitrate(Bitrate::from_bps(bps)), refused);
    }
}

#[test]
fn odd_and_small_sizes_come_back() {
    for (width, height) in [(61, 45), (1, 1), (2, 1), (17, 33), (333, 2)] {
        let config = config(width, height, 300);
        let mut decoder = Vp8Decoder::new().unwrap();
        for data in frames(&config, 4) {
            let received = decoder.decode(&data).unwrap().unwrap();
            assert_eq!(received.resolution(), config.resolution);
            assert_eq!(received.chroma(), Chroma::Halved);
        }
    }
    assert!(Resolution::new(0, 720).is_err());
}

#[test]
fn the_same_scene_is_encoded_to_the_same_bytes() {
    let config = config(320, 180, 300);
    assert_eq!(frames(&config, 5), frames(&config, 5));
}

#[test]
fn other_pictures_are_refused() {
    let mut encoder = Vp8Encoder::new(&config(320, 180, 300)).unwrap();
    let mut other = Scene::new(Resolution::new(320, 182).unwrap());
    let error = encoder.encode(other.next(), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot encode a picture of 320x182 and Halved chroma: the encoder takes I420 of 320x180"
    );
    let mut gray = Scene::new(Resolution::new(320, 180).unwrap())
        .next()
        .clone();
    gray.reshape(gray.resolution(), Chroma::Gray, gray.color());
    assert!(encoder.encode(&gray, false).is_err());
}

#[test]
fn both_can_be_moved_to_another_thread() {
    let mut camera = Camera::new(&config(64, 48, 200));
    let data = camera.send(false).data;
    let mut decoder = Vp8Decoder::new().unwrap();
    decoder.decode(&data).unwrap().unwrap();
    std::thread::spawn(move || {
        let data = camera.send(false).data;
        decoder.decode(&data).unwrap().unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn a_stream_begins_with_a_key_frame() {
    let frames = frames(&config(320, 180, 300), 3);
    let mut decoder = Vp8Decoder::new().unwrap();
    assert!(decoder.decode(&frames[1]).is_err());
    assert!(decoder.decode(&[]).is_err());
    assert!(decoder.decode(&frames[0]).unwrap().is_some());
    // RFC 6386 §9.1: 14 bits of width and of height, behind three bytes and the start code.
    let mut absurd = frames[0].clone();
    absurd[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert!(matches!(decoder.decode(&absurd), Err(CodecError::Size(_))));
}

#[test]
fn headroom_is_processor_time_of_a_frame() {
    let small = HeadroomConfig {
        encoding: config(320, 180, 300),
        frames: 10,
        ..HeadroomConfig::hd().unwrap()
    };
    let found = headroom(&small, || false).unwrap();
    assert_eq!((found.size.width, found.size.height), (320, 180));
    assert_eq!((found.codec.as_str(), found.frames), ("VP8", 10));
    let ms = found.cpu_per_frame_ms.as_f64();
    assert!((found.fps * ms / 1e3 - 1.0).abs() < 0.01, "{found:?}");
    // Sixteen times the pixels cost more.
    let large = headroom(&HeadroomConfig::hd().unwrap(), || false).unwrap();
    assert!(large.cpu_per_frame_ms.as_f64() > 2.0 * ms, "{large:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the limit is one of real time")]
fn headroom_ends_in_time_and_when_it_is_told() {
    let endless = HeadroomConfig {
        frames: u32::MAX,
        time_limit: Duration::from_millis(50),
        ..HeadroomConfig::hd().unwrap()
    };
    let start = Instant::now();
    assert!(headroom(&endless, || false).unwrap().frames >= 1);
    // Making the scene takes most of it where nothing is optimized.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    let none = HeadroomConfig {
        time_limit: Duration::ZERO,
        ..endless
    };
    assert_eq!(headroom(&none, || false).unwrap().frames, 1);
    assert_eq!(headroom(&endless, || true), Err(CodecError::Cancelled));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_frames_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut decoder = Vp8Decoder::new().unwrap();
        for mut data in frames(&config(64, 48, 200), 3) {
            for (at, value) in &damage {
                let at = at.index(data.len());
                data[at] = *value;
            }
            let _ = decoder.decode(&data[..keep.index(data.len())]);
            let _ = decoder.decode(&data);
        }
    }

    #[test]
    fn any_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Vp8Decoder::new().unwrap().decode(&data);
    }
}
