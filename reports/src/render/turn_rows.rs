//! TURN servers as rows and as a matrix.

use super::details::Rows;
use super::words;
use crate::model::path::Family;
use crate::model::turn::{RelayQuality, TurnCell, TurnResult, TurnSection, TurnStages};

/// A row for each cell, and for each transport's quality.
pub(super) fn turn_rows(turn: &TurnSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    for cell in &turn.cells {
        rows.add(&title(cell), outcome(cell));
    }
    for quality in &turn.quality {
        let name = format!("relay over {}", quality.transport.word());
        rows.add(&name, quality_words(quality));
    }
    rows.0
}

/// The matrix of servers, transports and families as a table for the terminal, with the time of each
/// stage, and what came of each.
pub fn turn_matrix(turn: &TurnSection) -> String {
    let mut lines: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
    lines.extend(turn.cells.iter().map(matrix_line));
    let mut out = aligned(&lines);
    for quality in &turn.quality {
        let (transport, family) = (quality.transport.word(), family(Some(quality.family)));
        let (host, port) = (words::printable(&quality.host.to_string()), quality.port);
        let figures = quality_words(quality);
        let line = [
            "\nBest over ",
            transport,
            ": ",
            &host,
            ":",
            &port.to_string(),
            " ",
            family,
            ": ",
        ];
        out.push_str(&line.concat());
        out.push_str(&figures);
    }
    if !turn.quality.is_empty() {
        out.push('\n');
    }
    out
}

const HEADINGS: [&str; 11] = [
    "server",
    "over",
    "family",
    "resolve",
    "connect",
    "TLS",
    "challenge",
    "allocate",
    "permission",
    "first byte",
    "result",
];

fn matrix_line(cell: &TurnCell) -> Vec<String> {
    let host = words::printable(&cell.host.to_string());
    let server = format!("{host}:{}", cell.port);
    let times = stages(&cell.stages).map(|(_, ms)| ms.unwrap_or_else(|| "-".to_owned()));
    let mut line = vec![
        server,
        cell.transport.word().to_owned(),
        family(cell.family).to_owned(),
    ];
    line.extend(times);
    line.push(said(cell));
    line
}

fn stages(s: &TurnStages) -> [(&'static str, Option<String>); 7] {
    [
        ("resolve", s.resolve_ms),
        ("connect", s.connect_ms),
        ("TLS", s.tls_ms),
        ("challenge", s.challenge_ms),
        ("allocate", s.allocate_ms),
        ("permission", s.permission_ms),
        ("first byte", s.first_byte_ms),
    ]
    .map(|(name, ms)| (name, ms.map(|ms| ms.to_string())))
}

/// Columns as wide as their widest cell, two spaces apart; the last one as long as it is.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut out = String::new();
    for line in lines {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let is_last = column + 1 == line.len();
            let width = if is_last { 0 } else { width(column) };
            format!("{cell:width$}")
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn title(cell: &TurnCell) -> String {
    let own = if cell.is_own { "own server" } else { "" };
    let host = words::printable(&cell.host.to_string());
    let (transport, family) = (cell.transport.word(), family(cell.family));
    let server = format!("{host}:{}", cell.port);
    let name = if own.is_empty() { server.as_str() } else { own };
    format!("{name} {transport} {family}").trim_end().to_owned()
}

const fn family(family: Option<Family>) -> &'static str {
    match family {
        Some(Family::Ipv4) => "IPv4",
        Some(Family::Ipv6) => "IPv6",
        None => "",
    }
}

fn outcome(cell: &TurnCell) -> String {
    let times = stages(&cell.stages).into_iter();
    let times = times.filter_map(|(name, ms)| Some(format!("{name} {}", ms?)));
    let parts: Vec<String> = [said(cell)].into_iter().chain(times).collect();
    parts.join(", ")
}

/// The result, with the server's code and what else is known.
fn said(cell: &TurnCell) -> String {
    let word = result(cell.result);
    let code = cell.error_code.map(|code| format!(" ({code})"));
    let code = code.unwrap_or_default();
    let message = cell.message.as_deref().map(words::printable);
    let message = message.map(|m| format!(": {m}")).unwrap_or_default();
    let software = cell
        .software
        .as_deref()
        .filter(|_| cell.result == TurnResult::Relays);
    let software = software.map(|s| format!(" [{}]", words::printable(s)));
    format!("{word}{code}{message}{}", software.unwrap_or_default())
}

const fn result(result: TurnResult) -> &'static str {
    match result {
        TurnResult::Relays => "relays",
        TurnResult::UnknownHost => "name does not exist",
        TurnResult::ResolverFailed => "name cannot be looked up",
        TurnResult::NoRoute => "not tried, no such addresses here",
        TurnResult::NoAnswer => "no answer",
        TurnResult::Refused => "connection refused",
        TurnResult::Closed => "connection closed",
        TurnResult::NotTurn => "no TURN server",
        TurnResult::TlsExpired => "certificate out of date",
        TurnResult::TlsWrongName => "certificate for another name",
        TurnResult::TlsUnknownIssuer => "certificate not trusted",
        TurnResult::TlsFailed => "TLS failed",
        TurnResult::CredentialsNeeded => "credentials needed",
        TurnResult::WrongCredentials => "wrong credentials",
        TurnResult::CredentialsExpired => "credentials expired",
        TurnResult::Forbidden => "relaying refused",
        TurnResult::Quota => "quota reached",
        TurnResult::NoCapacity => "no room",
        TurnResult::RedirectLoop => "sent in a circle",
        TurnResult::OtherRefusal => "refused",
        TurnResult::PeerForbidden => "peer forbidden",
        TurnResult::BlackHole => "relays nothing",
        TurnResult::Stopped => "stopped before",
        TurnResult::Other => "unknown",
    }
}

fn quality_words(quality: &RelayQuality) -> String {
    let rtt = quality.rtt.as_ref().map(|rtt| {
        let (p50, p95) = (rtt.p50_ms, rtt.p95_ms);
        format!("round trip {p50} (95th percentile {p95})")
    });
    let variation = quality.rtt_variation_ms.map(|ms| format!("varies by {ms}"));
    let loss = quality.loss_ratio.zip(quality.loss_ratio_interval);
    let loss =
        loss.map(|(loss, interval)| format!("loss {loss} ({} to {})", interval.low, interval.high));
    let packets = Some(format!("{} packets", quality.packets_sent));
    let parts: Vec<String> = [rtt, variation, loss, packets]
        .into_iter()
        .flatten()
        .collect();
    parts.join(", ")
}
