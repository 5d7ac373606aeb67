//! What `/metrics` tells, in the OpenMetrics text format.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, text},
    metrics::{MetricType, counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    clock::Clock,
    http::slots::Slots,
    responder::{
        figures::{Figures, Published},
        stream::StreamResponder,
    },
    turn::metrics::TurnSources,
};

/// Content type of the answer.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the turnaround histogram, in seconds: from what an idle machine takes to what a call
/// would notice.
const TURNAROUND_BOUNDS: [f64; 11] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05,
];

/// Time from a datagram's arrival to right before its reply leaves.
#[derive(Clone, Debug)]
pub(crate) struct Turnaround(Histogram);

impl Turnaround {
    /// Nothing observed yet.
    pub(crate) fn new() -> Self {
        Self(Histogram::new(TURNAROUND_BOUNDS))
    }

    /// Counts one reply.
    pub(crate) fn observe(&self, span: Duration) {
        self.0.observe(span.as_secs_f64());
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

/// All metrics of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
}

/// Where the figures come from that are collected when somebody asks.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The server's clock, whose epoch is the start.
    pub(crate) clock: Clock,
    /// The UDP responder.
    pub(crate) udp: Arc<Published>,
    /// The WebSocket responder.
    pub(crate) stream: Arc<StreamResponder>,
    /// The relay, when there is one.
    pub(crate) turn: Option<TurnSources>,
    /// TCP connections.
    pub(crate) connections: Arc<Slots>,
    /// WebSocket connections.
    pub(crate) websockets: Arc<Slots>,
    /// Connections that broke off before their first request.
    pub(crate) handshakes_failed: Arc<AtomicU64>,
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn new(sources: Sources, turnaround: &Turnaround, version: String) -> Self {
        let mut registry = Registry::with_prefix("greenroom");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register(
            "build",
            "The program that runs",
            Info::new([("version", version)]),
        );
        registry.register(
            "http_requests",
            "HTTP requests answered, by route and status",
            requests.clone(),
        );
        registry.register_with_unit(
            "turnaround",
            "Time from a UDP datagram's arrival to right before its reply leaves",
            Unit::Seconds,
            turnaround.0.clone(),
        );
        registry.register_collector(Box::new(sources));
        Self { registry, requests }
    }

    /// Counts one answered HTTP request.
    pub(crate) fn count_request(&self, route: &'static str, status: u16) {
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
    }

    /// The text to answer with.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(8 * 1024);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let transports = [
            ("udp", self.udp.read()),
            ("websocket", self.stream.figures()),
        ];
        encode_transports(&mut encoder, &transports)?;
        let (_, udp) = &transports[0];
        counter(
            &mut encoder,
            "arrivals",
            "UDP datagrams by the clock that stamped their arrival",
            &[
                ([("clock", "kernel")], udp.kernel_stamps),
                ([("clock", "user")], udp.user_stamps),
            ],
        )?;
        self.encode_connections(&mut encoder)?;
        if let Some(turn) = &self.turn {
            turn.encode(&mut encoder)?;
        }
        let uptime = self.clock.elapsed().as_secs_f64();
        encoder
            .encode_descriptor(
                "uptime",
                "Time since the server started",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?
            .encode_gauge(&uptime)
    }
}

impl Sources {
    fn encode_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kinds = [("tcp", &self.connections), ("websocket", &self.websockets)];
        gauge(
            encoder,
            "connections_open",
            "Connections open now; a WebSocket counts as both",
            &kinds.map(|(kind, slots)| ([("kind", kind)], slots.n_taken() as u64)),
        )?;
        counter(
            encoder,
            "connections_refused",
            "Connections refused because of a limit",
            &kinds.map(|(kind, slots)| ([("kind", kind)], slots.n_refused())),
        )?;
        counter(
            encoder,
            "handshakes_failed",
            "TLS handshakes that failed or took too long",
            &[(
                [("kind", "tls")],
                self.handshakes_failed.load(Ordering::Relaxed),
            )],
        )
    }
}

