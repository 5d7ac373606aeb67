//! Synthetic sections and reports, made by simulated packets through the same constructors that a
//! probe uses.

pub use super::device_samples::{
    before_devices, blocked, camera, device, encoding, heard, microphone, rate, size, speaker,
    unasked_microphone, without_devices,
};
pub use super::throughput_samples::{Shape, ThroughputModel};
use crate::model::discovery::{ClockOffset, DiscoverySection};
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::path::{
    ClockSource, DirectionSection, Distribution, Family, Ipdv, Loss, Order, Outage, PathMtu,
    PathSection, StreamShape, Transport, UdpBlocked,
};
use crate::model::report::{Cost, Ending, Mode, ProbeCost, ProbeId, Report, Request, Target, Tool};
use crate::model::sensitive::Sensitive;
use crate::model::system::{
    Cpu, Display, DisplayServer, Gpu, Interface, LinkKind, Memory, Os, Power, PowerSource,
    Requirement, Requirements, ScreenCapture, SystemSection,
};
use crate::model::throughput::ThroughputPhase;
use crate::stats::jitter::jitter_interval;
use crate::stats::late_loss::late_loss;
use crate::stats::loss::Fate;
use crate::units::{Bitrate, ByteCount, Millis, Ratio};
use crate::verdict::assemble::Run;
use crate::verdict::profile::Profile;

/// Spacing of the simulated packets.
const SPACING_MS: f64 = 20.0;

/// A small seeded generator.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014),
/// `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly spread over 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly spread over 0..n.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

/// Gilbert's loss model by its share and mean burst; a mean burst of 1 is independent loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossModel {
    /// Share lost.
    pub ratio: f64,
    /// Mean number of packets lost in a row.
    pub mean_burst: f64,
}

impl LossModel {
    /// What becomes of `packets` packets.
    pub fn fates(&self, packets: u64, random: &mut Random) -> Vec<Fate> {
        let independent = self.mean_burst <= 1.0;
        let stay_lost = 1.0 - 1.0 / self.mean_burst.max(1.0);
        let start = (1.0 - stay_lost) * self.ratio / (1.0 - self.ratio).max(f64::EPSILON);
        let mut lost = random.unit() < self.ratio;
        let mut next = || {
            let fate = if lost { Fate::Lost } else { Fate::Arrived };
            let chance = match lost {
                _ if independent => self.ratio,
                true => stay_lost,
                false => start,
            };
            lost = random.unit() < chance;
            fate
        };
        (0..packets).map(|_| next()).collect()
    }
}

/// A simulated path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathModel {
    /// Packets in each direction.
    pub packets: u64,
    /// Round-trip time without variation.
    pub rtt_ms: f64,
    /// From this machine to the server.
    pub up: DirectionModel,
    /// From the server to this machine.
    pub down: DirectionModel,
    /// First packet and number of packets of a time in which nothing comes through.
    pub outage: Option<(u64, u64)>,
}

/// A simulated direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DirectionModel {
    /// Loss.
    pub loss: LossModel,
    /// Extra delay of a packet is evenly spread from 0 to this.
    pub jitter_ms: f64,
    /// Share of packets that come this much later.
    pub reordered: (f64, f64),
    /// Share of packets that come twice.
    pub duplicated: f64,
    /// Larger packets than this vanish.
    pub black_hole_bytes: Option<u64>,
}

impl Default for PathModel {
    /// A healthy path with 18 ms round-trip time and 165 packets.
    fn default() -> Self {
        Self {
            packets: 165,
            rtt_ms: 18.0,
            up: DirectionModel::default(),
            down: DirectionModel::default(),
            outage: None,
        }
    }
}

impl Default for DirectionModel {
    /// No loss and 2 ms of variation.
    fn default() -> Self {
        Self {
            loss: LossModel {
                ratio: 0.0,
                mean_burst: 1.0,
            },
            jitter_ms: 2.0,
            reordered: (0.0, 0.0),
            duplicated: 0.0,
            black_hole_bytes: None,
        }
    }
}

