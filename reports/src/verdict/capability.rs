//! The judgment of one capability.

use super::headline::list;
use super::metric::{METRICS, Measured, Metric, Reading};
use super::parts::Parts;
use super::profile::{Better, Figure, Profile, Threshold};
use super::standing::{DeviceKind, Standing};
use crate::finding::Fault;
use crate::model::finding::{Evidence, EvidenceValue};
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::path::{Order, PathSection, Transport};
use crate::model::system::{DisplayServer, ScreenCapture};
use crate::model::verdict::{Band, Capability, CapabilityVerdict, Confidence, MetricVerdict};
use crate::units::display_in;

/// A rate that reports from before it was measured lack.
struct Rate {
    capability: Capability,
    what: &'static str,
    /// Without it the capability cannot be called good.
    decides: bool,
}

const RATES: &[Rate] = &[
    Rate {
        capability: Capability::See,
        what: "the downlink rate",
        decides: true,
    },
    Rate {
        capability: Capability::Show,
        what: "the uplink rate",
        decides: true,
    },
    Rate {
        capability: Capability::Share,
        what: "the uplink rate",
        decides: false,
    },
];

pub(super) fn judge_capability(
    capability: Capability,
    parts: &Parts<'_>,
    profile: &Profile,
    faults: &[Fault],
) -> CapabilityVerdict {
    let mut draft = Draft::new(capability, profile);
    if !profile.judges(capability) {
        draft.unknown(format!("not part of the profile `{}`", profile.name));
        return draft.verdict;
    }
    if parts.is_builtin() {
        draft.unknown("the network was not tested: no server was given".to_owned());
    }
    match capability {
        Capability::Join => draft.join(parts),
        Capability::Share => draft.share(parts),
        Capability::Hear | Capability::Speak | Capability::See | Capability::Show => {}
    }
    let faults = faults.iter().filter(|fault| fault.concerns(capability));
    let faults: Vec<&Fault> = faults.collect();
    draft.faults(&faults);
    for metric in METRICS {
        let untested = (parts.is_builtin() && metric.is_of_the_network())
            // Figures of a device that does not work add nothing.
            || (draft.hopeless && metric.is_of_a_device());
        let counts = !untested && !metric.has_no_place(parts);
        if counts && metric.capabilities.contains(&capability) {
            draft.metric(metric, parts);
        }
    }
    draft.note_figures();
    if let Some(kind) = DeviceKind::needed_for(capability) {
        draft.device(kind, parts);
    }
    if parts.is_over_tcp() && !parts.is_builtin() {
        draft.over_tcp();
    }
    draft.unmeasured(parts);
    draft.finish()
}

/// A figure of low confidence.
struct Doubt {
    band: Band,
    /// How bad it may be.
    may_be: Band,
    note: String,
}

/// A verdict in the making.
struct Draft<'a> {
    verdict: CapabilityVerdict,
    profile: &'a Profile,
    /// The worst band so far.
    worst: Option<Band>,
    /// Something required is unknown: no band at all.
    undetermined: bool,
    /// Something decisive was not measured: no good band.
    open: bool,
    /// It fails whatever else is unknown.
    hopeless: bool,
    /// The best that faults of devices leave.
    device: Band,
    /// Sentences on figures below good.
    bad: Vec<(Band, String)>,
    /// Required figures that are unknown, by why.
    missing: Vec<(String, Vec<&'static str>)>,
    /// The figures of low confidence.
    doubts: Vec<Doubt>,
}

impl<'a> Draft<'a> {
    fn new(capability: Capability, profile: &'a Profile) -> Self {
        let verdict = CapabilityVerdict {
            capability,
            required: profile.requires(capability),
            band: None,
            confidence: Confidence::High,
            notes: Vec::new(),
            metrics: Vec::new(),
        };
        Self {
            verdict,
            profile,
            worst: None,
            undetermined: false,
            open: false,
            hopeless: false,
            device: Band::Excellent,
            bad: Vec::new(),
            missing: Vec::new(),
            doubts: Vec::new(),
        }
    }

    fn note(&mut self, note: String) {
        self.verdict.notes.push(note);
    }