type ByTransport = [(&'static str, Figures); 2];

fn encode_transports(
    encoder: &mut DescriptorEncoder<'_>,
    transports: &ByTransport,
) -> Result<(), fmt::Error> {
    let one = |value: fn(&Figures) -> u64| {
        transports
            .each_ref()
            .map(|(transport, figures)| ([("transport", *transport)], value(figures)))
    };
    gauge(
        encoder,
        "sessions_open",
        "Measurement sessions open now",
        &one(|f| f.open_sessions as u64),
    )?;
    counter(
        encoder,
        "sessions_opened",
        "Measurement sessions opened",
        &one(|f| f.counters.sessions_opened),
    )?;
    counter(
        encoder,
        "send_failures",
        "Replies and packets of loads that the system did not take",
        &one(|f| f.send_failures),
    )?;
    gauge(
        encoder,
        "loads_sending",
        "Loads that are being sent now",
        &one(|f| f.loads_sent as u64),
    )?;
    counter(
        encoder,
        "loads_silenced",
        "Loads no longer sent because nothing came from the client",
        &one(|f| f.counters.loads_silenced),
    )?;
    encode_traffic(encoder, transports)?;
    by_reason(
        encoder,
        transports,
        (
            "refused",
            "Requests answered with a refusal or dropped for a limit",
        ),
        &[
            ("token", |f| f.counters.refused_token),
            ("server_full", |f| f.counters.refused_full),
            ("address_limit", |f| f.counters.refused_address),
            ("too_fast", |f| f.counters.refused_rate),
            ("challenges_withheld", |f| f.counters.challenges_withheld),
            ("load_limit", |f| f.counters.loads_refused),
        ],
    )?;
    by_reason(
        encoder,
        transports,
        (
            "ignored",
            "Datagrams without an answer, as garbage or out of place",
        ),
        &[
            ("undecodable", |f| f.counters.undecodable),
            ("unexpected", |f| f.counters.unexpected),
            ("unknown_session", |f| f.counters.unknown_session),
            ("oversized", |f| f.oversized),
            ("load_unasked", |f| f.counters.load_packets_unasked),
        ],
    )
}

fn encode_traffic(
    encoder: &mut DescriptorEncoder<'_>,
    transports: &ByTransport,
) -> Result<(), fmt::Error> {
    let datagrams = both_ways(
        transports,
        |f| f.counters.datagrams_in + f.oversized,
        |f| f.counters.replies + f.counters.load_packets_out,
    );
    counter(
        encoder,
        "datagrams",
        "Datagrams, or WebSocket messages that carry one",
        &datagrams,
    )?;
    let bytes = both_ways(transports, |f| f.bytes_in, |f| f.bytes_out);
    counter(encoder, "payload_bytes", "Bytes of these datagrams", &bytes)?;
    let loads = both_ways(
        transports,
        |f| f.counters.loads_up,
        |f| f.counters.loads_down,
    );
    counter(encoder, "loads", "Loads begun", &loads)?;
    let bytes = both_ways(
        transports,
        |f| f.counters.load_bytes_in,
        |f| f.counters.load_bytes_out,
    );
    counter(
        encoder,
        "load_payload_bytes",
        "Bytes of the packets of loads, which payload_bytes counts too",
        &bytes,
    )
}

type Directed = ([(&'static str, &'static str); 2], u64);

fn both_ways(
    transports: &ByTransport,
    incoming: fn(&Figures) -> u64,
    outgoing: fn(&Figures) -> u64,
) -> Vec<Directed> {
    let row =
        |transport, direction, value| ([("transport", transport), ("direction", direction)], value);
    transports
        .iter()
        .flat_map(|(transport, figures)| {
            [
                row(*transport, "in", incoming(figures)),
                row(*transport, "out", outgoing(figures)),
            ]
        })
        .collect()
}

type Reason = (&'static str, fn(&Figures) -> u64);

fn by_reason(
    encoder: &mut DescriptorEncoder<'_>,
    transports: &ByTransport,
    (name, help): (&str, &str),
    reasons: &[Reason],
) -> Result<(), fmt::Error> {
    let rows: Vec<Directed> = transports
        .iter()
        .flat_map(|(transport, figures)| {
            reasons.iter().map(|(reason, value)| {
                (
                    [("transport", *transport), ("reason", *reason)],
                    value(figures),
                )
            })
        })
        .collect();
    counter(encoder, name, help, &rows)
}

/// Labels and value.
pub(crate) type Row<'a, const N: usize> = ([(&'static str, &'a str); N], u64);

/// Writes a counter.
pub(crate) fn counter<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[Row<'_, N>],
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        metric
            .encode_family(labels)?
            .encode_counter::<[(&str, &str); 0], u64, f64>(value, None)?;
    }
    Ok(())
}

/// Writes a gauge.
pub(crate) fn gauge<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[Row<'_, N>],
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        metric.encode_family(labels)?.encode_gauge(value)?;
    }
    Ok(())
}
