//! The figures of each section as rows, for every renderer.

use super::bandwidth::{bandwidth_rows, estimate_rows};
use super::device_rows::{camera_rows, microphone_rows, speaker_rows};
use super::resolve_rows::resolve_rows;
use super::stun_rows::stun_rows;
use super::turn_rows::turn_rows;
use super::web_rows::web_rows;
use super::words;
use crate::model::discovery::DiscoverySection;
use crate::model::outcome::Outcome;
use crate::model::path::{
    ClockSource, DirectionSection, Distribution, Family, LateLoss, Loss, Order, PathSection,
};
use crate::model::report::Report;
use crate::model::system::{DisplayServer, LinkKind, PowerSource, ScreenCapture, SystemSection};
use crate::units::display_in;

/// A section with its rows of name and value.
pub(super) struct Details {
    pub(super) title: &'static str,
    pub(super) rows: Vec<(String, String)>,
}

/// Every section of the report; a section that was not measured says why, and one that the program
/// did not know yet is left out.
pub(super) fn details(report: &Report) -> Vec<Details> {
    let path = report.path.data().map(path_rows);
    let discovery = report.discovery.data().map(discovery_rows);
    let system = report.system.data().map(system_rows);
    let bandwidth = report.throughput.data().map(bandwidth_rows);
    let estimates = Some(estimate_rows(&report.derived));
    let resolve = report.resolve.data().map(resolve_rows);
    let web = report.web.data().map(web_rows);
    let turn = report.turn.data().map(turn_rows);
    let stun = report.stun.data().map(stun_rows);
    let camera = report.camera.data().map(camera_rows);
    let microphone = report.microphone.data().map(microphone_rows);
    let speaker = report.speaker.data().map(speaker_rows);
    [
        ("Network path", words::shortfall(&report.path), path),
        ("Bandwidth", later(&report.throughput), bandwidth),
        ("Estimates", None, estimates),
        ("Name lookup", cut_short(&report.resolve), resolve),
        ("Way to the server", cut_short(&report.web), web),
        ("TURN servers", cut_short(&report.turn), turn),
        ("NAT", cut_short(&report.stun), stun),
        ("Server", words::shortfall(&report.discovery), discovery),
        ("This machine", words::shortfall(&report.system), system),
        ("Camera", cut_short(&report.camera), camera),
        ("Microphone", cut_short(&report.microphone), microphone),
        ("Speaker", cut_short(&report.speaker), speaker),
    ]
    .into_iter()
    .map(|(title, shortfall, rows)| {
        let mut table = Rows::default();
        table.some("outcome", shortfall);
        table.0.extend(rows.unwrap_or_default());
        Details {
            title,
            rows: table.0,
        }
    })
    .filter(|section| !section.rows.is_empty())
    .collect()
}

/// Why a section that earlier programs did not know is less than a measurement.
fn later<T>(outcome: &Outcome<T>) -> Option<String> {
    words::shortfall(outcome).filter(|_| !outcome.is_of_earlier_version())
}

/// Why a section is shorter than it should be; that of a device that was not opened at all has its
/// line at the top.
fn cut_short<T>(outcome: &Outcome<T>) -> Option<String> {
    words::shortfall(outcome).filter(|_| outcome.data().is_some())
}

#[derive(Default)]
pub(super) struct Rows(pub(super) Vec<(String, String)>);

