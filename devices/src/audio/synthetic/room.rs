//! The room between the synthetic speaker and the synthetic microphone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::stream::control::Shared;

/// From the speaker to the microphone.
pub const DELAY: Duration = Duration::from_millis(30);

/// How much quieter it arrives, in dB.
pub const LOSS_DB: f64 = 20.0;

/// For how long nobody speaks after something was played: people listen.
const HUSH: Duration = Duration::from_secs(1);

/// Pieces that are kept: two seconds of 10 ms each.
const KEPT: usize = 200;

/// What was played lately.
#[derive(Clone, Debug)]
pub(super) struct Room(Shared<VecDeque<Piece>>);

#[derive(Clone, Debug)]
struct Piece {
    begin: Instant,
    samples: Vec<f32>,
}

impl Default for Room {
    fn default() -> Self {
        Self(Shared::new(VecDeque::new()))
    }
}

impl Room {
    /// These samples sound from `begin` on.
    pub(super) fn play(&self, begin: Instant, samples: Vec<f32>) {
        self.0.with(|pieces| {
            if pieces.len() == KEPT {
                pieces.pop_front();
            }
            pieces.push_back(Piece { begin, samples });
        });
    }

    /// Whether something was played just now.
    pub(super) fn is_hushed(&self, at: Instant) -> bool {
        let is_sound = |piece: &Piece| piece.samples.iter().any(|s| *s != 0.0);
        let is_near = |piece: &Piece| at.saturating_duration_since(piece.begin) < HUSH;
        self.0
            .with(|pieces| pieces.iter().any(|piece| is_near(piece) && is_sound(piece)))
    }

    /// Adds what arrives from `begin` on.
    pub(super) fn add_to(&self, begin: Instant, samples: &mut [f32]) {
        self.0.with(|pieces| {
            for piece in pieces {
                add(piece, begin, samples);
            }
        });
    }
}

fn add(piece: &Piece, begin: Instant, samples: &mut [f32]) {
    let arrives = piece.begin + DELAY;
    let (skip_room, skip_piece) = match arrives.checked_duration_since(begin) {
        Some(later) => (n_samples(later), 0),
        None => (0, n_samples(begin - arrives)),
    };
    let arriving = piece.samples.iter().skip(skip_piece);
    for (sample, arriving) in samples.iter_mut().skip(skip_room).zip(arriving) {
        *sample += arriving * gain();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a value within 0..=1")]
fn gain() -> f32 {
    10_f64.powf(-LOSS_DB / 20.0) as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate"
)]
fn n_samples(span: Duration) -> usize {
    (span.as_secs_f64() * f64::from(super::RATE_HZ)).round() as usize
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "an arbitrary instant to count from"
    )]

    use super::*;

    #[test]
    fn what_is_played_arrives_later_and_quieter() {
        let room = Room::default();
        let begin = Instant::now();
        room.play(begin, vec![1.0; 480]);
        let mut heard = vec![0.0; 4800];
        room.add_to(begin, &mut heard);
        assert!(heard[..1440].iter().all(|s| *s == 0.0));
        assert!(heard[1440..1920].iter().all(|s| (s - 0.1).abs() < 1e-6));
        assert!(heard[1920..].iter().all(|s| *s == 0.0));
    }

    #[test]
    fn a_piece_may_arrive_in_two_parts() {
        let room = Room::default();
        let begin = Instant::now();
        room.play(begin, (0..480_u16).map(f32::from).collect());
        let middle = begin + DELAY + Duration::from_millis(5);
        let mut heard = vec![0.0; 480];
        room.add_to(middle, &mut heard);
        assert!((heard[0] - 24.0).abs() < 1e-3);
        assert!(heard[240].abs() < 1e-6);
    }
}
