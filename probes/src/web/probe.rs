//! Runs the probe and maps what came of it.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::io;
use std::time::{Duration, Instant, SystemTime};

use greenroom_protocol::discovery::DISCOVERY_PATH;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::turn::ShownCertificate;
use greenroom_reports::model::web::{TlsVerdict, WebAnswer, WebProxy, WebSection, WebTls};
use greenroom_session::dial::base_url::BaseUrl;
use greenroom_session::dial::connect::connect_families;
use greenroom_session::dial::dns::LookupFailure;
use greenroom_session::dial::route::{Io, Route, TlsStream};
use greenroom_session::turn::{CertificateFacts, Seen, Trust};

use super::judge;
use crate::context::ReachContext;

/// Longest time of the whole probe: a connection whose first packet is lost, and what follows it.
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// Longest wait for any one stage behind the connection.
const STAGE_PATIENCE: Duration = Duration::from_millis(1500);
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// What is asked of the probe.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {}

/// Goes through every stage, as far as it gets.
///
/// # Cancel safety
/// On cancellation it returns at once with what it has. Dropping the future closes its connections.
pub async fn run(_config: WebConfig, context: ReachContext) -> Outcome<WebSection> {
    let Some(base) = context.base.as_ref().filter(|_| !context.is_builtin) else {
        return Outcome::not_run(
            ReasonCode::NotSelected,
            "no server was named; the way to the one inside this program tells nothing",
        );
    };
    let authorities = context.authorities.clone();
    // Reading the system's authorities takes tens of milliseconds, which other probes need.
    let reading = tokio::task::spawn_blocking(move || Trust::new(&authorities));
    let read = tokio::select! {
        biased;
        () = context.cancel.cancelled() => {
            let reason = context.cancel.reason();
            return Outcome::NotRun { reason };
        }
        read = reading => read,
    };
    let trust = match read {
        Ok(Ok(trust)) => trust,
        Ok(Err(error)) => return Outcome::not_run(error.kind, error.explanation),
        Err(error) => return Outcome::not_run(ReasonCode::InternalError, error.to_string()),
    };
    let route = context.dialer.route(base);
    let mut visit = Visit {
        section: section(base, &route),
        base,
        route: &route,
        trust: &trust,
    };
    let ended = tokio::select! {
        biased;
        () = context.cancel.cancelled() => Ended::Cancelled,
        ended = tokio::time::timeout(TIME_LIMIT, visit.go()) => ended.unwrap_or(Ended::OutOfTime),
    };
    let data = visit.section;
    match ended {
        Ended::Through => Outcome::Measured { data },
        Ended::NoAddress(reason) => Outcome::Blocked { reason },
        Ended::Cancelled => Outcome::Partial {
            data,
            reason: context.cancel.reason(),
        },
        Ended::OutOfTime => Outcome::Partial {
            data,
            reason: Reason::new(
                ReasonCode::NoAnswer,
                format!("the server took longer than {} s", TIME_LIMIT.as_secs()),
            ),
        },
    }
}

fn section(base: &BaseUrl, route: &Route) -> WebSection {
    WebSection {
        host: Sensitive::new(base.host()),
        port: base.port(),
        proxy: route.proxy().map(|(host, port)| WebProxy {
            host: Sensitive::new(host),
            port,
        }),
        connects: Vec::new(),
        tunnel: None,
        tls: None,
        http: None,
        websocket: None,
        portal: None,
    }
}

/// How the stages ended.
enum Ended {
    /// As far as they got.
    Through,
    NoAddress(Reason),
    Cancelled,
    OutOfTime,
}

struct Visit<'a> {
    section: WebSection,
    base: &'a BaseUrl,
    route: &'a Route,
    trust: &'a Trust,
}

