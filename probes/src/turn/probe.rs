//! Runs the probe and maps what came of it.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use greenroom_protocol::turn::url::IceUrl;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::path::Family;
use greenroom_reports::model::turn::{
    RelayQuality, RelayTransport, TurnCell, TurnResult, TurnSection,
};
use greenroom_reports::units::ByteCount;
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::dns::{LookupFailure, look_up_host};
use greenroom_session::turn::{Traffic, Trust};
use tokio::task::JoinSet;

use super::cell::{self, Live, Trial, Tried, unreached};
use super::login::TurnLogin;
use super::plan::{Way, ways};
use super::quality;
use crate::context::ReachContext;

/// What is asked of the probe.
#[derive(Clone, Debug, Default)]
pub struct TurnConfig {
    /// Servers, beside the Greenroom server's own; 64 at the most.
    pub urls: Vec<IceUrl>,
    /// Who asks them.
    pub login: TurnLogin,
}

/// Bytes of a run below which relays are tried, and not measured.
const LEAST_FOR_QUALITY: u64 = 2_000_000;

/// What a run of the probe gave and cost.
#[derive(Debug)]
pub struct TurnFound {
    /// For the report.
    pub outcome: Outcome<TurnSection>,
    /// Bytes sent, IP headers included, without handshakes of TCP and TLS.
    pub sent: ByteCount,
    /// Bytes received, likewise.
    pub received: ByteCount,
}

/// Tries every server over every transport and address family, all beside each other.
///
/// # Cancel safety
/// On cancellation it returns at once with what it has. Dropping the future may leave allocations,
/// which end by themselves.
pub async fn run(config: TurnConfig, context: ReachContext) -> TurnFound {
    let traffic = Traffic::default();
    let outcome = find(config, context, &traffic).await;
    TurnFound {
        outcome,
        sent: ByteCount::new(traffic.sent()),
        received: ByteCount::new(traffic.received()),
    }
}

async fn find(
    config: TurnConfig,
    context: ReachContext,
    traffic: &Traffic,
) -> Outcome<TurnSection> {
    let credentials = config.login.credentials();
    let relay = context.server.as_ref();
    let relay = relay.and_then(|server| server.document.relay.as_ref());
    let host = context.base.as_ref().map(BaseUrl::host);
    let ways = ways(host.zip(relay), &config.urls, credentials.as_ref());
    if ways.is_empty() {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "no TURN server is known: the server offers none, and none was named",
        );
    }
    let trust = match Trust::new(&context.authorities) {
        Ok(trust) => trust,
        Err(error) => return Outcome::not_run(error.kind, error.explanation),
    };
    let mut matrix = Matrix {
        cells: Vec::new(),
        trials: JoinSet::new(),
        live: Vec::new(),
        figures: is_worth_it(&context).then(Figures::default),
        traffic: traffic.clone(),
    };
    if let Err(error) = matrix.begin(&ways, &trust, &context).await {
        return Outcome::NotRun { reason: error };
    }
    matrix.finish(&context).await;
    let section = matrix.section();
    release(matrix.live).await;
    match context.cancel.cause() {
        None => Outcome::Measured { data: section },
        Some(_) => Outcome::Partial {
            data: section,
            reason: context.cancel.reason(),
        },
    }
}

/// The figures of relays cost some 10 kB each.
fn is_worth_it(context: &ReachContext) -> bool {
    let limit = context.data_limit;
    limit.is_none_or(|limit| limit.get() >= LEAST_FOR_QUALITY)
}

/// Every cell, by its place.
struct Matrix {
    cells: Vec<TurnCell>,
    trials: JoinSet<(usize, Tried)>,
    live: Vec<Live>,
    /// Where relays are measured too.
    figures: Option<Figures>,
    traffic: Traffic,
}

/// What relays are like: the first of each transport that works, which is measured while slower ones
/// are still tried, since those that never answer are waited for.
#[derive(Default)]
struct Figures {
    transports: Vec<RelayTransport>,
    measuring: JoinSet<(Live, Option<RelayQuality>)>,
    found: Vec<RelayQuality>,
}

impl Figures {
    /// Begins to measure it; gives it back where there is no need to.
    fn begin(&mut self, cell: &TurnCell, mut live: Live) -> Option<Live> {
        if !live.loops || self.transports.contains(&cell.transport) {
            return Some(live);
        }
        self.transports.push(cell.transport);
        let cell = cell.clone();
        self.measuring.spawn(async move {
            let quality = quality::measure(&cell, &mut live).await;
            (live, quality)
        });
        None
    }

    /// The next relay that was measured; never, when there is none.
    async fn next(&mut self) -> Option<Live> {
        match self.measuring.join_next().await {
            None => std::future::pending().await,
            Some(Ok((live, quality))) => {
                self.found.extend(quality);
                Some(live)
            }
            // A measurement that broke gives no figures.
            Some(Err(_panicked)) => None,
        }
    }

