//! The loads of one session: what came in, what is being sent, what they took of the limits.

use std::time::Duration;

use super::super::limits::MAX_LOAD_TIME;
use super::super::load::egress::Demand;
use super::super::load::ledger::Ledger;
use super::super::load::schedule::{Burst, Sending};
use super::super::load::wire::{LoadDirection, LoadPacket, LoadReport, LoadStart};
use super::super::time::MonotonicTime;

/// Loads of one session that are remembered; a new one pushes out the oldest that has ended.
pub(in super::super) const LOADS_REMEMBERED: usize = 8;
/// Loads that one session has sent to it at a time.
pub(super) const LOADS_SENT_AT_ONCE: usize = 2;
/// A client from which nothing comes for so long has vanished, and nothing more is sent to it.
pub(super) const SILENCE: Duration = Duration::from_millis(500);
/// For how long after its planned end packets of a load are taken: what waits in deep queues, and
/// what a busy client sends late.
const LATE_PACKETS: Duration = Duration::from_secs(2);
/// Time between two reports that nobody asked for, unless so many arrivals were noted meanwhile.
const REPORT_PAUSE: Duration = Duration::from_millis(20);
const REPORT_NOTES: usize = 150;
/// Arrivals that a report tells of again, so that a short gap of lost reports does no harm.
const REPORT_OVERLAP: usize = 16;

/// The loads of one session.
#[derive(Debug, Default)]
pub(in super::super) struct SessionLoads {
    /// In the order of their starts.
    loads: Vec<Load>,
    /// UDP payload of the loads that ended, and what is set aside for those that run.
    spent_bytes: u64,
}

#[derive(Debug)]
struct Load {
    id: u32,
    demand: Demand,
    began: MonotonicTime,
    ended: bool,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Up(Incoming),
    Down(Sending),
}

#[derive(Debug)]
struct Incoming {
    ledger: Ledger,
    /// Every arrival was stamped by the kernel.
    kernel_stamps: bool,
    /// The client wants no more of it.
    stopped: bool,
    /// When the last unasked report was made, at first when the first packet came in.
    reported_at: Option<MonotonicTime>,
    /// Arrivals that unasked reports told of.
    reported: usize,
}

/// What came of looking after the loads of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Loads that were stopped because the client was silent.
    pub(super) silenced: u64,
    /// Loads that still run.
    pub(super) running: usize,
}

/// One packet of a load, as it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) packet: LoadPacket,
    pub(super) len: usize,
    pub(super) at: MonotonicTime,
    pub(super) kernel_stamp: bool,
}

impl SessionLoads {
    /// Packets granted to a load that is known.
    pub(super) fn granted(&self, load: u32) -> Option<u32> {
        Some(self.find(load)?.demand.packets)
    }

    /// UDP payload that is left to the session.
    pub(super) fn bytes_left(&self, max_load_bytes: u64) -> u64 {
        max_load_bytes.saturating_sub(self.spent_bytes)
    }

    /// Loads that are being sent, or count as if they were.
    pub(super) fn n_down(&self) -> usize {
        self.running().filter(|load| load.is_down()).count()
    }

    /// Loads of which packets are left to be sent.
    pub(super) fn n_sending(&self) -> usize {
        self.sending().filter(|sending| !sending.is_over()).count()
    }

