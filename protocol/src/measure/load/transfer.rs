//! One load as the client sees it, whichever way it goes.

use std::time::Duration;

use super::super::time::MonotonicTime;
use super::super::wire::{self, Message};
use super::ledger::{Ledger, MAX_LOAD_PACKETS, MAX_NOTED};
use super::schedule::{Burst, Plan, Sending, Shape};
use super::wire::{
    LoadDirection, LoadMessage, LoadPacket, LoadReport, LoadStart, NOTE_UNIT_NS,
    REPORT_REQUEST_BYTES,
};

/// Requests before the server counts as gone.
const TRIES: u32 = 6;
/// Least time before a request is repeated.
const SHORTEST_PAUSE: Duration = Duration::from_millis(60);
/// Departures that are remembered one by one, so that arrivals can be matched with them.
const MAX_DEPARTURES: usize = 4 * MAX_NOTED;
/// Readings of two clocks are off by so much without being a lie.
const CLOCK_SLACK_NS: i64 = 2_000_000;

/// One packet that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Sequence number.
    pub(crate) seq: u32,
    /// When it left, on the sender's clock.
    pub(crate) sent_ns: u64,
    /// When it came in, on the receiver's clock.
    pub(crate) at_ns: u64,
    /// UDP payload.
    pub(crate) bytes: u16,
}

impl Arrival {
    /// Delay in nanoseconds plus a constant that is unknown.
    pub(crate) fn transit_ns(&self) -> i64 {
        MonotonicTime::from_nanos(self.at_ns).minus(MonotonicTime::from_nanos(self.sent_ns))
    }
}

/// What counts as now for [`Transfer::rate_now`].
const RECENT_NS: u64 = 200_000_000;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferEnd {
    /// Everything that came in is known.
    Complete,
    /// The server does not answer any more.
    NoAnswer,
    /// The server refused; try again after this long.
    Refused(Duration),
    /// What the server says cannot be.
    Impossible,
}

/// What to do now.
#[derive(Debug)]
pub(crate) enum TransferStep {
    /// Send what was written into the buffer; segments of this size, a control message when `None`.
    Transmit(Option<Burst>),
    /// Nothing before this time.
    Wait(MonotonicTime),
    /// It is over.
    Over(TransferEnd),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Asking,
    Running,
    /// The server is asked for the end of it.
    Closing,
    Over(TransferEnd),
}

/// The load.
#[derive(Debug)]
pub(crate) struct Transfer {
    start: LoadStart,
    phase: Phase,
    tries: u32,
    next_try: MonotonicTime,
    pause: Duration,
    sending: Option<Sending>,
    departures: Vec<(u64, u16)>,
    ledger: Ledger,
    arrivals: Vec<Arrival>,
    began: Option<MonotonicTime>,
    last_news: Option<MonotonicTime>,
    received: u64,
    received_bytes: u64,
    duplicates: u32,
    /// Time of the last arrival and payload so far, as each report tells it.
    totals: Vec<(u64, u64)>,
    sent: u32,
    sent_bytes: u64,
    /// When the load was asked for.
    asked: Option<MonotonicTime>,
    rtt: Duration,
    /// No packet can have a shorter transit than this: it would have come in before it left.
    least_transit_ns: Option<i64>,
}

impl Transfer {
    /// A load that has not begun; `rtt` is how long an answer takes.
    pub(crate) fn new(start: LoadStart, rtt: Duration, least_transit_ns: Option<i64>) -> Self {
        Self {
            start,
            phase: Phase::Asking,
            tries: 0,
            next_try: MonotonicTime::default(),
            pause: (rtt * 2).max(SHORTEST_PAUSE),
            sending: None,
            departures: Vec::new(),
            ledger: Ledger::new(start.packets.min(MAX_LOAD_PACKETS)),
            arrivals: Vec::new(),
            began: None,
            last_news: None,
            received: 0,
            received_bytes: 0,
            duplicates: 0,
            totals: Vec::new(),
            sent: 0,
            sent_bytes: 0,
            asked: None,
            rtt,
            least_transit_ns,
        }
    }

    pub(crate) fn start(&self) -> &LoadStart {
        &self.start
    }

    /// Packets known one by one, in the order of their arrival.
    pub(crate) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Time of the last arrival and payload so far, coarser than [`Self::arrivals`] but without
    /// bound.
    pub(crate) fn totals(&self) -> &[(u64, u64)] {
        &self.totals
    }

