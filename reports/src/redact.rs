//! Reports that can be shared: every address, host and user becomes a stable pseudonym.
//!
//! The same value has the same pseudonym everywhere in a report: `host-1`, `addr-2`. Addresses keep
//! their class, since it matters to support and names nobody: `addr-1-private`. Model names,
//! versions and the operator's support contact stay.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::model::device::Device;
use crate::model::finding::{Evidence, EvidenceValue};
use crate::model::outcome::{Outcome, Reason};
use crate::model::report::{Report, Target};
use crate::model::resolve::ResolveSection;
use crate::model::sensitive::{Sensitive, SensitiveKind};
use crate::model::system::{ScreenCapture, SystemSection};
use crate::model::turn::TurnSection;
use crate::model::web::{ConnectAttempt, PortalSign, WebSection};

/// Replaces what is sensitive, the same way each time.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Pseudonyms by what they stand for, in lower case.
    pseudonyms: BTreeMap<String, String>,
    /// How many of each stem were given out.
    counts: BTreeMap<&'static str, u32>,
}

impl Redactor {
    /// Knows every sensitive value of this report.
    pub fn collect(report: &Report) -> Self {
        let mut redactor = Self::default();
        redactor.learn_from(report);
        redactor
    }

    /// Learns every sensitive value of this report; what is known keeps its pseudonym.
    pub fn learn_from(&mut self, report: &Report) {
        let mut report = report.clone();
        report.visit_sensitive(&mut |kind, value| {
            self.learn(kind, value.as_str());
        });
    }

    /// The pseudonym of a value, which is remembered.
    pub fn learn(&mut self, kind: SensitiveKind, value: &str) -> String {
        if kind == SensitiveKind::Url {
            return self.learn_url(value);
        }
        let value = value.trim();
        if value.is_empty() {
            return String::new();
        }
        let key = value.to_lowercase();
        if let Some(known) = self.pseudonyms.get(&key) {
            return known.clone();
        }
        let (stem, class) = match (kind, parse_address(value)) {
            (_, Some(address)) => ("addr", class(address)),
            (SensitiveKind::Address, None) => ("addr", ""),
            (SensitiveKind::User, None) => ("user", ""),
            (SensitiveKind::Serial, None) => ("serial", ""),
            (SensitiveKind::Host | SensitiveKind::Url, None) => ("host", ""),
        };
        let count = self.counts.entry(stem).or_default();
        *count += 1;
        let pseudonym = format!("{stem}-{count}{class}");
        self.pseudonyms.insert(key, pseudonym.clone());
        pseudonym
    }

    /// Keeps scheme, host as a pseudonym, and port; path and query may hold secrets.
    fn learn_url(&mut self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let marked = url.len() > rest.len();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = split_port(host_and_port);
        let host = self.learn(SensitiveKind::Host, host);
        let separator = if marked { "://" } else { "" };
        format!("{scheme}{separator}{host}{port}")
    }

    /// Replaces every known value in a text, every URL's host, and every address, known or not.
    ///
    /// Only whole words count, in any case.
    pub fn apply_text(&mut self, text: &str) -> String {
        let text = self.replace_urls(text);
        let text = self.replace_known(&text);
        self.replace_addresses(&text)
    }

