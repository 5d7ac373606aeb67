//! The two flows of a client: one with loads, one beside them.

use std::time::Duration;

use greenroom_reports::model::path::ClockSource;

use super::super::super::record::EchoRecord;
use super::super::super::time::MonotonicTime;
use super::super::super::wire::{self, Message};
use super::super::wire::LoadDirection;
use super::config::{FlowId, LoadConfig, LoadOutput};
use super::flow::{ECHO_BYTES, Flow, FlowFailure, FlowStep};

/// Spacing of echoes before the first load.
const IDLE_ECHOES: Duration = Duration::from_millis(10);
/// Spacing of echoes before anything is known of the link.
const FIRST_ECHOES: Duration = Duration::from_millis(20);
/// And on a link of 2 Mbit/s and more, where they take 4 % at most.
const FAST_ECHOES: Duration = Duration::from_millis(10);
/// And on one below 1 Mbit/s.
const SLOW_ECHOES: Duration = Duration::from_millis(40);
/// A link below this is slow.
pub(super) const SLOW_BPS: f64 = 1e6;
/// Echoes of the load flow come so many times less often than those of the other.
const SAME_FLOW_SHARE: u32 = 2;
/// During a trial: 80 a second, so that one second gives an interval of the 95th percentile.
const TRIAL_ECHOES: Duration = Duration::from_micros(12_500);
/// During a trial on a slow link.
const SLOW_TRIAL_ECHOES: Duration = Duration::from_millis(20);
/// During a trial on the load flow, where the call itself shows what happens.
const SAME_FLOW_TRIAL_ECHOES: Duration = Duration::from_millis(200);

/// Both flows.
#[derive(Debug)]
pub(super) struct Flows {
    load: Flow,
    other: Flow,
    headers: u16,
}

impl Flows {
    pub(super) fn new(config: &LoadConfig) -> Self {
        let flow = |nonce| Flow::new(nonce, config.patience, config.session_time, IDLE_ECHOES);
        Self {
            load: flow(config.nonces[0]),
            other: flow(config.nonces[1]),
            headers: config.up.headers,
        }
    }

    /// Bytes of headers below each datagram.
    pub(super) fn headers(&self) -> u16 {
        self.headers
    }

    pub(super) fn get(&self, id: FlowId) -> &Flow {
        match id {
            FlowId::Load => &self.load,
            FlowId::Other => &self.other,
        }
    }

    pub(super) fn get_mut(&mut self, id: FlowId) -> &mut Flow {
        match id {
            FlowId::Load => &mut self.load,
            FlowId::Other => &mut self.other,
        }
    }

    /// The session that loads belong to; zero before there is one.
    pub(super) fn load_session(&self) -> u64 {
        self.load.session().unwrap_or(0)
    }

    /// Both have a session.
    pub(super) fn are_open(&self) -> bool {
        self.load.session().is_some() && self.other.session().is_some()
    }

    pub(super) fn failure(&self) -> Option<FlowFailure> {
        self.load.failure().or(self.other.failure())
    }

    /// Since when nothing at all came in over an open session.
    pub(super) fn silence(&self, now: MonotonicTime) -> Option<Duration> {
        self.load.session()?;
        let heard = self.load.last_heard().max(self.other.last_heard());
        heard.map(|at| now.since(at))
    }

    /// Echoes of the other flow that were answered.
    pub(super) fn answered(&self) -> usize {
        let records = self.other.records().iter();
        records.filter(|record| record.reply.is_some()).count()
    }

    /// What is due on a flow, else how long nothing is.
    pub(super) fn poll(
        &mut self,
        now: MonotonicTime,
        out: &mut Vec<u8>,
    ) -> Result<LoadOutput, MonotonicTime> {
        let mut wait = MonotonicTime::from_nanos(u64::MAX);
        for id in [FlowId::Other, FlowId::Load] {
            match self.get_mut(id).poll(now) {
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

    /// Echoes beside a load in a direction of which this much is known.
    pub(super) fn beside_load(&mut self, rate_bps: Option<f64>) {
        let interval = match rate_bps {
            None => FIRST_ECHOES,
            Some(rate) if rate < SLOW_BPS => SLOW_ECHOES,
            Some(rate) if rate < 2.0 * SLOW_BPS => FIRST_ECHOES,
            Some(_) => FAST_ECHOES,
        };
        self.other.set_interval(interval);
        self.load.set_interval(interval * SAME_FLOW_SHARE);
    }

    /// Echoes beside a trial.
    pub(super) fn beside_trial(&mut self, is_slow: bool) {
        self.other.set_interval(if is_slow {
            SLOW_TRIAL_ECHOES
        } else {
            TRIAL_ECHOES
        });
        self.load.set_interval(SAME_FLOW_TRIAL_ECHOES);
    }

    /// Takes a message that is about a session itself or its echoes.
    pub(super) fn received(
        &mut self,
        at: MonotonicTime,
        clock: ClockSource,
        id: FlowId,
        message: &Message,
    ) -> bool {
        self.get_mut(id).received(at, clock, message)
    }

    /// Writes the farewell of a flow that has a session.
    pub(super) fn farewell(&self, flow: FlowId, out: &mut Vec<u8>) -> Option<LoadOutput> {
        let session = self.get(flow).session()?;
        wire::encode(&Message::Close { session }, ECHO_BYTES.into(), out);
        Some(LoadOutput::Transmit {
            flow,
            segment_bytes: None,
            echo: None,
        })
    }

    // ----- what the echoes tell

    /// Least round trip so far.
    pub(super) fn idle_rtt(&self) -> Option<Duration> {
        let records = self.other.records().iter();
        let least = records.filter_map(EchoRecord::rtt_ns).min()?;
        Some(Duration::from_nanos(least.unsigned_abs()))
    }

    /// Less than this no packet's transit can be: the least transit of an echo less a whole round
    /// trip.
    pub(super) fn least_transit(&self, direction: LoadDirection) -> Option<i64> {
        let records = self.other.records().iter();
        let least = match direction {
            LoadDirection::Up => records.filter_map(EchoRecord::up_transit_ns).min(),
            LoadDirection::Down => records.filter_map(EchoRecord::down_transit_ns).min(),
        };
        let rtt = i64::try_from(self.idle_rtt()?.as_nanos()).ok()?;
        least?.checked_sub(rtt)
    }

    /// Arrivals of echoes in one direction: time on the receiver's clock, bytes of the IP packet.
    pub(super) fn arrivals(&self, direction: LoadDirection) -> Vec<(u64, u64)> {
        let bytes = u64::from(ECHO_BYTES + self.headers);
        let records = self.other.records().iter().chain(self.load.records());
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