impl PathModel {
    /// Sends the packets and summarizes what came of them.
    pub fn section(&self, seed: u64) -> PathSection {
        let mut random = Random::new(seed);
        let (up, up_delays) = self.direction(&self.up, &mut random);
        let (down, down_delays) = self.direction(&self.down, &mut random);
        let both = up_delays.iter().zip(&down_delays);
        let rtts: Vec<f64> = both.filter_map(|(u, d)| Some((*u)? + (*d)?)).collect();
        PathSection {
            transport: Transport::Udp,
            udp_blocked: None,
            remote: Sensitive::new("203.0.113.9"),
            remote_port: 8443,
            family: Family::Ipv4,
            clock: ClockSource::KernelReceive,
            server_clock: ClockSource::KernelReceive,
            stream: StreamShape {
                interval_ms: ms(SPACING_MS),
                payload_bytes: ByteCount::new(172),
                duration_ms: ms(SPACING_MS * self.packets as f64),
                packets_sent: self.packets,
                warmup_packets: 2,
            },
            first_packet_ms: Some(ms(self.rtt_ms + 6.5)),
            rtt: Distribution::from_samples(&rtts),
            up,
            down,
            outages: self.outages(),
            extended: false,
        }
    }

    fn outages(&self) -> Vec<Outage> {
        let outage = |(first, packets): (u64, u64)| Outage {
            start_ms: ms(first as f64 * SPACING_MS),
            duration_ms: ms(packets as f64 * SPACING_MS),
            packets_lost: packets,
            recovered: first + packets < self.packets,
        };
        self.outage.map(outage).into_iter().collect()
    }

    fn direction(
        &self,
        model: &DirectionModel,
        random: &mut Random,
    ) -> (DirectionSection, Vec<Option<f64>>) {
        let mut fates = model.loss.fates(self.packets, random);
        if let Some((first, packets)) = self.outage {
            for (i, fate) in fates.iter_mut().enumerate() {
                if (first..first + packets).contains(&(i as u64)) {
                    *fate = Fate::LostInOutage;
                }
            }
        }
        let delays: Vec<Option<f64>> = fates
            .iter()
            .map(|fate| (*fate == Fate::Arrived).then(|| self.delay(model, random)))
            .collect();
        let section = summarize(&fates, &delays, model, random);
        (section, delays)
    }

    fn delay(&self, model: &DirectionModel, random: &mut Random) -> f64 {
        let (share, late) = model.reordered;
        let extra = if random.unit() < share { late } else { 0.0 };
        self.rtt_ms / 2.0 + model.jitter_ms * random.unit() + extra
    }
}

fn summarize(
    fates: &[Fate],
    delays: &[Option<f64>],
    model: &DirectionModel,
    random: &mut Random,
) -> DirectionSection {
    // Arrival time, sequence number and delay, in the order of arrival.
    let mut arrivals: Vec<(f64, u64, f64)> = Vec::new();
    for (i, delay) in delays.iter().enumerate() {
        if let Some(delay) = delay {
            arrivals.push((i as f64 * SPACING_MS + delay, i as u64, *delay));
        }
    }
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut order: Vec<u64> = Vec::new();
    for (_, sequence, _) in &arrivals {
        order.push(*sequence);
        if random.unit() < model.duplicated {
            order.push(*sequence);
        }
    }
    let by_arrival = arrivals
        .windows(2)
        .map(|pair| (pair[1].2 - pair[0].2).abs());
    let by_arrival: Vec<f64> = by_arrival.collect();
    let jitter = by_arrival.iter().fold(0.0, |j, d| j + (d - j) / 16.0);
    let known: Vec<f64> = delays.iter().copied().flatten().collect();
    let least = known.iter().copied().fold(f64::INFINITY, f64::min);
    let pdv: Vec<f64> = known.iter().map(|delay| delay - least).collect();
    let by_sequence = delays.windows(2);
    let by_sequence: Vec<f64> = by_sequence.filter_map(|w| Some(w[1]? - w[0]?)).collect();
    let jitter = (known.len() >= 48).then(|| ms(jitter));
    DirectionSection {
        loss: Loss::from_sequence(fates, ms(SPACING_MS)),
        order: Order::from_arrivals(&order),
        interarrival_jitter_ms: jitter,
        interarrival_jitter_interval_ms: jitter.and_then(|j| jitter_interval(j, &by_arrival)),
        pdv: Distribution::from_samples(&pdv),
        late_loss: late_loss(&pdv),
        ipdv: Ipdv::from_differences(&by_sequence),
        path_mtu: Some(PathMtu {
            bytes: ByteCount::new(model.black_hole_bytes.unwrap_or(1500)),
            largest_tried_bytes: ByteCount::new(1500),
            black_hole: model.black_hole_bytes.is_some(),
        }),
    }
}

