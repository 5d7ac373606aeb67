//! Rates of arrivals.

use super::super::transfer::Arrival;

/// Arrivals of one load, and what else came in over the same link meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series<'a> {
    /// In the order of arrival.
    pub(crate) arrivals: &'a [Arrival],
    /// Bytes of IP and UDP headers of each packet.
    pub(crate) headers: u16,
    /// Other packets of this program: time of arrival and bytes of the IP packet, in order.
    pub(crate) others: &'a [(u64, u64)],
    /// Over a stream packets come in heaps, behind one that TCP had to repeat, and there is no time
    /// within a heap that would tell a rate.
    pub(crate) stream: bool,
}

impl Series<'_> {
    /// The part from index `from` on.
    pub(crate) fn from(self, from: usize) -> Self {
        let arrivals = &self.arrivals[from.min(self.arrivals.len())..];
        Self { arrivals, ..self }
    }

    /// The part before index `to`.
    pub(crate) fn before(self, to: usize) -> Self {
        let arrivals = &self.arrivals[..to.min(self.arrivals.len())];
        Self { arrivals, ..self }
    }

    /// The part that came in at or after a time.
    pub(crate) fn since(self, at_ns: u64) -> Self {
        let from = self.arrivals.partition_point(|a| a.at_ns < at_ns);
        self.from(from)
    }

    /// Nanoseconds from the first to the last arrival.
    pub(crate) fn span_ns(self) -> u64 {
        match (self.arrivals.first(), self.arrivals.last()) {
            (Some(first), Some(last)) => last.at_ns.saturating_sub(first.at_ns),
            _ => 0,
        }
    }

    /// Bits a second of IP packets: everything behind the first arrival up to the last, over the
    /// time between them. While a queue is never empty, that is the rate at which it is served.
    /// `None` below three arrivals, or without time between them.
    pub(crate) fn rate_bps(self) -> Option<f64> {
        let [first, rest @ ..] = self.arrivals else {
            return None;
        };
        let span = self.span_ns();
        if rest.len() < 2 || span == 0 {
            return None;
        }
        let own: u64 = rest.iter().map(|a| self.packet_bytes(a)).sum();
        let bytes = own + self.other_bytes(first.at_ns, first.at_ns + span);
        Some(bytes as f64 * 8e9 / span as f64)
    }

    fn packet_bytes(self, arrival: &Arrival) -> u64 {
        u64::from(arrival.bytes) + u64::from(self.headers)
    }

    fn other_bytes(self, after_ns: u64, until_ns: u64) -> u64 {
        let from = self.others.partition_point(|(at, _)| *at <= after_ns);
        let to = self.others.partition_point(|(at, _)| *at <= until_ns);
        let between = self.others.get(from..to).unwrap_or_default();
        between.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Rates of sliding windows, oldest first.
    pub(crate) fn samples(self, window: Window) -> Vec<f64> {
        let (Some(first), Some(last)) = (self.arrivals.first(), self.arrivals.last()) else {
            return Vec::new();
        };
        let mut rates = Vec::new();
        let mut end = first.at_ns + window.width_ns;
        while end <= last.at_ns {
            let to = self.arrivals.partition_point(|a| a.at_ns <= end);
            let part = self.before(to).since(end - window.width_ns);
            if self.stream {
                let bytes: u64 = part.arrivals.iter().map(|a| self.packet_bytes(a)).sum();
                rates.push(bytes as f64 * 8e9 / window.width_ns as f64);
                end += window.step_ns;
                continue;
            }
            // A window in which next to nothing came in is a sample of next to nothing.
            let idle = || part.arrivals.len() as f64 * 8e9 / window.width_ns as f64;
            rates.push(part.rate_bps().unwrap_or_else(idle));
            end += window.step_ns;
        }
        rates
    }

    /// Windows that tell how the rate moves.
    pub(crate) fn window(self, rate_bps: f64, packet_bits: f64) -> Window {
        if self.stream {
            Window::OF_STREAM
        } else {
            Window::for_rate(rate_bps, packet_bits)
        }
    }

    /// Rates of `n` parts with equally many arrivals each, which do not overlap; over a stream, of
    /// equally long parts.
    pub(crate) fn parts(self, n: u32) -> Vec<f64> {
        if self.stream {
            return self.spans(n);
        }
        let n = n as usize;
        let each = self.arrivals.len() / n.max(1);
        let part = |i: usize| self.from(i * each).before(each + 1).rate_bps();
        (0..n).filter_map(part).collect()
    }

    fn spans(self, n: u32) -> Vec<f64> {
        let Some(first) = self.arrivals.first() else {
            return Vec::new();
        };
        let each = self.span_ns() / u64::from(n.max(1));
        if each == 0 {
            return Vec::new();
        }
        let count = |part: u32| {
            let from = first.at_ns + each * u64::from(part);
            let arrivals = self.arrivals.iter();
            // As in a rate, what begins a part belongs to the time before.
            let within = arrivals.filter(|a| (from + 1..=from + each).contains(&a.at_ns));
            let bytes: u64 = within.map(|a| self.packet_bytes(a)).sum();
            bytes as f64 * 8e9 / each as f64
        };
        (0..n).map(count).collect()
    }
}