    /// Bits of IP packets a second over the last of [`Self::totals`], roughly.
    pub(super) fn rate_now(&self, headers: u16) -> Option<f64> {
        let (until, bytes) = *self.totals.last()?;
        let from = self
            .totals
            .partition_point(|(at, _)| at.saturating_add(RECENT_NS) < until);
        let (since, before) = *self.totals.get(from)?;
        let seconds = until.checked_sub(since).filter(|span| *span > 0)? as f64 / 1e9;
        let packet = f64::from(self.start.packet_bytes.max(1));
        let with_headers = (packet + f64::from(headers)) / packet;
        Some(bytes.checked_sub(before)? as f64 * 8.0 * with_headers / seconds)
    }

    /// Bits of UDP payload a second that the sender sent, from the first arrival to the last.
    pub(super) fn sent_bps(&self) -> Option<f64> {
        let (first, _) = *self.totals.first()?;
        let (last, _) = *self.totals.last()?;
        let span = last.checked_sub(first).filter(|span| *span > 0)?;
        let bits = f64::from(self.sent) * f64::from(self.start.packet_bytes) * 8.0;
        Some(bits * 1e9 / span as f64)
    }

    /// More packets came in than are known one by one.
    pub(super) fn outran_its_notes(&self) -> bool {
        self.received > self.arrivals.len() as u64 && self.arrivals.len() >= MAX_NOTED
    }

    /// Different packets that came in.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Packets that left.
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// When the first packet left, or came in when it goes down.
    pub(crate) fn began(&self) -> Option<MonotonicTime> {
        self.began
    }

    /// When something new of it came in.
    pub(crate) fn last_news(&self) -> Option<MonotonicTime> {
        self.last_news
    }

