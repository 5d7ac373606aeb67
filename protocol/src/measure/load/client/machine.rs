//! From load to load, and what comes in.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::super::super::record::EchoRecord;
use super::super::super::time::MonotonicTime;
use super::super::super::wire::{self, Message, RefusalCode};
use super::super::capacity::{Capacity, CapacityTest, Saturation, Segment, Stop};
use super::super::transfer::{Transfer, TransferEnd, TransferStep};
use super::super::wire::{LoadDirection, LoadStart};
use super::config::{FlowId, LoadConfig, LoadEnd, LoadOutput, LoadPhase};
use super::flows::Flows;
use super::trials::{TrialResult, Trials};

/// Answers before the first load, so that an idle delay is known.
const BASELINE_ECHOES: usize = 4;
/// Longest wait for them.
const BASELINE_PATIENCE: Duration = Duration::from_millis(400);
/// Nothing at all for this long: the server is gone.
const VANISHED: Duration = Duration::from_millis(2500);
/// Arrivals are looked at this often.
const LOOK: Duration = Duration::from_millis(10);
/// A server that carries no more is asked again when it says that this is soon enough.
const SHORT_REFUSAL: Duration = Duration::from_millis(1200);

/// The client.
#[derive(Debug)]
pub struct LoadClient {
    flows: Flows,
    phase: LoadPhase,
    told: LoadPhase,
    connected: Option<MonotonicTime>,
    idle_until: Option<MonotonicTime>,
    up: CapacityTest,
    down: CapacityTest,
    transfer: Option<Transfer>,
    second: Option<Transfer>,
    /// Ends of the two transfers of a trial.
    ends: [Option<TransferEnd>; 2],
    trials: Trials,
    next_load: u32,
    next_look: MonotonicTime,
    retry_at: Option<MonotonicTime>,
    retried: bool,
    end: Option<LoadEnd>,
    ignored: u64,
    farewells: u8,
}

impl LoadClient {
    /// One that has not begun.
    pub fn new(config: LoadConfig) -> Self {
        let headers = config.up.headers;
        Self {
            flows: Flows::new(&config),
            phase: LoadPhase::Connect,
            told: LoadPhase::Connect,
            connected: None,
            idle_until: None,
            up: CapacityTest::new(config.up, config.idle[0]),
            down: CapacityTest::new(config.down, config.idle[1]),
            transfer: None,
            second: None,
            ends: [None; 2],
            trials: Trials::new(config.trials, config.idle, headers),
            next_load: 0,
            next_look: MonotonicTime::default(),
            retry_at: None,
            retried: false,
            end: None,
            ignored: 0,
            farewells: 0,
        }
    }