    /// Rates set aside for what is being sent, each with the time when it is given back.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = (u64, MonotonicTime)> {
        self.running()
            .filter(|load| load.is_down())
            .map(|load| (load.demand.cost_bps, load.planned_end()))
    }

    /// When the first of the loads that run ends, if all goes as planned.
    pub(super) fn first_end(&self) -> Option<MonotonicTime> {
        self.running().map(Load::planned_end).min()
    }

    /// Whether there is room for one more, where one that has ended may have to go.
    pub(super) fn has_room(&self) -> bool {
        self.running().count() < LOADS_REMEMBERED
    }

    /// Begins a load; gives back the id of the one that had to go for it.
    pub(super) fn begin(
        &mut self,
        start: &LoadStart,
        demand: Demand,
        now: MonotonicTime,
    ) -> Option<u32> {
        let full = self.loads.len() >= LOADS_REMEMBERED;
        let gone = full.then(|| self.loads.iter().find(|load| load.ended));
        let gone = gone.flatten().map(|load| load.id);
        if let Some(id) = gone {
            self.forget(id);
        }
        let granted = LoadStart {
            packets: demand.packets,
            ..*start
        };
        let way = match start.direction {
            LoadDirection::Up => Way::Up(Incoming {
                ledger: Ledger::new(demand.packets),
                kernel_stamps: true,
                stopped: false,
                reported_at: None,
                reported: 0,
            }),
            LoadDirection::Down => Way::Down(Sending::new(&granted, now)),
        };
        self.spent_bytes += demand.bytes;
        self.loads.push(Load {
            id: start.load,
            demand,
            began: now,
            ended: false,
            way,
        });
        gone
    }

    /// Forgets a load that has ended; false when it still runs.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        let runs = self.find(id).is_some_and(|load| !load.ended);
        if !runs {
            self.loads.retain(|load| load.id != id);
        }
        !runs
    }

    /// Ends what is over by `now`, and gives back what it did not use.
    pub(super) fn settle(&mut self, now: MonotonicTime, heard: MonotonicTime) -> Settled {
        let silent = now.since(heard) >= SILENCE;
        let mut settled = Settled::default();
        for load in self.loads.iter_mut().filter(|load| !load.ended) {
            settled.silenced += u64::from(silent && load.stop_sending());
            if now.since(load.began) >= MAX_LOAD_TIME {
                load.stop_sending();
            }
            load.ended = load.is_over(now);
            if load.ended {
                let unused = load.demand.bytes.saturating_sub(load.used_bytes());
                self.spent_bytes = self.spent_bytes.saturating_sub(unused);
            }
        }
        settled.running = self.running().count();
        settled
    }

    /// Notes a packet. Gives the report to be made of it, if one is due; `Err` when nobody asked
    /// for the packet.
    pub(super) fn note(&mut self, came: Came) -> Result<Option<LoadReport>, Unasked> {
        let load = self.find_mut(came.packet.load).ok_or(Unasked)?;
        let takes = came.len <= usize::from(load.demand.largest)
            && came.at < load.closes_at()
            && came.packet.seq < load.demand.packets;
        let (packets, id) = (load.demand.packets, load.id);
        match &mut load.way {
            Way::Up(incoming) if takes && !incoming.stopped => Ok(incoming
                .note(came, packets)
                .then(|| incoming.unasked_report(came.packet.session, id))),
            Way::Up(_) | Way::Down(_) => Err(Unasked),
        }
    }

    /// What is told of a load that is known, from arrival `base` on.
    pub(super) fn report(&self, session: u64, id: u32, base: u32) -> Option<LoadReport> {
        let load = self.find(id)?;
        let report = match &load.way {
            Way::Up(incoming) => LoadReport {
                ended: load.ended,
                ..incoming.report(session, id, base)
            },
            Way::Down(sending) => LoadReport {
                session,
                load: id,
                ended: sending.is_over(),
                sent: sending.sent(),
                ..LoadReport::default()
            },
        };
        Some(report)
    }

    /// The client wants no more of a load.
    pub(super) fn stop(&mut self, id: u32) {
        if let Some(load) = self.find_mut(id) {
            load.stop_sending();
            if let Way::Up(incoming) = &mut load.way {
                incoming.stopped = true;
            }
        }
    }

    /// When the next packet is due.
    pub(super) fn next_at(&self) -> Option<MonotonicTime> {
        self.sending().filter_map(Sending::next_at).min()
    }

    /// Writes the packets of one load that are due, of the one that has waited longest.
    pub(super) fn poll(&mut self, now: MonotonicTime, out: &mut Vec<u8>) -> Option<Burst> {
        let sending = self
            .loads
            .iter_mut()
            .filter_map(|load| match &mut load.way {
                Way::Down(sending) if !sending.is_over() => Some(sending),
                _ => None,
            });
        sending
            .min_by_key(|sending| sending.next_at())
            .and_then(|sending| sending.poll(now, out))
    }

    fn sending(&self) -> impl Iterator<Item = &Sending> {
        self.running().filter_map(|load| match &load.way {
            Way::Down(sending) => Some(sending),
            Way::Up(_) => None,
        })
    }

    fn running(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(|load| !load.ended)
    }

    fn find(&self, id: u32) -> Option<&Load> {
        self.loads.iter().find(|load| load.id == id)
    }

    fn find_mut(&mut self, id: u32) -> Option<&mut Load> {
        self.loads.iter_mut().find(|load| load.id == id)
    }
}

/// A packet of no load, of one that is over, or beyond what was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unasked;

impl Load {
    fn is_down(&self) -> bool {
        matches!(self.way, Way::Down(_))
    }

    fn planned_end(&self) -> MonotonicTime {
        self.began.after(self.demand.lasts)
    }

    /// From when on no packets of it are taken.
    fn closes_at(&self) -> MonotonicTime {
        self.planned_end().after(LATE_PACKETS)
    }

    fn is_over(&self, now: MonotonicTime) -> bool {
        match &self.way {
            Way::Up(incoming) => {
                let complete = incoming.ledger.totals().packets >= self.demand.packets;
                incoming.stopped || complete || now >= self.closes_at()
            }
            // A train that left keeps its rate for as long as it counts.
            Way::Down(sending) => {
                let counts = sending.sent() == self.demand.packets && now < self.planned_end();
                sending.is_over() && !counts
            }
        }
    }

    /// Sends no more of it; false when there was nothing left to send.
    fn stop_sending(&mut self) -> bool {
        match &mut self.way {
            Way::Down(sending) if !sending.is_over() => {
                sending.stop();
                true
            }
            _ => false,
        }
    }

    fn used_bytes(&self) -> u64 {
        match &self.way {
            Way::Up(incoming) => incoming.ledger.totals().bytes,
            Way::Down(sending) => sending.sent_bytes(),
        }
    }
}

impl Incoming {
    /// Notes an arrival; true when a report of it is due.
    fn note(&mut self, came: Came, packets: u32) -> bool {
        if !self.ledger.note(came.packet.seq, came.len, came.at) {
            return false;
        }
        self.kernel_stamps &= came.kernel_stamp;
        let reported_at = *self.reported_at.get_or_insert(came.at);
        let unreported = self.ledger.notes().len() - self.reported;
        let due = came.at.since(reported_at) >= REPORT_PAUSE
            || unreported >= REPORT_NOTES
            || self.ledger.totals().packets == packets;
        if due {
            self.reported_at = Some(came.at);
        }
        due
    }

    fn unasked_report(&mut self, session: u64, id: u32) -> LoadReport {
        let base = self.reported.saturating_sub(REPORT_OVERLAP);
        self.reported = self.ledger.notes().len();
        self.report(session, id, u32::try_from(base).unwrap_or(u32::MAX))
    }

    fn report(&self, session: u64, id: u32, base: u32) -> LoadReport {
        LoadReport {
            kernel_stamps: self.kernel_stamps && self.ledger.totals().packets > 0,
            ..self.ledger.report(session, id, base)
        }
    }
}
