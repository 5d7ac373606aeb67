//! How hearing and being heard would be rated.

use super::emodel::{Fullband, Losses, Rating, Scale};
use super::opus::SWB_VBR_34K;
use crate::model::derived::MosEstimate;
use crate::model::path::{DirectionSection, LateLoss, Loss, PathSection};
use crate::stats::loss::is_bursty;
use crate::units::{Millis, Ratio};
use crate::verdict::metric::{MIN_PACKETS, MIN_RTT_SAMPLES};

/// One packet of audio.
const PACKET_MS: f64 = 20.0;
/// How far Opus looks ahead; RFC 6716 §2.
const LOOK_AHEAD_MS: f64 = 6.5;
/// Capture and playback together.
///
/// Engineering choice: wired devices with the usual buffers of 20 ms. Wireless ones add more.
const DEVICES_MS: f64 = 40.0;
/// A jitter buffer is deepened until it drops less than this.
///
/// Engineering choice, the loss that is still good.
const LATE_RATIO: f64 = 0.01;

/// The score for hearing the others; `None` unless loss, delay and its variation are known.
pub fn mos_hear(path: &PathSection) -> Option<MosEstimate> {
    mos(path, &path.down)
}

/// The score for being heard; `None` unless loss, delay and its variation are known.
pub fn mos_speak(path: &PathSection) -> Option<MosEstimate> {
    mos(path, &path.up)
}

fn mos(path: &PathSection, direction: &DirectionSection) -> Option<MosEstimate> {
    let loss = direction.loss.as_ref();
    let loss = loss.filter(|loss| loss.packets_sent >= MIN_PACKETS)?;
    let rtt = path.rtt.as_ref();
    let rtt = rtt.filter(|rtt| rtt.samples >= MIN_RTT_SAMPLES)?;
    let buffer = buffer(&direction.late_loss)?;
    let depth = buffer.buffer_ms.as_f64();
    let delay = rtt.p50_ms.as_f64() / 2.0 + depth + PACKET_MS + LOOK_AHEAD_MS + DEVICES_MS;
    let losses = losses(loss, buffer);
    let rating = Rating::of(&SWB_VBR_34K, losses, delay);
    Some(MosEstimate {
        value: (rating.mos() * 100.0).round() / 100.0,
        model: Fullband::NAME.to_owned(),
        codec: SWB_VBR_34K.name.to_owned(),
        delay_ms: Millis::new(delay)?,
        buffer_ms: buffer.buffer_ms,
        loss_ratio: Ratio::new(losses.ratio)?,
        bursty: losses.bursty,
    })
}

/// The shallowest buffer that drops little enough, else the deepest.
fn buffer(late: &[LateLoss]) -> Option<&LateLoss> {
    late.iter()
        .find(|late| late.late_ratio.as_f64() < LATE_RATIO)
        .or(late.last())
}

/// What the buffer drops comes on top of what never arrived.
fn losses(loss: &Loss, buffer: &LateLoss) -> Losses {
    let late = buffer.late_ratio.as_f64();
    let network = loss.loss_ratio.as_f64();
    Losses {
        ratio: network + (1.0 - network) * late,
        bursty: is_bursty(loss),
        burst_ratio: loss.gilbert.map_or(1.0, |gilbert| gilbert.burst_ratio),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::PathModel;

    #[test]
    fn a_healthy_path_is_rated_well_and_names_its_model() {
        let path = PathModel::default().section(1);
        let hear = mos_hear(&path).unwrap();
        assert!(hear.value > 4.2, "{}", hear.value);
        assert!(hear.model.contains("G.107.2"), "{}", hear.model);
        assert_eq!(hear.buffer_ms.as_f64(), 40.0);
    }

    #[test]
    fn the_direction_that_loses_packets_is_rated_lower() {
        let mut model = PathModel::default();
        model.up.loss.ratio = 0.08;
        let path = model.section(4);
        assert!(mos_speak(&path).unwrap().value + 0.5 < mos_hear(&path).unwrap().value);
    }

    #[test]
    fn without_loss_or_late_loss_there_is_no_score() {
        let mut path = PathModel::default().section(1);
        path.down.loss = None;
        path.up.late_loss.clear();
        assert_eq!(mos_hear(&path), None);
        assert_eq!(mos_speak(&path), None);
    }
}
