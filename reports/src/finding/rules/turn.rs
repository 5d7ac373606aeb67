//! Findings about TURN servers.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::{Evidence, Severity};
use crate::model::path::Family;
use crate::model::turn::{RelayTransport, TurnCell, TurnResult, TurnSection};

/// Ports that firewalls leave open for DNS and the web.
const USUAL_PORTS: [u16; 2] = [53, 443];

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(turn) = facts.parts.turn.data() else {
        return Vec::new();
    };
    let section = Tried::of(turn);
    let blocked = section.blocked();
    let refused = REFUSALS
        .iter()
        .filter_map(|(result, id)| section.with_result(*result, id));
    let mut hits: Vec<Hit> = refused.collect();
    hits.extend(blocked);
    hits.extend(section.family_blocked(Family::Ipv6, "network.turn.ipv6_blocked"));
    hits.extend(section.family_blocked(Family::Ipv4, "network.turn.ipv4_blocked"));
    hits.extend(section.alternate());
    hits
}

/// Results that have a finding of their own wherever they are seen.
const REFUSALS: &[(TurnResult, &str)] = &[
    (
        TurnResult::CredentialsExpired,
        "network.turn.credentials_expired",
    ),
    (
        TurnResult::WrongCredentials,
        "network.turn.wrong_credentials",
    ),
    (
        TurnResult::CredentialsNeeded,
        "network.turn.credentials_needed",
    ),
    (TurnResult::Quota, "network.turn.quota_reached"),
    (TurnResult::NoCapacity, "network.turn.no_capacity"),
    (TurnResult::Forbidden, "network.turn.forbidden"),
    (TurnResult::RedirectLoop, "network.turn.redirect_loop"),
    (TurnResult::OtherRefusal, "network.turn.refused"),
    (TurnResult::PeerForbidden, "network.turn.peer_forbidden"),
    (TurnResult::BlackHole, "network.turn.black_hole"),
    (TurnResult::NotTurn, "network.turn.not_turn"),
    (TurnResult::UnknownHost, "network.turn.unknown_host"),
    (TurnResult::ResolverFailed, "network.turn.resolver_failed"),
    (TurnResult::TlsExpired, "network.turn.tls_expired"),
    (TurnResult::TlsWrongName, "network.turn.tls_wrong_name"),
    (TurnResult::TlsUnknownIssuer, "network.turn.tls_intercepted"),
    (TurnResult::TlsFailed, "network.turn.tls_failed"),
];

/// The cells that tell something: where this machine has no such addresses, or somebody stopped the
/// run, nothing was tried.
struct Tried<'a> {
    cells: Vec<&'a TurnCell>,
}

impl<'a> Tried<'a> {
    fn of(turn: &'a TurnSection) -> Self {
        let tells =
            |cell: &&TurnCell| !matches!(cell.result, TurnResult::NoRoute | TurnResult::Stopped);
        Self {
            cells: turn.cells.iter().filter(tells).collect(),
        }
    }

    fn relays(&self) -> bool {
        self.cells.iter().any(|cell| relays(cell))
    }

    /// A warning; critical things are those that keep a call from being, which a relay alone never
    /// does.
    fn with_result(&self, result: TurnResult, id: &'static str) -> Option<Hit> {
        let hit: Vec<&TurnCell> = self.having(|cell| cell.result == result);
        let first = hit.first()?;
        let mut evidence: Vec<Evidence> = vec![servers(&hit)];
        let code = first
            .error_code
            .map(|code| number("error_code", f64::from(code), "count"));
        evidence.extend(code);
        evidence.extend(first.message.as_deref().map(|m| word("reason", m)));
        if let Some(shown) = &first.certificate {
            evidence.push(word("issuer", &shown.issuer));
            evidence.push(word("valid_until", &shown.not_after));
        }
        Some(Hit::new(id, Severity::Warning, evidence))
    }