impl Visit<'_> {
    async fn go(&mut self) -> Ended {
        let addresses = match self.route.addresses().await {
            Ok(addresses) => addresses,
            Err(failure) => return Ended::NoAddress(self.no_address(failure)),
        };
        let (attempts, streams) = connect_families(&addresses).await;
        self.section.connects = attempts;
        let mut streams = streams.into_iter();
        if let Some(stream) = streams.next() {
            let peer = stream.peer_addr().ok();
            let stream: Box<dyn Io> = Box::new(stream);
            if let Some(path) = self.document_over(stream).await {
                if let Some(Ok(stream)) =
                    within_optional(peer.map(tokio::net::TcpStream::connect)).await
                {
                    self.websocket_over(Box::new(stream), &path).await;
                }
                return Ended::Through;
            }
        }
        if self.base.is_tls() && self.section.portal.is_none() && self.section.proxy.is_none() {
            self.look_for_portal(addresses.first().map(std::net::SocketAddr::ip))
                .await;
        }
        Ended::Through
    }

    fn no_address(&self, failure: LookupFailure) -> Reason {
        let host = self
            .route
            .proxy()
            .map_or(self.base.host(), |(host, _)| host);
        match failure {
            LookupFailure::UnknownHost => Reason::new(
                ReasonCode::UnknownHost,
                format!("the name {host} does not exist, or has no address"),
            ),
            LookupFailure::ResolverFailed => Reason::new(
                ReasonCode::ResolverFailed,
                format!("the name {host} could not be looked up"),
            ),
        }
    }

    /// Asks for the discovery document; gives the path of the WebSocket where it came.
    async fn document_over(&mut self, stream: Box<dyn Io>) -> Option<String> {
        let stream = self.secured(stream).await?;
        let began = Instant::now();
        let reply = match within(self.route.get(stream, DISCOVERY_PATH)).await {
            Ok(reply) => reply,
            Err(error) => {
                self.section.http = Some(unanswered(&error));
                return None;
            }
        };
        let document = judge::document(&reply);
        let elapsed = began.elapsed();
        self.section.http = Some(judge::answer(&reply, elapsed, document.is_some()));
        if document.is_none() && self.section.proxy.is_none() {
            self.section.portal = judge::portal_sign(&reply, self.base.host());
        }
        Some(document?.measure.websocket_path)
    }

    async fn websocket_over(&mut self, stream: Box<dyn Io>, path: &str) {
        let Some(stream) = self.secured_again(stream).await else {
            return;
        };
        let began = Instant::now();
        self.section.websocket = Some(match within(self.route.upgrade(stream, path)).await {
            Ok((reply, upgraded)) => judge::answer(&reply, began.elapsed(), upgraded.is_some()),
            Err(error) => unanswered(&error),
        });
    }

    /// Through the proxy's tunnel and TLS, as the base URL needs; what was found is kept.
    async fn secured(&mut self, stream: Box<dyn Io>) -> Option<Box<dyn Io>> {
        if !self.base.is_tls() {
            return Some(stream);
        }
        let stream = self.tunneled(stream).await?;
        let (config, seen) = self.trust.client_config().ok()?;
        let began = Instant::now();
        let encrypted = within(self.route.encrypt(stream, config)).await;
        let (tls, stream) = match encrypted {
            Ok(stream) => (agreed(&stream, &seen, began.elapsed()), Some(stream)),
            Err(error) => (failed(&error, &seen), None),
        };
        self.section.tls = Some(tls);
        stream.map(|stream| -> Box<dyn Io> { Box::new(stream) })
    }

    /// As [`Visit::secured`], without a word about it. A WebSocket takes the proxy's tunnel without
    /// TLS too (RFC 6455 §4.1), for the first time then.
    async fn secured_again(&mut self, stream: Box<dyn Io>) -> Option<Box<dyn Io>> {
        if !self.base.is_tls() {
            return self.tunneled(stream).await;
        }
        let stream = match self.section.proxy {
            None => stream,
            Some(_) => within(self.route.tunnel(stream)).await.ok()?.1?,
        };
        let (config, _seen) = self.trust.client_config().ok()?;
        let encrypted = within(self.route.encrypt(stream, config)).await.ok()?;
        Some(Box::new(encrypted))
    }

    async fn tunneled(&mut self, stream: Box<dyn Io>) -> Option<Box<dyn Io>> {
        if self.section.proxy.is_none() {
            return Some(stream);
        }
        let began = Instant::now();
        let (answer, stream) = match within(self.route.tunnel(stream)).await {
            Ok((reply, stream)) => {
                let answer = judge::answer(&reply, began.elapsed(), stream.is_some());
                (answer, stream)
            }
            Err(error) => (unanswered(&error), None),
        };
        self.section.tunnel = Some(answer);
        stream
    }

    /// A network that wants a login first cannot say so over TLS; over plain HTTP it can.
    async fn look_for_portal(&mut self, address: Option<std::net::IpAddr>) {
        let Some(address) = address else { return };
        let plain = format!("http://{}/", bracketed(self.base.host()));
        let Ok(plain) = BaseUrl::parse(&plain) else {
            return;
        };
        let connected = within(tokio::net::TcpStream::connect((address, plain.port()))).await;
        let Ok(stream) = connected else { return };
        let reply = within(Route::direct(&plain).get(Box::new(stream), "/")).await;
        self.section.portal = reply
            .ok()
            .and_then(|reply| judge::portal_sign(&reply, plain.host()));
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

async fn within<T>(stage: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let answered = tokio::time::timeout(STAGE_PATIENCE, stage).await;
    answered.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

async fn within_optional<T>(
    stage: Option<impl Future<Output = io::Result<T>>>,
) -> Option<io::Result<T>> {
    Some(within(stage?).await)
}

fn unanswered(error: &io::Error) -> WebAnswer {
    WebAnswer {
        message: Some(words(error)),
        ..WebAnswer::default()
    }
}

/// With what lies behind it, since HTTP errors say little themselves.
fn words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        return "no answer in time".to_owned();
    }
    let inner = error.get_ref().and_then(std::error::Error::source);
    match inner {
        Some(inner) => format!("{error}: {inner}"),
        None => error.to_string(),
    }
}

