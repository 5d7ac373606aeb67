//! The peer's candidates: kept until their description came, and given on exactly once.

use std::collections::{HashSet, VecDeque};

use super::sdp;

/// Candidates that are kept or remembered of one generation. An engine with many addresses has a few
/// dozen; more is not an engine's.
pub(super) const MAX_CANDIDATES: usize = 256;

/// Candidates of the peer of one connection.
///
/// A TCP candidate that is added again opens a second connection, and media moves to it before the
/// engine knows it; what is sent meanwhile is lost. So each one is given on once in a generation, which
/// is as long as the peer's ICE credentials stay the same.
#[derive(Debug, Default)]
pub(super) struct RemoteCandidates {
    /// Of the description that is in effect; `None` before the first one.
    ufrag: Option<String>,
    early: VecDeque<String>,
    given: HashSet<String>,
}

impl RemoteCandidates {
    /// A candidate line came (`candidate:…`). Gives it back if it is to be added now.
    pub(super) fn take(&mut self, candidate: &str) -> Option<String> {
        let key = key_of(candidate);
        if key.is_empty() {
            // The end of candidates; nothing is added for it.
            return None;
        }
        if self.ufrag.is_none() {
            if self.early.len() < MAX_CANDIDATES {
                self.early.push_back(candidate.to_owned());
            }
            return None;
        }
        (self.given.len() < MAX_CANDIDATES && self.given.insert(key)).then(|| candidate.to_owned())
    }

    /// A description of the peer was applied. Gives what is to be added now: what came early, and the TCP
    /// candidates in the description itself, to which the stack does not connect by itself.
    pub(super) fn described(&mut self, sdp: &str) -> Vec<String> {
        let ufrag = sdp::attribute(sdp, "ice-ufrag")
            .unwrap_or_default()
            .to_owned();
        if self.ufrag.as_ref() != Some(&ufrag) {
            self.given.clear();
        }
        self.ufrag = Some(ufrag);
        let early = std::mem::take(&mut self.early);
        let inside = candidates_in(sdp).filter(|line| is_tcp(line));
        let all: Vec<String> = early.into_iter().chain(inside.map(str::to_owned)).collect();
        all.iter().filter_map(|line| self.take(line)).collect()
    }
}

/// What makes a candidate the same: everything but the generation and other trailing extensions.
fn key_of(candidate: &str) -> String {
    let body = candidate.trim();
    let body = body.strip_prefix("a=").unwrap_or(body);
    let body = body.strip_prefix("candidate:").unwrap_or(body);
    // foundation component transport priority address port typ type, RFC 8839 section 5.1
    let fields: Vec<&str> = body.split_ascii_whitespace().collect();
    match fields[..] {
        [_, component, transport, _, address, port, ..] => {
            format!(
                "{component} {} {address} {port}",
                transport.to_ascii_lowercase()
            )
        }
        _ => String::new(),
    }
}

fn is_tcp(candidate: &str) -> bool {
    let transport = candidate.split_ascii_whitespace().nth(2);
    transport.is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"))
}

fn candidates_in(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a="))
        .filter(|line| line.starts_with("candidate:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host";
    const TCP: &str = "candidate:2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive";

    fn description(ufrag: &str) -> String {
        format!("v=0\r\na=ice-ufrag:{ufrag}\r\nm=application 9\r\na={UDP}\r\na={TCP}\r\n")
    }

    #[test]
    fn what_comes_before_its_description_is_given_after_it() {
        let mut candidates = RemoteCandidates::default();
        assert_eq!(candidates.take(UDP), None);
        assert_eq!(candidates.described("a=ice-ufrag:x\r\n"), [UDP]);
        assert_eq!(candidates.take(UDP), None);
    }

    #[test]
    fn a_tcp_candidate_is_given_once_wherever_it_is_written() {
        let mut candidates = RemoteCandidates::default();
        assert_eq!(candidates.described(&description("x")), [TCP]);
        assert_eq!(candidates.described(&description("x")), [""; 0]);
        assert_eq!(candidates.take(TCP), None);
        let with_generation = TCP
            .replace("typ", "generation 0 typ")
            .replace("tcp ", "TCP ");
        assert_eq!(candidates.take(&with_generation), None);
    }

    #[test]
    fn a_restart_of_ice_begins_anew() {
        let mut candidates = RemoteCandidates::default();
        candidates.described(&description("x"));
        assert_eq!(candidates.described(&description("y")), [TCP]);
    }

    #[test]
    fn neither_floods_nor_nonsense_are_kept() {
        let mut candidates = RemoteCandidates::default();
        for n in 0..10 * MAX_CANDIDATES {
            candidates.take(&UDP.replace("7882", &n.to_string()));
        }
        for nonsense in ["", "candidate:", "x y", "\u{0}"] {
            assert_eq!(candidates.take(nonsense), None);
        }
        assert_eq!(candidates.described("").len(), MAX_CANDIDATES);
        assert_eq!(candidates.take(TCP), None);
    }
}
