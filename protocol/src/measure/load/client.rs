//! The client's end of a load measurement: uplink, downlink, then a call both ways.
//!
//! Loads travel on one flow, the load flow; a second flow to the same server, from another local
//! port, carries nothing but echoes and shows what the load does to others. A driver owns two
//! sockets and the clock. It calls [`LoadClient::poll`] until that says wait or finished.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::super::record::EchoRecord;
use super::super::time::MonotonicTime;
use super::super::wire::{self, Message, RefusalCode};
use super::capacity::{
    Capacity, CapacityPlan, CapacityTest, LOAD_PACKET_BYTES, Saturation, Segment, Stop,
};
pub use super::flow::FlowFailure;
use super::flow::{ECHO_BYTES, Flow, FlowStep};
use super::schedule::Shape;
use super::transfer::{Transfer, TransferEnd, TransferStep, call_packets};
use super::verify::{
    IdleDirection, Trial, call_rate_bps, judge, rung_below, rung_within, trial_time,
};
use super::wire::{LoadDirection, LoadStart};

/// Spacing of echoes before anything is known of the link.
const FIRST_ECHOES: Duration = Duration::from_millis(20);
/// And on a link of 2 Mbit/s and more, where they take 4 % at most.
const FAST_ECHOES: Duration = Duration::from_millis(10);
/// And on one below 1 Mbit/s.
const SLOW_ECHOES: Duration = Duration::from_millis(40);
/// During a trial: 80 a second, so that one second gives an interval of the 95th percentile.
const TRIAL_ECHOES: Duration = Duration::from_micros(12_500);
/// During a trial on a slow link.
const SLOW_TRIAL_ECHOES: Duration = Duration::from_millis(20);
/// A link below this is slow.
const SLOW_BPS: f64 = 1e6;
/// Echoes of the load flow come so many times less often than those of the other.
const SAME_FLOW_SHARE: u32 = 2;
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
/// Share of what is free that the first trial asks for.
const FIRST_SHARE: f64 = 0.92;

/// What a client does.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Not to be guessed by others; of the load flow and of the other.
    pub nonces: [u64; 2],
    /// Longest wait for the handshakes.
    pub patience: Duration,
    /// How long the sessions are asked for.
    pub session_time: Duration,
    /// Uplink.
    pub up: CapacityPlan,
    /// Downlink.
    pub down: CapacityPlan,
    /// Trials, after that.
    pub trials: Option<TrialPlan>,
    /// What the idle path does, up and down.
    pub idle: [IdleDirection; 2],
}

/// Trials.
#[derive(Clone, Debug)]
pub struct TrialPlan {
    /// Video rates that a call may have, bits of payload a second.
    pub rungs_bps: Vec<u64>,
    /// How many, at most.
    pub most: u32,
}

/// Which flow a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowId {
    /// Loads, and echoes beside them.
    Load,
    /// Echoes only.
    Other,
}

/// What the driver is to do.
#[derive(Debug, PartialEq)]
pub enum LoadOutput {
    /// Send what was written into the buffer.
    Transmit {
        /// From this flow's socket.
        flow: FlowId,
        /// As datagrams of this size, the last of which may be shorter; as one when `None`.
        segment_bytes: Option<u16>,
        /// It is the echo of this number: tell [`LoadClient::departed`] when it left.
        echo: Option<u32>,
    },
    /// Another phase began.
    Phase(LoadPhase),
    /// Nothing before this time, unless something comes in.
    Wait(MonotonicTime),
    /// Nothing any more.
    Finished(LoadEnd),
}

/// Where a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadPhase {
    /// Handshakes and a first look at the idle delay.
    Connect,
    /// Loads to the server.
    Up,
    /// Loads from the server.
    Down,
    /// Calls both ways.
    Trial,
    /// Over.
    Done,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEnd {
    /// As planned.
    Complete,
    /// [`LoadClient::cancel`] was called.
    Cancelled,
    /// A flow has no session.
    Failed(FlowFailure),
    /// The server refused a load and did not change its mind.
    Limited(Duration),
    /// The server stopped answering.
    Vanished,
    /// What the server reports cannot be.
    Impossible,
}

/// One trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    /// To the server.
    pub up: Trial,
    /// From the server.
    pub down: Trial,
    /// Client's time of its beginning and end.
    pub window_ns: (u64, u64),
}

