//! The responder's part in loads: grants them, takes their packets, tells what came in, sends.

use std::net::SocketAddr;

use greenroom_reports::model::path::ClockSource;

use super::super::load::egress::{Demand, Egress};
use super::super::load::wire::{LoadDirection, LoadMessage, LoadPacket, LoadReport, LoadStart};
use super::super::time::MonotonicTime;
use super::super::wire::{self, Message, RefusalCode};
use super::loads::{Came, LOADS_REMEMBERED, LOADS_SENT_AT_ONCE, Settled};
use super::machine::{Arrival, Handled, Responder, handled_by, refuse};

/// How soon a client may ask again when nothing tells better, in milliseconds.
const RETRY_SOON_MS: u32 = 100;

impl Responder {
    /// When the next packet of a load is due; `None` while nothing is being sent.
    pub fn next_egress_at(&self) -> Option<MonotonicTime> {
        let sessions = self.turns.sessions();
        sessions
            .filter_map(|id| self.sessions.get(&id)?.loads.next_at())
            .min()
    }

    /// Writes packets that are due into `out`, which is cleared first; at most a millisecond's
    /// worth of one load. Sessions take turns. To be called until it gives `None`.
    pub fn poll_egress(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> Option<Egress> {
        self.poll_where(now, out, |_| true)
    }

    /// As [`Self::next_egress_at`], of the loads to one client.
    pub fn next_egress_to(&self, to: SocketAddr) -> Option<MonotonicTime> {
        let sessions = self.turns.sessions();
        let sessions = sessions.filter_map(|id| self.sessions.get(&id));
        sessions
            .filter(|session| session.from == to)
            .filter_map(|session| session.loads.next_at())
            .min()
    }

    /// As [`Self::poll_egress`], of the loads to one client.
    pub fn poll_egress_to(
        &mut self,
        now: MonotonicTime,
        to: SocketAddr,
        out: &mut Vec<u8>,
    ) -> Option<Egress> {
        self.poll_where(now, out, |client| client == to)
    }

    /// Sessions to which a load is being sent.
    pub fn sessions_sent_to(&self) -> usize {
        self.turns.len()
    }

    /// Loads that are being sent.
    pub fn loads_sent(&self) -> usize {
        let sessions = self.turns.sessions();
        sessions
            .filter_map(|id| Some(self.sessions.get(&id)?.loads.n_sending()))
            .sum()
    }

    fn poll_where(
        &mut self,
        now: MonotonicTime,
        out: &mut Vec<u8>,
        wanted: impl Fn(SocketAddr) -> bool,
    ) -> Option<Egress> {
        out.clear();
        for _ in 0..self.turns.len() {
            let id = self.turns.next()?;
            let Some(session) = self.sessions.get_mut(&id) else {
                self.turns.remove(id);
                continue;
            };
            if !wanted(session.from) {
                continue;
            }
            if session.expires <= now {
                self.turns.remove(id);
                continue;
            }
            let settled = session.loads.settle(now, session.heard);
            self.counters.loads_silenced += settled.silenced;
            let burst = session.loads.poll(now, out);
            if session.loads.next_at().is_none() {
                self.turns.remove(id);
            }
            if let Some(burst) = burst {
                self.counters.load_packets_out += u64::from(burst.packets);
                self.counters.load_bytes_out += out.len() as u64;
                return Some(Egress {
                    to: session.from,
                    segment_bytes: burst.segment_bytes,
                    packets: burst.packets,
                });
            }
        }
        None
    }

    pub(super) fn load(
        &mut self,
        arrival: Arrival,
        message: &LoadMessage,
        len: usize,
        reply: &mut Vec<u8>,
    ) -> Handled {
        match message {
            LoadMessage::Start(start) => self.load_start(arrival, start, reply),
            LoadMessage::Packet(packet) => self.load_packet(arrival, *packet, len, reply),
            LoadMessage::ReportRequest {
                session,
                load,
                base,
                stop,
            } => self.load_report(arrival, (*session, *load), (*base, *stop), reply),
            LoadMessage::Granted { .. } | LoadMessage::Report(_) => {
                self.counters.unexpected += 1;
                Handled::Silent
            }
        }
    }

    fn load_start(&mut self, arrival: Arrival, start: &LoadStart, reply: &mut Vec<u8>) -> Handled {
        let Some(session) = self.charged_session(arrival, start.session, reply) else {
            return handled_by(reply);
        };
        // A repeated start (its answer was lost) finds its load again.
        let known = session.loads.granted(start.load);
        match known.map_or_else(|| self.grant(arrival.at, start), Ok) {
            Ok(packets) => {
                let granted = LoadMessage::Granted {
                    session: start.session,
                    load: start.load,
                    packets,
                };
                wire::encode(&Message::Load(granted), 0, reply);
                Handled::Reply
            }
            Err(retry_ms) => {
                self.counters.loads_refused += 1;
                refuse(start.session, RefusalCode::LoadLimit, retry_ms, reply)
            }
        }
    }

    /// Begins a load and tells how many packets are granted, or after how many milliseconds to
    /// ask again, 0 when that would not help.
    fn grant(&mut self, now: MonotonicTime, start: &LoadStart) -> Result<u32, u32> {
        self.settle_loads(now);
        let demand = self.admit_load(now, start)?;
        let id = start.session;
        self.make_room();
        let session = self.sessions.get_mut(&id).ok_or(0_u32)?;
        if let Some(gone) = session.loads.begin(start, demand, now) {
            self.remembered.retain(|load| *load != (id, gone));
        }
        self.remembered.push_back((id, start.load));
        self.busy.insert(id);
        match start.direction {
            LoadDirection::Up => self.counters.loads_up += 1,
            LoadDirection::Down => {
                self.counters.loads_down += 1;
                self.turns.add(id);
            }
        }
        Ok(demand.packets)
    }

    /// What a load takes, if it fits.
    fn admit_load(&self, now: MonotonicTime, start: &LoadStart) -> Result<Demand, u32> {
        let limits = &self.limits;
        let loads = &self.sessions.get(&start.session).ok_or(0_u32)?.loads;
        let left = loads.bytes_left(limits.max_load_bytes);
        let demand = Demand::of(start, limits, left).ok_or(0_u32)?;
        let first_end =
            |end: Option<MonotonicTime>| Err(end.map_or(RETRY_SOON_MS, |end| ms(now, end)));
        if limits.max_loads == 0 {
            return Err(0);
        }
        if !self.busy.contains(&start.session) && self.busy.len() >= limits.max_loads {
            let busy = self.busy.iter().filter_map(|id| self.sessions.get(id));
            return first_end(busy.filter_map(|session| session.loads.first_end()).min());
        }
        if !loads.has_room() {
            return first_end(loads.first_end());
        }
        if start.direction == LoadDirection::Down {
            if loads.n_down() >= LOADS_SENT_AT_ONCE {
                return first_end(loads.set_aside().map(|(_, end)| end).min());
            }
            if let Some(end) = self.egress_fits_at(demand.cost_bps) {
                return first_end(Some(end));
            }
        }
        Ok(demand)
    }

    /// When enough loads will have ended for one more of this rate; `None` when it fits now.
    fn egress_fits_at(&self, cost_bps: u64) -> Option<MonotonicTime> {
        let busy = self.busy.iter().filter_map(|id| self.sessions.get(id));
        let mut held: Vec<_> = busy.flat_map(|session| session.loads.set_aside()).collect();
        held.sort_unstable_by_key(|(_, end)| *end);
        let mut sum: u64 = held.iter().map(|(bps, _)| bps).sum();
        let mut fits_at = None;
        for (bps, end) in held {
            if sum.saturating_add(cost_bps) <= self.limits.max_egress_bps {
                break;
            }
            sum -= bps;
            fits_at = Some(end);
        }
        fits_at
    }

    /// Ends the loads that are over.
    pub(super) fn settle_loads(&mut self, now: MonotonicTime) {
        let (sessions, counters) = (&mut self.sessions, &mut self.counters);
        self.busy.retain(|id| {
            let settled = sessions.get_mut(id).map_or(Settled::default(), |session| {
                session.loads.settle(now, session.heard)
            });
            counters.loads_silenced += settled.silenced;
            settled.running > 0
        });
    }

    /// Forgets the load that was begun first of those that have ended, when all sessions together
    /// hold as many as those may that have one running. So clients that begin loads in sessions
    /// by the thousand do not fill the memory with what came in.
    fn make_room(&mut self) {
        let bound = self.limits.max_loads.saturating_mul(LOADS_REMEMBERED);
        if self.remembered.len() < bound {
            return;
        }
        let sessions = &mut self.sessions;
        let oldest = self.remembered.iter().position(|(id, load)| {
            sessions
                .get_mut(id)
                .is_none_or(|session| session.loads.forget(*load))
        });
        if let Some(at) = oldest {
            self.remembered.remove(at);
        }
    }

    /// Everything of a session's loads goes with it.
    pub(super) fn forget_loads(&mut self, id: u64) {
        self.turns.remove(id);
        self.busy.remove(&id);
        self.remembered.retain(|(session, _)| *session != id);
    }

    fn load_packet(
        &mut self,
        arrival: Arrival,
        packet: LoadPacket,
        len: usize,
        reply: &mut Vec<u8>,
    ) -> Handled {
        let Some(session) = self.session_of(arrival, packet.session) else {
            return Handled::Silent;
        };
        let noted = session.loads.note(Came {
            packet,
            len,
            at: arrival.at,
            kernel_stamp: arrival.clock == ClockSource::KernelReceive,
        });
        let Ok(report) = noted else {
            self.counters.load_packets_unasked += 1;
            return Handled::Silent;
        };
        self.counters.load_packets_in += 1;
        self.counters.load_bytes_in += len as u64;
        report.map_or(Handled::Silent, |report| tell(report, reply))
    }

    fn load_report(
        &mut self,
        arrival: Arrival,
        (id, load): (u64, u32),
        (base, stop): (u32, bool),
        reply: &mut Vec<u8>,
    ) -> Handled {
        let Some(session) = self.charged_session(arrival, id, reply) else {
            return handled_by(reply);
        };
        if stop {
            session.loads.stop(load);
        }
        session.loads.settle(arrival.at, session.heard);
        if session.loads.next_at().is_none() {
            self.turns.remove(id);
        }
        let Some(session) = self.sessions.get(&id) else {
            return Handled::Silent;
        };
        let Some(report) = session.loads.report(id, load, base) else {
            self.counters.unexpected += 1;
            return Handled::Silent;
        };
        tell(report, reply)
    }
}

fn tell(report: LoadReport, reply: &mut Vec<u8>) -> Handled {
    wire::encode(&Message::Load(LoadMessage::Report(report)), 0, reply);
    Handled::Reply
}

/// Milliseconds until a load is to end. One that should have ended is waited for a little longer.
fn ms(now: MonotonicTime, end: MonotonicTime) -> u32 {
    match end.since(now).as_micros().div_ceil(1000) {
        0 => RETRY_SOON_MS,
        left => u32::try_from(left).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
#[path = "../tests/loads.rs"]
mod tests;
