use greenroom_reports::samples::Random;

use crate::signal::acoustic_loop::chirp::Chirp;
use crate::signal::acoustic_loop::shot::AcousticLoop;
use crate::signal::acoustic_loop::verdict::{Doubt, Heard, LoopVerdict};
use crate::signal::testing::rooms::{Room, Score, score};
use crate::signal::testing::sounds::white_noise;
use crate::signal::view::SampleRate;
use greenroom_reports::units::Dbfs;

/// Rooms of each kind: 200 with optimization, and without it as many as take a few seconds.
const N_ROOMS: usize = if cfg!(debug_assertions) { 6 } else { 200 };

fn chirp(rate: u32) -> Chirp {
    Chirp::new(SampleRate::new(rate).unwrap(), Dbfs::new(-12.0).unwrap())
}

/// Scores rooms and prints the score. `ROOM_SEED` draws other rooms.
fn scored(rate: u32, direct_db: f64, snr_db: f64) -> Score {
    let seed = std::env::var("ROOM_SEED").map_or(1, |seed| seed.parse().unwrap());
    let make = |random: &mut Random| Room::random(random, snr_db, direct_db);
    let score = score(chirp(rate), N_ROOMS, &mut Random::new(seed), make).unwrap();
    println!("{rate} Hz, direct sound {direct_db} dB, SNR {snr_db} dB, seed {seed}: {score:?}");
    score
}

fn assert_accurate(score: Score) {
    assert!(score.right * 100 >= score.rooms * 95, "{score:?}");
    assert!(score.wrong * 200 <= score.rooms, "{score:?}");
    assert!(score.unstable * 200 <= score.rooms, "{score:?}");
}

#[test]
fn the_delay_is_right_within_a_millisecond_as_loud_as_the_noise() {
    assert_accurate(scored(48_000, -18.0, 0.0));
}

#[test]
fn the_delay_is_right_above_the_noise() {
    assert_accurate(scored(48_000, -18.0, 20.0));
    assert_accurate(scored(44_100, -6.0, 6.0));
}

#[test]
fn the_delay_is_right_at_the_rate_of_a_headset() {
    assert_accurate(scored(16_000, -18.0, 0.0));
}

#[test]
fn far_below_the_noise_nothing_is_claimed() {
    let score = scored(48_000, -18.0, -20.0);
    assert_eq!(score.right + score.wrong, 0, "{score:?}");
}

/// Recordings of one echo, each at its own delay in samples and gain.
fn echoes(chirp: &Chirp, echoes: &[(usize, f32)]) -> LoopVerdict {
    let acoustic_loop = AcousticLoop::new(*chirp).unwrap();
    let mut random = Random::new(3);
    let shots = echoes.iter().map(|(delay, gain)| {
        let mut recording = white_noise(&mut random, 76_800, 1e-5);
        for (sample, echo) in recording[*delay..].iter_mut().zip(chirp.samples()) {
            *sample += gain * echo;
        }
        acoustic_loop.search(&recording).unwrap()
    });
    LoopVerdict::from_shots(&shots.collect::<Vec<_>>())
}

fn heard(verdict: LoopVerdict) -> Heard {
    match verdict {
        LoopVerdict::Heard(heard) => heard,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_echo_has_its_delay_gain_and_return_loss() {
    let heard = heard(echoes(&chirp(48_000), &[(4_800, 0.1); 3]));
    assert!((heard.delay_ms.as_f64() - 100.0).abs() < 0.1, "{heard:?}");
    assert!((heard.gain_db + 20.0).abs() < 0.3, "{heard:?}");
    assert!((heard.echo_return_loss_db - 20.0).abs() < 0.3, "{heard:?}");
    assert!(heard.is_stable() && heard.n_shots == 3);
    assert!(heard.snr_db.unwrap() > 30.0, "{heard:?}");
}

#[test]
fn shots_that_move_are_unstable_and_the_middle_one_is_told() {
    let heard = heard(echoes(
        &chirp(48_000),
        &[(4_800, 0.1), (5_280, 0.1), (4_896, 0.1)],
    ));
    assert!(!heard.is_stable());
    assert!((heard.spread_ms.as_f64() - 10.0).abs() < 0.1);
    assert!((heard.delay_ms.as_f64() - 102.0).abs() < 0.1);
}

#[test]
fn silence_and_a_quiet_room_are_not_heard() {
    assert_eq!(
        echoes(&chirp(48_000), &[(0, 0.0); 3]),
        LoopVerdict::NotHeard
    );
    let acoustic_loop = AcousticLoop::new(chirp(48_000)).unwrap();
    let silence = acoustic_loop.search(&vec![0.0; 76_800]).unwrap();
    assert_eq!(
        LoopVerdict::from_shots(&[silence; 3]),
        LoopVerdict::NotHeard
    );
}

#[test]
fn noise_that_could_hide_the_chirp_is_uncertain() {
    let acoustic_loop = AcousticLoop::new(chirp(48_000)).unwrap();
    let noise = white_noise(&mut Random::new(1), 76_800, 0.5);
    let shot = acoustic_loop.search(&noise).unwrap();
    let uncertain = LoopVerdict::Uncertain(Doubt::Noise);
    assert_eq!(LoopVerdict::from_shots(&[shot; 3]), uncertain);
}

#[test]
fn one_shot_of_three_is_not_enough() {
    let verdict = echoes(&chirp(48_000), &[(4_800, 0.1), (0, 0.0), (0, 0.0)]);
    assert_eq!(verdict, LoopVerdict::Uncertain(Doubt::Weak));
    let nothing = LoopVerdict::Uncertain(Doubt::NoRecording);
    assert_eq!(LoopVerdict::from_shots(&[]), nothing);
}

#[test]
fn bad_recordings_are_survived() {
    for rate in [8_000, 192_000] {
        let acoustic_loop = AcousticLoop::new(chirp(rate)).unwrap();
        assert_eq!(acoustic_loop.search(&[]), None);
        assert_eq!(acoustic_loop.search(&chirp(rate).samples()), None);
        let mut recording = chirp(rate).samples();
        recording.extend(vec![f32::NAN; rate as usize / 10]);
        let shot = acoustic_loop.search(&recording).unwrap();
        let delay_ms = shot.trace().unwrap().delay_ms;
        assert!(delay_ms.abs() < 0.5, "{delay_ms} at {rate}");
    }
}
