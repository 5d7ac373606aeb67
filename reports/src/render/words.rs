//! Words and figures that every renderer shares.

use crate::model::derived::CallOutlook;
use crate::model::finding::{Evidence, EvidenceValue, Severity};
use crate::model::outcome::Outcome;
use crate::model::path::Transport;
use crate::model::report::{Ending, Mode, Report, Target};
use crate::model::verdict::{Answer, Band, Capability, CapabilityVerdict};
use crate::units::display_in;
use crate::verdict::metric::Metric;

pub(super) fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Ready => "READY",
        Answer::Limited => "LIMITED",
        Answer::CannotJoin => "CANNOT JOIN",
        Answer::Undetermined => "UNDETERMINED",
    }
}

/// What a call could carry; nothing where there is none to be joined.
pub(super) fn call_outlook(report: &Report) -> Option<&CallOutlook> {
    let joins = report.verdict.answer != Answer::CannotJoin;
    report.derived.call.as_ref().filter(|_| joins)
}

pub(super) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::WebSocket => "WebSocket (TCP)",
        Transport::TurnUdp => "a TURN relay and UDP",
        Transport::TurnTcp => "a TURN relay and TCP",
        Transport::TurnTls => "a TURN relay and TLS (TCP)",
    }
}

pub(super) fn band(band: Option<Band>) -> &'static str {
    match band {
        Some(Band::Excellent) => "excellent",
        Some(Band::Good) => "good",
        Some(Band::Fair) => "fair",
        Some(Band::Poor) => "poor",
        Some(Band::Fail) => "fails",
        None => "unknown",
    }
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "problem",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

pub(super) fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::Join => "join",
        Capability::Hear => "hear",
        Capability::Speak => "speak",
        Capability::See => "see",
        Capability::Show => "show",
        Capability::Share => "share",
    }
}

/// Figures that only findings show.
const LABELS: &[(&str, &str)] = &[
    ("rtt_p50", "median round-trip time"),
    ("burst_ratio", "length of loss runs, 1 is random"),
    ("independence_p_value", "chance of such runs by accident"),
    ("max_extent", "largest displacement"),
    ("duplicate_ratio", "packets that came more than once"),
    ("path_mtu", "largest packet that came through"),
    ("largest_tried", "largest packet tried"),
    ("longest_outage", "longest time without a packet"),
    ("outage_start", "from the start of the test"),
    ("outages", "number of such times"),
    ("cpu_busy", "processor in use by others"),
    ("udp", "UDP"),
    ("udp_port", "UDP port"),
    ("udp_packets_sent", "UDP packets sent"),
    ("udp_waited", "waited for an answer"),
    ("usable_cores", "usable processor cores"),
    ("machine_cores", "processor cores of the machine"),
    ("interface_mtu", "largest packet of the interface"),
    ("uplink_capacity", "capacity of the uplink"),
    ("downlink_capacity", "capacity of the downlink"),
    ("refused_rung", "tried and refused"),
    ("rate_p10", "rate that is there nine tenths of the time"),
    ("rate_p50", "median rate"),
    ("rate_p90", "rate that is there one tenth of the time"),
    ("full_load_loss_up", "loss while the uplink is full"),
    ("full_load_loss_down", "loss while the downlink is full"),
    ("full_load_rise_up", "delay added while the uplink is full"),
    (
        "full_load_rise_down",
        "delay added while the downlink is full",
    ),
    ("full_load_grade", "grade"),
    ("queue_depth", "depth of the queue"),
    ("frames", "frames that came"),
    ("watched", "waited for them"),
    ("promised_fps", "frame rate that it agreed to"),
    ("resolution", "size of the picture"),
    ("resolution_asked", "size that was asked for"),
    ("freezes", "times that the picture stopped"),
    ("frames_dropped", "frames that got lost"),
    ("corrupt_ratio", "damaged frames"),
    ("encode_fps", "frames a second that one core encodes"),
    ("encode_cpu", "processor time of a frame"),
    ("mean_luma", "mean brightness"),
    ("p95_luma", "brightness of the brightest twentieth"),
    ("sensor_noise", "noise of the sensor"),
    ("sharpness", "sharpness"),
    ("mixer", "in the sound settings"),
    ("volume", "volume in the sound settings"),
    ("recorded", "recorded"),
    ("peak", "loudest sample"),
    ("longest_stall", "longest wait for the device"),
    ("xrun_ratio", "buffers with lost samples"),
    ("sample_rate_drift", "deviation of the sample rate"),
    ("clipped_ratio", "samples that are cut off"),
    ("clipped_runs", "times that sound was cut off"),
    ("ceiling", "level at which sound is cut off"),
    ("hum_above", "hum above its surroundings"),
    ("hum_level", "level of the hum"),
    ("hum_frequency", "frequency of the mains"),
    ("snr", "voice above the noise"),
    ("noise_floor", "noise floor"),
    ("dc_offset", "offset from zero"),
    ("sample_rate", "samples a second"),
    ("silent_channels", "silent channels"),
    ("test_sounds", "test sounds played"),
    ("test_sound_snr", "test sound above the noise"),
    (
        "echo_return_loss",
        "sound lost on the way to the microphone",
    ),
    ("acoustic_delay", "from playing to recording"),
    ("delay_spread", "differs by"),
];

