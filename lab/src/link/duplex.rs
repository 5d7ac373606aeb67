//! Both directions of a link, and two protocol machines talking across it in virtual time.

use std::time::Duration;

use super::config::LinkConfig;
use super::emulator::{Admission, Delivery, Link};
use super::log::{Direction, PacketRecord};

/// A link in both directions.
#[derive(Debug)]
pub struct Duplex {
    up: Link,
    down: Link,
}

/// A protocol machine at one end of a [`Duplex`].
pub trait Endpoint {
    /// Takes a packet that arrived.
    fn receive(&mut self, now: Duration, packet: Vec<u8>);

    /// Gives a packet to send now; called until it returns `None`.
    fn transmit(&mut self, now: Duration) -> Option<Vec<u8>>;

    /// When [`transmit`](Self::transmit) is to be asked again even if nothing arrives; `None` for never.
    fn wake_at(&self) -> Option<Duration>;
}

impl Duplex {
    /// Two links that share a seed, not their random decisions.
    pub fn new(up: LinkConfig, down: LinkConfig, seed: u64) -> Self {
        Self {
            up: Link::new(Direction::Up, up, seed),
            down: Link::new(Direction::Down, down, seed),
        }
    }

    /// The same behavior in both directions.
    pub fn symmetric(config: LinkConfig, seed: u64) -> Self {
        Self::new(config.clone(), config, seed)
    }

    /// One of the links.
    pub fn link(&self, direction: Direction) -> &Link {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// One of the links, to change it.
    pub fn link_mut(&mut self, direction: Direction) -> &mut Link {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Puts a packet in.
    pub fn send(&mut self, direction: Direction, now: Duration, packet: Vec<u8>) -> Admission {
        self.link_mut(direction).send(now, packet)
    }

    /// Takes out a packet that is due, the earliest of both directions first; repeat until `None`.
    pub fn poll(&mut self, now: Duration) -> Option<Delivery> {
        let first = match (self.up.next_at(), self.down.next_at()) {
            (Some(up), Some(down)) if down < up => Direction::Down,
            (None, _) => Direction::Down,
            _ => Direction::Up,
        };
        let delivery = self.link_mut(first).poll(now);
        delivery.or_else(|| self.link_mut(first.reverse()).poll(now))
    }

    /// When to call [`poll`](Self::poll) next, or `None` if nothing is on its way.
    pub fn next_at(&self) -> Option<Duration> {
        self.up
            .next_at()
            .into_iter()
            .chain(self.down.next_at())
            .min()
    }

    /// Takes out everything on its way, each packet at its time, and answers with what `answer` returns; ends when
    /// nothing is on its way any more. Returns the time of the last delivery, or `now`.
    pub fn run_until_quiet(
        &mut self,
        mut now: Duration,
        mut answer: impl FnMut(Duration, Delivery) -> Vec<(Direction, Vec<u8>)>,
    ) -> Duration {
        while let Some(next_at) = self.next_at() {
            now = now.max(next_at);
            while let Some(delivery) = self.poll(now) {
                for (direction, packet) in answer(now, delivery) {
                    self.send(direction, now, packet);
                }
            }
        }
        now
    }

    /// Lets two machines talk, the first at the client's end, until both are quiet or the time reaches `until`.
    /// Returns the time when it ended; call it again from there to go on.
    ///
    /// A machine that asks to be woken in the past is woken once per step, so it cannot stop the time.
    pub fn run(
        &mut self,
        from: Duration,
        until: Duration,
        client: &mut dyn Endpoint,
        server: &mut dyn Endpoint,
    ) -> Duration {
        let mut now = from;
        loop {
            self.transmit_all(now, Direction::Up, client);
            self.transmit_all(now, Direction::Down, server);
            if self.deliver_all(now, client, server) {
                continue;
            }
            let wakes = [self.next_at(), client.wake_at(), server.wake_at()];
            let Some(next) = wakes.into_iter().flatten().min() else {
                return now;
            };
            if next >= until {
                return until;
            }
            now = next.max(now + Duration::from_nanos(1));
        }
    }

    fn transmit_all(&mut self, now: Duration, direction: Direction, sender: &mut dyn Endpoint) {
        while let Some(packet) = sender.transmit(now) {
            self.send(direction, now, packet);
        }
    }

    fn deliver_all(
        &mut self,
        now: Duration,
        client: &mut dyn Endpoint,
        server: &mut dyn Endpoint,
    ) -> bool {
        let mut has_delivered = false;
        while let Some(delivery) = self.poll(now) {
            has_delivered = true;
            match delivery.direction {
                Direction::Up => server.receive(now, delivery.packet),
                Direction::Down => client.receive(now, delivery.packet),
            }
        }
        has_delivered
    }

    /// The packets of both directions logged so far, in the order they entered.
    pub fn records(&self) -> Vec<PacketRecord> {
        merge(self.up.records().to_vec(), self.down.records().to_vec())
    }

    /// Empties the logs and gives what they held, in the order the packets entered.
    pub fn take_records(&mut self) -> Vec<PacketRecord> {
        merge(self.up.take_records(), self.down.take_records())
    }

    /// Whether records of either direction are missing since the log was full.
    pub fn has_log_overflowed(&self) -> bool {
        self.up.has_log_overflowed() || self.down.has_log_overflowed()
    }
}

fn merge(mut up: Vec<PacketRecord>, down: Vec<PacketRecord>) -> Vec<PacketRecord> {
    up.extend(down);
    up.sort_by_key(|record| {
        (
            record.entered_at,
            record.direction,
            record.sequence,
            record.is_duplicate,
        )
    });
    up
}

#[cfg(test)]
#[path = "tests/duplex.rs"]
mod tests;