impl Rows {
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    pub(super) fn some(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

fn path_rows(path: &PathSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    rows.add("measured to", remote(path));
    rows.add("test packets", stream(path));
    rows.some("round-trip time", path.rtt.as_ref().map(distribution));
    rows.some(
        "first packet",
        path.first_packet_ms.map(|ms| ms.to_string()),
    );
    direction_rows(&mut rows, "to server", &path.up);
    direction_rows(&mut rows, "from server", &path.down);
    for outage in &path.outages {
        let came_back = if outage.recovered {
            ""
        } else {
            ", did not come back"
        };
        let start = outage.start_ms;
        rows.add(
            "outage",
            format!("{} at {start}{came_back}", outage.duration_ms),
        );
    }
    rows.add("receive clock", clocks(path));
    rows.0
}

fn remote(path: &PathSection) -> String {
    let transport = words::transport(path.transport);
    let family = match path.family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let (remote, port) = (&path.remote, path.remote_port);
    format!("{remote} port {port} over {transport}, {family}")
}

fn stream(path: &PathSection) -> String {
    let stream = &path.stream;
    let extended = if path.extended { ", extended once" } else { "" };
    format!(
        "{} of {} every {}{extended}",
        stream.packets_sent, stream.payload_bytes, stream.interval_ms
    )
}

fn distribution(d: &Distribution) -> String {
    format!(
        "median {}, 95th percentile {}, largest {} ({} samples)",
        d.p50_ms, d.p95_ms, d.max_ms, d.samples
    )
}

fn direction_rows(rows: &mut Rows, way: &str, direction: &DirectionSection) {
    let jitter = direction.interarrival_jitter_ms.map(|jitter| {
        let interval = direction.interarrival_jitter_interval_ms;
        let interval = interval.map(|i| format!(" ({} to {})", i.low, i.high));
        format!("{jitter}{}", interval.unwrap_or_default())
    });
    rows.some(&format!("jitter {way}"), jitter);
    rows.some(&format!("late {way}"), late_loss(&direction.late_loss));
    rows.some(&format!("loss {way}"), direction.loss.as_ref().map(loss));
    rows.some(&format!("order {way}"), direction.order.as_ref().map(order));
    let mtu = direction.path_mtu.as_ref().map(|mtu| {
        let black_hole = if mtu.black_hole {
            ", larger ones vanish"
        } else {
            ""
        };
        format!("{} bytes{black_hole}", mtu.bytes.get())
    });
    rows.some(&format!("largest packet {way}"), mtu);
}

/// What jitter buffers of usual depths would drop as too late.
fn late_loss(late: &[LateLoss]) -> Option<String> {
    let beyond = |late: &LateLoss| format!("{} beyond {}", late.late_ratio, late.buffer_ms);
    let samples = late.first()?.samples;
    let shares: Vec<String> = late.iter().map(beyond).collect();
    Some(format!("{}, {samples} samples", shares.join(", ")))
}

fn loss(loss: &Loss) -> String {
    let interval = loss.loss_ratio_interval;
    let longest = match loss.longest_burst_packets {
        0 => String::new(),
        n => format!(", longest run {n} ({})", loss.longest_burst_ms),
    };
    format!(
        "{} ({} of {}; {} to {}){longest}",
        loss.loss_ratio, loss.packets_lost, loss.packets_sent, interval.low, interval.high
    )
}

fn order(order: &Order) -> String {
    format!(
        "{} reordered, {} duplicated",
        order.reordered_ratio, order.duplicate_ratio
    )
}

fn clocks(path: &PathSection) -> String {
    let word = |clock| match clock {
        ClockSource::KernelReceive => "kernel",
        ClockSource::User => "program",
    };
    format!(
        "{} here, {} on the server",
        word(path.clock),
        word(path.server_clock)
    )
}

fn discovery_rows(discovery: &DiscoverySection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    rows.add(
        "host",
        format!("{} port {}", discovery.host, discovery.port),
    );
    rows.some(
        "address",
        discovery.address.as_ref().map(ToString::to_string),
    );
    let tls = if discovery.tls { "yes" } else { "no" };
    rows.add("encrypted", tls);
    rows.add("answered in", discovery.elapsed_ms.to_string());
    rows.add("version", words::printable(&discovery.server_version));
    let clock = discovery.clock_offset.map(|clock| {
        let offset = display_in("ms", clock.offset_ms.as_f64());
        format!("{offset} off, known to {}", clock.uncertainty_ms)
    });
    rows.some("clock of this machine", clock);
    rows.some("preset", discovery.preset.as_deref().map(words::printable));
    let contact = discovery.support_contact.as_deref();
    rows.some("support contact", contact.map(words::printable));
    rows.0
}

fn system_rows(system: &SystemSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    rows.add(
        "system",
        format!("{}, {}", system.os.name, system.os.architecture),
    );
    rows.some("virtual machine", system.os.virtualization.clone());
    rows.add("processor", processor(system));
    rows.some(
        "processor in use",
        system.cpu.busy_ratio.map(|busy| busy.to_string()),
    );
    let memory = system
        .memory
        .as_ref()
        .map(|memory| format!("{} of {} free", memory.available_bytes, memory.total_bytes));
    rows.some("memory", memory);
    rows.add("display", display(system));
    rows.some("power", power(system));
    for interface in &system.interfaces {
        let route = if interface.default_route {
            ", default route,"
        } else {
            ""
        };
        let addresses = interface.addresses.iter().map(ToString::to_string);
        let addresses: Vec<String> = addresses.collect();
        let value = format!("{}{route} {}", link(interface.kind), addresses.join(", "));
        rows.add(&format!("interface {}", interface.name), value.trim_end());
    }
    let metered = system.metered.filter(|metered| *metered);
    rows.some(
        "connection",
        metered.map(|_yes| "metered, as the system says".to_owned()),
    );
    let proxy = system.proxy.as_ref().map(|proxy| {
        let port = proxy.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{}{port}, set by {}", proxy.host, proxy.source)
    });
    rows.some("proxy", proxy);
    for unusable in &system.proxy_problems {
        rows.add(
            &unusable.variable,
            format!("not usable: {}", unusable.problem),
        );
    }
    rows.0
}

fn processor(system: &SystemSection) -> String {
    let cpu = &system.cpu;
    let model = cpu.model.as_deref().unwrap_or("unknown model");
    let machine = cpu.machine_cores.filter(|&cores| cores != cpu.usable_cores);
    let of = machine.map_or(String::new(), |cores| format!(" of {cores}"));
    let noun = if machine.unwrap_or(cpu.usable_cores) == 1 {
        "core"
    } else {
        "cores"
    };
    let throttled = cpu.throttling.as_ref().is_some_and(|t| t.active);
    let throttled = if throttled { ", slowed down" } else { "" };
    format!("{model}, {}{of} {noun}{throttled}", cpu.usable_cores)
}

fn display(system: &SystemSection) -> String {
    let server = match system.display.server {
        DisplayServer::X11 => "X11",
        DisplayServer::Wayland => "Wayland",
        DisplayServer::Native => "native",
        DisplayServer::None => "none",
    };
    match &system.display.screen_capture {
        ScreenCapture::Available { interface } => format!("{server}, capture by {interface}"),
        ScreenCapture::Unavailable { reason } => format!("{server}, no capture: {reason}"),
        ScreenCapture::Unknown => format!("{server}, capture unknown"),
    }
}

fn power(system: &SystemSection) -> Option<String> {
    let power = &system.power;
    let source = power.source.map(|source| match source {
        PowerSource::Mains => "plugged in".to_owned(),
        PowerSource::Battery => "battery".to_owned(),
    });
    let charge = power.battery_ratio.map(|ratio| format!("charged {ratio}"));
    let profile = power.profile.as_ref().map(|p| format!("profile {p}"));
    let saver = (power.saver_active == Some(true)).then(|| "saving power".to_owned());
    let parts: Vec<String> = [source, charge, profile, saver]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn link(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Ethernet => "Ethernet",
        LinkKind::Wifi => "Wi-Fi",
        LinkKind::Cellular => "mobile",
        LinkKind::Tunnel => "VPN or tunnel",
        LinkKind::Bridge => "bridge",
        LinkKind::Other => "other",
    }
}