    /// What to do now; what is to be sent is written into `out`.
    pub fn poll(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> LoadOutput {
        out.clear();
        loop {
            if self.told != self.phase {
                self.told = self.phase;
                return LoadOutput::Phase(self.phase);
            }
            if let Some(end) = self.end {
                return self.part(end, out);
            }
            self.look(now);
            if self.end.is_some() || self.told != self.phase {
                continue;
            }
            if let Some(output) = self.poll_parts(now, out) {
                return output;
            }
        }
    }

    /// Polls transfers and flows; `None` when something changed and all have to be asked again.
    fn poll_parts(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> Option<LoadOutput> {
        let mut wait = self.next_look.max(now.after(Duration::from_micros(1)));
        match self.flows.poll(now, out) {
            Ok(output) => return Some(output),
            Err(until) => wait = wait.min(until),
        }
        if let Some(at) = self.retry_at {
            if now < at {
                return Some(LoadOutput::Wait(wait.min(at)));
            }
            self.retry_at = None;
        }
        for index in 0..2 {
            match self.poll_transfer(index, now, out) {
                Polled::Send(segment_bytes) => {
                    return Some(LoadOutput::Transmit {
                        flow: FlowId::Load,
                        segment_bytes,
                        echo: None,
                    });
                }
                Polled::Wait(until) => wait = wait.min(until),
                Polled::Changed => return None,
                Polled::Nothing => {}
            }
        }
        Some(LoadOutput::Wait(wait))
    }

    fn poll_transfer(&mut self, index: usize, now: MonotonicTime, out: &mut Vec<u8>) -> Polled {
        let slot = if index == 0 {
            &mut self.transfer
        } else {
            &mut self.second
        };
        let Some(transfer) = slot.as_mut().filter(|_| self.ends[index].is_none()) else {
            return Polled::Nothing;
        };
        match transfer.poll(now, out) {
            TransferStep::Transmit(burst) => Polled::Send(burst.map(|b| b.segment_bytes)),
            TransferStep::Wait(until) => Polled::Wait(until),
            TransferStep::Over(end) => {
                self.ends[index] = Some(end);
                self.transfer_over(now);
                Polled::Changed
            }
        }
    }

    /// Decides what can be decided now.
    fn look(&mut self, now: MonotonicTime) {
        self.check_flows(now);
        if self.end.is_some() {
            return;
        }
        if self.phase == LoadPhase::Connect {
            self.begin_when_ready(now);
        }
        if now < self.next_look {
            return;
        }
        self.next_look = now.after(LOOK);
        self.stop_when_enough(now);
    }

    fn check_flows(&mut self, now: MonotonicTime) {
        if let Some(failure) = self.flows.failure() {
            self.finish(LoadEnd::Failed(failure));
        }
        if self
            .flows
            .silence(now)
            .is_some_and(|silence| silence >= VANISHED)
        {
            self.finish(LoadEnd::Vanished);
        }
    }

    fn begin_when_ready(&mut self, now: MonotonicTime) {
        if !self.flows.are_open() {
            return;
        }
        let connected = *self.connected.get_or_insert(now);
        let is_known = self.flows.answered() >= BASELINE_ECHOES;
        if is_known || now.since(connected) >= BASELINE_PATIENCE {
            self.idle_until = Some(now);
            self.phase = LoadPhase::Up;
            self.next_segment(now);
        }
    }

    fn stop_when_enough(&mut self, now: MonotonicTime) {
        if !matches!(self.phase, LoadPhase::Up | LoadPhase::Down) {
            return;
        }
        let Some(transfer) = self.transfer.as_mut().filter(|t| !t.is_closing()) else {
            return;
        };
        let test = match self.phase {
            LoadPhase::Up => &mut self.up,
            _ => &mut self.down,
        };
        let news = transfer.last_news().unwrap_or(now);
        let silence = now.since(news.max(transfer.began().unwrap_or(now)));
        let runs = transfer.began().map(|began| now.since(began));
        if runs.is_some_and(|runs| test.should_stop(transfer, silence, runs)) {
            transfer.stop(now);
        }
    }

    // ----- from load to load

    fn next_segment(&mut self, now: MonotonicTime) {
        let rtt = self.flows.idle_rtt().unwrap_or_default();
        loop {
            let (direction, test) = match self.phase {
                LoadPhase::Up => (LoadDirection::Up, &mut self.up),
                LoadPhase::Down => (LoadDirection::Down, &mut self.down),
                _ => return,
            };
            if let Some(segment) = test.next(rtt) {
                self.begin_segment(direction, segment);
                return;
            }
            self.phase = match self.phase {
                LoadPhase::Up => LoadPhase::Down,
                _ => LoadPhase::Trial,
            };
            if self.phase == LoadPhase::Trial {
                self.first_trial(now);
                return;
            }
        }
    }

    fn begin_segment(&mut self, direction: LoadDirection, segment: Segment) {
        let known = match direction {
            LoadDirection::Up => self.up.rate_bps(),
            LoadDirection::Down => self.down.rate_bps(),
        };
        self.flows.beside_load(known);
        let start = LoadStart {
            session: self.flows.load_session(),
            load: self.next_load_id(),
            direction,
            shape: segment.shape,
            packet_bytes: segment.packet_bytes,
            packets: segment.packets,
            rate_bps: segment.rate_bps,
        };
        self.transfer = Some(self.transfer_of(start));
        self.ends = [None; 2];
    }

    fn transfer_of(&self, start: LoadStart) -> Transfer {
        let rtt = self.flows.idle_rtt().unwrap_or(Duration::from_millis(100));
        Transfer::new(start, rtt, self.flows.least_transit(start.direction))
    }

    fn next_load_id(&mut self) -> u32 {
        self.next_load += 1;
        self.next_load
    }

    fn transfer_over(&mut self, now: MonotonicTime) {
        match self.phase {
            LoadPhase::Up | LoadPhase::Down => self.segment_over(now),
            LoadPhase::Trial => self.trial_over(now),
            LoadPhase::Connect | LoadPhase::Done => {}
        }
    }

    fn segment_over(&mut self, now: MonotonicTime) {
        let (Some(end), Some(transfer)) = (self.ends[0], self.transfer.take()) else {
            return;
        };
        if let Some(again) = self.again_after(end) {
            self.retry_at = Some(now.after(again));
            let load = self.next_load_id();
            let start = LoadStart {
                load,
                ..*transfer.start()
            };
            self.transfer = Some(self.transfer_of(start));
            self.ends = [None; 2];
            return;
        }
        let direction = transfer.start().direction;
        let others = self.flows.arrivals(direction);
        match direction {
            LoadDirection::Up => self.up.finished(&transfer, end, &others),
            LoadDirection::Down => self.down.finished(&transfer, end, &others),
        }
        match broke_off(end) {
            Some(end) => self.finish(end),
            None => self.next_segment(now),
        }
    }

    /// How long to wait before a refused load is asked for again, once. Zero says that asking again
    /// does not help.
    fn again_after(&mut self, end: TransferEnd) -> Option<Duration> {
        match end {
            TransferEnd::Refused(after)
                if !after.is_zero() && after <= SHORT_REFUSAL && !self.retried =>
            {
                self.retried = true;
                Some(after)
            }
            _ => None,
        }
    }

    // ----- trials

    fn first_trial(&mut self, now: MonotonicTime) {
        let found = [self.up.capacity.as_ref(), self.down.capacity.as_ref()];
        if self.trials.begin(found) {
            self.begin_trial(now);
        } else {
            self.finish(LoadEnd::Complete);
        }
    }

    fn begin_trial(&mut self, now: MonotonicTime) {
        let data_left = self.up.data_left() + self.down.data_left();
        if self.trials.spent() + self.trials.cost() > data_left as f64 {
            self.finish(LoadEnd::Complete);
            return;
        }
        self.flows.beside_trial(self.trials.is_slow());
        let session = self.flows.load_session();
        let ids = [self.next_load_id(), self.next_load_id()];
        let up = self.trials.load(LoadDirection::Up, session, ids[0]);
        let down = self.trials.load(LoadDirection::Down, session, ids[1]);
        self.transfer = Some(self.transfer_of(up));
        self.second = Some(self.transfer_of(down));
        self.ends = [None; 2];
        self.next_look = now;
    }

    fn trial_over(&mut self, now: MonotonicTime) {
        let [Some(up_end), Some(down_end)] = self.ends else {
            return;
        };
        let (Some(up), Some(down)) = (self.transfer.take(), self.second.take()) else {
            return;
        };
        let mut ends = [up_end, down_end].into_iter();
        if let Some(end) = ends.find_map(broke_off) {
            self.finish(end);
        } else if self.trials.finished(&up, &down, now) {
            self.begin_trial(now);
        } else {
            self.finish(LoadEnd::Complete);
        }
    }

    // ----- what comes in

    /// Hands in a datagram of one flow. What is no answer to this client is ignored and counted.
    pub fn received(
        &mut self,
        at: MonotonicTime,
        clock: ClockSource,
        flow: FlowId,
        datagram: &[u8],
    ) {
        let known = wire::decode(datagram)
            .is_ok_and(|message| self.take(at, clock, flow, &message, datagram.len()));
        self.ignored += u64::from(!known);
    }

    fn take(
        &mut self,
        at: MonotonicTime,
        clock: ClockSource,
        id: FlowId,
        message: &Message,
        bytes: usize,
    ) -> bool {
        if self.flows.received(at, clock, id, message) {
            return true;
        }
        let flow = self.flows.get_mut(id);
        let session = flow.session();
        match message {
            Message::Load(load) if session == Some(load.session()) && id == FlowId::Load => {
                flow.heard(at);
                let transfers = self.transfer.iter_mut().chain(&mut self.second);
                let taken = transfers.map(|t| t.received_message(at, load, bytes));
                // Late packets of a load that is over are no strangers.
                let _is_of_now = taken.fold(false, |any, one| any | one);
                true
            }
            Message::Refused {
                subject,
                code: RefusalCode::LoadLimit,
                retry_after_ms,
            } if session == Some(*subject) => {
                let after = Duration::from_millis(u64::from(*retry_after_ms));
                let transfers = self.transfer.iter_mut().chain(&mut self.second);
                transfers.for_each(|transfer| transfer.refused(after));
                true
            }
            Message::Refused { subject, .. } => session == Some(*subject),
            Message::Closed { session: closed } => session == Some(*closed),
            _ => false,
        }
    }

    /// The echo left at this time.
    pub fn departed(&mut self, flow: FlowId, seq: u32, at: MonotonicTime) {
        self.flows.get_mut(flow).departed(seq, at);
    }

    /// Ends as soon as possible; what was measured stays.
    pub fn cancel(&mut self) {
        self.finish(LoadEnd::Cancelled);
    }

    fn finish(&mut self, end: LoadEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            self.phase = LoadPhase::Done;
        }
    }

    /// Says farewell on both flows, then that it is over.
    fn part(&mut self, end: LoadEnd, out: &mut Vec<u8>) -> LoadOutput {
        while self.farewells < 2 {
            self.farewells += 1;
            let flow = [FlowId::Load, FlowId::Other][usize::from(self.farewells - 1)];
            if let Some(farewell) = self.flows.farewell(flow, out) {
                return farewell;
            }
        }
        LoadOutput::Finished(end)
    }

    // ----- what is known

    /// Where the measurement is.
    pub fn phase(&self) -> LoadPhase {
        self.phase
    }

    /// What the loads under way bring, up and down: bits a second of IP packets that came in during
    /// the last fifth of a second, roughly, for those who watch. `None` without a load, or before
    /// enough of it came in.
    pub fn rates_now(&self) -> [Option<f64>; 2] {
        let mut rates = [None; 2];
        for transfer in self.transfer.iter().chain(&self.second) {
            let is_down = transfer.start().direction == LoadDirection::Down;
            rates[usize::from(is_down)] = transfer.rate_now(self.flows.headers());
        }
        rates
    }

    /// What the uplink carries.
    pub fn uplink(&self) -> Measured<'_> {
        Measured::of(&self.up)
    }

