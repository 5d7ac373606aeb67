//! What `/metrics` tells of the relay.

use std::{fmt, sync::Arc};

use prometheus_client::encoding::DescriptorEncoder;

use super::{
    driver::figures::RelayFigures,
    machine::{
        counters::{CODES, Dropped, RelayCounters},
        relay::Transport,
    },
};
use crate::{
    http::slots::Slots,
    metrics::{counter, gauge},
};

/// Where the figures come from.
#[derive(Debug)]
pub(crate) struct TurnSources {
    /// What the relay did.
    pub(crate) figures: Arc<RelayFigures>,
    /// Places of TCP and TLS connections.
    pub(crate) connections: Arc<Slots>,
}

impl TurnSources {
    /// Writes all of them.
    pub(crate) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counters = self.figures.read();
        encode_allocations(encoder, &counters)?;
        encode_relayed(encoder, &counters)?;
        encode_refusals(encoder, &counters)?;
        gauge(
            encoder,
            "turn_connections_open",
            "TCP and TLS connections of TURN clients open now",
            &[([], self.connections.n_taken() as u64)],
        )?;
        counter(
            encoder,
            "turn_connections_refused",
            "TCP and TLS connections of TURN clients refused because of a limit",
            &[([], self.connections.n_refused())],
        )
    }
}

fn encode_allocations(
    encoder: &mut DescriptorEncoder<'_>,
    counters: &RelayCounters,
) -> Result<(), fmt::Error> {
    let by_transport = |counts: [u64; Transport::ALL.len()]| {
        Transport::ALL.map(|(name, transport)| ([("transport", name)], counts[transport as usize]))
    };
    gauge(
        encoder,
        "turn_allocations_open",
        "TURN allocations open now",
        &by_transport(counters.open),
    )?;
    counter(
        encoder,
        "turn_allocations",
        "TURN allocations made",
        &by_transport(counters.allocated),
    )?;
    counter(
        encoder,
        "turn_allocations_expired",
        "TURN allocations that ended because nobody refreshed them",
        &[([], counters.expired)],
    )?;
    counter(
        encoder,
        "stun_bindings",
        "STUN binding requests answered",
        &[([], counters.bindings)],
    )
}

fn encode_relayed(
    encoder: &mut DescriptorEncoder<'_>,
    counters: &RelayCounters,
) -> Result<(), fmt::Error> {
    let ways = [
        ("to_peers", counters.to_peers),
        ("to_clients", counters.to_clients),
    ];
    counter(
        encoder,
        "turn_relayed_packets",
        "Packets relayed",
        &ways.map(|(way, carried)| ([("direction", way)], carried.packets)),
    )?;
    counter(
        encoder,
        "turn_relayed_payload_bytes",
        "Bytes of payload relayed",
        &ways.map(|(way, carried)| ([("direction", way)], carried.bytes)),
    )?;
    counter(
        encoder,
        "turn_dropped",
        "Packets of clients and peers dropped without an answer",
        &Dropped::ALL.map(|(name, why)| ([("reason", name)], counters.dropped[why as usize])),
    )
}

fn encode_refusals(
    encoder: &mut DescriptorEncoder<'_>,
    counters: &RelayCounters,
) -> Result<(), fmt::Error> {
    let codes = CODES.map(|code| code.to_string());
    let rows: Vec<_> = codes
        .iter()
        .zip(counters.refused)
        .map(|(code, n)| ([("code", code.as_str())], n))
        .collect();
    counter(
        encoder,
        "turn_refused",
        "STUN and TURN requests refused; 401 and 438 begin every honest exchange, too",
        &rows,
    )?;
    counter(
        encoder,
        "turn_authentication_failed",
        "TURN requests with a wrong password, or an unknown or expired name",
        &[([], counters.authentication_failed)],
    )
}
