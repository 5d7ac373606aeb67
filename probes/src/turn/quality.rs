//! What a relay is like: some packets from it to itself, both ends of which are here.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::{Duration, Instant};

use greenroom_reports::model::path::Distribution;
use greenroom_reports::model::turn::{RelayQuality, RelayTransport, TurnCell};
use greenroom_reports::stats::proportion::wilson_interval;
use greenroom_reports::units::{Millis, Ratio};

use super::cell::Live;

/// Packets, and their spacing: 400 ms, within the second that the whole probe may take. Of 20 lost
/// packets none, the 95 % interval reaches up to 16 %: a relay that loses much shows, one that loses
/// little does not.
const PACKETS: usize = 20;
const SPACING: Duration = Duration::from_millis(20);
/// Longest wait for the last packets.
const PATIENCE: Duration = Duration::from_millis(400);
/// As large as a packet of voice.
const PAYLOAD: usize = 120;

/// Sends packets to the relay and back; `None` where packets to itself do not come through.
///
/// # Cancel safety
/// Dropping the future loses the figures alone.
pub(super) async fn measure(cell: &TurnCell, live: &mut Live) -> Option<RelayQuality> {
    let family = cell.family.filter(|_| live.loops)?;
    let round_trips = round_trips(live).await;
    let came: Vec<f64> = round_trips.iter().flatten().copied().collect();
    let (sent, lost) = (PACKETS as u64, (PACKETS - came.len()) as u64);
    let counts = cell.transport == RelayTransport::Udp;
    Some(RelayQuality {
        host: cell.host.clone(),
        port: cell.port,
        transport: cell.transport,
        family,
        packets_sent: sent,
        packets_lost: lost,
        loss_ratio: counts.then(|| Ratio::of(lost, sent)).flatten(),
        loss_ratio_interval: counts.then(|| wilson_interval(lost, sent)).flatten(),
        rtt: Distribution::from_samples(&came),
        rtt_variation_ms: variation(&came),
    })
}

/// Mean difference of consecutive round trips; `None` below two.
fn variation(rtts_ms: &[f64]) -> Option<Millis> {
    let differences: Vec<f64> = rtts_ms.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    let n = differences.len();
    (n > 0).then(|| Millis::new(differences.iter().sum::<f64>() / n as f64))?
}

/// In milliseconds, by the order of departure.
async fn round_trips(live: &mut Live) -> Vec<Option<f64>> {
    let (mut sent, mut came) = (Vec::new(), vec![None; PACKETS]);
    let began = Instant::now();
    let ends = began + SPACING * u32::try_from(PACKETS).unwrap_or(u32::MAX) + PATIENCE;
    while came.iter().any(Option::is_none) {
        let index = u32::try_from(sent.len()).unwrap_or(u32::MAX);
        let is_all_sent = sent.len() == PACKETS;
        let next = if is_all_sent {
            ends
        } else {
            began + SPACING * index
        };
        if Instant::now() >= next {
            if is_all_sent
                || live
                    .client
                    .send(live.relayed, &payload(index))
                    .await
                    .is_err()
            {
                break;
            }
            sent.push(Instant::now());
            continue;
        }
        let packet = match tokio::time::timeout_at(next.into(), live.client.receive()).await {
            Ok(Ok(packet)) => packet,
            Ok(Err(_broken)) => break,
            Err(_elapsed) => continue,
        };
        let index = index_of(&packet.payload);
        if let (Some(at), Some(place)) = (
            index.and_then(|i| sent.get(i)),
            index.and_then(|i| came.get_mut(i)),
        ) {
            // A copy that comes later is none of the path's.
            place.get_or_insert((packet.at - *at).as_secs_f64() * 1e3);
        }
    }
    came
}

fn payload(index: u32) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD];
    payload[..4].copy_from_slice(&index.to_be_bytes());
    payload
}

fn index_of(payload: &[u8]) -> Option<usize> {
    let head = payload.first_chunk::<4>()?;
    (payload.len() == PAYLOAD)
        .then(|| usize::try_from(u32::from_be_bytes(*head)).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_know_their_place() {
        assert_eq!(index_of(&payload(7)), Some(7));
        assert_eq!(index_of(&[0; 16]), None);
        assert_eq!(index_of(&[]), None);
    }

    #[test]
    fn variation_is_the_mean_of_differences() {
        assert_eq!(variation(&[]), None);
        assert_eq!(variation(&[5.0]), None);
        assert_eq!(variation(&[5.0, 7.0, 6.0]), Millis::new(1.5));
    }
}
