//! What each phase of a measurement costs.

use greenroom_protocol::measure::load::client::LoadPhase;
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::throughput::{PhaseCost, ThroughputPhase};
use greenroom_reports::units::{ByteCount, Millis};

use super::live::named;

/// What each phase cost so far.
#[derive(Debug)]
pub(super) struct Account {
    phases: Vec<PhaseCost>,
    began: MonotonicTime,
    is_closed: bool,
}

impl Account {
    /// Begins with the handshakes.
    pub(super) fn new(now: MonotonicTime) -> Self {
        let mut account = Self {
            phases: Vec::new(),
            began: now,
            is_closed: false,
        };
        account.open(ThroughputPhase::Connect);
        account
    }

    fn open(&mut self, phase: ThroughputPhase) {
        self.phases.push(PhaseCost {
            phase,
            duration_ms: Millis::ZERO,
            bytes_sent: ByteCount::default(),
            bytes_received: ByteCount::default(),
        });
    }

    /// All that follows is the comparison with TCP.
    pub(super) fn begin_tcp(&mut self, now: MonotonicTime) {
        self.is_closed = false;
        self.began = now;
        self.open(ThroughputPhase::Tcp);
    }

    fn is_in_tcp(&self) -> bool {
        let last = self.phases.last();
        last.is_some_and(|cost| cost.phase == ThroughputPhase::Tcp)
    }

    /// Another phase began.
    pub(super) fn switch(&mut self, phase: LoadPhase, now: MonotonicTime) {
        if self.is_in_tcp() {
            return;
        }
        self.close(now);
        self.began = now;
        match named(phase) {
            None => self.is_closed = true,
            Some(ThroughputPhase::Connect) => {}
            Some(phase) => self.open(phase),
        }
    }

    /// Goes on after a transport that led nowhere, with the handshakes of the next.
    pub(super) fn resume(&mut self) {
        self.is_closed = false;
    }

    /// The phase goes on no longer than now.
    pub(super) fn close(&mut self, now: MonotonicTime) {
        if let Some(phase) = self.phases.last_mut().filter(|_| !self.is_closed) {
            phase.duration_ms = now.since(self.began).into();
        }
    }

    /// So many bytes left, headers included.
    pub(super) fn sent(&mut self, bytes: u64) {
        if let Some(phase) = self.phases.last_mut() {
            phase.bytes_sent = phase.bytes_sent.saturating_add(ByteCount::new(bytes));
        }
    }

    /// So many bytes came in, headers included.
    pub(super) fn received(&mut self, bytes: u64) {
        if let Some(phase) = self.phases.last_mut() {
            phase.bytes_received = phase.bytes_received.saturating_add(ByteCount::new(bytes));
        }
    }

    /// The phases so far.
    pub(super) fn phases(&self) -> &[PhaseCost] {
        &self.phases
    }

    /// Bytes sent and received in all.
    pub(super) fn total(&self) -> (ByteCount, ByteCount) {
        let sum = |of: fn(&PhaseCost) -> ByteCount| {
            let each = self.phases.iter().map(of);
            each.fold(ByteCount::default(), ByteCount::saturating_add)
        };
        (sum(|cost| cost.bytes_sent), sum(|cost| cost.bytes_received))
    }
}