/// A sliding window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) width_ns: u64,
    pub(crate) step_ns: u64,
}

impl Window {
    /// Longer than TCP is held up by a packet that it repeats.
    const OF_STREAM: Self = Self {
        width_ns: 250_000_000,
        step_ns: 25_000_000,
    };

    /// 50 ms every 10 ms, as Swiftest has it; wider on a link so slow that it holds fewer than six
    /// packets of `packet_bits`.
    pub(crate) fn for_rate(rate_bps: f64, packet_bits: f64) -> Self {
        let packet_ns = packet_bits * 1e9 / rate_bps.max(1000.0);
        Self {
            width_ns: whole((6.0 * packet_ns).max(50e6)),
            step_ns: whole(packet_ns.max(10e6)),
        }
    }
}

/// Whether eight of the last ten samples lie within 3 %: the stop rule of Swiftest (SIGCOMM 2022).
pub(crate) fn is_settled(samples: &[f64]) -> bool {
    let Some(from) = samples.len().checked_sub(10) else {
        return false;
    };
    let mut last = samples[from..].to_vec();
    last.sort_by(f64::total_cmp);
    last.windows(8)
        .any(|eight| eight[7] - eight[0] <= 0.03 * eight[7])
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

pub(crate) fn percentiles(samples: &[f64]) -> [f64; 3] {
    let sorted = sorted(samples);
    let at = |tenths: usize| {
        let index = (sorted.len() * tenths / 10).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or(0.0)
    };
    [at(1), at(5), at(9)]
}

/// 90th less 10th percentile over the median.
pub(crate) fn spread(samples: &[f64]) -> f64 {
    if samples.len() < 5 {
        return 0.0;
    }
    let [low, middle, high] = percentiles(samples);
    if middle > 0.0 {
        (high - low) / middle
    } else {
        0.0
    }
}

/// Half of the 95 % interval of the mean of these parts, by Student's t for seven degrees.
pub(crate) fn interval_half(parts: &[f64]) -> f64 {
    const T_95_OF_SEVEN: f64 = 2.365;
    let n = parts.len() as f64;
    if parts.len() < 2 {
        return 0.0;
    }
    let mean = parts.iter().sum::<f64>() / n;
    let variance = parts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    T_95_OF_SEVEN * (variance / n).sqrt()
}

/// A whole number of nanoseconds, or of bits a second; nothing below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and what is too large saturates"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(n: u32, spacing_ns: u64) -> Vec<Arrival> {
        let arrival = |seq: u32| Arrival {
            seq,
            sent_ns: 0,
            at_ns: 1_000 + u64::from(seq) * spacing_ns,
            bytes: 1200,
        };
        (0..n).map(arrival).collect()
    }

    fn series<'a>(arrivals: &'a [Arrival], others: &'a [(u64, u64)]) -> Series<'a> {
        Series {
            arrivals,
            headers: 50,
            others,
            stream: false,
        }
    }

    #[test]
    fn the_rate_counts_what_came_behind_the_first() {
        let arrivals = arrivals(11, 1_000_000);
        let rate = series(&arrivals, &[]).rate_bps().unwrap();
        assert!((rate - 10e6).abs() < 1.0, "{rate}");
        let others = [(0, 999_999), (500_000, 1250), (20_000_000, 999_999)];
        let rate = series(&arrivals, &others).rate_bps().unwrap();
        assert!((rate - 11e6).abs() < 1.0, "{rate}");
        assert_eq!(series(&arrivals[..2], &[]).rate_bps(), None);
    }

    #[test]
    fn heaps_of_a_stream_have_the_rate_of_the_time_between_them() {
        let mut arrivals = arrivals(1000, 1_000_000);
        for arrival in &mut arrivals {
            arrival.at_ns = arrival.at_ns / 70_000_000 * 70_000_000 + u64::from(arrival.seq);
        }
        let heaps = Series {
            stream: true,
            ..series(&arrivals, &[])
        };
        let half = interval_half(&heaps.parts(8));
        assert!(half < 5e6, "{half}");
        assert!(spread(&heaps.samples(heaps.window(10e6, 1e4))) < 0.5);
    }

    #[test]
    fn steady_arrivals_are_settled_and_parts_agree() {
        let arrivals = arrivals(200, 1_000_000);
        let series = series(&arrivals, &[]);
        let samples = series.samples(Window::for_rate(10e6, 10_000.0));
        assert_eq!(samples.len(), 15);
        assert!(is_settled(&samples));
        assert!(series.parts(8).iter().all(|rate| (rate - 10e6).abs() < 1.0));
        assert!(!is_settled(&samples[..9]));
    }

    #[test]
    fn rates_that_change_are_not_settled() {
        let samples: Vec<f64> = (0..10)
            .map(|i| 1e6 * (1.0 + f64::from(i % 3) * 0.05))
            .collect();
        assert!(!is_settled(&samples));
    }
}