    fn at_best(&mut self, band: Band) {
        self.worst = Some(self.worst.map_or(band, |worst| worst.max(band)));
    }

    fn unknown(&mut self, note: String) {
        self.undetermined = true;
        self.note(note);
    }

    /// A figure that is a word.
    fn word(&mut self, metric: &str, band: Band, word: &str) {
        self.at_best(band);
        self.verdict.metrics.push(MetricVerdict {
            metric: metric.to_owned(),
            band: Some(band),
            evidence: Some(Evidence {
                metric: metric.to_owned(),
                value: EvidenceValue::Text(word.to_owned()),
                unit: String::new(),
                samples: None,
                interval: None,
                threshold: None,
                profile: None,
            }),
            confidence: Confidence::High,
            required: true,
            note: None,
        });
    }

    fn metric(&mut self, metric: &Metric, parts: &Parts<'_>) {
        let Some(threshold) = self.profile.threshold(metric.figure) else {
            return;
        };
        let threshold = &self.fitting(metric, threshold);
        match metric.read(parts) {
            Reading::Known(measured) if falls_short(&measured, threshold) => {
                let least = display_in(metric.unit(), measured.value);
                self.unknown_metric(metric, parts, format!("known to be at least {least} only"));
            }
            Reading::Known(measured) => self.known(metric, &measured, threshold),
            Reading::NotApplicable(note) => self.absent(metric, note, metric.required),
            Reading::Unknown(note) => self.unknown_metric(metric, parts, note),
        }
    }

    /// Hearing and speaking need of a rate only what audio needs.
    fn fitting(&self, metric: &Metric, threshold: &Threshold) -> Threshold {
        let is_rate = matches!(metric.figure, Figure::UplinkBps | Figure::DownlinkBps);
        match self.verdict.capability {
            Capability::Hear | Capability::Speak if is_rate => threshold.for_audio(),
            _ => threshold.clone(),
        }
    }

    fn unknown_metric(&mut self, metric: &Metric, parts: &Parts<'_>, note: String) {
        let required = metric.is_required(parts);
        if required {
            self.missing(metric.label, &note);
        } else if metric.is_left_out_by_quick(parts) {
            self.note(format!("{} is left out of a quick check", metric.label));
        }
        self.absent(metric, note, required);
    }

    fn known(&mut self, metric: &Metric, measured: &Measured, threshold: &Threshold) {
        let band = threshold.band(measured.value);
        let interval = measured.interval.filter(|_| !measured.at_least);
        let (_, may_be) = interval.map_or((band, band), |interval| threshold.bands(interval));
        let confidence = confidence(measured, threshold);
        if confidence == Confidence::Low {
            self.doubts.push(Doubt {
                band,
                may_be: may_be.max(band),
                note: uncertain(metric, measured, threshold),
            });
        }
        if band > Band::Good {
            self.bad
                .push((band, below_good(metric, measured, threshold)));
        }
        self.at_best(band);
        let edge = threshold.deciding_edge(measured.value);
        self.verdict.metrics.push(MetricVerdict {
            metric: metric.name.to_owned(),
            band: Some(band),
            evidence: Some(metric.evidence(measured, edge, self.profile)),
            confidence,
            required: metric.required,
            note: None,
        });
    }

    fn missing(&mut self, label: &'static str, why: &str) {
        self.undetermined = true;
        match self.missing.iter_mut().find(|(known, _)| known == why) {
            Some((_, labels)) => labels.push(label),
            None => self.missing.push((why.to_owned(), vec![label])),
        }
    }

    fn absent(&mut self, metric: &Metric, note: String, required: bool) {
        self.verdict.metrics.push(MetricVerdict {
            metric: metric.name.to_owned(),
            band: None,
            evidence: None,
            confidence: Confidence::Low,
            required,
            note: Some(note),
        });
    }

    /// The worst first.
    fn note_figures(&mut self) {
        let mut bad = std::mem::take(&mut self.bad);
        bad.sort_by_key(|(band, _)| std::cmp::Reverse(*band));
        self.verdict
            .notes
            .extend(bad.into_iter().map(|(_, note)| note));
        for (why, labels) in std::mem::take(&mut self.missing) {
            self.note(format!("{}: {why}", list(&labels)));
        }
    }