    fn having(&self, is_so: impl Fn(&TurnCell) -> bool) -> Vec<&'a TurnCell> {
        let cells = self.cells.iter().copied();
        cells.filter(|cell| is_so(cell)).collect()
    }

    /// What a firewall does: silence or refusal, and where it does not.
    fn blocked(&self) -> Vec<Hit> {
        let of = |transport| self.having(|cell: &TurnCell| cell.transport == transport);
        let (udp, tcp, tls) = (
            of(RelayTransport::Udp),
            of(RelayTransport::Tcp),
            of(RelayTransport::Tls),
        );
        let answers = |cells: &[&TurnCell]| cells.iter().any(|cell| answered(cell));
        let is_shut = |cells: &[&TurnCell]| !cells.is_empty() && cells.iter().all(|c| silent(c));
        if is_shut(&self.cells) {
            return vec![self.silent_hit("network.turn.no_answer", &self.cells)];
        }
        let mut hits = Vec::new();
        if is_shut(&udp) && (answers(&tcp) || answers(&tls)) {
            hits.push(self.silent_hit("network.turn.udp_blocked", &udp));
        } else if few_ports(&udp) {
            let shut: Vec<&TurnCell> = udp.iter().copied().filter(|c| silent(c)).collect();
            hits.push(self.silent_hit("network.udp.few_ports", &shut));
        }
        if is_shut(&tcp) && (answers(&udp) || answers(&tls)) {
            hits.push(self.silent_hit("network.turn.tcp_blocked", &tcp));
        }
        if is_shut(&tls) && (answers(&udp) || answers(&tcp)) {
            hits.push(self.silent_hit("network.turn.tls_blocked", &tls));
        }
        hits
    }

    /// Servers that answer over one family, and over the other none of them. Silence over all of its
    /// transports is needed: one alone is a blocked port.
    fn family_blocked(&self, family: Family, id: &'static str) -> Option<Hit> {
        let is_other = |cell: &TurnCell| cell.family.is_some_and(|other| other != family);
        let elsewhere = self.having(|cell| is_other(cell) && answered(cell));
        let has_both = |cell: &TurnCell| elsewhere.iter().any(|other| other.host == cell.host);
        let shut = self.having(|cell| cell.family == Some(family) && has_both(cell));
        let is_shut = !shut.is_empty() && shut.iter().all(|cell| silent(cell));
        let evidence = vec![servers(&shut)];
        is_shut.then(|| Hit::new(id, Severity::Warning, evidence))
    }

    /// Where something else relays, a call that needs a relay works.
    fn silent_hit(&self, id: &'static str, cells: &[&TurnCell]) -> Hit {
        let answer = if cells.iter().all(|cell| cell.result == TurnResult::NoAnswer) {
            "no answer"
        } else {
            "refused"
        };
        let evidence = vec![servers(cells), word("answer", answer)];
        let is_udp = id.contains("udp");
        let severity = if self.relays() && !is_udp {
            Severity::Info
        } else {
            Severity::Warning
        };
        Hit::new(id, severity, evidence)
    }

    fn alternate(&self) -> Option<Hit> {
        let sent = self.having(|cell| cell.redirected_from.is_some());
        let evidence = vec![servers(&sent)];
        let id = "network.turn.alternate_server";
        (!sent.is_empty()).then(|| Hit::new(id, Severity::Info, evidence))
    }
}

fn relays(cell: &TurnCell) -> bool {
    cell.result == TurnResult::Relays
}

/// Nothing that speaks TURN or TLS was heard.
fn silent(cell: &TurnCell) -> bool {
    let unheard = matches!(
        cell.result,
        TurnResult::NoAnswer | TurnResult::Refused | TurnResult::Closed
    );
    unheard && cell.stages.challenge_ms.is_none()
}

fn answered(cell: &TurnCell) -> bool {
    !silent(cell)
        && !matches!(
            cell.result,
            TurnResult::UnknownHost | TurnResult::ResolverFailed
        )
}

/// UDP comes through to the ports of DNS and the web, and to no others.
fn few_ports(udp: &[&TurnCell]) -> bool {
    let (usual, others): (Vec<&TurnCell>, Vec<&TurnCell>) = udp
        .iter()
        .partition(|cell| USUAL_PORTS.contains(&cell.port));
    !others.is_empty()
        && others.iter().all(|cell| silent(cell))
        && usual.iter().any(|cell| answered(cell))
}

/// The servers, as people name them; some, where there are many.
fn servers(cells: &[&TurnCell]) -> Evidence {
    const MOST: usize = 4;
    let name = |cell: &&TurnCell| {
        let family = match cell.family {
            Some(Family::Ipv6) => " over IPv6",
            _ => "",
        };
        let transport = cell.transport.word();
        format!("{} port {} {transport}{family}", cell.host, cell.port)
    };
    let mut names: Vec<String> = cells.iter().take(MOST).map(name).collect();
    if cells.len() > MOST {
        names.push(format!("and {} more", cells.len() - MOST));
    }
    word("servers", names.join(", "))
}