    /// Replaces in every string of a JSON value, such as an event. Keys stay, and so do values of
    /// keys that hold this program's own words.
    pub fn apply_json(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.apply_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply_json(item)),
            Value::Object(entries) => {
                self.apply_device(entries);
                for (key, entry) in entries.iter_mut() {
                    if !OWN_WORDS.contains(&key.as_str()) {
                        self.apply_json(entry);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The id of a device may hold its serial number; ids of other things are this program's words.
    fn apply_device(&mut self, entries: &mut Map<String, Value>) {
        let is_device = entries.contains_key("backend") && entries.contains_key("name");
        if let Some(Value::String(id)) = entries.get_mut("id").filter(|_| is_device) {
            *id = self.learn(SensitiveKind::Serial, id);
        }
    }

    /// One pass, the longest value first at each place, so that no pseudonym is replaced again.
    fn replace_known(&self, text: &str) -> String {
        let mut known: Vec<(&String, &String)> = self.pseudonyms.iter().collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let starts_word = is_boundary(out.chars().next_back());
            let hit = known
                .iter()
                .filter(|_| starts_word)
                .find(|(value, pseudonym)| {
                    let head = rest.get(..value.len());
                    let tail = rest.get(value.len()..).and_then(|tail| tail.chars().next());
                    is_boundary(tail)
                        && !is_everyday(value, pseudonym)
                        && head.is_some_and(|head| head.eq_ignore_ascii_case(value))
                });
            let taken = if let Some((value, pseudonym)) = hit {
                out.push_str(pseudonym);
                value.len()
            } else {
                out.push(first);
                first.len_utf8()
            };
            rest = rest.get(taken..).unwrap_or("");
        }
        out
    }

    /// URLs keep scheme, host as a pseudonym, and port.
    fn replace_urls(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(colon) = rest.find("://") {
            let (before, from) = rest.split_at(colon);
            let of_url = |c: char| {
                !c.is_whitespace() && !matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ',')
            };
            let end = from.find(|c| !of_url(c)).unwrap_or(from.len());
            let (url, after) = from.split_at(end);
            let ending = url.len() - url.trim_end_matches(['.', ':', ';']).len();
            let (url, ending) = url.split_at(url.len() - ending);
            out.push_str(before);
            out.push_str(&self.learn_url(url));
            out.push_str(ending);
            rest = after;
        }
        out + rest
    }

    fn replace_addresses(&mut self, text: &str) -> String {
        let of_address = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '%');
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(of_address) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !of_address(c) && !c.is_alphanumeric());
            let (token, after) = from.split_at(end.unwrap_or(from.len()));
            out.push_str(before);
            // A letter right before means the token is the tail of a word.
            let tail = before.ends_with(|c: char| c.is_alphanumeric());
            out.push_str(&if tail {
                token.to_owned()
            } else {
                self.address_token(token)
            });
            rest = after;
        }
        out + rest
    }

    /// A token with the address at its start replaced, or as it stands.
    fn address_token(&mut self, token: &str) -> String {
        let bare = token.trim_end_matches(['.', ':', '%']);
        let ending = token.get(bare.len()..).unwrap_or("");
        if parse_address(bare).is_some() {
            return self.learn(SensitiveKind::Address, bare) + ending;
        }
        let (host, port) = split_port(bare);
        if parse_address(host).is_some() {
            return self.learn(SensitiveKind::Address, host) + port + ending;
        }
        token.to_owned()
    }
}

impl Report {
    /// A copy that can be shared.
    #[must_use]
    pub fn redacted(&self) -> Self {
        self.redacted_with(&mut Redactor::default())
    }

    /// As [`Report::redacted`], with the pseudonyms that `redactor` gave out before, so that a
    /// report and the events of its run agree.
    #[must_use]
    pub fn redacted_with(&self, redactor: &mut Redactor) -> Self {
        if self.redacted {
            return self.clone();
        }
        redactor.learn_from(self);
        let mut report = self.clone();
        report.visit_text(&mut |text| *text = redactor.apply_text(text));
        report.visit_sensitive(&mut |kind, value| {
            value.replace(redactor.learn(kind, value.as_str()));
        });
        report.redacted = true;
        report
    }

