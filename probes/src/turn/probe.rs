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
use greenroom_reports::units::{ByteCount, Millis};
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
        traffic: traffic.clone(),
    };
    if let Err(error) = matrix.begin(&ways, &trust, &context).await {
        return Outcome::NotRun { reason: error };
    }
    let complete = matrix.finish(&context).await;
    let mut section = matrix.section();
    if complete && is_worth_it(&context) {
        section.quality = measured(&mut matrix.live, &context).await;
    }
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
    live: Vec<(TurnCell, Live)>,
    traffic: Traffic,
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
                        self.try_it(way, SocketAddr::new(address.ip(), way.port), *took, trust)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn try_it(
        &mut self,
        way: &Way,
        address: SocketAddr,
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
            resolved_in: (!is_address).then_some(took),
            trust: trust.clone(),
            traffic: self.traffic.clone(),
            nonce: random()?,
        };
        self.trials
            .spawn(async move { (place, cell::run(trial).await) });
        Ok(())
    }

    /// Waits for every trial; `false` when the run was stopped before.
    async fn finish(&mut self, context: &ReachContext) -> bool {
        loop {
            let ended = tokio::select! {
                biased;
                () = context.cancel.cancelled() => return false,
                ended = self.trials.join_next() => ended,
            };
            match ended {
                None => return true,
                Some(Ok((place, tried))) => self.take(place, tried),
                // A trial that broke keeps the result that it has from the beginning.
                Some(Err(_panicked)) => {}
            }
        }
    }

    fn take(&mut self, place: usize, tried: Tried) {
        if let Some(live) = tried.live {
            self.live.push((tried.cell.clone(), live));
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
            quality: Vec::new(),
        }
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

/// The best relay of each transport, beside each other.
async fn measured(live: &mut [(TurnCell, Live)], context: &ReachContext) -> Vec<RelayQuality> {
    let first_byte = |cell: &TurnCell| cell.stages.first_byte_ms.map_or(f64::MAX, Millis::as_f64);
    live.sort_by(|(a, _), (b, _)| first_byte(a).total_cmp(&first_byte(b)));
    let best = [
        RelayTransport::Udp,
        RelayTransport::Tcp,
        RelayTransport::Tls,
    ]
    .map(|transport| {
        let is_best = |(cell, live): &(TurnCell, Live)| cell.transport == transport && live.loops;
        live.iter().position(is_best)
    });
    let chosen = live
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| best.contains(&Some(*place)));
    let figures = futures_util::future::join_all(
        chosen.map(|(_, (cell, live))| quality::measure(cell, live)),
    );
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Vec::new(),
        figures = figures => {
            let mut figures: Vec<RelayQuality> = figures.into_iter().flatten().collect();
            figures.sort_by_key(|quality| quality.transport);
            figures
        }
    }
}

async fn release(live: Vec<(TurnCell, Live)>) {
    let all = live.into_iter().map(|(_, live)| live.client.release());
    futures_util::future::join_all(all).await;
}