fn agreed(stream: &TlsStream, seen: &Seen, elapsed: Duration) -> WebTls {
    let (_, connection) = stream.get_ref();
    let version = connection.protocol_version();
    let suite = connection.negotiated_cipher_suite();
    WebTls {
        elapsed_ms: Some(elapsed.into()),
        version: version.and_then(|v| v.as_str()).map(str::to_owned),
        cipher_suite: suite.and_then(|s| s.suite().as_str()).map(str::to_owned),
        ..shown(TlsVerdict::Trusted, seen)
    }
}

fn failed(error: &io::Error, seen: &Seen) -> WebTls {
    let verdict = if error.kind() == io::ErrorKind::TimedOut {
        TlsVerdict::NoAnswer
    } else {
        judge::tls_verdict(error)
    };
    WebTls {
        message: Some(words(error)),
        ..shown(verdict, seen)
    }
}

fn shown(verdict: TlsVerdict, seen: &Seen) -> WebTls {
    let facts = seen.facts();
    WebTls {
        verdict,
        elapsed_ms: None,
        version: None,
        cipher_suite: None,
        days_left: facts.as_ref().and_then(days_left),
        certificate: facts.map(certificate),
        message: None,
    }
}

fn certificate(facts: CertificateFacts) -> ShownCertificate {
    let ends = jiff::Timestamp::from_second(facts.not_after_unix_s).unwrap_or_default();
    ShownCertificate {
        issuer: facts.issuer,
        subject: Sensitive::new(facts.subject),
        not_after: ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn days_left(facts: &CertificateFacts) -> Option<i64> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    Some(facts.not_after_unix_s.saturating_sub(now).div_euclid(DAY_S))
}
