//! Descriptions and candidates that no honest server sends. Nothing panics, and nothing hangs.

use std::time::Duration;

use greenroom_session::peer::{MediaPeer, PeerConfig, PeerRole, WebRtcPeer};

/// A generator of numbers that is the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }
}

/// A description with some of its lines lost, doubled, moved or changed.
fn spoil(sdp: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = sdp.lines().map(str::to_owned).collect();
    for _ in 0..=dice.roll(4) {
        let place = dice.roll(lines.len());
        match dice.roll(6) {
            0 => drop(lines.remove(place)),
            1 => lines.insert(place, lines[place].clone()),
            2 => lines.truncate(place.max(1)),
            3 => {
                let other = dice.roll(lines.len());
                lines.swap(place, other);
            }
            4 => {
                let mut bytes = lines[place].clone().into_bytes();
                let at = dice.roll(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(32 + dice.roll(95)).unwrap();
                }
                lines[place] = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => {
                let long = [
                    "99999999999999999999",
                    "-1",
                    "",
                    "a=group:BUNDLE 0 1 2",
                    "\u{fffd}",
                ];
                lines[place].push_str(long[dice.roll(long.len())]);
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\r\n") + "\r\n"
}

#[tokio::test]
async fn spoiled_descriptions_are_errors_at_most() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let publisher = PeerConfig::new(PeerRole::Publisher, "127.0.0.1");
    let subscriber = PeerConfig::new(PeerRole::Subscriber, "127.0.0.1");
    let (offering, _events) = WebRtcPeer::open(&publisher).await.unwrap();
    let offer = offering.offer(false).await.unwrap();
    let (answering, _events) = WebRtcPeer::open(&subscriber).await.unwrap();
    let answer = answering.answer(offer.clone()).await.unwrap();
    let (mut taken, mut answered) = (0, 0);
    for _ in 0..300 {
        let (peer, _events) = WebRtcPeer::open(&publisher).await.unwrap();
        peer.offer(false).await.unwrap();
        taken += u32::from(peer.take_answer(spoil(&answer, &mut dice)).await.is_ok());
        let candidate = spoil("candidate:1 1 udp 1 127.0.0.1 9 typ host", &mut dice);
        let init = serde_json::json!({ "candidate": candidate.trim() }).to_string();
        for init in [&init, "", "{}", "[1]", r#"{"candidate":7}"#] {
            let _either_way = peer.add_candidate(init).await;
        }
        let (peer, _events) = WebRtcPeer::open(&subscriber).await.unwrap();
        let done = peer.answer(spoil(&offer, &mut dice));
        let done = tokio::time::timeout(Duration::from_secs(30), done).await;
        answered += u32::from(done.expect("an end").is_ok());
    }
    // Were all of them refused, or none, nothing would have been tried.
    println!("{taken} answers and {answered} offers of 300 were taken");
    assert!(taken < 300 && answered < 300 && taken + answered > 0);
}
