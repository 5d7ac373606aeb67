//! The loop between the load machine and what carries its datagrams. It decides nothing.

use std::io;

use greenroom_protocol::measure::load::client::{
    FlowId, LoadClient, LoadEnd, LoadOutput, LoadPhase,
};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::path::ClockSource;
use greenroom_reports::model::report::ProbeId;
use greenroom_reports::model::throughput::{PhaseCost, ThroughputPhase};
use greenroom_reports::units::ByteCount;

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::emit::Emitter;

/// After so many sends in a row what came in is looked at, so that a flood at full speed hears the
/// reports about it.
const SENDS_A_TURN: u32 = 8;

/// Takes a datagram of a flow.
pub(super) type Take<'a> = dyn FnMut(FlowId, MonotonicTime, ClockSource, &[u8]) + Send + 'a;

/// What carries the datagrams of both flows.
pub(super) trait Carrier: Send {
    /// Sends datagrams of `segment_bytes` each, or one.
    ///
    /// # Cancel safety
    /// Dropping the future may lose some of them.
    fn send(
        &mut self,
        flow: FlowId,
        segment_bytes: Option<u16>,
        bytes: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Nothing more is taken before [`Carrier::wait`] has made room.
    fn is_full(&self) -> bool;

    /// Waits until something came in, or there is room again, and hands in what came.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    fn wait(&mut self, take: &mut Take<'_>) -> impl Future<Output = io::Result<()>> + Send;

    /// Hands in what has come in already.
    fn take_waiting(&mut self, take: &mut Take<'_>) -> io::Result<()>;

    /// Bytes of headers below each datagram, for the account.
    fn headers(&self) -> u64;
}

/// How a drive ended.
#[derive(Debug)]
pub(super) enum DriveEnd {
    /// The machine's own end.
    Machine(LoadEnd),
    /// Somebody stopped the run.
    Cancelled,
    /// The transport broke.
    Broken(io::Error),
}

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
            duration_ms: greenroom_reports::units::Millis::ZERO,
            bytes_sent: ByteCount::default(),
            bytes_received: ByteCount::default(),
        });
    }

    fn switch(&mut self, phase: LoadPhase, now: MonotonicTime) {
        self.close(now);
        self.began = now;
        match phase {
            LoadPhase::Connect => {}
            LoadPhase::Done => self.is_closed = true,
            LoadPhase::Up => self.open(ThroughputPhase::Uplink),
            LoadPhase::Down => self.open(ThroughputPhase::Downlink),
            LoadPhase::Trial => self.open(ThroughputPhase::Verification),
        }
    }

    fn close(&mut self, now: MonotonicTime) {
        if let Some(phase) = self.phases.last_mut().filter(|_| !self.is_closed) {
            phase.duration_ms = now.since(self.began).into();
        }
    }

    fn sent(&mut self, bytes: u64) {
        if let Some(phase) = self.phases.last_mut() {
            phase.bytes_sent = phase.bytes_sent.saturating_add(ByteCount::new(bytes));
        }
    }

    fn received(&mut self, bytes: u64) {
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

/// Drives one client over one carrier until it ends.
pub(super) struct Drive<'a, C> {
    pub(super) client: &'a mut LoadClient,
    pub(super) carrier: &'a mut C,
    pub(super) clock: Clock,
    pub(super) cancel: &'a Cancel,
    pub(super) emitter: &'a Emitter,
    pub(super) account: &'a mut Account,
}

impl<C: Carrier> Drive<'_, C> {
    /// Runs until the machine ends, somebody cancels, or the carrier breaks.
    pub(super) async fn run(&mut self) -> DriveEnd {
        let mut buffer = Vec::new();
        let mut sends = 0;
        let end = loop {
            if self.cancel.cause().is_some() {
                self.client.cancel();
            }
            let done = match self.step(&mut buffer, &mut sends).await {
                Ok(done) => done,
                Err(error) => break DriveEnd::Broken(error),
            };
            match done {
                Some(LoadEnd::Cancelled) => break DriveEnd::Cancelled,
                Some(end) => break DriveEnd::Machine(end),
                None => {}
            }
        };
        self.account.close(self.clock.now());
        end
    }

    async fn step(&mut self, buffer: &mut Vec<u8>, sends: &mut u32) -> io::Result<Option<LoadEnd>> {
        if self.carrier.is_full() && self.cancel.cause().is_none() {
            self.listen(None).await?;
            return Ok(None);
        }
        match self.client.poll(self.clock.now(), buffer) {
            LoadOutput::Transmit {
                flow,
                segment_bytes,
                echo,
            } => {
                self.transmit(flow, segment_bytes, echo, buffer).await?;
                *sends += 1;
                if *sends >= SENDS_A_TURN {
                    *sends = 0;
                    self.hear()?;
                }
            }
            LoadOutput::Phase(phase) => {
                self.account.switch(phase, self.clock.now());
                self.emitter.progress(ProbeId::Throughput, progress(phase));
            }
            LoadOutput::Wait(until) => {
                *sends = 0;
                self.listen(Some(until)).await?;
            }
            LoadOutput::Finished(end) => return Ok(Some(end)),
        }
        Ok(None)
    }

    async fn transmit(
        &mut self,
        flow: FlowId,
        segment_bytes: Option<u16>,
        echo: Option<u32>,
        bytes: &[u8],
    ) -> io::Result<()> {
        let datagrams = segment_bytes.map_or(1, |segment| {
            bytes.len().div_ceil(usize::from(segment).max(1)) as u64
        });
        self.account
            .sent(bytes.len() as u64 + datagrams * self.carrier.headers());
        if let Some(seq) = echo {
            self.client.departed(flow, seq, self.clock.now());
        }
        self.carrier.send(flow, segment_bytes, bytes).await
    }

    /// Takes what came in, without waiting.
    fn hear(&mut self) -> io::Result<()> {
        let headers = self.carrier.headers();
        let (client, account) = (&mut *self.client, &mut *self.account);
        self.carrier.take_waiting(&mut |flow, at, clock, bytes| {
            account.received(bytes.len() as u64 + headers);
            client.received(at, clock, flow, bytes);
        })
    }

    async fn listen(&mut self, until: Option<MonotonicTime>) -> io::Result<()> {
        let headers = self.carrier.headers();
        let (client, account) = (&mut *self.client, &mut *self.account);
        let mut take = |flow, at, clock, bytes: &[u8]| {
            account.received(bytes.len() as u64 + headers);
            client.received(at, clock, flow, bytes);
        };
        let clock = self.clock;
        let timer = async {
            match until {
                Some(until) => clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Ok(()),
            result = self.carrier.wait(&mut take) => result,
            () = timer => Ok(()),
        }
    }
}

/// Share of the work that is done when a phase begins, roughly.
fn progress(phase: LoadPhase) -> f64 {
    match phase {
        LoadPhase::Connect => 0.0,
        LoadPhase::Up => 0.05,
        LoadPhase::Down => 0.3,
        LoadPhase::Trial => 0.55,
        LoadPhase::Done => 1.0,
    }
}