fn ms(value: f64) -> Millis {
    Millis::new(value).unwrap_or_default()
}

/// A laptop that has all it needs.
pub fn system() -> SystemSection {
    let met = || Requirement {
        met: true,
        reasons: Vec::new(),
    };
    SystemSection {
        os: Os {
            family: "linux".to_owned(),
            name: "Debian GNU/Linux 13 (trixie)".to_owned(),
            kernel: Some("6.12.9".to_owned()),
            architecture: "x86_64".to_owned(),
            virtualization: None,
        },
        cpu: Cpu {
            model: Some("AMD Ryzen 5 PRO 7540U".to_owned()),
            usable_cores: 12,
            machine_cores: Some(12),
            busy_ratio: Ratio::new(0.08),
            load_average_1min: Some(0.6),
            throttling: None,
        },
        memory: Some(Memory {
            total_bytes: ByteCount::new(16_000_000_000),
            available_bytes: ByteCount::new(9_400_000_000),
        }),
        gpus: vec![Gpu {
            vendor: "AMD".to_owned(),
            device: "Radeon 740M".to_owned(),
            driver: Some("amdgpu".to_owned()),
        }],
        display: Display {
            server: DisplayServer::Wayland,
            screen_capture: ScreenCapture::Available {
                interface: "desktop portal".to_owned(),
            },
        },
        power: Power {
            source: Some(PowerSource::Mains),
            battery_ratio: Ratio::new(0.93),
            profile: Some("balanced".to_owned()),
            saver_active: Some(false),
        },
        interfaces: vec![Interface {
            name: "wlan0".to_owned(),
            kind: LinkKind::Wifi,
            addresses: vec![
                Sensitive::new("192.168.1.23"),
                Sensitive::new("2001:db8:77::23"),
            ],
            speed_bps: Some(Bitrate::from_kbps(866_000)),
            mtu_bytes: Some(ByteCount::new(1500)),
            default_route: true,
        }],
        metered: Some(false),
        proxy: None,
        proxy_problems: Vec::new(),
        requirements: Requirements {
            video: met(),
            audio: met(),
            screen: met(),
        },
    }
}

/// A server that answers.
pub fn discovery() -> DiscoverySection {
    DiscoverySection {
        host: Sensitive::new("call.example.org"),
        port: 8443,
        address: Some(Sensitive::new("203.0.113.9")),
        tls: true,
        elapsed_ms: ms(61.3),
        server_version: "0.1.0".to_owned(),
        clock_offset: Some(ClockOffset {
            offset_ms: ms(12.0),
            uncertainty_ms: ms(9.2),
        }),
        preset: Some("standard".to_owned()),
        support_contact: Some("help@example.org".to_owned()),
    }
}