/// The client.
#[derive(Debug)]
pub struct LoadClient {
    config: LoadConfig,
    load_flow: Flow,
    other_flow: Flow,
    phase: LoadPhase,
    told: LoadPhase,
    connected: Option<MonotonicTime>,
    loaded_from: Option<MonotonicTime>,
    up: CapacityTest,
    down: CapacityTest,
    transfer: Option<Transfer>,
    second: Option<Transfer>,
    /// Ends of the two transfers of a trial.
    ends: [Option<TransferEnd>; 2],
    rungs: [u64; 2],
    settled: [bool; 2],
    trials: Vec<TrialResult>,
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
        let flow = |nonce| Flow::new(nonce, config.patience, config.session_time, FIRST_ECHOES);
        Self {
            load_flow: flow(config.nonces[0]),
            other_flow: flow(config.nonces[1]),
            phase: LoadPhase::Connect,
            told: LoadPhase::Connect,
            connected: None,
            loaded_from: None,
            up: CapacityTest::new(config.up),
            down: CapacityTest::new(config.down),
            transfer: None,
            second: None,
            ends: [None; 2],
            rungs: [0; 2],
            settled: [false; 2],
            trials: Vec::new(),
            next_load: 0,
            next_look: MonotonicTime::default(),
            retry_at: None,
            retried: false,
            end: None,
            ignored: 0,
            farewells: 0,
            config,
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
        match self.poll_flows(now, out) {
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

    fn poll_flows(
        &mut self,
        now: MonotonicTime,
        out: &mut Vec<u8>,
    ) -> Result<LoadOutput, MonotonicTime> {
        let mut wait = MonotonicTime::from_nanos(u64::MAX);
        let flows = [
            (FlowId::Other, &mut self.other_flow),
            (FlowId::Load, &mut self.load_flow),
        ];
        for (id, flow) in flows {
            match flow.poll(now) {
                FlowStep::Transmit(datagram, echo) => {
                    out.extend_from_slice(&datagram);
                    return Ok(LoadOutput::Transmit {
                        flow: id,
                        segment_bytes: None,
                        echo,
                    });
                }
                FlowStep::Wait(until) => wait = wait.min(until),
                FlowStep::Idle => {}
            }
        }
        Err(wait)
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
        let failure = self.load_flow.failure().or(self.other_flow.failure());
        if let Some(failure) = failure {
            self.finish(LoadEnd::Failed(failure));
        }
        let heard = self
            .load_flow
            .last_heard()
            .max(self.other_flow.last_heard());
        let is_open = self.load_flow.session().is_some();
        if is_open && heard.is_some_and(|at| now.since(at) >= VANISHED) {
            self.finish(LoadEnd::Vanished);
        }
    }

    fn begin_when_ready(&mut self, now: MonotonicTime) {
        let both = self.load_flow.session().zip(self.other_flow.session());
        if both.is_none() {
            return;
        }
        let connected = *self.connected.get_or_insert(now);
        let answers = self.other_flow.records().iter();
        let answered = answers.filter(|record| record.reply.is_some()).count();
        if answered >= BASELINE_ECHOES || now.since(connected) >= BASELINE_PATIENCE {
            self.phase = LoadPhase::Up;
            self.loaded_from = Some(now);
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
        if transfer.began().is_some() && test.should_stop(transfer, silence) {
            transfer.stop(now);
        }
    }

    // ----- from load to load

    fn next_segment(&mut self, now: MonotonicTime) {
        loop {
            let (direction, test) = match self.phase {
                LoadPhase::Up => (LoadDirection::Up, &mut self.up),
                LoadPhase::Down => (LoadDirection::Down, &mut self.down),
                _ => return,
            };
            if let Some(segment) = test.next() {
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
        self.set_echoes(direction);
        let start = LoadStart {
            session: self.load_flow.session().unwrap_or(0),
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
        let rtt = self.idle_rtt().unwrap_or(Duration::from_millis(100));
        Transfer::new(start, rtt, self.least_transit(start.direction))
    }

    fn next_load_id(&mut self) -> u32 {
        self.next_load += 1;
        self.next_load
    }

    fn set_echoes(&mut self, direction: LoadDirection) {
        let test = match direction {
            LoadDirection::Up => &self.up,
            LoadDirection::Down => &self.down,
        };
        let interval = match test.rate_bps() {
            None => FIRST_ECHOES,
            Some(rate) if rate < SLOW_BPS => SLOW_ECHOES,
            Some(rate) if rate < 2.0 * SLOW_BPS => FIRST_ECHOES,
            Some(_) => FAST_ECHOES,
        };
        self.other_flow.set_interval(interval);
        self.load_flow.set_interval(interval * SAME_FLOW_SHARE);
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
        let others = self.others(direction);
        match direction {
            LoadDirection::Up => self.up.finished(&transfer, end, &others),
            LoadDirection::Down => self.down.finished(&transfer, end, &others),
        }
        match end {
            TransferEnd::Impossible => self.finish(LoadEnd::Impossible),
            TransferEnd::Refused(after) => self.finish(LoadEnd::Limited(after)),
            TransferEnd::Complete | TransferEnd::NoAnswer => self.next_segment(now),
        }
    }

    /// How long to wait before a refused load is asked for again, once.
    fn again_after(&mut self, end: TransferEnd) -> Option<Duration> {
        match end {
            TransferEnd::Refused(after) if after <= SHORT_REFUSAL && !self.retried => {
                self.retried = true;
                Some(after)
            }
            _ => None,
        }
    }

    // ----- trials

    fn first_trial(&mut self, now: MonotonicTime) {
        let Some(plan) = &self.config.trials else {
            self.finish(LoadEnd::Complete);
            return;
        };
        let headers = self.config.up.headers;
        let rung = |test: &CapacityTest| {
            let found = test.capacity.as_ref()?;
            Some(rung_within(
                &plan.rungs_bps,
                found.free_bps,
                FIRST_SHARE,
                headers,
            ))
        };
        let (Some(up), Some(down)) = (rung(&self.up), rung(&self.down)) else {
            self.finish(LoadEnd::Complete);
            return;
        };
        self.rungs = [up, down];
        self.begin_trial(now);
    }

    fn begin_trial(&mut self, now: MonotonicTime) {
        let headers = self.config.up.headers;
        let is_slow = [&self.up, &self.down]
            .iter()
            .any(|test| test.capacity.as_ref().is_some_and(|c| c.bps < SLOW_BPS));
        let echoes = if is_slow {
            SLOW_TRIAL_ECHOES
        } else {
            TRIAL_ECHOES
        };
        self.other_flow.set_interval(echoes);
        // The call itself shows what happens on the load flow.
        self.load_flow.set_interval(Duration::from_millis(200));
        let time = trial_time(is_slow);
        let rungs = self.rungs;
        let mut start = |direction, rung: u64| {
            let start = LoadStart {
                session: self.load_flow.session().unwrap_or(0),
                load: self.next_load_id(),
                direction,
                shape: Shape::Call,
                packet_bytes: LOAD_PACKET_BYTES,
                packets: u32::MAX,
                rate_bps: rung,
            };
            LoadStart {
                packets: call_packets(&start, time),
                ..start
            }
        };
        let up = start(LoadDirection::Up, rungs[0]);
        let down = start(LoadDirection::Down, rungs[1]);
        let cost = (call_rate_bps(rungs[0], headers) + call_rate_bps(rungs[1], headers)) / 8.0;
        if cost * time.as_secs_f64() > self.data_left() {
            self.finish(LoadEnd::Complete);
            return;
        }
        self.transfer = Some(self.transfer_of(up));
        self.second = Some(self.transfer_of(down));
        self.ends = [None; 2];
        self.next_look = now;
    }

    /// Bytes left of both directions' allowance.
    fn data_left(&self) -> f64 {
        (self.up.data_left() + self.down.data_left()) as f64
    }

    fn trial_over(&mut self, now: MonotonicTime) {
        let [Some(up_end), Some(down_end)] = self.ends else {
            return;
        };
        let (Some(up), Some(down)) = (self.transfer.take(), self.second.take()) else {
            return;
        };
        for end in [up_end, down_end] {
            match end {
                TransferEnd::Complete => {}
                TransferEnd::NoAnswer => return self.finish(LoadEnd::Vanished),
                TransferEnd::Refused(after) => return self.finish(LoadEnd::Limited(after)),
                TransferEnd::Impossible => return self.finish(LoadEnd::Impossible),
            }
        }
        let headers = self.config.up.headers;
        let began = up.began().min(down.began()).unwrap_or(now);
        let result = TrialResult {
            up: judge(&up, headers, self.config.idle[0]),
            down: judge(&down, headers, self.config.idle[1]),
            window_ns: (began.as_nanos(), now.as_nanos()),
        };
        self.step_down(&result);
        self.trials.push(result);
        let most = self.config.trials.as_ref().map_or(0, |plan| plan.most);
        if self.settled == [true; 2] || self.trials.len() >= most as usize {
            self.finish(LoadEnd::Complete);
        } else {
            self.begin_trial(now);
        }
    }

    /// Goes a rung down in each direction that did not fit.
    fn step_down(&mut self, result: &TrialResult) {
        let rungs = self
            .config
            .trials
            .as_ref()
            .map(|plan| plan.rungs_bps.as_slice());
        for (index, trial) in [&result.up, &result.down].into_iter().enumerate() {
            let lower = trial
                .misfit
                .and_then(|_| rung_below(rungs.unwrap_or_default(), self.rungs[index]));
            self.settled[index] = lower.is_none();
            self.rungs[index] = lower.unwrap_or(self.rungs[index]);
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
        let flow = match id {
            FlowId::Load => &mut self.load_flow,
            FlowId::Other => &mut self.other_flow,
        };
        if flow.received(at, clock, message) {
            return true;
        }
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
        match flow {
            FlowId::Load => self.load_flow.departed(seq, at),
            FlowId::Other => self.other_flow.departed(seq, at),
        }
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
            let (flow, id) = if self.farewells == 1 {
                (&self.load_flow, FlowId::Load)
            } else {
                (&self.other_flow, FlowId::Other)
            };
            if let Some(session) = flow.session() {
                wire::encode(&Message::Close { session }, ECHO_BYTES.into(), out);
                return LoadOutput::Transmit {
                    flow: id,
                    segment_bytes: None,
                    echo: None,
                };
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
            rates[usize::from(is_down)] = transfer.rate_now(self.config.up.headers);
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
        &self.trials
    }

    /// The rung that each direction ended with, and whether a trial of it fitted.
    pub fn rungs(&self) -> [(u64, bool); 2] {
        let fitted = |index: usize| {
            self.trials.iter().any(|trial| {
                let trial = [&trial.up, &trial.down][index];
                trial.video_bps == self.rungs[index] && trial.misfit.is_none()
            })
        };
        [(self.rungs[0], fitted(0)), (self.rungs[1], fitted(1))]
    }

    /// Echoes of the flow without loads.
    pub fn other_echoes(&self) -> &[EchoRecord] {
        self.other_flow.records()
    }

    /// Echoes of the flow with loads.
    pub fn same_flow_echoes(&self) -> &[EchoRecord] {
        self.load_flow.records()
    }

    /// When the first load began: echoes before are idle.
    pub fn idle_until(&self) -> Option<MonotonicTime> {
        self.loaded_from
    }

    /// Datagrams that were no answer to this client.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    fn idle_rtt(&self) -> Option<Duration> {
        let rtts = self
            .other_flow
            .records()
            .iter()
            .filter_map(EchoRecord::rtt_ns);
        rtts.min()
            .map(|rtt| Duration::from_nanos(rtt.unsigned_abs()))
    }

    /// Less than this no packet's transit can be: the least transit of an echo less a whole round
    /// trip.
    fn least_transit(&self, direction: LoadDirection) -> Option<i64> {
        let records = self.other_flow.records().iter();
        let least = match direction {
            LoadDirection::Up => records.filter_map(EchoRecord::up_transit_ns).min(),
            LoadDirection::Down => records.filter_map(EchoRecord::down_transit_ns).min(),
        };
        let rtt = i64::try_from(self.idle_rtt()?.as_nanos()).ok()?;
        least?.checked_sub(rtt)
    }

    /// Arrivals of echoes in one direction: time on the receiver's clock, bytes of the IP packet.
    fn others(&self, direction: LoadDirection) -> Vec<(u64, u64)> {
        let bytes = u64::from(ECHO_BYTES + self.config.up.headers);
        let records = self
            .other_flow
            .records()
            .iter()
            .chain(self.load_flow.records());
        let mut arrivals: Vec<(u64, u64)> = records
            .filter_map(|record| record.reply)
            .map(|reply| match direction {
                LoadDirection::Up => reply.server_arrival,
                LoadDirection::Down => reply.arrival,
            })
            .map(|at| (at.as_nanos(), bytes))
            .collect();
        arrivals.sort_unstable();
        arrivals
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