    /// Join rests on whether the server was found and packets come through.
    fn join(&mut self, parts: &Parts<'_>) {
        if parts.is_builtin() {
            return;
        }
        if let Outcome::Blocked { reason } = parts.discovery {
            self.cannot_join(reason);
        } else if let Some(reason) = parts.server_vanished().or(parts.nothing_came_through()) {
            self.cannot_join(reason);
        } else if let Some(path) = parts.path.data().filter(|path| something_came(path)) {
            let (band, word) = match path.transport {
                Transport::Udp => (Band::Excellent, "over UDP"),
                Transport::WebSocket => (Band::Good, "over WebSocket only"),
                Transport::TurnUdp => (Band::Good, "over TURN only"),
                Transport::TurnTcp => (Band::Good, "over TURN and TCP only"),
                Transport::TurnTls => (Band::Good, "over TURN and TLS only"),
            };
            self.word("reachability", band, word);
        } else {
            let reasons = [parts.discovery.reason(), parts.path.reason()];
            let why = reasons.into_iter().flatten().next();
            let why = why.map_or("no packet was awaited", |reason| reason.message.as_str());
            self.unknown(format!(
                "whether the server can be reached was not tested: {why}"
            ));
        }
    }

    /// A defect of this program is no answer of the network.
    fn cannot_join(&mut self, reason: &Reason) {
        if reason.code == ReasonCode::InternalError {
            self.unknown(format!("the check itself failed: {}", reason.message));
        } else {
            self.word("reachability", Band::Fail, "cannot be reached");
            self.note(reason.message.clone());
        }
    }

    fn share(&mut self, parts: &Parts<'_>) {
        let Some(system) = parts.system.data() else {
            self.unknown("whether the screen can be captured was not tested".to_owned());
            return;
        };
        match (&system.display.server, &system.display.screen_capture) {
            (DisplayServer::None, _) => {
                self.word("screen_capture", Band::Fail, "no display");
                self.note("there is no display to share".to_owned());
            }
            (_, ScreenCapture::Unavailable { reason }) => {
                self.word("screen_capture", Band::Fail, "unavailable");
                self.note(format!("the screen cannot be captured: {reason}"));
            }
            (_, ScreenCapture::Available { interface }) => {
                self.word("screen_capture", Band::Good, interface);
            }
            (_, ScreenCapture::Unknown) => {
                self.unknown("this system does not tell whether the screen can be captured".into());
            }
        }
    }

    /// Media over TCP stalls behind every lost packet.
    fn over_tcp(&mut self) {
        if !matches!(
            self.verdict.capability,
            Capability::Join | Capability::Share
        ) {
            self.at_best(Band::Fair);
            self.note("UDP is blocked: over TCP every lost packet delays all that follow".into());
        }
    }

    /// What is wrong with the devices; what follows from another fault is not said again.
    fn faults(&mut self, faults: &[&Fault]) {
        for fault in faults {
            let Some(band) = fault.at_best else {
                continue;
            };
            self.hopeless |= band == Band::Fail;
            self.device = self.device.max(band);
            self.at_best(band);
            let follows = faults.iter().any(|cause| cause.explains(fault));
            if band > Band::Good && !follows {
                self.bad.push((band, fault.note()));
            }
        }
    }

    /// Whether the device that the capability needs was looked at. Its faults count elsewhere; one
    /// that a program makes, as the built-in responder, never makes a capability good.
    fn device(&mut self, kind: DeviceKind, parts: &Parts<'_>) {
        let word = kind.word();
        let unseen = match Standing::of(kind, parts) {
            Standing::Earlier => return,
            Standing::Faulty(reason) => {
                self.word(word, Band::Fail, &reason.message);
                return;
            }
            Standing::LeftOut(reason) => format!("the {word} was not checked: {}", reason.message),
            Standing::Seen(device) if device.is_synthetic => {
                format!("the {word} was one of the test itself, your own was not checked")
            }
            Standing::Seen(device) => {
                self.word(word, self.device, &device.name);
                return;
            }
            Standing::Unknown(reason) => {
                self.unknown(format!("the {word} was not checked: {}", reason.message));
                return;
            }
        };
        self.open |= kind == DeviceKind::Camera;
        self.note(unseen);
    }