    /// Shows every sensitive value to `visit`, in the order of the report.
    pub fn visit_sensitive(&mut self, visit: &mut dyn FnMut(SensitiveKind, &mut Sensitive)) {
        if let Target::Server { url } = &mut self.request.target {
            visit(SensitiveKind::Url, url);
        }
        if let Some(discovery) = self.discovery.data_mut() {
            visit(SensitiveKind::Host, &mut discovery.host);
            if let Some(address) = &mut discovery.address {
                visit(SensitiveKind::Address, address);
            }
        }
        if let Some(path) = self.path.data_mut() {
            visit(SensitiveKind::Address, &mut path.remote);
        }
        if let Some(throughput) = self.throughput.data_mut() {
            visit(SensitiveKind::Address, &mut throughput.remote);
        }
        if let Some(resolve) = self.resolve.data_mut() {
            visit_resolve(resolve, visit);
        }
        if let Some(web) = self.web.data_mut() {
            visit_web(web, visit);
        }
        if let Some(turn) = self.turn.data_mut() {
            visit_turn(turn, visit);
        }
        let stun = self.stun.data_mut();
        for server in stun.into_iter().flat_map(|stun| &mut stun.servers) {
            visit(SensitiveKind::Host, &mut server.host);
            let addresses = [
                &mut server.address,
                &mut server.mapped_address,
                &mut server.other_address,
            ];
            for address in addresses.into_iter().flatten() {
                visit(SensitiveKind::Address, address);
            }
        }
        self.visit_devices(&mut |device| visit(SensitiveKind::Serial, &mut device.id));
        if let Some(system) = self.system.data_mut() {
            if let Some(proxy) = &mut system.proxy {
                visit(SensitiveKind::Host, &mut proxy.host);
            }
            let interfaces = system.interfaces.iter_mut();
            for address in interfaces.flat_map(|interface| &mut interface.addresses) {
                visit(SensitiveKind::Address, address);
            }
        }
    }

    /// Shows every device to `visit`.
    fn visit_devices(&mut self, visit: &mut dyn FnMut(&mut Device)) {
        if let Some(camera) = self.camera.data_mut() {
            visit(&mut camera.device);
        }
        if let Some(microphone) = self.microphone.data_mut() {
            visit(&mut microphone.device);
        }
        if let Some(speaker) = self.speaker.data_mut() {
            visit(&mut speaker.device);
            if let Some(acoustic) = &mut speaker.acoustic_loop {
                visit(&mut acoustic.microphone);
            }
        }
    }

    /// Shows every text that may quote a sensitive value to `visit`.
    pub fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.verdict.headline);
        for capability in &mut self.verdict.capabilities {
            capability.notes.iter_mut().for_each(&mut *visit);
            for metric in &mut capability.metrics {
                metric.note.iter_mut().for_each(&mut *visit);
                metric
                    .evidence
                    .iter_mut()
                    .for_each(|e| evidence_text(e, visit));
            }
        }
        for finding in &mut self.findings {
            let evidence = finding.evidence.iter_mut();
            evidence.for_each(|e| evidence_text(e, visit));
        }
        reason_text(&mut self.system, visit);
        reason_text(&mut self.discovery, visit);
        reason_text(&mut self.path, visit);
        reason_text(&mut self.throughput, visit);
        reason_text(&mut self.camera, visit);
        reason_text(&mut self.microphone, visit);
        reason_text(&mut self.speaker, visit);
        reason_text(&mut self.resolve, visit);
        reason_text(&mut self.web, visit);
        if let Some(web) = self.web.data_mut() {
            web_text(web, visit);
        }
        reason_text(&mut self.turn, visit);
        reason_text(&mut self.stun, visit);
        if let Some(turn) = self.turn.data_mut() {
            for cell in &mut turn.cells {
                cell.message.iter_mut().for_each(&mut *visit);
                cell.software.iter_mut().for_each(&mut *visit);
            }
        }
        let stun = self.stun.data_mut();
        for server in stun.into_iter().flat_map(|stun| &mut stun.servers) {
            server.software.iter_mut().for_each(&mut *visit);
        }
        self.visit_devices(&mut |device| {
            visit(&mut device.name);
            device.fallback.iter_mut().for_each(&mut *visit);
        });
        if let Some(system) = self.system.data_mut() {
            system_text(system, visit);
        }
    }
}

fn visit_turn(turn: &mut TurnSection, visit: &mut dyn FnMut(SensitiveKind, &mut Sensitive)) {
    for cell in &mut turn.cells {
        visit(SensitiveKind::Host, &mut cell.host);
        let addresses = [
            &mut cell.address,
            &mut cell.relayed_address,
            &mut cell.mapped_address,
            &mut cell.redirected_from,
        ];
        for address in addresses.into_iter().flatten() {
            visit(SensitiveKind::Address, address);
        }
        if let Some(shown) = &mut cell.certificate {
            visit(SensitiveKind::Host, &mut shown.subject);
        }
    }
    for quality in &mut turn.quality {
        visit(SensitiveKind::Host, &mut quality.host);
    }
}