/// A figure's name for people: `loss_up` becomes `packet loss to the server`.
pub(super) fn metric(name: &str) -> String {
    let known = LABELS.iter().find(|(known, _)| *known == name);
    if let Some((_, label)) = known {
        return (*label).to_owned();
    }
    Metric::named(name).map_or_else(|| name.replace('_', " "), |metric| metric.label.to_owned())
}

/// `packet loss to the server 5.0 % (2.6 % to 9.4 %, 165 samples; good is below 1.0 %)`.
pub(super) fn evidence(evidence: &Evidence) -> String {
    let value = match &evidence.value {
        EvidenceValue::Number(number) => display_in(&evidence.unit, *number),
        EvidenceValue::Text(text) => text.clone(),
    };
    let unit = &evidence.unit;
    let interval = evidence.interval.map(|[low, high]| {
        format!(
            "95 % sure {} to {}",
            display_in(unit, low),
            display_in(unit, high)
        )
    });
    let samples = evidence.samples.map(|n| format!("{n} samples"));
    let threshold = evidence
        .threshold
        .map(|edge| format!("limit {}", display_in(unit, edge)));
    let rest: Vec<String> = [interval, samples, threshold]
        .into_iter()
        .flatten()
        .collect();
    let name = metric(&evidence.metric);
    if rest.is_empty() {
        format!("{name}: {value}")
    } else {
        format!("{name}: {value} ({})", rest.join(", "))
    }
}

/// Why a capability is judged as it is. What seeing shares with hearing, and showing with
/// speaking, is said once.
pub(super) fn capability_note(verdict: &CapabilityVerdict, all: &[CapabilityVerdict]) -> String {
    let twin = match verdict.capability {
        Capability::See => Capability::Hear,
        Capability::Show => Capability::Speak,
        _ => return verdict.notes.join("; "),
    };
    let twins = all.iter().find(|other| other.capability == twin);
    let twins = twins.map_or(&[][..], |other| &other.notes);
    let (shared, own): (Vec<&String>, Vec<&String>) =
        verdict.notes.iter().partition(|note| twins.contains(note));
    let mut notes: Vec<String> = own.into_iter().cloned().collect();
    if !shared.is_empty() {
        notes.insert(0, format!("as for {}", capability(twin)));
    }
    notes.join("; ")
}

pub(super) fn target(report: &Report) -> String {
    match &report.request.target {
        Target::Builtin => "built-in responder on this machine, not the internet".to_owned(),
        Target::Server { url } => url.to_string(),
    }
}

/// How the run went, as far as a reader must know.
pub(super) fn run(report: &Report) -> String {
    let mode = match report.request.mode {
        Mode::Full => "full check",
        Mode::Quick => "quick check",
    };
    let seconds = report.elapsed_ms.as_f64() / 1000.0;
    let ending = match report.ending {
        Ending::Finished => "",
        Ending::Cancelled => ", stopped by the user",
        Ending::OutOfTime => ", stopped by its time limit",
        Ending::Interrupted => ", broken off",
    };
    format!("{mode} in {seconds:.1} s{ending}")
}

/// Why an outcome is less than a measurement, with how it ended.
pub(super) fn shortfall<T>(outcome: &Outcome<T>) -> Option<String> {
    match outcome {
        Outcome::Measured { .. } => None,
        Outcome::Partial { reason, .. } => Some(format!("incomplete: {}", reason.message)),
        Outcome::Blocked { reason } => Some(format!("blocked: {}", reason.message)),
        Outcome::NotRun { reason } => Some(format!("not run: {}", reason.message)),
    }
}

/// The text without control characters: a report quotes servers, which must not steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { '?' } else { c })
        .collect()
}