    /// What the downlink carries.
    pub fn downlink(&self) -> Measured<'_> {
        Measured::of(&self.down)
    }

    /// The trials so far.
    pub fn trials(&self) -> &[TrialResult] {
        self.trials.results()
    }

    /// The rung that each direction ended with, and whether a trial of it fitted.
    pub fn rungs(&self) -> [(u64, bool); 2] {
        self.trials.rungs()
    }

    /// Echoes of the flow without loads.
    pub fn other_echoes(&self) -> &[EchoRecord] {
        self.flows.get(FlowId::Other).records()
    }

    /// Echoes of the flow with loads.
    pub fn same_flow_echoes(&self) -> &[EchoRecord] {
        self.flows.get(FlowId::Load).records()
    }

    /// When the first load began: echoes before are idle.
    pub fn idle_until(&self) -> Option<MonotonicTime> {
        self.idle_until
    }

    /// Datagrams that were no answer to this client.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// What is known of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// What it carries.
    pub capacity: Option<&'a Capacity>,
    /// Delay while it is full.
    pub saturation: Option<&'a Saturation>,
    /// Why it was measured no longer.
    pub stop: Option<Stop>,
    /// Packets of trains and floods that were sent.
    pub packets_sent: u64,
    /// And that came in.
    pub packets_received: u64,
}

impl<'a> Measured<'a> {
    fn of(test: &'a CapacityTest) -> Self {
        Self {
            capacity: test.capacity.as_ref(),
            saturation: test.saturation.as_ref(),
            stop: test.stop,
            packets_sent: test.packets_sent,
            packets_received: test.packets_received,
        }
    }
}

enum Polled {
    Send(Option<u16>),
    Wait(MonotonicTime),
    Changed,
    Nothing,
}

/// How a measurement ends whose load ended so; `None` when it goes on.
fn broke_off(end: TransferEnd) -> Option<LoadEnd> {
    match end {
        TransferEnd::Complete => None,
        TransferEnd::NoAnswer => Some(LoadEnd::Vanished),
        TransferEnd::Refused(after) => Some(LoadEnd::Limited(after)),
        TransferEnd::Impossible => Some(LoadEnd::Impossible),
    }
}
