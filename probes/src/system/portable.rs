//! The readers for systems other than Linux: what portable libraries tell. The rest is unknown.

#![expect(clippy::disallowed_methods, reason = "driver: waits between two looks")]

use std::thread;
use std::time::Duration;

use greenroom_reports::model::sensitive::Sensitive;
use greenroom_reports::model::system::{
    Cpu, Display, DisplayServer, Interface, LinkKind, Memory, Os, Power, ScreenCapture,
};
use greenroom_reports::units::{Bitrate, ByteCount, Ratio};
use netdev::interface::types::InterfaceType;

use super::probe::{Activity, Machine, SystemConfig, UNKNOWN_POWER};
use super::root::SystemRoot;

/// Reads operating system, processor and memory.
pub(super) fn read_machine(_root: &SystemRoot) -> Machine {
    let system = sysinfo::System::new().ok().map(|mut system| {
        system.refresh_memory();
        system.refresh_cpu_all();
        system
    });
    let cpus = system.as_ref().map_or(&[][..], sysinfo::System::cpus);
    Machine {
        os: read_os(),
        cpu: Cpu {
            model: cpus
                .first()
                .map(|cpu| cpu.brand().trim().to_owned())
                .filter(|brand| !brand.is_empty()),
            usable_cores: usable_cores(),
            machine_cores: u32::try_from(cpus.len()).ok().filter(|cores| *cores > 0),
            busy_ratio: None,
            load_average_1min: load_average(),
            throttling: None,
        },
        memory: system.as_ref().and_then(read_memory),
        gpus: Vec::new(),
    }
}

fn read_os() -> Os {
    let family = std::env::consts::OS.to_owned();
    Os {
        name: sysinfo::System::long_os_version().unwrap_or_else(|_untold| family.clone()),
        family,
        kernel: sysinfo::System::kernel_version().ok(),
        architecture: std::env::consts::ARCH.to_owned(),
        virtualization: None,
    }
}

/// Windows keeps none.
fn load_average() -> Option<f64> {
    let average = sysinfo::System::load_average().ok()?;
    (!cfg!(windows)).then_some(average.one)
}

fn read_memory(system: &sysinfo::System) -> Option<Memory> {
    (system.total_memory() > 0).then(|| Memory {
        total_bytes: ByteCount::new(system.total_memory()),
        available_bytes: ByteCount::new(system.available_memory()),
    })
}

/// Logical cores that this process may use, where the system restricts them; at least 1.
pub(super) fn usable_cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Nothing is known.
pub(super) fn read_power(_root: &SystemRoot) -> Power {
    UNKNOWN_POWER
}

/// Nothing is known.
pub(super) fn read_metered(_config: SystemConfig) -> std::future::Ready<Option<bool>> {
    std::future::ready(None)
}

/// Reads the interfaces that are up, without loopback.
///
/// The default route is the one of the system's preferred interface only.
#[expect(clippy::unnecessary_wraps, reason = "other platforms may not tell")]
pub(super) fn read_interfaces(_root: &SystemRoot) -> Option<Vec<Interface>> {
    let interfaces = netdev::get_interfaces();
    let up = interfaces
        .iter()
        .filter(|interface| interface.is_up() && !interface.is_loopback());
    Some(up.map(describe).collect())
}

fn describe(interface: &netdev::Interface) -> Interface {
    let v4 = interface.ipv4_addrs().into_iter().map(std::net::IpAddr::V4);
    let v6 = interface.ipv6_addrs().into_iter().map(std::net::IpAddr::V6);
    Interface {
        name: interface
            .friendly_name
            .clone()
            .unwrap_or_else(|| interface.name.clone()),
        kind: link_kind(interface),
        addresses: v4.chain(v6).map(Sensitive::from).collect(),
        speed_bps: interface
            .transmit_speed
            .filter(|bps| *bps > 0)
            .map(Bitrate::from_bps),
        mtu_bytes: interface.mtu.map(|mtu| ByteCount::new(u64::from(mtu))),
        default_route: interface.default,
    }
}

fn link_kind(interface: &netdev::Interface) -> LinkKind {
    match interface.if_type {
        InterfaceType::Ethernet | InterfaceType::GigabitEthernet | InterfaceType::FastEthernetT => {
            LinkKind::Ethernet
        }
        InterfaceType::Wireless80211 => LinkKind::Wifi,
        InterfaceType::Wwanpp | InterfaceType::Wwanpp2 => LinkKind::Cellular,
        InterfaceType::Tunnel | InterfaceType::Ppp => LinkKind::Tunnel,
        InterfaceType::Bridge => LinkKind::Bridge,
        _ if interface.is_tun() => LinkKind::Tunnel,
        _ => LinkKind::Other,
    }
}

/// The system's own display. Windows lets every program capture it; macOS asks the user for each,
/// and does not tell beforehand.
#[expect(
    clippy::unused_async,
    reason = "other platforms wait for a display server"
)]
pub(super) async fn read_display(_config: SystemConfig) -> Display {
    Display {
        server: DisplayServer::Native,
        screen_capture: if cfg!(windows) {
            ScreenCapture::Available {
                interface: "desktop duplication".to_owned(),
            }
        } else {
            ScreenCapture::Unknown
        },
    }
}

/// Looks, waits for `pause`, looks again. Our own time counts as busy.
pub(super) async fn watch_activity(_root: SystemRoot, pause: Duration) -> Activity {
    let Ok(mut system) = sysinfo::System::new() else {
        return Activity::default();
    };
    system.refresh_cpu_usage();
    tokio::time::sleep(pause).await;
    system.refresh_cpu_usage();
    Activity {
        busy_ratio: Ratio::new(f64::from(system.global_cpu_usage()) / 100.0),
        throttling: None,
    }
}
