//! Findings about this machine.

use crate::finding::facts::{Facts, Hit, number, word};
use crate::model::finding::{Evidence, EvidenceValue, Severity};
use crate::model::system::{DisplayServer, Interface, LinkKind, ScreenCapture, SystemSection};
use crate::model::verdict::Capability;

/// Cores below which video has no room.
///
/// Engineering choice: one core for encoding, one for the rest.
const MIN_CORES: u32 = 2;

/// Share of the processor that others may use before it is said.
///
/// Engineering choice; raising it hides a busy machine.
const BUSY_RATIO: f64 = 0.85;

pub(super) fn hits(facts: &Facts<'_>) -> Vec<Hit> {
    let clock = clock_offset(facts);
    let Some(system) = facts.parts.system.data() else {
        return clock.into_iter().collect();
    };
    let of_machine = [
        too_few_cores(system),
        busy(system),
        throttled(system),
        power_saver(system),
        vpn(system),
        proxy(system),
        proxy_setting_invalid(system),
        no_display(system, facts),
        no_screen_capture(system, facts),
    ];
    clock
        .into_iter()
        .chain(of_machine.into_iter().flatten())
        .collect()
}

fn clock_offset(facts: &Facts<'_>) -> Option<Hit> {
    let (metric, measured) = facts.measured("clock_offset")?;
    let [at_least, _] = measured.interval?;
    if at_least <= facts.edge(metric)? {
        return None;
    }
    let clock = facts.parts.discovery.data()?.clock_offset?;
    let mut evidence = facts.evidence(metric, &measured);
    // For a person the sign says which way the clock is wrong.
    let offset = clock.offset_ms.as_f64();
    let uncertainty = clock.uncertainty_ms.as_f64();
    evidence.value = EvidenceValue::Number(offset);
    evidence.interval = Some([offset - uncertainty, offset + uncertainty]);
    let severity = facts.severity(metric, measured.value);
    Some(Hit::new("system.clock.offset", severity, vec![evidence]))
}

fn too_few_cores(system: &SystemSection) -> Option<Hit> {
    let cpu = &system.cpu;
    if cpu.usable_cores >= MIN_CORES {
        return None;
    }
    let usable = Evidence {
        threshold: Some(f64::from(MIN_CORES)),
        ..number("usable_cores", f64::from(cpu.usable_cores), "count")
    };
    let machine = cpu
        .machine_cores
        .map(|cores| number("machine_cores", f64::from(cores), "count"));
    let evidence = [usable].into_iter().chain(machine).collect();
    Some(Hit::new(
        "system.cpu.too_few_cores",
        Severity::Warning,
        evidence,
    ))
}

/// Only information: it is a glance of a moment, and what it does shows in other figures.
fn busy(system: &SystemSection) -> Option<Hit> {
    let busy = system.cpu.busy_ratio?.as_f64();
    let evidence = Evidence {
        threshold: Some(BUSY_RATIO),
        ..number("cpu_busy", busy, "ratio")
    };
    (busy >= BUSY_RATIO).then(|| Hit::new("system.cpu.busy", Severity::Info, vec![evidence]))
}

fn throttled(system: &SystemSection) -> Option<Hit> {
    let throttling = system.cpu.throttling.as_ref().filter(|t| t.active)?;
    let evidence = word("throttling_source", &throttling.source);
    Some(Hit::new(
        "system.cpu.throttled",
        Severity::Warning,
        vec![evidence],
    ))
}

fn power_saver(system: &SystemSection) -> Option<Hit> {
    let power = &system.power;
    if power.saver_active != Some(true) {
        return None;
    }
    let profile = power.profile.as_deref().unwrap_or("power saving");
    let battery = power
        .battery_ratio
        .map(|ratio| number("battery", ratio.as_f64(), "ratio"));
    let evidence = [word("power_profile", profile)].into_iter().chain(battery);
    Some(Hit::new(
        "system.power.saver",
        Severity::Warning,
        evidence.collect(),
    ))
}

/// Only information: a VPN is mostly there on purpose, and its harm shows in other figures.
fn vpn(system: &SystemSection) -> Option<Hit> {
    let is_vpn = |i: &&Interface| i.default_route && i.kind == LinkKind::Tunnel;
    let tunnel = system.interfaces.iter().find(is_vpn)?;
    let mtu = tunnel
        .mtu_bytes
        .map(|mtu| number("interface_mtu", mtu.get() as f64, "bytes"));
    let evidence = [word("default_route", &tunnel.name)].into_iter().chain(mtu);
    Some(Hit::new(
        "system.network.vpn",
        Severity::Info,
        evidence.collect(),
    ))
}

fn proxy(system: &SystemSection) -> Option<Hit> {
    let proxy = system.proxy.as_ref()?;
    let port = proxy.port.map_or(String::new(), |port| format!(":{port}"));
    let evidence = vec![
        word("proxy", format!("{}{port}", proxy.host)),
        word("proxy_source", &proxy.source),
    ];
    Some(Hit::new("system.network.proxy", Severity::Info, evidence))
}

/// Programs pass over it in silence, so it is told.
fn proxy_setting_invalid(system: &SystemSection) -> Option<Hit> {
    let problems = system.proxy_problems.iter();
    let evidence: Vec<Evidence> = problems
        .map(|unusable| word(&unusable.variable, &unusable.problem))
        .collect();
    let id = "system.network.proxy_setting_invalid";
    (!evidence.is_empty()).then(|| Hit::new(id, Severity::Warning, evidence))
}

/// A machine without a screen is no fault unless its screen is to be shared.
fn sharing_severity(facts: &Facts<'_>) -> Severity {
    if facts.profile.requires(Capability::Share) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn no_display(system: &SystemSection, facts: &Facts<'_>) -> Option<Hit> {
    let none = system.display.server == DisplayServer::None;
    let evidence = vec![word("display_server", "none answers")];
    none.then(|| Hit::new("system.display.none", sharing_severity(facts), evidence))
}

fn no_screen_capture(system: &SystemSection, facts: &Facts<'_>) -> Option<Hit> {
    let ScreenCapture::Unavailable { reason } = &system.display.screen_capture else {
        return None;
    };
    let evidence = vec![word("screen_capture", reason)];
    Some(Hit::new(
        "system.screen_capture.unavailable",
        sharing_severity(facts),
        evidence,
    ))
}