fn visit_resolve(
    resolve: &mut ResolveSection,
    visit: &mut dyn FnMut(SensitiveKind, &mut Sensitive),
) {
    visit(SensitiveKind::Host, &mut resolve.name);
    for address in &mut resolve.system.addresses {
        visit(SensitiveKind::Address, address);
    }
    for server in &mut resolve.servers {
        visit(SensitiveKind::Address, &mut server.address);
        let answers = [&mut server.ipv4, &mut server.ipv6];
        for address in answers.into_iter().flat_map(|answer| &mut answer.addresses) {
            visit(SensitiveKind::Address, address);
        }
    }
    visit_connects(&mut resolve.connects, visit);
}

fn visit_web(web: &mut WebSection, visit: &mut dyn FnMut(SensitiveKind, &mut Sensitive)) {
    visit(SensitiveKind::Host, &mut web.host);
    if let Some(proxy) = &mut web.proxy {
        visit(SensitiveKind::Host, &mut proxy.host);
    }
    visit_connects(&mut web.connects, visit);
    let shown = web.tls.as_mut().and_then(|tls| tls.certificate.as_mut());
    if let Some(shown) = shown {
        visit(SensitiveKind::Host, &mut shown.subject);
    }
    if let Some(PortalSign::Redirect { host }) = &mut web.portal {
        visit(SensitiveKind::Host, host);
    }
}

fn visit_connects(
    connects: &mut [ConnectAttempt],
    visit: &mut dyn FnMut(SensitiveKind, &mut Sensitive),
) {
    for attempt in connects {
        visit(SensitiveKind::Address, &mut attempt.address);
    }
}

fn web_text(web: &mut WebSection, visit: &mut dyn FnMut(&mut String)) {
    if let Some(tls) = &mut web.tls {
        tls.message.iter_mut().for_each(&mut *visit);
    }
    let answers = [&mut web.tunnel, &mut web.http, &mut web.websocket];
    for answer in answers.into_iter().flatten() {
        answer.message.iter_mut().for_each(&mut *visit);
    }
}

fn evidence_text(evidence: &mut Evidence, visit: &mut dyn FnMut(&mut String)) {
    if let EvidenceValue::Text(text) = &mut evidence.value {
        visit(text);
    }
}

fn reason_text<T>(outcome: &mut Outcome<T>, visit: &mut dyn FnMut(&mut String)) {
    match outcome {
        Outcome::Measured { .. } => {}
        Outcome::Partial { reason, .. }
        | Outcome::Blocked { reason }
        | Outcome::NotRun { reason } => {
            let Reason { message, .. } = reason;
            visit(message);
        }
    }
}

fn system_text(system: &mut SystemSection, visit: &mut dyn FnMut(&mut String)) {
    if let ScreenCapture::Unavailable { reason } = &mut system.display.screen_capture {
        visit(reason);
    }
    let requirements = &mut system.requirements;
    for requirement in [
        &mut requirements.video,
        &mut requirements.audio,
        &mut requirements.screen,
    ] {
        requirement.reasons.iter_mut().for_each(&mut *visit);
    }
}

/// Keys whose values are this program's own words, not somebody's.
const OWN_WORDS: &[&str] = &[
    "kind",
    "status",
    "code",
    "id",
    "metric",
    "unit",
    "probe",
    "probes",
    "transport",
    "stop",
    "limit",
    "refused_for",
    "phase",
    "rung",
    "grade",
    "limited_by",
    "family",
    "clock",
    "server_clock",
    "state",
    "mode",
    "ending",
    "severity",
    "capability",
    "capabilities",
    "complaints",
    "band",
    "answer",
    "confidence",
    "event",
    "type",
    "figure",
    "better",
    "backend",
    "pixel_format",
    "support_contact",
    "server_version",
    "version",
];

/// An address, with or without brackets and zone.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let bare = bare.unwrap_or(text);
    bare.split('%').next()?.parse().ok()
}

/// Host and the port with its colon, which may be empty.
fn split_port(text: &str) -> (&str, &str) {
    match text.rfind(':') {
        Some(colon) if parse_address(text).is_none() => text.split_at(colon),
        _ => (text, ""),
    }
}

