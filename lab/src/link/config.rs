//! What a link does to packets.

use std::time::Duration;

use super::loss::Loss;

/// The behavior of one direction of a link. The default is a perfect link: no delay, no loss, no limit.
///
/// The stages come in this order: MTU, outage, loss, bottleneck queue, duplication, delay with jitter, reordering.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinkConfig {
    /// Delay of every packet after the bottleneck.
    pub delay: Duration,
    /// Variation of the delay; the sum is never below zero.
    pub jitter: Jitter,
    /// Which packets are lost before the bottleneck.
    pub loss: Loss,
    /// The bottleneck; `None` is infinitely fast.
    pub rate: Option<Rate>,
    /// Packets that are held back so that later ones overtake; `None` keeps the order whatever the jitter.
    pub reordering: Option<Reordering>,
    /// Probability, 0..=1, that a packet arrives twice. The copy leaves right behind the packet and does not load the bottleneck.
    pub duplicate_probability: f64,
    /// Longest packet that passes, in bytes of the IP packet; longer ones vanish. [`Admission::Dropped`] tells
    /// the caller, who may signal it or, as a black hole does, not.
    ///
    /// [`Admission::Dropped`]: super::Admission::Dropped
    pub mtu: Option<usize>,
    /// Spells in which all entering packets are lost, relative to the first packet the link ever got.
    /// Packets that entered before still arrive.
    pub outages: Vec<Outage>,
}

impl LinkConfig {
    /// A perfect link.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the delay.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the delay in milliseconds.
    #[must_use]
    pub fn delay_ms(self, delay_ms: u64) -> Self {
        self.delay(Duration::from_millis(delay_ms))
    }

    /// Sets the variation of the delay.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the loss model.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// Sets the bottleneck.
    #[must_use]
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Holds packets back by `extra_delay` with a probability of 0..=1.
    #[must_use]
    pub fn reordering(mut self, probability: f64, extra_delay: Duration) -> Self {
        self.reordering = Some(Reordering {
            probability,
            extra_delay,
        });
        self
    }

    /// Sets the probability, 0..=1, that a packet arrives twice.
    #[must_use]
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.duplicate_probability = probability;
        self
    }

    /// Sets the longest packet that passes, in bytes.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Adds an outage, relative to the first packet.
    #[must_use]
    pub fn outage(mut self, from: Duration, until: Duration) -> Self {
        self.outages.push(Outage { from, until });
        self
    }
}

/// Variation of the delay, drawn for each packet.
///
/// A packet never overtakes its predecessor: one that would is held until the predecessor leaves. With packets closer
/// together than the jitter, the mean delay is therefore above the configured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// None.
    #[default]
    None,
    /// Evenly between minus and plus this much.
    Uniform(Duration),
    /// Normal distribution with this standard deviation.
    Normal(Duration),
}

/// A bottleneck: a token bucket with a queue in front that drops at its tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Rate in bits of IP packets per second; 0 lets nothing pass.
    pub bits_per_second: u64,
    /// Most bytes that wait, the packet being sent included. A packet finding an empty queue is always taken.
    pub queue_limit_bytes: usize,
    /// Bytes that pass at once after idling; 0 spaces all packets evenly, as a serial line does.
    pub burst_bytes: usize,
}

impl Rate {
    /// A rate with a queue of `queue` at that rate and no burst.
    pub fn new(bits_per_second: u64, queue: Duration) -> Self {
        let bytes = u128::from(bits_per_second) * queue.as_nanos() / 8_000_000_000;
        Self {
            bits_per_second,
            queue_limit_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            burst_bytes: 0,
        }
    }

    /// Sets the bytes that pass at once after idling.
    #[must_use]
    pub fn burst_bytes(mut self, bytes: usize) -> Self {
        self.burst_bytes = bytes;
        self
    }
}

/// Deliberate reordering.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reordering {
    /// Probability, 0..=1, that a packet is held back.
    pub probability: f64,
    /// How long it is held back; later packets overtake it if they are less than this behind.
    pub extra_delay: Duration,
}

/// A spell in which a link loses everything that enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Start, inclusive.
    pub from: Duration,
    /// End, exclusive.
    pub until: Duration,
}

impl Outage {
    pub(super) fn covers(&self, at: Duration) -> bool {
        (self.from..self.until).contains(&at)
    }
}