/// What a run against a server found.
pub fn run(path: Outcome<PathSection>) -> Run {
    let probes = vec![
        ProbeId::System,
        ProbeId::Discovery,
        ProbeId::Path,
        ProbeId::Throughput,
        ProbeId::Camera,
        ProbeId::Microphone,
        ProbeId::Speaker,
    ];
    let cost = |probe, elapsed, bytes| ProbeCost {
        probe,
        elapsed_ms: ms(elapsed),
        bytes_sent: Some(ByteCount::new(bytes)),
        bytes_received: Some(ByteCount::new(bytes)),
    };
    Run {
        id: "7KQ2-M9XA".to_owned(),
        tool: Tool {
            name: "greenroom".to_owned(),
            version: "0.1.0".to_owned(),
        },
        started_at: "2026-01-15T09:30:00Z".to_owned(),
        elapsed_ms: ms(4213.0),
        ending: Ending::Finished,
        request: Request {
            mode: Mode::Full,
            target: Target::Server {
                url: Sensitive::new("https://call.example.org:8443/"),
            },
            probes,
            left_out: Vec::new(),
            time_limit_ms: None,
            data_limit_bytes: None,
        },
        cost: Cost {
            bytes_sent: ByteCount::new(3_041_900),
            bytes_received: ByteCount::new(3_041_900),
            probes: vec![
                cost(ProbeId::System, 310.0, 0),
                cost(ProbeId::Discovery, 61.3, 3_900),
                cost(ProbeId::Path, 3_800.0, 38_000),
                cost(ProbeId::Throughput, 2_981.0, 3_000_000),
                cost(ProbeId::Camera, 2_612.0, 0),
                cost(ProbeId::Microphone, 3_154.0, 0),
                cost(ProbeId::Speaker, 2_906.0, 0),
            ],
        },
        system: Outcome::Measured { data: system() },
        discovery: Outcome::Measured { data: discovery() },
        path,
        throughput: Outcome::Measured {
            data: ThroughputModel::default().section(),
        },
        camera: Outcome::Measured { data: camera() },
        microphone: Outcome::Measured { data: microphone() },
        speaker: Outcome::Measured { data: speaker() },
        resolve: Outcome::earlier_version(),
        web: Outcome::earlier_version(),
        stun: Outcome::earlier_version(),
        turn: Outcome::earlier_version(),
    }
}

/// A run over a simulated path.
pub fn run_over(model: &PathModel, seed: u64) -> Run {
    run(Outcome::Measured {
        data: model.section(seed),
    })
}

/// A run over a simulated path that is this link.
pub fn run_with(model: &PathModel, seed: u64, link: &ThroughputModel) -> Run {
    let mut run = run_over(model, seed);
    run.throughput = Outcome::Measured {
        data: link.section(),
    };
    run
}

/// Reports of common cases with their names.
pub fn reports() -> Vec<(&'static str, Report)> {
    vec![
        ("healthy", run_over(&PathModel::default(), 1)),
        ("builtin", builtin()),
        ("lossy", lossy()),
        ("websocket", websocket()),
        ("unreachable", unreachable()),
        ("cancelled", cancelled()),
        ("narrow", narrow()),
        ("quick", quick()),
        ("headless", headless()),
        ("devices", devices()),
    ]
    .into_iter()
    .map(|(name, run)| (name, Report::assemble(run, Profile::default_profile())))
    .collect()
}

/// No server given.
pub fn builtin() -> Run {
    let model = PathModel {
        rtt_ms: 0.1,
        ..PathModel::default()
    };
    let mut run = run_over(&model, 1);
    run.request.target = Target::Builtin;
    run.discovery = Outcome::not_run(ReasonCode::NotSelected, "no server was given");
    if let Some(path) = run.path.data_mut() {
        path.remote = Sensitive::new("127.0.0.1");
    }
    if let Some(throughput) = run.throughput.data_mut() {
        throughput.remote = Sensitive::new("127.0.0.1");
    }
    run
}

/// Eight percent of the packets to the server are lost.
pub fn lossy() -> Run {
    let mut model = PathModel::default();
    model.up.loss.ratio = 0.08;
    run_over(&model, 4)
}

/// UDP does not come through; a WebSocket does.
pub fn websocket() -> Run {
    let mut path = PathModel::default().section(1);
    over_websocket(&mut path);
    let blocked = path.udp_blocked.clone();
    let mut run = run(Outcome::Measured { data: path });
    if let Some(throughput) = run.throughput.data_mut() {
        throughput.transport = Transport::WebSocket;
        throughput.udp_blocked = blocked;
    }
    run
}

