use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn an_echo_takes_both_delays() {
    let mut duplex = Duplex::new(
        LinkConfig::new().delay_ms(20),
        LinkConfig::new().delay_ms(30),
        1,
    );
    duplex.send(Direction::Up, ms(0), b"hello".to_vec());
    let ended_at = duplex.run_until_quiet(ms(0), |_, delivery| match delivery.direction {
        Direction::Up => vec![(Direction::Down, delivery.packet)],
        Direction::Down => vec![],
    });
    assert_eq!(ended_at, ms(50));
    assert_eq!(duplex.records().len(), 2);
}

/// Sends a packet every 10 ms, five times, and notes when answers arrive.
#[derive(Default)]
struct Pinger {
    n_sent: u64,
    answered_at: Vec<Duration>,
}

impl Endpoint for Pinger {
    fn receive(&mut self, now: Duration, _packet: Vec<u8>) {
        self.answered_at.push(now);
    }

    fn transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.wake_at().filter(|at| *at <= now)?;
        self.n_sent += 1;
        Some(vec![0; 10])
    }

    fn wake_at(&self) -> Option<Duration> {
        (self.n_sent < 5).then(|| ms(10) * u32::try_from(self.n_sent).unwrap())
    }
}

#[derive(Default)]
struct Echo(Vec<Vec<u8>>);

impl Endpoint for Echo {
    fn receive(&mut self, _now: Duration, packet: Vec<u8>) {
        self.0.push(packet);
    }

    fn transmit(&mut self, _now: Duration) -> Option<Vec<u8>> {
        self.0.pop()
    }

    fn wake_at(&self) -> Option<Duration> {
        None
    }
}

#[test]
fn two_machines_talk_in_virtual_time() {
    let mut duplex = Duplex::symmetric(LinkConfig::new().delay_ms(20), 1);
    let mut pinger = Pinger::default();
    let ended_at = duplex.run(ms(0), ms(10_000), &mut pinger, &mut Echo::default());
    assert_eq!(pinger.answered_at, [ms(40), ms(50), ms(60), ms(70), ms(80)]);
    assert_eq!(ended_at, ms(80));
}

#[test]
fn a_conversation_stops_at_its_deadline_and_goes_on() {
    let mut duplex = Duplex::symmetric(LinkConfig::new().delay_ms(20), 1);
    let (mut pinger, mut echo) = (Pinger::default(), Echo::default());
    assert_eq!(duplex.run(ms(0), ms(45), &mut pinger, &mut echo), ms(45));
    assert_eq!(pinger.answered_at.len(), 1);
    duplex.run(ms(45), ms(10_000), &mut pinger, &mut echo);
    assert_eq!(pinger.answered_at.len(), 5);
}
