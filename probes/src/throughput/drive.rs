//! The loop between the load machine and what carries its datagrams. It decides nothing.

use std::io;
use std::time::Duration;

use greenroom_protocol::measure::load::client::{FlowId, LoadClient, LoadEnd, LoadOutput};
use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::model::path::ClockSource;

use super::account::Account;
use super::live::Live;
use crate::cancel::Cancel;
use crate::clock::Clock;

/// After so many sends in a row what came in is looked at and other tasks get their turn, so that
/// a flood at full speed hears the reports about it and the runtime sees what came in.
const SENDS_A_TURN: u32 = 8;
/// A carrier that takes nothing for so long is broken: as long as a silent server counts as there.
const STALLED: Duration = Duration::from_millis(2500);

/// Takes a datagram of a flow.
pub(super) type Take<'a> = dyn FnMut(FlowId, MonotonicTime, ClockSource, &[u8]) + Send + 'a;

/// What carries the datagrams of both flows.
pub(super) trait Carrier: Send {
    /// Sends datagrams of `segment_bytes` each, or one: now, or while waiting when there is no
    /// room. It never waits itself, so that a full link keeps nobody from cancelling.
    fn send(&mut self, flow: FlowId, segment_bytes: Option<u16>, bytes: &[u8]) -> io::Result<()>;

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

/// Drives one client over one carrier until it ends.
pub(super) struct Drive<'a, C> {
    client: &'a mut LoadClient,
    carrier: &'a mut C,
    clock: Clock,
    cancel: &'a Cancel,
    live: Live<'a>,
    account: &'a mut Account,
    full_since: Option<MonotonicTime>,
}

impl<'a, C: Carrier> Drive<'a, C> {
    /// Ready to drive.
    pub(super) fn new(
        client: &'a mut LoadClient,
        carrier: &'a mut C,
        (clock, cancel): (Clock, &'a Cancel),
        live: Live<'a>,
        account: &'a mut Account,
    ) -> Self {
        Self {
            client,
            carrier,
            clock,
            cancel,
            live,
            account,
            full_since: None,
        }
    }

    /// Runs until the machine ends, somebody cancels, or the carrier breaks.
    pub(super) async fn run(&mut self) -> DriveEnd {
        self.account.resume();
        self.live.switch(self.client.phase(), self.clock.now());
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
            self.wait_for_room().await?;
            return Ok(None);
        }
        self.full_since = None;
        let now = self.clock.now();
        self.live.tell(now, || self.client.rates_now());
        match self.client.poll(now, buffer) {
            LoadOutput::Transmit {
                flow,
                segment_bytes,
                echo,
            } => {
                self.transmit(flow, segment_bytes, echo, buffer)?;
                *sends += 1;
                if *sends >= SENDS_A_TURN {
                    *sends = 0;
                    tokio::task::yield_now().await;
                    self.hear()?;
                }
            }
            LoadOutput::Phase(phase) => {
                let now = self.clock.now();
                self.account.switch(phase, now);
                self.live.switch(phase, now);
            }
            LoadOutput::Wait(until) => {
                *sends = 0;
                self.listen(until).await?;
            }
            LoadOutput::Finished(end) => return Ok(Some(end)),
        }
        Ok(None)
    }

    /// Waits until the carrier takes something again, but not for ever.
    async fn wait_for_room(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let until = self.full_since.get_or_insert(now).after(STALLED);
        if now >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.listen(until).await
    }

    fn transmit(
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
        self.carrier.send(flow, segment_bytes, bytes)
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

    async fn listen(&mut self, until: MonotonicTime) -> io::Result<()> {
        let headers = self.carrier.headers();
        let (client, account) = (&mut *self.client, &mut *self.account);
        let mut take = |flow, at, clock, bytes: &[u8]| {
            account.received(bytes.len() as u64 + headers);
            client.received(at, clock, flow, bytes);
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Ok(()),
            result = self.carrier.wait(&mut take) => result,
            () = self.clock.sleep_until(until) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::discovery::AdvertisedLoads;
    use greenroom_protocol::measure::load::client::LoadConfig;
    use greenroom_reports::model::report::Mode;

    use super::super::budget::Budget;
    use super::super::udp::OverUdp;
    use super::*;
    use crate::cancel::CancelCause;
    use crate::emit::Emitter;

    fn client(patience: Duration) -> LoadClient {
        let budget = Budget {
            mode: Mode::Quick,
            data: None,
            time: None,
            loads: AdvertisedLoads {
                max_load_bps: 100_000_000,
                max_load_bytes: 10_000_000,
            },
            headers: 28,
            stream: false,
        };
        let division = budget.divide().unwrap();
        LoadClient::new(LoadConfig {
            nonces: [1, 2],
            patience,
            session_time: Duration::from_secs(5),
            up: division.up,
            down: division.down,
            trials: None,
            idle: Default::default(),
        })
    }

    /// Drives a client towards a socket that hears it and stays silent.
    async fn drive(patience: Duration, cancel: &Cancel) -> (DriveEnd, Account) {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let clock = Clock::start();
        let remote = silent.local_addr().unwrap();
        let mut carrier = OverUdp::connect(remote, clock).await.unwrap();
        let (emitter, _events) = Emitter::new();
        let mut account = Account::new(clock.now());
        let mut client = client(patience);
        let live = Live::new(&emitter, true, false, clock.now());
        let end = Drive::new(
            &mut client,
            &mut carrier,
            (clock, cancel),
            live,
            &mut account,
        )
        .run()
        .await;
        (end, account)
    }

    #[tokio::test]
    async fn a_cancelled_drive_ends_at_once() {
        let cancel = Cancel::new();
        let canceller = cancel.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            canceller.cancel(CancelCause::User);
        });
        let run = drive(Duration::from_secs(60), &cancel);
        let ended = tokio::time::timeout(Duration::from_millis(250), run).await;
        assert!(matches!(ended.unwrap().0, DriveEnd::Cancelled));
    }

    #[tokio::test]
    async fn a_silent_server_ends_it_within_its_patience_and_costs_what_was_sent() {
        let (end, account) = drive(Duration::from_millis(200), &Cancel::new()).await;
        assert!(
            matches!(end, DriveEnd::Machine(LoadEnd::Failed(_))),
            "{end:?}"
        );
        let (sent, received) = account.total();
        assert!(sent.get() > 0 && received.get() == 0);
        assert_eq!(account.phases().len(), 1);
        assert!(account.phases()[0].duration_ms.as_f64() >= 200.0);
    }
}