    /// What the program that ran did not measure yet.
    fn unmeasured(&mut self, parts: &Parts<'_>) {
        let capability = self.verdict.capability;
        let device = DeviceKind::needed_for(capability)
            .filter(|kind| Standing::of(*kind, parts) == Standing::Earlier);
        self.open |= device == Some(DeviceKind::Camera);
        let device = device.map(|kind| format!("the {}", kind.word()));
        let rates = RATES.iter().filter(|rate| rate.capability == capability);
        let rate = rates
            .into_iter()
            .find(|_| parts.throughput.is_of_earlier_version());
        self.open |= rate.is_some_and(|rate| rate.decides);
        let rate = rate.map(|rate| rate.what.to_owned());
        let missing: Vec<String> = device.into_iter().chain(rate).collect();
        let verb = match missing.len() {
            0 => return,
            1 => "is",
            _ => "are",
        };
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        self.note(format!(
            "{} {verb} not checked by this version",
            list(&missing)
        ));
    }

    fn finish(mut self) -> CapabilityVerdict {
        let known_bad = self.worst.is_some_and(|band| band > Band::Good);
        // The screen needs no network to be uncapturable, nor a device to be broken.
        self.hopeless |=
            self.verdict.capability == Capability::Share && self.worst == Some(Band::Fail);
        let silent = (self.undetermined && !self.hopeless) || (self.open && !known_bad);
        self.verdict.band = if silent { None } else { self.worst };
        let worst = self.worst.unwrap_or(Band::Excellent);
        if self.verdict.band.is_none() {
            self.verdict.confidence = Confidence::Low;
            return self.verdict;
        }
        // A figure that decides, or that might be worse than the one that does.
        let decides = |doubt: &&Doubt| doubt.band == worst || doubt.may_be > worst;
        if let Some(doubt) = self.doubts.iter().find(decides) {
            self.verdict.confidence = Confidence::Low;
            let place = usize::from(worst > Band::Good).min(self.verdict.notes.len());
            self.verdict.notes.insert(place, doubt.note.clone());
        }
        self.verdict
    }
}

/// Low when the interval spans two bands, or an estimate has no interval.
fn confidence(measured: &Measured, threshold: &Threshold) -> Confidence {
    let sure = match measured.interval {
        // It may only be better.
        _ if measured.at_least => true,
        Some(interval) => {
            let (best, worst) = threshold.bands(interval);
            best == worst
        }
        None => measured.exact,
    };
    if sure {
        Confidence::High
    } else {
        Confidence::Low
    }
}

/// A lower bound below good says nothing.
fn falls_short(measured: &Measured, threshold: &Threshold) -> bool {
    measured.at_least && threshold.band(measured.value) > Band::Good
}

fn something_came(path: &PathSection) -> bool {
    let arrived = |order: &Order| order.packets_received > 0;
    path.rtt.is_some()
        || path.first_packet_ms.is_some()
        || path.down.order.as_ref().is_some_and(arrived)
}

/// What more samples could show.
fn uncertain(metric: &Metric, measured: &Measured, threshold: &Threshold) -> String {
    let unit = metric.unit();
    let worst = measured.interval.map(|[low, high]| match threshold.better {
        Better::Lower => high,
        Better::Higher => low,
    });
    match worst {
        Some(worst) => format!(
            "not certain: {} may be {}",
            metric.label,
            display_in(unit, worst)
        ),
        None => format!("not certain: few samples of {}", metric.label),
    }
}

fn below_good(metric: &Metric, measured: &Measured, threshold: &Threshold) -> String {
    let unit = metric.unit();
    let good = match threshold.better {
        Better::Lower => "good is below",
        Better::Higher => "good starts at",
    };
    let interval = measured.interval.map_or(String::new(), |[low, high]| {
        format!(" ({} to {})", display_in(unit, low), display_in(unit, high))
    });
    format!(
        "{} {}{interval}, {good} {}",
        metric.label,
        display_in(unit, measured.value),
        display_in(unit, threshold.good)
    )
}