/// Turns a path over UDP into one over WebSocket.
pub fn over_websocket(path: &mut PathSection) {
    path.transport = Transport::WebSocket;
    path.udp_blocked = Some(UdpBlocked {
        port: path.remote_port,
        attempts: 5,
        waited_ms: ms(1200.0),
        rejected: false,
    });
    for direction in [&mut path.up, &mut path.down] {
        direction.loss = None;
        direction.order = None;
        direction.path_mtu = None;
    }
}

/// Nobody answers at the server's address.
pub fn unreachable() -> Run {
    let dependency = "the server was not found";
    let mut run = run(Outcome::not_run(ReasonCode::DependencyFailed, dependency));
    run.throughput = Outcome::not_run(ReasonCode::DependencyFailed, dependency);
    run.discovery = Outcome::Blocked {
        reason: Reason::new(
            ReasonCode::NoAnswer,
            "call.example.org (203.0.113.9) port 8443 did not answer within 3 s",
        ),
    };
    run
}

/// Stopped by the user after a moment.
pub fn cancelled() -> Run {
    let model = PathModel {
        packets: 12,
        ..PathModel::default()
    };
    let mut run = run(Outcome::Partial {
        data: model.section(1),
        reason: Reason::new(ReasonCode::Cancelled, "stopped by the user"),
    });
    run.throughput = Outcome::not_run(ReasonCode::Cancelled, "the run was cancelled before");
    run.ending = Ending::Cancelled;
    run.elapsed_ms = ms(612.0);
    run
}

/// A small uplink with a deep queue.
pub fn narrow() -> Run {
    let link = ThroughputModel {
        up_kbps: 1_200,
        up_queue_ms: 260.0,
        ..ThroughputModel::default()
    };
    run_with(&PathModel::default(), 1, &link)
}

/// A server in a rack: no screen, no camera, no sound hardware.
pub fn headless() -> Run {
    let mut run = run_over(&PathModel::default(), 1);
    run.camera = blocked(ReasonCode::NoDevice, "there is no camera");
    run.microphone = blocked(ReasonCode::NoDevice, "there is no microphone");
    run.speaker = blocked(ReasonCode::NoDevice, "there is no speaker");
    if let Some(system) = run.system.data_mut() {
        system.display.server = DisplayServer::None;
        system.display.screen_capture = ScreenCapture::Unavailable {
            reason: "no display".to_owned(),
        };
    }
    run
}

/// A small, slow camera in the dark before a slow processor, a microphone that another program
/// holds, and a speaker that was taken in place of the chosen one.
pub fn devices() -> Run {
    let mut run = run_over(&PathModel::default(), 1);
    if let Some(camera) = run.camera.data_mut() {
        camera.modes.retain(|mode| mode.size == size(640, 480));
        camera.negotiated = camera.modes.first().cloned();
        camera.resolution = Some(size(640, 480));
        camera.frames = 25;
        camera.frame_rate = Some(rate(12.4, 0.5));
        camera.encoding = Some(encoding(38.0));
        if let Some(picture) = &mut camera.picture {
            picture.mean_luma = Some(31.0);
            picture.p95_luma = Some(74.0);
            picture.is_low_light = Some(true);
        }
    }
    let busy = "cannot open Yeti Stereo Microphone: firefox uses it";
    run.microphone = blocked(ReasonCode::DeviceBusy, busy);
    if let Some(speaker) = run.speaker.data_mut() {
        speaker.device.fallback = Some("there is no speaker called \"Desk\"".to_owned());
        speaker.acoustic_loop = None;
    }
    run
}

/// A quick check, which tries no traffic of a call.
pub fn quick() -> Run {
    let mut run = run_over(&PathModel::default(), 1);
    run.request.mode = Mode::Quick;
    if let Some(throughput) = run.throughput.data_mut() {
        throughput.verifications.clear();
        throughput.call_load = None;
        throughput
            .phases
            .retain(|cost| cost.phase != ThroughputPhase::Verification);
    }
    run
}
