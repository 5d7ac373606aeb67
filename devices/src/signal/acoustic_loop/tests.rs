use greenroom_reports::samples::Random;

use crate::signal::acoustic_loop::chirp::Chirp;
use crate::signal::dbfs::Dbfs;
use crate::signal::testing::rooms::{Room, score};
use crate::signal::view::SampleRate;

#[test]
fn explore() {
    let seed = std::env::var("SEED").map_or(1, |s| s.parse().unwrap());
    let n = std::env::var("ROOMS").map_or(20, |s| s.parse().unwrap());
    for rate in [48_000] {
        for direct in [-6.0, -12.0, -18.0] {
            for snr in [40.0, 20.0, 10.0, 5.0, 0.0, -5.0, -10.0, -20.0] {
                let mut random = Random::new(seed);
                let chirp = Chirp::new(SampleRate::new(rate).unwrap(), Dbfs::new(-12.0).unwrap());
                let s = score(chirp, n, &mut random, |r| Room::random(r, snr, direct)).unwrap();
                println!("{rate} direct {direct} snr {snr}: {s:?}");
            }
        }
    }
}