    /// The last packet was sent or asked for; what remains is to hear of it.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Over(_))
    }

    /// Sends no more; what is on its way is still waited for.
    pub(crate) fn stop(&mut self, now: MonotonicTime) {
        if let Some(sending) = &mut self.sending {
            sending.stop();
        }
        if matches!(self.phase, Phase::Running) {
            self.close(now);
        }
    }

    fn close(&mut self, now: MonotonicTime) {
        self.phase = Phase::Closing;
        self.tries = 0;
        self.next_try = now;
    }

    /// What to do now; datagrams are written into `out`.
    pub(crate) fn poll(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> TransferStep {
        match self.phase {
            Phase::Over(end) => TransferStep::Over(end),
            Phase::Asking => self.ask(now, LoadMessage::Start(self.start), out),
            Phase::Running if self.sending.is_some() => self.poll_sending(now, out),
            Phase::Running => self.poll_receiving(now, out),
            Phase::Closing => self.ask(now, self.report_request(), out),
        }
    }

    fn report_request(&self) -> LoadMessage {
        LoadMessage::ReportRequest {
            session: self.start.session,
            load: self.start.load,
            base: u32::try_from(self.noted()).unwrap_or(u32::MAX),
            stop: true,
        }
    }

    /// Notes of the server that are known here, when it goes up.
    fn noted(&self) -> usize {
        self.arrivals.len()
    }

    fn ask(&mut self, now: MonotonicTime, message: LoadMessage, out: &mut Vec<u8>) -> TransferStep {
        if self.tries > 0 && now < self.next_try {
            return TransferStep::Wait(self.next_try);
        }
        if self.tries >= TRIES {
            self.phase = Phase::Over(TransferEnd::NoAnswer);
            return TransferStep::Over(TransferEnd::NoAnswer);
        }
        self.tries += 1;
        self.asked.get_or_insert(now);
        // Behind a full queue an answer takes longer each time.
        self.next_try = now.after(self.pause * self.tries);
        wire::encode(&Message::Load(message), REPORT_REQUEST_BYTES, out);
        TransferStep::Transmit(None)
    }

    fn poll_sending(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> TransferStep {
        let Some(sending) = &mut self.sending else {
            return TransferStep::Wait(now);
        };
        if let Some(burst) = sending.poll(now, out) {
            self.began.get_or_insert(now);
            self.sent = sending.sent();
            self.sent_bytes = sending.sent_bytes();
            let room = MAX_DEPARTURES.saturating_sub(self.departures.len());
            let kept = room.min(burst.packets as usize);
            let departure = (now.as_nanos(), burst.segment_bytes);
            self.departures.extend(std::iter::repeat_n(departure, kept));
            return TransferStep::Transmit(Some(burst));
        }
        if let Some(at) = sending.next_at() {
            return TransferStep::Wait(at);
        }
        self.close(now);
        self.poll(now, out)
    }

    fn poll_receiving(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> TransferStep {
        let patience = self.pause * TRIES;
        let until = match self.began {
            Some(began) => began.after(self.planned()),
            None => self.last_news.unwrap_or(now).after(patience),
        };
        if now < until {
            return TransferStep::Wait(until);
        }
        self.close(now);
        self.poll(now, out)
    }

    /// How long the sender needs.
    fn planned(&self) -> Duration {
        match self.start.shape {
            Shape::BackToBack => Duration::ZERO,
            Shape::Even | Shape::Random => {
                let bits = u64::from(self.start.packets) * u64::from(self.start.packet_bytes) * 8;
                Duration::from_secs_f64(bits as f64 / self.start.rate_bps.max(1) as f64)
            }
            Shape::Call => call_duration(&self.start),
        }
    }

    /// Takes a message about this load; false when it is about none of it.
    pub(crate) fn received_message(
        &mut self,
        at: MonotonicTime,
        message: &LoadMessage,
        bytes: usize,
    ) -> bool {
        match message {
            LoadMessage::Granted { load, packets, .. } if *load == self.start.load => {
                self.granted(at, *packets);
            }
            LoadMessage::Packet(packet) if packet.load == self.start.load => {
                self.packet_came(at, *packet, bytes);
            }
            LoadMessage::Report(report) if report.load == self.start.load => {
                self.reported(at, report);
            }
            _ => return false,
        }
        true
    }

    /// The server refuses.
    pub(crate) fn refused(&mut self, retry_after: Duration) {
        if matches!(self.phase, Phase::Asking) {
            self.phase = Phase::Over(TransferEnd::Refused(retry_after));
        }
    }

    fn granted(&mut self, at: MonotonicTime, packets: u32) {
        if !matches!(self.phase, Phase::Asking) {
            return;
        }
        self.start.packets = self.start.packets.min(packets);
        self.phase = Phase::Running;
        self.last_news = Some(at);
        if self.start.direction == LoadDirection::Up {
            self.sending = Some(Sending::new(&self.start, at));
        }
    }

    fn packet_came(&mut self, at: MonotonicTime, packet: LoadPacket, bytes: usize) {
        if self.start.direction != LoadDirection::Down {
            return;
        }
        if matches!(self.phase, Phase::Asking) {
            self.phase = Phase::Running;
        }
        if !self.ledger.note(packet.seq, bytes, at) {
            return;
        }
        self.began.get_or_insert(at);
        self.last_news = Some(at);
        let arrival = Arrival {
            seq: packet.seq,
            sent_ns: packet.departure_ns,
            at_ns: at.as_nanos(),
            bytes: u16::try_from(bytes).unwrap_or(u16::MAX),
        };
        if self.add(arrival, at).is_none() {
            self.phase = Phase::Over(TransferEnd::Impossible);
            return;
        }
        let totals = self.ledger.totals();
        self.received = u64::from(totals.packets);
        self.received_bytes = totals.bytes;
        self.duplicates = totals.duplicates;
        self.note_totals(at.as_nanos());
    }

    fn note_totals(&mut self, at_ns: u64) {
        let due = self
            .totals
            .last()
            .is_none_or(|(last, _)| at_ns >= last + 5_000_000);
        if due {
            self.totals.push((at_ns, self.received_bytes));
        }
    }

    /// A packet that came in before it left, or that left before it was asked for or will come in
    /// later than now, as far as the echoes tell.
    fn is_impossible(&self, arrival: &Arrival, now: MonotonicTime) -> bool {
        let (Some(least), Some(asked)) = (self.least_transit_ns, self.asked) else {
            return false;
        };
        let longest = now.since(asked) + self.rtt;
        let longest = i64::try_from(longest.as_nanos()).unwrap_or(i64::MAX);
        let most = least.saturating_add(longest);
        let transit = arrival.transit_ns();
        transit < least.saturating_sub(CLOCK_SLACK_NS)
            || transit > most.saturating_add(CLOCK_SLACK_NS)
    }

    /// Adds an arrival, in order: stamps that are a little out of it are those of two processors.
    /// `None` when it cannot be.
    fn add(&mut self, arrival: Arrival, now: MonotonicTime) -> Option<()> {
        let before = self.arrivals.last().map_or(0, |last| last.at_ns);
        let slack = CLOCK_SLACK_NS.unsigned_abs();
        if self.is_impossible(&arrival, now) || arrival.at_ns.saturating_add(slack) < before {
            return None;
        }
        let at_ns = arrival.at_ns.max(before);
        if self.arrivals.len() < MAX_NOTED {
            self.arrivals.push(Arrival { at_ns, ..arrival });
        }
        Some(())
    }

    fn reported(&mut self, at: MonotonicTime, report: &LoadReport) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        match self.start.direction {
            LoadDirection::Up => self.arrivals_reported(at, report),
            LoadDirection::Down => self.end_reported(at, report),
        }
    }

    fn end_reported(&mut self, at: MonotonicTime, report: &LoadReport) {
        self.last_news = Some(at);
        let is_possible =
            report.sent <= self.start.packets && u64::from(report.sent) >= self.received;
        if !is_possible {
            self.phase = Phase::Over(TransferEnd::Impossible);
        } else if report.ended {
            self.sent = report.sent;
            self.phase = Phase::Over(TransferEnd::Complete);
        }
    }

    fn arrivals_reported(&mut self, at: MonotonicTime, report: &LoadReport) {
        if !self.is_possible(report) {
            self.phase = Phase::Over(TransferEnd::Impossible);
            return;
        }
        if u64::from(report.received) > self.received {
            self.last_news = Some(at);
            self.received = u64::from(report.received);
            self.received_bytes = report.received_bytes;
            self.duplicates = report.duplicates;
            self.note_totals(report.last_arrival_ns);
        }
        let known = self.noted();
        if self.take_notes(report, at).is_none() {
            self.phase = Phase::Over(TransferEnd::Impossible);
            return;
        }
        if !matches!(self.phase, Phase::Closing) {
            return;
        }
        let is_missing = report.noted as usize > self.noted();
        if is_missing && self.noted() > known {
            // Ask for the rest at once.
            self.tries = 0;
            self.next_try = at;
        } else if report.ended && !is_missing {
            self.phase = Phase::Over(TransferEnd::Complete);
        }
    }

    fn is_possible(&self, report: &LoadReport) -> bool {
        let told = u64::from(report.base) + report.notes.len() as u64;
        report.received <= self.sent
            && report.received_bytes <= self.sent_bytes
            && report.noted <= report.received
            && report.noted as usize <= MAX_NOTED
            && told <= u64::from(report.noted.max(report.base))
            && report.first_arrival_ns <= report.last_arrival_ns
    }

    /// `None` when one of them cannot be.
    fn take_notes(&mut self, report: &LoadReport, now: MonotonicTime) -> Option<()> {
        let known = self.noted();
        let fresh = known.checked_sub(report.base as usize);
        let Some(fresh) = fresh.filter(|fresh| *fresh < report.notes.len()) else {
            return Some(());
        };
        for (seq, after) in &report.notes[fresh..] {
            let (sent_ns, bytes) = self.departure(*seq)?;
            let after = u64::from(*after) * NOTE_UNIT_NS;
            let arrival = Arrival {
                seq: *seq,
                sent_ns,
                at_ns: report.first_arrival_ns.saturating_add(after),
                bytes,
            };
            self.add(arrival, now)?;
        }
        Some(())
    }

    /// When a packet left and its size; of packets beyond those remembered, the last that is.
    fn departure(&self, seq: u32) -> Option<(u64, u16)> {
        let known = self.departures.get(seq as usize);
        known
            .or_else(|| self.departures.last().filter(|_| seq < self.sent))
            .copied()
    }
}

fn call_duration(start: &LoadStart) -> Duration {
    let mut plan = Plan::new(start);
    for _ in 1..start.packets {
        plan.advance();
    }
    plan.peek().due
}

/// Packets that a call-shaped load has within this time.
pub(crate) fn call_packets(start: &LoadStart, time: Duration) -> u32 {
    let mut plan = Plan::new(start);
    let mut packets = 0;
    while plan.peek().due < time && packets < MAX_LOAD_PACKETS {
        plan.advance();
        packets += 1;
    }
    packets
}