    fn is_done(&self) -> bool {
        self.measuring.is_empty()
    }
}

impl Matrix {
    /// Looks every name up once, and begins every trial.
    async fn begin(
        &mut self,
        ways: &[Way],
        trust: &Trust,
        context: &ReachContext,
    ) -> Result<(), Reason> {
        let found = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(context.cancel.reason()),
            found = look_up_all(ways) => found,
        };
        for way in ways {
            let is_udp =
                |other: &&Way| other.host == way.host && other.transport == RelayTransport::Udp;
            let stun_port = ways.iter().find(is_udp).map_or(way.port, |udp| udp.port);
            match &found[&way.host] {
                Err(failure) => {
                    let result = match failure {
                        LookupFailure::UnknownHost => TurnResult::UnknownHost,
                        LookupFailure::ResolverFailed => TurnResult::ResolverFailed,
                    };
                    self.cells.push(unreached(way, result, None));
                }
                Ok((addresses, took)) => {
                    for address in one_of_each_family(addresses) {
                        let address = SocketAddr::new(address.ip(), way.port);
                        self.try_it(way, (address, stun_port), *took, trust)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn try_it(
        &mut self,
        way: &Way,
        (address, stun_port): (SocketAddr, u16),
        took: Duration,
        trust: &Trust,
    ) -> Result<(), Reason> {
        let place = self.cells.len();
        let mut cell = unreached(way, TurnResult::Stopped, None);
        cell.family = Some(cell::family_of(address));
        self.cells.push(cell);
        let is_address = way.host.parse::<std::net::IpAddr>().is_ok();
        let trial = Trial {
            way: way.clone(),
            address,
            stun_port,
            resolved_in: (!is_address).then_some(took),
            trust: trust.clone(),
            traffic: self.traffic.clone(),
            nonce: random()?,
        };
        self.trials
            .spawn(async move { (place, cell::run(trial).await) });
        Ok(())
    }

    /// Waits for every trial and measurement, or for the run's being stopped.
    async fn finish(&mut self, context: &ReachContext) {
        while !self.trials.is_empty() || self.figures.as_ref().is_some_and(|f| !f.is_done()) {
            let measured = async {
                match &mut self.figures {
                    Some(figures) => figures.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => return,
                Some(ended) = self.trials.join_next() => {
                    // A trial that broke keeps the result that it has from the beginning.
                    if let Ok((place, tried)) = ended {
                        self.take(place, tried);
                    }
                }
                live = measured => self.live.extend(live),
            }
        }
    }

    fn take(&mut self, place: usize, tried: Tried) {
        if let Some(live) = tried.live {
            let rest = match &mut self.figures {
                Some(figures) => figures.begin(&tried.cell, live),
                None => Some(live),
            };
            self.live.extend(rest);
        }
        if let Some(cell) = self.cells.get_mut(place) {
            *cell = tried.cell;
        }
    }

    /// A family that this machine has no addresses of is no news where another one works.
    fn section(&self) -> TurnSection {
        let is_news = |cell: &&TurnCell| {
            let alone = !self.cells.iter().any(|other| {
                other.host == cell.host
                    && other.family != cell.family
                    && other.result != TurnResult::NoRoute
            });
            cell.result != TurnResult::NoRoute || alone || cell.family != Some(Family::Ipv6)
        };
        TurnSection {
            cells: self.cells.iter().filter(is_news).cloned().collect(),
            quality: self.quality(),
        }
    }

    fn quality(&self) -> Vec<RelayQuality> {
        let found = self.figures.iter().flat_map(|figures| &figures.found);
        let mut found: Vec<RelayQuality> = found.cloned().collect();
        found.sort_by_key(|quality| quality.transport);
        found
    }
}

type Found = Result<(Vec<SocketAddr>, Duration), LookupFailure>;

async fn look_up_all(ways: &[Way]) -> BTreeMap<String, Found> {
    let mut lookups = JoinSet::new();
    for way in ways {
        let (host, port) = (way.host.clone(), way.port);
        lookups.spawn(async move {
            let began = Instant::now();
            let found = look_up_host(&host, port).await;
            (host, found.map(|addresses| (addresses, began.elapsed())))
        });
    }
    lookups.join_all().await.into_iter().collect()
}

fn one_of_each_family(addresses: &[SocketAddr]) -> impl Iterator<Item = SocketAddr> {
    let first = |ipv4: bool| addresses.iter().copied().find(|a| a.is_ipv4() == ipv4);
    [first(true), first(false)].into_iter().flatten()
}

fn random() -> Result<u128, Reason> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message = format!(
            "cannot get random numbers from the system: {}",
            io::Error::from(error)
        );
        Reason::new(ReasonCode::Unsupported, message)
    })?;
    // A transaction's id has 96 bits.
    Ok(u128::from_be_bytes(bytes) >> 32)
}

async fn release(live: Vec<Live>) {
    let all = live.into_iter().map(|live| live.client.release());
    futures_util::future::join_all(all).await;
}