/// What may be known of an address: where it is valid.
fn class(address: IpAddr) -> &'static str {
    match address.to_canonical() {
        address if address.is_loopback() => "-loopback",
        IpAddr::V4(v4) if v4.is_private() => "-private",
        IpAddr::V4(v4) if v4.is_link_local() => "-link-local",
        IpAddr::V4(v4) if v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64 => "-shared",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "-link-local",
        IpAddr::V6(v6) if v6.is_unique_local() => "-private",
        _ => "",
    }
}

/// An id without a digit, such as `default`, or a bare index is no serial number but what texts use
/// for other things.
fn is_everyday(value: &str, pseudonym: &str) -> bool {
    let is_short = value.len() < 4;
    pseudonym.starts_with("serial-") && (is_short || !value.contains(|c: char| c.is_ascii_digit()))
}

/// One end of a whole word or number.
fn is_boundary(c: Option<char>) -> bool {
    !c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_keeps_its_pseudonym() {
        let mut redactor = Redactor::default();
        assert_eq!(
            redactor.learn(SensitiveKind::Host, "call.example"),
            "host-1"
        );
        assert_eq!(
            redactor.learn(SensitiveKind::Host, "Call.Example"),
            "host-1"
        );
        assert_eq!(redactor.learn(SensitiveKind::User, "ann"), "user-1");
        assert_eq!(redactor.learn(SensitiveKind::Host, "192.0.2.1"), "addr-1");
    }

    #[test]
    fn addresses_keep_their_class() {
        let mut redactor = Redactor::default();
        let mut learn = |address| redactor.learn(SensitiveKind::Address, address);
        assert_eq!(learn("192.168.1.7"), "addr-1-private");
        assert_eq!(learn("100.64.0.1"), "addr-2-shared");
        assert_eq!(learn("fe80::1%eth0"), "addr-3-link-local");
        assert_eq!(learn("2001:db8::1"), "addr-4");
        assert_eq!(learn("::1"), "addr-5-loopback");
    }

    #[test]
    fn a_url_keeps_scheme_and_port_only() {
        let mut redactor = Redactor::default();
        let url = "https://ann:secret@call.example:8443/room?token=abc";
        assert_eq!(
            redactor.learn(SensitiveKind::Url, url),
            "https://host-1:8443"
        );
        assert_eq!(
            redactor.learn(SensitiveKind::Url, "http://[::1]:80/"),
            "http://addr-1-loopback:80"
        );
    }

    #[test]
    fn texts_lose_known_names_and_all_addresses() {
        let mut redactor = Redactor::default();
        redactor.learn(SensitiveKind::Host, "call.example");
        redactor.learn(SensitiveKind::Address, "192.0.2.1");
        let text = "cannot connect to CALL.example:443 (192.0.2.1:443, [2001:db8::7]:443, \
                    192.0.2.10). At 12:30:05, added 3 of face.";
        assert_eq!(
            redactor.apply_text(text),
            "cannot connect to host-1:443 (addr-1:443, [addr-2]:443, addr-3). At 12:30:05, added \
             3 of face."
        );
    }

    #[test]
    fn events_keep_their_vocabulary() {
        let mut redactor = Redactor::default();
        redactor.learn(SensitiveKind::Host, "server");
        let mut event = serde_json::json!({ "kind": "server", "host": "server", "n": 1 });
        redactor.apply_json(&mut event);
        assert_eq!(
            event,
            serde_json::json!({ "kind": "server", "host": "host-1", "n": 1 })
        );
    }

    #[test]
    fn a_pseudonym_is_not_replaced_by_another() {
        let mut redactor = Redactor::default();
        redactor.learn(SensitiveKind::Host, "call.host");
        redactor.learn(SensitiveKind::Host, "host");
        assert_eq!(
            redactor.apply_text("call.host and host, not hosts"),
            "host-1 and host-2, not hosts"
        );
    }

    #[test]
    fn an_unknown_url_in_a_text_loses_host_and_path() {
        let mut redactor = Redactor::default();
        assert_eq!(
            redactor.apply_text("redirected to https://portal.example/login?mac=1. Try again"),
            "redirected to https://host-1. Try again"
        );
    }
}
